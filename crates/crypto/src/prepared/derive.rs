//! Keys from keys: three ways to derive from an HMAC key, and agreement with a peer.

use std::fmt;
use std::str::FromStr;

use super::{CONTEXT_LENGTH_MAX, Inner, PreparedKey};
use crate::algorithm::Algorithm;
use crate::digest::{self, Hash};
use crate::error::CryptoError;
use crate::material::exchange;
use crate::secret::SecretBytes;
use crate::usage::Usage;

/// Shortest derived key, in bytes.
pub const DERIVED_LENGTH_MIN: usize = 16;
/// Longest derived key, in bytes (255 blocks of SHA-256).
pub const DERIVED_LENGTH_MAX: usize = 8160;

const DERIVE_INFO: &[u8] = b"keyward/derive/1";
const AGREE_INFO: &[u8] = b"keyward/agree/1";

/// The name of a key derivation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kdf {
    /// Keyward's own, structured: the usual one.
    #[default]
    Keyward,
    /// HKDF as RFC 5869 has it.
    Hkdf,
    /// The counter mode of NIST SP 800-108.
    Sp800108Counter,
}

/// A name that is no key derivation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown key derivation function; there are keyward, hkdf and sp800-108-counter")]
pub struct UnknownKdf;

impl Kdf {
    /// Every function.
    pub const ALL: &'static [Self] = &[Self::Keyward, Self::Hkdf, Self::Sp800108Counter];

    /// The canonical name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keyward => "keyward",
            Self::Hkdf => "hkdf",
            Self::Sp800108Counter => "sp800-108-counter",
        }
    }
}

impl fmt::Display for Kdf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Kdf {
    type Err = UnknownKdf;

    fn from_str(name: &str) -> Result<Self, UnknownKdf> {
        let found = Self::ALL.iter().copied().find(|kdf| kdf.name() == name);
        found.ok_or(UnknownKdf)
    }
}

/// A key derivation function and what it takes beside the secret. Its hash is that of the key.
#[derive(Debug, Clone, Copy)]
pub enum Derivation<'a> {
    /// HKDF-Expand (RFC 5869, section 2.3) with the key as pseudorandom key; info =
    /// `keyward/derive/1` ‖ length(4) ‖ label length(4) ‖ label ‖ context length(4) ‖ context, so
    /// that another label, context or length gives independent bytes. For an agreed secret, which
    /// is not uniform, HKDF whole, without salt, and `keyward/agree/1` in the info's place of
    /// `keyward/derive/1`.
    Keyward {
        /// What the derived key is for.
        label: &'a [u8],
        /// For whom.
        context: &'a [u8],
    },
    /// HKDF (RFC 5869), extract and expand; a shorter result is the beginning of a longer one.
    Hkdf {
        /// The salt.
        salt: &'a [u8],
        /// The info.
        info: &'a [u8],
    },
    /// The counter mode of NIST SP 800-108 with HMAC and a counter of 32 bits; fixed input = label
    /// ‖ 0 ‖ context ‖ length in bits(4). Not for agreed secrets.
    Sp800108Counter {
        /// What the derived key is for.
        label: &'a [u8],
        /// For whom.
        context: &'a [u8],
    },
}

impl Derivation<'_> {
    fn check(&self, length: usize) -> Result<(), CryptoError> {
        if !(DERIVED_LENGTH_MIN..=DERIVED_LENGTH_MAX).contains(&length) {
            return Err(CryptoError::LengthOutOfRange {
                min: DERIVED_LENGTH_MIN,
                max: DERIVED_LENGTH_MAX,
            });
        }
        let given = match self {
            Self::Keyward { label, context } | Self::Sp800108Counter { label, context } => {
                label.len() + context.len()
            }
            Self::Hkdf { salt, info } => salt.len() + info.len(),
        };
        if given > CONTEXT_LENGTH_MAX {
            return Err(CryptoError::ContextTooLong {
                max: CONTEXT_LENGTH_MAX,
            });
        }
        Ok(())
    }
}

impl PreparedKey {
    /// Derives `length` bytes in the usual way ([`Derivation::Keyward`]).
    ///
    /// # Errors
    /// As [`PreparedKey::derive_with`].
    pub fn derive(
        &self,
        label: &[u8],
        context: &[u8],
        length: usize,
    ) -> Result<SecretBytes, CryptoError> {
        self.derive_with(Derivation::Keyward { label, context }, length)
    }

