//! The log, the metrics and the health pages.

use std::time::Duration;

use serde_json::json;

use crate::desk::Desk;

#[tokio::test]
async fn what_was_done_is_in_the_log_under_the_callers_correlation_id() {
    let desk = Desk::open().await;
    let id = [("x-correlation-id", "order-17")];
    let new = Some(json!({ "name": "payroll" }));
    let made = desk
        .ask_with(&desk.token, "POST", "/v1/tenants/acme/keys", new, &id)
        .await;
    assert_eq!(made.header("x-correlation-id"), Some("order-17"));
    let log = desk.get("/v1/tenants/acme/audit").await.ok();
    let entries = log["items"].as_array().unwrap();
    let entry = entries
        .iter()
        .find(|entry| entry["correlation_id"] == "order-17")
        .expect("an entry");
    assert_eq!(entry["action"], "key.create");
    assert_eq!(entry["outcome"], "ok");
    assert_eq!(entry["actor"]["address"], "127.0.0.1");
    assert_eq!(entry["resource"]["id"], made.ok()["id"]);
    assert_eq!(entry["revision"], made.ok()["revision"]);
}

#[tokio::test]
async fn who_follows_the_log_hears_of_news_and_does_not_make_them() {
    let desk = Desk::open().await;
    let log = desk.get("/v1/tenants/acme/audit").await.ok();
    // Reading is an entry too, so the end of the log is found by reading until nothing is new.
    let mut after = log["next_after"].as_u64().unwrap();
    loop {
        let more = desk
            .get(&format!("/v1/tenants/acme/audit?after={after}"))
            .await
            .ok();
        match more["items"].as_array().unwrap().last() {
            Some(last) => after = last["sequence"].as_u64().unwrap(),
            None => break,
        }
        if more["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|e| e["action"] == "audit.read")
        {
            break;
        }
    }
    let following = format!("/v1/tenants/acme/audit?after={after}&wait=30");
    let follow = async {
        loop {
            let news = desk.get(&following).await.ok();
            let items = news["items"].as_array().unwrap().clone();
            if items.iter().any(|entry| entry["action"] == "key.create") {
                return items;
            }
        }
    };
    let act = desk.key("payroll", "aes-256-gcm-commit");
    let both = async { tokio::join!(follow, act) };
    let (items, _) = tokio::time::timeout(Duration::from_mins(3), both)
        .await
        .expect("news");
    assert!(!items.is_empty());
}

#[tokio::test]
async fn metrics_count_by_route_and_name_nobody() {
    let desk = Desk::open().await;
    desk.key("very-secret-name", "aes-256-gcm-commit").await;
    desk.get("/v1/tenants/acme/keys/very-secret-name")
        .await
        .ok();
    assert_eq!(
        desk.ask("", "GET", "/metrics", None).await.problem(401),
        "unauthenticated"
    );
    let page = String::from_utf8(desk.get("/metrics").await.bytes).unwrap();
    let route = "route=\"/v1/tenants/{tenant}/keys/{key}\"";
    assert!(page.contains(route), "{page}");
    assert!(page.contains("keyward_keys "), "{page}");
    assert!(page.contains("keyward_sealed 0"), "{page}");
    assert!(
        !page.contains("very-secret-name") && !page.contains("acme"),
        "{page}"
    );
    assert!(!page.contains(&desk.token));
}

#[tokio::test]
async fn the_document_is_served_to_everybody() {
    let desk = Desk::open().await;
    let served = desk.ask("", "GET", "/openapi.json", None).await.ok();
    assert_eq!(served["openapi"], "3.1.0");
    assert_eq!(
        desk.ask("", "GET", "/health/live", None).await.ok()["status"],
        "live"
    );
    assert_eq!(
        desk.ask("", "GET", "/health/ready", None).await.ok()["status"],
        "ready"
    );
}
