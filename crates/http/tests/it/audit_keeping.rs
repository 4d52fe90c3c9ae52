//! For how long the log is kept, and legal holds, over HTTP.

use serde_json::{Value, json};

use crate::desk::Desk;

const RETENTION: &str = "/v1/tenants/acme/audit/retention";
const HOLDS: &str = "/v1/tenants/acme/audit/holds";

fn hold(name: &str) -> Value {
    json!({ "name": name, "reason": "Smith against Smith" })
}

#[tokio::test]
async fn retention_is_shown_and_only_goes_up() {
    let desk = Desk::open().await;
    let shown = desk.get(RETENTION).await.ok();
    let defaults = json!({ "changes": 2557, "uses": 2557, "reads": 2557, "authentication": 731 });
    assert_eq!(
        (&shown["days"], &shown["deployment"]),
        (&defaults, &defaults)
    );
    assert_eq!(shown["lets_go"], false);
    assert!(shown.get("since").is_none());
    for (body, field) in [
        (json!({}), "days"),
        (json!({ "uses": 91 }), "uses"),
        (json!({ "uses": 36_501 }), "uses"),
        (json!({ "uses": -1 }), "body"),
        (json!({ "heads": 3000 }), "heads"),
    ] {
        let refused = desk.post(RETENTION, body).await;
        assert_eq!(refused.problem(400), "invalid_request");
        let said = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(said.contains(field), "{said}");
    }
    let refused = desk.post(RETENTION, json!({ "uses": 365 })).await;
    assert_eq!(refused.problem(409), "approval_required");
    let longer = json!({ "uses": 3000, "reason": "agreed" });
    let set = desk.post(RETENTION, longer.clone()).await.ok();
    assert_eq!(
        (&set["days"]["uses"], &set["days"]["reads"]),
        (&3000.into(), &2557.into())
    );
    assert_eq!(
        (&set["reason"], &set["by"].is_string()),
        (&"agreed".into(), &true)
    );
    assert_eq!(desk.get(RETENTION).await.ok()["since"], set["since"]);
    // Said again it changes nothing.
    let again = desk.post(RETENTION, longer).await.ok();
    assert_eq!(
        (&again["since"], &again["revision"]),
        (&set["since"], &0.into())
    );
}

#[tokio::test]
async fn holds_are_placed_listed_by_pages_and_released_by_the_deployments_administrator() {
    let desk = Desk::open().await;
    for body in [
        json!({}),
        json!({ "name": "x" }),
        json!({ "name": "x", "reason": " " }),
        hold(" "),
    ] {
        assert_eq!(desk.post(HOLDS, body).await.problem(400), "invalid_request");
    }
    let mut placed = Vec::new();
    for number in 0..3 {
        // Their ids are in the order of time.
        desk.world.clock.advance_seconds(1);
        placed.push(desk.post(HOLDS, hold(&format!("case-{number}"))).await.ok());
    }
    let (mut seen, mut path) = (Vec::new(), format!("{HOLDS}?limit=2"));
    loop {
        let page = desk.get(&path).await.ok();
        let items = page["items"].as_array().unwrap().clone();
        assert!(items.len() <= 2);
        seen.extend(items.into_iter().map(|it| it["id"].clone()));
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("{HOLDS}?limit=2&cursor={next}");
    }
    let ids: Vec<_> = placed.iter().map(|it| it["id"].clone()).collect();
    assert_eq!(seen, ids);

    let path = format!("{HOLDS}/{}/release", placed[0]["id"].as_str().unwrap());
    let why = json!({ "reason": "settled" });
    let acme = place();
    let admin = desk
        .world
        .member_token(desk.world.root(), &acme, "boss", "tenant-admin", None);
    let refused = desk
        .ask(&admin.await, "POST", &path, Some(why.clone()))
        .await;
    assert_eq!(refused.problem(403), "forbidden");
    let root = desk.world.root_token().to_owned();
    let refused = desk.ask(&root, "POST", &path, Some(json!({}))).await;
    assert_eq!(refused.problem(400), "invalid_request");
    let released = desk.ask(&root, "POST", &path, Some(why.clone())).await.ok();
    assert_eq!(released["release_reason"], "settled");
    assert!(released["released_at"].is_string() && released["etag"] == 2);
    let again = desk.ask(&root, "POST", &path, Some(why.clone())).await;
    assert_eq!(again.problem(409), "wrong_state");
    let nowhere = format!("{HOLDS}/01900000-0000-7000-8000-000000000000/release");
    let refused = desk.ask(&root, "POST", &nowhere, Some(why)).await;
    assert_eq!(refused.problem(404), "not_found");
    let listed = desk.get(HOLDS).await.ok();
    assert_eq!(listed["items"][0]["released_by"], released["released_by"]);
}

fn place() -> keyward_core::caller::TenantRef {
    keyward_core::caller::TenantRef::Name("acme".parse().unwrap())
}

#[tokio::test]
async fn where_nothing_may_go_letting_go_is_refused_and_says_why() {
    let desk = Desk::open().await;
    let root = desk.world.root_token().to_owned();
    let order = json!({ "through": 100, "reason": "published" });
    let refused = desk
        .ask(&root, "POST", "/v1/audit/prune", Some(order))
        .await;
    assert_eq!(refused.problem(409), "wrong_state");
    let said = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        said.contains("this version lets nothing of the log go yet"),
        "{said}"
    );
    let plan = desk.ask(&root, "GET", "/v1/audit/prune", None).await;
    let found = plan.ok();
    assert_eq!((&found["first"], &found["entries"]), (&1.into(), &0.into()));
    assert!(found["refused"].is_string() && found.get("through").is_none());
    for body in [
        json!({}),
        json!({ "through": 0, "reason": "x" }),
        json!({ "through": 1, "reason": " " }),
    ] {
        let refused = desk
            .ask(&root, "POST", "/v1/audit/prune", Some(body.clone()))
            .await;
        let status = if body["through"] == 0 { 409 } else { 400 };
        refused.problem(status);
    }
}
