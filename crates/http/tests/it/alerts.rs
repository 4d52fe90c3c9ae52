//! Alerts and the storage over HTTP: listed, narrowed, counted, checked; and who may see them.

use keyward_core::noun::condition::{ConditionKind, Severity, Subject};
use keyward_core::ops::condition::{clear, raise};
use keyward_core::ops::storage;
use serde_json::{Value, json};

use crate::desk::Desk;

#[tokio::test]
async fn alerts_are_listed_narrowed_and_counted() {
    let desk = Desk::open().await;
    let node = &desk.world.node;
    let kind = ConditionKind::STORAGE_SPACE_LOW;
    for (subject, severity) in [("a", Severity::Warning), ("b", Severity::Critical)] {
        desk.world.clock.advance_seconds(1);
        let subject = Subject::system(subject);
        raise(node, kind.clone(), &subject, severity, "little room").await;
    }
    let root = desk.world.root_token().to_owned();
    let get = |path: String| {
        let (desk, root) = (&desk, &root);
        async move { desk.ask(root, "GET", &path, None).await }
    };
    let all = get("/v1/alerts".to_owned()).await.ok();
    let subjects = |answer: &serde_json::Value| {
        let items = answer["items"].as_array().unwrap().clone();
        items
            .into_iter()
            .map(|it| it["subject"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(subjects(&all), [json!("b"), json!("a")]);
    assert_eq!(all["items"][0]["kind"], "storage_space_low");
    assert_eq!(all["items"][0]["recorded"], true);
    clear(node, kind, &Subject::system("b")).await;
    for (query, expected) in [
        ("state=open", vec!["a"]),
        ("state=cleared", vec!["b"]),
        ("severity=critical", vec!["b"]),
        ("kind=storage_full", vec![]),
        ("kind=storage_space_low", vec!["b", "a"]),
    ] {
        let answer = get(format!("/v1/alerts?{query}")).await.ok();
        assert_eq!(subjects(&answer), expected, "{query}");
    }
    let first = get("/v1/alerts?limit=1".to_owned()).await.ok();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = get(format!("/v1/alerts?limit=1&cursor={cursor}")).await;
    assert_eq!(subjects(&second.ok()), [json!("a")]);
    for bad in [
        "state=shut",
        "severity=bad",
        "kind=A",
        "limit=0",
        "colour=red",
    ] {
        let answer = get(format!("/v1/alerts?{bad}")).await;
        assert_eq!(answer.problem(400), "invalid_request", "{bad}");
    }
    let live = desk.get("/health/live").await.ok();
    let counted = json!({ "info": 0, "warning": 1, "critical": 0, "unrecorded": 0 });
    assert_eq!(live["conditions"], counted);
    let metrics = String::from_utf8(desk.get("/metrics").await.bytes).unwrap();
    let line = "keyward_conditions{kind=\"storage_space_low\",severity=\"warning\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    assert_eq!(
        subjects(&desk.get("/v1/tenants/acme/alerts").await.ok()),
        [] as [&str; 0]
    );
    let answer = desk.get("/v1/alerts").await;
    assert_eq!(answer.problem(403), "forbidden");
}

#[tokio::test]
async fn the_storage_is_shown_checked_and_its_sweep_confirmed() {
    let desk = Desk::open().await;
    let root = desk.world.root_token().to_owned();
    let node = &desk.world.node;
    storage::watch(node).await;
    let shown = desk.ask(&root, "GET", "/v1/storage", None).await.ok();
    assert_eq!(shown["state"], "healthy");
    assert_eq!(shown["backend"], "embedded");
    assert!(shown["space"]["free_bytes"].as_u64().unwrap() > 0);
    assert_eq!(shown["check"], json!({}));
    let ordered = desk
        .ask(&root, "POST", "/v1/storage/scrub", None)
        .await
        .ok();
    assert_eq!(ordered["kind"], "scrub_storage");
    let again = desk.ask(&root, "POST", "/v1/storage/scrub", None).await;
    assert_eq!(again.problem(409), "conflict");
    while storage::scrub::slice(node).await.unwrap().is_some() {}
    let shown = desk.ask(&root, "GET", "/v1/storage", None).await.ok();
    assert_eq!(shown["check"]["last"]["job_id"], ordered["id"]);
    assert_eq!(shown["check"]["last"]["findings"], 0);
    assert_eq!(shown["check"]["last"]["records"], 1, "the tenant's key");
    assert!(shown["check"]["verified_since"].is_string());

    let confirm = "/v1/storage/confirm-sweep";
    let body = |hold: &Value| {
        Some(json!({
            "alert_id": hold["alert_id"], "etag": hold["etag"], "reason": "looked at"
        }))
    };
    let no_hold = json!({ "alert_id": "01900000-0000-7000-8000-000000000000", "etag": 1 });
    let nothing = desk.ask(&root, "POST", confirm, body(&no_hold)).await;
    assert_eq!(nothing.problem(404), "not_found");
    storage::sweep::hold(node, "restored").await;
    let shown = desk.ask(&root, "GET", "/v1/storage", None).await.ok();
    assert_eq!(shown["strays"]["held"], true);
    let hold = &shown["strays"]["holds"][0];
    assert_eq!(hold["detail"], "restored");
    let other = json!({ "alert_id": hold["alert_id"], "etag": 2 });
    let refused = desk.ask(&root, "POST", confirm, body(&other)).await;
    assert_eq!(refused.problem(409), "conflict");
    let done = desk.ask(&root, "POST", confirm, body(hold)).await.ok();
    assert_eq!(done["strays"]["held"], false);
    let metrics = String::from_utf8(desk.get("/metrics").await.bytes).unwrap();
    for line in [
        "keyward_storage_state{state=\"healthy\"} 1",
        "keyward_storage_operations_total{operation=\"write\"}",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
}
