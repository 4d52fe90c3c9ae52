//! Making things: where they are, sending the request again, names that are taken.

use serde_json::json;

use crate::desk::Desk;

#[tokio::test]
async fn what_is_made_is_where_the_answer_says() {
    let desk = Desk::open().await;
    let new = json!({
        "name": "payroll",
        "description": "Salaries",
        "owner": "hr",
        "data_class": "PII_DATA",
        "tags": { "team": "hr" },
        "compliance_tags": ["GDPR"],
        "activate": true,
    });
    let made = desk.post("/v1/tenants/acme/keys", new).await;
    assert_eq!(made.status, 201);
    assert!(made.ok()["revision"].as_i64().unwrap() > 0);
    let place = made.header("location").unwrap().to_owned();
    let found = desk.get(&place).await;
    let key = found.ok();
    assert_eq!(key["name"], "payroll");
    assert_eq!(key["state"], "active");
    assert_eq!(key["algorithm"], "aes-256-gcm-commit");
    assert_eq!(key["tags"]["team"], "hr");
    assert_eq!(
        key["primary"]["external_id"],
        format!("{}.1.1", key["id"].as_str().unwrap())
    );
    assert_eq!(
        found.header("etag").unwrap(),
        format!("\"{}\"", key["etag"])
    );

    let arn = key["arn"].as_str().unwrap();
    let encoded = arn.replace('/', "%2F");
    for name in ["payroll", key["id"].as_str().unwrap(), &encoded] {
        let again = desk
            .get(&format!("/v1/tenants/acme/keys/{name}"))
            .await
            .ok();
        assert_eq!(again["id"], key["id"], "{name}");
    }
}

#[tokio::test]
async fn the_same_request_again_makes_nothing_twice() {
    let desk = Desk::open().await;
    let again = [("idempotency-key", "order-1")];
    let new = json!({ "name": "payroll" });
    let path = "/v1/tenants/acme/keys";
    let create = |body| desk.ask_with(&desk.token, "POST", path, Some(body), &again);
    let first = create(new.clone()).await.ok();
    let second = create(new).await.ok();
    assert_eq!(first["id"], second["id"]);
    assert_eq!(second["revision"], 0);
    let other = create(json!({ "name": "other" })).await;
    assert_eq!(other.problem(422), "idempotency_mismatch");
    let taken = desk.post(path, json!({ "name": "payroll" })).await;
    assert_eq!(taken.problem(409), "already_exists");
}

#[tokio::test]
async fn a_token_is_shown_once_even_to_who_asks_again() {
    let desk = Desk::open().await;
    let again = [("idempotency-key", "t-1")];
    let new = json!({ "principal": "all", "label": "ci" });
    let path = "/v1/tenants/acme/tokens";
    let first = desk
        .ask_with(&desk.token, "POST", path, Some(new.clone()), &again)
        .await
        .ok();
    let text = first["text"].as_str().unwrap();
    assert!(text.starts_with("kw_"));
    let second = desk
        .ask_with(&desk.token, "POST", path, Some(new), &again)
        .await;
    assert_eq!(second.problem(409), "already_created");
    let detail = second.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains(first["token"]["id"].as_str().unwrap()),
        "{detail}"
    );
    let listed = desk.get(path).await;
    assert!(!String::from_utf8(listed.bytes).unwrap().contains(text));
}

#[tokio::test]
async fn many_keys_are_made_at_once_each_with_its_own_outcome() {
    let desk = Desk::open().await;
    let path = "/v1/tenants/acme/keys/batch";
    let items = json!({ "items": [
        { "name": "one" },
        { "name": "two", "owner": "x".repeat(300) },
        { "name": "one" },
        { "name": "three", "algorithm": "ed25519", "activate": true },
    ] });
    let done = desk.post(path, items).await.ok();
    let items = done["items"].as_array().unwrap();
    assert_eq!(items[0]["ok"]["name"], "one");
    assert_eq!(items[1]["error"]["code"], "invalid_request");
    assert_eq!(items[2]["error"]["code"], "already_exists");
    assert_eq!(items[3]["ok"]["state"], "active");

    for bad in [
        json!([{ "name": "four" }, { "name": "Not A Name" }]),
        json!([{ "name": "four" }, { "name": "five", "algorithm": "rot13" }]),
        json!([{ "name": "four", "owner": "x".repeat(300) }]),
        json!([]),
    ] {
        let refused = desk.post(path, json!({ "items": bad })).await;
        assert_eq!(refused.problem(400), "invalid_request", "{bad}");
    }
    let four = desk.get("/v1/tenants/acme/keys/four").await;
    assert_eq!(four.problem(404), "not_found");
}

#[tokio::test]
async fn a_key_may_be_called_batch() {
    let desk = Desk::open().await;
    desk.key("batch", "aes-256-gcm-commit").await;
    let path = "/v1/tenants/acme/keys/batch";
    assert_eq!(desk.get(path).await.ok()["name"], "batch");
    let change = Some(json!({ "owner": "ops" }));
    let changed = desk.ask(&desk.token, "PATCH", path, change).await.ok();
    assert_eq!(changed["owner"], "ops");
    let sealed = desk
        .post(&format!("{path}/encrypt"), json!({ "plaintext": "aGk=" }))
        .await;
    sealed.ok();
}
