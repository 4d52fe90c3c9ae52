//! `KWR1`, the format of everything secret at rest: an immutable core (header and encrypted
//! payload) and a small replaceable outer header that wraps the record key under a
//! key-encryption key. Layout, worked example and reasons: `docs/formats/record.md`.
//!
//! This module knows neither where records are stored nor which of several is the newest: that
//! is what the core digest, kept elsewhere, is for.

use std::fmt;

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::digest::{constant_time_eq, sha256};
use crate::error::CryptoError;
use crate::keywrap::Kek;
use crate::random::{self, Random};
use crate::secret::SecretBytes;

mod error;
mod header;
mod keys;
mod outer;
mod range;
mod stream;

pub use error::RecordError;
pub use header::{ALGORITHM_LENGTH_MAX, METADATA_LENGTH_MAX};
pub use outer::OUTER_LENGTH;
pub use range::RangeOpener;
pub use stream::{CHUNK_LENGTH, RecordOpener, RecordSealer, SEALED_CHUNK_LENGTH, UnwrappedRecord};

use header::CoreHeader;
use keys::RecordKeys;
use stream::{ChunkCipher, open_chunks};

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum RecordKind {
    /// The material of a key version.
    KeyMaterial = 1,
    /// A tenant's key-encryption key.
    TenantKek = 2,
    /// Anything else that is secret.
    Other = 3,
    /// A value that people keep here: one version of a secret.
    Secret = 4,
}

impl RecordKind {
    fn from_byte(byte: u8) -> Result<Self, RecordError> {
        match byte {
            1 => Ok(Self::KeyMaterial),
            2 => Ok(Self::TenantKek),
            3 => Ok(Self::Other),
            4 => Ok(Self::Secret),
            _ => Err(RecordError::UnknownKind(byte)),
        }
    }
}

/// What a record is: authenticated, not secret, immutable. Not the place where it is stored, so
/// that records can be copied between backends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordLabel {
    /// What it holds.
    pub kind: RecordKind,
    /// The logical record id.
    pub record_id: Uuid,
    /// The tenant it belongs to.
    pub tenant: Uuid,
    /// The key it belongs to; nil if none.
    pub key_id: Uuid,
    /// The key version; 0 if none.
    pub version: u32,
    /// Canonical name of the algorithm, at most [`ALGORITHM_LENGTH_MAX`] bytes; may be empty.
    pub algorithm: String,
    /// What the key may be used for, as [`crate::usage::UsageSet::bits`].
    pub usage: u32,
}

/// The name of a key-encryption key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KekRef {
    /// Its id.
    pub id: Uuid,
    /// Its version.
    pub version: u32,
}

/// A record ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRecord {
    /// The replaceable outer header, [`OUTER_LENGTH`] bytes.
    pub outer: Vec<u8>,
    /// The core header and the chunks; never changes.
    pub core: Vec<u8>,
    /// SHA-256 of the core header: identifies this record, since its record key is unique and
    /// binds the payload.
    pub core_digest: [u8; 32],
}

/// A record opened and verified wholly. Prints its digest only.
pub struct OpenedRecord {
    /// The metadata given when the record was sealed.
    pub metadata: Vec<u8>,
    /// The payload.
    pub payload: SecretBytes,
    /// SHA-256 of the core header.
    pub core_digest: [u8; 32],
}

impl fmt::Debug for OpenedRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OpenedRecord")
            .field("core_digest", &self.core_digest)
            .finish_non_exhaustive()
    }
}

/// Seals a payload held in memory.
///
/// # Errors
/// [`RecordError::TooLarge`], [`RecordError::Crypto`] when randomness fails.
pub fn seal(
    label: &RecordLabel,
    metadata: &[u8],
    payload: &[u8],
    kek: &Kek,
    kek_ref: KekRef,
    random: &dyn Random,
) -> Result<SealedRecord, RecordError> {
    let begun = begin(label, metadata, random)?;
    let outer = outer::wrap(&begun.record_key, &begun.core_digest, kek, kek_ref, random)?;
    let mut core = begun.core_header;
    core.reserve_exact(stream::sealed_length(payload.len()));
    begun.cipher.seal_all(payload, &mut core)?;
    Ok(SealedRecord {
        outer,
        core,
        core_digest: begun.core_digest,
    })
}

/// The key-encryption key an outer header names. Nothing is verified yet.
///
/// # Errors
/// [`RecordError::NotARecord`], [`RecordError::UnknownFormatVersion`],
/// [`RecordError::UnknownSuite`], [`RecordError::Truncated`], [`RecordError::TrailingData`].
pub fn peek_outer(outer: &[u8]) -> Result<KekRef, RecordError> {
    Ok(outer::Outer::parse(outer)?.kek_ref)
}

