//! Making a segment: the changes of the registry since the newest backup, and the records that came
//! with them. A record that is gone by now was destroyed since, which one of the next changes says; one
//! that was lost is found by the next full backup.

use std::collections::BTreeMap;

use keyward_core::change::{Change, Row, WriteKind};
use keyward_core::ids::{RecordId, TenantId};
use keyward_core::noun::key::ProviderKind;
use keyward_core::noun::tenant::{Digest, TenantKek};
use keyward_core::port::backup::{BackupError, BackupOrder, BackupSummary};
use keyward_core::port::snapshot::SnapshotError;
use uuid::Uuid;

use crate::create::{Backups, Parts, audit, digest_of_root, fault_of, held, seals};
use crate::manifest::{BackupKind, Content, FORMAT, Manifest, Signed};
use crate::references::Named;
use crate::signature::Signer;
use crate::stock::summary;

/// Changes read at once.
const PAGE: usize = 200;

/// What came with some changes.
#[derive(Default)]
struct Came {
    keks: Vec<TenantKek>,
    records: BTreeMap<RecordId, (Digest, Named)>,
}

impl Came {
    fn take(&mut self, change: &Change) {
        let inserted = |kind: WriteKind| kind == WriteKind::Insert;
        for write in change.writes.iter().filter(|write| inserted(write.kind)) {
            match &write.row {
                Row::TenantKek(kek) => self.keks.push(kek.clone()),
                Row::KeyVersion(version) if version.provider == ProviderKind::Native => {
                    let record = version.provider_key_id.parse().ok();
                    self.note(record, version.record_digest, Named::Material);
                }
                Row::ImportKey(key) => {
                    let record = key.provider_key_id.parse().ok();
                    self.note(record, Some(key.record_digest), Named::ImportKey);
                }
                Row::SecretVersion(version) => {
                    self.note(
                        Some(version.record),
                        Some(version.record_digest),
                        Named::Secret,
                    );
                }
                _ => {}
            }
        }
    }

    fn note(&mut self, record: Option<RecordId>, digest: Option<Digest>, named: Named) {
        if let (Some(record), Some(digest)) = (record, digest) {
            self.records.insert(record, (digest, named));
        }
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for (_, named) in self.records.values() {
            *counts.entry(named.name().to_owned()).or_default() += 1;
        }
        counts.insert("tenant_kek".to_owned(), self.keks.len() as u64);
        counts
    }
}

impl Backups {
    pub(crate) async fn make_segment(
        &self,
        order: BackupOrder,
    ) -> Result<Option<BackupSummary>, BackupError> {
        let Some(previous) = self.newest().await? else {
            return Ok(None);
        };
        let begun_at = self.clock.now();
        let signer = Signer::new(&order.signing_key).map_err(|_| BackupError::Sealing("signed"))?;
        let mut parts = Parts::new(self, order.id);
        let Some((came, last)) = self.changes(previous.revision, &mut parts).await? else {
            return Ok(None);
        };
        let root = self
            .records(&came, previous.root_sha256, &mut parts)
            .await?;
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            backup: order.id,
            kind: BackupKind::Segment,
            deployment: previous.deployment,
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
            lost: Vec::new(),
            keks: came.keks.iter().map(held).collect(),
            parts: parts.done,
        };
        let signed = manifest
            .sign(&signer)
            .map_err(|_| BackupError::Sealing("signed"))?;
        self.place
            .complete(order.id, BackupKind::Segment, signed)
            .await?;
        let by = signer.public().clone();
        Ok(Some(summary(&Signed { manifest, by })))
    }

    /// What the next segment follows on: the last segment, so that there is no gap between segments
    /// whatever full backups are made meanwhile; the first one follows on the oldest full backup.
    async fn newest(&self) -> Result<Option<Manifest>, BackupError> {
        let listing = self.place.list().await?;
        // A segment alone restores nothing.
        let Some(full) = listing.complete.first() else {
            return Ok(None);
        };
        self.manifest(*listing.segments.last().unwrap_or(full))
            .await
    }

    async fn manifest(&self, id: Uuid) -> Result<Option<Manifest>, BackupError> {
        let Some(stored) = self.place.manifest(id).await? else {
            return Ok(None);
        };
        let signed = Manifest::read(&stored, None).map_err(|error| BackupError::Refused {
            backup: id,
            what: "the manifest".to_owned(),
            why: error.to_string(),
        })?;
        Ok(Some(signed.manifest))
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

    /// Copies what came and is still there, and the root with all that is under it if it changed.
    async fn records(
        &self,
        came: &Came,
        root_before: Digest,
        parts: &mut Parts<'_>,
    ) -> Result<Digest, BackupError> {
        let root = self.vault.of_root().await.map_err(BackupError::Vault)?;
        let digest = digest_of_root(&root);
        let is_new = digest != root_before;
        // A new root key wraps them all anew.
        let all = if is_new {
            self.all_keks().await?
        } else {
            Vec::new()
        };
        for kek in if is_new { &all } else { &came.keks } {
            let found = self.vault.of_tenant_kek(kek).await;
            let found = found.map_err(BackupError::Vault)?;
            if fault_of(&found, kek.record, &kek.record_digest, None).is_none() {
                parts.objects(found).await?;
            }
        }
        for (record, (digest, _)) in &came.records {
            let found = self.vault.of_record(*record).await;
            let found = found.map_err(BackupError::Vault)?;
            if fault_of(&found, *record, digest, None).is_none() {
                parts.objects(found).await?;
            }
        }
        if is_new {
            parts.objects(root).await?;
        }
        parts.seal().await?;
        Ok(digest)
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
