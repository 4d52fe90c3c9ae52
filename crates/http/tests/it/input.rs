//! What is not well formed: refused with its reason, nothing changed, nothing buffered in vain.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::http::Request;
use futures_util::stream;
use serde_json::json;

use crate::desk::{Answer, Desk};

const KEYS: &str = "/v1/tenants/acme/keys";

async fn raw(desk: &Desk, media_type: Option<&str>, body: Body) -> Answer {
    let mut request = Request::post(KEYS).header("authorization", format!("Bearer {}", desk.token));
    if let Some(media_type) = media_type {
        request = request.header("content-type", media_type);
    }
    desk.send(request.body(body).unwrap()).await
}

#[tokio::test]
async fn bodies_that_are_not_what_they_should_be_are_refused_with_a_reason() {
    let desk = Desk::open().await;
    let json_type = Some("application/json");
    for bad in [
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"name\":1}",
        "{\"name\":\"a\",\"colour\":\"red\"}",
        "{\"name\":\"A\"}",
        "{\"name\":\"..\"}",
        "\u{1f511}",
        "{\"name\":\"a\"} x",
        "{\"name\":\"7b0ff5ae-34ab-4c1c-9d2c-3a6e5b2a1f00\"}",
        "{\"name\":\"a\",\"expires_at\":\"soon\"}",
        "{\"name\":\"a\",\"expires_at\":\"2001-01-01T00:00:00Z\"}",
        "{\"name\":\"a\",\"usages\":[\"fly\"]}",
        "{\"name\":\"a\",\"owner\":\"\\u0007\"}",
    ] {
        let answer = raw(&desk, json_type, Body::from(bad)).await;
        assert_eq!(answer.problem(400), "invalid_request", "{bad}");
    }
    assert_eq!(
        raw(&desk, json_type, Body::from(&b"{\"name\":\"\xff\"}"[..]))
            .await
            .status,
        400
    );
    let wrong_type = raw(&desk, Some("text/plain"), Body::from("{}")).await;
    assert_eq!(wrong_type.problem(415), "unsupported_media_type");
    assert_eq!(raw(&desk, None, Body::from("{}")).await.status, 415);
    assert_eq!(desk.get(KEYS).await.ok()["items"], json!([]));
}

#[tokio::test]
async fn a_gigabyte_is_refused_before_it_is_read() {
    let desk = Desk::open().await;
    let read = Arc::new(AtomicUsize::new(0));
    let chunk = Bytes::from(vec![b' '; 64 * 1024]);
    let counted = read.clone();
    let chunks = stream::repeat_with(move || {
        counted.fetch_add(chunk.len(), Ordering::Relaxed);
        Ok::<_, Infallible>(chunk.clone())
    });
    let answer = raw(&desk, Some("application/json"), Body::from_stream(chunks)).await;
    assert_eq!(answer.problem(413), "too_large");
    assert!(
        read.load(Ordering::Relaxed) < 4 * 1024 * 1024,
        "read {read:?} bytes"
    );
}

#[tokio::test]
async fn a_stranger_is_refused_before_the_body_is_looked_at() {
    let desk = Desk::open().await;
    let request = Request::post(KEYS).body(Body::from("{")).unwrap();
    assert_eq!(desk.send(request).await.problem(401), "unauthenticated");
}

#[tokio::test]
async fn paths_and_queries_that_name_nothing_possible_are_refused() {
    let desk = Desk::open().await;
    for bad in [
        "/v1/tenants/ACME",
        "/v1/tenants/acme/keys/A",
        "/v1/tenants/acme/keys/%00",
        "/v1/tenants/acme/keys/%ff",
        "/v1/tenants/acme/keys/arn:keyward:x",
        "/v1/tenants/%2e%2e",
        "/v1/tenants/acme/keys?limit=0",
        "/v1/tenants/acme/keys?limit=1001",
        "/v1/tenants/acme/keys?limit=x",
        "/v1/tenants/acme/keys?colour=red",
        "/v1/tenants/acme/keys?state=happy",
        "/v1/tenants/acme/keys?q=ab",
        "/v1/tenants/acme/keys?cursor=AAAA",
        "/v1/tenants/acme/keys?sort=size",
        "/v1/tenants/acme/audit?wait=31&after=1",
        "/v1/tenants/acme/audit?after=-1",
        "/v1/tenants/acme/audit/export?format=xml",
        "/v1/tenants/acme/audit/export?format=csv&since=yesterday",
        "/v1/tenants/acme/audit/export?format=csv&limit=1001",
        "/v1/tenants/acme/audit/export?format=csv&since=2027-01-02T00:00:00Z&until=2027-01-01T00:00:00Z",
        "/v1/tenants/acme/classes/phi/key",
    ] {
        assert_eq!(desk.get(bad).await.problem(400), "invalid_request", "{bad}");
    }
    for missing in [
        "/",
        "/v1",
        "/v1/tenants/",
        "/v1/tenants/acme/keys/none",
        "/v1/tenants/acme/colours",
        "/v1/tenants/acme/keys/7b0ff5ae-34ab-4c1c-9d2c-3a6e5b2a1f00",
        "/v1/tenants/acme/policies/none",
        "/v1/tenants/acme/classes/PHI_DATA/key",
    ] {
        assert_eq!(
            desk.get(missing).await.problem(404),
            "not_found",
            "{missing}"
        );
    }
}
