//! Passes over every name of both sides that make the one that follows equal to the one that leads.
//! The first one copies; one that finds nothing to do is the proof.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt as _, stream};
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use keyward_core::port::storage_migration::MigrationProof;

use super::survey::{Count, Survey, names_of_vault};
use super::tally::Tally;
use super::{AT_ONCE, MigratingBackend, MigrationError, Sides, is_own, to_its_end};

/// A side that follows and is asked nothing is asked how it is so often.
const LOOK_SECONDS: i64 = 60;

/// How far the present pass is.
#[derive(Default)]
pub(super) struct Walk {
    pass: u32,
    tally: Tally,
    /// Names made equal since the start.
    copied: u64,
    proof: Option<MigrationProof>,
    after: Option<ObjectName>,
    count: Count,
    differed: u64,
    last: Option<Survey>,
}

/// How far the walk was after its last step, for those who only look.
#[derive(Clone, Default)]
pub(super) struct Progress {
    pub(super) pass: u32,
    pub(super) examined: u64,
    pub(super) copied: u64,
    pub(super) left: Option<u64>,
    pub(super) proof: Option<MigrationProof>,
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which pass this is, from 1.
    pub pass: u32,
    /// Names looked at in this pass so far.
    pub examined: u64,
    /// Of these: names that had to be made equal.
    pub differed: u64,
    /// Names looked at in this step.
    pub now: u64,
    /// Both sides are known to be equal.
    pub verified: bool,
    /// What the last whole pass saw: the same on both sides.
    pub seen: Option<Survey>,
}

impl MigratingBackend {
    /// Looks at the next names, about `limit` of them. Whoever calls it again and again sets the
    /// pace; when it says `verified`, there is nothing to do until something fails.
    ///
    /// # Errors
    /// [`MigrationError::Storage`]: the step can be repeated. [`MigrationError::Phase`]: nobody
    /// follows any more.
    pub async fn step(self: &Arc<Self>, limit: usize) -> Result<Step, MigrationError> {
        let both = Arc::clone(self);
        to_its_end(async move { both.told(Some(limit)).await }).await?
    }

