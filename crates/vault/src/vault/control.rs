//! Sealing and unsealing. One lock holds what a node knows of its seals: what is stored of them,
//! the shares given so far, and, while unsealed, the keys themselves.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use keyward_core::port::seal::{SealControl, SealStatus, UnsealError};
use keyward_core::port::storage::{StorageBackend, StorageError};
use keyward_crypto::record::{KekRef, RecordError};

use super::Vault;
use super::hierarchy::OpenHierarchy;
use crate::object_names::named;
use crate::seal::SealError;
use crate::seal::key_file::{self, KeyFileSeal};
use crate::seal::manifest::{Manifest, SealKind};
use crate::seal::shares::SharesSeal;

/// The seals of a deployment and how they stand.
#[derive(Default)]
pub(super) struct Seals {
    /// The root key under the key file, as stored.
    key_file: Option<Vec<u8>>,
    shares: Option<SharesSeal>,
    open: Option<Arc<OpenHierarchy>>,
}

impl Seals {
    /// Reads the seals that the manifest names.
    pub(super) async fn load(
        backend: &dyn StorageBackend,
        manifest: &Manifest,
    ) -> Result<Self, SealError> {
        let mut seals = Self::default();
        if let Some(entry) = manifest.seal(SealKind::KeyFile) {
            let stored = backend.read(&named(&entry.object)?).await?;
            seals.key_file = Some(stored.ok_or(SealError::Damaged {
                what: "the seal of the key file",
            })?);
        }
        if let Some(entry) = manifest.seal(SealKind::Shares) {
            let stored = backend.read(&named(&entry.object)?).await?;
            let stored = stored.ok_or(SealError::Damaged {
                what: "the seal of the shares",
            })?;
            seals.shares = Some(SharesSeal::parse(&stored)?);
        }
        Ok(seals)
    }

    pub(super) fn hierarchy(&self) -> Option<Arc<OpenHierarchy>> {
        self.open.clone()
    }
}

impl Vault {
    /// Opens the seal with its key file.
    ///
    /// # Errors
    /// [`SealError::NotInitialized`], [`SealError::NoKeyFileSeal`], [`SealError::WrongKeyFile`],
    /// [`SealError::Damaged`], and those of reading the file.
    pub fn unseal_with_key_file(&self, path: &Path) -> Result<SealStatus, SealError> {
        let manifest = self.manifest.as_ref().ok_or(SealError::NotInitialized)?;
        {
            let mut seals = self.seals.write();
            let stored = seals.key_file.as_ref().ok_or(SealError::NoKeyFileSeal)?;
            if seals.open.is_none() {
                let sealing_key = key_file::read(path)?;
                let root = KeyFileSeal::open(
                    stored,
                    &sealing_key,
                    manifest.deployment,
                    manifest.root_key,
                )?;
                seals.open = Some(OpenHierarchy::new(root, root_ref(manifest)));
                self.is_open.store(true, Ordering::Release);
            }
        }
        Ok(self.status())
    }
}

#[async_trait]
impl SealControl for Vault {
    fn status(&self) -> SealStatus {
        let seals = self.seals.read();
        let shares = seals.shares.as_ref();
        let kinds = self.manifest.iter().flat_map(|manifest| &manifest.seals);
        SealStatus {
            initialized: self.manifest.is_some(),
            sealed: seals.open.is_none(),
            seals: kinds.map(|entry| entry.kind.name().to_owned()).collect(),
            threshold: shares.map(SharesSeal::threshold),
            total: shares.map(SharesSeal::total),
            progress: shares.map_or(0, SharesSeal::progress),
        }
    }

    fn is_sealed(&self) -> bool {
        !self.is_open.load(Ordering::Acquire)
    }

    async fn submit_share(&self, share: &str) -> Result<SealStatus, UnsealError> {
        let manifest = self.manifest.as_ref().ok_or(UnsealError::NotInitialized)?;
        {
            let mut seals = self.seals.write();
            let already_open = seals.open.is_some();
            let shares = seals.shares.as_mut().ok_or(UnsealError::NoShares)?;
            if !already_open && shares.take(share)? {
                let root = shares
                    .open(manifest.deployment, manifest.root_key)
                    .map_err(|error| seal_refused(&error))?;
                seals.open = Some(OpenHierarchy::new(root, root_ref(manifest)));
                self.is_open.store(true, Ordering::Release);
            }
        }
        Ok(self.status())
    }

    fn reset_shares(&self) {
        if let Some(shares) = &mut self.seals.write().shares {
            shares.reset();
        }
    }

    fn seal(&self) {
        let mut seals = self.seals.write();
        self.is_open.store(false, Ordering::Release);
        // The last holder of the keys zeroizes them: this one, or an operation that still runs.
        seals.open = None;
        if let Some(shares) = &mut seals.shares {
            shares.reset();
        }
    }
}

fn root_ref(manifest: &Manifest) -> KekRef {
    KekRef {
        id: manifest.root_key.id,
        version: manifest.root_key.version,
    }
}

/// Genuine shares that do not open the seal: what is stored of it was altered.
fn seal_refused(error: &SealError) -> UnsealError {
    tracing::error!(%error, "the seal did not open with enough genuine shares");
    UnsealError::Storage(StorageError::Refused(RecordError::Altered))
}
