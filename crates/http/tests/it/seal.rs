//! A sealed server: it says so, refuses what needs keys, and still answers what does not.

use serde_json::json;

use crate::desk::Desk;

#[tokio::test]
async fn a_sealed_server_says_so_and_uses_no_key() {
    let desk = Desk::open().await;
    desk.key("k", "aes-256-gcm-commit").await;
    let root = desk.world.root_token().to_owned();
    let before = desk
        .ask("", "GET", "/v1/system/seal-status", None)
        .await
        .ok();
    assert_eq!(
        (&before["sealed"], &before["initialized"]),
        (&json!(false), &json!(true))
    );
    let sealed = desk.ask(&root, "POST", "/v1/system/seal", None).await.ok();
    assert_eq!(sealed["sealed"], true);
    let refused = desk
        .post(
            "/v1/tenants/acme/keys/k/encrypt",
            json!({ "plaintext": "aGk=" }),
        )
        .await;
    assert_eq!(refused.problem(503), "sealed");
    let refused = desk
        .post("/v1/tenants/acme/keys", json!({ "name": "new" }))
        .await;
    assert_eq!(refused.problem(503), "sealed");
    assert_eq!(
        desk.ask("", "GET", "/health/ready", None)
            .await
            .problem(503),
        "sealed"
    );
    desk.ask("", "GET", "/health/live", None).await.ok();
    desk.get("/v1/tenants/acme/keys/k").await.ok();
}

#[tokio::test]
async fn shares_are_taken_from_anybody_but_not_without_end() {
    let desk = Desk::open().await;
    let mut codes = Vec::new();
    for _ in 0..15 {
        let answer = desk
            .ask(
                "",
                "POST",
                "/v1/system/unseal",
                Some(json!({ "share": "x" })),
            )
            .await;
        codes.push(answer.json()["code"].as_str().unwrap().to_owned());
    }
    assert_ne!(codes[0], "rate_limited");
    assert_eq!(codes.last().unwrap(), "rate_limited");
}
