//! A place where nothing is, and a world restored there from another world's backup.

use std::sync::Arc;

use keyward_backup::{
    BackupKey, Identities, RestoreError, RestoreOutcome, Source, Target, Verified,
};
use keyward_core::port::registry::Registry;
use keyward_core::port::snapshot::RegistrySnapshot;
use keyward_core::snapshot::{Coverage, SnapshotSummary};
use keyward_core::time::Timestamp;
use keyward_store::{Config, SqlRegistry};
use uuid::Uuid;

use super::{BACKUP_IDENTITY, RegistryKind, Setup, VaultKind, World, storage};
use crate::faulty::FaultyBackend;

/// An empty registry and an empty vault.
pub struct Blank {
    setup: Setup,
    /// The registry.
    pub registry: Arc<SqlRegistry>,
    /// The vault's storage; its changes fail when told to.
    pub vault: Arc<FaultyBackend>,
}

impl World {
    /// Verifies a backup of this world with everything that it takes.
    pub async fn verified(&self, backup: Uuid, key: Option<&BackupKey>) -> Verified {
        let verified =
            keyward_backup::verify(&self.backups, backup, key, Some(&identities())).await;
        verified.expect("the place of backups reads")
    }

    /// A place with the clock of this world where nothing is.
    pub async fn blank(&self, registry: RegistryKind, backend: VaultKind) -> Blank {
        let setup = Setup::new(registry, backend);
        let url = Config::new(setup.url.clone());
        let registry = SqlRegistry::open(url, self.clock.clone()).await;
        let vault = Arc::new(FaultyBackend::new(storage(&setup)));
        Blank {
            registry: Arc::new(registry.expect("the registry opens")),
            vault,
            setup,
        }
    }

    /// Restores what was verified; once more if the first try was interrupted.
    pub async fn restore(
        &self,
        verified: &Verified,
        to: &Blank,
        resumes: bool,
        skips_versions: bool,
    ) -> Result<RestoreOutcome, RestoreError> {
        self.restore_to(verified, &[], None, to, resumes, skips_versions)
            .await
    }

    /// The same with what follows on it, up to an instant.
    pub async fn restore_to(
        &self,
        full: &Verified,
        segments: &[Verified],
        instant: Option<Timestamp>,
        to: &Blank,
        resumes: bool,
        skips_versions: bool,
    ) -> Result<RestoreOutcome, RestoreError> {
        let source = Source {
            place: &self.backups,
            full,
            segments,
            to: instant,
            later: None,
        };
        self.restore_from(&source, to, resumes, skips_versions)
            .await
    }

    /// The same from whatever source.
    pub async fn restore_from(
        &self,
        source: &Source<'_>,
        to: &Blank,
        resumes: bool,
        skips_versions: bool,
    ) -> Result<RestoreOutcome, RestoreError> {
        let target = Target {
            snapshot: to.registry.clone(),
            registry: to.registry.clone(),
            vault: to.vault.clone(),
            clock: self.clock.clone(),
            node: "node-1".into(),
            resumes,
            skips_versions,
        };
        keyward_backup::restore(source, &identities(), &target).await
    }

    /// A world on what was restored, by this world's seal.
    pub async fn on_restored(&self, restored: Blank) -> Self {
        let Blank {
            mut setup,
            registry,
            vault,
        } = restored;
        registry.close().await;
        drop((registry, vault));
        let seal = self.directory().join("seal.key");
        std::fs::copy(seal, setup.directory.path().join("seal.key")).expect("the seal's key");
        setup.bootstrap.clone_from(&self.setup.bootstrap);
        let mut world = Self::open(setup, self.clock.clone(), false).await;
        world.root = Some(world.authenticated(self.root_token()).await);
        world
    }
}

impl Blank {
    /// What its registry holds of what backups cover.
    pub async fn holds(&self) -> SnapshotSummary {
        holds(&self.registry).await
    }

    /// Whether it has any change.
    pub async fn revision(&self) -> i64 {
        self.registry.revision().await.expect("the registry reads")
    }
}

/// What a registry holds of what backups cover.
pub(super) async fn holds(registry: &SqlRegistry) -> SnapshotSummary {
    let mut nowhere = Nowhere;
    let exported = registry.export(Coverage::Backup, &mut nowhere).await;
    exported.expect("the registry reads")
}

impl World {
    /// What this world's registry holds of what backups cover.
    pub async fn holds(&self) -> SnapshotSummary {
        holds(&self.registry).await
    }
}

struct Nowhere;

#[async_trait::async_trait]
impl keyward_core::port::snapshot::SnapshotSink for Nowhere {
    async fn put(&mut self, _: String) -> Result<(), keyward_core::port::snapshot::SnapshotError> {
        Ok(())
    }
}

fn identities() -> Identities {
    Identities::parse(BACKUP_IDENTITY).expect("an identity")
}