    /// Makes good what could not be followed, and looks at nothing else.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub async fn keep_up(self: &Arc<Self>) -> Result<Step, MigrationError> {
        let both = Arc::clone(self);
        to_its_end(async move { both.told(None).await }).await?
    }

    /// Forgets that both sides are known to be equal: a whole pass has to find it anew.
    pub async fn verify_anew(&self) {
        let mut walk = self.walk.lock().await;
        self.behind.lock().verified = false;
        walk.proof = None;
        walk.begin_again();
        *self.progress.lock() = walk.progress(false);
    }

    /// Takes a step and remembers how it went.
    async fn told(&self, limit: Option<usize>) -> Result<Step, MigrationError> {
        let mut walk = self.walk.lock().await;
        let before = self.troubles();
        let step = self.take_step(&mut walk, limit).await;
        *self.progress.lock() = walk.progress(self.is_verified());
        match &step {
            Ok(_) => self.well_since(before),
            Err(MigrationError::Storage(error)) => self.troubled(error),
            Err(error @ MigrationError::Contradicted { .. }) => {
                let cause = error.to_string();
                self.troubled(&StorageError::Misconfigured { cause });
            }
            Err(_) => {}
        }
        step
    }

    async fn take_step(
        &self,
        walk: &mut Walk,
        limit: Option<usize>,
    ) -> Result<Step, MigrationError> {
        if self.unsettled.load(Ordering::Relaxed) {
            let sides = self.sides().await;
            if let Some(following) = sides.following {
                following.init().await?;
            }
            drop(sides);
            self.ensure_fills().await?;
            self.put_marks().await?;
        }
        self.ensure_leader_holds_it().await?;
        let caught_up = self.catch_up().await?;
        let verified = self.is_verified();
        let Some(limit) = limit.filter(|_| !verified) else {
            self.look_at_follower(caught_up).await?;
            return Ok(walk.report(caught_up, verified));
        };
        walk.tally.go_on(self.sides().await.leading).await?;
        if walk.after.is_none() && walk.count.objects() == 0 {
            walk.pass += 1;
            let mut behind = self.behind.lock();
            (behind.lost, behind.verified) = (false, false);
        }
        let (names, whole) = self.next_names(walk.after.as_ref(), limit.max(1)).await?;
        let now = names.len() as u64;
        self.equalize_all(walk, &names).await?;
        walk.after = names.into_iter().next_back().or(walk.after.take());
        if !whole {
            return Ok(walk.report(now, false));
        }
        let verified = self.end_of_pass(walk.differed);
        let report = Step {
            seen: Some(walk.count.clone().survey()),
            ..walk.report(now, verified)
        };
        if let Some(seen) = &report.seen {
            walk.tally.is(seen.objects);
            walk.proof = verified.then(|| MigrationProof {
                objects: seen.objects,
                size_bytes: seen.size_bytes,
                digest: seen.digest,
                at: self.clock.now(),
            });
        }
        walk.last.clone_from(&report.seen);
        walk.begin_again();
        Ok(report)
    }

    /// Asks the side that follows how it is, if nothing else was asked of it for a while.
    async fn look_at_follower(&self, caught_up: u64) -> Result<(), MigrationError> {
        if caught_up == 0
            && self.is_time_to_look(LOOK_SECONDS)
            && let Some(following) = self.sides().await.following
        {
            following.health().await?;
        }
        Ok(())
    }

    /// Makes some names equal and counts them, all of them or none.
    async fn equalize_all(
        &self,
        walk: &mut Walk,
        names: &BTreeSet<ObjectName>,
    ) -> Result<(), MigrationError> {
        let (mut count, mut differed) = (walk.count.clone(), walk.differed);
        let failed = AtomicBool::new(false);
        let stopped = &failed;
        let equalized = names.iter().cloned().map(|name| async move {
            if stopped.load(Ordering::Relaxed) {
                return (name, Ok(Fate::default()));
            }
            let sides = self.sides().await;
            let fate = self.equalize(sides.leading, sides.following, &name).await;
            (name, fate)
        });
        let mut equalized = stream::iter(equalized).buffered(AT_ONCE);
        let mut first = None;
        // To the end of what is under way: a backend may still carry out what nobody waits for any
        // more, and by then its name must not have been let go.
        while let Some((name, fate)) = equalized.next().await {
            match fate {
                Ok(fate) => {
                    differed += u64::from(fate.differed);
                    if let Some(bytes) = fate.bytes {
                        count.add(&name, &bytes);
                    }
                }
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    first.get_or_insert(error);
                }
            }
        }
        if let Some(error) = first {
            return Err(error);
        }
        walk.copied += differed - walk.differed;
        (walk.count, walk.differed) = (count, differed);
        Ok(())
    }

    fn end_of_pass(&self, differed: u64) -> bool {
        let mut behind = self.behind.lock();
        behind.verified = differed == 0 && !behind.lost;
        behind.verified
    }

    /// Makes equal what is noted; how many names.
    pub(super) async fn catch_up(&self) -> Result<u64, MigrationError> {
        let sides = self.following_sides().await?;
        let noted = self.noted();
        for name in &noted {
            self.equalize(sides.leading, sides.following, name).await?;
        }
        Ok(noted.len() as u64)
    }

    pub(super) fn noted(&self) -> Vec<ObjectName> {
        self.behind.lock().names.iter().cloned().collect()
    }

    /// The sides, if one of them follows.
    async fn following_sides(&self) -> Result<Sides<'_>, MigrationError> {
        let sides = self.sides().await;
        if sides.following.is_some() {
            return Ok(sides);
        }
        drop(sides);
        Err(MigrationError::Phase {
            phase: self.standing().phase,
            wanted: "go on copying",
        })
    }

    /// The next names of either side, in order; whether they are the last.
    async fn next_names(
        &self,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<(BTreeSet<ObjectName>, bool), MigrationError> {
        let sides = self.following_sides().await?;
        let mut names = BTreeSet::new();
        let mut horizon: Option<ObjectName> = None;
        for side in [Some(sides.leading), sides.following].into_iter().flatten() {
            let page = names_of_vault(side, after, limit).await?;
            if let Some(last) = page.last().filter(|_| page.len() >= limit) {
                let nearer = horizon.as_ref().is_none_or(|horizon| last < horizon);
                if nearer {
                    horizon = Some(last.clone());
                }
            }
            names.extend(page);
        }
        if let Some(horizon) = &horizon {
            names.retain(|name| name <= horizon);
        }
        Ok((names, horizon.is_none()))
    }

    /// Makes the side that follows equal to the one that leads, on one name.
    pub(super) async fn equalize(
        &self,
        leading: &dyn StorageBackend,
        following: Option<&dyn StorageBackend>,
        name: &ObjectName,
    ) -> Result<Fate, MigrationError> {
        let _alone = self.alone(name).await;
        let Some(following) = following.filter(|_| !is_own(name)) else {
            self.behind.lock().names.remove(name);
            return Ok(Fate::default());
        };
        let wanted = leading.read(name).await?;
        let differed = following.read(name).await? != wanted;
        if differed {
            self.behind.lock().note(name);
            put(following, name, wanted.clone()).await?;
        }
        self.behind.lock().names.remove(name);
        Ok(Fate {
            differed,
            bytes: wanted,
        })
    }
}

/// What became of a name.
#[derive(Default)]
pub(super) struct Fate {
    differed: bool,
    bytes: Option<Vec<u8>>,
}

/// Writes or deletes, and reads again.
async fn put(
    side: &dyn StorageBackend,
    name: &ObjectName,
    wanted: Option<Vec<u8>>,
) -> Result<(), StorageError> {
    match wanted.clone() {
        Some(bytes) => side.write(name, bytes).await?,
        None => side.delete(name).await?,
    }
    if side.read(name).await? == wanted {
        return Ok(());
    }
    let cause = "what was written was not read back".to_owned();
    Err(StorageError::Unavailable { cause })
}

impl Walk {
    fn report(&self, now: u64, verified: bool) -> Step {
        Step {
            pass: self.pass,
            examined: self.count.objects(),
            differed: self.differed,
            now,
            verified,
            seen: self.last.clone(),
        }
    }

    /// Forgets how far the pass was: the next one begins at the beginning.
    pub(super) fn begin_again(&mut self) {
        (self.after, self.count, self.differed) = (None, Count::default(), 0);
    }

    fn progress(&self, verified: bool) -> Progress {
        let examined = self.count.objects();
        let total = self.tally.total();
        Progress {
            pass: self.pass,
            examined: match total {
                Some(total) if verified => total,
                _ => examined,
            },
            copied: self.copied,
            left: match total {
                _ if verified => Some(0),
                Some(total) => Some(total.saturating_sub(examined)),
                None => None,
            },
            proof: self.proof.clone(),
        }
    }
}
