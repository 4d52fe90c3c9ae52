//! Connecting: where the server is, whom to trust, and who asks.

use std::fmt;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

use crate::error::{CONNECT_TIMEOUT, ClientError};

/// A token's text. Zeroized when dropped; its Debug shows nothing.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Takes a token's text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    fn header(&self) -> Result<HeaderValue, ClientError> {
        let text = Zeroizing::new(format!("Bearer {}", self.0.trim()));
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| setup("the token is not one line of plain characters"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// How to reach a server.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// `http://…` or `https://…`.
    pub address: String,
    /// Who asks; nobody for health and unsealing.
    pub token: Option<Token>,
    /// Certificates to trust instead of the system's, as PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// How long a request may take; of one that gives out a value as bytes, how long each piece may.
    pub timeout: Duration,
    /// What the server's log will know every request by; each has its own if this is not set.
    pub correlation_id: Option<String>,
}

impl ConnectOptions {
    /// A server at an address, asked by nobody.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            token: None,
            ca_pem: None,
            timeout: Duration::from_mins(1),
            correlation_id: None,
        }
    }

    /// With a token.
    #[must_use]
    pub fn with_token(mut self, token: Token) -> Self {
        self.token = Some(token);
        self
    }
}

/// A client of one server. Cheap to clone: clones share their connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) timeout: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Prepares a client. Nothing is sent yet.
    ///
    /// The process must have installed rustls' aws-lc-rs provider, as `keyward` does at start.
    pub fn new(options: ConnectOptions) -> Result<Self, ClientError> {
        let base = base_url(&options.address)?;
        if options.token.is_some() && base.scheme() == "http" && !is_loopback(&base) {
            return Err(setup(format!(
                "{base} is not protected and the token would be readable on the way; use https://"
            )));
        }
        // No redirects: a server that sends us elsewhere would be handed the token's requests.
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("keyward/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(options.timeout)
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&base) {
            http = http.no_proxy();
        }
        if let Some(pem) = &options.ca_pem {
            let trusted = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|_| setup("the CA file holds no certificates in PEM"))?;
            http = http.tls_certs_only(trusted);
        }
        let http = http.build().map_err(|error| setup(cause_of(&error)))?;
        let authorization = options.token.as_ref().map(Token::header).transpose()?;
        Ok(Self {
            http,
            base,
            authorization,
            correlation_id: options.correlation_id,
            timeout: options.timeout,
        })
    }

    /// Where the server is.
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }
}

fn base_url(address: &str) -> Result<Url, ClientError> {
    let wrong = || {
        setup(format!(
            "`{address}` is not an address; write it like https://keys.example.com:8210"
        ))
    };
    let url = Url::parse(address).map_err(|_| wrong())?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if matches!(url.scheme(), "http" | "https") && url.has_host() && plain {
        Ok(url)
    } else {
        Err(wrong())
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

pub(crate) fn setup(what: impl Into<String>) -> ClientError {
    ClientError::Setup { what: what.into() }
}

/// The innermost reason: the outer ones say "error sending request".
pub(crate) fn cause_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn connect(address: &str) -> Result<Client, ClientError> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Client::new(ConnectOptions::new(address).with_token(Token::new("kw_secret")))
    }

    #[test]
    fn a_token_never_goes_over_an_open_line() {
        for address in [
            "http://127.0.0.1:1",
            "http://localhost:1",
            "http://[::1]:1",
            "https://a.example",
        ] {
            connect(address).unwrap();
        }
        for address in [
            "http://10.0.0.1:1",
            "http://keys.example",
            "http://localhost.example",
        ] {
            assert!(
                matches!(connect(address), Err(ClientError::Setup { .. })),
                "{address}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_said_to_be_none() {
        for address in [
            "",
            "localhost:8210",
            "ftp://a",
            "http://user:secret@localhost",
            "http://localhost?x",
        ] {
            assert!(
                matches!(connect(address), Err(ClientError::Setup { .. })),
                "{address}"
            );
        }
    }

    #[test]
    fn debug_shows_no_token() {
        let options = ConnectOptions::new("https://a.example").with_token(Token::new("kw_secret"));
        assert!(!format!("{options:?}").contains("secret"));
        assert!(!format!("{:?}", connect("https://a.example").unwrap()).contains("secret"));
    }
}
