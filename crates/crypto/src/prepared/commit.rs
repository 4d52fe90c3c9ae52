//! The default construction, `aes-256-gcm-commit`: a key and a commitment derived for every
//! message from a random 256-bit salt, so that one key may protect any number of messages and a
//! ciphertext opens under one key only. Layout and reasons: `docs/formats/ciphertext.md`.
//!
//! `suite(1) ‖ salt(32) ‖ commitment(32) ‖ ciphertext ‖ tag(16)`

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::context::MessageContext;
use crate::digest::{constant_time_eq, hkdf_sha256};
use crate::error::CryptoError;
use crate::random::Random;
use crate::secret::SecretBytes;
use crate::suite::Suite;

const SALT_LENGTH: usize = 32;
const COMMITMENT_LENGTH: usize = 32;
const TAG_LENGTH: usize = 16;
const PREFIX_LENGTH: usize = 1 + SALT_LENGTH + COMMITMENT_LENGTH;

pub(super) fn seal(
    key: &[u8; 32],
    suite: Suite,
    context: &MessageContext<'_>,
    plaintext: &[u8],
    random: &dyn Random,
) -> Result<Vec<u8>, CryptoError> {
    let mut sealed = vec![0; PREFIX_LENGTH + plaintext.len() + TAG_LENGTH];
    let (prefix, body) = sealed.split_at_mut(PREFIX_LENGTH);
    let (ciphertext, tag) = body.split_at_mut(plaintext.len());
    let (salt, commitment) = prefix[1..].split_at_mut(SALT_LENGTH);
    random.fill(salt)?;
    let derived = derive(key, salt, suite, context)?;
    commitment.copy_from_slice(derived.commitment());
    derived
        .cipher()?
        .seal_out_of_place_scatter(
            zero_nonce(),
            Aad::from(context.associated_data(suite)?),
            plaintext,
            ciphertext,
            &[],
            tag,
        )
        .map_err(|_| CryptoError::EngineFailed)?;
    prefix[0] = suite.byte();
    Ok(sealed)
}

/// Opens what follows the suite byte.
pub(super) fn open(
    key: &[u8; 32],
    suite: Suite,
    context: &MessageContext<'_>,
    body: &[u8],
) -> Result<SecretBytes, CryptoError> {
    let (salt, rest) = body
        .split_at_checked(SALT_LENGTH)
        .ok_or(CryptoError::Truncated)?;
    let (commitment, rest) = rest
        .split_at_checked(COMMITMENT_LENGTH)
        .ok_or(CryptoError::Truncated)?;
    let length = rest
        .len()
        .checked_sub(TAG_LENGTH)
        .ok_or(CryptoError::Truncated)?;
    let (ciphertext, tag) = rest.split_at(length);
    let derived = derive(key, salt, suite, context)?;
    if !constant_time_eq(derived.commitment(), commitment) {
        return Err(CryptoError::CommitmentMismatch);
    }
    let mut plaintext = SecretBytes::zeroed(length);
    derived
        .cipher()?
        .open_separate_gather(
            zero_nonce(),
            Aad::from(context.associated_data(suite)?),
            ciphertext,
            tag,
            plaintext.expose_mut(),
        )
        .map_err(|_| CryptoError::AuthenticationFailed)?;
    Ok(plaintext)
}

/// What is derived for one message: the key, then the commitment.
struct Derived(Zeroizing<[u8; 64]>);

impl Derived {
    fn cipher(&self) -> Result<LessSafeKey, CryptoError> {
        let key = UnboundKey::new(&AES_256_GCM, &self.0[..32]);
        Ok(LessSafeKey::new(
            key.map_err(|_| CryptoError::EngineFailed)?,
        ))
    }

    fn commitment(&self) -> &[u8] {
        &self.0[32..]
    }
}

fn derive(
    key: &[u8; 32],
    salt: &[u8],
    suite: Suite,
    context: &MessageContext<'_>,
) -> Result<Derived, CryptoError> {
    let mut derived = Derived(Zeroizing::new([0; 64]));
    hkdf_sha256(key, salt, &context.header(suite), derived.0.as_mut_slice())?;
    Ok(derived)
}

/// The derived key seals one message, so its nonce may be constant.
fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}
