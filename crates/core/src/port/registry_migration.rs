//! The registry on its way from one database to another while a server serves: where it stands, and
//! the turns that an operation may take. Who may take them, and that the log hears of it first, is not
//! known here.

use async_trait::async_trait;
use keyward_api::error::ErrorCode;

use crate::error::OpError;
use crate::noun::tenant::Digest;
use crate::port::storage_migration::{MigrationPhase, MigrationTrouble};
use crate::time::Timestamp;

/// What both sides held at one revision, each read whole by itself: the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryProof {
    /// At which revision.
    pub revision: i64,
    /// How many rows.
    pub rows: u64,
    /// Of every row of every table, in order.
    pub digest: Digest,
    /// When it was found.
    pub at: Timestamp,
}

/// Where a migration of the registry stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryMigrationReport {
    /// Its phase.
    pub phase: MigrationPhase,
    /// The source, as people name it: no secrets.
    pub from: String,
    /// The target.
    pub to: String,
    /// Whether this server moves it. If not, it only knows of it.
    pub attached: bool,
    /// When it began; none for one that has not, or that was made with the server stopped.
    pub began_at: Option<Timestamp>,
    /// Since when it is in its phase.
    pub since: Option<Timestamp>,
    /// Whether the side that follows is left alone.
    pub paused: bool,
    /// How many rows are carried over or compared in a second, at most.
    pub per_second: u64,
    /// Rows carried over by the filling that is under way or was the last since the server started.
    pub rows: u64,
    /// Changes brought to the side that follows since the server started.
    pub changes: u64,
    /// How many changes that side is behind; none while it is not known.
    pub behind: Option<u64>,
    /// Whether both sides were found to hold the same since the server started.
    pub equal: bool,
    /// Whether the marks on both sides say what the phase says.
    pub settled: bool,
    /// What was found then.
    pub proof: Option<RegistryProof>,
    /// The side that does not do its part, if one does not.
    pub trouble: Option<MigrationTrouble>,
}

/// Why a migration of the registry does not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryMigrationFault {
    /// Not in this phase.
    #[error("the registry's migration is {phase}: it cannot {wanted}")]
    Phase {
        /// Where it stands.
        phase: MigrationPhase,
        /// What was asked for.
        wanted: &'static str,
    },
    /// Both sides have not been compared yet.
    #[error(
        "the two databases are not known to hold the same: wait until they were compared (`equal` says \
         so); a pause must be over for that"
    )]
    NotEqual,
    /// The target holds something else.
    #[error("the target is not empty: {why}; nothing was changed: name an empty one")]
    NotEmpty {
        /// What.
        why: String,
    },
    /// This server was started without the other side.
    #[error(
        "this server was started without registry.migrate_to, and knows of the migration by its file \
         alone: stop it and use `keyward registry migrate`, `keyward registry commit` or `keyward \
         registry roll-back`"
    )]
    Detached,
    /// Another program uses the registry.
    #[error(
        "another node, or another keyward, is connected to the registry's database: stop it; a \
         registry moves under one server alone"
    )]
    OtherNode,
    /// One of the sides, or it took too long.
    #[error("nothing was switched: {cause}")]
    Side {
        /// What it said, without secrets.
        cause: String,
    },
    /// The file that says where it stands.
    #[error(
        "where the registry's migration stands could not be written down, and nothing was switched: \
         {cause}"
    )]
    Standing {
        /// The kind of fault.
        cause: String,
    },
    /// It was done, and a side does not bear its mark yet.
    #[error(
        "the registry's migration is {phase}, written down and in force; a mark on one side could not \
         be put right: {cause}; it is repeated each second, and by the same request again"
    )]
    Unmarked {
        /// Where it stands now.
        phase: MigrationPhase,
        /// What the side said.
        cause: String,
    },
}

impl RegistryMigrationFault {
    /// What it is to whoever asked.
    pub(crate) const fn code(&self) -> ErrorCode {
        match self {
            Self::Phase { .. }
            | Self::NotEqual
            | Self::NotEmpty { .. }
            | Self::OtherNode
            | Self::Detached => ErrorCode::WrongState,
            Self::Side { .. } | Self::Standing { .. } => ErrorCode::RegistryUnavailable,
            Self::Unmarked { .. } => ErrorCode::InForceUnread,
        }
    }
}

impl From<RegistryMigrationFault> for OpError {
    fn from(fault: RegistryMigrationFault) -> Self {
        Self::RegistryMigration(fault)
    }
}

/// A migration of the registry beneath a server that serves. A turn is in its file, synced, before
/// anything follows from it.
#[async_trait]
pub trait RegistryMigration: Send + Sync {
    /// Where it stands. Asks the sides nothing.
    fn report(&self) -> RegistryMigrationReport;

    /// Asks whether the other side answers, and whether it may be filled, if it is to be.
    async fn look(&self) -> Result<(), RegistryMigrationFault>;

    /// Begins what is planned: the target may be filled from now on.
    async fn begin(&self) -> Result<(), RegistryMigrationFault>;

    /// Fills the target, brings the side that follows nearer, or compares both. How many rows or
    /// changes that were. While it is paused, marks alone are put right.
    async fn step(&self) -> Result<u64, RegistryMigrationFault>;

    /// Ends the step that is under way, and lets none begin: the server stops.
    fn give_way(&self);

    /// Leaves the side that follows alone, or goes on; it holds over restarts.
    async fn pause(&self, paused: bool) -> Result<(), RegistryMigrationFault>;

    /// Sets how many rows are carried over or compared in a second, at most; it holds over restarts.
    async fn set_pace(&self, per_second: u64) -> Result<(), RegistryMigrationFault>;

    /// Lets the target lead. Done again, it puts the marks right.
    async fn cut_over(&self) -> Result<(), RegistryMigrationFault>;

    /// Goes back to the source. Done again, it puts the marks right.
    async fn roll_back(&self) -> Result<(), RegistryMigrationFault>;

    /// Leaves the source for good. Done again, it puts the marks right.
    async fn commit(&self) -> Result<(), RegistryMigrationFault>;
}
