//! The seals of a deployment while it is unsealed: proven, added, removed, wrapped anew. Every
//! change reads the manifest as it is stored, prepares everything, and replaces it in one step.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use keyward_core::port::seal::{
    MadeSeal, NewSeal, RootRewrap, SealFault, SealInfo, SealKeeping, SealKind, SealOverview,
    SealProof, SealRenewal, SealStanding,
};
use keyward_core::time::Timestamp;
use keyward_crypto::SecretBytes;
use uuid::Uuid;

use super::Vault;
use super::control::derived;
use super::hierarchy::Root;
use super::initialize::fresh_id;
use super::making::{Key, ToHold, ensure_room};
use super::seal_fault::{fault, of_storage};
use super::seals::{Loaded, LoadedSeal};
use crate::object_names;
use crate::seal::SealError;
use crate::seal::access::SealToOpen;
use crate::seal::manifest::{Manifest, SealEntry};
use crate::seal::stored::StoredSeal;

/// How long what people proved counts when another seal is to be removed; how long a share waits for
/// the others of its proof.
const PROOF_SECONDS: i64 = 15 * 60;

impl Vault {
    /// Unwraps a seal that needs nobody and notes how it stands.
    pub(super) async fn unwrap_and_note(
        &self,
        id: Uuid,
        manifest: &Manifest,
        root: &Root,
        now: Timestamp,
    ) -> Result<(), SealFault> {
        let (kind, to_open) = {
            let seals = self.seals.read();
            let seal = seals.find(id).ok_or(SealFault::NoSuchSeal)?;
            let to_open = seal.stored.as_ref().map(SealToOpen::of);
            (seal.kind(), to_open.map_err(|what| *what))
        };
        let opened = match to_open {
            Ok(Some(to_open)) => self.unwrap_by_itself(kind, &to_open, manifest).await,
            Ok(None) => return Err(SealFault::NoSuchSeal),
            Err(what) => Err(SealError::Damaged { what }),
        };
        let result = match opened {
            Ok(found) if found.ct_eq(&root.key) => Ok(()),
            Ok(_) => Err(SealError::AnotherRootKey),
            Err(error) => Err(error),
        };
        let standing = match &result {
            Ok(()) => SealStanding::Proven { at: now },
            Err(error) => SealStanding::Failed {
                at: now,
                why: error.to_string(),
            },
        };
        self.note(id, standing);
        result.map_err(|error| fault(kind, error))
    }

    pub(super) fn note(&self, id: Uuid, standing: SealStanding) {
        if let Some(seal) = self.seals.write().find_mut(id) {
            seal.standing = standing;
        }
    }

    /// Deletes what an earlier change discarded. What cannot be deleted now is tried again with the
    /// next check: the change itself was made.
    pub(super) async fn delete_discarded(&self, loaded: Loaded) -> Loaded {
        if loaded.manifest.discarded.is_empty() {
            return loaded;
        }
        let mut names = Vec::new();
        for text in &loaded.manifest.discarded {
            names.extend(object_names::named(text));
        }
        let mut next = Manifest::clone(&loaded.manifest);
        next.discarded.clear();
        let deleted = match self.delete_and_look(&names).await {
            Ok(()) => self.replace_manifest(&loaded, next).await,
            Err(error) => Err(error.into()),
        };
        deleted.unwrap_or_else(|error| {
            tracing::warn!(%error, "a seal that was removed could not be deleted yet");
            loaded
        })
    }

    fn info(&self, id: Uuid) -> Result<SealInfo, SealFault> {
        self.seals.read().info(id).ok_or(SealFault::NoSuchSeal)
    }

