//! Everything that can be wrong with a record, each by its name: a storage check reports them.

use super::KekRef;
use crate::error::CryptoError;

/// A record that was not made, or not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes do not start with the magic of a record.
    #[error("this is not a Keyward record")]
    NotARecord,
    /// A format version of another release.
    #[error("unknown record format version {0}")]
    UnknownFormatVersion(u8),
    /// A cipher suite of another release.
    #[error("unknown record suite {0}")]
    UnknownSuite(u8),
    /// A record kind of another release.
    #[error("unknown record kind {0}")]
    UnknownKind(u8),
    /// A length or text in a header that no writer produces.
    #[error("the record header is malformed")]
    Malformed,
    /// Bytes are missing at the end.
    #[error("the record is truncated")]
    Truncated,
    /// There are bytes after the end.
    #[error("there are bytes after the end of the record")]
    TrailingData,
    /// Bytes were changed, or parts of different records put together.
    #[error("the record was altered")]
    Altered,
    /// The record is another one than expected.
    #[error("this is another record: its {field} differs from what was expected")]
    WrongRecord {
        /// The first field of the label that differs.
        field: &'static str,
    },
    /// The record is genuine and has the expected label, but is not the one expected: an older
    /// one was put in its place.
    #[error("the record was replaced by another genuine one with the same label")]
    Replayed,
    /// The key-encryption key given is not the one the outer header was wrapped with, or the
    /// header's name of it was altered.
    #[error("the record key is not wrapped under the key-encryption key given; the record names {} version {}", named.id, named.version)]
    WrongKek {
        /// The key-encryption key that the outer header names.
        named: KekRef,
    },
    /// The record key does not belong to the core header.
    #[error("the record key does not match the commitment in the record")]
    KeyCommitmentMismatch,
    /// A part exceeds its limit.
    #[error("the {part} is longer than {max} bytes")]
    TooLarge {
        /// Which part.
        part: &'static str,
        /// Its limit, in bytes.
        max: usize,
    },
    /// The sealer or opener failed before and must not be used again.
    #[error("the record stream failed before and cannot go on")]
    Poisoned,
    /// A primitive failed.
    #[error(transparent)]
    Crypto(CryptoError),
}
