//! Why a key was not taken in or given out. Never a byte of it.

use super::wrapping::WrapMethod;
use crate::algorithm::Algorithm;
use crate::error::CryptoError;

/// A key that does not come in or go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The container does not parse.
    #[error("the key cannot be read: {what}")]
    Malformed {
        /// Where it does not parse.
        what: &'static str,
    },
    /// The container, or what is in it, is too long.
    #[error("the key is longer than {max} bytes")]
    TooLong {
        /// Longest, in bytes.
        max: usize,
    },
    /// It is a key of another algorithm, size, curve or parameter set.
    #[error("this is no {expected} key: {what}")]
    WrongAlgorithm {
        /// The algorithm asked for.
        expected: Algorithm,
        /// What differs.
        what: &'static str,
    },
    /// Keys of this algorithm have no such container.
    #[error("{algorithm} keys do not travel in this format: {hint}")]
    FormatUnsupported {
        /// The algorithm.
        algorithm: Algorithm,
        /// Which to take instead.
        hint: &'static str,
    },
    /// The container says that the key is for something else.
    #[error("the key says of itself that it is not for this: {field}")]
    WrongPurpose {
        /// The field that says so.
        field: &'static str,
    },
    /// It parses, and is not a valid key: its parts do not belong together.
    #[error("the key is not valid: {why}")]
    Invalid {
        /// What does not hold.
        why: &'static str,
    },
    /// It is a valid key that is too weak to be used.
    #[error("the key is too weak: {why}")]
    Weak {
        /// What is wrong with it.
        why: &'static str,
    },
    /// It is a valid RSA key whose private half anybody can compute from its public one.
    #[error(
        "anybody can compute the private half of this RSA key: {why}; treat what it protected as \
         open, and make another key elsewhere"
    )]
    Factorable {
        /// How.
        why: &'static str,
    },
    /// It is an RSA key of more than two primes.
    #[error(
        "RSA keys of more than two primes are not taken (FIPS 186-5 knows two); make another key, \
         of two"
    )]
    MultiPrime,
    /// The private half is needed and only the public one is there.
    #[error("only the public half of this key is here")]
    PublicOnly,
    /// The wrapped bytes do not open: altered, truncated, or wrapped to another key.
    #[error("the wrapped key does not open: altered, truncated, or wrapped for another key")]
    NotOpened,
    /// This build uses the FIPS module only, and the module does not compute this way of wrapping.
    #[error("{method} is not in the FIPS module, and this build uses nothing else; take {instead}")]
    MethodNotInFipsModule {
        /// The way of wrapping.
        method: WrapMethod,
        /// Which to take.
        instead: WrapMethod,
    },
    /// The public key to wrap to is refused.
    #[error("the recipient's public key is refused: {why}")]
    Recipient {
        /// What is wrong with it.
        why: &'static str,
    },
    /// Stored bytes of a wrapping key that this release does not know.
    #[error("unknown wrapping key format {0}")]
    UnknownWrappingKey(u8),
    /// The cryptographic library failed.
    #[error(transparent)]
    Engine(CryptoError),
}

/// A container that does not parse.
pub(super) const fn malformed(what: &'static str) -> ExchangeError {
    ExchangeError::Malformed { what }
}
