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

/// What opens the seal: one holder's share, or the passphrase.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Unseal {
    /// The share's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1024)]
    pub share: Option<Share>,
    /// The passphrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1024)]
    pub passphrase: Option<Passphrase>,
}

/// A text that must not linger: wiped when dropped and never printed.
macro_rules! secret_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Zeroizing<String>);

        impl $name {
            /// Takes over a text.
            pub const fn new(text: Zeroizing<String>) -> Self {
                Self(text)
            }

            /// The text. Named so that every reading of a secret can be searched for.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
            }
        }
    };
}

secret_text! {
    /// A share's text. Wiped when dropped and never printed.
    Share
}

secret_text! {
    /// A passphrase. Wiped when dropped and never printed.
    Passphrase
}
