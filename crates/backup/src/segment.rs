//! Making a segment: the changes of the registry since the newest backup, and the records that came
//! with them. A record that is gone by now was destroyed since, which one of the next changes says; one
//! that was lost, or is another than it should be, is named in the manifest.

use std::collections::BTreeMap;

use keyward_core::change::{Change, Row, WriteKind};
use keyward_core::ids::{ImportKeyId, KeyId, RecordId, SecretVersionId, TenantId, VersionId};
use keyward_core::noun::key::ProviderKind;
use keyward_core::noun::key_version::KeyVersion;
use keyward_core::noun::tenant::{Digest, TenantKek, TenantState};
use keyward_core::port::backup::{BackupError, BackupOrder, Segmented};
use keyward_core::port::registry::KeyRef;
use keyward_core::port::snapshot::SnapshotError;
use keyward_core::port::storage::StorageError;

use crate::create::{Backups, Parts, audit, digest_of_root, held, seals};
use crate::manifest::{BackupKind, Content, FORMAT, LostRecord, Manifest, Signed};
use crate::record_copies::{CUT, MISSING, fault_of};
use crate::references::Named;
use crate::signature::Signer;
use crate::stock::summary;
use crate::tip::Known;
use crate::under_root::{ASTRAY, UnderRoot};

/// Changes read at once.
const PAGE: usize = 200;

/// A record that came, and whose it is.
#[derive(Clone, Copy)]
struct Record {
    digest: Digest,
    named: Named,
    owner: Owner,
}

/// The row that names a record.
#[derive(Clone, Copy)]
enum Owner {
    Version(TenantId, KeyId, VersionId),
    ImportKey(TenantId, ImportKeyId),
    Secret(SecretVersionId),
}

/// What came with some changes.
#[derive(Default)]
struct Came {
    keks: Vec<TenantKek>,
    records: BTreeMap<RecordId, Record>,
}

impl Came {
    fn take(&mut self, change: &Change) {
        let inserted = |kind: WriteKind| kind == WriteKind::Insert;
        for write in change.writes.iter().filter(|write| inserted(write.kind)) {
            match &write.row {
                Row::TenantKek(kek) => self.keks.push(kek.clone()),
                Row::KeyVersion(version) if version.provider == ProviderKind::Native => {
                    let record = version.provider_key_id.parse().ok();
                    let owner = Owner::Version(version.tenant, version.key, version.id);
                    self.note(record, version.record_digest, Named::Material, owner);
                }
                Row::ImportKey(key) => {
                    let record = key.provider_key_id.parse().ok();
                    let owner = Owner::ImportKey(key.tenant, key.id);
                    self.note(record, Some(key.record_digest), Named::ImportKey, owner);
                }
                Row::SecretVersion(version) => {
                    let (record, digest) = (Some(version.record), Some(version.record_digest));
                    self.note(record, digest, Named::Secret, Owner::Secret(version.id));
                }
                _ => {}
            }
        }
    }

    fn note(
        &mut self,
        record: Option<RecordId>,
        digest: Option<Digest>,
        named: Named,
        owner: Owner,
    ) {
        if let (Some(record), Some(digest)) = (record, digest) {
            let came = Record {
                digest,
                named,
                owner,
            };
            self.records.insert(record, came);
        }
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for record in self.records.values() {
            *counts.entry(record.named.name().to_owned()).or_default() += 1;
        }
        counts.insert("tenant_kek".to_owned(), self.keks.len() as u64);
        counts
    }
}

/// What was copied beside the changes.
struct Copied {
    root: Digest,
    lost: Vec<LostRecord>,
}

