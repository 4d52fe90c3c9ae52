//! The turns of a migration, each in the file before anything follows from it, and the marks that
//! keep a server from being started on the side that does not hold the vault.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};

use super::survey::names_of_vault;
use super::{AT_ONCE, MigratingBackend, MigrationError, OWN, Phase, is_own};
use crate::object_names::FAMILIES;

/// The mark's name. It belongs to one side alone and is never copied.
const MARK: &str = "migration/standing";
/// What marks say, between "the vault here" and the name of the side that leads.
const VAULT_HERE: &str = "the vault here";
const FILLING: &str = "is being filled from";
const MOVED: &str = "has moved to";
const LEFT: &str = "was left again for";
/// How long a turn waits for what is under way.
const TURN_WAIT: Duration = Duration::from_secs(30);
/// Names erased between two looks at the list.
const PAGE: usize = 500;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where the vault was.
    From,
    /// Where it goes.
    To,
}

/// Why a backend is not to be used as the vault, if it says so.
///
/// # Errors
/// [`StorageError`].
pub async fn marked(backend: &dyn StorageBackend) -> Result<Option<String>, StorageError> {
    let text = backend.read(&mark()?).await?;
    Ok(text.map(|text| String::from_utf8_lossy(&text).into_owned()))
}

/// Refuses a target that holds anything but what is every backend's own, another vault's below it
/// included.
pub(super) async fn ensure_empty(target: &dyn StorageBackend) -> Result<(), MigrationError> {
    let mut after: Option<ObjectName> = None;
    loop {
        let names = target.list("", after.as_ref(), PAGE).await?;
        if let Some(name) = names.iter().find(|name| !is_own(name)) {
            let name = name.as_str().to_owned();
            return Err(MigrationError::NotEmpty { name });
        }
        if names.len() < PAGE {
            return Ok(());
        }
        after = names.into_iter().next_back();
    }
}

impl MigratingBackend {
    /// Begins what is planned. From the answer on it is in the file.
    ///
    /// # Errors
    /// [`MigrationError::Phase`], [`MigrationError::NotEmpty`], [`MigrationError::Standing`],
    /// [`MigrationError::Storage`].
    pub async fn begin(&self) -> Result<(), MigrationError> {
        let allowed = |phase| phase == Phase::Planned;
        if allowed(self.standing().phase) {
            self.to.init().await?;
            ensure_empty(&*self.to).await?;
            // Before the file: a target that is being filled always says so, and one that does not is
            // the vault of a migration that went on.
            self.to.write(&mark()?, self.filling().into_bytes()).await?;
        }
        self.turn(Phase::Copying, "begin", allowed, false).await
    }

    /// Lets the target lead; the source follows. Waits until nothing is under way. Only when both
    /// sides are known to be equal.
    ///
    /// # Errors
    /// [`MigrationError::NotVerified`], [`MigrationError::Phase`], [`MigrationError::Standing`].
    pub async fn cut_over(&self) -> Result<(), MigrationError> {
        let allowed = |phase| phase == Phase::Copying;
        self.turn(Phase::CutOver, "cut over", allowed, true).await
    }

    /// Leaves the target and goes on with the source. After a cut-over only when both sides are
    /// known to be equal: nothing that was acknowledged stays behind.
    ///
    /// # Errors
    /// As [`Self::cut_over`].
    pub async fn roll_back(&self) -> Result<(), MigrationError> {
        let phase = self.standing().phase;
        let allowed =
            move |found| found == phase && matches!(found, Phase::Copying | Phase::CutOver);
        let verified = phase == Phase::CutOver;
        self.turn(Phase::RolledBack, "roll back", allowed, verified)
            .await
    }

    /// Leaves the source. From here there is no way back; the target has led since the cut-over.
    ///
    /// # Errors
    /// [`MigrationError::Phase`], [`MigrationError::Standing`].
    pub async fn commit(&self) -> Result<(), MigrationError> {
        let allowed = |phase| phase == Phase::CutOver;
        self.turn(Phase::Committed, "be committed", allowed, false)
            .await
    }

