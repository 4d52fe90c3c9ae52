//! Moving the vault from one backend to another, while it is used or while it stands still.
//!
//! | file | what |
//! |---|---|
//! | `standing` | where a migration stands: a file, written whole or not at all |
//! | `mirror` | the backend that does everything on both sides |
//! | `walk` | passes over every name that make the sides equal, until one finds nothing to do |
//! | `turn` | start, cut over, roll back, commit, erase; the marks that keep the wrong side shut |
//! | `survey` | what one side holds, as a number and a digest |
//! | `tally` | how many objects there are to look at |
//! | `trouble` | a side that does not do its part, remembered until it does |
//! | `conduct` | all of it as core asks for it, and a migration that this server only knows of |
//!
//! One side leads: what it holds is the vault. Every change is made there first and then on the
//! other, deletions the other way round. What could not be followed is noted, and made equal before
//! the sides may change places. A crash loses the notes, and therefore the proof: after a start, a
//! whole pass has to find nothing before anything turns. One process at a time may do this: the
//! holder of the data directory.

mod conduct;
mod mirror;
mod standing;
mod survey;
mod tally;
mod trouble;
mod turn;
mod walk;

use std::collections::BTreeSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
pub use keyward_core::port::storage_migration::MigrationPhase as Phase;
use keyward_core::time::Clock;
use parking_lot::Mutex;
use tokio::sync::{MutexGuard, RwLock, RwLockReadGuard};

pub use conduct::KnownMigration;
pub use standing::{Standing, StandingError, standing_in};
pub use survey::{Survey, survey};
pub use turn::{Side, marked};
pub use walk::Step;

/// Names that belong to one backend alone: what health checks write, and marks.
const OWN: [&str; 2] = ["probe/", "migration/"];
/// Names under way are kept apart by so many locks.
const LOCKS: usize = 256;
/// Names looked at at once: what hides the distance of a backend that is far.
const AT_ONCE: usize = 32;
/// So many names that could not be followed are remembered; with more, a whole pass begins again.
const BEHIND_MAX: usize = 100_000;
/// Objects looked at in a second if nobody says how many.
const PER_SECOND: u64 = 2_000;

/// Why a migration does not go on.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// One of the backends.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The target holds something.
    #[error(
        "the target is not empty: it holds {name}; nothing was changed: name an empty one, or erase it"
    )]
    NotEmpty {
        /// A name that it holds.
        name: String,
    },
    /// Not in this phase.
    #[error("the migration is {phase}: it cannot {wanted}")]
    Phase {
        /// Where it stands.
        phase: Phase,
        /// What was asked for.
        wanted: &'static str,
    },
    /// No pass has found both sides equal yet.
    #[error("the two sides are not known to be equal: let the passes go on until they are")]
    NotVerified,
    /// The file and the backends disagree.
    #[error(
        "the file says that the migration is {phase}, and the side that would lead says: {mark}; the file \
         is older than the backends (was the data directory put back from a copy?): nothing was \
         changed; start with the backend that is not marked, without the file"
    )]
    Contradicted {
        /// What the file says.
        phase: Phase,
        /// What the backend says.
        mark: String,
    },
    /// The other side was read or written with other settings before.
    #[error(
        "the migration that was begun is from {from} to {to}: go on with the same two, or roll it back"
    )]
    OtherSides {
        /// Its source.
        from: String,
        /// Its target.
        to: String,
    },
    /// The file that says where it stands.
    #[error(transparent)]
    Standing(#[from] StandingError),
}

/// Two backends as one, while the vault moves from the first to the second.
pub struct MigratingBackend {
    from: Arc<dyn StorageBackend>,
    to: Arc<dyn StorageBackend>,
    /// The phase; whoever turns it waits until nothing is under way.
    phase: RwLock<Phase>,
    standing: standing::Kept,
    clock: Arc<dyn Clock>,
    locks: Vec<tokio::sync::Mutex<()>>,
    behind: Mutex<Behind>,
    walk: tokio::sync::Mutex<walk::Walk>,
    /// How far the walk was after its last step.
    progress: Mutex<walk::Progress>,
    trouble: Mutex<trouble::Troubles>,
    per_second: u64,
    /// The marks are to be put right, and the side that follows is to be prepared.
    unsettled: AtomicBool,
}

/// Names on which the sides may differ.
#[derive(Default)]
struct Behind {
    names: BTreeSet<ObjectName>,
    /// More than could be remembered.
    lost: bool,
    /// Since the last start, a whole pass has found nothing to do.
    verified: bool,
}

