//! Key-encryption keys on their way from the root key before to the one in force. The backend is
//! gone through in the order of its names, and each object replaced only if it is what was read, so
//! that a crash at any instant leaves every key openable: under the one or under the other. A pass
//! that finds nothing is the proof that the root key before can go, and then it goes.

use keyward_core::port::seal::{RootRewrap, RootRotation, SealFault};
use keyward_core::port::storage::{ObjectName, StorageError};
use keyward_crypto::record;

use super::hierarchy::Root;
use super::{Vault, layout, refused};
use crate::object_names;
use crate::seal::manifest::Manifest;

/// How often an object that changes meanwhile is looked at again.
const ATTEMPTS: usize = 4;

/// How far a pass is.
#[derive(Default)]
pub(super) struct Pass {
    after: Option<ObjectName>,
    /// Found under the root key before, in this pass.
    found: u64,
    seen: RootRewrap,
    /// Refused in the last whole pass: it is told until it is not so any more.
    refused: u64,
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
    pub(super) async fn rewrap_keks(&self, limit: usize) -> Result<Option<RootRewrap>, SealFault> {
        let hierarchy = self.unsealed()?;
        let Some(previous) = hierarchy.previous_root() else {
            return Ok(None);
        };
        let current = hierarchy.root();
        let after = self.pass.lock().after.clone();
        let names = self
            .backend
            .list(object_names::KEKS, after.as_ref(), limit)
            .await?;
        let (mut changed, mut failed) = (0, 0);
        for name in &names {
            match self.rewrap_kek(name, &previous, &current).await? {
                Fate::Left => {}
                Fate::Changed => changed += 1,
                Fate::Failed => failed += 1,
            }
        }
        let is_over = names.len() < limit;
        let (found, mut seen) = {
            let mut pass = self.pass.lock();
            pass.found += changed + failed;
            pass.seen.examined += names.len() as u64;
            pass.seen.changed += changed;
            pass.seen.failed += failed;
            pass.after = names.last().cloned();
            let answer = (pass.found, pass.seen);
            if is_over {
                pass.refused = pass.seen.failed;
                pass.after = None;
                pass.found = 0;
                (pass.seen.examined, pass.seen.failed) = (0, 0);
            }
            answer
        };
        if is_over && found == 0 {
            self.drop_previous().await?;
            *self.pass.lock() = Pass::default();
            seen.done = true;
        }
        Ok(Some(seen))
    }

    /// Nothing is under the root key before.
    async fn drop_previous(&self) -> Result<(), SealFault> {
        let _alone = self.changing.lock().await;
        let (loaded, _) = self.begin_change().await?;
        if loaded.manifest.previous.is_none() {
            return Ok(());
        }
        let mut after = Manifest::clone(&loaded.manifest);
        after.previous = None;
        self.replace_manifest(&loaded, after).await?;
        tracing::info!("no key-encryption key is under the root key before; it is gone");
        Ok(())
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
