//! Restoring a backup into an empty registry and an empty vault, whichever they are. Everything is
//! verified before anything is written. The order is the one of an initialisation: sealed records,
//! then the registry in one transaction, and last the root key's manifest, without which nothing
//! counts; each step can be repeated, so that whoever was interrupted begins again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use keyward_core::audit::{Actor, AuditEvent, Outcome, Resource};
use keyward_core::change::{Change, Commit, Row, Write};
use keyward_core::ids::{KeyId, TenantId};
use keyward_core::names::CorrelationId;
use keyward_core::noun::action::Action;
use keyward_core::noun::key::Key;
use keyward_core::port::backup::BackupSummary;
use keyward_core::port::registry::Registry;
use keyward_core::port::snapshot::RegistrySnapshot;
use keyward_core::port::storage::{ObjectName, StorageBackend};
use keyward_core::time::{Clock, Timestamp};
use zeroize::Zeroizing;

use crate::chain;
use crate::empty_vault::{ensure_vault_empty, place_object, place_objects};
use crate::entry::{self, VaultEntry};
use crate::facts::{Facts, Feed};
use crate::manifest::{Content, Manifest, Part, Signed};
use crate::parts::{Failure, PartFault, Parts, RegistryLines};
use crate::place::Place;
use crate::restore_error::RestoreError;
use crate::sealed_record::{Seen, look};
use crate::sealing::Identities;
use crate::spent::spend_all;
use crate::stock::summary;
use crate::verify::{Verified, record_of};

/// The object that makes a vault count: written last.
pub(crate) const ROOT: &str = "root/current";
/// What the names of records begin with.
const RECORDS: &str = "rec/";
/// How far the numbers of new key versions are moved on when nobody knows which were given after the
/// backup.
pub const VERSIONS_SKIPPED: i64 = 1_000;
/// Keys read and moved on at once.
const KEYS_PAGE: usize = 200;
/// Changes looked through at once.
const CHANGES_PAGE: usize = 1_000;
/// What the log calls the numbers that keys skip.
const SKIPPED: &str = "versions_skipped";
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
    /// The segments that follow on it, in order, verified likewise.
    pub segments: &'a [Verified],
    /// The second that is wanted: the last revision that was committed by then. None: the last.
    pub to: Option<Timestamp>,
    /// Where there is a gap behind the segments: what knows the rest of what holds for ever.
    pub later: Option<LaterVerified<'a>>,
}

/// The newest full backup and what follows on it. Nothing of it is restored but what holds for ever, and
/// the keys that whatever seals there are now lead to.
#[derive(Clone, Copy)]
pub struct LaterVerified<'a> {
    /// The full backup, verified with an identity.
    pub full: &'a Verified,
    /// The segments that follow on it, in order, verified likewise.
    pub segments: &'a [Verified],
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
    /// Whether an earlier try of this same restore was interrupted: what is there already is its.
    pub resumes: bool,
    /// Whether numbers of new versions are moved on, and the uses of limited keys count as spent:
    /// yes, unless nothing was changed or used after the backup.
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
    /// The registry's revision now.
    pub revision: i64,
}

/// Restores what was verified.
pub async fn restore(
    source: &Source<'_>,
    identities: &Identities,
    target: &Target,
) -> Result<RestoreOutcome, RestoreError> {
    let full = source.full.ensure_restores()?;
    let sound = |all: &'_ [Verified]| -> Result<Vec<_>, _> {
        let all = all.iter().map(|one| one.ensure_restores().cloned());
        all.collect::<Result<Vec<Signed>, RestoreError>>()
    };
    let segments = sound(source.segments)?;
    let mut later = Vec::new();
    if let Some(behind) = &source.later {
        later.push(behind.full.ensure_restores()?.clone());
        later.extend(sound(behind.segments)?);
    }
    let mut restoring = Restoring {
        place: source.place,
        full,
        segments: segments.iter().collect(),
        later: later.iter().collect(),
        identities,
        target,
        to: source.to,
        facts: Facts::default(),
        restored: (full.manifest.revision, full.manifest.committed_at),
    };
    if !target.resumes {
        ensure_vault_empty(&*target.vault).await?;
    }
    restoring.learn().await?;
    let (objects, root) = restoring.vault().await?;
    restoring.registry().await?;
    restoring.apply().await?;
    let facts = restoring.assert_facts().await?;
    let keys_moved_on = restoring.move_on().await?;
    let limits_spent = if target.skips_versions {
        spend_all(&*target.registry).await?
    } else {
        0
    };
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
        revision: target.registry.revision().await?,
    })
}

