//! The seal.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// How the seal stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SealStatus {
    /// Whether the deployment is initialised.
    pub initialized: bool,
    /// Whether the root key is not in memory.
    pub sealed: bool,
    /// The kinds of seal that hold the root key.
    pub seals: Vec<String>,
    /// Shares needed, if a seal of shares is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u8>,
    /// Shares made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u8>,
    /// Shares given so far towards unsealing.
    pub progress: u8,
}

/// One holder's share.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Unseal {
    /// The share's text.
    #[schema(value_type = String, min_length = 1, max_length = 1024)]
    pub share: Share,
}

/// A share's text. Wiped when dropped and never printed.
#[derive(Clone)]
pub struct Share(Zeroizing<String>);

impl Share {
    /// Takes over a text.
    pub const fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text. Named so that every reading of a secret can be searched for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share")
    }
}

impl Serialize for Share {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}
