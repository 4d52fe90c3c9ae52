//! A place where nothing is, and a world restored there from another world's backup.

use std::sync::Arc;

use keyward_backup::{
    BackupKey, Identities, RestoreError, RestoreOutcome, Source, Target, Verified,
};
use keyward_core::port::registry::Registry;
use keyward_core::port::snapshot::RegistrySnapshot;
use keyward_core::snapshot::{Coverage, SnapshotSummary};
use keyward_core::time::Timestamp;
use keyward_crypto::Random as _;
use keyward_crypto::random::SystemRandom;
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
        // Whoever takes a try up has its mark still.
        let history = if resumes {
            to.registry
                .deployment_history()
                .await
                .expect("the registry reads")
        } else {
            fresh_history()
        };
        let source = Source {
            place: &self.backups,
            full,
            segments,
            to: instant,
        };
        self.restore_as(&source, to, history, skips_versions).await
    }

    /// The same as this history of the deployment, which is what the mark of a try says.
    pub async fn restore_as(
        &self,
        source: &Source<'_>,
        to: &Blank,
        history: Uuid,
        skips_versions: bool,
    ) -> Result<RestoreOutcome, RestoreError> {
        let target = Target {
            snapshot: to.registry.clone(),
            registry: to.registry.clone(),
            vault: to.vault.clone(),
            clock: self.clock.clone(),
            node: "node-1".into(),
            history,
            skips_versions,
        };
        keyward_backup::restore(source, &identities(), &target).await
    }

    /// A world on what was restored, by this world's seal.
    pub async fn on_restored(&self, restored: Blank) -> Self {
        let seal = std::fs::read(self.directory().join("seal.key")).expect("the seal's key");
        self.on_restored_with(restored, &seal, self.root_token())
            .await
    }

    /// A world on what was restored of another deployment: its key file, and the token of its first
    /// principal.
    pub async fn on_restored_with(&self, restored: Blank, key_file: &[u8], token: &str) -> Self {
        let Blank {
            mut setup,
            registry,
            vault,
        } = restored;
        registry.close().await;
        drop((registry, vault));
        write_private(&setup.directory.path().join("seal.key"), key_file);
        setup.bootstrap = Some(token.to_owned());
        let mut world = Self::open(setup, self.clock.clone(), false).await;
        world.root = Some(world.authenticated(token).await);
        world
    }
}

/// As a key file must be.
fn write_private(path: &std::path::Path, bytes: &[u8]) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(bytes));
    written.expect("the seal's key");
}

impl World {
    /// A world on what another program left: `leave` fills its directory (`registry.db`, `seal.key`,
    /// `audit/`) and its vault. The token is that of the first principal.
    pub async fn found(
        token: &str,
        leave: impl AsyncFnOnce(&std::path::Path, &dyn keyward_core::port::storage::StorageBackend),
    ) -> Self {
        let mut setup = Setup::new(RegistryKind::Sqlite, VaultKind::Embedded);
        let vault = storage(&setup);
        vault.init().await.expect("the backend does what it must");
        leave(setup.directory.path(), &*vault).await;
        drop(vault);
        setup.bootstrap = Some(token.to_owned());
        let clock = Arc::new(super::DrivenClock::new());
        // Behind everything that was done there.
        clock.advance_seconds(3_600);
        let mut world = Self::open(setup, clock, false).await;
        world.root = Some(world.authenticated(token).await);
        world
    }
}

impl Blank {
    /// Lets what is restored here write its backups where another world writes its own, as the same
    /// configuration does.
    pub fn share_backups_of(&self, world: &World) {
        let own = self.setup.directory.path().join("backups");
        std::os::unix::fs::symlink(world.directory().join("backups"), own)
            .expect("nothing is there yet");
    }

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

/// An id for a history that a restore begins.
pub fn fresh_history() -> Uuid {
    let mut bytes = [0; 16];
    SystemRandom.fill(&mut bytes).expect("random bytes");
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

fn identities() -> Identities {
    Identities::parse(BACKUP_IDENTITY).expect("an identity")
}
