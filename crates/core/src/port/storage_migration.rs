//! The vault on its way from one backend to another while a server serves: where it stands, and the
//! turns that an operation may take. Who may take them, and that the log hears of it first, is not
//! known here.

use async_trait::async_trait;

use crate::noun::tenant::Digest;
use crate::port::storage::StorageError;
use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// Where a migration of the vault stands.
    pub enum MigrationPhase {
        /// It is asked for and has not begun: nothing is written on the target.
        Planned => "planned",
        /// The source leads; the target is being filled and follows.
        Copying => "copying",
        /// The target leads; the source follows, so that there is a way back.
        CutOver => "cut-over",
        /// The target alone.
        Committed => "committed",
        /// The source alone.
        RolledBack => "rolled-back",
    }
}

/// What a whole pass saw that found nothing to do: the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationProof {
    /// How many objects.
    pub objects: u64,
    /// How many bytes in them.
    pub size_bytes: u64,
    /// Of every name and what is under it, in order.
    pub digest: Digest,
    /// When the pass ended.
    pub at: Timestamp,
}

/// A side that does not do its part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationTrouble {
    /// Since when.
    pub since: Timestamp,
    /// When it was last seen.
    pub last_at: Timestamp,
    /// What it said, without secrets.
    pub cause: String,
}

/// Where a migration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationReport {
    /// Its phase.
    pub phase: MigrationPhase,
    /// The source, as people name it: no secrets.
    pub from: String,
    /// The target.
    pub to: String,
    /// Whether this server moves it. If not, it only knows of it.
    pub attached: bool,
    /// When it began; none for one that has not, or that an older release began.
    pub began_at: Option<Timestamp>,
    /// Since when it is in its phase.
    pub since: Option<Timestamp>,
    /// Whether the passes stand still.
    pub paused: bool,
    /// How many objects are looked at in a second, at most.
    pub per_second: u64,
    /// Which pass this is since the server started, from 1; 0 before the first.
    pub pass: u32,
    /// Objects looked at in this pass.
    pub examined: u64,
    /// Objects made equal since the server started.
    pub copied: u64,
    /// Objects that this pass has still to look at, about; none while they are being counted.
    pub left: Option<u64>,
    /// Whether a whole pass found both sides equal since the server started.
    pub equal: bool,
    /// Names on which a side is behind, remembered to be made good.
    pub behind: u64,
    /// More are behind than could be remembered: a whole pass begins anew.
    pub behind_lost: bool,
    /// Whether the marks on both sides say what the standing says.
    pub settled: bool,
    /// What the last pass saw that found nothing to do.
    pub proof: Option<MigrationProof>,
    /// The side that does not do its part, if one does not.
    pub trouble: Option<MigrationTrouble>,
}

/// Why a migration does not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MigrationFault {
    /// Not in this phase.
    #[error("the migration is {phase}: it cannot {wanted}")]
    Phase {
        /// Where it stands.
        phase: MigrationPhase,
        /// What was asked for.
        wanted: &'static str,
    },
    /// No pass has found both sides equal yet.
    #[error(
        "the two sides are not known to be equal: wait until a whole pass has found nothing to do \
         (`equal` says so); a pause must be over for that"
    )]
    NotEqual,
    /// The target holds something.
    #[error("the target is not empty: it holds {name}; nothing was changed: name an empty one")]
    NotEmpty {
        /// A name that it holds.
        name: String,
    },
    /// This server was started without the other side.
    #[error(
        "this server was started without storage.migrate_to, and knows of the migration by its file \
         alone: stop it and use `keyward storage commit` or `keyward storage roll-back`"
    )]
    Detached,
    /// One of the sides.
    #[error("nothing was switched: {0}")]
    Storage(StorageError),
    /// The file that says where it stands.
    #[error(
        "where the migration stands could not be written down, and nothing was switched: {cause}"
    )]
    Standing {
        /// The kind of fault.
        cause: String,
    },
    /// It was done, and a side does not bear its mark yet.
    #[error(
        "the vault is {phase}, written down and in force; a mark on one side could not be put right: \
         {cause}; it is repeated each second, and by the same request again"
    )]
    Unmarked {
        /// Where it stands now.
        phase: MigrationPhase,
        /// What the side said.
        cause: String,
    },
}

/// A migration of the vault beneath a server that serves. A turn is in its file, synced, before
/// anything follows from it, and marked on the sides before it is answered.
#[async_trait]
pub trait StorageMigration: Send + Sync {
    /// Where it stands. Asks the sides nothing.
    fn report(&self) -> MigrationReport;

    /// Asks the sides in use whether they do their part.
    async fn look(&self) -> Result<(), MigrationFault>;

    /// Begins what is planned: the target is marked as being filled.
    async fn begin(&self) -> Result<(), MigrationFault>;

    /// Looks at the next objects, about `limit` of them, and makes good what is remembered. How many
    /// were looked at. While it is paused, nothing but the second.
    async fn step(&self, limit: usize) -> Result<u64, MigrationFault>;

    /// Stops the passes, or lets them go on; it holds over restarts.
    async fn pause(&self, paused: bool) -> Result<(), MigrationFault>;

    /// Sets how many objects are looked at in a second, at most; it holds over restarts.
    async fn set_pace(&self, per_second: u64) -> Result<(), MigrationFault>;

    /// Forgets that both sides are known to be equal: a whole pass has to find it anew.
    async fn verify(&self) -> Result<(), MigrationFault>;

    /// Lets the target lead. Done again, it puts the marks right.
    async fn cut_over(&self) -> Result<(), MigrationFault>;

    /// Leaves the target and goes on with the source. Done again, it puts the marks right.
    async fn roll_back(&self) -> Result<(), MigrationFault>;

    /// Leaves the source for good. Done again, it puts the marks right.
    async fn commit(&self) -> Result<(), MigrationFault>;
}
