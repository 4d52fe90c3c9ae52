//! The registry as a whole: read at one revision, made anew from that in an empty database of
//! either kind, and brought forward change by change. What backup, restore and migration stand on.
//!
//! The text that comes and goes is described in [`crate::snapshot`].

use async_trait::async_trait;
use uuid::Uuid;

use crate::change::Change;
use crate::port::registry::RegistryError;
use crate::snapshot::{Coverage, SnapshotSummary};

/// What can go wrong with a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The database.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The database that was to take a snapshot holds something.
    #[error(
        "the registry is not empty: it has rows in {table}; nothing was changed: name an empty database"
    )]
    NotEmpty {
        /// A table that holds something.
        table: &'static str,
    },
    /// The snapshot is of another schema than the database.
    #[error(
        "the snapshot has schema {found} and this program writes schema {known}: use the version of \
         keyward that made it, and upgrade afterwards"
    )]
    Schema {
        /// The snapshot's.
        found: i64,
        /// This program's.
        known: i64,
    },
    /// The text is not a snapshot, or one that was altered or cut.
    #[error("line {line} of the snapshot is not what it should be: {what}")]
    Malformed {
        /// Which line, from 1.
        line: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A change does not follow on what the database has.
    #[error(
        "revision {found} does not follow on revision {reached}: a change segment is missing or of \
         another deployment"
    )]
    Gap {
        /// Where the database is.
        reached: i64,
        /// What came.
        found: i64,
    },
    /// A change does not fit the rows that are there.
    #[error("revision {revision} cannot be applied: {cause}")]
    Unfit {
        /// Which change.
        revision: i64,
        /// Why.
        cause: RegistryError,
    },
    /// Where the text goes or comes from failed.
    #[error("the snapshot could not be passed on: {cause}")]
    Passage {
        /// Why, without paths.
        cause: String,
    },
}

/// Where a snapshot goes.
#[async_trait]
pub trait SnapshotSink: Send {
    /// Takes some whole lines, each with its line feed.
    async fn put(&mut self, lines: String) -> Result<(), SnapshotError>;
}

/// Where a snapshot comes from.
#[async_trait]
pub trait SnapshotSource: Send {
    /// Some more whole lines, each with its line feed; none at the end.
    async fn next(&mut self) -> Result<Option<String>, SnapshotError>;
}

/// A change of which a part of the rows is brought into a database that holds a part of a deployment.
#[derive(Clone, Debug)]
pub struct SelectedChange {
    /// The change, with the rows that were selected and no others.
    pub change: Change,
    /// What of it besides its rows.
    pub outbox: Outbox,
}

/// What becomes of a selected change in the outbox. Its revision is taken in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outbox {
    /// It stays, under its own numbers.
    Kept,
    /// It does not, but its number in its scope is taken and not given again.
    Counted,
    /// Nothing of it is noted: its scope is not in this database.
    PassedOver,
}

/// A registry that can be read and made as a whole. Implemented for SQLite and for PostgreSQL.
#[async_trait]
pub trait RegistrySnapshot: Send + Sync {
    /// Reads every covered table at one revision, in memory that does not grow with the tables.
    /// Others go on reading and writing meanwhile.
    async fn export(
        &self,
        coverage: Coverage,
        sink: &mut dyn SnapshotSink,
    ) -> Result<SnapshotSummary, SnapshotError>;

    /// Fills an empty database: all of the snapshot, checked against its own digests, or nothing.
    /// Revisions, change numbers, commit times and row versions stay what they were. What follows
    /// from other rows is made anew. The database must not be served meanwhile.
    async fn import(
        &self,
        source: &mut dyn SnapshotSource,
    ) -> Result<SnapshotSummary, SnapshotError>;

    /// Brings a database forward by changes in order of revision, all of them or none; the revision
    /// that it has then. Those it has already are passed over. The database must not be served
    /// meanwhile: nobody is told.
    async fn apply_changes(&self, changes: &[Change]) -> Result<i64, SnapshotError>;

    /// The same for a database that holds a part of the deployment: of each change in order those rows
    /// that were selected. Revisions of the rest are passed over, so that none is given twice.
    async fn apply_selected(&self, changes: &[SelectedChange]) -> Result<i64, SnapshotError>;

    /// Refuses a database that could not be filled because it holds something.
    async fn ensure_empty(&self) -> Result<(), SnapshotError>;

    /// Which history of the deployment this is: the first, whose id is the deployment's, or the one
    /// that a restore began. Two registries that went on from the same revision have two.
    async fn deployment_history(&self) -> Result<Uuid, SnapshotError>;

    /// Begins a history, in a database that is being filled or about to be; durable on return. Filling
    /// it with what a backup covers leaves it; so it also says for which restore an empty one is.
    async fn begin_history(&self, id: Uuid) -> Result<(), SnapshotError>;
}
