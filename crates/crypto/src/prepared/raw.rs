//! The bare primitives, for formats of other systems (front doors, imports). Nothing here adds a
//! suite byte, a key id or a context: the caller's format must bind what it needs.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};

use super::xaes::{self, XAES_NONCE_LENGTH};
use super::{Inner, PreparedKey, limit, nonce};
use crate::digest::Hash;
use crate::error::CryptoError;
use crate::secret::SecretBytes;
use crate::usage::Usage;

/// Length of the nonces of AES-GCM, AES-GCM-SIV and ChaCha20-Poly1305, in bytes.
pub const NONCE_LENGTH: usize = 12;

impl PreparedKey {
    /// Seals with plain AES-GCM, AES-GCM-SIV or ChaCha20-Poly1305; returns `ciphertext ‖ tag(16)`. The
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
        self.raw_oaep_encrypt_with(Hash::Sha256, label, message)
    }

    /// RSA-OAEP with this hash for label and mask.
    ///
    /// # Errors
    /// As [`PreparedKey::raw_oaep_encrypt`].
    pub fn raw_oaep_encrypt_with(
        &self,
        hash: Hash,
        label: &[u8],
        message: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        match &self.inner {
            Inner::Rsa(key) => key.encrypt(hash, label, message),
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
        self.raw_oaep_decrypt_with(Hash::Sha256, label, ciphertext)
    }

    /// Undoes [`PreparedKey::raw_oaep_encrypt_with`].
    ///
    /// # Errors
    /// As [`PreparedKey::raw_oaep_decrypt`].
    pub fn raw_oaep_decrypt_with(
        &self,
        hash: Hash,
        label: &[u8],
        ciphertext: &[u8],
    ) -> Result<SecretBytes, CryptoError> {
        match &self.inner {
            Inner::Rsa(key) => key.decrypt(hash, label, ciphertext),
            _ => Err(self.unsupported(Usage::Decrypt)),
        }
    }

    /// AES-KWP (RFC 5649) or AES-KW (RFC 3394), as the key's algorithm says, without a suite byte.
    ///
    /// # Errors
    /// As [`crate::keywrap::kwp_wrap`] and [`crate::keywrap::kw_wrap`];
    /// [`CryptoError::UnsupportedUsage`].
    pub fn raw_kwp_wrap(&self, key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match &self.inner {
            Inner::KeyWrap(kek) => kek.wrap(key),
            _ => Err(self.unsupported(Usage::Wrap)),
        }
    }

    /// Undoes [`PreparedKey::raw_kwp_wrap`].
    ///
    /// # Errors
    /// As [`crate::keywrap::kwp_unwrap`] and [`crate::keywrap::kw_unwrap`];
    /// [`CryptoError::UnsupportedUsage`].
    pub fn raw_kwp_unwrap(&self, wrapped: &[u8]) -> Result<SecretBytes, CryptoError> {
        match &self.inner {
            Inner::KeyWrap(kek) => kek.unwrap(wrapped),
            _ => Err(self.unsupported(Usage::Unwrap)),
        }
    }

    /// Seals with XAES-256-GCM; returns `ciphertext ‖ tag(16)`. The caller answers for the nonce
    /// never repeating under this key.
    ///
    /// # Errors
    /// [`CryptoError::UnsupportedUsage`], [`CryptoError::MessageTooLong`].
    pub fn raw_xaes_seal(
        &self,
        nonce: [u8; XAES_NONCE_LENGTH],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        limit(plaintext)?;
        match &self.inner {
            Inner::Xaes(key) => xaes::seal_parts(key, nonce, aad, plaintext),
            _ => Err(self.unsupported(Usage::Encrypt)),
        }
    }

    /// Undoes [`PreparedKey::raw_xaes_seal`].
    ///
    /// # Errors
    /// [`CryptoError::Truncated`], [`CryptoError::AuthenticationFailed`],
    /// [`CryptoError::UnsupportedUsage`].
    pub fn raw_xaes_open(
        &self,
        nonce: [u8; XAES_NONCE_LENGTH],
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<SecretBytes, CryptoError> {
        match &self.inner {
            Inner::Xaes(key) => xaes::open_parts(key, nonce, aad, sealed),
            _ => Err(self.unsupported(Usage::Decrypt)),
        }
    }

    fn aead(&self, usage: Usage) -> Result<&LessSafeKey, CryptoError> {
        match &self.inner {
            Inner::Aead(key) => Ok(key),
            _ => Err(self.unsupported(usage)),
        }
    }
}
