//! Keys that come from elsewhere or go there: containers read, checked for validity and strength,
//! and written again; and the wrapping under which they travel. Formats: `docs/formats/import.md`.
//!
//! | file | what |
//! |---|---|
//! | `parts` | a private key taken apart, between container and material |
//! | `pkcs8`, `jwk` | containers |
//! | `public` | public keys, as SPKI, PEM, JWK and SSH |
//! | `strength` | what is refused though it parses |
//! | `factors` | RSA moduli that anybody can take apart |
//! | `wrapping` | RSA-OAEP with AES-KWP, and HPKE |
//!
//! Knows neither tenants nor who may do what.

use std::fmt;
use std::str::FromStr;

use crate::algorithm::Algorithm;
use crate::material::KeyMaterial;
use crate::secret::SecretBytes;
use crate::usage::UsageSet;

mod error;
mod factors;
mod jwk;
mod kind;
mod parts;
mod pem;
mod pkcs8;
mod public;
mod strength;
mod wrapping;

pub use error::ExchangeError;
pub use pem::{private_der, private_pem};
pub use public::{PublicKey, PublicKeyFormat};
pub use wrapping::{
    EXPORT_INFO, IMPORT_INFO, Recipient, WrapMethod, WrappingKey, export_binding, import_binding,
};

use parts::Parts;

/// Longest key or container that is read, in bytes.
pub const LENGTH_MAX: usize = 64 * 1024;

/// A container of private keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyFormat {
    /// The bytes of a symmetric key, the scalar of an elliptic curve, or a seed.
    Raw,
    /// `PrivateKeyInfo` DER (RFC 5208, RFC 5958).
    Pkcs8,
    /// A JSON Web Key (RFC 7517).
    Jwk,
}

/// A name that is no format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown key format")]
pub struct UnknownFormat;

impl KeyFormat {
    /// Every format.
    pub const ALL: &'static [Self] = &[Self::Raw, Self::Pkcs8, Self::Jwk];

    /// The canonical name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Pkcs8 => "pkcs8",
            Self::Jwk => "jwk",
        }
    }
}

impl fmt::Display for KeyFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for KeyFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .iter()
            .copied()
            .find(|format| format.name() == name)
            .ok_or(UnknownFormat)
    }
}

/// What a key that comes in is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// What it is to be used for.
    pub usages: UsageSet,
}

/// Reads a private or symmetric key, and checks that it is one of this algorithm, whole, valid
/// and strong enough.
///
/// # Errors
/// Every variant of [`ExchangeError`] but those of wrapping and recipients.
pub fn read_private(
    intent: Intent,
    format: KeyFormat,
    bytes: &SecretBytes,
) -> Result<KeyMaterial, ExchangeError> {
    if bytes.len() > LENGTH_MAX {
        return Err(ExchangeError::TooLong { max: LENGTH_MAX });
    }
    if bytes.is_empty() {
        return Err(ExchangeError::Malformed {
            what: "the key is empty",
        });
    }
    let parts = match format {
        KeyFormat::Raw => Parts::from_raw(intent.algorithm, bytes.expose())?,
        KeyFormat::Pkcs8 => pkcs8::read(intent.algorithm, bytes.expose())?,
        KeyFormat::Jwk => jwk::read_private(intent, bytes.expose())?,
    };
    parts.into_material(intent.algorithm)
}

/// Writes a private or symmetric key.
///
/// # Errors
/// [`ExchangeError::PublicOnly`], [`ExchangeError::FormatUnsupported`],
/// [`ExchangeError::Engine`].
pub fn write_private(
    material: &KeyMaterial,
    format: KeyFormat,
) -> Result<SecretBytes, ExchangeError> {
    if material.is_public_only() {
        return Err(ExchangeError::PublicOnly);
    }
    let algorithm = material.algorithm();
    let parts = Parts::of_material(material)?;
    match format {
        KeyFormat::Raw => parts.to_raw(algorithm),
        KeyFormat::Pkcs8 => pkcs8::write(algorithm, &parts),
        KeyFormat::Jwk => jwk::write_private(algorithm, &parts, material.public()),
    }
}
