//! Values of secrets as bytes: what goes in comes out, with what is said of it, and to nobody else.

use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::json;

use crate::desk::{Answer, Desk};

pub const VALUE: &str = "/v1/tenants/acme/secrets/db%2Fdump/value";
pub const SECRET: &str = "/v1/tenants/acme/secrets/db%2Fdump";

/// Bytes that differ from place to place.
pub fn bytes(length: usize) -> Vec<u8> {
    let byte = |index: usize| (index % 251) as u8 ^ (index / 65_536) as u8;
    (0..length).map(byte).collect()
}

pub async fn put(desk: &Desk, body: impl Into<Body>) -> Answer {
    desk.put_bytes(&desk.token, VALUE, &[], body).await
}

/// The whole value; none if it broke off.
pub async fn got(desk: &Desk) -> Option<Vec<u8>> {
    let response = desk.get_bytes(&desk.token, VALUE).await;
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.ok()?;
    Some(body.to_bytes().to_vec())
}

#[tokio::test]
async fn what_comes_out_is_what_went_in_at_every_length() {
    const JSON_MAX: usize = 65_536;
    let desk = Desk::open().await;
    let lengths = [
        0,
        1,
        JSON_MAX - 1,
        JSON_MAX,
        JSON_MAX + 1,
        4 << 20,
        9_000_000,
    ];
    for (number, length) in (1_i64..).zip(lengths) {
        let value = bytes(length);
        let made = put(&desk, value.clone()).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(made.header("location"), Some(SECRET));
        assert_eq!(made.header("etag"), Some(format!("\"{number}\"").as_str()));
        let said = (length > JSON_MAX).then_some(length);
        for shown in [made.ok(), desk.get(SECRET).await.ok()] {
            assert_eq!(shown.get("size_bytes"), said.map(|it| json!(it)).as_ref());
        }
        assert_eq!(made.ok()["version"], number);

        let response = desk.get_bytes(&desk.token, VALUE).await;
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "application/octet-stream");
        assert_eq!(header("content-length"), length.to_string());
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-secret-version"), number.to_string());
        assert_eq!(header("etag"), format!("\"{number}\""));
        let read = response.into_body().collect().await.unwrap().to_bytes();
        assert!(read == value, "{length} bytes");

        let whole = desk.get(VALUE).await;
        if length > JSON_MAX {
            assert_eq!(whole.problem(409), "value_too_large");
            let detail = whole.json()["detail"].to_string();
            assert!(
                detail.contains("octet-stream") && detail.contains("--out"),
                "{detail}"
            );
        } else {
            use base64::Engine as _;
            let text = base64::engine::general_purpose::STANDARD.encode(&value);
            assert_eq!(whole.ok()["value"], text);
        }
    }
    // Versions are kept like others, each as it was.
    let first = format!("{VALUE}?version=6");
    let read = desk.get_bytes(&desk.token, &first).await;
    let read = read.into_body().collect().await.unwrap().to_bytes();
    assert!(read == bytes(4 << 20));
    let listed = desk.get("/v1/tenants/acme/secrets").await.ok();
    assert_eq!(listed["items"][0].get("size_bytes"), None);
}

