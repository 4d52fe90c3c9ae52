//! A secret that a sink shows to its receiver. It is read when a connection is made, so that one that
//! is renewed is found, and is never part of the settings.

use std::fmt;

use async_trait::async_trait;
use keyward_core::crypto_types::SecretBytes;

/// A secret cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Unreadable {
    /// Which, by the name of its setting or its place.
    pub what: String,
    /// Why, without its content.
    pub why: String,
}

/// Where a secret is.
#[async_trait]
pub trait Credential: Send + Sync {
    /// Reads it.
    async fn read(&self) -> Result<SecretBytes, Unreadable>;
}

impl fmt::Debug for dyn Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}