struct Restoring<'a> {
    place: &'a Place,
    full: &'a Signed,
    segments: Vec<&'a Signed>,
    /// Behind a gap: a full backup and what follows on it.
    later: Vec<&'a Signed>,
    identities: &'a Identities,
    target: &'a Target,
    to: Option<Timestamp>,
    facts: Facts,
    /// The revision that is restored, and when it was committed.
    restored: (i64, Timestamp),
}

impl<'a> Restoring<'a> {
    const fn parts(&self, of: &'a Signed) -> Parts<'a> {
        Parts {
            place: self.place,
            manifest: &of.manifest,
        }
    }

    fn is_wanted(&self, change: &Change) -> bool {
        self.to.is_none_or(|to| change.committed_at <= to)
    }

    async fn open(
        &self,
        parts: &Parts<'_>,
        part: &Part,
    ) -> Result<Zeroizing<Vec<u8>>, RestoreError> {
        let opened = parts.opened(part, self.identities).await?;
        opened.map_err(|fault| RestoreError::Part {
            part: part.name.clone(),
            fault,
        })
    }

    /// The changes of a part of a segment.
    async fn changes(&self, parts: &Parts<'_>, part: &Part) -> Result<Vec<Change>, RestoreError> {
        let opened = self.open(parts, part).await?;
        chain::changes(&opened).ok_or_else(|| RestoreError::Part {
            part: part.name.clone(),
            fault: PartFault::Contents,
        })
    }

    /// Goes through all changes once: which is the last that is wanted, and what holds for ever.
    async fn learn(&mut self) -> Result<(), RestoreError> {
        for segment in self.segments.clone() {
            let parts = self.parts(segment);
            for part in parts.of(Content::Changes) {
                for change in self.changes(&parts, part).await? {
                    let is_wanted = self.is_wanted(&change);
                    self.facts.take(&change.writes, !is_wanted);
                    if is_wanted && change.revision > self.restored.0 {
                        self.restored = (change.revision, change.committed_at);
                    }
                }
            }
        }
        self.learn_later().await
    }

    /// The same of what is behind a gap: the change feed of the full backup knows all that was before.
    async fn learn_later(&mut self) -> Result<(), RestoreError> {
        let known = self.segments.last().unwrap_or(&self.full);
        let known = known.manifest.revision;
        for backup in self.later.clone() {
            let parts = self.parts(backup);
            let mut feed = Feed::default();
            for part in parts.of(Content::Registry) {
                let opened = self.open(&parts, part).await?;
                let changes = feed.take(&opened).ok_or_else(|| RestoreError::Part {
                    part: part.name.clone(),
                    fault: PartFault::Contents,
                })?;
                for (revision, writes) in changes {
                    if revision > known {
                        self.facts.take(&writes, true);
                    }
                }
            }
            for part in parts.of(Content::Changes) {
                for change in self.changes(&parts, part).await? {
                    self.facts.take(&change.writes, true);
                }
            }
        }
        Ok(())
    }

    /// Writes every object but the root's manifest, which is given back. The newest backup first: what
    /// it has of a name is what counts.
    async fn vault(&self) -> Result<(u64, Option<VaultEntry>), RestoreError> {
        let (mut written, mut root) = (0, None);
        let mut names: HashSet<ObjectName> = HashSet::new();
        let later = self.later.iter().rev().map(|backup| (*backup, true));
        let segments = self.segments.iter().rev().map(|backup| (*backup, false));
        for (backup, is_later) in later.chain(segments).chain([(self.full, false)]) {
            // Of the last one nothing is looked for any more.
            let is_last = backup.manifest.backup == self.full.manifest.backup;
            let parts = self.parts(backup);
            for part in parts.of(Content::Vault) {
                let opened = self.open(&parts, part).await?;
                let mut waiting = Vec::with_capacity(OBJECTS_AT_ONCE);
                for object in entry::objects(&opened) {
                    let object = object.ok_or_else(|| RestoreError::Part {
                        part: part.name.clone(),
                        fault: PartFault::Contents,
                    })?;
                    if object.name.as_str() == ROOT {
                        root = root.or(Some(object));
                        continue;
                    }
                    let is_unwanted = is_later && object.name.as_str().starts_with(RECORDS);
                    if is_unwanted || names.contains(&object.name) || self.is_gone(&object) {
                        continue;
                    }
                    if !is_last {
                        names.insert(object.name.clone());
                    }
                    written += 1;
                    waiting.push(object);
                    if waiting.len() == OBJECTS_AT_ONCE {
                        place_objects(&*self.target.vault, std::mem::take(&mut waiting)).await?;
                    }
                }
                place_objects(&*self.target.vault, waiting).await?;
            }
        }
        Ok((written, root))
    }

    /// Whether it belongs to a record that was destroyed: no restore brings it back.
    fn is_gone(&self, object: &VaultEntry) -> bool {
        let record = match look(&object.bytes) {
            Seen::Whole { record, .. } | Seen::Core { record, .. } => Some(record),
            Seen::Outer { .. } => record_of(object.name.as_str()),
            Seen::Other => None,
        };
        record.is_some_and(|record| self.facts.gone.contains(&record))
    }

    /// Fills the registry, unless an earlier try has.
    async fn registry(&self) -> Result<(), RestoreError> {
        if self.target.resumes && self.is_filled().await? {
            return Ok(());
        }
        let parts = self.parts(self.full);
        let mut lines = RegistryLines::new(&parts, self.identities);
        let imported = self.target.snapshot.import(&mut lines).await;
        match lines.failure {
            Some(Failure::Place(error)) => return Err(error.into()),
            Some(Failure::Part { part, fault }) => return Err(RestoreError::Part { part, fault }),
            None => {}
        }
        imported?;
        Ok(())
    }

    /// Brings the registry forward to the revision that is wanted. What it has is passed over.
    async fn apply(&self) -> Result<(), RestoreError> {
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
                    reached = self.target.snapshot.apply_changes(some).await?;
                }
            }
        }
        Ok(())
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

    /// Moves the numbers of new key versions on: what was made after the backup may have used the
    /// next ones, and no number may ever mean two keys.
    async fn move_on(&self) -> Result<u64, RestoreError> {
        if !self.target.skips_versions {
            return Ok(0);
        }
        let registry = &self.target.registry;
        let done = self.moved_on_already().await?;
        let (mut moved, mut after) = (done.len() as u64, None);
        loop {
            let page = registry.all_keys(after, KEYS_PAGE).await?;
            after = page.rows.last().map(|last| last.key.id);
            let mut by_tenant: BTreeMap<TenantId, Vec<Write>> = BTreeMap::new();
            for found in page.rows {
                let mut key: Key = found.key;
                if done.contains(&key.id) {
                    continue;
                }
                key.latest_version += VERSIONS_SKIPPED;
                key.etag += 1;
                let tenant = key.tenant;
                let write = Write::update(Row::Key(Box::new(key)));
                by_tenant.entry(tenant).or_default().push(write);
            }
            for (tenant, writes) in by_tenant {
                moved += writes.len() as u64;
                let told = (SKIPPED.to_owned(), VERSIONS_SKIPPED.into());
                registry
                    .commit(self.commit(Some(tenant), writes, [told]))
                    .await?;
            }
            if !page.more {
                return Ok(moved);
            }
        }
    }

    /// What an interrupted try has done of it.
    async fn moved_on_already(&self) -> Result<HashSet<KeyId>, RestoreError> {
        let mut done = HashSet::new();
        let mut after = self.restored.0;
        loop {
            let registry = &self.target.registry;
            let changes = registry.changes_after(after, CHANGES_PAGE).await?;
            let Some(last) = changes.last() else {
                return Ok(done);
            };
            after = last.revision;
            let moved = |change: &Change| change.event.details.contains_key(SKIPPED);
            let moved = changes.into_iter().filter(moved);
            for write in moved.flat_map(|change| change.writes) {
                if let Row::Key(key) = write.row {
                    done.insert(key.id);
                }
            }
        }
    }

    fn commit(
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
            reason: None,
            correlation_id: CorrelationId::new(&format!("kw-{backup}"))
                .unwrap_or_else(|_| unreachable!("an id is well formed")),
            details: BTreeMap::from(details),
            used: Vec::new(),
            revision: None,
            change: None,
        };
        Commit {
            tenant,
            writes,
            event,
            idempotency: None,
        }
    }
}
