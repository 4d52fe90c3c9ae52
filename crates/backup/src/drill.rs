//! A drill: a backup verified, restored into an instance of its own, opened and compared, and the signed
//! report filed beside the backups. Makes and wipes the instance through [`Ground`]; knows nothing of the
//! live deployment but how to notice that it was sealed.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::ids::{DrillId, RecordId, TenantId};
use keyward_core::noun::key::ProviderKind;
use keyward_core::noun::tenant::{Digest, TenantKek};
use keyward_core::port::backup::SealedObjects;
use keyward_core::port::drill::{DrillOrder, DrillReport, Rehearsal};
use keyward_core::port::key_provider::{KeyProvider, MaterialRef, MaterialSpec};
use keyward_core::port::registry::{KeyWithVersions, Registry};
use keyward_core::port::secret_store::{SecretSpec, SecretStore};
use keyward_core::port::snapshot::{RegistrySnapshot, SnapshotError, SnapshotSink};
use keyward_core::port::storage::{KeyHierarchy, StorageBackend};
use keyward_core::snapshot::Coverage;
use keyward_core::time::{Clock, Timestamp};
use keyward_crypto::record::KekRef;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::chain::Chain;
use crate::create::kek_ref;
use crate::manifest::{Manifest, Signed};
use crate::parts::{Parts, RegistryLines};
use crate::place::Place;
use crate::restore::{Source, Target, restore};
use crate::sealed_record::{Seen, look};
use crate::sealing::Identities;
use crate::signature::{BackupKey, Signer};
use crate::verify::{Finding, Verified, verify};

/// Rows read at once.
const PAGE: usize = 200;
/// What the instance calls itself in its own log, which goes with it.
const NODE: &str = "drill";

/// Where instances are made that are thrown away. What it says went wrong is for people, and holds no
/// secret.
#[async_trait]
pub trait Ground: Send + Sync {
    /// The text of the identity that the configuration names, unless it is in the vault.
    async fn identity(&self) -> Result<Zeroizing<String>, String>;

    /// Makes an empty instance with room for so many bytes. Removes what an earlier one left.
    async fn make(&self, bytes: u64) -> Result<Instance, String>;

    /// Unseals the vault that was restored into an instance.
    async fn open(&self, instance: &Instance) -> Result<Opened, String>;

    /// Whether the live server is sealed: then nothing may stay open.
    fn is_sealed(&self) -> bool;

    /// Closes an instance and removes all of it. Dropping it removes it as well.
    async fn wipe(&self, instance: Instance, opened: Option<Opened>) -> Result<(), String>;
}

/// An empty registry and an empty vault of their own.
pub struct Instance {
    /// The registry, to be filled.
    pub snapshot: Arc<dyn RegistrySnapshot>,
    /// The same registry, to be read.
    pub registry: Arc<dyn Registry>,
    /// The vault's storage.
    pub vault: Arc<dyn StorageBackend>,
    /// What removes everything when it is dropped, and knows how to close it.
    pub held: Box<dyn std::any::Any + Send + Sync>,
}

/// The restored vault, open.
pub struct Opened {
    /// Its key-encryption keys.
    pub hierarchy: Arc<dyn KeyHierarchy>,
    /// Its key material.
    pub provider: Arc<dyn KeyProvider>,
    /// Its secrets.
    pub secrets: Arc<dyn SecretStore>,
    /// Its objects as they are stored.
    pub copies: Arc<dyn SealedObjects>,
    /// What opened it.
    pub by: &'static str,
}

/// Makes drills.
pub struct Drills {
    /// Where backups lie.
    pub place: Place,
    /// Where instances are made.
    pub ground: Arc<dyn Ground>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// This program and its version.
    pub software: String,
}

/// A problem, in words.
type Trouble = String;

#[async_trait]
impl Rehearsal for Drills {
    async fn rehearse(&self, order: DrillOrder) -> DrillReport {
        let began_at = self.clock.now();
        let mut report = DrillReport::default();
        if let Err(trouble) = self.try_all(&order, &mut report).await {
            report.problems.push(trouble);
        }
        if !report.interrupted
            && let Err(trouble) = self.file(&order, began_at, &report).await
        {
            let problem = format!("the report could not be filed: {trouble}");
            report.problems.push(problem);
        }
        report
    }
}

fn told(error: impl std::fmt::Display) -> Trouble {
    error.to_string()
}

