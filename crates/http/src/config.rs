//! What the server is told: limits, timeouts, and the key that authenticates page cursors.

use std::num::NonZeroU32;
use std::time::Duration;

use zeroize::Zeroizing;

/// How often something may happen: so many at once, refilled at a steady rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Refilled each second.
    pub per_second: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

/// Limits of the HTTP server.
#[derive(Clone)]
pub struct HttpConfig {
    /// The largest request body.
    pub body_bytes_max: usize,
    /// The largest value of a secret that comes as bytes, not JSON.
    pub value_bytes_max: u64,
    /// Whoever sends or takes such a value may pause for `body_timeout`, and must on average be as fast
    /// as this.
    pub value_bytes_per_second_min: NonZeroU32,
    /// The most connections at a time; more wait in the system's queue.
    pub connections_max: usize,
    /// How long a TLS handshake may take.
    pub tls_handshake_timeout: Duration,
    /// How long a request's header may take to arrive; also how long a connection may idle.
    pub header_timeout: Duration,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// How long an answer may take, waiting for the log's news not counted.
    pub request_timeout: Duration,
    /// How long what has begun may go on after the order to stop.
    pub shutdown_timeout: Duration,
    /// Requests of one token.
    pub token_rate: Option<Rate>,
    /// Requests of one address that fail to authenticate.
    pub refusal_rate: Rate,
    /// Shares handed in from one address.
    pub unseal_rate: Rate,
    /// Whether `/metrics` answers without a token.
    pub metrics_open: bool,
    /// Authenticates page cursors. The same for every node of a deployment and across restarts.
    pub cursor_key: Zeroizing<[u8; 32]>,
}

const fn rate(per_second: u32, burst: u32) -> Rate {
    match (NonZeroU32::new(per_second), NonZeroU32::new(burst)) {
        (Some(per_second), Some(burst)) => Rate { per_second, burst },
        _ => Rate {
            per_second: NonZeroU32::MIN,
            burst: NonZeroU32::MIN,
        },
    }
}

impl HttpConfig {
    /// The defaults, with the deployment's own cursor key.
    pub fn new(cursor_key: [u8; 32]) -> Self {
        Self {
            body_bytes_max: 2 * 1024 * 1024,
            value_bytes_max: keyward_core::port::stream_storage::PAYLOAD_BYTES_MAX,
            value_bytes_per_second_min: NonZeroU32::MIN.saturating_add(16 * 1024 - 1),
            connections_max: 4096,
            tls_handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_mins(1),
            shutdown_timeout: Duration::from_secs(30),
            token_rate: Some(rate(50_000, 100_000)),
            refusal_rate: rate(10, 100),
            unseal_rate: rate(1, 10),
            metrics_open: false,
            cursor_key: Zeroizing::new(cursor_key),
        }
    }
}
