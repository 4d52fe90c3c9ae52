//! Keys that encrypt other keys, and AES key wrap with padding. Knows neither records nor where
//! a key-encryption key comes from.

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use keyward_memory::Locked;
use zeroize::Zeroizing;

use crate::digest::hkdf_sha256;
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

    /// Wraps a key of 1 to [`WRAP_LENGTH_MAX`] bytes with AES-KWP under a subkey of this key:
    /// HKDF-SHA-256(key, salt `keyward/kek/1`, info `keyward/kek/kwp/1`), so that this use cannot
    /// meet the wrapping of record keys. Deterministic.
    ///
    /// # Errors
    /// As [`kwp_wrap`].
    pub fn wrap(&self, key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        kwp_wrap(&*self.kwp_key()?, key)
    }

    /// Undoes [`Kek::wrap`].
    ///
    /// # Errors
    /// As [`kwp_unwrap`].
    pub fn unwrap(&self, wrapped: &[u8]) -> Result<SecretBytes, CryptoError> {
        kwp_unwrap(&*self.kwp_key()?, wrapped)
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

/// AES-256 key wrap with padding (RFC 5649; KWP of NIST SP 800-38F).
///
/// # Errors
/// [`CryptoError::MessageEmpty`], [`CryptoError::MessageTooLong`], [`CryptoError::EngineFailed`].
pub fn kwp_wrap(kek: &[u8; KEK_LENGTH], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
    if key.is_empty() {
        return Err(CryptoError::MessageEmpty);
    }
    if key.len() > WRAP_LENGTH_MAX {
        return Err(CryptoError::MessageTooLong {
            max: WRAP_LENGTH_MAX,
        });
    }
    let cipher = AesKek::new(&AES_256, kek).map_err(|_| CryptoError::EngineFailed)?;
    let mut wrapped = vec![0; key.len() + 15];
    let length = cipher
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
/// [`CryptoError::AuthenticationFailed`] for another key or altered bytes.
pub fn kwp_unwrap(kek: &[u8; KEK_LENGTH], wrapped: &[u8]) -> Result<SecretBytes, CryptoError> {
    if wrapped.len() < 16 {
        return Err(CryptoError::Truncated);
    }
    if wrapped.len() > WRAP_LENGTH_MAX + 15 {
        return Err(CryptoError::MessageTooLong {
            max: WRAP_LENGTH_MAX + 15,
        });
    }
    let cipher = AesKek::new(&AES_256, kek).map_err(|_| CryptoError::EngineFailed)?;
    let mut key = SecretBytes::zeroed(wrapped.len());
    let length = cipher
        .unwrap_with_padding(wrapped, key.expose_mut())
        .map_err(|_| CryptoError::AuthenticationFailed)?
        .len();
    key.shorten(length);
    Ok(key)
}
