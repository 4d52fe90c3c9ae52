//! The root key replaced, in three steps that may lie days apart:
//!
//! 1. **Begin**: the next root key is drawn and kept under the one in force, in the manifest. Seals
//!    that need nobody hold it at once.
//! 2. **Take part**: each seal of people holds it when its people prove the seal. Nothing changes
//!    for anybody: the root key in force is the old one, and every seal holds that one.
//! 3. **Commit**, when every seal holds it: one replacement of the manifest puts it in force. The
//!    root key before lies under it, so that whoever opens a seal opens both, until no
//!    key-encryption key is under the one before (`root_rewrap`).
//!
//! A crash leaves one manifest or the next. With each of them every seal opens everything.

use keyward_core::port::seal::{SealFault, SealOverview, SealStanding};
use keyward_core::time::Timestamp;
use keyward_crypto::keywrap::Kek;
use uuid::Uuid;

use super::Vault;
use super::hierarchy::Root;
use super::initialize::fresh_id;
use super::making::{Key, Made, ToHold};
use super::seal_fault::fault;
use super::seals::{Loaded, missing_parts, root_ref};
use crate::object_names;
use crate::seal::SealError;
use crate::seal::access::SealToOpen;
use crate::seal::manifest::{Manifest, NextRoot, PreviousRoot, RootKeyName, SealEntry};
use crate::seal::stored::StoredSeal;
use crate::seal::wrapped_root::{unwrap_root_under_root, wrap_root_under_root};
use keyward_core::port::seal::{SealKeeping as _, SealKind};

impl Vault {
    /// Draws the next root key, or goes on with the one drawn, and has every seal that needs nobody
    /// hold it. One that cannot now is told by its standing, and taken the next time.
    pub(super) async fn begin_rotation(&self, now: Timestamp) -> Result<SealOverview, SealFault> {
        let _alone = self.changing.lock().await;
        let (mut loaded, root) = self.begin_change().await?;
        if loaded.manifest.previous.is_some() {
            return Err(SealFault::RotationUnderWay);
        }
        if loaded.manifest.next.is_none() {
            if loaded.manifest.seals.iter().any(|entry| entry.pending) {
                return Err(SealFault::SealPending);
            }
            loaded = self.draw_next(&loaded, &root).await?;
        }
        let automatic = self.automatic();
        let missing: Vec<Uuid> = missing_parts(&loaded.manifest).collect();
        for seal in missing.into_iter().filter(|id| automatic.contains(id)) {
            match self.take_part(&loaded, &root, seal, Key::OfThisNode).await {
                Ok(after) => loaded = after,
                Err(
                    error @ (SealFault::Storage(_)
                    | SealFault::Conflict
                    | SealFault::InForceButUnread { .. }
                    | SealFault::OutcomeUnknown { .. }),
                ) => return Err(error),
                Err(error) => {
                    let why = error.to_string();
                    self.note(seal, SealStanding::Failed { at: now, why });
                }
            }
        }
        self.overview().ok_or(SealFault::NoRotation)
    }

    async fn draw_next(&self, loaded: &Loaded, root: &Root) -> Result<Loaded, SealFault> {
        let manifest = &loaded.manifest;
        let next_root = Kek::generate(&*self.random).map_err(|_| SealFault::Crypto)?;
        let root_key = RootKeyName {
            id: fresh_id(&*self.random).map_err(|error| fault(SealKind::KeyFile, error))?,
            version: manifest.root_key.version.saturating_add(1),
        };
        let under_current = wrap_root_under_root(
            manifest.deployment,
            (&next_root, root_key),
            (&root.key, manifest.root_key),
            &*self.random,
        )
        .map_err(|_| SealFault::Crypto)?;
        let mut next = Manifest::clone(manifest);
        next.next = Some(NextRoot {
            root_key,
            under_current,
            seals: Vec::new(),
        });
        self.replace_manifest(loaded, next).await
    }

    /// Has one seal hold the next root key.
    pub(super) async fn take_part(
        &self,
        loaded: &Loaded,
        root: &Root,
        seal: Uuid,
        key: Key,
    ) -> Result<Loaded, SealFault> {
        let manifest = &loaded.manifest;
        let next_root = next_root(manifest, root)?;
        let hold = ToHold {
            root: &next_root.key,
            name: next_name(manifest)?,
            deployment: manifest.deployment,
        };
        let (kind, made) = self.made_for_next(seal, key, &hold).await?;
        let entry = self.write_and_prove(seal, kind, made, &hold).await?;
        let name = object_names::named(&entry.object)?;
        let mut after = Manifest::clone(manifest);
        if let Some(next) = &mut after.next {
            next.seals.push(entry);
        }
        let replaced = self.replace_manifest(loaded, after).await;
        if matches!(replaced, Err(SealFault::Conflict)) {
            self.take_back(&name).await;
        }
        replaced
    }

    async fn made_for_next(
        &self,
        seal: Uuid,
        key: Key,
        hold: &ToHold<'_>,
    ) -> Result<(SealKind, Made), SealFault> {
        let (kind, to_open, of_people) = {
            let seals = self.seals.read();
            let found = seals.find(seal).ok_or(SealFault::NoSuchSeal)?;
            let stored = found.stored.as_ref();
            let stored = stored.map_err(|what| SealFault::Damaged { what })?;
            let of_people = match &key {
                Key::Brought(key) => {
                    stored.holding(hold.root, key, hold.deployment, hold.name, &*self.random)
                }
                _ => Ok(None),
            };
            let of_people = of_people.map_err(|error| fault(found.kind(), error))?;
            (found.kind(), SealToOpen::of(stored), of_people)
        };
        let made = match (of_people, to_open) {
            (Some(stored), _) => Made {
                stored,
                key,
                shares: Vec::new(),
            },
            (None, Some(to_open)) => self.make_again(seal, kind, &to_open, hold).await?,
            (None, None) => return Err(SealFault::NoSuchSeal),
        };
        Ok((kind, made))
    }

