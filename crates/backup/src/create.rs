//! Making a backup: the registry at one revision first, then the records that it names, which never
//! change. Everything goes through in parts of bounded size; the manifest comes last.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::noun::tenant::{Digest, TenantKek};
use keyward_core::port::backup::{
    BackupError, BackupOrder, BackupProgress, BackupStock, BackupStore, BackupSummary,
    SealedObject, SealedObjects, SealedRecord, Segmented,
};
use keyward_core::port::registry::Registry;
use keyward_core::port::snapshot::{RegistrySnapshot, SnapshotError, SnapshotSink};
use keyward_core::port::storage::StorageError;
use keyward_core::snapshot::{Coverage, SnapshotSummary};
use keyward_core::time::Clock;
use keyward_crypto::digest::sha256;
use keyward_crypto::record::KekRef;
use uuid::Uuid;

use crate::entry;
use crate::manifest::{
    AuditPosition, BackupKind, Content, FORMAT, KekHeld, LostRecord, Manifest, Part, SealNeeded,
    Signed,
};
use crate::place::Place;
use crate::record_copies::{CUT, MISSING, fault_of};
use crate::references::References;
use crate::sealing::Recipients;
use crate::signature::Signer;
use crate::stock::{self, summary};
use crate::tip::Tip;
use crate::under_root::{ASTRAY, UnderRoot};

/// A part is sealed when it has so many bytes. One object larger than that is a part of its own.
const PART_BYTES: usize = 4 << 20;
/// Parts that wait to be written together: what is held in memory meanwhile is that many parts.
const WAITING_MAX: usize = 8;

/// Makes and lists backups.
pub struct Backups {
    /// The registry as a whole.
    pub registry: Arc<dyn RegistrySnapshot>,
    /// The same registry, for its changes.
    pub feed: Arc<dyn Registry>,
    /// The vault's objects.
    pub vault: Arc<dyn SealedObjects>,
    /// Where backups go.
    pub place: Place,
    /// Who can open them.
    pub recipients: Recipients,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// This program and its version.
    pub software: String,
    /// What the next segment follows on; nothing is known at first.
    pub tip: Tip,
}

#[async_trait]
impl BackupStore for Backups {
    async fn create(
        &self,
        order: BackupOrder,
        progress: &dyn BackupProgress,
    ) -> Result<BackupSummary, BackupError> {
        let made = self.make(&order, progress).await;
        // Segments are counted anew from here.
        self.tip.forget();
        if made.is_err() {
            // A later try writes everything anew. What cannot be removed now is found by its age.
            let _ = self.place.sweep(order.id).await;
        }
        made
    }

    async fn segment(&self, order: BackupOrder) -> Result<Segmented, BackupError> {
        self.make_segment(order).await
    }

    async fn list(&self) -> Result<Vec<BackupSummary>, BackupError> {
        let complete = self.place.list().await?.complete;
        let mut summaries = Vec::with_capacity(complete.len());
        for id in complete {
            summaries.extend(self.show(id).await?);
        }
        Ok(summaries)
    }

    async fn show(&self, id: Uuid) -> Result<Option<BackupSummary>, BackupError> {
        stock::show(&self.place, id).await
    }

    async fn stock(&self, key: &str) -> Result<BackupStock, BackupError> {
        let registry = |error| BackupError::Snapshot(SnapshotError::Registry(error));
        let deployment = self.feed.deployment().await.map_err(registry)?;
        let history = self.registry.deployment_history().await?;
        stock::take(&self.place, key, deployment, history).await
    }

    async fn check(&self, id: Uuid, key: &str) -> Result<Option<String>, BackupError> {
        stock::check(&self.place, id, key).await
    }

    async fn remove(&self, id: Uuid) -> Result<(), BackupError> {
        self.place.remove(id).await
    }
}

