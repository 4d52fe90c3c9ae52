//! The manifest and the seals it names, as this node knows them: what is stored of each, the shares
//! given so far, how it stood when it was last unwrapped; and, while unsealed, the keys themselves.

use std::sync::Arc;

use keyward_core::port::seal::{RootRotation, SealInfo, SealKind, SealOverview, SealStanding};
use keyward_core::port::storage::StorageBackend;
use keyward_crypto::record::KekRef;
use uuid::Uuid;

use super::hierarchy::OpenHierarchy;
use crate::object_names::{named, root_manifest};
use crate::seal::SealError;
use crate::seal::manifest::{Manifest, RootKeyName, SealEntry};
use crate::seal::shares::SharesSeal;
use crate::seal::stored::StoredSeal;

/// How often the manifest is read again when a seal that it names was gone meanwhile.
const ATTEMPTS: usize = 4;

/// A manifest and its bytes, by which it is replaced.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) manifest: Arc<Manifest>,
    pub(super) bytes: Arc<Vec<u8>>,
}

/// One seal.
pub(super) struct LoadedSeal {
    pub(super) entry: SealEntry,
    /// What is stored of it, or which part of that is damaged.
    pub(super) stored: Result<StoredSeal, &'static str>,
    pub(super) standing: SealStanding,
}

/// The seals of a deployment and how they stand.
#[derive(Default)]
pub(super) struct Seals {
    loaded: Option<Loaded>,
    pub(super) list: Vec<LoadedSeal>,
    pub(super) open: Option<Arc<OpenHierarchy>>,
}

impl Seals {
    /// Reads the manifest and the seals that it names. A damaged seal does not keep the others.
    pub(super) async fn load(backend: &dyn StorageBackend) -> Result<Self, SealError> {
        let mut attempt = 1;
        loop {
            let Some(bytes) = backend.read(&root_manifest()?).await? else {
                return Ok(Self::default());
            };
            let manifest = Manifest::parse(&bytes)?;
            let mut list = Vec::with_capacity(manifest.seals.len());
            for entry in &manifest.seals {
                list.push(LoadedSeal::read(backend, entry).await?);
            }
            let is_gone = |seal: &LoadedSeal| matches!(seal.stored, Err(GONE));
            // Replaced between the two readings: the manifest names another object by now.
            if attempt < ATTEMPTS && list.iter().any(is_gone) {
                attempt += 1;
                continue;
            }
            return Ok(Self {
                loaded: Some(Loaded {
                    manifest: Arc::new(manifest),
                    bytes: Arc::new(bytes),
                }),
                list,
                open: None,
            });
        }
    }

    /// With every seal damaged nothing can be opened: said before anybody waits for shares.
    pub(super) fn ensure_one_is_readable(&self) -> Result<(), SealError> {
        let damaged = |seal: &LoadedSeal| seal.stored.as_ref().err().copied();
        match self.list.first().and_then(damaged) {
            Some(what) if self.list.iter().all(|seal| seal.stored.is_err()) => {
                Err(SealError::Damaged { what })
            }
            _ => Ok(()),
        }
    }

    /// Takes over what was read now, and keeps what is known of seals that did not change.
    pub(super) fn take_over(&mut self, now: Self) {
        let mut before = std::mem::take(&mut self.list);
        self.loaded = now.loaded;
        self.list = now.list;
        for seal in &mut self.list {
            let same = before
                .iter()
                .position(|old| old.entry.object == seal.entry.object);
            let Some(old) = same.map(|at| before.swap_remove(at)) else {
                continue;
            };
            seal.standing = old.standing;
            if let (Ok(StoredSeal::Shares(new)), Ok(StoredSeal::Shares(old))) =
                (&mut seal.stored, old.stored)
            {
                new.take_over(old);
            }
        }
    }

    pub(super) fn loaded(&self) -> Option<&Loaded> {
        self.loaded.as_ref()
    }

    pub(super) fn manifest(&self) -> Option<&Manifest> {
        self.loaded.as_ref().map(|loaded| &*loaded.manifest)
    }

    pub(super) fn hierarchy(&self) -> Option<Arc<OpenHierarchy>> {
        self.open.clone()
    }

    pub(super) fn find(&self, id: Uuid) -> Option<&LoadedSeal> {
        self.list.iter().find(|seal| seal.entry.id() == id)
    }

