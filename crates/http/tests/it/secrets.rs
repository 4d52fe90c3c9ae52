//! Secrets over HTTP: put, got, listed, deleted; and where a value never appears.

use serde_json::json;

use crate::desk::Desk;

const AT: &str = "/v1/tenants/acme/secrets";
const PASSWORD: &str = "/v1/tenants/acme/secrets/db%2Fpassword";
/// "hunter2".
const VALUE: &str = "aHVudGVyMg==";

#[tokio::test]
async fn a_secret_goes_in_and_comes_out_and_is_shown_without_its_value() {
    let desk = Desk::open().await;
    let new = json!({
        "value": VALUE,
        "description": "of the ledger",
        "labels": { "team": "hr" },
        "keep": 2,
        "expected_version": 0,
    });
    let put = desk.ask(&desk.token, "PUT", PASSWORD, Some(new)).await;
    assert_eq!(put.status, 201);
    assert_eq!(put.header("location"), Some(PASSWORD));
    assert_eq!(put.header("etag"), Some("\"1\""));
    let made = put.ok();
    assert_eq!(
        (&made["name"], &made["version"]),
        (&json!("db/password"), &json!(1))
    );

    let got = desk.get(&format!("{PASSWORD}/value")).await;
    assert_eq!(got.header("cache-control"), Some("no-store"));
    let expected = json!({ "name": "db/password", "version": 1, "value": VALUE });
    assert_eq!(got.ok(), expected);

    let shown = desk.get(PASSWORD).await;
    assert_eq!(shown.header("etag"), Some("\"1\""));
    assert_eq!(shown.ok()["labels"]["team"], "hr");
    let listed = desk.get(&format!("{AT}?prefix=db/")).await;
    assert_eq!(listed.ok()["items"][0]["name"], "db/password");
    let versions = desk.get(&format!("{PASSWORD}/versions")).await;
    assert_eq!(versions.ok()["items"][0]["current"], true);
    let auditor = desk.auditor().await;
    let log = desk
        .ask(&auditor, "GET", "/v1/audit?limit=1000", None)
        .await;
    assert!(String::from_utf8_lossy(&log.bytes).contains("secret.put"));
    for answer in [put, shown, listed, versions, log] {
        let text = String::from_utf8(answer.bytes).unwrap();
        assert!(!text.contains(VALUE) && !text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn what_the_caller_expected_decides_between_two_who_put() {
    let desk = Desk::open().await;
    let put = |body: serde_json::Value, headers: Vec<(&'static str, &'static str)>| {
        let (token, front) = (desk.token.clone(), &desk);
        async move {
            front
                .ask_with(&token, "PUT", PASSWORD, Some(body), &headers)
                .await
        }
    };
    let absent = json!({ "value": VALUE, "expected_version": 0 });
    put(absent.clone(), vec![]).await.ok();
    let taken = put(absent, vec![]).await;
    assert_eq!(taken.problem(409), "already_exists");
    let next = json!({ "value": "bmV4dA==", "expected_version": 1 });
    put(next.clone(), vec![]).await.ok();
    let late = put(next, vec![]).await;
    assert_eq!(late.problem(412), "precondition_failed");
    let any = json!({ "value": "bW9yZQ==" });
    let stale = put(any.clone(), vec![("if-match", "\"1\"")]).await;
    assert_eq!(stale.problem(412), "precondition_failed");
    put(any, vec![("if-match", "\"2\"")]).await.ok();

    // Sent again it is the same; with another value it is another request.
    let mark = vec![("idempotency-key", "once")];
    let once = put(json!({ "value": VALUE }), mark.clone()).await.ok();
    let again = put(json!({ "value": VALUE }), mark.clone()).await.ok();
    assert_eq!(
        (&once["version"], &again["version"]),
        (&json!(4), &json!(4))
    );
    assert_eq!(again["revision"], 0);
    let other = put(json!({ "value": "b3RoZXI=" }), mark).await;
    assert_eq!(other.problem(422), "idempotency_mismatch");
}

#[tokio::test]
async fn deleted_is_gone_by_version_or_whole() {
    let desk = Desk::open().await;
    for value in ["b25l", "dHdv", "dGhyZWU="] {
        let body = Some(json!({ "value": value }));
        desk.ask(&desk.token, "PUT", PASSWORD, body).await.ok();
    }
    let value = |version: u32| format!("{PASSWORD}/value?version={version}");
    let delete = |path: String| {
        let desk = &desk;
        async move { desk.ask(&desk.token, "DELETE", &path, None).await }
    };
    let gone = delete(format!("{PASSWORD}/versions/2")).await.ok();
    assert_eq!(
        (&gone["versions"], &gone["destroyed"]),
        (&json!([2]), &json!(true))
    );
    assert_eq!(desk.get(&value(2)).await.problem(404), "not_found");
    assert_eq!(desk.get(&value(1)).await.ok()["value"], "b25l");
    let all = delete(format!("{PASSWORD}?reason=moved")).await.ok();
    assert_eq!(all["versions"], json!([1, 3]));
    assert_eq!(desk.get(PASSWORD).await.problem(404), "not_found");
    assert_eq!(delete(PASSWORD.to_owned()).await.problem(404), "not_found");
    let none = desk.get(AT).await.ok();
    assert_eq!(none["items"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_a_name_or_a_value_is_refused_without_being_repeated() {
    let desk = Desk::open().await;
    for bad in [
        json!({ "value": "" }),
        json!({ "value": "hunter2!" }),
        json!({ "value": VALUE, "keep": 0 }),
        json!({ "value": VALUE, "keep": 101 }),
        json!({ "value": VALUE, "expected_version": -1 }),
        json!({ "value": VALUE, "labels": { "": "x" } }),
        json!({ "value": VALUE, "colour": "red" }),
        json!({}),
    ] {
        let refused = desk
            .ask(&desk.token, "PUT", PASSWORD, Some(bad.clone()))
            .await;
        assert_eq!(refused.problem(400), "invalid_request", "{bad}");
        let text = String::from_utf8(refused.bytes).unwrap();
        assert!(!text.contains("hunter2") && !text.contains(VALUE), "{text}");
    }
    for bad in ["A", "a%2F%2Fb", "..%2Fa", "%2Fa", "a%2F", "a%20b"] {
        let path = format!("{AT}/{bad}/value");
        let refused = desk.get(&path).await;
        assert_eq!(refused.problem(400), "invalid_request", "{bad}");
    }
}
