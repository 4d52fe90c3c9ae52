//! Looking after the storage beneath the vault: how it does, and what lies in it. Nothing here
//! opens anything.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::ids::RecordId;
use crate::port::storage::{ObjectName, StorageError};
use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// What the storage can do now.
    pub enum StorageState {
        /// Everything.
        Healthy => "healthy",
        /// It asks for fewer requests.
        Throttled => "throttled",
        /// It can be read; it takes no more bytes.
        Full => "full",
        /// It can be read; it takes no writes.
        ReadOnly => "read_only",
        /// It knows us not, or not enough.
        Denied => "denied",
        /// It does not answer, or not as it must.
        Down => "down",
    }
}

impl StorageState {
    /// The state that an error tells of; none if the storage did its part.
    pub fn of(error: &StorageError) -> Option<Self> {
        match error {
            StorageError::Unavailable { .. } | StorageError::Misconfigured { .. } => {
                Some(Self::Down)
            }
            StorageError::Denied { .. } => Some(Self::Denied),
            StorageError::Throttled { .. } => Some(Self::Throttled),
            // Every backend names a read-only file system, disk or database so.
            StorageError::NotWritable { cause } if cause.contains("read-only") => {
                Some(Self::ReadOnly)
            }
            StorageError::NotWritable { .. } => Some(Self::Full),
            _ => None,
        }
    }
}

text_enum! {
    /// What is asked of the storage.
    pub enum StorageOperation {
        /// Bytes under a name.
        Read => "read",
        /// Writing, if absent or not, and replacing.
        Write => "write",
        /// Deleting.
        Delete => "delete",
        /// Names.
        List => "list",
    }
}

/// Room where a backend keeps its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What we may still write.
    pub free_bytes: u64,
    /// All there is.
    pub total_bytes: u64,
}

/// How one kind of operation goes.
#[derive(Clone, Debug, PartialEq)]
pub struct OperationReport {
    /// Which.
    pub operation: StorageOperation,
    /// How many there were since the start.
    pub count: u64,
    /// Of these: errors by what they tell of the storage.
    pub errors: BTreeMap<StorageState, u64>,
    /// Half of those of the last minutes took at most so long, in microseconds; none if there were
    /// none.
    pub p50_micros: Option<u64>,
    /// 99 of 100.
    pub p99_micros: Option<u64>,
    /// When the storage last did its part.
    pub last_success_at: Option<Timestamp>,
}

/// How the storage does, as the traffic through it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct StorageReport {
    /// Which backend.
    pub backend: &'static str,
    /// What it can do.
    pub state: StorageState,
    /// What it said last when it did not do its part; none while it does.
    pub cause: Option<String>,
    /// When it was last asked anything.
    pub last_asked_at: Option<Timestamp>,
    /// By operation.
    pub operations: Vec<OperationReport>,
}

/// An object that is a record, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Its name.
    pub name: ObjectName,
    /// The record that it says it is, or belongs to; none if the name says nothing.
    pub record: Option<RecordId>,
}

/// The storage, for those who look after it.
#[async_trait]
pub trait StorageCare: Send + Sync {
    /// How it does. Asks it nothing.
    fn report(&self) -> StorageReport;

    /// Writes, reads and deletes a probe; the report shows what came of it.
    async fn probe(&self) -> Result<(), StorageError>;

    /// How much room there is, where the backend can tell.
    async fn space(&self) -> Result<Option<Space>, StorageError>;

    /// The next objects behind a name that are records or key-encryption keys, in order of name.
    async fn records(
        &self,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Vec<StoredObject>, StorageError>;

    /// The record that a name says it is, or belongs to.
    fn record_of(&self, name: &ObjectName) -> Option<RecordId>;

    /// Deletes one of them and looks whether it is gone.
    async fn remove(&self, name: &ObjectName) -> Result<(), StorageError>;
}
