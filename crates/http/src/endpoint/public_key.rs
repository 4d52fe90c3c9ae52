//! `…/keys/{key}/public-key` and `/v1/tenants/{tenant}/jwks`: public halves, one and all.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyward_api::binary::Binary;
use keyward_api::exchange::{KeySet, KeySetQuery, PublicKeyQuery};
use keyward_api::names::{Algorithm, PublicKeyText};
use keyward_api::version::PublicKey;
use keyward_core::error::OpError;
use keyward_core::ops;
use keyward_core::ops::key::PublicKeyView;
use utoipa::openapi::HttpMethod::Get;
use utoipa::openapi::schema::Type;

use super::Route;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::problem::Failure;

const PEM: &str = "application/x-pem-file";
const DER: &str = "application/octet-stream";
const JWK: &str = "application/jwk+json";
const SSH: &str = "text/plain; charset=utf-8";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/keys/{key}/public-key",
            "read_public_key",
            "keys",
            "Shows the public half of a version",
        )
        .asks::<PublicKeyQuery>()
        .answers_or::<PublicKey>(
            "The public key.",
            &[
                (PEM, Type::String),
                (DER, Type::String),
                (JWK, Type::Object),
                (SSH, Type::String),
            ],
        )
        .to(public_key),
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/jwks",
            "list_public_keys",
            "keys",
            "Shows the public keys of the tenant's keys that the caller may read, as a JWK set",
        )
        .asks::<KeySetQuery>()
        .answers::<KeySet>("Every version that may process.")
        .to(key_set),
    ]
}

async fn public_key(call: Call) -> Answer {
    let tenant = call.tenant()?;
    let key = call.key(&tenant)?;
    let PublicKeyQuery { version, format } = call.query()?;
    if version == Some(0) {
        return Err(Failure::invalid("version: counts from 1"));
    }
    let found = ops::key::public_key(call.node(), call.caller(), &tenant, &key, version).await?;
    match format.as_ref().map(PublicKeyText::as_str) {
        None => answer::ok(&PublicKey {
            version: found.version,
            algorithm: Algorithm::from(found.algorithm.name()),
            pem: found.pem,
            der: Binary(found.der),
            jwk: found.jwk,
            ssh: found.ssh,
        }),
        Some(format) => document(found, format),
    }
}

fn document(found: PublicKeyView, format: &str) -> Answer {
    let (media_type, body) = match format {
        "pem" => (PEM, found.pem.into_bytes()),
        "der" => (DER, found.der),
        "jwk" => {
            let jwk = found.jwk.ok_or_else(|| OpError::Unsupported {
                problem: format!("JOSE knows no {} keys; take pem", found.algorithm),
            })?;
            (JWK, jwk.to_string().into_bytes())
        }
        "ssh" => {
            let line = found.ssh.ok_or_else(|| OpError::Unsupported {
                problem: format!("SSH knows no {} keys; take pem or jwk", found.algorithm),
            })?;
            (SSH, line.into_bytes())
        }
        _ => return Err(Failure::invalid("format: give pem, der, jwk or ssh")),
    };
    let mut response = (StatusCode::OK, Body::from(body)).into_response();
    let media_type = HeaderValue::from_static(media_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    Ok(response)
}

async fn key_set(call: Call) -> Answer {
    let tenant = call.tenant()?;
    let KeySetQuery { name } = call.query()?;
    let keys = ops::key::jwks(call.node(), call.caller(), &tenant, name).await?;
    answer::ok(&KeySet { keys })
}

/// SubjectPublicKeyInfo as RFC 7468 writes it: 64 characters a line.
pub fn pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut pem = String::with_capacity(body.len() + body.len() / 64 + 56);
    pem.push_str("-----BEGIN PUBLIC KEY-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END PUBLIC KEY-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_lines_have_64_characters() {
        let text = pem(&[7; 91]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.first(), Some(&"-----BEGIN PUBLIC KEY-----"));
        assert_eq!(lines.last(), Some(&"-----END PUBLIC KEY-----"));
        assert!(
            lines[1..lines.len() - 2]
                .iter()
                .all(|line| line.len() == 64),
            "{text}"
        );
    }
}
