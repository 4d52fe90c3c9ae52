//! Uses of keys counted over HTTP: the order, who may give it, and where it is shown.

use keyward_core::ops::clockwork;
use serde_json::{Value, json};

use crate::desk::Desk;

const TENANT: &str = "/v1/tenants/acme";

fn order(how: &str, reason: Option<&str>) -> Value {
    let mut order = json!({ "audit_detail": how });
    if let Some(reason) = reason {
        order["reason"] = json!(reason);
    }
    order
}

/// Uses of a key, one an entry and four counted, at the end of their minute.
async fn used(desk: &Desk) {
    desk.key("payroll", "aes-256-gcm-commit").await;
    let path = format!("{TENANT}/audit-detail");
    desk.ask(
        &desk.token,
        "POST",
        &path,
        Some(order("counts", Some("rate"))),
    )
    .await
    .ok();
    for _ in 0..5 {
        let path = format!("{TENANT}/keys/payroll/encrypt");
        desk.post(&path, json!({ "plaintext": "aGVsbG8=" }))
            .await
            .ok();
    }
    desk.world.clock.advance_seconds(60);
    clockwork::tick(&desk.world.node).await.unwrap();
}

#[tokio::test]
async fn it_is_ordered_with_a_reason_and_shown_with_the_tenant() {
    let desk = Desk::open().await;
    let path = format!("{TENANT}/audit-detail");
    let before = desk.get(TENANT).await.ok();
    assert_eq!(before["audit_detail"], "each");
    assert!(before.get("audit_detail_since").is_none());
    for (body, field) in [
        (Some(order("counts", None)), "reason"),
        (Some(order("counts", Some(" "))), "reason"),
        (Some(order("nothing", Some("rate"))), "audit_detail"),
        (Some(json!({})), "audit_detail"),
    ] {
        let refused = desk.ask(&desk.token, "POST", &path, body).await;
        assert_eq!(refused.problem(400), "invalid_request");
        let said = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(said.contains(field), "{said}");
    }
    let done = desk
        .ask(
            &desk.token,
            "POST",
            &path,
            Some(order("counts", Some("rate"))),
        )
        .await;
    let tenant = done.ok();
    assert_eq!(tenant["audit_detail"], "counts");
    assert!(tenant["audit_detail_by"].is_string());
    assert!(done.header("etag").is_some());
    let shown = desk.get(TENANT).await.ok();
    assert_eq!(shown["audit_detail_since"], tenant["audit_detail_since"]);
    let back = desk
        .ask(&desk.token, "POST", &path, Some(order("each", None)))
        .await
        .ok();
    assert_eq!(back["audit_detail"], "each");
    assert!(
        back["audit_detail_since"].is_string(),
        "it was not always so"
    );
}

#[tokio::test]
async fn only_administrators_may_order_it() {
    let desk = Desk::open().await;
    let path = format!("{TENANT}/audit-detail");
    let place = "acme".parse().map(keyward_core::caller::TenantRef::Name);
    let root = desk.world.root().clone();
    for role in ["auditor", "operator", "crypto-user"] {
        let token = desk
            .world
            .member_token(
                &root,
                &place.clone().unwrap(),
                &format!("my-{role}"),
                role,
                None,
            )
            .await;
        let refused = desk.ask(&token, "POST", &path, Some(order("counts", Some("x"))));
        assert_eq!(refused.await.problem(403), "forbidden", "{role}");
    }
    let root = desk.world.root_token().to_owned();
    desk.ask(&root, "POST", &path, Some(order("counts", Some("x"))))
        .await
        .ok();
}

#[tokio::test]
async fn every_reading_of_the_log_says_of_whom_entries_stand_for_many() {
    let desk = Desk::open().await;
    used(&desk).await;
    let auditor = desk.auditor().await;
    for (token, path) in [
        (&desk.token, format!("{TENANT}/audit")),
        (&desk.token, format!("{TENANT}/audit/search")),
        (&desk.token, format!("{TENANT}/audit/counts?by=action")),
        (&desk.token, format!("{TENANT}/audit/export?format=csv")),
        (&auditor, "/v1/audit".to_owned()),
        (&auditor, "/v1/audit/search".to_owned()),
        (&auditor, "/v1/audit/counts".to_owned()),
        (&auditor, "/v1/audit/export".to_owned()),
    ] {
        let answer = desk.ask(token, "GET", &path, None).await.ok();
        let notes = answer["detail"].as_array().unwrap();
        assert_eq!(notes.len(), 1, "{path}");
        assert_eq!(notes[0]["audit_detail"], "counts", "{path}");
        assert!(notes[0]["since"].is_string() && notes[0]["by"].is_string());
    }
    // Of nobody else is anything said.
    desk.world.tenant("rival").await;
    let rival = desk.powerful("rival", "somebody").await;
    for path in ["/v1/tenants/rival/audit", "/v1/tenants/rival/audit/search"] {
        let answer = desk.ask(&rival, "GET", path, None).await.ok();
        assert!(answer.get("detail").is_none(), "{path}");
    }
    let path = format!("{TENANT}/audit/search?action=key.encrypt");
    let found = desk.get(&path).await.ok();
    let found = found["items"].as_array().unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["details"]["count"], 4);
    assert_eq!(found[0]["details"]["began_with"], found[1]["sequence"]);
    let path = format!("{TENANT}/audit/counts?action=key.encrypt");
    let counted = desk.get(&path).await.ok();
    assert_eq!(counted["items"][0]["entries"], 2, "entries, not operations");
}

#[tokio::test]
async fn every_form_has_the_number() {
    let desk = Desk::open().await;
    used(&desk).await;
    for (format, number) in [
        ("jsonl", "\"count\":4"),
        ("csv", "\"\"count\"\":4"),
        ("cef", " cnt=4 "),
        ("leef", "\tcount=4\t"),
        ("ocsf", "\"count\":4"),
        ("ecs", "\"count\":4"),
        ("cloudevents", "\"count\":4"),
    ] {
        let path = format!("{TENANT}/audit/export?format={format}");
        let lines = desk.get(&path).await.ok();
        let lines = lines["lines"].as_array().unwrap();
        let mut found = lines.iter().filter_map(Value::as_str);
        let line = found.find(|line| line.contains("began_with")).unwrap();
        assert!(line.contains(number), "{format}: {line}");
    }
}
