//! Restoring a backup into an empty registry and an empty vault, whichever they are. Everything is
//! verified before anything is written. The order is the one of an initialisation: sealed records,
//! then the registry in one transaction, and last the root key's manifest, without which nothing
//! counts; each step can be repeated, so that whoever was interrupted begins again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use keyward_core::audit::{Actor, AuditEvent, LeafMark, Outcome, Resource};
use keyward_core::change::{Change, Commit, Write};
use keyward_core::ids::{RecordId, TenantId};
use keyward_core::names::CorrelationId;
use keyward_core::noun::action::Action;
use keyward_core::noun::tenant::Digest;
use keyward_core::port::backup::BackupSummary;
use keyward_core::port::registry::Registry;
use keyward_core::port::snapshot::{RegistrySnapshot, SelectedChange};
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use keyward_core::time::{Clock, Timestamp};
use keyward_crypto::digest::sha256;
use uuid::Uuid;

use crate::complete::{Excused, ensure_complete};
use crate::empty_vault::{ensure_vault_empty, place_object, place_objects};
use crate::entry::{self, VaultEntry};
use crate::manifest::{BackupKind, Content, Manifest};
use crate::parts::{Failure, RegistryLines};
use crate::place::Place;
use crate::reading::{Reading, unreadable};
pub use crate::restore_error::RestoreError;
use crate::sealed_record::{Seen, look};
use crate::sealing::Identities;
use crate::spent::spend_all;
use crate::stock::summary;
use crate::verify::{Verified, record_of};

/// The object that makes a vault count: written last.
pub(crate) const ROOT: &str = "root/current";
/// What lies beside it: the root key under each seal, as `docs/formats/hierarchy.md` says.
const ROOTS: &str = "root/";
const SEALS: &str = "seal/";
/// How far the numbers of new key versions are moved on when nobody knows which were given after the
/// backup.
pub const VERSIONS_SKIPPED: i64 = 1_000;
/// Changes applied in one transaction.
const CHANGES_AT_ONCE: usize = 500;
/// Objects written at once.
const OBJECTS_AT_ONCE: usize = 256;

/// What is restored: a full backup, what follows on it, and up to when.
pub struct Source<'a> {
    /// Where they lie.
    pub place: &'a Place,
    /// The full backup, verified with an identity.
    pub full: &'a Verified,
    /// What follows on it, in order, verified likewise: segments; and of what is behind a gap, or of
    /// newer full backups, only what holds for ever is taken.
    pub segments: &'a [Verified],
    /// The second that is wanted: the last revision that was committed by then. None: the last.
    pub to: Option<Timestamp>,
}

/// Where a backup is restored to.
pub struct Target {
    /// The registry, to be filled.
    pub snapshot: Arc<dyn RegistrySnapshot>,
    /// The same registry, to be read and moved on.
    pub registry: Arc<dyn Registry>,
    /// The vault's storage.
    pub vault: Arc<dyn StorageBackend>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// The node's name in the log.
    pub node: Arc<str>,
    /// The history of the deployment that begins with this restore: a fresh id, and after an
    /// interruption the same again. The registry is marked with it once both places were seen to be
    /// empty: so whether what is there already is this restore's, the registry says itself.
    pub history: Uuid,
    /// Whether numbers of new versions are moved on, and the uses of limited keys count as spent:
    /// yes, unless nothing was changed or used after the backup. Uses count as spent in any case if more
    /// than one full backup is restored: segments do not hold them.
    pub skips_versions: bool,
}

/// What a restore came to.
#[derive(Clone, Debug)]
pub struct RestoreOutcome {
    /// The backup.
    pub backup: BackupSummary,
    /// What it said of itself.
    pub manifest: Manifest,
    /// Objects of the vault, those included that an earlier try had written.
    pub objects: u64,
    /// Keys whose next version skips numbers.
    pub keys_moved_on: u64,
    /// Versions of limited keys whose uses count as spent: what was used since is not known.
    pub limits_spent: u64,
    /// Segments of which something was applied or learnt.
    pub segments: u64,
    /// The revision that was restored, before anything was added to it.
    pub restored_revision: i64,
    /// When it was committed.
    pub restored_at: Timestamp,
    /// Rows that were changed since because what they say holds for ever.
    pub facts: u64,
    /// Values of secrets that are not there: they were deleted later, before any backup held them.
    pub values_missing: u64,
    /// The registry's revision now.
    pub revision: i64,
}

/// Restores what was verified.
pub async fn restore(
    source: &Source<'_>,
    identities: &Identities,
    target: &Target,
) -> Result<RestoreOutcome, RestoreError> {
    let mut restoring = Restoring::new(source, identities, target)?;
    restoring.claim().await?;
    restoring.learn().await?;
    restore_what(&restoring).await
}

