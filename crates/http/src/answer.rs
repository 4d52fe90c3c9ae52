//! Answers as JSON. What holds a secret is wiped once it was sent.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use keyward_api::names::AuditPending;
use keyward_api::page::{Changed, Page};
use keyward_core::caller;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::problem::Failure;

/// What a handler returns.
pub type Answer = Result<Response, Failure>;

/// The media type of every successful answer.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// 200 with a value.
pub fn ok<T: Serialize>(value: &T) -> Answer {
    json(StatusCode::OK, value, None)
}

/// 200 with a value that has a row version.
pub fn tagged<T: Serialize>(value: &T, etag: i64) -> Answer {
    json(StatusCode::OK, value, Some(etag))
}

/// 200 with a page.
pub fn page<T: Serialize>(items: Vec<T>, next_cursor: Option<String>) -> Answer {
    ok(&Page { items, next_cursor })
}

/// 201 with what was made, and where it is.
pub fn created<T: Serialize>(value: &T, etag: Option<i64>, location: &str) -> Answer {
    let mut response = json(StatusCode::CREATED, value, etag)?;
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// A change as the wire knows it.
pub fn changed<T, U>(done: caller::Changed<T>, show: impl FnOnce(T) -> U) -> Changed<U> {
    Changed {
        value: show(done.value),
        revision: done.revision,
        audit: audit(done.audit_pending),
    }
}

/// The same where showing can fail.
pub fn try_changed<T, U>(
    done: caller::Changed<T>,
    show: impl FnOnce(T) -> Result<U, Failure>,
) -> Result<Changed<U>, Failure> {
    Ok(Changed {
        value: show(done.value)?,
        revision: done.revision,
        audit: audit(done.audit_pending),
    })
}

/// The mark of a change whose journal entry is still to be written.
pub fn audit(pending: bool) -> Option<AuditPending> {
    pending.then(|| AuditPending::from("pending"))
}

/// A value with a status.
pub fn json<T: Serialize>(status: StatusCode, value: &T, etag: Option<i64>) -> Answer {
    let body = serde_json::to_vec(value).map_err(|_| Failure::internal("unwritable answer"))?;
    let mut response = (status, Body::from(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    if let Some(etag) = etag {
        headers.insert(header::ETAG, crate::precondition::etag(etag));
    }
    Ok(response)
}

/// 200 with a value that holds secrets of about `size` bytes: written into one buffer, which is
/// wiped when the connection is done with it.
pub fn secret<T: Serialize>(status: StatusCode, value: &T, size: usize) -> Answer {
    // Room enough from the start, so that growing leaves no copy behind.
    let mut body = Zeroizing::new(Vec::with_capacity(size + size / 2 + 512));
    serde_json::to_writer(&mut *body, value).map_err(|_| Failure::internal("unwritable answer"))?;
    let mut response = (status, Body::from(Bytes::from_owner(Wiped(body)))).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    Ok(response)
}

struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
