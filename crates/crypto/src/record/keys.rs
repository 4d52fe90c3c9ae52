//! What is derived from a record key: HKDF-SHA-256(record key, salt = record id, info =
//! `keyward/record/1` ‖ suite) → commitment ‖ metadata key ‖ chunk key, 32 bytes each.

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::header::SUITE;
use crate::digest::hkdf_sha256;
use crate::error::CryptoError;

const INFO: &[u8; 17] = b"keyward/record/1\x01";
const _: () = assert!(INFO[16] == SUITE, "the info ends with the suite");

pub(super) struct RecordKeys(Zeroizing<[u8; 96]>);

impl RecordKeys {
    pub(super) fn derive(record_key: &[u8; 32], record_id: Uuid) -> Result<Self, CryptoError> {
        let mut keys = Self(Zeroizing::new([0; 96]));
        hkdf_sha256(
            record_key,
            record_id.as_bytes(),
            INFO,
            keys.0.as_mut_slice(),
        )?;
        Ok(keys)
    }

    pub(super) fn commitment(&self) -> &[u8] {
        &self.0[..32]
    }

    pub(super) fn metadata_key(&self) -> &[u8] {
        &self.0[32..64]
    }

    pub(super) fn chunk_key(&self) -> &[u8] {
        &self.0[64..]
    }
}

/// An AES-256-GCM key.
pub(super) fn cipher(key: &[u8]) -> Result<LessSafeKey, CryptoError> {
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| CryptoError::EngineFailed)?;
    Ok(LessSafeKey::new(key))
}
