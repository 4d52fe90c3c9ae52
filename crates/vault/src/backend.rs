//! The backends: where sealed bytes are kept. They know names and bytes, and nothing of records,
//! keys or seals.
//!
//! | backend | for |
//! |---|---|
//! | [`embedded::EmbeddedBackend`] | the default: one SQLite file, group commit |
//! | [`file::FileBackend`] | a file per object, for people who want to look at them |
//! | [`postgres::PostgresBackend`] | a schema of its own on PostgreSQL, pooled |
//! | [`object::ObjectBackend`] | a bucket of S3 and its likes, Azure Blob or Google Cloud Storage |
//!
//! What each promises beyond the port, and what it cannot, is in `docs/storage.md`; that all of
//! them keep the port's promises is shown by `keyward_testkit::conformance`.

pub mod embedded;
pub mod file;
pub mod measured;
pub mod object;
pub mod postgres;
mod turns;

use std::io::ErrorKind;

use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use keyward_crypto::Random;

pub use self::turns::Patience;

/// Largest object a backend takes, in bytes. SQLite stops at a billion; long before that an object
/// would hold up every other writer.
pub const OBJECT_SIZE_MAX_BYTES: usize = 256 << 20;

/// What health checks write begins with this.
const PROBE_PREFIX: &str = "probe/";

/// A fault of the backend, described without paths.
fn unavailable(cause: impl Into<String>) -> StorageError {
    StorageError::Unavailable {
        cause: cause.into(),
    }
}

/// A backend that is not what its settings say.
fn misconfigured(cause: impl Into<String>) -> StorageError {
    StorageError::Misconfigured {
        cause: cause.into(),
    }
}

/// A fault of the file system. The kind says enough; the message of an [`std::io::Error`] may hold
/// a path.
fn io_fault(error: &std::io::Error) -> StorageError {
    let cause = error.kind().to_string();
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem => {
            StorageError::NotWritable { cause }
        }
        ErrorKind::PermissionDenied => StorageError::Denied { cause },
        _ => unavailable(cause),
    }
}

/// Refuses objects that would hold up everybody else.
fn check_size(bytes: &[u8]) -> Result<(), StorageError> {
    if bytes.len() > OBJECT_SIZE_MAX_BYTES {
        return Err(StorageError::TooLarge {
            size_bytes: bytes.len(),
            size_bytes_max: OBJECT_SIZE_MAX_BYTES,
        });
    }
    Ok(())
}

/// What a prefix must look like.
const PREFIX_FORM: &str = "a prefix must be segments of a-z, 0-9, '.', '_' and '-' joined by '/', \
                           at most 100 bytes, without a '/' at either end, and none of them rec, \
                           kek, root, seal, probe, migration, objects or parts";

/// What names begin with inside a vault: no segment of a prefix, or another vault whose prefix is
/// shorter would take this one's objects for its own.
const RESERVED: [&str; 8] = [
    "rec",
    "kek",
    "root",
    "seal",
    "probe",
    "migration",
    "objects",
    "parts",
];

/// Whether a prefix has the form and keeps vaults that share a place apart; an empty one is none.
pub fn is_prefix(prefix: &str) -> bool {
    let is_apart = !prefix.split('/').any(|segment| RESERVED.contains(&segment));
    prefix.is_empty() || prefix.len() <= 100 && is_apart && ObjectName::new(prefix).is_some()
}

/// A name, or the beginning of one, behind the prefix.
fn prefixed(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}/{name}")
    }
}

/// Undoes [`prefixed`].
fn without_prefix<'a>(prefix: &str, name: &'a str) -> Option<&'a str> {
    if prefix.is_empty() {
        Some(name)
    } else {
        name.strip_prefix(prefix)?.strip_prefix('/')
    }
}

/// A probe's name. Several nodes probe one backend: chance keeps them apart.
fn probe_name(random: &dyn Random) -> Result<ObjectName, StorageError> {
    let mut bytes = [0; 16];
    random
        .fill(&mut bytes)
        .map_err(|_| unavailable("no random bytes could be drawn"))?;
    let text = data_encoding::HEXLOWER.encode(&bytes);
    ObjectName::new(&format!("{PROBE_PREFIX}{text}"))
        .ok_or_else(|| unavailable("the probe has no name"))
}

/// Writes, reads and deletes a probe.
async fn probe(backend: &dyn StorageBackend, name: &ObjectName) -> Result<(), StorageError> {
    backend.write(name, b"probe".to_vec()).await?;
    let found = backend.read(name).await;
    backend.delete(name).await?;
    match found?.as_deref() {
        Some(b"probe") => Ok(()),
        _ => Err(unavailable("what was written was not read back")),
    }
}