impl Drills {
    async fn try_all(&self, order: &DrillOrder, report: &mut DrillReport) -> Result<(), Trouble> {
        let identities = self.identities(order).await?;
        let key = BackupKey::parse(&order.key).map_err(told)?;
        let chain = self.chain(order, &key).await?;
        report.backup = Some(chain.full);
        report.segments = chain.segments.len() as u64;
        let mut verified = Vec::new();
        for id in chain.all() {
            let one = verify(&self.place, id, Some(&key), Some(&identities)).await;
            let one = one.map_err(told)?;
            // What was lost before the backup was made is an alert of its own.
            let unsound = |finding: &&Finding| !matches!(finding, Finding::RecordLost { .. });
            let findings = one.findings.iter().filter(unsound);
            let problems = findings.map(|finding| format!("backup {id}: {finding}"));
            report.problems.extend(problems);
            verified.push(one);
        }
        let Some((full, segments)) = verified.split_first() else {
            return Ok(());
        };
        report.rows = full.rows;
        report.records = full.records;
        if !report.problems.is_empty() {
            return Ok(());
        }
        let bytes = verified.iter().filter_map(|one| one.signed.as_ref());
        let parts = bytes.flat_map(|signed| &signed.manifest.parts);
        // Once in the registry or the vault, and once in their logs.
        let bytes = parts.map(|part| part.opened_bytes).sum::<u64>() * 2;
        let instance = self.ground.make(bytes).await?;
        let trial = Trial {
            drills: self,
            identities: &identities,
            instance: &instance,
        };
        let (opened, tried) = trial.run(full, segments, report).await;
        let wiped = self.ground.wipe(instance, opened).await;
        tried.and(wiped)
    }

    async fn identities(&self, order: &DrillOrder) -> Result<Identities, Trouble> {
        let from_file;
        let text = match &order.identity {
            Some(secret) => std::str::from_utf8(secret.expose())
                .map_err(|_| "the identity for drills is not text".to_owned())?,
            None => {
                from_file = self.ground.identity().await?;
                from_file.as_str()
            }
        };
        Identities::parse(text).map_err(told)
    }

    async fn chain(&self, order: &DrillOrder, key: &BackupKey) -> Result<Chain, Trouble> {
        let Some(id) = order.backup else {
            let found = Chain::find(&self.place, Some(key), None).await;
            return found.map_err(told);
        };
        let listing = self.place.list().await.map_err(told)?;
        let is_there = listing.complete.contains(&id);
        let missing = || format!("backup {id} is not there any more");
        is_there.then(|| Chain::only(id)).ok_or_else(missing)
    }

    async fn file(
        &self,
        order: &DrillOrder,
        began_at: Timestamp,
        report: &DrillReport,
    ) -> Result<(), Trouble> {
        let filed = Filed {
            drill: order.id,
            passed: report.problems.is_empty(),
            began_at,
            ended_at: self.clock.now(),
            software: &self.software,
            report,
        };
        // By way of a map, which sorts its keys.
        let line = serde_json::to_value(&filed).map_err(told)?.to_string();
        let signer = Signer::new(&order.signing_key).map_err(told)?;
        let signed = signer.report(&line).map_err(told)?;
        let id = order.id.uuid();
        self.place.file_report(id, signed).await.map_err(told)
    }
}

#[derive(Serialize)]
struct Filed<'a> {
    drill: DrillId,
    passed: bool,
    began_at: Timestamp,
    ended_at: Timestamp,
    software: &'a str,
    #[serde(flatten)]
    report: &'a DrillReport,
}

struct Trial<'a> {
    drills: &'a Drills,
    identities: &'a Identities,
    instance: &'a Instance,
}

