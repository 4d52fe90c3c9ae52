//! A place where nothing is, and a world restored there from another world's backup.

use std::sync::Arc;

use keyward_backup::{
    BackupKey, Companions, Identities, Records, RestoreError, RestoreOutcome, Source, Target,
    Verified, Wanted, bring_records, changes_after, restore_alone, rewind,
};
use keyward_core::caller::{Caller, TenantRef};
use keyward_core::change::Change;
use keyward_core::error::OpError;
use keyward_core::ops::restore::{self as part, Later, Order, Part, Report};
use keyward_core::port::registry::Registry;
use keyward_core::port::snapshot::{RegistrySnapshot, SnapshotError};
use keyward_core::snapshot::{Coverage, SnapshotSummary};
use keyward_core::time::Timestamp;
use keyward_crypto::Random as _;
use keyward_crypto::random::SystemRandom;
use keyward_store::SqlRegistry;
use uuid::Uuid;

use super::{BACKUP_IDENTITY, RegistryKind, Setup, VaultKind, World, patient, storage};
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
        let url = patient(&setup.url);
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

    /// Restores one tenant, one key or one secret into a place where nothing is; taken up if the first
    /// try was interrupted.
    pub async fn restore_alone(
        &self,
        full: &Verified,
        segments: &[Verified],
        instant: Option<Timestamp>,
        to: &Blank,
        wanted: &Wanted,
        resumes: bool,
    ) -> Result<(RestoreOutcome, Companions), RestoreError> {
        let history = if resumes {
            to.registry.deployment_history().await?
        } else {
            fresh_history()
        };
        let source = Source {
            place: &self.backups,
            full,
            segments,
            to: instant,
        };
        let target = Target {
            snapshot: to.registry.clone(),
            registry: to.registry.clone(),
            vault: to.vault.clone(),
            clock: self.clock.clone(),
            node: "node-1".into(),
            history,
            skips_versions: true,
        };
        restore_alone(&source, &identities(), &target, wanted).await
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

/// A part of a backup, wanted back in the world that it is of.
pub struct WantedPart {
    /// Whose.
    pub tenant: TenantRef,
    /// What of it.
    pub part: Part,
    /// Under which name.
    pub new_name: Option<String>,
    /// Whether what was changed since is replaced.
    pub replaces_newer: bool,
    /// Whether nothing was changed after the backup.
    pub nothing_since: bool,
}

impl WantedPart {
    /// A whole tenant.
    pub const fn of(tenant: TenantRef, part: Part) -> Self {
        Self {
            tenant,
            part,
            new_name: None,
            replaces_newer: false,
            nothing_since: false,
        }
    }
}

/// Why a part was not restored.
#[derive(Debug)]
pub enum PartError {
    /// The operation.
    Refused(OpError),
    /// The backup, or the vault.
    Failed(RestoreError),
}

impl From<OpError> for PartError {
    fn from(error: OpError) -> Self {
        Self::Refused(error)
    }
}

impl From<SnapshotError> for PartError {
    fn from(error: SnapshotError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<RestoreError> for PartError {
    fn from(error: RestoreError) -> Self {
        Self::Failed(error)
    }
}

impl World {
    /// Restores a part of a backup into this world, as the command does.
    pub async fn restore_part(
        &self,
        by: &Caller,
        full: &Verified,
        segments: &[Verified],
        to: Option<Timestamp>,
        wanted: &WantedPart,
    ) -> Result<(Report, Records), PartError> {
        let blank = self.blank(RegistryKind::Sqlite, VaultKind::Files).await;
        let (place, identities) = (&self.backups, identities());
        let source = Source {
            place,
            full,
            segments,
            to,
        };
        let target = Target {
            snapshot: blank.registry.clone(),
            registry: blank.registry.clone(),
            vault: self.backend.clone(),
            clock: self.clock.clone(),
            node: "node-1".into(),
            history: self.registry.deployment_history().await?,
            skips_versions: false,
        };
        let (revision, committed_at) = rewind(&source, &identities, &target).await?;
        let backup = full.ensure_restores()?.manifest.backup;
        let order = Order {
            tenant: wanted.tenant.clone(),
            part: wanted.part.clone(),
            new_name: wanted.new_name.clone(),
            replaces_newer: wanted.replaces_newer,
            nothing_since: wanted.nothing_since,
            reason: Some("lost".to_owned()),
            then: &*blank.registry,
            backup,
            revision,
            committed_at,
        };
        let tenant = part::tenant_then(&order).await?.id;
        let mut later = Later::new(tenant, backup);
        let mut take = |change: &Change| later.take(change);
        changes_after(&source, &identities, &target, revision, &mut take).await?;
        let begun = part::begin(&self.node, by, &order, later).await?;
        let needed = &begun.plan.needed;
        let records = bring_records(&source, &identities, &target, needed, false).await?;
        Ok((begun.carry_out(&order).await?, records))
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

/// Keeps the lines of a snapshot.
#[derive(Default)]
struct Text(String);

#[async_trait::async_trait]
impl keyward_core::port::snapshot::SnapshotSink for Text {
    async fn put(
        &mut self,
        lines: String,
    ) -> Result<(), keyward_core::port::snapshot::SnapshotError> {
        self.0.push_str(&lines);
        Ok(())
    }
}

impl World {
    /// The registry, as the lines of a snapshot.
    pub async fn snapshot_text(&self) -> String {
        let mut text = Text::default();
        let exported = self.registry.export(Coverage::Backup, &mut text).await;
        exported.expect("the registry reads");
        text.0
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
