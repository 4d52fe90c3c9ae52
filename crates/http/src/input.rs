//! Request bodies: JSON within the limit, in time, and nothing else.

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use keyward_api::error::ErrorCode;
use keyward_core::caller::Idempotency;
use keyward_core::sha256;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::app::App;
use crate::precondition::idempotency_key;
use crate::problem::Failure;

/// A body that must be there, and the mark that makes its request safe to send again.
pub struct Input<T> {
    /// What was sent.
    pub value: T,
    /// The request's own mark and digest, if it has one.
    pub idempotency: Option<Idempotency>,
}

/// The most bytes that a stranger may send.
pub const SMALL_BYTES_MAX: usize = 64 * 1024;

/// A small body of any bytes, from somebody who need not be known.
pub struct Small(pub Vec<u8>);

impl FromRequest<App> for Small {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (max, body) = (app.config().body_bytes_max, request.into_body());
        let read = collect(body, app, max.min(SMALL_BYTES_MAX)).await?;
        Ok(Self(read.to_vec()))
    }
}

/// A body that may be left out where all of its fields may.
pub struct OptionalInput<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Input<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        ensure_json(&parts.headers)?;
        let bytes = collect(body, app, app.config().body_bytes_max).await?;
        let idempotency = idempotency_key(&parts.headers)?.map(|key| Idempotency {
            key,
            digest: digest(parts.method.as_str(), parts.uri.path(), &bytes),
        });
        Ok(Self {
            value: parse(&bytes)?,
            idempotency,
        })
    }
}

impl<T: DeserializeOwned + Default> FromRequest<App> for OptionalInput<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        if body.is_end_stream() {
            return Ok(Self(T::default()));
        }
        ensure_json(&parts.headers)?;
        let bytes = collect(body, app, app.config().body_bytes_max).await?;
        Ok(Self(if bytes.is_empty() {
            T::default()
        } else {
            parse(&bytes)?
        }))
    }
}

/// What an idempotency key is compared by: method, path and body.
pub fn digest(method: &str, path: &str, body: &[u8]) -> keyward_core::noun::tenant::Digest {
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        16 + method.len() + path.len() + body.len(),
    ));
    for part in [method.as_bytes(), path.as_bytes()] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes.extend_from_slice(body);
    sha256(&bytes)
}

fn ensure_json(headers: &HeaderMap) -> Result<(), Failure> {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split(';').next());
    match media_type {
        Some(media_type) if media_type.trim().eq_ignore_ascii_case("application/json") => Ok(()),
        _ => Err(Failure::new(
            ErrorCode::UnsupportedMediaType,
            "Send the body as application/json.",
        )),
    }
}

/// Reads the body, at most as much as is allowed: what claims to be larger is refused before a
/// byte of it is read, what turns out to be larger when it does. Wiped when dropped, since it may
/// hold plaintext.
async fn collect(body: Body, app: &App, max: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let config = app.config();
    let size = body.size_hint();
    if size.lower() > max as u64 {
        return Err(too_large(max));
    }
    // Without a declared length growing may leave copies behind; with one there is room at once.
    let room = size.exact().map_or(4096, |exact| exact as usize);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    let mut body = body;
    let reading = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Failure::invalid("the body broke off"))?;
            if let Ok(data) = frame.into_data() {
                if bytes.len() + data.len() > max {
                    return Err(too_large(max));
                }
                bytes.extend_from_slice(&data);
            }
        }
        Ok(())
    };
    match tokio::time::timeout(config.body_timeout, reading).await {
        Ok(read) => read.map(|()| bytes),
        Err(_) => Err(Failure::new(
            ErrorCode::Timeout,
            "The body did not arrive in time.",
        )),
    }
}

fn too_large(max: usize) -> Failure {
    Failure::new(
        ErrorCode::TooLarge,
        format!("A request body has at most {max} bytes."),
    )
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes)
        .map_err(|error| Failure::invalid(format!("body: {}", without_values(&error.to_string()))))
}

/// What a deserializer says, without the values that it quotes: they may be plaintext.
pub fn without_values(text: &str) -> String {
    const LONGEST: usize = 400;
    for quoting in [
        "invalid type: ",
        "invalid value: ",
        "invalid length ",
        "unknown variant ",
    ] {
        if text.starts_with(quoting) {
            let expected = text
                .rsplit_once(", expected ")
                .map(|(_, expected)| expected);
            return format!(
                "{}: expected {}",
                quoting.trim_end().trim_end_matches(':'),
                expected.unwrap_or("something else")
            );
        }
    }
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use keyward_api::use_key::Encrypt;

    fn refusal(body: &str) -> String {
        let failure = parse::<Encrypt>(body.as_bytes()).unwrap_err();
        let correlation = keyward_core::names::CorrelationId::new("c").unwrap();
        failure.problem(&correlation).detail
    }

    #[test]
    fn a_refusal_says_what_was_expected_and_never_what_was_sent() {
        let detail = refusal(r#"{"plaintext":"aGk=","version":"hunter2, expected "}"#);
        assert!(detail.contains("expected u32"), "{detail}");
        assert!(!detail.contains("hunter2"), "{detail}");
        assert!(refusal(r#"{"plaintext":"hunter2!"}"#).contains("not standard base64"));
        assert!(refusal("{}").contains("missing field `plaintext`"));
        assert!(refusal(r#"{"plaintext":"aGk=","colour":1}"#).contains("unknown field `colour`"));
        assert!(refusal("{").contains("EOF"));
    }

    #[test]
    fn the_digest_of_a_request_covers_method_path_and_body() {
        let one = digest("POST", "/v1/tenants", b"{}");
        assert_eq!(one, digest("POST", "/v1/tenants", b"{}"));
        assert_ne!(one, digest("PUT", "/v1/tenants", b"{}"));
        assert_ne!(one, digest("POST", "/v1/tenants/", b"{}"));
        assert_ne!(one, digest("POST", "/v1/tenant", b"s{}"));
        assert_ne!(one, digest("POST", "/v1/tenants", b"{ }"));
    }

    #[test]
    fn only_json_is_taken() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            ensure_json(&headers)
        };
        assert!(of("application/json").is_ok());
        assert!(of("Application/JSON; charset=utf-8").is_ok());
        assert!(of("text/plain").is_err());
        assert!(of("application/jsonp").is_err());
        assert!(ensure_json(&HeaderMap::new()).is_err());
    }
}