impl Trial<'_> {
    async fn run(
        &self,
        full: &Verified,
        segments: &[Verified],
        report: &mut DrillReport,
    ) -> (Option<Opened>, Result<(), Trouble>) {
        if let Err(trouble) = self.restore(full, segments, report).await {
            return (None, Err(trouble));
        }
        let opened = match self.drills.ground.open(self.instance).await {
            Ok(opened) => opened,
            Err(trouble) => return (None, Err(trouble)),
        };
        report.unsealed_by = Some(opened.by);
        let manifests = [full].into_iter().chain(segments);
        let manifests = manifests.filter_map(|one| one.signed.as_ref());
        let manifests: Vec<&Manifest> = manifests.map(|signed| &signed.manifest).collect();
        let tried = self.open_all(&opened, &manifests, report).await;
        (Some(opened), tried)
    }

    async fn restore(
        &self,
        full: &Verified,
        segments: &[Verified],
        report: &mut DrillReport,
    ) -> Result<(), Trouble> {
        let signed = full.ensure_restores().map_err(told)?;
        self.compare_registry(signed, report).await?;
        let source = Source {
            place: &self.drills.place,
            full,
            segments,
            to: None,
            later: None,
        };
        let target = Target {
            snapshot: self.instance.snapshot.clone(),
            registry: self.instance.registry.clone(),
            vault: self.instance.vault.clone(),
            clock: self.drills.clock.clone(),
            node: NODE.into(),
            // The registry is filled already.
            resumes: true,
            skips_versions: false,
        };
        let restored = restore(&source, self.identities, &target).await;
        let restored = restored.map_err(told)?;
        let last = segments.last().and_then(|one| one.signed.as_ref());
        let expected = last.unwrap_or(signed).manifest.revision;
        if restored.restored_revision != expected || restored.revision < expected {
            report.problems.push(format!(
                "revision {} was restored, the manifest says {expected}",
                restored.restored_revision
            ));
        }
        report.revision = Some(restored.restored_revision);
        report.committed_at = Some(restored.restored_at);
        Ok(())
    }

    /// Fills the registry and reads it again: the same rows, by the digest of them all.
    async fn compare_registry(
        &self,
        signed: &Signed,
        report: &mut DrillReport,
    ) -> Result<(), Trouble> {
        let parts = Parts {
            place: &self.drills.place,
            manifest: &signed.manifest,
        };
        let mut lines = RegistryLines::new(&parts, self.identities);
        let snapshot = &self.instance.snapshot;
        let imported = snapshot.import(&mut lines).await.map_err(told)?;
        let exported = snapshot.export(Coverage::Backup, &mut Nowhere).await;
        if exported.map_err(told)? != imported {
            let problem = "the restored registry has other rows than the backup";
            report.problems.push(problem.to_owned());
        }
        for table in &imported.tables {
            let expected = signed.manifest.tables.get(&table.table).copied();
            if expected != Some(table.rows) {
                let (name, rows) = (&table.table, table.rows);
                report.problems.push(format!(
                    "table {name} has {rows} rows, the manifest says {}",
                    expected.unwrap_or(0)
                ));
            }
        }
        Ok(())
    }

    /// Opens every key-encryption key, and under each a record that is in use.
    async fn open_all(
        &self,
        opened: &Opened,
        manifests: &[&Manifest],
        report: &mut DrillReport,
    ) -> Result<(), Trouble> {
        let keks = self.keks().await?;
        let live: HashSet<_> = keks.iter().map(|kek| kek.record.uuid()).collect();
        let lost = manifests.iter().flat_map(|it| &it.lost);
        let lost: HashSet<_> = lost.map(|lost| lost.record).collect();
        let mut waiting = HashSet::new();
        for kek in &keks {
            if self.is_sealed(report) {
                return Ok(());
            }
            if lost.contains(&kek.record.uuid()) {
                continue;
            }
            match opened.hierarchy.verify_tenant_kek(kek).await {
                Ok(()) => {
                    report.keks_opened += 1;
                    waiting.extend(kek_ref(kek));
                }
                Err(error) => {
                    let (version, tenant) = (kek.version, kek.tenant);
                    report.problems.push(format!(
                        "key-encryption key {version} of tenant {tenant} does not open: {error}"
                    ));
                }
            }
        }
        let full = manifests.first().map_or(&[][..], |full| &full.keks);
        let named = full.iter().filter(|kek| live.contains(&kek.record)).count();
        if manifests.len() == 1 && named != full.len() {
            let problem = "the manifest names key-encryption keys that the registry does not have";
            report.problems.push(problem.to_owned());
        }
        self.open_material(opened, &mut waiting, report).await?;
        self.open_secrets(opened, &mut waiting, report).await
    }

    async fn keks(&self) -> Result<Vec<TenantKek>, Trouble> {
        let registry = &self.instance.registry;
        let system = registry.tenant_keks(TenantId::SYSTEM).await;
        let mut all = system.map_err(told)?;
        let mut after = None;
        loop {
            let page = registry.tenants(after.as_ref(), PAGE).await;
            let page = page.map_err(told)?;
            for tenant in &page.rows {
                all.extend(registry.tenant_keks(tenant.id).await.map_err(told)?);
            }
            after = page.rows.last().map(|last| last.name.clone());
            if !page.more {
                return Ok(all);
            }
        }
    }

    fn is_sealed(&self, report: &mut DrillReport) -> bool {
        report.interrupted |= self.drills.ground.is_sealed();
        report.interrupted
    }

    /// Under which of the keys that wait for a record this one is.
    async fn kek_of(
        &self,
        opened: &Opened,
        record: RecordId,
        waiting: &HashSet<KekRef>,
    ) -> Result<Option<KekRef>, Trouble> {
        let objects = opened.copies.of_record(record).await.map_err(told)?;
        let keks = objects
            .iter()
            .filter_map(|object| match look(&object.bytes) {
                Seen::Whole { kek, .. } | Seen::Outer { kek } => Some(kek),
                Seen::Core { .. } | Seen::Other => None,
            });
        Ok(keks.into_iter().find(|kek| waiting.contains(kek)))
    }

    async fn open_material(
        &self,
        opened: &Opened,
        waiting: &mut HashSet<KekRef>,
        report: &mut DrillReport,
    ) -> Result<(), Trouble> {
        let mut after = None;
        loop {
            let page = self.instance.registry.all_keys(after, PAGE).await;
            let page = page.map_err(told)?;
            after = page.rows.last().map(|last| last.key.id);
            for found in &page.rows {
                if waiting.is_empty() || self.is_sealed(report) {
                    return Ok(());
                }
                self.open_versions(opened, found, waiting, report).await?;
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn open_versions(
        &self,
        opened: &Opened,
        found: &KeyWithVersions,
        waiting: &mut HashSet<KekRef>,
        report: &mut DrillReport,
    ) -> Result<(), Trouble> {
        for version in &found.versions {
            let Some(material) = material(found, version) else {
                continue;
            };
            let Ok(record) = version.provider_key_id.parse() else {
                continue;
            };
            let Some(kek) = self.kek_of(opened, record, waiting).await? else {
                continue;
            };
            match opened.provider.verify(&material).await {
                Ok(()) => opened_under(kek, waiting, report),
                Err(error) => report.problems.push(format!(
                    "version {} of key {} does not open: {error}",
                    version.version, version.key
                )),
            }
        }
        Ok(())
    }

    /// For keys under which there is no material.
    async fn open_secrets(
        &self,
        opened: &Opened,
        waiting: &mut HashSet<KekRef>,
        report: &mut DrillReport,
    ) -> Result<(), Trouble> {
        let mut after = None;
        loop {
            let registry = &self.instance.registry;
            let page = registry.all_secret_versions(after, PAGE).await;
            let page = page.map_err(told)?;
            after = page.rows.last().map(|last| last.id);
            for version in &page.rows {
                if waiting.is_empty() || self.is_sealed(report) {
                    return Ok(());
                }
                let kek = match version.destroying_at {
                    // It may be gone already.
                    Some(_) => None,
                    None => self.kek_of(opened, version.record, waiting).await?,
                };
                let Some(kek) = kek else {
                    continue;
                };
                let spec = SecretSpec {
                    tenant: version.tenant,
                    secret: version.secret,
                    version: u32::try_from(version.version).unwrap_or(0),
                    record: version.record,
                };
                match opened.secrets.open(spec, &version.record_digest).await {
                    Ok(value) => {
                        drop(value);
                        opened_under(kek, waiting, report);
                    }
                    Err(error) => report.problems.push(format!(
                        "version {} of secret {} does not open: {error}",
                        version.version, version.secret
                    )),
                }
            }
            if !page.more {
                return Ok(());
            }
        }
    }
}

fn opened_under(kek: KekRef, waiting: &mut HashSet<KekRef>, report: &mut DrillReport) {
    waiting.remove(&kek);
    report.records_opened += 1;
}

/// What a version's material is, if the vault has it.
fn material(
    found: &KeyWithVersions,
    version: &keyward_core::noun::key_version::KeyVersion,
) -> Option<MaterialRef> {
    let is_here = version.provider == ProviderKind::Native && version.destroyed_at.is_none();
    let digest: Option<Digest> = version.record_digest;
    (is_here && !version.destroying && digest.is_some()).then_some(())?;
    Some(MaterialRef {
        spec: MaterialSpec {
            tenant: version.tenant,
            key: version.key,
            version: u32::try_from(version.version).ok()?,
            algorithm: version.algorithm,
            usages: found.key.usages,
        },
        provider_key_id: version.provider_key_id.as_str().into(),
        record_digest: digest,
    })
}

/// Where rows go that are only counted.
struct Nowhere;

#[async_trait]
impl SnapshotSink for Nowhere {
    async fn put(&mut self, _: String) -> Result<(), SnapshotError> {
        Ok(())
    }
}