impl Backups {
    async fn make(
        &self,
        order: &BackupOrder,
        progress: &dyn BackupProgress,
    ) -> Result<BackupSummary, BackupError> {
        let begun_at = self.clock.now();
        let signer = Signer::new(&order.signing_key).map_err(|_| BackupError::Sealing("signed"))?;
        self.place.prepare().await?;
        self.place.sweep(order.id).await?;
        // Tidiness: a store that lets nobody delete keeps nobody from a backup.
        let _ = self.place.sweep_old(begun_at).await;
        let mut parts = Parts::new(self, order.id);
        let (snapshot, references) = self.registry_parts(&mut parts).await?;
        let (lost, root) = self
            .vault_parts(&mut parts, &references, order, progress)
            .await?;
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            backup: order.id,
            kind: BackupKind::Full,
            deployment: snapshot.header.deployment,
            history: self.registry.deployment_history().await?,
            from_revision: 0,
            revision: snapshot.header.revision,
            committed_at: snapshot.header.committed_at,
            begun_at,
            completed_at: self.clock.now(),
            software: self.software.clone(),
            schema: snapshot.header.schema,
            recipients: self.recipients.texts(),
            seals: seals(order),
            audit: audit(order),
            root_sha256: root,
            tables: references.tables.clone(),
            records: references.counts(),
            lost,
            keks: references.keks.iter().map(held).collect(),
            parts: parts.done,
        };
        let signed = manifest
            .sign(&signer)
            .map_err(|_| BackupError::Sealing("signed"))?;
        self.place
            .complete(order.id, BackupKind::Full, signed)
            .await?;
        Ok(summary(&Signed {
            manifest,
            by: signer.public().clone(),
        }))
    }

    async fn registry_parts(
        &self,
        parts: &mut Parts<'_>,
    ) -> Result<(SnapshotSummary, References), BackupError> {
        let mut sink = RegistrySink {
            parts,
            references: References::default(),
            failure: None,
        };
        let exported = self.registry.export(Coverage::Backup, &mut sink).await;
        let RegistrySink {
            references,
            failure,
            ..
        } = sink;
        if let Some(failure) = failure {
            return Err(failure);
        }
        let snapshot = exported?;
        parts.seal().await?;
        Ok((snapshot, references))
    }

    /// Copies keys, records and root, in this order; which records are lost.
    async fn vault_parts(
        &self,
        parts: &mut Parts<'_>,
        references: &References,
        order: &BackupOrder,
        progress: &dyn BackupProgress,
    ) -> Result<(Vec<LostRecord>, Digest), BackupError> {
        let root_before = self.vault.of_root().await.map_err(BackupError::Vault)?;
        let mut under = UnderRoot::default();
        for kek in &references.keks {
            let found = self.vault.of_tenant_kek(kek).await;
            let found = found.map_err(BackupError::Vault)?;
            match fault_of(&found, kek.record, &kek.record_digest, None) {
                None => {
                    under.note(kek.record, &found);
                    parts.objects(found).await?;
                }
                Some(MISSING) if references.may_be_gone(kek) => {}
                // All records under it would be in the backup for nothing: never accepted.
                Some(wrong) => {
                    return Err(BackupError::Record {
                        record: kek.record,
                        wrong,
                    });
                }
            }
        }
        let keks: HashSet<KekRef> = references.keks.iter().filter_map(kek_ref).collect();
        let lost = self.copy_records(parts, references, &keks, order, progress);
        let lost = lost.await?;
        let root = self.vault.of_root().await.map_err(BackupError::Vault)?;
        let astray = under.beyond(&root.keys, &root_before.keys)?;
        if let Some(record) = astray.first() {
            return Err(BackupError::Record {
                record: *record,
                wrong: ASTRAY,
            });
        }
        let root = root.objects;
        let digest = digest_of_root(&root);
        parts.objects(root).await?;
        parts.seal().await?;
        Ok((lost, digest))
    }
}

/// What names the root key is the last of its objects.
pub(crate) fn digest_of_root(objects: &[SealedObject]) -> Digest {
    let last = objects.last().map_or(&[][..], |object| &object.bytes);
    Digest(sha256(last))
}

pub(crate) fn kek_ref(kek: &TenantKek) -> Option<KekRef> {
    Some(KekRef {
        id: kek.record.uuid(),
        version: u32::try_from(kek.version).ok()?,
    })
}

pub(crate) fn held(kek: &TenantKek) -> KekHeld {
    KekHeld {
        tenant: kek.tenant.uuid(),
        version: kek.version,
        record: kek.record.uuid(),
    }
}

pub(crate) fn seals(order: &BackupOrder) -> Vec<SealNeeded> {
    let status = &order.seals;
    let needed = |kind: &String| {
        let is_shared = kind == "shares";
        SealNeeded {
            kind: kind.clone(),
            threshold: status.threshold.filter(|_| is_shared),
            total: status.total.filter(|_| is_shared),
        }
    };
    status.seals.iter().map(needed).collect()
}

pub(crate) fn audit(order: &BackupOrder) -> Option<AuditPosition> {
    let position = order.journal.as_ref()?;
    Some(AuditPosition {
        node: position.node.to_string(),
        sequence: position.sequence,
        entry_sha256: position.entry,
    })
}