impl Backups {
    pub(crate) async fn make_segment(&self, order: BackupOrder) -> Result<Segmented, BackupError> {
        let signer = Signer::new(&order.signing_key).map_err(|_| BackupError::Sealing("signed"))?;
        let now = self.clock.now();
        let known = self.tip.known(now).filter(|_| order.is_continuous);
        let (known, strangers) = if let Some(known) = known {
            (known, 0)
        } else {
            let latest = self.latest(signer.public()).await?;
            let Some(manifest) = latest.manifest else {
                return Ok(Segmented {
                    awaits_full: latest.is_restored,
                    ..Segmented::default()
                });
            };
            let known = Known {
                manifest,
                since_full: latest.since_full,
                looked_at: now,
            };
            (known, latest.strangers)
        };
        // Until it has ended well, nobody knows what is there.
        self.tip.forget();
        let id = order.id;
        let made = match self.ensure_leads_on(&known.manifest).await {
            Ok(()) => self.follow(&known.manifest, order, &signer).await,
            Err(refused) => return Err(refused),
        };
        if made.is_err() {
            // Nobody tries again under this id. If even that fails, it is found by its age.
            let _ = self.place.sweep(id).await;
        }
        let made = made?;
        let (reached, since_full) = match &made {
            Some(made) => (made.manifest.revision, known.since_full + 1),
            None => (known.manifest.revision, known.since_full),
        };
        let summary = made.as_ref().map(summary);
        self.tip.is(Known {
            manifest: made.map_or(known.manifest, |made| made.manifest),
            since_full,
            looked_at: known.looked_at,
        });
        Ok(Segmented {
            made: summary,
            reached,
            since_full,
            awaits_full: false,
            strangers,
        })
    }