/// The label and digest of a core, or of its first bytes if they hold the whole header. Nothing
/// is verified yet: the label is a claim until [`open`] succeeds.
///
/// # Errors
/// As [`peek_outer`], [`RecordError::UnknownKind`], [`RecordError::Malformed`].
pub fn peek_core(core: &[u8]) -> Result<(RecordLabel, [u8; 32]), RecordError> {
    let header = CoreHeader::parse(core)?;
    Ok((header.label, sha256(&core[..header.length])))
}

/// Opens a record: every part is verified before anything is returned.
///
/// `expected` is what the caller believes the record to be; `expected_core_digest` which of
/// several genuine records with that label.
///
/// # Errors
/// [`RecordError::WrongRecord`] when the label differs, [`RecordError::WrongKek`],
/// [`RecordError::Altered`], [`RecordError::Replayed`] when the record is genuine but not the one
/// expected, and the others of [`RecordError`] but `TooLarge`.
pub fn open(
    outer: &[u8],
    core: &[u8],
    kek: &Kek,
    expected: &RecordLabel,
    expected_core_digest: Option<&[u8; 32]>,
) -> Result<OpenedRecord, RecordError> {
    let header = CoreHeader::parse(core)?;
    let unlocked = unlock(outer, &header, core, kek, expected, expected_core_digest)?;
    let payload = open_chunks(&unlocked.cipher, &core[header.length..])?;
    Ok(OpenedRecord {
        metadata: unlocked.metadata,
        payload,
        core_digest: unlocked.core_digest,
    })
}

/// Wraps a record's key under another key-encryption key: returns the new outer header. The core
/// is untouched and need not be read.
///
/// # Errors
/// [`RecordError::WrongKek`], [`RecordError::Altered`] (also when `core_digest` is another
/// record's), [`RecordError::Crypto`] when randomness fails.
pub fn rewrap(
    outer: &[u8],
    core_digest: &[u8; 32],
    old: &Kek,
    new: &Kek,
    new_ref: KekRef,
    random: &dyn Random,
) -> Result<Vec<u8>, RecordError> {
    let record_key = outer::unwrap(outer, core_digest, old)?;
    outer::wrap(&record_key, core_digest, new, new_ref, random)
}

/// The core header is made, the payload not yet, and the record key is not wrapped.
struct Begun {
    record_key: Zeroizing<[u8; 32]>,
    core_header: Vec<u8>,
    core_digest: [u8; 32],
    cipher: ChunkCipher,
}

fn begin(label: &RecordLabel, metadata: &[u8], random: &dyn Random) -> Result<Begun, RecordError> {
    let record_key: Zeroizing<[u8; 32]> = random::secret_array(random)?;
    let keys = RecordKeys::derive(&record_key, label.record_id)?;
    let core_header = header::seal(label, metadata, &keys)?;
    let core_digest = sha256(&core_header);
    let cipher = ChunkCipher::new(keys.chunk_key(), core_digest)?;
    Ok(Begun {
        record_key,
        core_header,
        core_digest,
        cipher,
    })
}

/// Headers verified, payload not yet.
struct Unlocked {
    metadata: Vec<u8>,
    core_digest: [u8; 32],
    cipher: ChunkCipher,
}

/// Verifies both headers. The digest is compared last, so that an altered header is called
/// altered and only a genuine other record is called a replay.
fn unlock(
    outer: &[u8],
    header: &CoreHeader,
    core: &[u8],
    kek: &Kek,
    expected: &RecordLabel,
    expected_core_digest: Option<&[u8; 32]>,
) -> Result<Unlocked, RecordError> {
    if let Some(field) = header::first_difference(&header.label, expected) {
        return Err(RecordError::WrongRecord { field });
    }
    let core_header = &core[..header.length];
    let core_digest = sha256(core_header);
    let record_key = outer::unwrap(outer, &core_digest, kek)?;
    let keys = RecordKeys::derive(&record_key, header.label.record_id)?;
    if !constant_time_eq(keys.commitment(), &header.commitment) {
        return Err(RecordError::KeyCommitmentMismatch);
    }
    let metadata = header::open_metadata(header, core_header, &keys)?;
    if expected_core_digest.is_some_and(|digest| digest != &core_digest) {
        return Err(RecordError::Replayed);
    }
    let cipher = ChunkCipher::new(keys.chunk_key(), core_digest)?;
    Ok(Unlocked {
        metadata,
        core_digest,
        cipher,
    })
}

impl From<CryptoError> for RecordError {
    fn from(error: CryptoError) -> Self {
        Self::Crypto(error)
    }
}
