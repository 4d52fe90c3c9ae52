//! XAES-256-GCM (C2SP): AES-256-GCM with a nonce of 192 bits, which may be random for any number of
//! messages. The first half of the nonce derives a key by the counter mode of SP 800-108 with
//! AES-256-CMAC; the second half is the nonce under that key.
//!
//! `suite(1) ‖ nonce(24) ‖ ciphertext ‖ tag(16)`

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cmac;
use zeroize::Zeroizing;

use super::context::MessageContext;
use super::nonce;
use crate::error::CryptoError;
use crate::random::{self, Random};
use crate::secret::SecretBytes;
use crate::suite::Suite;

/// Length of the nonces of XAES-256-GCM, in bytes.
pub const XAES_NONCE_LENGTH: usize = 24;
const HALF: usize = 12;

pub(super) fn seal(
    key: &cmac::Key,
    suite: Suite,
    context: &MessageContext<'_>,
    plaintext: &[u8],
    random: &dyn Random,
) -> Result<Vec<u8>, CryptoError> {
    let nonce: [u8; XAES_NONCE_LENGTH] = random::array(random)?;
    let aad = context.associated_data(suite)?;
    let body = seal_parts(key, nonce, aad.as_ref(), plaintext)?;
    let mut sealed = Vec::with_capacity(1 + XAES_NONCE_LENGTH + body.len());
    sealed.push(suite.byte());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&body);
    Ok(sealed)
}

/// Opens what follows the suite byte.
pub(super) fn open(
    key: &cmac::Key,
    suite: Suite,
    context: &MessageContext<'_>,
    body: &[u8],
) -> Result<SecretBytes, CryptoError> {
    let (nonce, rest) = body
        .split_first_chunk::<XAES_NONCE_LENGTH>()
        .ok_or(CryptoError::Truncated)?;
    let aad = context.associated_data(suite)?;
    open_parts(key, *nonce, aad.as_ref(), rest)
}

/// Seals to `ciphertext ‖ tag`.
pub(super) fn seal_parts(
    key: &cmac::Key,
    nonce: [u8; XAES_NONCE_LENGTH],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let (first, second) = halves(nonce);
    let mut sealed = Vec::with_capacity(plaintext.len() + 16);
    sealed.extend_from_slice(plaintext);
    derive(key, first)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(second),
            Aad::from(aad),
            &mut sealed,
        )
        .map_err(|_| CryptoError::EngineFailed)?;
    Ok(sealed)
}

/// Opens `ciphertext ‖ tag`.
pub(super) fn open_parts(
    key: &cmac::Key,
    nonce: [u8; XAES_NONCE_LENGTH],
    aad: &[u8],
    sealed: &[u8],
) -> Result<SecretBytes, CryptoError> {
    let (first, second) = halves(nonce);
    nonce::open_parts(&derive(key, first)?, second, aad, sealed)
}

fn halves(nonce: [u8; XAES_NONCE_LENGTH]) -> ([u8; HALF], [u8; HALF]) {
    let (mut first, mut second) = ([0; HALF], [0; HALF]);
    first.copy_from_slice(&nonce[..HALF]);
    second.copy_from_slice(&nonce[HALF..]);
    (first, second)
}

/// Two blocks of CMAC over `counter(2) ‖ "X" ‖ 0 ‖ nonce half`.
fn derive(key: &cmac::Key, half: [u8; HALF]) -> Result<LessSafeKey, CryptoError> {
    let mut derived = Zeroizing::new([0; 32]);
    for (counter, block) in (1_u8..).zip(derived.chunks_exact_mut(16)) {
        let mut input = [0, counter, b'X', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        input[4..].copy_from_slice(&half);
        cmac::sign_to_buffer(key, &input, block).map_err(|_| CryptoError::EngineFailed)?;
    }
    let key = UnboundKey::new(&AES_256_GCM, derived.as_slice());
    Ok(LessSafeKey::new(
        key.map_err(|_| CryptoError::EngineFailed)?,
    ))
}
