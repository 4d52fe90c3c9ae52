//! What a restore of one tenant or one key takes from backups: a registry as it was at the second that
//! is wanted, what changed after it, and the sealed records that the vault has lost.

use std::collections::{BTreeMap, HashMap, HashSet};

use keyward_core::change::Change;
use keyward_core::ids::RecordId;
use keyward_core::ops::restore::Needed;
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use keyward_core::time::Timestamp;
use uuid::Uuid;

use crate::entry::{self, VaultEntry};
use crate::manifest::Content;
use crate::reading::unreadable;
use crate::restore::{RestoreError, Restoring, Source, Target, root_name};
use crate::sealed_record::{Seen, look};
use crate::sealing::Identities;
use crate::verify::record_of;

/// Fills an empty registry with what there was at the second that is wanted: its revision, and when
/// that was committed. The vault of the target is not touched.
pub async fn rewind(
    source: &Source<'_>,
    identities: &Identities,
    target: &Target,
) -> Result<(i64, Timestamp), RestoreError> {
    let mut restoring = Restoring::new(source, identities, target)?;
    restoring.learn().await?;
    restoring.registry().await?;
    restoring.apply().await?;
    Ok(restoring.restored)
}

/// Every change that the backups have after a revision, in order: those behind a gap and those that only
/// a newer full backup knows too, for what holds for ever.
pub async fn changes_after(
    source: &Source<'_>,
    identities: &Identities,
    target: &Target,
    revision: i64,
    take: &mut (dyn FnMut(&Change) + Send),
) -> Result<(), RestoreError> {
    let restoring = Restoring::new(source, identities, target)?;
    let later = |segment: &&crate::manifest::Signed| segment.manifest.revision > revision;
    let mut learnt = revision;
    for segment in restoring.segments.iter().copied().filter(later) {
        let parts = restoring.parts(segment);
        for part in parts.of(Content::Changes) {
            for change in restoring.changes(&parts, part).await? {
                // Segments may overlap.
                if change.revision > learnt {
                    take(&change);
                    learnt = change.revision;
                }
            }
        }
    }
    restoring.changes_beyond(learnt, take).await
}

/// What became of the records that a restore needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Were in the vault as they should be.
    pub sound: u64,
    /// Were not, and are put there from the backup.
    pub brought: u64,
    /// Were something else in the vault, and are replaced.
    pub mended: u64,
    /// Are neither in the vault nor in the backup: what names them cannot be used.
    pub nowhere: Vec<RecordId>,
}

/// Puts into the vault what it has lost of the records that are needed. A record that is there as it
/// should be is not touched, whichever key it lies under. With `only_look` nothing is written.
pub async fn bring_records(
    source: &Source<'_>,
    identities: &Identities,
    target: &Target,
    needed: &[Needed],
    only_look: bool,
) -> Result<Records, RestoreError> {
    let vault = &*target.vault;
    let mut records = Records::default();
    let mut lost: BTreeMap<RecordId, (Needed, bool)> = BTreeMap::new();
    for one in needed {
        match state_of(vault, one).await? {
            State::Sound => records.sound += 1,
            State::Absent => drop(lost.insert(one.record, (*one, false))),
            State::Other => drop(lost.insert(one.record, (*one, true))),
        }
    }
    if lost.is_empty() {
        return Ok(records);
    }
    let roots = roots_of(vault).await?;
    let restoring = Restoring::new(source, identities, target)?;
    let mut seen: HashSet<ObjectName> = HashSet::new();
    let mut found: HashSet<RecordId> = HashSet::new();
    // A record is the one that a row names or it is not, wherever it lies: behind a gap as well.
    let behind = restoring.segments.iter().chain(&restoring.beyond);
    for backup in behind.rev().copied().chain([restoring.full]) {
        let parts = restoring.parts(backup);
        for part in parts.of(Content::Vault) {
            let opened = restoring.open(&parts, part).await?;
            for object in entry::objects(&opened) {
                let object = object.ok_or_else(|| unreadable(part))?;
                let Some(record) = wanted(&object, &lost) else {
                    continue;
                };
                if !seen.insert(object.name.clone()) {
                    continue;
                }
                let (one, _) = &lost[&record];
                if one.kek.is_some() {
                    ensure_opens(&object, &roots)?;
                }
                if matches!(look(&object.bytes), Seen::Whole { .. } | Seen::Core { .. }) {
                    found.insert(record);
                }
                if !only_look {
                    put(vault, object).await?;
                }
            }
        }
    }
    for (record, (_, is_other)) in lost {
        match (found.contains(&record), is_other) {
            (true, true) => records.mended += 1,
            (true, false) => records.brought += 1,
            (false, _) => records.nowhere.push(record),
        }
    }
    Ok(records)
}

