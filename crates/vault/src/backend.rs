//! The backends: where sealed bytes are kept. They know names and bytes, and nothing of records,
//! keys or seals.
//!
//! | backend | for |
//! |---|---|
//! | [`embedded::EmbeddedBackend`] | the default: one SQLite file, group commit |
//! | [`file::FileBackend`] | a file per object, for people who want to look at them |

pub mod embedded;
pub mod file;

use keyward_core::port::storage::StorageError;

/// Largest object a backend takes, in bytes. SQLite stops at a billion; long before that an object
/// would hold up every other writer.
pub const OBJECT_SIZE_MAX_BYTES: usize = 256 << 20;

/// A fault of the backend, described without paths.
fn unavailable(cause: impl Into<String>) -> StorageError {
    StorageError::Unavailable {
        cause: cause.into(),
    }
}

/// A fault of the file system. The kind says enough; the message of an [`std::io::Error`] may hold
/// a path.
fn io_fault(error: &std::io::Error) -> StorageError {
    unavailable(error.kind().to_string())
}

/// Refuses objects that would hold up everybody else.
fn check_size(bytes: &[u8]) -> Result<(), StorageError> {
    if bytes.len() > OBJECT_SIZE_MAX_BYTES {
        return Err(unavailable("the object is larger than the backend takes"));
    }
    Ok(())
}
