//! Sealing and unsealing: by a key file, by whatever this node has, by people's shares, by a
//! passphrase. Whichever seal opens, what comes into memory is the same.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use keyward_core::port::seal::{SealControl, SealKind, SealStatus, UnsealError, UnsealTry};
use keyward_core::port::storage::StorageError;
use keyward_crypto::SecretBytes;
use keyward_crypto::keywrap::Kek;
use keyward_crypto::record::RecordError;
use uuid::Uuid;

use super::Vault;
use super::hierarchy::{OpenHierarchy, Root};
use super::seals::{Seals, root_ref};
use crate::seal::SealError;
use crate::seal::access::SealToOpen;
use crate::seal::key_file;
use crate::seal::manifest::Manifest;
use crate::seal::passphrase::PassphraseSeal;
use crate::seal::shares::SharesSeal;
use crate::seal::stored::StoredSeal;
use crate::seal::wrapped_root::unwrap_root_under_root;

impl Vault {
    /// Opens the seal with its key file.
    ///
    /// # Errors
    /// [`SealError::NotInitialized`], [`SealError::NoKeyFileSeal`], [`SealError::WrongKeyFile`],
    /// [`SealError::Damaged`], and those of reading the file.
    pub fn unseal_with_key_file(&self, path: &Path) -> Result<SealStatus, SealError> {
        {
            let mut seals = self.seals.write();
            let manifest = seals.manifest().ok_or(SealError::NotInitialized)?;
            let of_files = seals
                .counting()
                .filter(|seal| seal.kind() == SealKind::KeyFile);
            let mut of_files = of_files.peekable();
            of_files.peek().ok_or(SealError::NoKeyFileSeal)?;
            if seals.open.is_none() {
                let key = key_file::read(path)?;
                let mut opened = Err(SealError::WrongKeyFile);
                for seal in of_files {
                    match &seal.stored {
                        Ok(stored) => {
                            opened = stored.open(&key, manifest.deployment, manifest.root_key);
                        }
                        Err(what) => opened = Err(SealError::Damaged { what }),
                    }
                    if opened.is_ok() {
                        break;
                    }
                }
                let hierarchy = hierarchy_of(manifest, opened?)?;
                self.keep_open(&mut seals, hierarchy);
            }
        }
        Ok(self.status())
    }

    /// From here on the keys are in memory.
    fn keep_open(&self, seals: &mut Seals, hierarchy: Arc<OpenHierarchy>) {
        seals.open = Some(hierarchy);
        seals.reset_shares();
        self.is_outdated.store(false, Ordering::Release);
        self.is_open.store(true, Ordering::Release);
    }

    /// Opens with a root key that came out of a seal.
    pub(super) fn open_with(&self, root: Kek) -> Result<(), SealError> {
        let mut seals = self.seals.write();
        let manifest = seals.manifest().ok_or(SealError::NotInitialized)?;
        let hierarchy = hierarchy_of(manifest, root)?;
        if seals.open.is_none() {
            self.keep_open(&mut seals, hierarchy);
        }
        Ok(())
    }

    /// Opens with the root key that another vault of the same deployment has in memory: for a copy
    /// that is looked at and thrown away, whose seals need people.
    ///
    /// # Errors
    /// [`SealError::NotInitialized`]; [`SealError::Damaged`] if the other one has another root key, or
    /// none in memory.
    pub fn unseal_like(&self, other: &Self) -> Result<(), SealError> {
        let live = other.seals.read().hierarchy();
        let mut seals = self.seals.write();
        let manifest = seals.manifest().ok_or(SealError::NotInitialized)?;
        let wanted = root_ref(manifest.root_key);
        let roots = live
            .iter()
            .flat_map(|live| [Some(live.root()), live.previous_root()]);
        let mut roots = roots.flatten();
        let root = roots.find(|root| root.name == wanted);
        let root = root.ok_or(SealError::Damaged {
            what: "the root key: another one is in memory",
        })?;
        let hierarchy = hierarchy_under(manifest, root)?;
        if seals.open.is_none() {
            self.keep_open(&mut seals, hierarchy);
        }
        Ok(())
    }