#[tokio::test]
async fn what_is_said_of_a_value_stands_in_headers_and_query() {
    let desk = Desk::open().await;
    let (token, first) = (
        desk.token.clone(),
        format!("{VALUE}?keep=2&expected_version=0"),
    );
    let headers = [
        (
            "x-secret-description",
            "the nightly dump, 100%25 of it: M%C3%BCll",
        ),
        ("x-secret-labels", "team=a%26b&ward="),
    ];
    let made = desk.put_bytes(&token, &first, &headers, "one").await.ok();
    assert_eq!(
        made["description"],
        "the nightly dump, 100% of it: M\u{fc}ll"
    );
    assert_eq!(made["labels"], json!({ "team": "a&b", "ward": "" }));
    assert_eq!(made["keep"], 2);
    let taken = desk.put_bytes(&token, &first, &[], "two").await;
    assert_eq!(taken.problem(409), "already_exists");
    // What is not said stays as it was.
    let next = format!("{VALUE}?expected_version=1");
    let made = desk.put_bytes(&token, &next, &[], "two").await.ok();
    assert_eq!(
        (&made["keep"], &made["labels"]["team"]),
        (&json!(2), &json!("a&b"))
    );
    let late = desk.put_bytes(&token, &next, &[], "three").await;
    assert_eq!(late.problem(412), "precondition_failed");
    let stale = desk
        .put_bytes(&token, VALUE, &[("if-match", "\"1\"")], "three")
        .await;
    assert_eq!(stale.problem(412), "precondition_failed");
    desk.put_bytes(&token, VALUE, &[("if-match", "\"2\"")], "three")
        .await
        .ok();
    let versions = desk.get(&format!("{SECRET}/versions")).await.ok();
    assert_eq!(versions["items"].as_array().unwrap().len(), 2);

    // Sent again it is the same, whichever way; with another value it is another request.
    let mark = [("idempotency-key", "once")];
    let value = bytes(5 << 20);
    let once = desk
        .put_bytes(&token, VALUE, &mark, value.clone())
        .await
        .ok();
    let again = desk
        .put_bytes(&token, VALUE, &mark, value.clone())
        .await
        .ok();
    assert_eq!(
        (&once["version"], &again["version"]),
        (&json!(4), &json!(4))
    );
    assert_eq!(again["revision"], 0);
    for other in [&value[..value.len() - 1], &[&value[..], b"x"].concat(), b""] {
        let other = desk.put_bytes(&token, VALUE, &mark, other.to_vec()).await;
        assert_eq!(other.problem(422), "idempotency_mismatch");
    }
    for bad in [
        ("x-secret-labels", "team"),
        ("x-secret-labels", "=x"),
        ("x-secret-labels", "a=%ff"),
        ("x-secret-description", "%0"),
        ("if-match", "4"),
    ] {
        let refused = desk.put_bytes(&token, VALUE, &[bad], "x").await;
        assert_eq!(refused.problem(400), "invalid_request", "{bad:?}");
    }
    for bad in ["keep=0", "keep=101", "expected_version=-1", "colour=red"] {
        let refused = desk
            .put_bytes(&token, &format!("{VALUE}?{bad}"), &[], "x")
            .await;
        assert_eq!(refused.problem(400), "invalid_request", "{bad}");
    }
}

#[tokio::test]
async fn i05_who_may_not_gets_nothing_in_and_nothing_out() {
    let desk = Desk::open().await;
    let value = bytes(5 << 20);
    put(&desk, value.clone()).await.ok();
    desk.world.tenant("rival").await;
    let before = desk.world.stored_objects().await;
    let admin = desk.world.root_token().to_owned();
    let rival = desk.powerful("rival", "spy").await;
    let auditor = desk.auditor().await;
    for (token, status, code) in [
        (&auditor, 403, "forbidden"),
        (&rival, 404, "not_found"),
        (&"kw_nonsense".to_owned(), 401, "unauthenticated"),
    ] {
        let refused = desk.put_bytes(token, VALUE, &[], value.clone()).await;
        assert_eq!(refused.problem(status), code);
        let response = desk.get_bytes(token, VALUE).await;
        assert_eq!(response.status(), status);
        let text = response.into_body().collect().await.unwrap().to_bytes();
        assert!(text.len() < 2000);
    }
    // An administrator puts and does not read.
    assert_eq!(desk.get_bytes(&admin, VALUE).await.status(), 403);
    // What is named elsewhere is not there.
    let elsewhere = VALUE.replace("acme", "rival");
    assert_eq!(desk.get_bytes(&rival, &elsewhere).await.status(), 404);
    // The category is the name's: configuration's readers do not read credentials.
    let credential = VALUE.replace("db%2Fdump", "provider%2Faws");
    desk.put_bytes(&admin, &credential, &[], "key").await.ok();
    assert_eq!(desk.get_bytes(&desk.token, &credential).await.status(), 403);
    // The server's own are nobody's.
    let own = "/v1/tenants/system/secrets/keyward.x/value";
    let refused = desk.put_bytes(&admin, own, &[], "x").await;
    assert_eq!(refused.problem(403), "forbidden");
    assert_eq!(desk.world.stored_objects().await, before + 1);

    let wrong_type = axum::http::Request::put(VALUE)
        .header("authorization", format!("Bearer {}", desk.token))
        .header("content-type", "text/plain")
        .body(Body::from("x"));
    let refused = desk.send(wrong_type.unwrap()).await;
    assert_eq!(refused.problem(415), "unsupported_media_type");
}

/// The log says who, what and which, before the first byte leaves, and nothing of the value.
#[tokio::test]
async fn i12_the_log_has_it_before_the_first_byte_and_nothing_of_the_value() {
    let desk = Desk::open().await;
    let value = bytes(5 << 20);
    put(&desk, value.clone()).await.ok();
    let response = desk.get_bytes(&desk.token, VALUE).await;
    let entries = desk.world.entries().await;
    let last = &entries.last().unwrap().event;
    assert_eq!(last.action.name(), "secret.get");
    assert_eq!(last.resource.version, Some(1));
    drop(response);
    let digest = |byte: &u8| format!("{byte:02x}");
    let digest: String = keyward_core::sha256(&value).0.iter().map(digest).collect();
    let text = format!("{entries:?}");
    assert!(text.contains("secret.put") || text.contains("SecretPut"));
    assert!(!text.contains(&digest));
}
