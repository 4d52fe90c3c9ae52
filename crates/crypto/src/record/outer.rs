//! The outer header: the record key, wrapped. It is replaced when the key-encryption key rotates.
//!
//! ```text
//! 0    4  magic "KWO1"                 26  32  salt
//! 4    1  format version = 1           58  32  commitment to the wrapping key
//! 5    1  suite = 1                    90  48  record key, AES-256-GCM (ciphertext ‖ tag)
//! 6   16  KEK id
//! 22   4  KEK version
//! ```
//! HKDF-SHA-256(KEK, salt, `keyward/record-wrap/1` ‖ suite ‖ KEK id ‖ KEK version) → wrapping key
//! ‖ commitment; zero nonce, since the key wraps once; associated data = bytes 0 to 89 ‖ core
//! digest. One KEK may so wrap any number of records.

use aws_lc_rs::aead::{Aad, Nonce};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::header::{FORMAT_VERSION, Reader, SUITE, check_start};
use super::keys::cipher;
use super::{KekRef, RecordError};
use crate::digest::{constant_time_eq, hkdf_sha256};
use crate::error::CryptoError;
use crate::keywrap::Kek;
use crate::random::{self, Random};

/// Length of an outer header, in bytes.
pub const OUTER_LENGTH: usize = 138;

const MAGIC: &[u8; 4] = b"KWO1";
const INFO: &[u8] = b"keyward/record-wrap/1";
const SALT_START: usize = 26;
const COMMITMENT_START: usize = 58;
const WRAPPED_START: usize = 90;

/// A parsed outer header.
pub(super) struct Outer {
    pub(super) kek_ref: KekRef,
    salt: [u8; 32],
    commitment: [u8; 32],
    wrapped: [u8; 48],
}

impl Outer {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader { rest: bytes };
        check_start(&mut reader, *MAGIC)?;
        let id = Uuid::from_bytes(reader.array()?);
        let version = u32::from_be_bytes(reader.array()?);
        let outer = Self {
            kek_ref: KekRef { id, version },
            salt: reader.array()?,
            commitment: reader.array()?,
            wrapped: reader.array()?,
        };
        if reader.rest.is_empty() {
            Ok(outer)
        } else {
            Err(RecordError::TrailingData)
        }
    }
}

/// Wraps a record key for the record with this core digest.
pub(super) fn wrap(
    record_key: &[u8; 32],
    core_digest: &[u8; 32],
    kek: &Kek,
    kek_ref: KekRef,
    random: &dyn Random,
) -> Result<Vec<u8>, RecordError> {
    let salt: [u8; 32] = random::array(random)?;
    let derived = derive(kek, &salt, kek_ref)?;
    let mut outer = Vec::with_capacity(OUTER_LENGTH);
    outer.extend_from_slice(MAGIC);
    outer.extend_from_slice(&[FORMAT_VERSION, SUITE]);
    outer.extend_from_slice(kek_ref.id.as_bytes());
    outer.extend_from_slice(&kek_ref.version.to_be_bytes());
    outer.extend_from_slice(&salt);
    outer.extend_from_slice(&derived[32..]);
    let mut wrapped = Zeroizing::new(*record_key);
    let aad = associated_data(&outer, core_digest);
    let tag = cipher(&derived[..32])?
        .seal_in_place_separate_tag(zero_nonce(), Aad::from(aad), wrapped.as_mut_slice())
        .map_err(|_| CryptoError::EngineFailed)?;
    outer.extend_from_slice(wrapped.as_slice());
    outer.extend_from_slice(tag.as_ref());
    Ok(outer)
}

/// Unwraps a record key.
pub(super) fn unwrap(
    outer: &[u8],
    core_digest: &[u8; 32],
    kek: &Kek,
) -> Result<Zeroizing<[u8; 32]>, RecordError> {
    let parsed = Outer::parse(outer)?;
    let derived = derive(kek, &parsed.salt, parsed.kek_ref)?;
    if !constant_time_eq(&derived[32..], &parsed.commitment) {
        return Err(RecordError::WrongKek {
            named: parsed.kek_ref,
        });
    }
    let (ciphertext, tag) = parsed.wrapped.split_at(32);
    let mut record_key = Zeroizing::new([0; 32]);
    cipher(&derived[..32])?
        .open_separate_gather(
            zero_nonce(),
            Aad::from(associated_data(outer, core_digest)),
            ciphertext,
            tag,
            record_key.as_mut_slice(),
        )
        .map_err(|_| RecordError::Altered)?;
    Ok(record_key)
}

fn derive(kek: &Kek, salt: &[u8; 32], kek_ref: KekRef) -> Result<Zeroizing<[u8; 64]>, CryptoError> {
    let mut info = Vec::with_capacity(INFO.len() + 21);
    info.extend_from_slice(INFO);
    info.push(SUITE);
    info.extend_from_slice(kek_ref.id.as_bytes());
    info.extend_from_slice(&kek_ref.version.to_be_bytes());
    let mut derived = Zeroizing::new([0; 64]);
    hkdf_sha256(kek.expose(), salt, &info, derived.as_mut_slice())?;
    Ok(derived)
}

/// The header up to the wrapped key, then the core digest. `outer` holds at least that much.
fn associated_data(outer: &[u8], core_digest: &[u8; 32]) -> [u8; WRAPPED_START + 32] {
    let mut aad = [0; WRAPPED_START + 32];
    aad[..WRAPPED_START].copy_from_slice(&outer[..WRAPPED_START]);
    aad[WRAPPED_START..].copy_from_slice(core_digest);
    aad
}

/// The wrapping key wraps once.
fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

const _: () =
    assert!(SALT_START + 32 == COMMITMENT_START && COMMITMENT_START + 32 == WRAPPED_START);
const _: () = assert!(WRAPPED_START + 48 == OUTER_LENGTH);
