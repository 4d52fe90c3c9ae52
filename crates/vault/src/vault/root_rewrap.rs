//! Key-encryption keys on their way from the root key before to the one in force. The backend is
//! gone through in the order of its names, and each object replaced only if it is what was read, so
//! that a crash at any instant leaves every key openable: under the one or under the other. A pass
//! that finds nothing, and after it every key that the registry names in its place, is the proof that
//! the root key before can go; it goes when that is asked for.

use keyward_core::ids::RecordId;
use keyward_core::port::seal::{RootRewrap, RootRotation, SealFault};
use keyward_core::port::storage::{ObjectName, StorageError};
use keyward_core::time::Timestamp;
use keyward_crypto::record::{self, KekRef};

use super::hierarchy::Root;
use super::seals::root_ref;
use super::{Vault, layout, refused};
use crate::object_names;
use crate::seal::manifest::Manifest;

/// How often an object that changes meanwhile is looked at again.
const ATTEMPTS: usize = 4;

/// The root key before, and the one that came into force after it. A pass proves something of
/// exactly these two: another node may rotate on in the middle of it.
type Rotated = (KekRef, KekRef);

/// How far a pass is.
#[derive(Default)]
pub(super) struct Pass {
    of: Option<Rotated>,
    place: Place,
    /// Found under the root key before, in this pass.
    found: u64,
    seen: RootRewrap,
    /// Refused in the last whole pass: it is told until it is not so any more.
    refused: u64,
    /// Whether it was proven while the root key before is still kept for other nodes.
    waits: bool,
}

/// Where a pass goes on.
#[derive(Clone, PartialEq, Eq)]
enum Place {
    /// With what is stored behind this name.
    Stored(Option<ObjectName>),
    /// With what the registry names behind this record: what is not in the storage is not found
    /// there, and may still be put back.
    Named(Option<RecordId>),
    /// Nowhere: it has gone over everything and found nothing.
    Proven,
}

impl Default for Place {
    fn default() -> Self {
        Self::Stored(None)
    }
}

impl Pass {
    /// Goes on with the pass over the keys of this rotation. Of another one nothing is known yet.
    fn resume(&mut self, of: Rotated) {
        if self.of != Some(of) {
            *self = Self {
                of: Some(of),
                ..Self::default()
            };
        }
    }

    /// Takes in a slice and what comes after it; what was seen.
    fn take(&mut self, slice: RootRewrap, next: Place) -> RootRewrap {
        self.found += slice.changed + slice.failed;
        self.seen.examined += slice.examined;
        self.seen.changed += slice.changed;
        self.seen.failed += slice.failed;
        // What was found may have been made to follow: the next pass looks whether it was.
        let begins_anew = self.found > 0 && matches!(next, Place::Named(None) | Place::Proven);
        let done = next == Place::Proven && !begins_anew;
        let seen = RootRewrap { done, ..self.seen };
        self.place = if begins_anew { Place::default() } else { next };
        if begins_anew || done {
            self.refused = self.seen.failed;
            self.found = 0;
            (self.seen.examined, self.seen.failed) = (0, 0);
        }
        seen
    }

    /// The rotation of which nothing is left to do.
    fn proven(&self) -> Option<Rotated> {
        let is_proven = self.place == Place::Proven && !self.waits;
        self.of.filter(|_| is_proven)
    }

    /// What is still kept for other nodes does not go; when it is kept no more it is proven again.
    fn keep(&mut self, is_kept: bool) {
        if self.waits && !is_kept {
            self.place = Place::default();
        }
        self.waits = is_kept;
    }
}

/// What became of one object.
enum Fate {
    Left,
    Changed,
    Failed,
}

impl Vault {
    /// How far the way to the root key in force is.
    pub(super) fn with_progress(&self, rotation: RootRotation) -> RootRotation {
        match rotation {
            RootRotation::Rewrapping { previous, .. } => {
                let pass = self.pass.lock();
                let failed = pass.refused.max(pass.seen.failed);
                let seen = RootRewrap {
                    failed,
                    ..pass.seen
                };
                RootRotation::Rewrapping { previous, seen }
            }
            collecting @ RootRotation::Collecting { .. } => collecting,
        }
    }

    /// See [`keyward_core::port::seal::SealKeeping::rewrap_under_root`].
    pub(super) async fn rewrap_keks(
        &self,
        limit: usize,
        now: Timestamp,
    ) -> Result<Option<RootRewrap>, SealFault> {
        self.unsealed()?;
        self.follow_if_changed().await?;
        let (current, previous) = self.unsealed()?.roots();
        let Some(previous) = previous else {
            // Whatever was found out before is of a rotation that is over.
            *self.pass.lock() = Pass::default();
            return Ok(None);
        };
        let of = (previous.name, current.name);
        let is_kept = self.is_previous_kept(now);
        let place = {
            let mut pass = self.pass.lock();
            pass.resume(of);
            pass.keep(is_kept);
            pass.place.clone()
        };
        let (slice, next) = match &place {
            Place::Stored(after) => {
                self.rewrap_stored(after.as_ref(), limit, &previous, &current)
                    .await?
            }
            Place::Named(after) => self.look_at_named(*after, limit, &current).await?,
            Place::Proven => (RootRewrap::default(), Place::Proven),
        };
        let mut pass = self.pass.lock();
        if pass.of != Some(of) || pass.place != place {
            // Somebody else went on meanwhile: this slice says nothing of where the pass is now.
            return Ok(Some(slice));
        }
        let mut seen = pass.take(slice, next);
        seen.waits = seen.done && is_kept;
        seen.done &= !is_kept;
        Ok(Some(seen))
    }