    /// What a seal that needs nobody unwraps to.
    pub(super) async fn unwrap_by_itself(
        &self,
        kind: SealKind,
        seal: &SealToOpen,
        manifest: &Manifest,
    ) -> Result<Kek, SealError> {
        let deployment = manifest.deployment;
        let key = self.access.sealing_key(kind, seal, deployment).await?;
        seal.open(&key, deployment, manifest.root_key)
    }

    /// Tries every seal that needs nobody, and keeps nothing open.
    pub async fn try_every_seal(&self) -> Vec<UnsealTry> {
        let loaded = self.seals.read().loaded().cloned();
        let Some(loaded) = loaded else {
            return Vec::new();
        };
        let mut tries = Vec::new();
        for (seal, kind, to_open) in self.openable() {
            let opened = match &to_open {
                Ok(to_open) => self.unwrap_by_itself(kind, to_open, &loaded.manifest).await,
                Err(what) => Err(SealError::Damaged { what }),
            };
            let failure = opened.err().map(|error| error.to_string());
            tries.push(UnsealTry {
                seal,
                kind,
                failure,
            });
        }
        tries
    }

    /// The seals that need nobody, as they are to be tried.
    fn openable(&self) -> Vec<(Uuid, SealKind, Result<SealToOpen, &'static str>)> {
        let seals = self.seals.read();
        let automatic = seals.counting().filter(|seal| seal.kind().is_automatic());
        automatic
            .filter_map(|seal| {
                let to_open = match &seal.stored {
                    Ok(stored) => Ok(SealToOpen::of(stored)?),
                    Err(what) => Err(*what),
                };
                Some((seal.entry.id(), seal.kind(), to_open))
            })
            .collect()
    }
}

/// The root key, and the one before while key-encryption keys are still under it.
fn hierarchy_of(manifest: &Manifest, root: Kek) -> Result<Arc<OpenHierarchy>, SealError> {
    hierarchy_under(manifest, Root::new(root_ref(manifest.root_key), root))
}

fn hierarchy_under(manifest: &Manifest, root: Arc<Root>) -> Result<Arc<OpenHierarchy>, SealError> {
    let previous = match &manifest.previous {
        None => None,
        Some(previous) => {
            let key = unwrap_root_under_root(
                manifest.deployment,
                (&previous.under_current, previous.root_key),
                (&root.key, manifest.root_key),
            )?;
            Some(Root::new(root_ref(previous.root_key), key))
        }
    };
    Ok(OpenHierarchy::new(root, previous))
}

#[async_trait]
impl SealControl for Vault {
    fn status(&self) -> SealStatus {
        let seals = self.seals.read();
        let shares = seals.shares().next();
        SealStatus {
            initialized: seals.manifest().is_some(),
            sealed: seals.open.is_none(),
            seals: seals
                .counting()
                .map(|seal| seal.kind().name().to_owned())
                .collect(),
            threshold: shares.map(SharesSeal::threshold),
            total: shares.map(SharesSeal::total),
            progress: seals.shares().map(SharesSeal::progress).max().unwrap_or(0),
        }
    }

    fn is_sealed(&self) -> bool {
        !self.is_open.load(Ordering::Acquire)
    }

    async fn unseal_automatically(&self) -> Result<Vec<UnsealTry>, StorageError> {
        let manifest = {
            let seals = self.seals.read();
            seals.loaded().map(|loaded| loaded.manifest.clone())
        };
        let mut tries = Vec::new();
        let Some(manifest) = manifest else {
            return Ok(tries);
        };
        for (seal, kind, to_open) in self.openable() {
            let opened = match &to_open {
                Ok(to_open) => self.unwrap_by_itself(kind, to_open, &manifest).await,
                Err(what) => Err(SealError::Damaged { what }),
            };
            let failure = match opened.and_then(|root| self.open_with(root)) {
                Ok(()) => None,
                Err(error) => Some(error.to_string()),
            };
            let is_open = failure.is_none();
            tries.push(UnsealTry {
                seal,
                kind,
                failure,
            });
            if is_open {
                break;
            }
        }
        Ok(tries)
    }

