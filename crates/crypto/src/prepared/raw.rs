//! The bare primitives, for formats of other systems (front doors, imports). Nothing here adds a
//! suite byte, a key id or a context: the caller's format must bind what it needs.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};

use super::{Inner, PreparedKey, limit, nonce};
use crate::error::CryptoError;
use crate::keywrap::{kwp_unwrap, kwp_wrap};
use crate::secret::SecretBytes;
use crate::usage::Usage;

/// Length of the nonces of AES-256-GCM and ChaCha20-Poly1305, in bytes.
pub const NONCE_LENGTH: usize = 12;

impl PreparedKey {
    /// Seals with plain AES-256-GCM or ChaCha20-Poly1305; returns `ciphertext ‖ tag(16)`. The
    /// caller answers for the nonce never repeating under this key.
    ///
    /// # Errors
    /// [`CryptoError::UnsupportedUsage`] for keys that are not of a plain AEAD algorithm,
    /// [`CryptoError::MessageTooLong`].
    pub fn raw_seal(
        &self,
        nonce: [u8; NONCE_LENGTH],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        limit(plaintext)?;
        let mut sealed = plaintext.to_vec();
        self.aead(Usage::Encrypt)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad),
                &mut sealed,
            )
            .map_err(|_| CryptoError::EngineFailed)?;
        Ok(sealed)
    }

    /// Opens `ciphertext ‖ tag(16)`.
    ///
    /// # Errors
    /// [`CryptoError::Truncated`], [`CryptoError::AuthenticationFailed`],
    /// [`CryptoError::UnsupportedUsage`].
    pub fn raw_open(
        &self,
        nonce: [u8; NONCE_LENGTH],
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<SecretBytes, CryptoError> {
        nonce::open_parts(self.aead(Usage::Decrypt)?, nonce, aad, sealed)
    }

    /// RSA-OAEP with SHA-256 for hash and mask (RFC 8017, section 7.1) and this label.
    ///
    /// # Errors
    /// [`CryptoError::UnsupportedUsage`], [`CryptoError::MessageTooLong`].
    pub fn raw_oaep_encrypt(&self, label: &[u8], message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match &self.inner {
            Inner::Rsa(key) => key.encrypt(label, message),
            _ => Err(self.unsupported(Usage::Encrypt)),
        }
    }

    /// Undoes [`PreparedKey::raw_oaep_encrypt`].
    ///
    /// # Errors
    /// [`CryptoError::AuthenticationFailed`], [`CryptoError::PublicOnly`],
    /// [`CryptoError::UnsupportedUsage`].
    pub fn raw_oaep_decrypt(
        &self,
        label: &[u8],
        ciphertext: &[u8],
    ) -> Result<SecretBytes, CryptoError> {
        match &self.inner {
            Inner::Rsa(key) => key.decrypt(label, ciphertext),
            _ => Err(self.unsupported(Usage::Decrypt)),
        }
    }

    /// AES-256-KWP (RFC 5649) without a suite byte.
    ///
    /// # Errors
    /// As [`crate::keywrap::kwp_wrap`]; [`CryptoError::UnsupportedUsage`].
    pub fn raw_kwp_wrap(&self, key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match &self.inner {
            Inner::KeyWrap(kek) => kwp_wrap(kek, key),
            _ => Err(self.unsupported(Usage::Wrap)),
        }
    }

    /// Undoes [`PreparedKey::raw_kwp_wrap`].
    ///
    /// # Errors
    /// As [`crate::keywrap::kwp_unwrap`]; [`CryptoError::UnsupportedUsage`].
    pub fn raw_kwp_unwrap(&self, wrapped: &[u8]) -> Result<SecretBytes, CryptoError> {
        match &self.inner {
            Inner::KeyWrap(kek) => kwp_unwrap(kek, wrapped),
            _ => Err(self.unsupported(Usage::Unwrap)),
        }
    }

    fn aead(&self, usage: Usage) -> Result<&LessSafeKey, CryptoError> {
        match &self.inner {
            Inner::Aead(key) => Ok(key),
            _ => Err(self.unsupported(usage)),
        }
    }
}