    async fn turn(
        &self,
        to: Phase,
        wanted: &'static str,
        allowed: impl Fn(Phase) -> bool,
        verified: bool,
    ) -> Result<(), MigrationError> {
        let mut walk = in_time(self.walk.lock()).await?;
        if verified && allowed(self.standing().phase) && self.is_verified() {
            // A side that is left because it is down need not answer.
            if let Err(refused @ MigrationError::Storage(StorageError::Misconfigured { .. })) =
                self.ensure_leader_holds_it().await
            {
                return Err(refused);
            }
            // Most of what is remembered, so that little is left to do while everybody waits.
            self.catch_up().await?;
        }
        {
            // Nothing is under way while this is held.
            let mut turning = in_time(self.phase.write()).await?;
            let phase = *turning;
            if !allowed(phase) {
                return Err(MigrationError::Phase { phase, wanted });
            }
            if verified {
                if !self.is_verified() {
                    return Err(MigrationError::NotVerified);
                }
                let (leading, following) = self.sides_in(phase);
                for name in self.noted() {
                    self.equalize(leading, following, &name).await?;
                }
            }
            self.unsettled.store(true, Ordering::Relaxed);
            self.standing.turn(to, self.clock.now())?;
            *turning = to;
        }
        walk.begin_again();
        // The turn is made. A side that is down must not make it look as if it were not.
        let before = self.troubles();
        match self.put_marks().await {
            // Nobody follows any more: what was wrong with a side is over.
            Ok(()) if matches!(to, Phase::Committed | Phase::RolledBack) => self.well_since(before),
            Ok(()) => {}
            Err(error) => {
                self.troubled(&error);
                tracing::warn!(
                    %error,
                    "it is written down that the vault is {to}, but a mark on one side could not be put \
                     right: a step, or the same command again, repeats it"
                );
            }
        }
        Ok(())
    }

    /// Deletes the vault on the side that was left, after a commit or a roll-back, and nothing of
    /// another vault that shares its place. How many names; doing it again finishes what was
    /// interrupted.
    ///
    /// # Errors
    /// [`MigrationError::Phase`], [`MigrationError::Storage`].
    pub async fn erase(&self) -> Result<u64, MigrationError> {
        let phase = self.standing().phase;
        let left = match phase {
            Phase::Committed => &self.from,
            Phase::RolledBack => &self.to,
            Phase::Planned | Phase::Copying | Phase::CutOver => {
                let wanted = "erase a side that is in use";
                return Err(MigrationError::Phase { phase, wanted });
            }
        };
        self.put_marks().await?;
        let mut erased = 0;
        for family in FAMILIES.into_iter().chain(OWN) {
            erased += erase_below(&**left, family).await?;
        }
        left.delete(&mark()?).await?;
        Ok(erased)
    }

    /// Puts the marks right.
    ///
    /// # Errors
    /// [`MigrationError::Storage`]: it can be repeated.
    pub async fn settle(&self) -> Result<(), MigrationError> {
        let _walk = self.walk.lock().await;
        self.put_marks().await
    }