/// Restores what was learnt of, or of it what was selected, into places that are this restore's.
pub(crate) async fn restore_what(
    restoring: &Restoring<'_>,
) -> Result<RestoreOutcome, RestoreError> {
    let (full, target) = (restoring.full, restoring.target);
    let Written {
        objects,
        root,
        records,
    } = restoring.vault().await?;
    restoring.registry().await?;
    restoring.apply().await?;
    let facts = restoring.assert_facts().await?;
    let keys_moved_on = restoring.move_on().await?;
    restoring.point_classes().await?;
    restoring.seal_texts_again().await?;
    let limits_spent = if restoring.knows_uses() {
        0
    } else {
        spend_all(&*target.registry).await?
    };
    let excused = restoring.excused();
    let values_missing = ensure_complete(&*target.snapshot, &records, &excused).await?;
    restoring.hold_sweep().await?;
    if let Some(root) = root {
        place_object(&*target.vault, root).await?;
    }
    let (restored_revision, restored_at) = restoring.restored;
    Ok(RestoreOutcome {
        backup: summary(full),
        manifest: full.manifest.clone(),
        objects,
        keys_moved_on,
        limits_spent,
        segments: restoring.segments.len() as u64,
        restored_revision,
        restored_at,
        facts,
        values_missing,
        revision: target.registry.revision().await?,
    })
}

pub(crate) fn root_name() -> Result<ObjectName, RestoreError> {
    let malformed = || StorageError::Unavailable {
        cause: "the root's name is not well formed".to_owned(),
    };
    ObjectName::new(ROOT).ok_or_else(|| RestoreError::Vault(malformed()))
}

/// What was written into the vault.
#[derive(Default)]
struct Written {
    objects: u64,
    /// What makes it count: not written yet.
    root: Option<VaultEntry>,
    records: HashMap<RecordId, Digest>,
}

impl Written {
    fn note(&mut self, object: &VaultEntry) {
        self.objects += 1;
        if let Seen::Whole { record, digest, .. } | Seen::Core { record, digest } =
            look(&object.bytes)
        {
            self.records.insert(record, digest);
        }
    }
}

/// What is read, and where it is restored to.
pub(crate) struct Restoring<'a> {
    read: Reading<'a>,
    pub(crate) target: &'a Target,
}

impl<'a> Deref for Restoring<'a> {
    type Target = Reading<'a>;

    fn deref(&self) -> &Reading<'a> {
        &self.read
    }
}

impl DerefMut for Restoring<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.read
    }
}

impl<'a> Restoring<'a> {
    /// Nothing but what was verified.
    pub(crate) fn new(
        source: &Source<'a>,
        identities: &'a Identities,
        target: &'a Target,
    ) -> Result<Self, RestoreError> {
        let read = Reading::new(source, identities)?;
        Ok(Self { read, target })
    }

    /// Uses of limited keys are in no change: they are known for the full backup's own revision only, and
    /// only if nothing was used after it.
    fn knows_uses(&self) -> bool {
        let is_alone = self.segments.is_empty() && self.beyond.is_empty();
        // Of a part they are not brought along.
        let is_all = self.selection.is_none();
        !self.target.skips_versions && is_alone && is_all && self.to.is_none()
    }