    pub(super) fn find_mut(&mut self, id: Uuid) -> Option<&mut LoadedSeal> {
        self.list.iter_mut().find(|seal| seal.entry.id() == id)
    }

    /// The seals that count, in the order in which they are tried.
    pub(super) fn counting(&self) -> impl Iterator<Item = &LoadedSeal> {
        self.list.iter().filter(|seal| !seal.entry.pending)
    }

    /// The seals of shares that count.
    pub(super) fn shares(&self) -> impl Iterator<Item = &SharesSeal> {
        self.counting()
            .filter_map(|seal| seal.stored.as_ref().ok()?.shares())
    }

    /// The same, to be given to.
    pub(super) fn shares_mut(&mut self) -> impl Iterator<Item = &mut SharesSeal> {
        self.list
            .iter_mut()
            .filter(|seal| !seal.entry.pending)
            .filter_map(|seal| seal.stored.as_mut().ok()?.shares_mut())
    }

    /// Forgets every share given so far.
    pub(super) fn reset_shares(&mut self) {
        for seal in &mut self.list {
            if let Ok(StoredSeal::Shares(shares)) = &mut seal.stored {
                shares.reset();
            }
        }
    }

    /// What may be told of one seal.
    pub(super) fn info(&self, id: Uuid) -> Option<SealInfo> {
        let manifest = self.manifest()?;
        self.find(id).map(|seal| seal.info(manifest))
    }

    /// What may be told of all of them.
    pub(super) fn overview(&self) -> Option<SealOverview> {
        let manifest = self.manifest()?;
        let rotation = match (&manifest.next, &manifest.previous) {
            (Some(next), _) => Some(RootRotation::Collecting {
                next: next.root_key.id,
                missing: missing_parts(manifest).collect(),
            }),
            (None, Some(previous)) => Some(RootRotation::Rewrapping {
                previous: previous.root_key.id,
                seen: keyward_core::port::seal::RootRewrap::default(),
            }),
            (None, None) => None,
        };
        Some(SealOverview {
            root_key: manifest.root_key.id,
            root_key_version: manifest.root_key.version,
            seals: self.list.iter().map(|seal| seal.info(manifest)).collect(),
            rotation,
        })
    }
}

/// The seals that hold the root key in force and not yet the next one.
pub(super) fn missing_parts(manifest: &Manifest) -> impl Iterator<Item = Uuid> {
    let parts = manifest.next.iter().flat_map(|next| &next.seals);
    let have: Vec<Uuid> = parts.map(SealEntry::id).collect();
    manifest
        .counting()
        .map(SealEntry::id)
        .filter(move |id| !have.contains(id))
}

/// The name of a root key in outer headers.
pub(super) const fn root_ref(name: RootKeyName) -> KekRef {
    name.as_kek()
}

const GONE: &str = "the seal is not in the storage";

impl LoadedSeal {
    async fn read(backend: &dyn StorageBackend, entry: &SealEntry) -> Result<Self, SealError> {
        let stored = match backend.read(&named(&entry.object)?).await? {
            None => Err(GONE),
            Some(bytes) => match StoredSeal::parse(entry.kind, &bytes) {
                Ok(stored) => Ok(stored),
                Err(SealError::Damaged { what }) => Err(what),
                Err(error) => return Err(error),
            },
        };
        Ok(Self {
            entry: entry.clone(),
            stored,
            standing: SealStanding::Unknown,
        })
    }

    pub(super) const fn kind(&self) -> SealKind {
        self.entry.kind
    }

    fn info(&self, manifest: &Manifest) -> SealInfo {
        let id = self.entry.id();
        let stored = self.stored.as_ref().ok();
        let (key, key_version) = stored.map_or((None, None), StoredSeal::key);
        let shares = stored.and_then(StoredSeal::shares);
        let mut parts = manifest.next.iter().flat_map(|next| &next.seals);
        SealInfo {
            id,
            kind: self.entry.kind,
            key: key.map(ToOwned::to_owned),
            key_version: key_version.map(ToOwned::to_owned),
            pending: self.entry.pending,
            replaces: self.entry.replaces,
            threshold: shares.map(SharesSeal::threshold),
            total: shares.map(SharesSeal::total),
            progress: shares.map_or(0, SharesSeal::progress),
            has_part: parts.any(|part| part.id() == id),
            standing: self.standing.clone(),
        }
    }
}