    /// The sealing key of a seal, from what somebody brings; nothing yet if more shares are needed.
    async fn brought_key(
        &self,
        seal: Uuid,
        proof: SealProof,
        manifest: &Manifest,
        now: Timestamp,
    ) -> Result<Option<SecretBytes>, SealFault> {
        let misfit = |problem: &str| SealFault::Invalid {
            field: "seal",
            problem: problem.to_owned(),
        };
        let (kind, passphrase_seal) = {
            let mut seals = self.seals.write();
            let found = seals.find_mut(seal).ok_or(SealFault::NoSuchSeal)?;
            let kind = found.kind();
            let stored = found.stored.as_mut();
            match (stored.map_err(|what| SealFault::Damaged { what })?, &proof) {
                (StoredSeal::Shares(shares), SealProof::Share(text)) => {
                    shares.forget_older(PROOF_SECONDS, now);
                    if !shares.take_for_proof(text, now)? {
                        return Ok(None);
                    }
                    let key = shares.combine().map_err(|error| fault(kind, error))?;
                    return Ok(Some(key));
                }
                (StoredSeal::Passphrase(seal), SealProof::Passphrase(_)) => {
                    (kind, Some(seal.clone()))
                }
                (StoredSeal::Shares(_), _) => return Err(misfit("is of shares: bring one")),
                (StoredSeal::Passphrase(_), _) => return Err(misfit("needs its passphrase")),
                (_, SealProof::Nothing) => (kind, None),
                _ => return Err(misfit("needs nobody: bring nothing")),
            }
        };
        let key = if let (Some(seal), SealProof::Passphrase(given)) = (passphrase_seal, proof) {
            derived(&seal, &Arc::new(given)).await
        } else {
            let to_open = {
                let seals = self.seals.read();
                let found = seals.find(seal).ok_or(SealFault::NoSuchSeal)?;
                found.stored.as_ref().ok().and_then(SealToOpen::of)
            };
            let to_open = to_open.ok_or(SealFault::NoSuchSeal)?;
            let deployment = manifest.deployment;
            self.access.sealing_key(kind, &to_open, deployment).await
        };
        key.map(Some).map_err(|error| fault(kind, error))
    }

    /// Whether one of these seals opens now, or was opened by its people just now.
    async fn ensure_one_opens(
        &self,
        others: &[Uuid],
        manifest: &Manifest,
        root: &Root,
        now: Timestamp,
    ) -> Result<(), SealFault> {
        for id in others {
            let kind = self.info(*id)?.kind;
            if kind.is_automatic() && self.unwrap_and_note(*id, manifest, root, now).await.is_ok() {
                return Ok(());
            }
        }
        let proven = others.iter().any(|id| {
            let info = self.info(*id).map(|info| (info.kind, info.standing));
            matches!(info, Ok((kind, SealStanding::Proven { at }))
                if !kind.is_automatic() && now.seconds_since(at) <= PROOF_SECONDS)
        });
        if proven {
            return Ok(());
        }
        Err(SealFault::NotProven {
            within_minutes: PROOF_SECONDS / 60,
        })
    }

    /// A seal of people counts from now on, and the one it replaces no more.
    async fn activate(&self, loaded: &Loaded, seal: Uuid) -> Result<Loaded, SealFault> {
        let mut next = Manifest::clone(&loaded.manifest);
        let mut replaced = None;
        for entry in &mut next.seals {
            if entry.id() == seal {
                entry.pending = false;
                replaced = entry.replaces.take();
            }
        }
        if let Some(replaced) = replaced {
            discard(&mut next, replaced);
        }
        let loaded = self.replace_manifest(loaded, next).await?;
        Ok(self.delete_discarded(loaded).await)
    }

    /// Makes a seal, proves it and has the manifest name it: beside the others, or in the place of
    /// one.
    async fn make_and_name(
        &self,
        (loaded, root): (Loaded, Arc<Root>),
        new: NewSeal,
        id: Uuid,
        place: Place,
        now: Timestamp,
    ) -> Result<MadeSeal, SealFault> {
        let kind = new.kind();
        let hold = ToHold {
            root: &root.key,
            name: loaded.manifest.root_key,
            deployment: loaded.manifest.deployment,
        };
        let mut made = self.make(id, new, &hold).await?;
        let shares = std::mem::take(&mut made.shares);
        let mut entry = self.write_and_prove(id, kind, made, &hold).await?;
        let name = object_names::named(&entry.object)?;
        entry.pending = kind == SealKind::Shares;
        let mut next = Manifest::clone(&loaded.manifest);
        match place {
            Place::Beside => next.seals.push(entry),
            Place::ToReplace(old) => {
                entry.replaces = Some(old);
                let earlier = next.seals.iter().find(|it| it.replaces == Some(old));
                if let Some(earlier) = earlier.map(SealEntry::id) {
                    discard(&mut next, earlier);
                }
                next.seals.push(entry);
            }
            Place::OfTheSame => {
                for old in next.seals.iter_mut().filter(|it| it.id() == id) {
                    next.discarded
                        .push(std::mem::replace(old, entry.clone()).object);
                }
            }
        }
        match self.replace_manifest(&loaded, next).await {
            Ok(loaded) => self.delete_discarded(loaded).await,
            Err(SealFault::Conflict) => {
                self.take_back(&name).await;
                return Err(SealFault::Conflict);
            }
            // Whether it was replaced is open: what was written stays.
            Err(error) => return Err(error),
        };
        if kind != SealKind::Shares {
            self.note(id, SealStanding::Proven { at: now });
        }
        Ok(MadeSeal {
            seal: self.info(id)?,
            shares,
        })
    }
}