impl MigratingBackend {
    /// Takes up a migration where the file says that it stands; `None` if none was begun. Only the
    /// side that leads is asked, and must be prepared; the first step prepares the other and puts
    /// the marks right, or says why it cannot.
    ///
    /// # Errors
    /// [`MigrationError::Standing`], [`MigrationError::Contradicted`], [`MigrationError::Storage`].
    pub async fn resume(
        file: &Path,
        from: Arc<dyn StorageBackend>,
        to: Arc<dyn StorageBackend>,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>, MigrationError> {
        let Some(kept) = standing::Kept::open(file)? else {
            return Ok(None);
        };
        let migration = Self::of(kept, from, to, clock);
        migration.ensure_not_contradicted().await?;
        Ok(Some(migration))
    }

    /// Plans a migration into an empty target. Until [`Self::begin`] the source is the vault, alone,
    /// and nothing is written.
    ///
    /// # Errors
    /// [`MigrationError::NotEmpty`], [`MigrationError::Storage`].
    pub async fn plan(
        file: &Path,
        names: (&str, &str),
        from: Arc<dyn StorageBackend>,
        to: Arc<dyn StorageBackend>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, MigrationError> {
        turn::ensure_empty(&*to).await?;
        let kept = standing::Kept::planned(file, names);
        Ok(Self::of(kept, from, to, clock))
    }

    fn of(
        kept: standing::Kept,
        from: Arc<dyn StorageBackend>,
        to: Arc<dyn StorageBackend>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            from,
            to,
            phase: RwLock::new(kept.standing().phase),
            standing: kept,
            clock,
            locks: (0..LOCKS).map(|_| tokio::sync::Mutex::new(())).collect(),
            behind: Mutex::default(),
            walk: tokio::sync::Mutex::default(),
            progress: Mutex::default(),
            trouble: Mutex::default(),
            per_second: PER_SECOND,
            unsettled: AtomicBool::new(true),
        }
    }

    /// Looks at so many objects in a second, unless somebody says otherwise while it goes on.
    #[must_use]
    pub fn at_pace(self, per_second: u64) -> Self {
        Self { per_second, ..self }
    }

    /// Both sides as one backend: what the vault stands on meanwhile.
    pub fn backend(self: &Arc<Self>) -> Arc<dyn StorageBackend> {
        Arc::new(mirror::Mirror(Arc::clone(self)))
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        self.standing.standing()
    }

    /// Whether a whole pass has found both sides equal, since the last start. What changes meanwhile
    /// is followed, and what could not be followed is noted; a turn makes that good first.
    pub fn is_verified(&self) -> bool {
        let behind = self.behind.lock();
        behind.verified && !behind.lost
    }

    /// The sides while nothing turns.
    async fn sides(&self) -> Sides<'_> {
        let phase = self.phase.read().await;
        let (leading, following) = self.sides_in(*phase);
        Sides {
            leading,
            following,
            _still: phase,
        }
    }

    /// Which side leads in a phase, and which one follows.
    fn sides_in(&self, phase: Phase) -> (&dyn StorageBackend, Option<&dyn StorageBackend>) {
        let (from, to) = (&*self.from, &*self.to);
        match phase {
            Phase::Copying => (from, Some(to)),
            Phase::CutOver => (to, Some(from)),
            Phase::Committed => (to, None),
            Phase::Planned | Phase::RolledBack => (from, None),
        }
    }

    /// Keeps others from a name.
    async fn alone(&self, name: &ObjectName) -> MutexGuard<'_, ()> {
        self.locks[lock_of(name)].lock().await
    }

    /// Keeps others from names, whose locks are taken in order.
    async fn alone_with(
        &self,
        names: impl Iterator<Item = &ObjectName>,
    ) -> Vec<MutexGuard<'_, ()>> {
        let places: BTreeSet<usize> = names.map(lock_of).collect();
        let mut guards = Vec::with_capacity(places.len());
        for place in places {
            guards.push(self.locks[place].lock().await);
        }
        guards
    }
}

/// Where everything goes now.
struct Sides<'a> {
    leading: &'a dyn StorageBackend,
    /// The other one, while it follows.
    following: Option<&'a dyn StorageBackend>,
    _still: RwLockReadGuard<'a, Phase>,
}

impl Behind {
    /// Notes a name; whether it was noted before.
    fn note(&mut self, name: &ObjectName) -> bool {
        if self.names.len() >= BEHIND_MAX {
            self.lost = true;
            return true;
        }
        !self.names.insert(name.clone())
    }
}

/// Does work that is not to stop half-way, whoever goes away.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, StorageError> {
    tokio::spawn(work)
        .await
        .map_err(|_| StorageError::Unavailable {
            cause: "the work ended early".to_owned(),
        })
}

fn lock_of(name: &ObjectName) -> usize {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(name);
    usize::try_from(hash % LOCKS as u64).unwrap_or_default()
}

/// Whether a name belongs to one backend alone.
fn is_own(name: &ObjectName) -> bool {
    OWN.iter().any(|prefix| name.as_str().starts_with(prefix))
}
