//! Names of signature schemes and what they may sign. One table; no cryptography.

use std::fmt;
use std::str::FromStr;

use crate::algorithm::{Algorithm, Family};
use crate::error::CryptoError;
use crate::usage::Usage;

use super::limit;

/// How a message is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureScheme {
    /// RSA-PSS, SHA-256, salt of 32 bytes (RFC 8017, section 8.1).
    RsaPssSha256,
    /// RSA-PSS, SHA-384, salt of 48 bytes.
    RsaPssSha384,
    /// RSA-PSS, SHA-512, salt of 64 bytes.
    RsaPssSha512,
    /// RSA PKCS#1 v1.5, SHA-256 (RFC 8017, section 8.2).
    RsaPkcs1Sha256,
    /// RSA PKCS#1 v1.5, SHA-384.
    RsaPkcs1Sha384,
    /// RSA PKCS#1 v1.5, SHA-512.
    RsaPkcs1Sha512,
    /// ECDSA on P-256 or secp256k1 with SHA-256.
    EcdsaSha256,
    /// ECDSA on P-384 with SHA-384.
    EcdsaSha384,
    /// ECDSA on P-521 with SHA-512.
    EcdsaSha512,
    /// Ed25519, pure (RFC 8032).
    Ed25519,
    /// ML-DSA-44, pure, empty context string (FIPS 204).
    MlDsa44,
    /// ML-DSA-65, pure, empty context string (FIPS 204).
    MlDsa65,
    /// ML-DSA-87, pure, empty context string (FIPS 204).
    MlDsa87,
}

/// A name that is no signature scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown signature scheme; `SignatureScheme::ALL` lists those there are")]
pub struct UnknownScheme;

/// What is signed: a message, or its digest by the scheme's hash.
#[derive(Debug, Clone, Copy)]
pub enum Message<'a> {
    /// The message itself.
    Raw(&'a [u8]),
    /// The digest of the message; not for Ed25519 and ML-DSA.
    Digest(&'a [u8]),
}

impl SignatureScheme {
    /// Every scheme.
    pub const ALL: &'static [Self] = &[
        Self::RsaPssSha256,
        Self::RsaPssSha384,
        Self::RsaPssSha512,
        Self::RsaPkcs1Sha256,
        Self::RsaPkcs1Sha384,
        Self::RsaPkcs1Sha512,
        Self::EcdsaSha256,
        Self::EcdsaSha384,
        Self::EcdsaSha512,
        Self::Ed25519,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
    ];

    /// The canonical name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaPssSha256 => "rsa-pss-sha-256",
            Self::RsaPssSha384 => "rsa-pss-sha-384",
            Self::RsaPssSha512 => "rsa-pss-sha-512",
            Self::RsaPkcs1Sha256 => "rsa-pkcs1-sha-256",
            Self::RsaPkcs1Sha384 => "rsa-pkcs1-sha-384",
            Self::RsaPkcs1Sha512 => "rsa-pkcs1-sha-512",
            Self::EcdsaSha256 => "ecdsa-sha-256",
            Self::EcdsaSha384 => "ecdsa-sha-384",
            Self::EcdsaSha512 => "ecdsa-sha-512",
            Self::Ed25519 => "ed25519",
            Self::MlDsa44 => "ml-dsa-44",
            Self::MlDsa65 => "ml-dsa-65",
            Self::MlDsa87 => "ml-dsa-87",
        }
    }

    /// The scheme a key of `algorithm` signs with unless told otherwise; `None` when it does not
    /// sign.
    pub const fn default_for(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
                Some(Self::RsaPssSha256)
            }
            Algorithm::EcdsaP256 | Algorithm::EcdsaSecp256k1 => Some(Self::EcdsaSha256),
            Algorithm::EcdsaP384 => Some(Self::EcdsaSha384),
            Algorithm::EcdsaP521 => Some(Self::EcdsaSha512),
            Algorithm::Ed25519 => Some(Self::Ed25519),
            Algorithm::MlDsa44 => Some(Self::MlDsa44),
            Algorithm::MlDsa65 => Some(Self::MlDsa65),
            Algorithm::MlDsa87 => Some(Self::MlDsa87),
            _ => None,
        }
    }

    /// Whether keys of `algorithm` sign with this scheme.
    pub fn fits(self, algorithm: Algorithm) -> bool {
        match algorithm.info().family {
            Family::Rsa => self.name().starts_with("rsa-"),
            _ => Self::default_for(algorithm) == Some(self),
        }
    }

    /// Length of the scheme's digest, in bytes; `None` when it signs messages only.
    pub const fn digest_length(self) -> Option<usize> {
        match self {
            Self::RsaPssSha256 | Self::RsaPkcs1Sha256 | Self::EcdsaSha256 => Some(32),
            Self::RsaPssSha384 | Self::RsaPkcs1Sha384 | Self::EcdsaSha384 => Some(48),
            Self::RsaPssSha512 | Self::RsaPkcs1Sha512 | Self::EcdsaSha512 => Some(64),
            Self::Ed25519 | Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => None,
        }
    }
}

impl fmt::Display for SignatureScheme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for SignatureScheme {
    type Err = UnknownScheme;

    fn from_str(name: &str) -> Result<Self, UnknownScheme> {
        Self::ALL
            .iter()
            .copied()
            .find(|scheme| scheme.name() == name)
            .ok_or(UnknownScheme)
    }
}

impl Message<'_> {
    /// Checks what can be said about a request before the key is touched.
    pub(super) fn check(
        &self,
        algorithm: Algorithm,
        scheme: SignatureScheme,
        usage: Usage,
    ) -> Result<(), CryptoError> {
        if !algorithm.info().usages.contains(usage) {
            return Err(CryptoError::UnsupportedUsage { algorithm, usage });
        }
        if !scheme.fits(algorithm) {
            return Err(CryptoError::WrongScheme {
                algorithm,
                scheme: scheme.name(),
            });
        }
        match (self, scheme.digest_length()) {
            (Self::Raw(message), _) => limit(message),
            (Self::Digest(_), None) => Err(CryptoError::DigestNotSupported {
                scheme: scheme.name(),
            }),
            (Self::Digest(digest), Some(expected)) if digest.len() != expected => {
                Err(CryptoError::WrongDigestLength { expected })
            }
            (Self::Digest(_), Some(_)) => Ok(()),
        }
    }
}
