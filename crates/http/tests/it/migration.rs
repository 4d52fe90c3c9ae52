//! The migration of the storage, over HTTP.

use keyward_core::ops::storage::migration;
use keyward_testkit::world::World;
use serde_json::{Value, json};

use crate::desk::{Answer, Desk};

const AT: &str = "/v1/storage/migration";

async fn ask(desk: &Desk, turn: &str, body: Option<Value>) -> Answer {
    let root = desk.world.root_token().to_owned();
    desk.ask(&root, "POST", &format!("{AT}/{turn}"), body).await
}

async fn shown(desk: &Desk) -> Value {
    let root = desk.world.root_token().to_owned();
    desk.ask(&root, "GET", AT, None).await.ok()
}

#[tokio::test]
async fn the_migration_is_shown_and_steered() {
    let desk = Desk::over(World::moving(false).await, |_| ()).await;
    let node = &desk.world.node;
    let planned = shown(&desk).await;
    assert_eq!(planned["phase"], "planned");
    assert_eq!(planned["from"], "embedded here");
    assert_eq!(ask(&desk, "pause", None).await.problem(409), "wrong_state");
    migration::carry_on(node).await.unwrap();

    let why = Some(json!({ "reason": "the ward is busy" }));
    assert_eq!(ask(&desk, "pause", why).await.ok()["paused"], true);
    let unknown = Some(json!({ "hurry": true }));
    assert_eq!(
        ask(&desk, "resume", unknown).await.problem(400),
        "invalid_request"
    );
    assert_eq!(ask(&desk, "resume", None).await.ok()["paused"], false);
    for wrong in [
        json!({}),
        json!({ "per_second": 0 }),
        json!({ "per_second": "fast" }),
    ] {
        let refused = ask(&desk, "rate", Some(wrong)).await;
        assert_eq!(refused.problem(400), "invalid_request");
    }
    let rate = json!({ "per_second": 100 });
    assert_eq!(ask(&desk, "rate", Some(rate)).await.ok()["per_second"], 100);

    let early = ask(&desk, "cut-over", None).await;
    assert_eq!(early.problem(409), "wrong_state");
    assert!(
        early.json()["detail"]
            .as_str()
            .unwrap()
            .contains("not known to be equal")
    );
    while !migration::present(node).unwrap().equal {
        migration::carry_on(node).await.unwrap();
    }
    let equal = shown(&desk).await;
    assert_eq!(
        (&equal["phase"], &equal["left"]),
        (&json!("copying"), &json!(0))
    );
    assert_eq!(equal["proof"]["digest"].as_str().unwrap().len(), 64);
    assert!(equal["proof"]["objects"].as_u64().unwrap() > 0);
    assert_eq!(ask(&desk, "verify", None).await.ok()["equal"], false);
    assert_eq!(
        ask(&desk, "cut-over", None).await.problem(409),
        "wrong_state"
    );
    while !migration::present(node).unwrap().equal {
        migration::carry_on(node).await.unwrap();
    }
    let cut = ask(&desk, "cut-over", None).await.ok();
    assert_eq!(
        (&cut["phase"], &cut["settled"]),
        (&json!("cut-over"), &json!(true))
    );
    let metrics = String::from_utf8(desk.get("/metrics").await.bytes).unwrap();
    for line in [
        "keyward_storage_migration_phase{phase=\"cut-over\"} 1",
        "keyward_storage_migration_equal 1",
        "keyward_storage_migration_objects{what=\"behind\"} 0",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    let back = ask(&desk, "roll-back", None).await.ok();
    assert_eq!(back["phase"], "rolled-back");
    assert_eq!(ask(&desk, "commit", None).await.problem(409), "wrong_state");
    // What the vault holds was on its way all the while.
    desk.key("payroll", "aes-256-gcm-commit").await;
}

#[tokio::test]
async fn where_nothing_moves_nothing_is_shown() {
    let desk = Desk::open().await;
    let root = desk.world.root_token().to_owned();
    let none = desk.ask(&root, "GET", AT, None).await;
    assert_eq!(none.problem(404), "not_found");
    assert_eq!(ask(&desk, "commit", None).await.problem(404), "not_found");
}
