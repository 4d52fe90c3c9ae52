//! A sealed server: it says so, refuses what needs keys, and still answers what does not.

use keyward_core::noun::action::Action;
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
    // On a slow machine some of what was used up is given back meanwhile.
    for _ in 0..1_000 {
        let answer = desk
            .ask(
                "",
                "POST",
                "/v1/system/unseal",
                Some(json!({ "share": "x" })),
            )
            .await;
        codes.push(answer.json()["code"].as_str().unwrap().to_owned());
        if codes.last().unwrap() == "rate_limited" {
            break;
        }
    }
    assert_ne!(codes[0], "rate_limited");
    assert_eq!(codes.last().unwrap(), "rate_limited");
}

#[tokio::test]
async fn the_seals_are_kept_by_whoever_may_and_each_change_is_logged_before_and_after() {
    let desk = Desk::open().await;
    let root = desk.world.root_token().to_owned();
    let seals = desk.ask(&root, "GET", "/v1/system/seals", None).await.ok();
    assert_eq!(seals["items"].as_array().unwrap().len(), 1);
    assert_eq!(seals["items"][0]["kind"], "key-file");
    let only = format!(
        "/v1/system/seals/{}",
        seals["items"][0]["id"].as_str().unwrap()
    );
    assert_eq!(
        desk.ask(&root, "DELETE", &only, None).await.problem(409),
        "last_seal"
    );
    let nowhere = "/v1/system/seals/7b0ff5ae-34ab-4c1c-9d2c-3a6e5b2a1f00";
    assert_eq!(
        desk.ask(&root, "DELETE", nowhere, None).await.problem(404),
        "not_found"
    );

    let add = |body| desk.ask(&root, "POST", "/v1/system/seals", Some(body));
    for wrong in [
        json!({ "kind": "wax" }),
        json!({ "kind": "passphrase" }),
        json!({ "kind": "passphrase", "passphrase": "short" }),
        json!({ "kind": "shares", "threshold": 4, "total": 3 }),
        json!({ "kind": "shares", "threshold": 2 }),
        json!({ "kind": "shares", "threshold": 2, "total": 3, "passphrase": "x" }),
        json!({ "kind": "key-file", "threshold": 2 }),
    ] {
        assert_eq!(add(wrong).await.problem(400), "invalid_request");
    }
    // What the node is not configured for.
    assert_eq!(
        add(json!({ "kind": "transit" })).await.problem(409),
        "wrong_state"
    );
    let made = add(json!({ "kind": "shares", "threshold": 2, "total": 3, "reason": "a pair" }));
    let made = made.await.ok();
    let shares: Vec<&str> = made["shares"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    assert_eq!((shares.len(), &made["seal"]["pending"]), (3, &json!(true)));
    let seal = format!("/v1/system/seals/{}", made["seal"]["id"].as_str().unwrap());
    let place = format!("{seal}/prove");
    let prove = |share: &str| {
        let body = Some(json!({ "share": share }));
        desk.ask(&root, "POST", &place, body)
    };
    assert_eq!(prove("kwshare1-x").await.problem(400), "invalid_request");
    let first = prove(shares[2]).await.ok();
    assert_eq!(
        (&first["progress"], &first["pending"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(prove(shares[2]).await.problem(409), "wrong_state");
    let second = prove(shares[0]).await.ok();
    assert_eq!(
        (&second["standing"], &second["pending"]),
        (&json!("proven"), &json!(false))
    );

    let entries = desk.world.entries().await;
    let of = |action: Action| {
        let mut found = entries
            .iter()
            .filter(|entry| entry.event.action == action)
            .rev();
        (
            found.next().unwrap().event.clone(),
            found.next().unwrap().event.clone(),
        )
    };
    let (done, begun) = of(Action::SealAdd);
    assert_eq!(
        (
            begun.details["step"].as_str(),
            done.details["step"].as_str()
        ),
        (Some("begun"), Some("done"))
    );
    assert_eq!(done.reason.as_deref(), Some("a pair"));
    assert_eq!(done.details["pending"], true);
    // Nothing of what people brought is in the log.
    let log = format!("{entries:?}");
    assert!(shares.iter().all(|share| !log.contains(&share[20..40])));
}
