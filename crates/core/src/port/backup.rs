//! Backups: where they are made, listed and looked at. What a backup holds and how it is sealed and
//! signed is the adapter's; who may order one, and that it is audited, is core's.

use std::sync::Arc;

use async_trait::async_trait;
use keyward_crypto::record::KekRef;
use keyward_crypto::secret::SecretBytes;
use uuid::Uuid;

use crate::ids::RecordId;
use crate::noun::tenant::{Digest, TenantKek};
use crate::port::seal::SealStatus;
use crate::port::snapshot::SnapshotError;
use crate::port::storage::{ObjectName, StorageError};
use crate::time::Timestamp;

/// A backup was not made, or cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// The registry could not be read as a whole.
    #[error("the registry could not be backed up: {0}")]
    Snapshot(#[from] SnapshotError),
    /// The vault could not be read.
    #[error("the vault could not be read: {0}")]
    Vault(StorageError),
    /// A record that the registry names is not in the vault, or is another.
    #[error(
        "the vault's record {record} is {wrong}, and the registry names it: nothing was backed up in \
         its place. Restore this record from an earlier backup, or destroy its version"
    )]
    Record {
        /// Which.
        record: RecordId,
        /// What is wrong with it.
        wrong: &'static str,
    },
    /// Where backups go does not take or give them.
    #[error("the backups' destination: {0}")]
    Destination(StorageError),
    /// Sealing or signing failed.
    #[error("the backup could not be {0}")]
    Sealing(&'static str),
    /// A stored backup is not what it should be.
    #[error("{what} of backup {backup} was refused: {why}")]
    Refused {
        /// Which.
        backup: Uuid,
        /// What of it.
        what: String,
        /// Why.
        why: String,
    },
}

impl BackupError {
    /// A stable code, for jobs and the log.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Snapshot(_) => "registry_unreadable",
            Self::Vault(_) => "vault_unreadable",
            Self::Record { .. } => "record_missing",
            Self::Destination(_) => "destination_unavailable",
            Self::Sealing(_) => "sealing_failed",
            Self::Refused { .. } => "backup_refused",
        }
    }
}

/// How far the audit log is: the last entry of a node's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalPosition {
    /// Whose journal.
    pub node: Arc<str>,
    /// The entry's number.
    pub sequence: u64,
    /// SHA-256 of its canonical JSON.
    pub entry: Digest,
}

/// What a backup is to be made of, besides registry and vault.
pub struct BackupOrder {
    /// Its id, in order of time.
    pub id: Uuid,
    /// How the root key is sealed: what a restore will need.
    pub seals: SealStatus,
    /// How far the audit log is.
    pub journal: Option<JournalPosition>,
    /// Whether records that are lost are left out and named, instead of ending it.
    pub accept_losses: bool,
    /// Whether somebody waits for this segment: then it follows on the last that this process made,
    /// without a look at everything that lies there, which is done from time to time.
    pub is_continuous: bool,
    /// Let go as soon as the vault was copied: what must wait for that goes on then.
    pub until_copied: Option<Box<dyn std::any::Any + Send + Sync>>,
    /// The private half of the key that signs.
    pub signing_key: SecretBytes,
}

/// A backup as its manifest tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSummary {
    /// Its id, in order of time.
    pub id: Uuid,
    /// `full`, or `segment`: what changed since another one.
    pub kind: String,
    /// A segment holds what changed after this revision; 0 for a full backup.
    pub from_revision: i64,
    /// The registry's revision that it holds.
    pub revision: i64,
    /// When that revision was committed.
    pub committed_at: Timestamp,
    /// When it began.
    pub begun_at: Timestamp,
    /// When it was complete.
    pub completed_at: Timestamp,
    /// The program that made it.
    pub software: String,
    /// Its parts.
    pub parts: u64,
    /// Their bytes, sealed.
    pub bytes: u64,
    /// Rows of the registry.
    pub rows: u64,
    /// Records of the vault.
    pub records: u64,
    /// Records that the registry names and that the vault had lost: they are not in it.
    pub lost: u64,
    /// To whom it is sealed.
    pub recipients: Vec<String>,
    /// The public half of the key that signed it.
    pub signed_by: String,
}

