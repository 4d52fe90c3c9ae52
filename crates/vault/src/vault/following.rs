//! This node's view of the seals, brought up to what is stored: another node may have changed them,
//! or put another root key in force.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use keyward_core::port::seal::{SealControl as _, SealFault, SealKind};
use keyward_core::port::storage::StorageError;
use keyward_crypto::record::{KekRef, RecordError};

use super::hierarchy::Root;
use super::seal_fault::{fault, of_storage};
use super::seals::{Loaded, Seals, root_ref};
use super::{Vault, refused};
use crate::object_names;
use crate::seal::manifest::Manifest;
use crate::seal::wrapped_root::unwrap_root_under_root;

impl Vault {
    /// The manifest as it is stored, and this node's view brought up to it.
    pub(super) async fn read_again(&self) -> Result<Loaded, SealFault> {
        let now = Seals::load(&*self.backend).await.map_err(of_storage)?;
        let loaded = now.loaded().cloned();
        let loaded = loaded.ok_or(SealFault::Damaged {
            what: "the manifest is gone",
        })?;
        self.seals.write().take_over(now);
        self.follow_root(&loaded)?;
        Ok(loaded)
    }

    /// The same, if what is stored is another manifest than this node knows.
    pub(super) async fn follow_if_changed(&self) -> Result<(), StorageError> {
        let stored = self.backend.read(&object_names::root_manifest()?).await?;
        let is_known = {
            let seals = self.seals.read();
            let known = seals.loaded().map(|loaded| &*loaded.bytes);
            known == stored.as_ref()
        };
        if is_known {
            return Ok(());
        }
        self.follow().await
    }

    /// Brings this node up to the root key in force, which another one may have put there.
    pub(super) async fn follow(&self) -> Result<(), StorageError> {
        // Not beside a change of this node's own: what was read before it would be taken for news.
        let _alone = self.changing.lock().await;
        match self.read_again().await {
            Ok(_) => Ok(()),
            Err(SealFault::Storage(error)) => Err(error),
            Err(error) => {
                tracing::error!(%error, "the seals cannot be read");
                Err(refused(RecordError::Altered))
            }
        }
    }

    /// The root key in force, as it is stored.
    pub(super) async fn stored_root(&self) -> Result<KekRef, StorageError> {
        let stored = self.backend.read(&object_names::root_manifest()?).await?;
        let altered = || refused(RecordError::Altered);
        let manifest = Manifest::parse(&stored.ok_or_else(altered)?).map_err(|_| altered())?;
        Ok(root_ref(manifest.root_key))
    }

    fn follow_root(&self, loaded: &Loaded) -> Result<(), SealFault> {
        let manifest = &loaded.manifest;
        let Ok(hierarchy) = self.unsealed() else {
            return Ok(());
        };
        let root = hierarchy.root();
        let name = root_ref(manifest.root_key);
        if root.name == name {
            if manifest.previous.is_none() && hierarchy.previous_root().is_some() {
                hierarchy.set_roots(root, None);
            }
            return Ok(());
        }
        match &manifest.previous {
            Some(previous) if root_ref(previous.root_key) == root.name => {
                let key = unwrap_root_under_root(
                    manifest.deployment,
                    (&previous.current_under_it, manifest.root_key),
                    (&root.key, previous.root_key),
                );
                let key = key.map_err(|error| fault(SealKind::KeyFile, error))?;
                hierarchy.set_roots(Root::new(name, key), Some(root));
                tracing::info!(root_key = %name.id, "the root key was rotated by another node");
            }
            _ => {
                // Opening again is for whoever writes it down.
                tracing::warn!("the root key in memory is in force no more: sealed");
                self.seal();
                self.is_outdated.store(true, Ordering::Release);
            }
        }
        Ok(())
    }

    /// What a change begins with: unsealed, and the manifest as it is stored.
    pub(super) async fn begin_change(&self) -> Result<(Loaded, Arc<Root>), SealFault> {
        self.unsealed()?;
        let loaded = self.read_again().await?;
        let root = self.unsealed()?.root();
        Ok((loaded, root))
    }

    /// The same, unless a rotation of the root key collects its parts.
    pub(super) async fn begin_change_of_seals(&self) -> Result<(Loaded, Arc<Root>), SealFault> {
        let (loaded, root) = self.begin_change().await?;
        if loaded.manifest.next.is_some() {
            return Err(SealFault::RotationUnderWay);
        }
        Ok((loaded, root))
    }
}
