//! The log searched and counted.

use serde_json::{Value, json};

use crate::desk::Desk;

async fn key(desk: &Desk, token: &str, tenant: &str, name: &str) -> String {
    let path = format!("/v1/tenants/{tenant}/keys");
    let new = Some(json!({ "name": name }));
    let made = desk.ask_with(token, "POST", &path, new, &[]).await.ok();
    made["id"].as_str().unwrap().to_owned()
}

async fn items(desk: &Desk, token: &str, path: &str) -> Vec<Value> {
    let page = desk.ask(token, "GET", path, None).await.ok();
    page["items"].as_array().unwrap().clone()
}

/// Everything that is found, page by page.
async fn all(desk: &Desk, token: &str, path: &str) -> Vec<Value> {
    let (mut found, mut before) = (Vec::new(), String::new());
    loop {
        let page = desk
            .ask(token, "GET", &format!("{path}{before}"), None)
            .await
            .ok();
        found.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_before"].as_u64() {
            Some(next) => before = format!("&before={next}"),
            None => return found,
        }
    }
}

#[tokio::test]
async fn what_happened_to_a_key_is_found_newest_first_and_page_by_page() {
    let desk = Desk::open().await;
    let id = key(&desk, &desk.token, "acme", "payroll").await;
    key(&desk, &desk.token, "acme", "letters").await;
    let activate = "/v1/tenants/acme/keys/payroll/activate";
    desk.ask(&desk.token, "POST", activate, None).await.ok();
    for _ in 0..5 {
        let data = Some(json!({ "plaintext": "aGVsbG8=" }));
        let path = "/v1/tenants/acme/keys/payroll/encrypt";
        desk.ask(&desk.token, "POST", path, data).await.ok();
    }
    let search = "/v1/tenants/acme/audit/search?limit=2";
    let by_name = all(&desk, &desk.token, &format!("{search}&key=payroll")).await;
    let actions: Vec<&str> = by_name
        .iter()
        .map(|it| it["action"].as_str().unwrap())
        .collect();
    let mut expected = vec!["key.encrypt"; 5];
    expected.extend(["key.activate", "key.create"]);
    assert_eq!(actions, expected, "newest first, and of no other key");
    let by_id = all(&desk, &desk.token, &format!("{search}&key={id}")).await;
    assert_eq!(by_id, by_name);
    while desk.world.index.grow().unwrap() {}
    let indexed = all(&desk, &desk.token, &format!("{search}&key={id}")).await;
    assert_eq!(indexed, by_name, "by the index the same");
    for asked in [
        "text=payroll&action=key.create",
        "action=key.*&version=1&text=PAYROLL",
        &format!("key={id}&action=key.create&outcome=ok&node=node-1&address=127.0.0.1"),
    ] {
        let path = format!("/v1/tenants/acme/audit/search?{asked}");
        let found = items(&desk, &desk.token, &path).await;
        assert!(
            found.iter().any(|it| it["action"] == "key.create"),
            "{asked}: {found:?}"
        );
    }
    let correlation = by_name[0]["correlation_id"].as_str().unwrap();
    let auditor = desk.auditor().await;
    let path = format!("/v1/audit/search?correlation_id={correlation}");
    assert_eq!(items(&desk, &auditor, &path).await, by_name[..1]);
    // Each page is an entry itself, and says by what was looked for and how much was given out.
    let found = items(&desk, &auditor, "/v1/audit/search?action=audit.read").await;
    assert_eq!(
        found[0]["details"],
        json!({ "by": "correlation_id", "search": 1 })
    );
}

#[tokio::test]
async fn entries_are_counted_by_field_and_time() {
    let desk = Desk::open().await;
    for name in ["payroll", "letters", "claims"] {
        key(&desk, &desk.token, "acme", name).await;
    }
    let counts = "/v1/tenants/acme/audit/counts";
    let total = items(&desk, &desk.token, &format!("{counts}?action=key.create")).await;
    assert_eq!(total, [json!({ "entries": 3 })]);
    let found = format!("{counts}?by=action&every=day");
    let found = items(&desk, &desk.token, &found).await;
    let created: Vec<_> = found
        .iter()
        .filter(|it| it["value"] == "key.create")
        .collect();
    assert_eq!(created.len(), 1);
    assert_eq!(created[0]["entries"], 3);
    let from = created[0]["from"].as_str().unwrap();
    assert!(from.ends_with("T00:00:00.000000Z"), "{from}");
    let auditor = desk.auditor().await;
    let found = items(&desk, &auditor, "/v1/audit/counts?by=tenant").await;
    assert!(found.iter().any(|it| it["value"] == "system"));
}

