//! Deterministic AES-256-GCM-SIV, `aes-256-gcm-siv-convergent`: the nonce is a MAC of associated
//! data and message, so equal messages in one context under one key version give equal
//! ciphertexts. That is its purpose (finding duplicates, joining on encrypted columns) and its
//! price: whoever sees two ciphertexts sees whether their messages are equal. The key never
//! serves directly: a cipher key and a nonce key are derived from it.
//!
//! `suite(1) ‖ nonce(12) ‖ ciphertext ‖ tag(16)`

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::context::MessageContext;
use super::nonce;
use crate::digest::{constant_time_eq, hkdf_sha256};
use crate::error::CryptoError;
use crate::secret::SecretBytes;
use crate::suite::Suite;

const SALT: &[u8] = b"keyward/convergent/1";
const NONCE_LENGTH: usize = 12;

/// The two keys derived from the one.
pub(super) struct ConvergentKey {
    cipher: LessSafeKey,
    nonce: hmac::Key,
}

impl ConvergentKey {
    /// HKDF-SHA-256(key, salt `keyward/convergent/1`, info `cipher` or `nonce`).
    pub(super) fn new(secret: &[u8]) -> Result<Self, CryptoError> {
        let mut derived = Zeroizing::new([0; 32]);
        hkdf_sha256(secret, SALT, b"cipher", derived.as_mut_slice())?;
        let cipher = UnboundKey::new(&AES_256_GCM_SIV, derived.as_slice())
            .map_err(|_| CryptoError::EngineFailed)?;
        hkdf_sha256(secret, SALT, b"nonce", derived.as_mut_slice())?;
        Ok(Self {
            cipher: LessSafeKey::new(cipher),
            nonce: hmac::Key::new(hmac::HMAC_SHA256, derived.as_slice()),
        })
    }

    pub(super) fn seal(
        &self,
        suite: Suite,
        context: &MessageContext<'_>,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let aad = context.associated_data(suite)?;
        let nonce = self.nonce(aad.as_ref(), plaintext);
        let mut body = Vec::with_capacity(plaintext.len() + 16);
        body.extend_from_slice(plaintext);
        self.cipher
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad),
                &mut body,
            )
            .map_err(|_| CryptoError::EngineFailed)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LENGTH + body.len());
        sealed.push(suite.byte());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens what follows the suite byte. A nonce that is not the message's own is refused, so that
    /// one message has one ciphertext.
    pub(super) fn open(
        &self,
        suite: Suite,
        context: &MessageContext<'_>,
        body: &[u8],
    ) -> Result<SecretBytes, CryptoError> {
        let (nonce, rest) = body
            .split_first_chunk::<NONCE_LENGTH>()
            .ok_or(CryptoError::Truncated)?;
        let aad = context.associated_data(suite)?;
        let plaintext = nonce::open_parts(&self.cipher, *nonce, aad.as_ref(), rest)?;
        if constant_time_eq(&self.nonce(aad.as_ref(), plaintext.expose()), nonce) {
            Ok(plaintext)
        } else {
            Err(CryptoError::AuthenticationFailed)
        }
    }

    /// HMAC-SHA-256(nonce key, length of the associated data(8) ‖ associated data ‖ message), cut
    /// to 96 bits.
    fn nonce(&self, aad: &[u8], message: &[u8]) -> [u8; NONCE_LENGTH] {
        let mut mac = hmac::Context::with_key(&self.nonce);
        mac.update(&(aad.len() as u64).to_be_bytes());
        mac.update(aad);
        mac.update(message);
        let mut nonce = [0; NONCE_LENGTH];
        nonce.copy_from_slice(&mac.sign().as_ref()[..NONCE_LENGTH]);
        nonce
    }
}
