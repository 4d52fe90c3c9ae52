//! Plain AES-256-GCM and ChaCha20-Poly1305 with a random 96-bit nonce, for keys that must match
//! other systems. The number of messages under one key must be limited by the caller.
//!
//! `suite(1) ‖ nonce(12) ‖ ciphertext ‖ tag(16)`

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};

use super::context::MessageContext;
use crate::error::CryptoError;
use crate::random::Random;
use crate::secret::SecretBytes;
use crate::suite::Suite;

const NONCE_LENGTH: usize = 12;
const TAG_LENGTH: usize = 16;
const PREFIX_LENGTH: usize = 1 + NONCE_LENGTH;

pub(super) fn seal(
    key: &LessSafeKey,
    suite: Suite,
    context: &MessageContext<'_>,
    plaintext: &[u8],
    random: &dyn Random,
) -> Result<Vec<u8>, CryptoError> {
    let mut nonce = [0; NONCE_LENGTH];
    random.fill(&mut nonce)?;
    let mut sealed = vec![0; PREFIX_LENGTH + plaintext.len() + TAG_LENGTH];
    sealed[0] = suite.byte();
    sealed[1..PREFIX_LENGTH].copy_from_slice(&nonce);
    let (ciphertext, tag) = sealed[PREFIX_LENGTH..].split_at_mut(plaintext.len());
    key.seal_out_of_place_scatter(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(context.associated_data(suite)?),
        plaintext,
        ciphertext,
        &[],
        tag,
    )
    .map_err(|_| CryptoError::EngineFailed)?;
    Ok(sealed)
}

/// Opens what follows the suite byte.
pub(super) fn open(
    key: &LessSafeKey,
    suite: Suite,
    context: &MessageContext<'_>,
    body: &[u8],
) -> Result<SecretBytes, CryptoError> {
    let (nonce, rest) = body
        .split_first_chunk::<NONCE_LENGTH>()
        .ok_or(CryptoError::Truncated)?;
    let aad = context.associated_data(suite)?;
    open_parts(key, *nonce, aad.as_ref(), rest)
}

/// Opens `ciphertext ‖ tag`.
pub(super) fn open_parts(
    key: &LessSafeKey,
    nonce: [u8; NONCE_LENGTH],
    aad: &[u8],
    sealed: &[u8],
) -> Result<SecretBytes, CryptoError> {
    let length = sealed
        .len()
        .checked_sub(TAG_LENGTH)
        .ok_or(CryptoError::Truncated)?;
    let (ciphertext, tag) = sealed.split_at(length);
    let mut plaintext = SecretBytes::zeroed(length);
    key.open_separate_gather(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(aad),
        ciphertext,
        tag,
        plaintext.expose_mut(),
    )
    .map_err(|_| CryptoError::AuthenticationFailed)?;
    Ok(plaintext)
}
