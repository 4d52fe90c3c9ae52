//! A seal held by the Transit engine of OpenBao or HashiCorp Vault: `encrypt` and `decrypt` of the
//! seal's key with associated data. Its API: <https://openbao.org/api-docs/secret/transit/>.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use data_encoding::BASE64;
use keyward_core::port::seal::{SealKind, SealService, SealServiceError, WrappedKey};
use keyward_crypto::SecretBytes;
use reqwest::header::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{PATIENCE_SECONDS, Source};

/// Longest answer, in bytes: a ciphertext of 32 bytes is far shorter.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Room for a request, in bytes.
const REQUEST_BYTES: usize = 4 * 1024;
/// Longest name of a key, in bytes.
const KEY_NAME_BYTES_MAX: usize = 256;

/// How to reach a Transit engine.
#[derive(Clone)]
pub struct TransitSettings {
    /// `https://host:port`, without a path.
    pub address: String,
    /// Where the engine is mounted.
    pub mount: String,
    /// The key, whose newest version wraps.
    pub key: String,
    /// The namespace, where there are some.
    pub namespace: Option<String>,
    /// The token.
    pub token: Source,
    /// Certificates to trust instead of the system's, PEM.
    pub ca_pem: Option<Source>,
}

/// A Transit engine as the holder of a seal.
pub struct TransitSeal {
    settings: TransitSettings,
}

impl TransitSeal {
    /// Nothing is asked yet.
    pub const fn new(settings: TransitSettings) -> Self {
        Self { settings }
    }

    /// Where the engine is.
    fn mount(&self) -> &str {
        self.settings.mount.trim_matches('/')
    }

    /// The name of the key that a stored seal is under, if it is one of this engine. What is stored is
    /// not trusted: it must not choose what else of the service is asked with our token.
    fn name_in<'k>(&self, key: &'k str) -> Option<&'k str> {
        let name = key.strip_prefix(self.mount())?.strip_prefix('/')?;
        is_key_name(name).then_some(name)
    }

    async fn ask(
        &self,
        verb: &str,
        name: &str,
        body: &impl Serialize,
    ) -> Result<Answer, SealServiceError> {
        let (address, mount) = (self.settings.address.trim_end_matches('/'), self.mount());
        let url = format!("{address}/v1/{mount}/{verb}/{name}");
        // As large as it can become: what grows leaves copies behind.
        let mut sent = Zeroizing::new(Vec::with_capacity(REQUEST_BYTES));
        serde_json::to_writer(&mut *sent, body).map_err(|_| SealServiceError::Refused)?;
        let asked = self
            .client()?
            .post(url)
            .headers(self.headers()?)
            .body(Bytes::from_owner(sent))
            .send()
            .await
            .map_err(|error| unavailable(&error))?;
        let status = asked.status().as_u16();
        let told = read(asked).await?;
        if status != 200 {
            return Err(refusal(status, &told, &format!("{mount}/{name}")));
        }
        let answer: Envelope = serde_json::from_slice(&told)
            .map_err(|_| misconfigured("the service answers with something else"))?;
        Ok(answer.data)
    }

    fn client(&self) -> Result<reqwest::Client, SealServiceError> {
        // No redirects: whoever the service sends us to would be handed the token.
        let mut client = reqwest::Client::builder()
            .timeout(Duration::from_secs(PATIENCE_SECONDS))
            .redirect(reqwest::redirect::Policy::none());
        if let Some(ca) = &self.settings.ca_pem {
            let pem = ca().map_err(misconfigured)?;
            let trusted = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
                .map_err(|_| misconfigured("the CA file holds no certificates in PEM"))?;
            client = client.tls_certs_only(trusted);
        }
        if is_loopback(&self.settings.address) {
            client = client.no_proxy();
        }
        client.build().map_err(|error| unavailable(&error))
    }

    fn headers(&self) -> Result<HeaderMap, SealServiceError> {
        let mut headers = HeaderMap::new();
        let token = (self.settings.token)().map_err(misconfigured)?;
        let mut value = HeaderValue::from_str(token.trim())
            .map_err(|_| misconfigured("the token is not one line of text"))?;
        value.set_sensitive(true);
        headers.insert("x-vault-token", value);
        if let Some(namespace) = &self.settings.namespace {
            let value = HeaderValue::from_str(namespace)
                .map_err(|_| misconfigured("the namespace is not one line of text"))?;
            headers.insert("x-vault-namespace", value);
        }
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        Ok(headers)
    }
}

#[async_trait]
impl SealService for TransitSeal {
    fn kind(&self) -> SealKind {
        SealKind::Transit
    }

