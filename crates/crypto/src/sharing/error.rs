//! What can be wrong with a share or a set of them. A share at fault is named by its index.

use crate::error::CryptoError;

/// A share that cannot be used, or a secret that was not recombined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// The text is not a share: wrong prefix, letters, length or numbers.
    #[error("this is not a share: it should be kwshare1- and 87 letters and digits")]
    Malformed,
    /// The checksum does not match: a letter was mistyped or lost.
    #[error("the share's checksum does not match: check it for typing errors")]
    Checksum,
    /// The share's text is of another format version.
    #[error("the share is of a format version this release does not know")]
    UnknownShareVersion,
    /// The public set is malformed or altered.
    #[error("the public share set is malformed or was altered")]
    MalformedSet,
    /// The public set is of another format version.
    #[error("unknown share set format version {0}")]
    UnknownFormatVersion(u8),
    /// Threshold and total outside what is allowed.
    #[error("cannot split {threshold} of {total}: 2 ≤ threshold ≤ total ≤ 32 is needed")]
    BadParameters {
        /// Threshold asked for.
        threshold: u8,
        /// Number of shares asked for.
        total: u8,
    },
    /// The share belongs to another set.
    #[error("share {index} belongs to another set")]
    WrongSet {
        /// The share's index.
        index: u8,
    },
    /// The share does not lie on the committed polynomial.
    #[error("share {index} is not genuine")]
    Forged {
        /// The share's index.
        index: u8,
    },
    /// One share was given twice.
    #[error("share {index} was given more than once")]
    Duplicate {
        /// The share's index.
        index: u8,
    },
    /// Fewer shares than the threshold.
    #[error("{found} shares were given, {threshold} are needed")]
    TooFew {
        /// Shares given.
        found: usize,
        /// Shares needed.
        threshold: u8,
    },
    /// The recombined secret does not match the commitment.
    #[error("the recombined secret does not match the public share set")]
    WrongSecret,
    /// A primitive failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}