/// The parts so far, and the one that is being filled.
pub(crate) struct Parts<'a> {
    backups: &'a Backups,
    id: Uuid,
    content: Content,
    open: Vec<u8>,
    entries: u64,
    /// Sealed and not written yet; none if each is written as soon as it is sealed.
    waiting: Option<Vec<(String, Vec<u8>)>>,
    pub(crate) done: Vec<Part>,
}

impl<'a> Parts<'a> {
    pub(crate) const fn new(backups: &'a Backups, id: Uuid) -> Self {
        Self {
            backups,
            id,
            content: Content::Registry,
            open: Vec::new(),
            entries: 0,
            waiting: None,
            done: Vec::new(),
        }
    }

    /// The same, but nothing is written before [`Self::write`], as long as it is little.
    pub(crate) fn at_once(backups: &'a Backups, id: Uuid) -> Self {
        Self {
            waiting: Some(Vec::new()),
            ..Self::new(backups, id)
        }
    }

    /// Writes what waits for it, all at once.
    pub(crate) async fn write(&mut self) -> Result<(), BackupError> {
        let waiting = self.waiting.take().unwrap_or_default();
        self.backups.place.put_all(self.id, waiting).await
    }

    pub(crate) async fn lines(&mut self, content: Content, lines: &str) -> Result<(), BackupError> {
        self.content = content;
        self.open.extend_from_slice(lines.as_bytes());
        self.entries += lines.lines().count() as u64;
        self.seal_if_full().await
    }

    pub(crate) async fn objects(&mut self, objects: Vec<SealedObject>) -> Result<(), BackupError> {
        self.content = Content::Vault;
        for object in objects {
            entry::push(&object.name, &object.bytes, &mut self.open).ok_or(BackupError::Vault(
                StorageError::TooLarge {
                    size_bytes: object.bytes.len(),
                    size_bytes_max: u32::MAX as usize,
                },
            ))?;
            self.entries += 1;
            self.seal_if_full().await?;
        }
        Ok(())
    }

    /// A record with its parts, one after the other, however many there are; what is wrong with it, if
    /// one of them is gone.
    pub(crate) async fn record(
        &mut self,
        mut found: SealedRecord,
    ) -> Result<Option<&'static str>, BackupError> {
        // What makes them a record comes last, be it the core's head or its outer header.
        let last = found.objects.pop();
        self.objects(found.objects).await?;
        for name in &found.parts {
            let part = self.backups.vault.part(name).await;
            let Some(part) = part.map_err(BackupError::Vault)? else {
                return Ok(Some(CUT));
            };
            self.objects(vec![part]).await?;
        }
        self.objects(last.into_iter().collect()).await?;
        Ok(None)
    }

    async fn seal_if_full(&mut self) -> Result<(), BackupError> {
        if self.open.len() < PART_BYTES {
            return Ok(());
        }
        self.seal().await
    }

    /// Seals what was gathered and writes it, if anything was.
    pub(crate) async fn seal(&mut self) -> Result<(), BackupError> {
        if self.entries == 0 {
            return Ok(());
        }
        let opened = std::mem::take(&mut self.open);
        let sealed = self
            .backups
            .recipients
            .seal(&opened)
            .map_err(|_| BackupError::Sealing("sealed"))?;
        let number = self.done.len() + 1;
        let part = Part {
            name: format!("{number:06}-{}.age", self.content.name()),
            content: self.content,
            entries: std::mem::take(&mut self.entries),
            sealed_bytes: sealed.len() as u64,
            sealed_sha256: Digest(sha256(&sealed)),
            opened_bytes: opened.len() as u64,
        };
        match &mut self.waiting {
            Some(waiting) if waiting.len() < WAITING_MAX => {
                waiting.push((part.name.clone(), sealed));
            }
            _ => self.backups.place.put(self.id, &part.name, sealed).await?,
        }
        self.done.push(part);
        Ok(())
    }
}

struct RegistrySink<'a, 'b> {
    parts: &'a mut Parts<'b>,
    references: References,
    /// What really failed: the registry is told only that something did.
    failure: Option<BackupError>,
}

#[async_trait]
impl SnapshotSink for RegistrySink<'_, '_> {
    async fn put(&mut self, lines: String) -> Result<(), SnapshotError> {
        let passage = |cause: &str| SnapshotError::Passage {
            cause: cause.to_owned(),
        };
        if self.references.take(&lines).is_err() {
            return Err(passage("a row that names a record cannot be read"));
        }
        self.parts
            .lines(Content::Registry, &lines)
            .await
            .map_err(|error| {
                self.failure = Some(error);
                passage("the backup's destination")
            })
    }
}