    /// Marks the side that does not hold the vault, and no other.
    pub(super) async fn put_marks(&self) -> Result<(), MigrationError> {
        let standing = self.standing();
        let (shut, open, why) = match standing.phase {
            Phase::Planned => return Ok(()),
            Phase::Copying => (Side::To, Side::From, FILLING),
            Phase::CutOver | Phase::Committed => (Side::From, Side::To, MOVED),
            Phase::RolledBack => (Side::To, Side::From, LEFT),
        };
        let named = match open {
            Side::From => &standing.from,
            Side::To => &standing.to,
        };
        let text = format!("{VAULT_HERE} {why} {named}").into_bytes();
        self.unsettled.store(true, Ordering::Relaxed);
        // What leads must open, whatever becomes of the other.
        self.side(open).delete(&mark()?).await?;
        self.side(shut).write(&mark()?, text).await?;
        self.unsettled.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Refuses a file that is older than the marks: what it takes for the vault was left since, and a
    /// pass would make the newer side equal to it. A mark that a turn was about to take away, when it
    /// was interrupted, is none of these.
    pub(super) async fn ensure_not_contradicted(&self) -> Result<(), MigrationError> {
        let phase = self.standing().phase;
        let (leads, awaited) = match phase {
            Phase::Planned | Phase::Copying => (Side::From, None),
            Phase::CutOver | Phase::Committed => (Side::To, Some(FILLING)),
            Phase::RolledBack => (Side::From, Some(MOVED)),
        };
        let awaited = awaited.map(|why| format!("{VAULT_HERE} {why} "));
        match marked(self.side(leads)).await? {
            Some(mark) if !awaited.is_some_and(|awaited| mark.starts_with(&awaited)) => {
                Err(MigrationError::Contradicted { phase, mark })
            }
            _ => Ok(()),
        }
    }

    /// Refuses to fill a target that does not say that it is being filled, but holds a vault: this file
    /// is older than the commit that took the mark away. What holds nothing was begun before such marks
    /// came first.
    pub(super) async fn ensure_fills(&self) -> Result<(), MigrationError> {
        let phase = self.standing().phase;
        if phase != Phase::Copying {
            return Ok(());
        }
        let mark = marked(&*self.to).await?;
        let is_filling = |mark: &String| mark.starts_with(&format!("{VAULT_HERE} {FILLING} "));
        if mark.as_ref().is_some_and(is_filling) {
            return Ok(());
        }
        if mark.is_none() && names_of_vault(&*self.to, None, 1).await?.is_empty() {
            return Ok(());
        }
        let mark = mark.unwrap_or_else(|| "no mark, and a vault".to_owned());
        Err(MigrationError::Contradicted { phase, mark })
    }

    /// Refuses to make the other side equal to one that holds no vault at all: a place that is not
    /// mounted, or was erased.
    pub(super) async fn ensure_leader_holds_it(&self) -> Result<(), MigrationError> {
        let root = crate::object_names::root_manifest()?;
        let sides = self.sides().await;
        let Some(following) = sides.following else {
            return Ok(());
        };
        if sides.leading.read(&root).await?.is_some() || following.read(&root).await?.is_none() {
            return Ok(());
        }
        let cause =
            "the side that leads holds no vault, and the other one does: nothing was changed; \
                     look whether the right place is mounted or named"
                .to_owned();
        Err(StorageError::Misconfigured { cause }.into())
    }

    /// The mark of a target that is being filled.
    fn filling(&self) -> String {
        format!("{VAULT_HERE} {FILLING} {}", self.standing().from)
    }

    fn side(&self, side: Side) -> &dyn StorageBackend {
        match side {
            Side::From => &*self.from,
            Side::To => &*self.to,
        }
    }
}

/// Waits no longer than a side may take: nothing was turned yet.
pub(super) async fn in_time<T>(what: impl Future<Output = T>) -> Result<T, StorageError> {
    let late = |_| StorageError::Unavailable {
        cause: "a side did not answer in time; nothing was changed".to_owned(),
    };
    tokio::time::timeout(TURN_WAIT, what).await.map_err(late)
}

/// Deletes what begins so, but for the mark, which goes last: until then nobody takes the rest for a
/// vault.
async fn erase_below(left: &dyn StorageBackend, prefix: &str) -> Result<u64, StorageError> {
    let mut erased = 0;
    loop {
        let names = left.list(prefix, None, PAGE).await?;
        let rest: Vec<ObjectName> = names.into_iter().filter(|name| !is_mark(name)).collect();
        if rest.is_empty() {
            return Ok(erased);
        }
        let gone = rest.into_iter().map(|name| delete(left, name));
        let mut gone = stream::iter(gone).buffer_unordered(AT_ONCE);
        while let Some(gone) = gone.next().await {
            gone?;
            erased += 1;
        }
    }
}

/// Deletes and looks whether it is gone.
async fn delete(side: &dyn StorageBackend, name: ObjectName) -> Result<(), StorageError> {
    side.delete(&name).await?;
    if side.read(&name).await?.is_none() {
        return Ok(());
    }
    let cause = "the backend still returns what was deleted".to_owned();
    Err(StorageError::Unavailable { cause })
}

fn is_mark(name: &ObjectName) -> bool {
    name.as_str() == MARK
}

fn mark() -> Result<ObjectName, StorageError> {
    crate::object_names::named(MARK)
}
