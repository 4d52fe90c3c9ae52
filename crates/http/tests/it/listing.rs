//! Lists: filters, pages, and cursors that hold only where they were made.

use serde_json::json;

use crate::desk::Desk;

const KEYS: &str = "/v1/tenants/acme/keys";

#[tokio::test]
async fn pages_join_without_gap_or_overlap_and_cursors_do_not_travel() {
    let desk = Desk::open().await;
    desk.world.tenant("rival").await;
    for name in ["a", "b", "c", "d", "e"] {
        let new = json!({ "name": name, "tags": { "team": "hr" } });
        desk.post(KEYS, new).await.ok();
    }
    for sort in ["name", "created_at"] {
        let mut seen = Vec::new();
        let mut path = format!("{KEYS}?limit=2&tag=team%3Dhr&sort={sort}");
        loop {
            let page = desk.get(&path).await.ok();
            for key in page["items"].as_array().unwrap() {
                seen.push(key["name"].as_str().unwrap().to_owned());
            }
            let Some(cursor) = page["next_cursor"].as_str() else {
                break;
            };
            path = format!("{KEYS}?limit=2&tag=team%3Dhr&sort={sort}&cursor={cursor}");
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"], "{sort}");
    }
    let page = desk.get(&format!("{KEYS}?limit=2")).await.ok();
    let cursor = page["next_cursor"].as_str().unwrap();
    let root = desk.world.root_token();
    // The first character as another one, whichever it is.
    let other = if cursor.starts_with('A') { 'B' } else { 'A' };
    for elsewhere in [
        format!("{KEYS}?owner=hr&cursor={cursor}"),
        format!("{KEYS}?sort=created_at&cursor={cursor}"),
        format!("/v1/tenants/rival/keys?cursor={cursor}"),
        format!("/v1/tenants/acme/policies?cursor={cursor}"),
        format!("{KEYS}?cursor={other}{}", &cursor[1..]),
    ] {
        let refused = desk.ask(root, "GET", &elsewhere, None).await;
        assert_eq!(refused.problem(400), "invalid_request", "{elsewhere}");
    }
}

#[tokio::test]
async fn searches_narrow_by_every_condition() {
    let desk = Desk::open().await;
    let first = desk.key("alpha", "ed25519").await;
    let new = json!({
        "name": "beta", "owner": "ops", "purpose": "Backups of the ledger",
        "data_class": "BACKUP", "compliance_tags": ["SOX"], "authorized_services": ["tape"],
        "expires_at": "2030-01-01T00:00:00Z",
    });
    desk.post(KEYS, new).await.ok();
    let by = first["created_by"].as_str().unwrap();
    for (condition, expected) in [
        ("name=al", vec!["alpha"]),
        ("q=LEDGER", vec!["beta"]),
        ("state=active", vec!["alpha"]),
        ("data_class=BACKUP", vec!["beta"]),
        ("algorithm=ed25519", vec!["alpha"]),
        ("provider=native", vec!["alpha", "beta"]),
        ("owner=ops", vec!["beta"]),
        ("compliance_tag=SOX", vec!["beta"]),
        ("authorized_service=tape", vec!["beta"]),
        ("expires_before=2031-01-01T00:00:00Z", vec!["beta"]),
        ("created_before=2001-01-01T00:00:00Z", vec![]),
        (&format!("created_by={by}"), vec!["alpha", "beta"]),
        ("owner=ops&state=active", vec![]),
    ] {
        let page = desk.get(&format!("{KEYS}?{condition}")).await.ok();
        let names: Vec<&str> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, expected, "{condition}");
    }
}
