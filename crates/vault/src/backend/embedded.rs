//! The default backend: its own SQLite file, `vault.db`, never the registry's.
//!
//! One thread writes (`writer`): it takes every write that is waiting, puts all of them into one
//! transaction and syncs once, while the next ones gather. Reads run beside it on a few
//! connections (`readers`). This module knows nothing of what the bytes mean.
//!
//! Durability rests on SQLite's write-ahead log with `synchronous = FULL`, which syncs the log at
//! every commit (<https://sqlite.org/pragma.html#pragma_synchronous>); both settings are read back
//! when the file is opened, and a file that will not take them is refused.

mod readers;
mod writer;

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use self::readers::Readers;
use self::writer::{Existing, Op, Writer};
use super::{PROBE_PREFIX, check_size, io_fault, misconfigured, unavailable};

/// `"KWVT"`: what SQLite keeps in the file's header to say whose it is.
const APPLICATION_ID: i64 = 0x4b57_5654;
/// The layout of the one table.
const SCHEMA_VERSION: i64 = 1;
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS objects (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    bytes BLOB NOT NULL
) STRICT";
/// How long another process's lock on the file is waited for.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// SQLite's number for `synchronous = FULL`.
const SYNCHRONOUS_FULL: i64 = 2;

/// What the writer's connection says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durability {
    /// `PRAGMA journal_mode`.
    pub journal_mode: String,
    /// `PRAGMA synchronous`; 2 is `FULL`.
    pub synchronous: i64,
    /// `PRAGMA secure_delete`; 1 is on: what is deleted is overwritten with zeros.
    pub secure_delete: i64,
}

/// Objects in one SQLite file.
pub struct EmbeddedBackend {
    writer: Writer,
    readers: Readers,
    next_probe: AtomicU64,
}

impl EmbeddedBackend {
    /// Opens the file, making it (mode 0600) if it is not there. Blocks for a moment; the caller
    /// holds the lock of the data directory.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`]: the directory is missing or read-only, the file is another
    /// program's, damaged or of a newer release, or it cannot be made durable.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        create_private(path).map_err(|error| io_fault(&error))?;
        let connection = open_writer(path)?;
        let readers = Readers::new(path);
        Ok(Self {
            writer: Writer::start(connection)?,
            readers,
            next_probe: AtomicU64::new(0),
        })
    }

    /// Asks the writer's connection how it keeps what it is given.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`].
    pub async fn durability(&self) -> Result<Durability, StorageError> {
        self.writer.durability().await
    }

    /// Limits the size of the file; `None` lifts the limit. A write beyond it is refused as if the
    /// disk were full. The limit is rounded down to pages and lasts until the process ends.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`].
    pub async fn limit_size(&self, size_bytes_max: Option<u64>) -> Result<(), StorageError> {
        self.writer.limit_size(size_bytes_max).await
    }
}

#[async_trait]
impl StorageBackend for EmbeddedBackend {
    /// The file was made or checked when it was opened; that the log is synced is asked again.
    async fn init(&self) -> Result<(), StorageError> {
        ensure_durable(&self.durability().await?)
    }

    async fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, StorageError> {
        let name = name.clone();
        self.readers
            .run(move |connection| {
                let mut query =
                    connection.prepare_cached("SELECT bytes FROM objects WHERE name = ?1")?;
                let mut rows = query.query([name.as_str()])?;
                rows.next()?.map(|row| row.get(0)).transpose()
            })
            .await
    }

    async fn write(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), StorageError> {
        check_size(&bytes)?;
        let objects = vec![(name.clone(), bytes)];
        self.writer
            .submit(Op::Put {
                objects,
                existing: Existing::Replaced,
            })
            .await
    }

    async fn write_if_absent(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), StorageError> {
        self.put_many(vec![(name.clone(), bytes)]).await
    }

    async fn put_many(&self, objects: Vec<(ObjectName, Vec<u8>)>) -> Result<(), StorageError> {
        for (_, bytes) in &objects {
            check_size(bytes)?;
        }
        if objects.is_empty() {
            return Ok(());
        }
        self.writer
            .submit(Op::Put {
                objects,
                existing: Existing::Refused,
            })
            .await
    }

