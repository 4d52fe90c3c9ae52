//! The only place where a key changes state: nouns, the state table, ports, and operations.
//!
//! Knows nothing of SQL, HTTP, the environment or vendors' SDKs. Time, randomness and I/O come
//! through ports, so that tests drive clocks and faults. Async without a runtime.

pub mod audit;
pub mod caller;
pub mod change;
mod change_pump;
mod condition_board;
mod coverage;
mod crypto_names;
mod deletion_gate;
pub mod error;
pub mod facts;
pub mod free_text;
mod hot;
pub mod ids;
pub mod lifecycle;
pub mod mirror_board;
pub mod names;
pub mod node;
pub mod noun;
pub mod ops;
mod people;
pub mod port;
pub mod retention;
pub mod rotation;
mod rotation_board;
mod session;
pub mod sink_board;
pub mod snapshot;
mod tally;
mod text_enum;
mod text_memory;
mod text_registry;
mod texts;
pub mod time;
mod usage_book;
mod value_streams;
mod waiting;
pub mod witness_board;

/// The enumerations and secrets of `keyward-crypto` that appear in operations, for rooms that do
/// not depend on it.
pub mod crypto_types {
    pub use keyward_crypto::algorithm::Algorithm;
    pub use keyward_crypto::digest::Hash;
    pub use keyward_crypto::exchange::{KeyFormat, PublicKeyFormat, WrapMethod};
    pub use keyward_crypto::prepared::{Kdf, SignatureEncoding, SignatureScheme};
    pub use keyward_crypto::secret::SecretBytes;
    pub use keyward_crypto::status;
    pub use keyward_crypto::usage::{Usage, UsageSet};
}

/// SHA-256, for digests of requests.
pub fn sha256(bytes: &[u8]) -> noun::tenant::Digest {
    noun::tenant::Digest(keyward_crypto::digest::sha256(bytes))
}

/// HMAC-SHA-256, for what a server must recognise as its own (page cursors).
pub fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    keyward_crypto::digest::hmac_sha256(key, message)
}

/// Compares in constant time.
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    keyward_crypto::digest::constant_time_eq(left, right)
}

/// A text names no value of an enumeration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a known {0}")]
pub struct UnknownName(pub &'static str);
