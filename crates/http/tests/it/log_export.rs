//! The log given out in forms that other tools read.

use serde_json::Value;

use crate::desk::Desk;

fn lines(page: &Value) -> Vec<String> {
    let lines = page["lines"].as_array().unwrap().iter();
    lines
        .map(|line| line.as_str().unwrap().to_owned())
        .collect()
}

/// Every page of an export, as whoever writes a file would put them together.
async fn all(
    desk: &Desk,
    token: &str,
    path: &str,
    format: &str,
    limit: usize,
) -> (Vec<String>, u64) {
    let (mut found, mut after, mut to) = (Vec::new(), 0, None);
    loop {
        let bound = to.map_or_else(String::new, |to: u64| format!("&to={to}"));
        let asked = format!("{path}?format={format}&limit={limit}&after={after}{bound}");
        let page = desk.ask(token, "GET", &asked, None).await.ok();
        if after == 0
            && let Some(head) = page["head"].as_str()
        {
            found.push(head.to_owned());
        }
        found.extend(lines(&page));
        to = page["to"].as_u64();
        match page["next_after"].as_u64() {
            Some(next) => after = next,
            None => return (found, to.unwrap()),
        }
    }
}

#[tokio::test]
async fn an_export_ends_where_it_began_and_leaves_nothing_out() {
    let desk = Desk::open().await;
    let auditor = desk.auditor().await;
    for name in ["payroll", "claims", "letters"] {
        let new = Some(serde_json::json!({ "name": name }));
        desk.ask_with(&desk.token, "POST", "/v1/tenants/acme/keys", new, &[])
            .await
            .ok();
    }
    // A page of two: the pages themselves are entries, and come into no export of their own.
    let (paged, to) = all(&desk, &auditor, "/v1/audit/export", "jsonl", 2).await;
    let entries: Vec<Value> = paged
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let sequences: Vec<u64> = entries
        .iter()
        .map(|entry| entry["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(sequences, (1..=to).collect::<Vec<u64>>());
    let creations = entries.iter().filter(|it| it["action"] == "key.create");
    assert_eq!(creations.count(), 3);
    // It is what is read one by one.
    let read = desk
        .ask(&auditor, "GET", "/v1/audit?after=0&limit=1000", None)
        .await
        .ok();
    for (entry, read) in entries.iter().zip(read["items"].as_array().unwrap()) {
        assert_eq!(entry["correlation_id"], read["correlation_id"]);
        assert_eq!(entry["action"], read["action"]);
    }
    // Each page that was given out is in the log, with what it was.
    let log = desk
        .ask(&auditor, "GET", "/v1/audit?limit=1", None)
        .await
        .ok();
    let last = log["items"][0]["sequence"].as_u64().unwrap();
    assert!(last >= to + u64::try_from(paged.len()).unwrap() / 2);
    let (after, _) = all(&desk, &auditor, "/v1/audit/export", "jsonl", 1000).await;
    let told: Vec<Value> = after
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|entry: &Value| entry["details"]["format"] == "jsonl")
        .collect();
    assert!(told.iter().all(|entry| entry["action"] == "audit.read"));
    assert_eq!(told[0]["details"]["to"].as_u64(), Some(to));
}

#[tokio::test]
async fn i05_a_tenants_export_has_the_tenants_entries_and_no_others() {
    let desk = Desk::open().await;
    let auditor = desk.auditor().await;
    let rival = desk.world.tenant("rival").await.id.to_string();
    let token = desk.powerful("rival", "them").await;
    let key = Some(serde_json::json!({ "name": "theirs" }));
    desk.ask_with(&token, "POST", "/v1/tenants/rival/keys", key, &[])
        .await
        .ok();
    for format in ["jsonl", "csv", "cef", "leef", "ocsf", "ecs", "cloudevents"] {
        let (ours, _) = all(&desk, &auditor, "/v1/tenants/acme/audit/export", format, 3).await;
        assert!(!ours.is_empty());
        assert!(!ours.iter().any(|line| line.contains(&rival)), "{format}");
        assert!(!ours.iter().any(|line| line.contains("theirs")), "{format}");
        let (theirs, _) = all(&desk, &auditor, "/v1/tenants/rival/audit/export", format, 3).await;
        assert!(
            theirs.iter().any(|line| line.contains("theirs")),
            "{format}"
        );
    }
}

#[tokio::test]
async fn times_bound_an_export() {
    let desk = Desk::open().await;
    let auditor = desk.auditor().await;
    let path = "/v1/audit/export?format=jsonl&limit=1000";
    let whole = lines(&desk.ask(&auditor, "GET", path, None).await.ok());
    let first: Value = serde_json::from_str(&whole[0]).unwrap();
    let began = first["time"].as_str().unwrap();
    let none = lines(
        &desk
            .ask(&auditor, "GET", &format!("{path}&until={began}"), None)
            .await
            .ok(),
    );
    assert_eq!(none, Vec::<String>::new());
    let all = lines(
        &desk
            .ask(&auditor, "GET", &format!("{path}&since={began}"), None)
            .await
            .ok(),
    );
    assert!(
        all.len() > whole.len(),
        "the exports before it are there too"
    );
}