/// What came of looking for changes that are in no backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segmented {
    /// The segment; none if nothing changed, or if there is no full backup that it could follow on.
    pub made: Option<BackupSummary>,
    /// Up to which revision everything is in the place now; 0 if there is no full backup.
    pub reached: i64,
    /// How many segments there are since the newest full backup.
    pub since_full: u64,
    /// This history of the deployment began with a restore, and has no full backup yet: until there is
    /// one, what is done is in no backup.
    pub awaits_full: bool,
    /// Newer segments in the same place that are not of this history, or not signed by this deployment:
    /// somebody else writes there too.
    pub strangers: u64,
}

/// Hears how far a backup is.
#[async_trait]
pub trait BackupProgress: Send + Sync {
    /// So many records of so many are sealed.
    async fn reached(&self, records: u64, of: u64);
}

/// Where backups are made and kept.
#[async_trait]
pub trait BackupStore: Send + Sync {
    /// Makes a backup. What an earlier try left behind under the same id is removed first; until
    /// its manifest is there, which comes last, a backup is none. Physical deletions in the vault
    /// wait meanwhile: that is the caller's to see to.
    async fn create(
        &self,
        order: BackupOrder,
        progress: &dyn BackupProgress,
    ) -> Result<BackupSummary, BackupError>;

    /// Makes a segment: what changed since the newest backup of this history, and the records that came.
    /// Refused if the registry is not one that this backup could have been made of.
    async fn segment(&self, order: BackupOrder) -> Result<Segmented, BackupError>;

    /// Every complete backup, oldest first.
    async fn list(&self) -> Result<Vec<BackupSummary>, BackupError>;

    /// One of them.
    async fn show(&self, id: Uuid) -> Result<Option<BackupSummary>, BackupError>;

    /// Everything that lies there, segments included, and whether it is of this deployment's present
    /// history and its key signed it. `key` is its public half, as text.
    async fn stock(&self, key: &str) -> Result<BackupStock, BackupError>;

    /// Reads every part and compares it with what was signed. What is wrong with the first that is
    /// not as it should be; nothing if all are.
    async fn check(&self, id: Uuid, key: &str) -> Result<Option<String>, BackupError>;

    /// Removes a backup: first what makes it one, so that whatever ends this, it is either whole or
    /// seen to be half removed, and this can be done again. Nothing there is no error.
    async fn remove(&self, id: Uuid) -> Result<(), BackupError>;
}

/// What lies where backups are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupStock {
    /// Complete backups and segments of this history that the deployment signed, oldest first.
    pub own: Vec<BackupSummary>,
    /// What has a manifest that the deployment did not sign, that is of another history of it, or that
    /// cannot be read, and why.
    pub refused: Vec<(Uuid, String)>,
    /// What is being removed, or was when something ended it: no backups any more.
    pub half_removed: Vec<Uuid>,
}

/// An object of the vault as it is stored: sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedObject {
    /// Where it is.
    pub name: ObjectName,
    /// What is there.
    pub bytes: Vec<u8>,
}

/// A record as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealedRecord {
    /// Its objects: one, or two if it is large; none if it is gone. What makes it a record is the last.
    pub objects: Vec<SealedObject>,
    /// If it came in pieces: its parts behind the first, in order, each to be read by itself. Together
    /// they may be more than fits into memory.
    pub parts: Vec<ObjectName>,
}

/// The root key as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealedRoot {
    /// It under its seals, and last what names them: without it nothing counts.
    pub objects: Vec<SealedObject>,
    /// The root keys that whoever opens one of these seals has: the one in force, and the one before.
    pub keys: Vec<KekRef>,
}

/// The vault's objects for those who copy them and may not open them. Needs no unsealing.
#[async_trait]
pub trait SealedObjects: Send + Sync {
    /// A record. An error if a part of it is missing between others.
    async fn of_record(&self, record: RecordId) -> Result<SealedRecord, StorageError>;

    /// An object of a record; none if it is gone.
    async fn part(&self, name: &ObjectName) -> Result<Option<SealedObject>, StorageError>;

    /// The object of a tenant's key-encryption key; none if it is gone.
    async fn of_tenant_kek(&self, kek: &TenantKek) -> Result<Vec<SealedObject>, StorageError>;

    /// The root key under its seals.
    async fn of_root(&self) -> Result<SealedRoot, StorageError>;
}
