//! A POST whose answer counts: what sinks over HTTP have in common. No redirects, for whoever is named in
//! one would be handed the token and the entries; no proxies from the environment.

use std::path::Path;
use std::time::Duration;

use keyward_core::crypto_types::SecretBytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Identity, Response, StatusCode};
use url::Url;

use super::{Failure, FailureKind, told};
use crate::credential::Credential;
use crate::settings::TlsFiles;

/// Nobody who takes entries has more to say.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How much of a refusal is repeated.
const QUOTED_CHARS: usize = 200;

/// A client with its headers.
pub(crate) struct Door {
    client: Client,
    headers: HeaderMap,
}

/// A whole answer.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
    pub(crate) asked: Option<Duration>,
}

impl Door {
    /// Reads certificates and the token. Nothing is asked yet.
    pub(crate) async fn open(
        tls: &TlsFiles,
        token: Option<&dyn Credential>,
        scheme: &str,
        (connect, answer): (Duration, Duration),
    ) -> Result<Self, Failure> {
        let mut client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(connect)
            .timeout(answer)
            .pool_max_idle_per_host(1)
            .user_agent(concat!("keyward/", env!("CARGO_PKG_VERSION")));
        if let Some(ca) = &tls.ca {
            let pem = read(ca).await?;
            let trusted = Certificate::from_pem_bundle(&pem).map_err(|_| no_pem(ca))?;
            client = client.tls_certs_only(trusted);
        }
        if let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) {
            let chain = read(certificate).await?;
            let key = key.read().await?;
            // reqwest keeps what it parses and wants both in one text.
            let both = SecretBytes::new([key.expose(), b"\n", chain.as_slice()].concat());
            let identity = Identity::from_pem(both.expose()).map_err(|_| no_pem(certificate))?;
            client = client.identity(identity);
        }
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, authorization(scheme, &token.read().await?)?);
        }
        let client = client
            .build()
            .map_err(|error| Failure::denied(told(&error)))?;
        Ok(Self { client, headers })
    }

    /// One header more.
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Result<Self, Failure> {
        let value = HeaderValue::from_str(value);
        let value =
            value.map_err(|_| Failure::denied(format!("{name} is not one line of text")))?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sends and reads the whole answer: one that breaks off is none.
    pub(crate) async fn post(
        &self,
        url: &Url,
        media_type: &'static str,
        body: String,
    ) -> Result<Answered, Failure> {
        let asked = self
            .client
            .post(url.clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, media_type)
            .body(body)
            .send()
            .await;
        let mut response = asked.map_err(lost)?;
        let (status, asked) = (response.status(), retry_after(&response));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Failure::transient(
                    "the answer is longer than any that is known",
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answered {
            status,
            body,
            asked,
        })
    }
}

impl Answered {
    /// Whether the status says that the batch was taken; what it calls for if it was not.
    pub(super) fn accepted(&self) -> Result<(), Failure> {
        let status = self.status;
        if status.is_success() {
            return Ok(());
        }
        let kind = match status.as_u16() {
            408 | 425 | 429 | 500..=599 => FailureKind::Transient,
            400 | 413 | 422 => FailureKind::Rejected,
            _ => FailureKind::Denied,
        };
        let mut failure = Failure::new(kind, format!("answers {status}{}", self.quoted()));
        failure.asked = self.asked;
        Err(failure)
    }

    /// The beginning of the answer, for people.
    pub(crate) fn quoted(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        let text: String = visible.take(QUOTED_CHARS).collect();
        let text = text.trim();
        if text.is_empty() {
            String::new()
        } else {
            format!(": {text}")
        }
    }
}

fn lost(error: reqwest::Error) -> Failure {
    Failure::transient(told(&error.without_url()))
}

/// Seconds, or nothing: a date would be compared with a clock that is not ours.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

fn authorization(scheme: &str, token: &SecretBytes) -> Result<HeaderValue, Failure> {
    let wrong = || Failure::denied("the token is not one line of text");
    let text = std::str::from_utf8(token.expose()).map_err(|_| wrong())?;
    // Wiped when it is dropped; the header's own copy is marked, so that nothing shows it.
    let line = SecretBytes::new(format!("{scheme} {}", text.trim()).into_bytes());
    let mut value = HeaderValue::from_bytes(line.expose()).map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = tokio::fs::read(path).await;
    read.map_err(|error| Failure::denied(format!("{}: {error}", path.display())))
}

fn no_pem(path: &Path) -> Failure {
    Failure::denied(format!("{} holds no certificates in PEM", path.display()))
}
