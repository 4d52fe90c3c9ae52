//! The core header: what the record is, the commitment to its key, its encrypted metadata.
//!
//! ```text
//! 0    4  magic "KWR1"          64  32  key commitment
//! 4    1  format version = 1    96   1  length of the algorithm name, 0 to 64
//! 5    1  suite = 1             97   n  algorithm name, UTF-8
//! 6    1  kind                       4  length of the sealed metadata
//! 7    1  reserved = 0               m  sealed metadata (ciphertext ‖ tag)
//! 8   16  record id
//! 24  16  tenant
//! 40  16  key id
//! 56   4  version
//! 60   4  usage bits
//! ```
//! Numbers are big endian.

use aws_lc_rs::aead::{Aad, Nonce};
use uuid::Uuid;

use super::keys::{RecordKeys, cipher};
use super::{RecordError, RecordKind, RecordLabel};
use crate::error::CryptoError;

/// Longest algorithm name, in bytes.
pub const ALGORITHM_LENGTH_MAX: usize = 64;
/// Longest metadata, in bytes.
pub const METADATA_LENGTH_MAX: usize = 64 * 1024;

pub(super) const FORMAT_VERSION: u8 = 1;
pub(super) const SUITE: u8 = 1;
const MAGIC: &[u8; 4] = b"KWR1";
const TAG_LENGTH: usize = 16;

/// A parsed core header; a claim until its metadata opens.
pub(super) struct CoreHeader {
    pub(super) label: RecordLabel,
    pub(super) commitment: [u8; 32],
    /// Length of the whole header.
    pub(super) length: usize,
    metadata_start: usize,
}

impl CoreHeader {
    /// Parses the header at the start of `core`.
    pub(super) fn parse(core: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader { rest: core };
        check_start(&mut reader, *MAGIC)?;
        let kind = RecordKind::from_byte(reader.byte()?)?;
        if reader.byte()? != 0 {
            return Err(RecordError::Malformed);
        }
        let record_id = Uuid::from_bytes(reader.array()?);
        let tenant = Uuid::from_bytes(reader.array()?);
        let key_id = Uuid::from_bytes(reader.array()?);
        let version = u32::from_be_bytes(reader.array()?);
        let usage = u32::from_be_bytes(reader.array()?);
        let commitment = reader.array()?;
        let name_length = usize::from(reader.byte()?);
        if name_length > ALGORITHM_LENGTH_MAX {
            return Err(RecordError::Malformed);
        }
        let algorithm = std::str::from_utf8(reader.take(name_length)?)
            .map_err(|_| RecordError::Malformed)?
            .to_owned();
        let metadata_length = u32::from_be_bytes(reader.array()?) as usize;
        if !(TAG_LENGTH..=METADATA_LENGTH_MAX + TAG_LENGTH).contains(&metadata_length) {
            return Err(RecordError::Malformed);
        }
        let metadata_start = core.len() - reader.rest.len();
        reader.take(metadata_length)?;
        let label = RecordLabel {
            kind,
            record_id,
            tenant,
            key_id,
            version,
            algorithm,
            usage,
        };
        let length = metadata_start + metadata_length;
        Ok(Self {
            label,
            commitment,
            length,
            metadata_start,
        })
    }
}

/// Builds the header.
pub(super) fn seal(
    label: &RecordLabel,
    metadata: &[u8],
    keys: &RecordKeys,
) -> Result<Vec<u8>, RecordError> {
    if label.algorithm.len() > ALGORITHM_LENGTH_MAX {
        return Err(RecordError::TooLarge {
            part: "algorithm name",
            max: ALGORITHM_LENGTH_MAX,
        });
    }
    if metadata.len() > METADATA_LENGTH_MAX {
        return Err(RecordError::TooLarge {
            part: "metadata",
            max: METADATA_LENGTH_MAX,
        });
    }
    let mut header = Vec::with_capacity(101 + label.algorithm.len() + metadata.len() + TAG_LENGTH);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&[FORMAT_VERSION, SUITE, label.kind as u8, 0]);
    header.extend_from_slice(label.record_id.as_bytes());
    header.extend_from_slice(label.tenant.as_bytes());
    header.extend_from_slice(label.key_id.as_bytes());
    header.extend_from_slice(&label.version.to_be_bytes());
    header.extend_from_slice(&label.usage.to_be_bytes());
    header.extend_from_slice(keys.commitment());
    header.push(label.algorithm.len() as u8);
    header.extend_from_slice(label.algorithm.as_bytes());
    header.extend_from_slice(&((metadata.len() + TAG_LENGTH) as u32).to_be_bytes());
    let mut sealed = metadata.to_vec();
    cipher(keys.metadata_key())?
        .seal_in_place_append_tag(zero_nonce(), Aad::from(&header[..]), &mut sealed)
        .map_err(|_| CryptoError::EngineFailed)?;
    header.extend_from_slice(&sealed);
    Ok(header)
}

/// Opens the metadata, which authenticates the whole header: what precedes it is its associated
/// data.
pub(super) fn open_metadata(
    header: &CoreHeader,
    core_header: &[u8],
    keys: &RecordKeys,
) -> Result<Vec<u8>, RecordError> {
    let (before, sealed) = core_header.split_at(header.metadata_start);
    let mut metadata = sealed.to_vec();
    let length = cipher(keys.metadata_key())?
        .open_in_place(zero_nonce(), Aad::from(before), &mut metadata)
        .map_err(|_| RecordError::Altered)?
        .len();
    metadata.truncate(length);
    Ok(metadata)
}

/// The first field in which two labels differ.
pub(super) fn first_difference(left: &RecordLabel, right: &RecordLabel) -> Option<&'static str> {
    [
        (left.kind == right.kind, "kind"),
        (left.record_id == right.record_id, "record id"),
        (left.tenant == right.tenant, "tenant"),
        (left.key_id == right.key_id, "key id"),
        (left.version == right.version, "version"),
        (left.algorithm == right.algorithm, "algorithm"),
        (left.usage == right.usage, "usage"),
    ]
    .into_iter()
    .find_map(|(same, field)| (!same).then_some(field))
}

/// Magic, format version and suite, which both headers start with.
pub(super) fn check_start(reader: &mut Reader<'_>, magic: [u8; 4]) -> Result<(), RecordError> {
    let found = reader.rest.len().min(magic.len());
    if found == 0 || reader.rest[..found] != magic[..found] {
        return Err(RecordError::NotARecord);
    }
    reader.take(magic.len())?;
    match reader.byte()? {
        FORMAT_VERSION => {}
        other => return Err(RecordError::UnknownFormatVersion(other)),
    }
    match reader.byte()? {
        SUITE => Ok(()),
        other => Err(RecordError::UnknownSuite(other)),
    }
}

/// Takes bytes from the front; the end is [`RecordError::Truncated`].
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(RecordError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(RecordError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, RecordError> {
        self.array().map(|[byte]| byte)
    }
}

/// The metadata key seals one message.
fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}
