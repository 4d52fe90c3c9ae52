//! A drill: a backup verified, restored into an instance of its own, opened and compared, and the signed
//! report filed beside the backups. Makes and wipes the instance through [`Ground`]; knows nothing of the
//! live deployment but which history it is of and how to notice that it was sealed.

mod opening;

use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::ids::DrillId;
use keyward_core::port::backup::{BackupError, SealedObjects};
use keyward_core::port::drill::{DrillOrder, DrillReport, Rehearsal};
use keyward_core::port::key_provider::KeyProvider;
use keyward_core::port::registry::Registry;
use keyward_core::port::secret_store::SecretStore;
use keyward_core::port::snapshot::{RegistrySnapshot, SnapshotError, SnapshotSink};
use keyward_core::port::storage::{KeyHierarchy, StorageBackend, StorageError};
use keyward_core::snapshot::Coverage;
use keyward_core::time::{Clock, Timestamp};
use serde::Serialize;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::chain::Chain;
use crate::manifest::{Manifest, Signed};
use crate::parts::{Parts, RegistryLines};
use crate::place::Place;
use crate::restore::{Source, Target, restore};
use crate::sealing::Identities;
use crate::signature::{BackupKey, Signer};
use crate::verify::{Finding, Verified, verify};

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
    /// The live registry, asked for nothing but which history it is of.
    pub live: Arc<dyn RegistrySnapshot>,
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
            // A seal that was closed meanwhile says nothing about a backup.
            report.interrupted |= self.ground.is_sealed();
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
            history: order.id.uuid(),
            identities: &identities,
            instance: &instance,
        };
        let (opened, tried) = trial.run(full, segments, report).await;
        let wiped = self.ground.wipe(instance, opened).await;
        tried.and(wiped)
    }

    async fn identities(&self, order: &DrillOrder) -> Result<Identities, Trouble> {
        let from_file;
        let text = if let Some(secret) = &order.identity {
            std::str::from_utf8(secret.expose())
                .map_err(|_| "the identity for drills is not text".to_owned())?
        } else {
            from_file = self.ground.identity().await?;
            from_file.as_str()
        };
        Identities::parse(text).map_err(told)
    }

    async fn chain(&self, order: &DrillOrder, key: &BackupKey) -> Result<Chain, Trouble> {
        let Some(id) = order.backup else {
            // What a copy beside this deployment made, or the lost one, has the same signer.
            let history = self.live.deployment_history().await.map_err(told)?;
            let found = Chain::of_history(&self.place, key, history).await;
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
        let name = order.id.to_string();
        match self.place.file_report(&name, signed.clone()).await {
            // An earlier run ended, and nobody was told: both reports stay.
            Err(BackupError::Destination(StorageError::AlreadyExists)) => {
                let again = format!("{name}-{}", filed.ended_at.as_micros());
                self.place.file_report(&again, signed).await.map_err(told)
            }
            filed => filed.map_err(told),
        }
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

/// A backup in its instance.
struct Trial<'a> {
    drills: &'a Drills,
    /// The history that the instance goes through: no backup is ever made of it.
    history: Uuid,
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
        };
        let target = Target {
            snapshot: self.instance.snapshot.clone(),
            registry: self.instance.registry.clone(),
            vault: self.instance.vault.clone(),
            clock: self.drills.clock.clone(),
            node: NODE.into(),
            // The registry is filled already, as this one.
            history: self.history,
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
        // Whoever restores then knows that what is there is its own.
        snapshot.begin_history(self.history).await.map_err(told)?;
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
}

/// Where rows go that are only counted.
struct Nowhere;

#[async_trait]
impl SnapshotSink for Nowhere {
    async fn put(&mut self, _: String) -> Result<(), SnapshotError> {
        Ok(())
    }
}