    /// Writes what follows on a backup; none if nothing does.
    async fn follow(
        &self,
        previous: &Manifest,
        mut order: BackupOrder,
        signer: &Signer,
    ) -> Result<Option<Signed>, BackupError> {
        let begun_at = self.clock.now();
        let mut parts = Parts::at_once(self, order.id);
        let Some((came, last)) = self.changes(previous.revision, &mut parts).await? else {
            return Ok(None);
        };
        let Copied { root, lost } = self
            .records(&came, previous.root_sha256, &mut parts)
            .await?;
        drop(order.until_copied.take());
        parts.write().await?;
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            backup: order.id,
            kind: BackupKind::Segment,
            deployment: previous.deployment,
            history: previous.history,
            from_revision: previous.revision,
            revision: last.revision,
            committed_at: last.committed_at,
            begun_at,
            completed_at: self.clock.now(),
            software: self.software.clone(),
            schema: previous.schema,
            recipients: self.recipients.texts(),
            seals: seals(&order),
            audit: audit(&order),
            root_sha256: root,
            tables: BTreeMap::new(),
            records: came.counts(),
            lost,
            keks: came.keks.iter().map(held).collect(),
            parts: parts.done,
        };
        let signed = manifest
            .sign(signer)
            .map_err(|_| BackupError::Sealing("signed"))?;
        self.place
            .complete(order.id, BackupKind::Segment, signed)
            .await?;
        let by = signer.public().clone();
        Ok(Some(Signed { manifest, by }))
    }

    /// Writes the changes after a revision; what came with them, and the last. None if there are none.
    async fn changes(
        &self,
        after: i64,
        parts: &mut Parts<'_>,
    ) -> Result<Option<(Came, Change)>, BackupError> {
        let registry = |error| BackupError::Snapshot(SnapshotError::Registry(error));
        // Up to here, so that a busy server does not keep it from ending.
        let until = self.feed.revision().await.map_err(registry)?;
        let (mut came, mut last) = (Came::default(), None);
        let mut reached = after;
        while reached < until {
            let changes = self.feed.changes_after(reached, PAGE).await;
            let changes = changes.map_err(registry)?;
            if changes.is_empty() {
                break;
            }
            let mut lines = String::new();
            for change in changes {
                came.take(&change);
                lines.push_str(&line(&change)?);
                reached = change.revision;
                last = Some(change);
            }
            parts.lines(Content::Changes, &lines).await?;
        }
        parts.seal().await?;
        Ok(last.map(|last| (came, last)))
    }

    /// Copies what came and is still there, and the root with all that is under it if it changed. What
    /// should be there and is not is named: a segment that leaves something out says so.
    async fn records(
        &self,
        came: &Came,
        root_before: Digest,
        parts: &mut Parts<'_>,
    ) -> Result<Copied, BackupError> {
        let sealed = self.vault.of_root().await.map_err(BackupError::Vault)?;
        let (objects, roots) = (sealed.objects, sealed.keys);
        let root = digest_of_root(&objects);
        let mut under = UnderRoot::default();
        let is_new = root != root_before;
        // A new root key wraps them all anew.
        let all = if is_new {
            self.all_keks().await?
        } else {
            Vec::new()
        };
        for kek in if is_new { &all } else { &came.keks } {
            let found = self.vault.of_tenant_kek(kek).await;
            let found = found.map_err(BackupError::Vault)?;
            match fault_of(&found, kek.record, &kek.record_digest, None) {
                None => {
                    under.note(kek.record, &found);
                    parts.objects(found).await?;
                }
                Some(MISSING) if self.kek_may_be_gone(kek).await? => {}
                Some(wrong) => {
                    return Err(BackupError::Record {
                        record: kek.record,
                        wrong,
                    });
                }
            }
        }
        if !under.is_under(&roots) {
            let again = self.vault.of_root().await.map_err(BackupError::Vault)?;
            if let Some(record) = under.beyond(&roots, &again.keys)?.first() {
                return Err(BackupError::Record {
                    record: *record,
                    wrong: ASTRAY,
                });
            }
        }
        let mut lost = Vec::new();
        for (record, it) in &came.records {
            let fault = match self.vault.of_record(*record).await {
                Ok(found) => match fault_of(&found.objects, *record, &it.digest, None) {
                    None => parts.record(found).await?,
                    fault => fault,
                },
                Err(StorageError::Refused(_)) => Some(CUT),
                Err(error) => return Err(BackupError::Vault(error)),
            };
            match fault {
                None => {}
                Some(MISSING | CUT) if self.may_be_gone(it.owner).await? => {}
                Some(wrong) => lost.push(LostRecord {
                    record: record.uuid(),
                    wrong: wrong.to_owned(),
                }),
            }
        }
        if is_new {
            parts.objects(objects).await?;
        }
        parts.seal().await?;
        Ok(Copied { root, lost })
    }

    /// Whether the row says by now that its record is gone or on its way out.
    async fn may_be_gone(&self, owner: Owner) -> Result<bool, BackupError> {
        let registry = |error| BackupError::Snapshot(SnapshotError::Registry(error));
        Ok(match owner {
            Owner::Version(tenant, key, id) => {
                let found = self.feed.key(tenant, &KeyRef::Id(key)).await;
                let versions = found.map_err(registry)?.map(|found| found.versions);
                let version = versions.unwrap_or_default().into_iter();
                let is_live = |it: &KeyVersion| it.destroyed_at.is_none() && !it.destroying;
                version
                    .into_iter()
                    .find(|it| it.id == id)
                    .is_none_or(|it| !is_live(&it))
            }
            Owner::ImportKey(tenant, id) => {
                let found = self.feed.import_key(tenant, id).await.map_err(registry)?;
                let now = self.clock.now();
                found.is_none_or(|it| it.destroyed_at.is_some() || it.destroy_at <= now)
            }
            Owner::Secret(id) => {
                let found = self.feed.secret_version(id).await.map_err(registry)?;
                found.is_none_or(|it| it.destroying_at.is_some())
            }
        })
    }

    /// The same of a key-encryption key: its tenant is being shredded, or was.
    async fn kek_may_be_gone(&self, kek: &TenantKek) -> Result<bool, BackupError> {
        let registry = |error| BackupError::Snapshot(SnapshotError::Registry(error));
        let live = self.feed.tenant_keks(kek.tenant).await.map_err(registry)?;
        if live.iter().all(|it| it.version != kek.version) {
            return Ok(true);
        }
        let tenant = self.feed.tenant(kek.tenant).await.map_err(registry)?;
        Ok(tenant.is_some_and(|it| it.state == TenantState::Shredded))
    }
}

impl Backups {
    /// Every key-encryption key that is not destroyed.
    async fn all_keks(&self) -> Result<Vec<TenantKek>, BackupError> {
        let registry = |error| BackupError::Snapshot(SnapshotError::Registry(error));
        let system = self.feed.tenant_keks(TenantId::SYSTEM).await;
        let mut all = system.map_err(registry)?;
        let mut after = None;
        loop {
            let page = self.feed.tenants(after.as_ref(), PAGE).await;
            let page = page.map_err(registry)?;
            for tenant in &page.rows {
                all.extend(self.feed.tenant_keks(tenant.id).await.map_err(registry)?);
            }
            after = page.rows.last().map(|last| last.name.clone());
            if !page.more {
                return Ok(all);
            }
        }
    }
}

fn line(change: &Change) -> Result<String, BackupError> {
    let mut line = serde_json::to_string(change).map_err(|_| BackupError::Sealing("written"))?;
    line.push('\n');
    Ok(line)
}
