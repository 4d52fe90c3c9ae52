//! The key services that can hold a seal: an HSM, another vault, a cloud's KMS. A service wraps the
//! seal's own key and never sees the root key. Another service is another implementation of this
//! port and another [`SealKind`]; nothing else changes.

use async_trait::async_trait;
use keyward_crypto::SecretBytes;

use super::SealKind;

/// A seal's key as the service wrapped it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// Which key of the service wrapped it, for people; no credentials.
    pub key: String,
    /// Which version of that key, if it has versions.
    pub key_version: Option<String>,
    /// What only the service opens.
    pub bytes: Vec<u8>,
}

/// A service did not do its part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealServiceError {
    /// Out of reach, or without an answer in time.
    #[error("out of reach: {cause}")]
    Unavailable {
        /// What happened, without addresses or credentials.
        cause: String,
    },
    /// It knows us not, or not enough.
    #[error("access denied: {cause}; check its credentials and what they may do")]
    Denied {
        /// What it said.
        cause: String,
    },
    /// The key is not there.
    #[error("the key {key} is not there")]
    NoKey {
        /// Which.
        key: String,
    },
    /// It does not open what it was given: another key, or altered.
    #[error("the service does not open this seal: it has another key, or the seal was altered")]
    Refused,
    /// It cannot be used as it is set up.
    #[error("{cause}")]
    Misconfigured {
        /// What is wrong.
        cause: String,
    },
}

/// A key service that holds a seal.
#[async_trait]
pub trait SealService: Send + Sync {
    /// Its kind of seal.
    fn kind(&self) -> SealKind;

    /// Wraps a seal's key under the newest version of the service's key. `bound_to` is
    /// authenticated, not secret.
    async fn wrap(
        &self,
        sealing_key: &SecretBytes,
        bound_to: &[u8],
    ) -> Result<WrappedKey, SealServiceError>;

    /// Undoes [`SealService::wrap`], whatever version of the key it was.
    async fn unwrap(
        &self,
        wrapped: &WrappedKey,
        bound_to: &[u8],
    ) -> Result<SecretBytes, SealServiceError>;
}