    /// What may be missing in the vault in the end.
    fn excused(&self) -> Excused<'_> {
        let backups = self.segments.iter().copied().chain([self.full]);
        let lost = backups.flat_map(|backup| &backup.manifest.lost);
        Excused {
            lost: lost.map(|lost| RecordId::from_uuid(lost.record)).collect(),
            deleted_later: &self.facts.deleted_later,
        }
    }

    /// Writes every object but the root's manifest, which is given back. The newest backup first: what
    /// it has of a name is what counts.
    async fn vault(&self) -> Result<Written, RestoreError> {
        let mut written = Written::default();
        let mut names: HashSet<ObjectName> = HashSet::new();
        let backups = self.segments.iter().rev().copied().chain([self.full]);
        for backup in backups {
            let is_full = backup.manifest.kind == BackupKind::Full;
            let parts = self.parts(backup);
            for part in parts.of(Content::Vault) {
                let opened = self.open(&parts, part).await?;
                let mut waiting = Vec::with_capacity(OBJECTS_AT_ONCE);
                for object in entry::objects(&opened) {
                    let object = object.ok_or_else(|| unreadable(part))?;
                    if object.name.as_str() == ROOT {
                        written.root.get_or_insert(object);
                        continue;
                    }
                    if names.contains(&object.name) || self.is_left(&object) {
                        continue;
                    }
                    if !is_full {
                        names.insert(object.name.clone());
                    }
                    written.note(&object);
                    waiting.push(object);
                    if waiting.len() == OBJECTS_AT_ONCE {
                        place_objects(&*self.target.vault, std::mem::take(&mut waiting)).await?;
                    }
                }
                place_objects(&*self.target.vault, waiting).await?;
            }
        }
        Ok(written)
    }

    /// Whether it belongs to a record that was destroyed, which no restore brings back, or to one that
    /// was not selected.
    fn is_left(&self, object: &VaultEntry) -> bool {
        let record = match look(&object.bytes) {
            Seen::Whole { record, .. } | Seen::Core { record, .. } => Some(record),
            // What lies among records and is no header is a part of one: its name says of which.
            Seen::Outer { .. } | Seen::Other => record_of(object.name.as_str()),
        };
        let selection = self.selection.as_ref();
        let name = object.name.as_str();
        let is_of_seals = name.starts_with(SEALS) || name.starts_with(ROOTS);
        selection.is_some_and(|selection| !is_of_seals && !selection.has_record(record))
            || record.is_some_and(|record| self.facts.gone.contains(&record))
    }

    /// Makes sure that nobody else's is in either place before anything is written: both are empty,
    /// or the registry says that they were when this restore began.
    pub(crate) async fn claim(&self) -> Result<(), RestoreError> {
        let Target {
            snapshot,
            vault,
            history,
            ..
        } = self.target;
        if snapshot.deployment_history().await? == *history {
            return self.ensure_own_root().await;
        }
        ensure_vault_empty(&**vault).await?;
        snapshot.ensure_empty().await?;
        Ok(snapshot.begin_history(*history).await?)
    }

    /// A vault that counts already, and not by this restore, is not this restore's.
    async fn ensure_own_root(&self) -> Result<(), RestoreError> {
        let last = self.segments.last().unwrap_or(&self.full);
        let name = root_name()?;
        let found = self.target.vault.read(&name).await;
        match found.map_err(RestoreError::Vault)? {
            Some(root) if Digest(sha256(&root)) != last.manifest.root_sha256 => {
                Err(RestoreError::OtherObject {
                    name: ROOT.to_owned(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Fills the registry, unless an earlier try has.
    pub(crate) async fn registry(&self) -> Result<(), RestoreError> {
        if self.is_filled().await? {
            return Ok(());
        }
        let parts = self.parts(self.full);
        let mut lines = RegistryLines::new(&parts, self.identities);
        let imported = match &self.selection {
            None => self.target.snapshot.import(&mut lines).await.map(drop),
            Some(selection) => self.import_selected(&mut lines, selection).await,
        };
        match lines.failure {
            Some(Failure::Place(error)) => return Err(error.into()),
            Some(Failure::Part { part, fault }) => return Err(RestoreError::Part { part, fault }),
            None => {}
        }
        imported?;
        Ok(())
    }

    /// Brings the registry forward to the revision that is wanted. What it has is passed over.
    pub(crate) async fn apply(&self) -> Result<(), RestoreError> {
        let until = self.restored.0;
        let mut reached = self.target.registry.revision().await?;
        for segment in &self.segments {
            if segment.manifest.revision <= reached || reached >= until {
                continue;
            }
            let parts = self.parts(segment);
            for part in parts.of(Content::Changes) {
                let mut changes = self.changes(&parts, part).await?;
                changes.retain(|change| change.revision <= until);
                for some in changes.chunks(CHANGES_AT_ONCE) {
                    reached = self.apply_some(some).await?;
                }
            }
        }
        Ok(())
    }

    async fn apply_some(&self, changes: &[Change]) -> Result<i64, RestoreError> {
        let snapshot = &self.target.snapshot;
        let Some(selection) = &self.selection else {
            return Ok(snapshot.apply_changes(changes).await?);
        };
        let selected = changes.iter().cloned().map(|it| selection.change(it));
        let selected: Vec<SelectedChange> = selected.collect();
        Ok(snapshot.apply_selected(&selected).await?)
    }

    /// Does again what holds for ever.
    async fn assert_facts(&self) -> Result<u64, RestoreError> {
        let registry = &self.target.registry;
        let mut rows = 0;
        for (scope, writes) in self.facts.missing_in(&**registry).await? {
            rows += writes.len() as u64;
            let told = ("facts".to_owned(), writes.len().into());
            registry.commit(self.commit(scope, writes, [told])).await?;
        }
        Ok(rows)
    }

    async fn is_filled(&self) -> Result<bool, RestoreError> {
        let manifest = &self.full.manifest;
        let registry = &self.target.registry;
        Ok(registry.deployment().await? == manifest.deployment
            && registry.revision().await? >= manifest.revision)
    }

    pub(crate) fn commit(
        &self,
        tenant: Option<TenantId>,
        writes: Vec<Write>,
        details: [(String, serde_json::Value); 1],
    ) -> Commit {
        let backup = self.full.manifest.backup;
        let event = AuditEvent {
            time: self.target.clock.now(),
            node: self.target.node.clone(),
            tenant,
            actor: Actor::system(),
            action: Action::BackupRestore,
            resource: Resource {
                kind: "backup".into(),
                id: Some(backup),
                name: None,
                version: None,
            },
            outcome: Outcome::Ok,
            reason: self.reason.clone(),
            correlation_id: CorrelationId::new(&format!("kw-{backup}"))
                .unwrap_or_else(|_| unreachable!("an id is well formed")),
            details: BTreeMap::from(details),
            used: Vec::new(),
            revision: None,
            change: None,
            signature: None,
            leaf: LeafMark::default(),
        };
        Commit {
            tenant,
            writes,
            event,
            idempotency: None,
            fence: None,
        }
    }
}
