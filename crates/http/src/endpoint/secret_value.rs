//! `…/secrets/{secret}/value`: the value itself, as bytes of any length in and out, or in JSON.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use keyward_api::page::Changed;
use keyward_api::secret::{PutSecret, PutValueQuery, SecretValue, SecretValueQuery};
use keyward_core::caller::Idempotency;
use keyward_core::noun::tenant::Digest;
use keyward_core::ops;
use keyward_core::ops::secret::Terms;
use utoipa::openapi::HttpMethod::{Get, Put};
use utoipa::openapi::schema::Type;

use super::Route;
use super::secret::put_answer;
use crate::answer::{self, Answer};
use crate::begun::to_its_end;
use crate::call::Call;
use crate::document::Endpoint;
use crate::percent::decoded;
use crate::precondition::{self, idempotency_key};
use crate::problem::Failure;
use crate::transfer::{self, BYTES, Upload};
use crate::view::secret as view;

const TAG: &str = "secrets";
const VALUE: &str = "/v1/tenants/{tenant}/secrets/{secret}/value";
/// What comes after the secret in the path.
const LAST: &str = "/value";
const DESCRIPTION: HeaderName = HeaderName::from_static("x-secret-description");
const LABELS: HeaderName = HeaderName::from_static("x-secret-labels");
const VERSION: HeaderName = HeaderName::from_static("x-secret-version");

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Get,
            VALUE,
            "get_secret",
            TAG,
            "Gives out the value of a secret; as bytes of any length if `Accept` says so",
        )
        .asks::<SecretValueQuery>()
        .changes()
        .answers_or::<SecretValue>(
            "The value: in base64, up to 64 KiB; or, for `Accept: application/octet-stream`, its bytes, \
             with `Content-Length`, `ETag` and `X-Secret-Version`.",
            &[(BYTES, Type::String)],
        )
        .to(get),
        Endpoint::new(
            Put,
            VALUE,
            "put_secret_value",
            TAG,
            "Puts a value that is sent as bytes, of any length: makes a secret, or a new version of it",
        )
        .asks::<PutValueQuery>()
        .takes_bytes(BYTES)
        .may_have_header(
            "X-Secret-Description",
            "Free text; not secret; as it was if left out. What is not plain ASCII is percent-encoded UTF-8.",
            "^(?:[!-$&-~ ]|%[2-7][0-9A-Fa-f])*$",
        )
        .may_have_header(
            "X-Secret-Labels",
            "`name=value`, joined by `&`; not secret; as they were if left out. `%`, `&`, `=` in them, and \
             what is not plain ASCII, are percent-encoded UTF-8.",
            "^(?:[a-z0-9._-]+=[A-Za-z0-9._~-]*(?:&[a-z0-9._-]+=[A-Za-z0-9._~-]*)*)?$",
        )
        .if_match()
        .idempotent()
        .creates::<Changed<PutSecret>>("The secret and the number of the version.")
        .to(put),
    ]
}

async fn put(call: Call, upload: Upload) -> Answer {
    let (scope, if_match) = (call.tenant()?, call.if_match()?);
    let PutValueQuery {
        keep,
        expected_version,
    } = call.query()?;
    let terms = Terms {
        name: call.at("secret")?,
        description: text(&upload.headers, &DESCRIPTION)?,
        labels: labels(&upload.headers)?,
        keep,
        expected_version,
        if_match,
    };
    let idempotency = idempotency_key(&upload.headers)?.map(|key| Idempotency {
        key,
        // The operation makes one of what is asked, without the value.
        digest: Digest([0; 32]),
    });
    // A sender who goes away ends the value, and what was stored of it is taken back: by work that does
    // not end with its connection.
    to_its_end(async move {
        let (node, caller) = (call.node(), call.caller());
        let value = upload.into_pieces();
        let done =
            ops::secret::put_stream(node, caller, &scope, terms, value, idempotency.as_ref());
        let location = call.path().strip_suffix(LAST).unwrap_or_default();
        put_answer(done.await?, location)
    })
    .await
}

async fn get(call: Call) -> Answer {
    let (scope, name) = (call.tenant()?, call.at("secret")?);
    let SecretValueQuery { version } = call.query()?;
    let version = version.map(i64::from);
    let (node, caller) = (call.node(), call.caller());
    if call.wants_bytes() {
        let mut value = ops::secret::get_stream(node, caller, &scope, &name, version).await?;
        // What is wrong from the beginning is a problem like any other.
        let first = value.next(node).await?;
        let mut response = Response::new(axum::body::Body::empty());
        describe(response.headers_mut(), &value);
        *response.body_mut() = transfer::body(call.app().clone(), value, first);
        return Ok((StatusCode::OK, response).into_response());
    }
    let got = ops::secret::get(node, caller, &scope, &name, version).await?;
    let size = got.value.len();
    let shown = SecretValue {
        name: got.secret.name.to_string(),
        version: got.version.version,
        value: view::value(&got.value),
    };
    answer::secret(StatusCode::OK, &shown, size)
}

fn describe(headers: &mut HeaderMap, value: &ops::secret::StreamedValue) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(BYTES));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(value.size_bytes));
    headers.insert(header::ETAG, precondition::etag(value.secret.etag));
    headers.insert(VERSION, HeaderValue::from(value.version.version));
}

/// A header's text; none if it is not there.
fn text(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Failure> {
    let mut given = headers.get_all(name).iter();
    let Some(value) = given.next() else {
        return Ok(None);
    };
    let text = decoded(value.as_bytes());
    match text.filter(|_| given.next().is_none()) {
        Some(text) => Ok(Some(text)),
        None => Err(Failure::invalid(format!(
            "{name}: give one, of UTF-8 with percent-encoding"
        ))),
    }
}

fn labels(headers: &HeaderMap) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let wrong = || {
        Failure::invalid(format!(
            "{LABELS}: give one, of name=value joined by &, with percent-encoding"
        ))
    };
    let mut given = headers.get_all(LABELS).iter();
    let Some(value) = given.next() else {
        return Ok(None);
    };
    if given.next().is_some() {
        return Err(wrong());
    }
    let mut labels = BTreeMap::new();
    let pairs = value.as_bytes().split(|byte| *byte == b'&');
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        let at = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = pair.split_at(at.ok_or_else(wrong)?);
        let value = value.get(1..).unwrap_or_default();
        let (name, value) = decoded(name).zip(decoded(value)).ok_or_else(wrong)?;
        if labels.insert(name, value).is_some() {
            return Err(wrong());
        }
    }
    Ok(Some(labels))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Result<Option<BTreeMap<String, String>>, Failure> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(LABELS, HeaderValue::from_str(value).unwrap());
        }
        labels(&headers)
    }

    #[test]
    fn labels_are_pairs_and_anything_else_is_refused() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(of(&[]).unwrap(), None);
        assert_eq!(of(&[""]).unwrap(), Some(BTreeMap::new()));
        let two = BTreeMap::from([pair("team", "a&b=c"), pair("ward", "Küche")]);
        assert_eq!(of(&["team=a%26b%3dc&ward=K%C3%BCche"]).unwrap(), Some(two));
        assert_eq!(
            of(&["a=b=c"]).unwrap(),
            Some(BTreeMap::from([pair("a", "b=c")]))
        );
        for bad in [
            &["a"][..],
            &["a=%"],
            &["a=%ff"],
            &["a=1&a=2"],
            &["a=1", "b=2"],
        ] {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }
}