enum State {
    Sound,
    Absent,
    Other,
}

/// Whether the vault has a record as it should be, without opening it.
async fn state_of(vault: &dyn StorageBackend, one: &Needed) -> Result<State, RestoreError> {
    let Some((name, outer)) = names(one) else {
        return Ok(State::Absent);
    };
    let Some(bytes) = vault.read(&name).await.map_err(RestoreError::Vault)? else {
        return Ok(State::Absent);
    };
    match look(&bytes) {
        Seen::Whole { record, digest, .. } if record == one.record && digest == one.digest => {
            Ok(State::Sound)
        }
        Seen::Core { record, digest } if record == one.record && digest == one.digest => {
            let found = vault.read(&outer).await.map_err(RestoreError::Vault)?;
            let is_outer = found.is_some_and(|it| matches!(look(&it), Seen::Outer { .. }));
            Ok(if is_outer { State::Sound } else { State::Other })
        }
        _ => Ok(State::Other),
    }
}

/// Under which names a record lies: `docs/formats/hierarchy.md`.
fn names(one: &Needed) -> Option<(ObjectName, ObjectName)> {
    let record = one.record.to_string();
    let name = match one.kek {
        Some((tenant, version)) => format!("kek/{tenant}/{version}-{record}"),
        None => format!("rec/{}/{record}", &record[record.len() - 2..]),
    };
    let outer = ObjectName::new(&format!("{name}.outer"))?;
    Some((ObjectName::new(&name)?, outer))
}

/// Which of the lost records an object of the backup belongs to.
fn wanted(object: &VaultEntry, lost: &BTreeMap<RecordId, (Needed, bool)>) -> Option<RecordId> {
    let (record, digest) = match look(&object.bytes) {
        Seen::Whole { record, digest, .. } | Seen::Core { record, digest } => {
            (record, Some(digest))
        }
        // A piece of a record that came in pieces says nothing of itself: its name does.
        Seen::Outer { .. } | Seen::Other => (record_of(object.name.as_str())?, None),
    };
    let (one, _) = lost.get(&record)?;
    digest.is_none_or(|it| it == one.digest).then_some(record)
}

/// The root keys that the vault's seals lead to.
async fn roots_of(vault: &dyn StorageBackend) -> Result<HashSet<Uuid>, RestoreError> {
    let name = root_name()?;
    let stored = vault.read(&name).await.map_err(RestoreError::Vault)?;
    let stored = stored.ok_or(RestoreError::NoRootHere)?;
    let manifest: HashMap<String, serde_json::Value> =
        serde_json::from_slice(&stored).map_err(|_| RestoreError::NoRootHere)?;
    let id_of = |value: Option<&serde_json::Value>| -> Option<Uuid> {
        value?.get("id")?.as_str()?.parse().ok()
    };
    let before = manifest.get("previous").and_then(|it| it.get("root_key"));
    let ids = [id_of(manifest.get("root_key")), id_of(before)];
    Ok(ids.into_iter().flatten().collect())
}

/// A tenant's key under a root key that no seal leads to any more would never open.
fn ensure_opens(object: &VaultEntry, roots: &HashSet<Uuid>) -> Result<(), RestoreError> {
    match look(&object.bytes) {
        Seen::Whole { kek, .. } | Seen::Outer { kek } if !roots.contains(&kek.id) => {
            Err(RestoreError::OtherRoot {
                name: object.name.as_str().to_owned(),
            })
        }
        _ => Ok(()),
    }
}

/// Writes an object; what is there and something else is replaced, if nobody changes it meanwhile.
async fn put(vault: &dyn StorageBackend, object: VaultEntry) -> Result<(), RestoreError> {
    let VaultEntry { name, bytes } = object;
    match vault.write_if_absent(&name, bytes.clone()).await {
        Err(StorageError::AlreadyExists) => {}
        done => return done.map_err(RestoreError::Vault),
    }
    let found = vault.read(&name).await.map_err(RestoreError::Vault)?;
    match found {
        Some(found) if found == bytes => Ok(()),
        Some(found) => {
            let swapped = vault.compare_and_swap(&name, &found, bytes).await;
            swapped.map_err(RestoreError::Vault)
        }
        None => Err(RestoreError::Vault(StorageError::Conflict)),
    }
}