    /// Forgets the next root key and what holds it.
    pub(super) async fn cancel_rotation(&self) -> Result<(), SealFault> {
        let _alone = self.changing.lock().await;
        let (loaded, _) = self.begin_change().await?;
        let mut after = Manifest::clone(&loaded.manifest);
        let next = after.next.take().ok_or(SealFault::NoRotation)?;
        after
            .discarded
            .extend(next.seals.into_iter().map(|entry| entry.object));
        let loaded = self.replace_manifest(&loaded, after).await?;
        self.delete_discarded(loaded).await;
        Ok(())
    }

    /// Puts the next root key in force.
    pub(super) async fn commit_rotation(&self, now: Timestamp) -> Result<SealOverview, SealFault> {
        let _alone = self.changing.lock().await;
        let (loaded, root) = self.begin_change().await?;
        let manifest = &loaded.manifest;
        let next = manifest.next.as_ref().ok_or(SealFault::NoRotation)?;
        let missing = missing_parts(manifest).count();
        if missing > 0 {
            return Err(SealFault::PartsMissing { missing });
        }
        let next_root = next_root(manifest, &root)?;
        self.prove_parts(manifest, next, &next_root.key).await?;
        let mut after = committed(manifest, next, &root, &next_root, &*self.random)?;
        if let Some(previous) = &mut after.previous {
            previous.committed_at = Some(now);
        }
        let loaded = self.replace_manifest(&loaded, after).await?;
        // The manifest was read again after it was replaced, and the root keys with it.
        let loaded = self.delete_discarded(loaded).await;
        tracing::info!(root_key = %loaded.manifest.root_key.id, "the root key was rotated");
        for seal in self.automatic() {
            self.note(seal, SealStanding::Proven { at: now });
        }
        self.overview().ok_or(SealFault::NoRotation)
    }

    /// Once more, just before it counts: every seal that needs nobody really opens to the next root
    /// key. People's did so when they took part: what was read then is still what is there.
    async fn prove_parts(
        &self,
        manifest: &Manifest,
        next: &NextRoot,
        next_root: &Kek,
    ) -> Result<(), SealFault> {
        let hold = ToHold {
            root: next_root,
            name: next.root_key,
            deployment: manifest.deployment,
        };
        for entry in &next.seals {
            let name = object_names::named(&entry.object)?;
            if entry.kind.is_automatic() {
                self.prove_written(&name, entry.kind, &Key::OfThisNode, &hold)
                    .await?;
            } else {
                let object = self.backend.read(&name).await?;
                ensure_is_as_proven(entry, object.as_deref())?;
            }
        }
        Ok(())
    }
}

/// Whether what is stored of a seal of people is what their proof opened.
fn ensure_is_as_proven(entry: &SealEntry, object: Option<&[u8]>) -> Result<(), SealFault> {
    let damaged = |what| SealFault::Damaged { what };
    let object = object.ok_or(damaged("a seal of people for the next root key is gone"))?;
    if !entry.is_proven(object) || StoredSeal::parse(entry.kind, object).is_err() {
        return Err(damaged("a seal of people for the next root key"));
    }
    Ok(())
}

fn next_name(manifest: &Manifest) -> Result<RootKeyName, SealFault> {
    let next = manifest.next.as_ref().ok_or(SealFault::NoRotation)?;
    Ok(next.root_key)
}

/// The next root key, opened with the one in force.
fn next_root(manifest: &Manifest, root: &Root) -> Result<std::sync::Arc<Root>, SealFault> {
    let next = manifest.next.as_ref().ok_or(SealFault::NoRotation)?;
    let opened = unwrap_root_under_root(
        manifest.deployment,
        (&next.under_current, next.root_key),
        (&root.key, manifest.root_key),
    );
    match opened {
        Ok(key) => Ok(Root::new(root_ref(next.root_key), key)),
        Err(SealError::Damaged { .. }) => Err(SealFault::Damaged {
            what: "the next root key",
        }),
        Err(error) => Err(fault(SealKind::KeyFile, error)),
    }
}

/// The manifest with the next root key in force.
fn committed(
    manifest: &Manifest,
    next: &NextRoot,
    root: &Root,
    next_root: &Root,
    random: &dyn keyward_crypto::Random,
) -> Result<Manifest, SealFault> {
    let under_current = wrap_root_under_root(
        manifest.deployment,
        (&root.key, manifest.root_key),
        (&next_root.key, next.root_key),
        random,
    )
    .map_err(|_| SealFault::Crypto)?;
    let mut after = Manifest::clone(manifest);
    after.next = None;
    after.previous = Some(PreviousRoot {
        root_key: manifest.root_key,
        under_current,
        current_under_it: next.under_current.clone(),
        committed_at: None,
    });
    after.root_key = next.root_key;
    for entry in &mut after.seals {
        let id = entry.id();
        // Every seal has its part: that was looked at.
        if let Some(part) = next.seals.iter().find(|part| SealEntry::id(part) == id) {
            after
                .discarded
                .push(std::mem::replace(entry, part.clone()).object);
        }
    }
    Ok(after)
}
