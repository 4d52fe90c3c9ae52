//! Keys that encrypt other keys, and AES key wrap. Knows neither records nor where
//! a key-encryption key comes from.

use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrap, KeyWrapPadded};
use keyward_memory::Locked;
use zeroize::Zeroizing;

use crate::digest::{constant_time_eq, hkdf_sha256};
use crate::error::CryptoError;
use crate::random::Random;
use crate::secret::SecretBytes;

/// Length of a key-encryption key, in bytes.
pub const KEK_LENGTH: usize = 32;
/// Longest key that can be wrapped, in bytes. ML-KEM and RSA keys are below 3 KiB.
pub const WRAP_LENGTH_MAX: usize = 64 * 1024;

const KWP_INFO: &[u8] = b"keyward/kek/kwp/1";
const KEK_SALT: &[u8] = b"keyward/kek/1";

/// A 256-bit key-encryption key, in locked memory. Wiped on drop; neither printable nor clonable.
pub struct Kek {
    key: Locked<[u8; KEK_LENGTH]>,
}

impl Kek {
    /// A fresh key.
    ///
    /// # Errors
    /// [`CryptoError::RandomFailed`].
    pub fn generate(random: &dyn Random) -> Result<Self, CryptoError> {
        Ok(Self {
            key: Locked::filled(|key| random.fill(key))?,
        })
    }

    /// The key with these 32 bytes.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`] for another length.
    pub fn from_secret(secret: &SecretBytes) -> Result<Self, CryptoError> {
        let key: &[u8; KEK_LENGTH] = secret
            .expose()
            .try_into()
            .map_err(|_| CryptoError::InvalidKey)?;
        Ok(Self {
            key: Locked::copy_of(key),
        })
    }

    /// The 32 bytes, to be sealed by another key.
    #[must_use]
    pub fn to_secret(&self) -> SecretBytes {
        SecretBytes::copy_from(self.expose())
    }

    /// An explicit copy.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self {
            key: Locked::copy_of(&self.key),
        }
    }

    /// Whether it is the same key, compared without a data-dependent branch.
    #[must_use]
    pub fn ct_eq(&self, other: &Self) -> bool {
        constant_time_eq(self.expose(), other.expose())
    }

    /// Wraps a key of 1 to [`WRAP_LENGTH_MAX`] bytes with AES-KWP under a subkey of this key:
    /// HKDF-SHA-256(key, salt `keyward/kek/1`, info `keyward/kek/kwp/1`), so that this use cannot
    /// meet the wrapping of record keys. Deterministic.
    ///
    /// # Errors
    /// As [`kwp_wrap`].
    pub fn wrap(&self, key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        kwp_wrap(self.kwp_key()?.as_slice(), key)
    }

    /// Undoes [`Kek::wrap`].
    ///
    /// # Errors
    /// As [`kwp_unwrap`].
    pub fn unwrap(&self, wrapped: &[u8]) -> Result<SecretBytes, CryptoError> {
        kwp_unwrap(self.kwp_key()?.as_slice(), wrapped)
    }

    pub(crate) fn expose(&self) -> &[u8; KEK_LENGTH] {
        &self.key
    }

    fn kwp_key(&self) -> Result<Zeroizing<[u8; KEK_LENGTH]>, CryptoError> {
        let mut key = Zeroizing::new([0; KEK_LENGTH]);
        hkdf_sha256(self.expose(), KEK_SALT, KWP_INFO, key.as_mut_slice())?;
        Ok(key)
    }
}

/// AES key wrap with padding (RFC 5649; KWP of NIST SP 800-38F) under a key of 16 or 32 bytes.
///
/// # Errors
/// [`CryptoError::MessageEmpty`], [`CryptoError::MessageTooLong`], [`CryptoError::InvalidKey`] for
/// another length of the key-encryption key, [`CryptoError::EngineFailed`].
pub fn kwp_wrap(kek: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
    if key.is_empty() {
        return Err(CryptoError::MessageEmpty);
    }
    within(key.len(), WRAP_LENGTH_MAX)?;
    let mut wrapped = vec![0; key.len() + 15];
    let length = cipher(kek)?
        .wrap_with_padding(key, &mut wrapped)
        .map_err(|_| CryptoError::EngineFailed)?
        .len();
    wrapped.truncate(length);
    Ok(wrapped)
}

/// Undoes [`kwp_wrap`].
///
/// # Errors
/// [`CryptoError::Truncated`] below 16 bytes, [`CryptoError::MessageTooLong`],
/// [`CryptoError::InvalidKey`], [`CryptoError::AuthenticationFailed`] for another key or altered
/// bytes.
pub fn kwp_unwrap(kek: &[u8], wrapped: &[u8]) -> Result<SecretBytes, CryptoError> {
    if wrapped.len() < 16 {
        return Err(CryptoError::Truncated);
    }
    within(wrapped.len(), WRAP_LENGTH_MAX + 15)?;
    let mut key = SecretBytes::zeroed(wrapped.len());
    let length = cipher(kek)?
        .unwrap_with_padding(wrapped, key.expose_mut())
        .map_err(|_| CryptoError::AuthenticationFailed)?
        .len();
    key.shorten(length);
    Ok(key)
}

/// AES key wrap (RFC 3394; KW of NIST SP 800-38F) under a key of 16 or 32 bytes, of a key of two or
/// more blocks of 8 bytes.
///
/// # Errors
/// [`CryptoError::NotWholeBlocks`], [`CryptoError::MessageTooLong`], [`CryptoError::InvalidKey`],
/// [`CryptoError::EngineFailed`].
pub fn kw_wrap(kek: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
    if key.len() < 16 || !key.len().is_multiple_of(8) {
        return Err(CryptoError::NotWholeBlocks);
    }
    within(key.len(), WRAP_LENGTH_MAX)?;
    let mut wrapped = vec![0; key.len() + 8];
    let length = KeyWrap::wrap(cipher(kek)?, key, &mut wrapped)
        .map_err(|_| CryptoError::EngineFailed)?
        .len();
    wrapped.truncate(length);
    Ok(wrapped)
}

/// Undoes [`kw_wrap`].
///
/// # Errors
/// [`CryptoError::Truncated`] below 24 bytes, [`CryptoError::MessageTooLong`],
/// [`CryptoError::InvalidKey`], [`CryptoError::AuthenticationFailed`] for another key, altered
/// bytes, or what is no whole number of blocks.
pub fn kw_unwrap(kek: &[u8], wrapped: &[u8]) -> Result<SecretBytes, CryptoError> {
    if wrapped.len() < 24 {
        return Err(CryptoError::Truncated);
    }
    within(wrapped.len(), WRAP_LENGTH_MAX + 8)?;
    if !wrapped.len().is_multiple_of(8) {
        return Err(CryptoError::AuthenticationFailed);
    }
    let mut key = SecretBytes::zeroed(wrapped.len());
    let length = KeyWrap::unwrap(cipher(kek)?, wrapped, key.expose_mut())
        .map_err(|_| CryptoError::AuthenticationFailed)?
        .len();
    key.shorten(length);
    Ok(key)
}

fn cipher(kek: &[u8]) -> Result<AesKek, CryptoError> {
    let cipher = match kek.len() {
        16 => &AES_128,
        32 => &AES_256,
        _ => return Err(CryptoError::InvalidKey),
    };
    AesKek::new(cipher, kek).map_err(|_| CryptoError::EngineFailed)
}

fn within(length: usize, max: usize) -> Result<(), CryptoError> {
    if length > max {
        return Err(CryptoError::MessageTooLong { max });
    }
    Ok(())
}