    async fn wrap(
        &self,
        sealing_key: &SecretBytes,
        bound_to: &[u8],
    ) -> Result<WrappedKey, SealServiceError> {
        let name = &self.settings.key;
        if !is_key_name(name) {
            return Err(misconfigured(
                "the key's name may have letters, digits, '.', '_' and '-'",
            ));
        }
        let key = format!("{}/{name}", self.mount());
        let plaintext = Zeroizing::new(BASE64.encode(sealing_key.expose()));
        let body = Encrypt {
            plaintext: &plaintext,
            associated_data: BASE64.encode(bound_to),
        };
        let text = self.ask("encrypt", name, &body).await?.ciphertext.take();
        let text = text.ok_or_else(|| misconfigured("the service answers with something else"))?;
        // `vault:v3:…`
        let version = text.split(':').nth(1);
        let version = version.and_then(|part| part.strip_prefix('v'));
        Ok(WrappedKey {
            key,
            key_version: version.map(ToOwned::to_owned),
            bytes: text.into_bytes(),
        })
    }

    async fn unwrap(
        &self,
        wrapped: &WrappedKey,
        bound_to: &[u8],
    ) -> Result<SecretBytes, SealServiceError> {
        let name = self.name_in(&wrapped.key);
        let name = name.ok_or(SealServiceError::Refused)?;
        let ciphertext = std::str::from_utf8(&wrapped.bytes);
        let body = Decrypt {
            ciphertext: ciphertext.map_err(|_| SealServiceError::Refused)?,
            associated_data: BASE64.encode(bound_to),
        };
        let mut answer = self.ask("decrypt", name, &body).await?;
        let text = answer.plaintext.take().ok_or(SealServiceError::Refused)?;
        let text = Zeroizing::new(text);
        let decoded = BASE64.decode(text.as_bytes());
        let mut decoded = decoded.map_err(|_| SealServiceError::Refused)?;
        let key = SecretBytes::copy_from(&decoded);
        decoded.zeroize();
        Ok(key)
    }
}

#[derive(Serialize)]
struct Encrypt<'a> {
    plaintext: &'a str,
    associated_data: String,
}

#[derive(Serialize)]
struct Decrypt<'a> {
    ciphertext: &'a str,
    associated_data: String,
}

#[derive(Deserialize)]
struct Envelope {
    data: Answer,
}

#[derive(Deserialize)]
struct Answer {
    ciphertext: Option<String>,
    plaintext: Option<String>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.plaintext.zeroize();
    }
}

#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    errors: Vec<String>,
}

/// Reads an answer, no further than an answer goes, into memory that is wiped.
async fn read(mut asked: reqwest::Response) -> Result<Zeroizing<Vec<u8>>, SealServiceError> {
    let mut told = Zeroizing::new(Vec::with_capacity(ANSWER_BYTES_MAX));
    while let Some(piece) = asked.chunk().await.map_err(|error| unavailable(&error))? {
        if told.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err(misconfigured("the service answers with something else"));
        }
        told.extend_from_slice(&piece);
        // A piece that nobody else holds can be wiped too.
        if let Ok(mut piece) = piece.try_into_mut() {
            piece[..].zeroize();
        }
    }
    Ok(told)
}

/// What a refusal means. What the service says is looked at and not passed on.
fn refusal(status: u16, told: &[u8], key: &str) -> SealServiceError {
    let problem: Problem = serde_json::from_slice(told).unwrap_or_default();
    let says = |words: &str| problem.errors.iter().any(|error| error.contains(words));
    match status {
        400 if says("key not found") => SealServiceError::NoKey {
            key: key.to_owned(),
        },
        400 => SealServiceError::Refused,
        401 | 403 => SealServiceError::Denied {
            cause: format!("status {status}"),
        },
        404 => SealServiceError::NoKey {
            key: key.to_owned(),
        },
        503 => SealServiceError::Unavailable {
            cause: "status 503: the service is sealed or down".to_owned(),
        },
        _ => SealServiceError::Unavailable {
            cause: format!("status {status}"),
        },
    }
}

/// The innermost reason: the outer ones name addresses.
fn unavailable(error: &(dyn std::error::Error + 'static)) -> SealServiceError {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    SealServiceError::Unavailable {
        cause: cause.to_string(),
    }
}

fn misconfigured(cause: impl Into<String>) -> SealServiceError {
    SealServiceError::Misconfigured {
        cause: cause.into(),
    }
}

/// Whether this can be a key's name, and nothing else of an address.
fn is_key_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !matches!(name, "" | "." | "..") && name.len() <= KEY_NAME_BYTES_MAX && name.chars().all(fits)
}

fn is_loopback(address: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(address) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let parsed = host.parse::<std::net::IpAddr>();
    host == "localhost" || parsed.is_ok_and(|address| address.is_loopback())
}