    async fn compare_and_swap(
        &self,
        name: &ObjectName,
        expected: &[u8],
        new: Vec<u8>,
    ) -> Result<(), StorageError> {
        check_size(&new)?;
        let (name, expected) = (name.clone(), expected.to_vec());
        self.writer
            .submit(Op::Swap {
                name,
                expected,
                new,
            })
            .await
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), StorageError> {
        self.writer.submit(Op::Delete { name: name.clone() }).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Vec<ObjectName>, StorageError> {
        let from = prefix.to_owned();
        // Names are ASCII without control characters: DEL is above all of them.
        let to = format!("{prefix}\u{7f}");
        let after = after
            .map(|name| name.as_str().to_owned())
            .unwrap_or_default();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let names: Vec<String> = self
            .readers
            .run(move |connection| {
                let mut query = connection.prepare_cached(
                    "SELECT name FROM objects
                     WHERE name >= ?1 AND name < ?2 AND name > ?3 ORDER BY name LIMIT ?4",
                )?;
                let rows = query.query_map((from, to, after, limit), |row| row.get(0))?;
                rows.collect()
            })
            .await?;
        names
            .iter()
            .map(|name| {
                ObjectName::new(name).ok_or_else(|| unavailable("a stored name is damaged"))
            })
            .collect()
    }

    async fn health(&self) -> Result<(), StorageError> {
        let number = self.next_probe.fetch_add(1, Ordering::Relaxed);
        let name = ObjectName::new(&format!("{PROBE_PREFIX}{number}"))
            .ok_or_else(|| unavailable("the probe has no name"))?;
        self.write(&name, b"probe".to_vec()).await?;
        let found = self.read(&name).await?;
        self.delete(&name).await?;
        match found.as_deref() {
            Some(b"probe") => Ok(()),
            _ => Err(unavailable("what was written was not read back")),
        }
    }
}

/// Makes the file with mode 0600 before SQLite would make it with the process's mask; the log
/// and shared memory beside it take over its mode. Its directory entry is synced, which SQLite
/// does for its log only.
fn create_private(path: &Path) -> std::io::Result<()> {
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(file) => {
            file.sync_all()?;
            let directory = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            std::fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn open_writer(path: &Path) -> Result<Connection, StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<(Connection, i64, i64, i64)> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_WAIT)?;
        // SQLite answers with the mode that is in force; it is checked below.
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", SYNCHRONOUS_FULL)?;
        connection.pragma_update_and_check(None, "secure_delete", 1, |_| Ok(()))?;
        // Where fsync leaves data in the drive's cache (macOS), ask for more; elsewhere no effect.
        connection.pragma_update(None, "fullfsync", 1)?;
        connection.pragma_update(None, "checkpoint_fullfsync", 1)?;
        connection.pragma_update(None, "trusted_schema", 0)?;
        let application: i64 =
            connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((connection, application, version, tables))
    };
    let (connection, application, version, tables) =
        open().map_err(|error| sqlite_fault(&error))?;
    match (application, version, tables) {
        (0, 0, 0) => {
            let prepare = format!(
                "BEGIN IMMEDIATE; {SCHEMA}; PRAGMA application_id = {APPLICATION_ID};
                 PRAGMA user_version = {SCHEMA_VERSION}; COMMIT"
            );
            connection
                .execute_batch(&prepare)
                .map_err(|error| sqlite_fault(&error))?;
        }
        (APPLICATION_ID, SCHEMA_VERSION, _) => {}
        (APPLICATION_ID, _, _) => return Err(misconfigured("the file is of another release")),
        _ => return Err(misconfigured("the file is not a Keyward vault")),
    }
    ensure_durable(&read_durability(&connection).map_err(|error| sqlite_fault(&error))?)?;
    Ok(connection)
}

fn ensure_durable(in_force: &Durability) -> Result<(), StorageError> {
    if in_force.journal_mode != "wal" || in_force.synchronous != SYNCHRONOUS_FULL {
        return Err(misconfigured(
            "the file system does not allow a write-ahead log",
        ));
    }
    Ok(())
}

fn read_durability(connection: &Connection) -> rusqlite::Result<Durability> {
    Ok(Durability {
        journal_mode: connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?,
        synchronous: connection.pragma_query_value(None, "synchronous", |row| row.get(0))?,
        secure_delete: connection.pragma_query_value(None, "secure_delete", |row| row.get(0))?,
    })
}

/// A fault of SQLite by its kind. The message itself may hold a path or a statement.
fn sqlite_fault(error: &rusqlite::Error) -> StorageError {
    let cause = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            let cause = "the disk or the size limit is full".to_owned();
            return StorageError::NotWritable { cause };
        }
        Some(ErrorCode::ReadOnly) => {
            let cause = "the file system is read-only".to_owned();
            return StorageError::NotWritable { cause };
        }
        Some(ErrorCode::PermissionDenied) => {
            let cause = "permission denied".to_owned();
            return StorageError::Denied { cause };
        }
        Some(ErrorCode::NotADatabase) => {
            return misconfigured("the file is not a Keyward vault");
        }
        Some(ErrorCode::SystemIoFailure) => "the file system reports an input or output error",
        Some(ErrorCode::DatabaseCorrupt) => "the file is damaged",
        Some(ErrorCode::CannotOpen) => "the file cannot be opened",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process holds the file"
        }
        Some(ErrorCode::OutOfMemory) => "out of memory",
        _ => "the database failed",
    };
    unavailable(cause)
}