    /// Whether the root key before stays for nodes that may not have heard of the rotation yet.
    fn is_previous_kept(&self, now: Timestamp) -> bool {
        let seals = self.seals.read();
        let previous = seals.manifest().and_then(|it| it.previous.as_ref());
        let committed_at = previous.and_then(|it| it.committed_at);
        // Nodes' clocks differ a little; one that was years off must not keep it for years.
        committed_at.is_some_and(|at| now.seconds_since(at).abs() < self.previous_root_seconds)
    }

    /// Goes over a slice of the stored key-encryption keys; what comes after it.
    async fn rewrap_stored(
        &self,
        after: Option<&ObjectName>,
        limit: usize,
        previous: &Root,
        current: &Root,
    ) -> Result<(RootRewrap, Place), StorageError> {
        let names = self.backend.list(object_names::KEKS, after, limit).await?;
        let mut slice = RootRewrap {
            examined: names.len() as u64,
            ..RootRewrap::default()
        };
        for name in &names {
            match self.rewrap_kek(name, previous, current).await? {
                Fate::Left => {}
                Fate::Changed => slice.changed += 1,
                Fate::Failed => slice.failed += 1,
            }
        }
        let next = if names.len() < limit {
            Place::Named(None)
        } else {
            Place::Stored(names.last().cloned())
        };
        Ok((slice, next))
    }

    /// Goes over a slice of the key-encryption keys that the registry names: each must be there, and
    /// open with the root key in force. What comes after it.
    async fn look_at_named(
        &self,
        after: Option<RecordId>,
        limit: usize,
        current: &Root,
    ) -> Result<(RootRewrap, Place), StorageError> {
        let rows = self.ledger.live_keks(after, limit).await?;
        let mut slice = RootRewrap::default();
        for row in &rows {
            match self.ensure_under(row, current).await {
                Ok(()) => {}
                Err(error @ (StorageError::Missing | StorageError::Refused(_))) => {
                    let key = object_names::tenant_kek(row)?;
                    tracing::error!(
                        key = key.as_str(),
                        %error,
                        "a key-encryption key that the registry names does not open"
                    );
                    slice.failed += 1;
                }
                Err(error) => return Err(error),
            }
        }
        let next = if rows.len() < limit {
            Place::Proven
        } else {
            Place::Named(rows.last().map(|last| last.record))
        };
        Ok((slice, next))
    }

    /// The root key before goes, if nothing is under it and the rotation in force is the one of
    /// which that was proven. Whether it did.
    pub(super) async fn drop_previous(&self) -> Result<bool, SealFault> {
        let _alone = self.changing.lock().await;
        let Some(of) = self.pass.lock().proven() else {
            return Ok(false);
        };
        let dropped = self.drop_previous_of(of).await;
        // A proof is used once, whatever became of it.
        *self.pass.lock() = Pass::default();
        dropped
    }

    async fn drop_previous_of(&self, of: Rotated) -> Result<bool, SealFault> {
        let (loaded, _) = self.begin_change().await?;
        let manifest = &loaded.manifest;
        let previous = manifest.previous.as_ref();
        let stored = previous.map(|it| (root_ref(it.root_key), root_ref(manifest.root_key)));
        if stored != Some(of) {
            return Ok(false);
        }
        let mut after = Manifest::clone(manifest);
        after.previous = None;
        self.replace_manifest(&loaded, after).await?;
        tracing::info!("no key-encryption key is under the root key before; it is gone");
        Ok(true)
    }

    async fn rewrap_kek(
        &self,
        name: &ObjectName,
        previous: &Root,
        current: &Root,
    ) -> Result<Fate, StorageError> {
        for _ in 0..ATTEMPTS {
            let Some(object) = self.backend.read(name).await? else {
                return Ok(Fate::Left);
            };
            let replaced = match self.under_current(&object, previous, current) {
                Ok(Some(replaced)) => replaced,
                Ok(None) => return Ok(Fate::Left),
                Err(error) => {
                    tracing::error!(key = name.as_str(), %error, "a key-encryption key was refused");
                    return Ok(Fate::Failed);
                }
            };
            match self.backend.compare_and_swap(name, &object, replaced).await {
                Ok(()) => return Ok(Fate::Changed),
                // Somebody else was faster: it is looked at again.
                Err(StorageError::Conflict | StorageError::Missing) => {}
                Err(error) => return Err(error),
            }
        }
        tracing::error!(
            key = name.as_str(),
            "a key-encryption key changes all the time"
        );
        Ok(Fate::Failed)
    }

    /// The object with its outer header under the root key in force, if it is not there yet.
    fn under_current(
        &self,
        object: &[u8],
        previous: &Root,
        current: &Root,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let (outer, core) = layout::split(object)?;
        let named = record::peek_outer(outer).map_err(refused)?;
        if named == current.name {
            return Ok(None);
        }
        let (_, digest) = record::peek_core(core).map_err(refused)?;
        // One that names neither is refused here: nothing is given up that somebody may still mend.
        let mut replaced = record::rewrap(
            outer,
            &digest,
            &previous.key,
            &current.key,
            current.name,
            &*self.random,
        )
        .map_err(refused)?;
        replaced.extend_from_slice(core);
        Ok(Some(replaced))
    }
}
