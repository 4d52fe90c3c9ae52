//! A tenant's texts sealed over HTTP: the order, what is the same, what is refused, and what a sealed
//! server shows.

use keyward_core::ops::clockwork;
use serde_json::json;

use crate::desk::Desk;

const KEYS: &str = "/v1/tenants/acme/keys";

#[tokio::test]
async fn texts_are_sealed_on_order_and_withheld_by_name_where_they_cannot_be_opened() {
    let desk = Desk::open().await;
    let new = json!({
        "name": "records",
        "description": "of the ward",
        "owner": "Ada",
        "tags": { "team": "oncology", "empty": "" },
    });
    let made = desk.ask(&desk.token, "POST", KEYS, Some(new)).await.ok();
    assert!(made.get("sealed_fields").is_none());
    let root = desk.world.root_token().to_owned();
    let tenant = "/v1/tenants/acme";
    let before = desk
        .ask(&root, "GET", &format!("{tenant}/text"), None)
        .await;
    assert_eq!(before.ok(), json!({ "state": "clear" }));
    let order = format!("{tenant}/seal-text");
    let why = json!({ "reason": "asked" });
    let ordered = desk.ask(&root, "POST", &order, Some(why)).await;
    assert_eq!(ordered.ok()["text_state"], "sealing");
    let unknown = json!({ "why": "asked" });
    let refused = desk
        .ask(&root, "POST", &format!("{tenant}/seal-text"), Some(unknown))
        .await;
    assert_eq!(refused.problem(400), "invalid_request");
    for _ in 0..20 {
        clockwork::tick(&desk.world.node).await.unwrap();
    }
    let status = desk.get(&format!("{tenant}/text")).await.ok();
    assert_eq!(
        (&status["state"], &status["job"]["state"]),
        (&json!("sealed"), &json!("done"))
    );

    for query in ["owner=Ada", "tag=team%3Doncology"] {
        let found = desk.get(&format!("{KEYS}?{query}")).await.ok();
        assert_eq!(found["items"][0]["description"], "of the ward", "{query}");
    }
    let words = desk.get(&format!("{KEYS}?q=ward")).await;
    assert_eq!(words.problem(400), "invalid_request");

    desk.world.node.drop_secrets();
    let shown = desk.get(&format!("{KEYS}/records")).await.ok();
    assert_eq!(
        shown["sealed_fields"],
        json!(["description", "owner", "tags.team"])
    );
    assert_eq!(shown["description"], "");
    let search = desk.get(&format!("{KEYS}?owner=Ada")).await;
    assert_eq!(search.problem(503), "sealed");
}

#[tokio::test]
async fn a_tenant_is_made_sealed() {
    let desk = Desk::open().await;
    let root = desk.world.root_token().to_owned();
    let new = json!({ "name": "clinic", "description": "of patients", "seal_text": true });
    let made = desk.ask(&root, "POST", "/v1/tenants", Some(new)).await.ok();
    assert_eq!(
        (&made["text_state"], &made["description"]),
        (&json!("sealed"), &json!("of patients"))
    );
    let again = desk
        .ask(&root, "POST", "/v1/tenants/clinic/open-text", None)
        .await
        .ok();
    assert_eq!(again["text_state"], "opening");
    clockwork::tick(&desk.world.node).await.unwrap();
}