    async fn submit_share(&self, share: &str) -> Result<SealStatus, UnsealError> {
        {
            let mut seals = self.seals.write();
            let manifest = seals.loaded().map(|loaded| loaded.manifest.clone());
            let manifest = manifest.ok_or(UnsealError::NotInitialized)?;
            let already_open = seals.open.is_some();
            let of_this_set = seals.shares().position(|set| set.knows(share));
            let shares = seals.shares_mut().nth(of_this_set.unwrap_or(0));
            let shares = shares.ok_or(UnsealError::NoShares)?;
            if !already_open && shares.take(share)? {
                let root = shares
                    .combine()
                    .and_then(|key| shares.open(&key, manifest.deployment, manifest.root_key));
                let hierarchy = root
                    .and_then(|root| hierarchy_of(&manifest, root))
                    .map_err(|error| seal_refused(&error))?;
                self.keep_open(&mut seals, hierarchy);
            }
        }
        Ok(self.status())
    }

    async fn submit_passphrase(&self, passphrase: SecretBytes) -> Result<SealStatus, UnsealError> {
        // One at a time: each takes its memory.
        let _alone = self.changing.lock().await;
        let (manifest, seals) = {
            let seals = self.seals.read();
            let manifest = seals.loaded().map(|loaded| loaded.manifest.clone());
            let found: Vec<PassphraseSeal> = seals
                .counting()
                .filter_map(|seal| match &seal.stored {
                    Ok(StoredSeal::Passphrase(seal)) => Some(seal.clone()),
                    _ => None,
                })
                .collect();
            (manifest.ok_or(UnsealError::NotInitialized)?, found)
        };
        if seals.is_empty() {
            return Err(UnsealError::NoPassphrase);
        }
        if !self.is_sealed() {
            return Ok(self.status());
        }
        let passphrase = Arc::new(passphrase);
        let mut damaged = None;
        for seal in seals {
            let key = derived(&seal, &passphrase).await;
            let root = key.and_then(|key| seal.open(&key, manifest.deployment, manifest.root_key));
            match root.and_then(|root| self.open_with(root)) {
                Ok(()) => return Ok(self.status()),
                Err(SealError::WrongPassphrase | SealError::Crypto(_)) => {}
                // Another one may be sound, and this its passphrase.
                Err(error) => damaged = Some(seal_refused(&error)),
            }
        }
        Err(damaged.unwrap_or(UnsealError::WrongPassphrase))
    }

    fn reset_shares(&self) {
        self.seals.write().reset_shares();
    }

    fn seal(&self) {
        let mut seals = self.seals.write();
        self.is_open.store(false, Ordering::Release);
        self.is_outdated.store(false, Ordering::Release);
        // The last holder of the keys zeroizes them: this one, or an operation that still runs.
        seals.open = None;
        seals.reset_shares();
    }
}

/// The sealing key of a passphrase, made on a thread that nobody waits on.
pub(super) async fn derived(
    seal: &PassphraseSeal,
    passphrase: &Arc<SecretBytes>,
) -> Result<SecretBytes, SealError> {
    let (seal, passphrase) = (seal.clone(), Arc::clone(passphrase));
    let derived = tokio::task::spawn_blocking(move || seal.sealing_key(&passphrase)).await;
    derived.map_err(|_| SealError::Damaged {
        what: "the thread that makes keys of passphrases",
    })?
}

/// Genuine shares, or the right passphrase, that do not open the seal: what is stored of it was
/// altered.
fn seal_refused(error: &SealError) -> UnsealError {
    tracing::error!(%error, "the seal did not open with what it was made for");
    UnsealError::Storage(StorageError::Refused(RecordError::Altered))
}