/// Where a seal that was made goes.
enum Place {
    Beside,
    /// Beside the one that goes when this one is proven.
    ToReplace(Uuid),
    /// In the place of the one with the same id.
    OfTheSame,
}

/// Takes a seal out of a manifest; its object is to be deleted.
fn discard(manifest: &mut Manifest, seal: Uuid) {
    let Manifest {
        seals, discarded, ..
    } = manifest;
    seals.retain(|entry| {
        let stays = entry.id() != seal;
        if !stays {
            discarded.push(entry.object.clone());
        }
        stays
    });
}

#[async_trait]
impl SealKeeping for Vault {
    fn overview(&self) -> Option<SealOverview> {
        let mut overview = self.seals.read().overview()?;
        overview.rotation = overview.rotation.map(|it| self.with_progress(it));
        Some(overview)
    }

    async fn check_seals(&self, now: Timestamp) -> Result<(), SealFault> {
        let _alone = self.changing.lock().await;
        self.forget_old_shares(now);
        let (loaded, root) = self.begin_change().await?;
        let loaded = self.delete_discarded(loaded).await;
        let loaded = self.discard_strays(loaded, now).await;
        for id in self.automatic() {
            // How it went is noted; the others are looked at all the same.
            let _ = self.unwrap_and_note(id, &loaded.manifest, &root, now).await;
        }
        self.note_unreadable(now);
        Ok(())
    }

    async fn prove_seal(
        &self,
        seal: Uuid,
        proof: SealProof,
        now: Timestamp,
    ) -> Result<SealInfo, SealFault> {
        let _alone = self.changing.lock().await;
        let (mut loaded, root) = self.begin_change().await?;
        let kind = self.info(seal)?.kind;
        let key = match self.brought_key(seal, proof, &loaded.manifest, now).await {
            Ok(Some(key)) => key,
            Ok(None) => return self.info(seal),
            Err(error) => {
                if kind.is_automatic() {
                    let why = error.to_string();
                    self.note(seal, SealStanding::Failed { at: now, why });
                }
                return Err(error);
            }
        };
        self.ensure_opens(seal, &key, &loaded.manifest, &root)?;
        self.note(seal, SealStanding::Proven { at: now });
        if self.info(seal)?.pending {
            loaded = self.activate(&loaded, seal).await?;
        }
        if loaded.manifest.next.is_some() && !self.info(seal)?.has_part {
            self.take_part(&loaded, &root, seal, Key::Brought(key))
                .await?;
        }
        self.info(seal)
    }

    async fn add_seal(&self, new: NewSeal, now: Timestamp) -> Result<MadeSeal, SealFault> {
        let _alone = self.changing.lock().await;
        let begun = self.begin_change_of_seals().await?;
        ensure_room(&begun.0.manifest)?;
        let id = fresh_id(&*self.random).map_err(of_storage)?;
        self.make_and_name(begun, new, id, Place::Beside, now).await
    }

    async fn remove_seal(&self, seal: Uuid, now: Timestamp) -> Result<(), SealFault> {
        let _alone = self.changing.lock().await;
        let (loaded, root) = self.begin_change_of_seals().await?;
        let manifest = &loaded.manifest;
        let of_seal = |entry: &&SealEntry| entry.id() == seal;
        let entry = manifest.seals.iter().find(of_seal);
        let entry = entry.ok_or(SealFault::NoSuchSeal)?;
        let mut next = Manifest::clone(manifest);
        if !entry.pending {
            let others = manifest.counting().map(SealEntry::id);
            let others: Vec<Uuid> = others.filter(|id| *id != seal).collect();
            if others.is_empty() {
                return Err(SealFault::LastSeal);
            }
            self.ensure_one_opens(&others, manifest, &root, now).await?;
            // What was to replace it replaces nothing.
            let heirs = next.seals.iter().filter(|it| it.replaces == Some(seal));
            for heir in heirs.map(SealEntry::id).collect::<Vec<_>>() {
                discard(&mut next, heir);
            }
        }
        discard(&mut next, seal);
        let loaded = self.replace_manifest(&loaded, next).await?;
        self.delete_discarded(loaded).await;
        Ok(())
    }