#[tokio::test]
async fn i05_nobody_finds_or_counts_another_tenants_entries() {
    let desk = Desk::open().await;
    desk.world.tenant("rival").await;
    let rival = desk.powerful("rival", "them").await;
    let ours = key(&desk, &desk.token, "acme", "ours").await;
    let acme = desk
        .ask(&desk.token, "GET", "/v1/tenants/acme", None)
        .await
        .ok();
    let acme = acme["id"].as_str().unwrap().to_owned();
    for is_indexed in [false, true] {
        if is_indexed {
            while desk.world.index.grow().unwrap() {}
        }
        let at = "/v1/tenants/rival/audit";
        for asked in [
            String::new(),
            "&text=ours".to_owned(),
            format!("&key={ours}"),
            "&before=9007199254740991".to_owned(),
            "&before=12".to_owned(),
        ] {
            let path = format!("{at}/search?limit=3{asked}");
            let found = if asked.contains("before") {
                items(&desk, &rival, &path).await
            } else {
                all(&desk, &rival, &path).await
            };
            assert!(
                !found.iter().any(|it| it["tenant_id"] == json!(acme)),
                "{asked}"
            );
            assert!(
                found.iter().all(|it| it["tenant_id"].is_string()),
                "{asked}"
            );
            for by in ["tenant", "key", "principal", "action", "address", "all"] {
                let path = format!("{at}/counts?by={by}{asked}");
                let counted = items(&desk, &rival, &path).await;
                let sum: u64 = counted
                    .iter()
                    .map(|it| it["entries"].as_u64().unwrap())
                    .sum();
                let text = Value::from(counted).to_string();
                assert!(!text.contains(&acme) && !text.contains(&ours), "{path}");
                let is_about_us = asked.contains(&ours) || asked.contains("ours");
                assert!(!is_about_us || sum == 0, "{path}: {sum}");
            }
        }
        for path in [
            format!("{at}/search?tenant=acme"),
            format!("{at}/search?tenant={acme}"),
            format!("{at}/counts?tenant={acme}&by=key"),
        ] {
            let refused = desk.ask(&rival, "GET", &path, None).await;
            assert_eq!(refused.problem(400), "invalid_request", "{path}");
        }
        // A key of ours has no name there.
        let path = format!("{at}/search?key=ours");
        assert_eq!(
            desk.ask(&rival, "GET", &path, None).await.problem(404),
            "not_found"
        );
        for path in ["search", "counts"] {
            let path = format!("/v1/audit/{path}?tenant=rival");
            assert_eq!(
                desk.ask(&rival, "GET", &path, None).await.problem(403),
                "forbidden"
            );
            let path = format!("{}{}", "/v1/tenants/acme/audit/", &path[10..]);
            let path = path.replace("?tenant=rival", "");
            desk.ask(&rival, "GET", &path, None).await.problem(404);
        }
        let system = desk
            .ask(&rival, "GET", "/v1/tenants/system/audit/search", None)
            .await;
        assert_eq!(system.problem(403), "forbidden");
    }
}

#[tokio::test]
async fn what_cannot_be_searched_for_is_refused_by_name() {
    let desk = Desk::open().await;
    let auditor = desk.auditor().await;
    for (asked, field) in [
        ("limit=501", "limit"),
        ("limit=0", "limit"),
        ("action=key.fly", "action"),
        ("action=fly.*", "action"),
        ("version=first", "version"),
        ("text=--", "text"),
        (
            "since=2027-01-02T00:00:00Z&until=2027-01-01T00:00:00Z",
            "until",
        ),
        ("key=payroll", "key"),
        ("principal=alice", "principal"),
        ("since=yesterday", "since"),
        ("outcome=fine", "outcome"),
        ("colour=red", "colour"),
    ] {
        let path = format!("/v1/audit/search?{asked}");
        let refused = desk.ask(&auditor, "GET", &path, None).await;
        assert_eq!(refused.problem(400), "invalid_request", "{asked}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(field), "{asked}: {detail}");
    }
}