    /// Derives `length` bytes.
    ///
    /// # Errors
    /// [`CryptoError::LengthOutOfRange`], [`CryptoError::ContextTooLong`],
    /// [`CryptoError::UnsupportedUsage`].
    pub fn derive_with(
        &self,
        derivation: Derivation<'_>,
        length: usize,
    ) -> Result<SecretBytes, CryptoError> {
        let Inner::Mac { secret, .. } = &self.inner else {
            return Err(self.unsupported(Usage::Derive));
        };
        derivation.check(length)?;
        let hash = hash_of(self.algorithm);
        let mut derived = SecretBytes::zeroed(length);
        let (secret, out) = (secret.expose(), derived.expose_mut());
        match derivation {
            Derivation::Keyward { label, context } => {
                let info = structured(DERIVE_INFO, length, label, context);
                digest::hkdf_expand(hash, secret, &info, out)?;
            }
            Derivation::Hkdf { salt, info } => digest::hkdf(hash, secret, salt, info, out)?,
            Derivation::Sp800108Counter { label, context } => {
                let bits = (length as u32 * 8).to_be_bytes();
                let fixed_input = [label, &[0], context, &bits].concat();
                digest::counter_kdf(hash, secret, &fixed_input, out)?;
            }
        }
        Ok(derived)
    }

    /// Agrees with a peer on a secret, as the curve gives it: to be derived from, not to be used.
    /// The peer's public key is `SubjectPublicKeyInfo` DER or a point.
    ///
    /// # Errors
    /// [`CryptoError::InvalidPeer`], [`CryptoError::PublicOnly`],
    /// [`CryptoError::UnsupportedUsage`].
    pub fn agree(&self, peer: &[u8]) -> Result<AgreedSecret, CryptoError> {
        let Inner::Agreement { private } = &self.inner else {
            return Err(self.unsupported(Usage::Agree));
        };
        let private = private.as_ref().ok_or(CryptoError::PublicOnly)?;
        Ok(AgreedSecret {
            hash: hash_of(self.algorithm),
            secret: exchange::agree(private, peer)?,
        })
    }
}

/// A secret that two parties have computed. Not uniform: derive from it.
pub struct AgreedSecret {
    hash: Hash,
    secret: SecretBytes,
}

impl AgreedSecret {
    /// Derives `length` bytes. Both parties must give the same.
    ///
    /// # Errors
    /// [`CryptoError::LengthOutOfRange`], [`CryptoError::ContextTooLong`];
    /// [`CryptoError::KdfNotSupported`] for the counter mode, which needs a uniform key.
    pub fn derive(
        &self,
        derivation: Derivation<'_>,
        length: usize,
    ) -> Result<SecretBytes, CryptoError> {
        derivation.check(length)?;
        let mut derived = SecretBytes::zeroed(length);
        let (secret, out) = (self.secret.expose(), derived.expose_mut());
        match derivation {
            Derivation::Keyward { label, context } => {
                let info = structured(AGREE_INFO, length, label, context);
                digest::hkdf(self.hash, secret, &[], &info, out)?;
            }
            Derivation::Hkdf { salt, info } => digest::hkdf(self.hash, secret, salt, info, out)?,
            Derivation::Sp800108Counter { .. } => return Err(CryptoError::KdfNotSupported),
        }
        Ok(derived)
    }

    /// The secret itself, for protocols that derive in their own way.
    #[must_use]
    pub fn into_raw(self) -> SecretBytes {
        self.secret
    }
}

/// The hash with which a key derives: its own, or one as strong as its curve.
fn hash_of(algorithm: Algorithm) -> Hash {
    match algorithm {
        Algorithm::HmacSha384 | Algorithm::EcdhP384 => Hash::Sha384,
        Algorithm::HmacSha512 | Algorithm::EcdhP521 => Hash::Sha512,
        _ => Hash::Sha256,
    }
}

fn structured(name: &[u8], length: usize, label: &[u8], context: &[u8]) -> Vec<u8> {
    let mut info = Vec::with_capacity(name.len() + 12 + label.len() + context.len());
    info.extend_from_slice(name);
    info.extend_from_slice(&(length as u32).to_be_bytes());
    for part in [label, context] {
        info.extend_from_slice(&(part.len() as u32).to_be_bytes());
        info.extend_from_slice(part);
    }
    info
}