    async fn renew_seal(
        &self,
        seal: Uuid,
        renewal: SealRenewal,
        now: Timestamp,
    ) -> Result<MadeSeal, SealFault> {
        let _alone = self.changing.lock().await;
        let begun = self.begin_change_of_seals().await?;
        let info = self.info(seal)?;
        if info.pending {
            return Err(SealFault::SealPending);
        }
        let unfit = |field, problem: &str| SealFault::Invalid {
            field,
            problem: problem.to_owned(),
        };
        if info.kind != SealKind::Passphrase && renewal.passphrase.is_some() {
            return Err(unfit("passphrase", "this seal has none"));
        }
        if info.kind != SealKind::Shares && renewal.threshold.or(renewal.total).is_some() {
            return Err(unfit("threshold", "this seal has no shares"));
        }
        let (new, id, place) = match info.kind {
            SealKind::Shares => {
                ensure_room(&begun.0.manifest)?;
                let threshold = renewal.threshold.or(info.threshold).unwrap_or_default();
                let total = renewal.total.or(info.total).unwrap_or_default();
                let id = fresh_id(&*self.random).map_err(of_storage)?;
                let new = NewSeal::Shares { threshold, total };
                (new, id, Place::ToReplace(seal))
            }
            SealKind::Passphrase => {
                let missing = || unfit("passphrase", "the new one is needed");
                let new = renewal.passphrase.ok_or_else(missing)?;
                (NewSeal::Passphrase(new), seal, Place::OfTheSame)
            }
            SealKind::KeyFile => (NewSeal::KeyFile, seal, Place::OfTheSame),
            kind => (NewSeal::Service(kind), seal, Place::OfTheSame),
        };
        self.make_and_name(begun, new, id, place, now).await
    }

    async fn begin_root_rotation(&self, now: Timestamp) -> Result<SealOverview, SealFault> {
        self.begin_rotation(now).await
    }

    async fn cancel_root_rotation(&self) -> Result<(), SealFault> {
        self.cancel_rotation().await
    }

    async fn commit_root_rotation(&self, now: Timestamp) -> Result<SealOverview, SealFault> {
        self.commit_rotation(now).await
    }

    async fn rewrap_under_root(
        &self,
        limit: usize,
        now: Timestamp,
    ) -> Result<Option<RootRewrap>, SealFault> {
        self.rewrap_keks(limit, now).await
    }

    fn is_outdated(&self) -> bool {
        self.is_outdated.load(Ordering::Acquire)
    }

    async fn drop_previous_root(&self) -> Result<bool, SealFault> {
        self.drop_previous().await
    }
}

impl Vault {
    /// The seals that count and need nobody.
    pub(super) fn automatic(&self) -> Vec<Uuid> {
        let seals = self.seals.read();
        let automatic = seals.counting().filter(|seal| seal.kind().is_automatic());
        automatic.map(|seal| seal.entry.id()).collect()
    }

    /// What was given to prove a seal and was not enough does not stay in memory for ever.
    fn forget_old_shares(&self, now: Timestamp) {
        for shares in &mut self.seals.write().list {
            if let Ok(StoredSeal::Shares(shares)) = &mut shares.stored {
                shares.forget_older(PROOF_SECONDS, now);
            }
        }
    }

    /// People's seals are not opened by a node, but that they can be read is seen.
    fn note_unreadable(&self, now: Timestamp) {
        let mut seals = self.seals.write();
        let of_people = |seal: &&mut LoadedSeal| !seal.kind().is_automatic();
        for seal in seals.list.iter_mut().filter(of_people) {
            if let Err(what) = seal.stored {
                let why = SealError::Damaged { what }.to_string();
                seal.standing = SealStanding::Failed { at: now, why };
            }
        }
    }

    /// Whether a sealing key opens a seal to the root key in force.
    fn ensure_opens(
        &self,
        seal: Uuid,
        key: &SecretBytes,
        manifest: &Manifest,
        root: &Root,
    ) -> Result<(), SealFault> {
        let seals = self.seals.read();
        let found = seals.find(seal).ok_or(SealFault::NoSuchSeal)?;
        let stored = found.stored.as_ref();
        let stored = stored.map_err(|what| SealFault::Damaged { what })?;
        match stored.open(key, manifest.deployment, manifest.root_key) {
            Ok(opened) if opened.ct_eq(&root.key) => Ok(()),
            Ok(_) => Err(fault(found.kind(), SealError::AnotherRootKey)),
            Err(error) => Err(fault(found.kind(), error)),
        }
    }
}
