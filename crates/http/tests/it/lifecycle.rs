//! A key's life over HTTP: verbs, states, preconditions.

use serde_json::{Value, json};

use crate::desk::{Answer, Desk};

async fn verb(desk: &Desk, verb: &str, body: Option<Value>) -> Answer {
    let path = format!("/v1/tenants/acme/keys/payroll/{verb}");
    desk.ask(&desk.token, "POST", &path, body).await
}

#[tokio::test]
async fn the_whole_life_of_a_key() {
    let desk = Desk::open().await;
    let new = json!({ "name": "payroll", "overlap_seconds": 0 });
    let made = desk.post("/v1/tenants/acme/keys", new).await.ok();
    assert_eq!(made["state"], "pending");
    let refused = verb(&desk, "encrypt", Some(json!({ "plaintext": "aGk=" }))).await;
    assert_eq!(refused.problem(409), "wrong_state");
    assert_eq!(refused.json()["state"], "pending");
    assert!(
        refused.json()["allowed"]
            .as_array()
            .unwrap()
            .contains(&json!("activate"))
    );

    assert_eq!(verb(&desk, "activate", None).await.ok()["state"], "active");
    let hidden = verb(&desk, "encrypt", Some(json!({ "plaintext": "aGk=" })))
        .await
        .ok();
    assert_eq!(
        verb(&desk, "suspend", Some(json!({ "reason": "audit" })))
            .await
            .ok()["state"],
        "inactive"
    );
    assert_eq!(verb(&desk, "resume", None).await.ok()["state"], "active");

    let rotated = verb(&desk, "rotate", None).await.ok();
    assert_eq!(rotated["primary_version"], 2);
    assert_eq!(
        rotated["versions"],
        json!([
            { "version": 1, "state": "rotated" },
            { "version": 2, "state": "active" },
        ])
    );
    let shown = verb(
        &desk,
        "decrypt",
        Some(json!({ "ciphertext": hidden["ciphertext"] })),
    )
    .await;
    assert_eq!(shown.ok(), json!({ "plaintext": "aGk=", "version": 1 }));

    let back = verb(&desk, "rollback", None).await.ok();
    assert_eq!(back["primary_version"], 1);
    assert_eq!(back["primary"]["promotion_count"], 2);
    assert_eq!(verb(&desk, "expire", None).await.ok()["state"], "expired");
    let late = verb(&desk, "encrypt", Some(json!({ "plaintext": "aGk=" }))).await;
    assert_eq!(late.json()["state"], "expired");
    assert_eq!(verb(&desk, "renew", None).await.ok()["state"], "active");
    assert_eq!(
        verb(&desk, "compromise", None).await.ok()["state"],
        "compromised"
    );
    let due = verb(&desk, "destroy", Some(json!({ "wait_days": 7 })))
        .await
        .ok();
    assert_eq!(due["state"], "pending_destruction");
    assert_eq!(
        verb(&desk, "cancel-destruction", None).await.ok()["state"],
        "compromised"
    );

    let history = desk.get("/v1/tenants/acme/keys/payroll/history").await.ok();
    let events: Vec<&str> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["event"].as_str().unwrap())
        .collect();
    assert_eq!(events[..4], ["create", "activate", "suspend", "resume"]);
    let versions = desk
        .get("/v1/tenants/acme/keys/payroll/versions?usage=true")
        .await
        .ok();
    assert_eq!(versions["items"][0]["key_name"], "payroll");
    assert_eq!(versions["items"][0]["is_primary"], true);
    assert!(versions["items"][0]["last_used_at"].is_string());
    assert_eq!(versions["items"][1]["parent_version"], 1);
    let usage = desk.get("/v1/tenants/acme/keys/payroll/usage").await.ok();
    assert_eq!(usage["items"][0]["protects"], 1);
    assert_eq!(usage["items"][0]["processes"], 1);
}

#[tokio::test]
async fn revoking_takes_a_reason_from_the_list() {
    let desk = Desk::open().await;
    desk.key("payroll", "aes-256-gcm-commit").await;
    assert_eq!(
        verb(&desk, "revoke", Some(json!({}))).await.problem(400),
        "invalid_request"
    );
    let odd = verb(
        &desk,
        "revoke",
        Some(json!({ "revocation_reason": "bored" })),
    )
    .await;
    assert_eq!(odd.problem(400), "invalid_request");
    let done = verb(
        &desk,
        "revoke",
        Some(json!({ "revocation_reason": "superseded" })),
    )
    .await;
    assert_eq!(done.ok()["state"], "rotated");
}

#[tokio::test]
async fn a_change_on_what_somebody_else_changed_is_refused() {
    let desk = Desk::open().await;
    desk.key("payroll", "aes-256-gcm-commit").await;
    let path = "/v1/tenants/acme/keys/payroll";
    let read = desk.get(path).await;
    let tag = read.header("etag").unwrap().to_owned();
    let change = |tag: String, owner: &str| {
        let body = Some(json!({ "owner": owner }));
        let desk = &desk;
        async move {
            desk.ask_with(&desk.token, "PATCH", path, body, &[("if-match", &tag)])
                .await
        }
    };
    let first = change(tag.clone(), "first").await;
    first.ok();
    assert_ne!(first.header("etag").unwrap(), tag);
    assert_eq!(
        change(tag.clone(), "second").await.problem(412),
        "precondition_failed"
    );
    assert_eq!(
        change("W/\"1\"".to_owned(), "third").await.problem(400),
        "invalid_request"
    );
    let rotate = format!("{path}/rotate");
    let stale = desk
        .ask_with(&desk.token, "POST", &rotate, None, &[("if-match", &tag)])
        .await;
    assert_eq!(stale.problem(412), "precondition_failed");
    assert_eq!(desk.get(path).await.ok()["owner"], "first");
}

#[tokio::test]
async fn a_key_with_live_data_is_not_destroyed_without_force() {
    let desk = Desk::open().await;
    desk.key("payroll", "aes-256-gcm-commit").await;
    let bindings = "/v1/tenants/acme/keys/payroll/bindings";
    let bound = desk
        .post(bindings, json!({ "uri": "s3://salaries" }))
        .await
        .ok();
    verb(&desk, "suspend", None).await.ok();
    assert_eq!(
        verb(&desk, "destroy", None).await.problem(409),
        "key_in_use"
    );
    let release = format!("{bindings}/{}/release", bound["id"].as_str().unwrap());
    let released = desk.ask(&desk.token, "POST", &release, None).await.ok();
    assert!(released["released_at"].is_string());
    assert_eq!(
        verb(&desk, "destroy", None).await.ok()["state"],
        "pending_destruction"
    );
}

#[tokio::test]
async fn tenants_roles_and_policies_change_and_go() {
    let desk = Desk::open().await;
    let root = desk.world.root_token().to_owned();
    let policies = "/v1/tenants/acme/policies";
    desk.post(
        policies,
        json!({ "name": "yearly", "rotation_interval_days": 365 }),
    )
    .await
    .ok();
    let policy = format!("{policies}/yearly");
    let change = Some(json!({ "rotation_interval_days": null }));
    let changed = desk.ask(&desk.token, "PATCH", &policy, change).await.ok();
    assert!(changed.get("rotation_interval_days").is_none());
    desk.ask(
        &desk.token,
        "DELETE",
        &format!("{policy}?reason=unused"),
        None,
    )
    .await
    .ok();
    assert_eq!(desk.get(&policy).await.problem(404), "not_found");

    let roles = "/v1/tenants/acme/roles";
    let role = json!({ "name": "reader", "permissions": ["key.read"] });
    desk.post(roles, role).await.ok();
    let wider = Some(json!({ "permissions": ["key.read", "key.search"] }));
    let path = format!("{roles}/reader");
    let role = desk.ask(&desk.token, "PATCH", &path, wider).await.ok();
    assert_eq!(role["permissions"], json!(["key.search", "key.read"]));
    let beyond = json!({ "name": "boss", "permissions": ["system.seal"] });
    assert!(matches!(desk.post(roles, beyond).await.status, 400 | 403));

    let suspend = "/v1/tenants/acme/suspend";
    let suspended = desk
        .ask(&root, "POST", suspend, Some(json!({ "reason": "breach" })))
        .await;
    assert_eq!(suspended.ok()["state"], "suspended");
    let refused = desk
        .post("/v1/tenants/acme/random", json!({ "size_bytes": 8 }))
        .await;
    assert_eq!(refused.problem(409), "tenant_suspended");
    let unsaid = desk.ask(
        &root,
        "POST",
        "/v1/tenants/acme/shred",
        Some(json!({ "reason": " " })),
    );
    assert_eq!(unsaid.await.problem(400), "invalid_request");
    desk.ask(&root, "POST", "/v1/tenants/acme/resume", None)
        .await
        .ok();
}
