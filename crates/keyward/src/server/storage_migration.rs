//! Moving the vault to another backend, while the server stands still or while it serves. The data
//! directory is held, so that nobody else writes. What is begun here can be interrupted at any moment
//! and goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keyward_core::node::Node;
use keyward_core::ops::storage::migration;
use keyward_core::port::storage::StorageBackend;
use keyward_core::port::storage_migration::{MigrationReport, StorageMigration};
use keyward_core::time::Clock;
use keyward_vault::migration::{
    KnownMigration, MigratingBackend, MigrationError, Phase, Standing, Survey, marked, standing_in,
    survey,
};
use tokio::sync::watch;

use crate::server::clock::SystemClock;
use crate::server::config::{self, Config, ConfigError, Sources};
use crate::server::data_dir::DataDir;
use crate::server::error::StartError;
use crate::server::restore;
use crate::server::vault_backend;

/// Names looked at between two looks at the pace.
const SLICE: usize = 500;

/// The two sides, open, with nobody else at them.
pub struct Sides {
    names: (String, String),
    from: Arc<dyn StorageBackend>,
    to: Arc<dyn StorageBackend>,
    file: PathBuf,
    clock: Arc<dyn Clock>,
    _data_dir: Option<DataDir>,
}

/// What is told meanwhile.
pub struct Progress {
    /// Which pass this is.
    pub pass: u32,
    /// Names looked at in it.
    pub examined: u64,
    /// Of these: names that had to be made equal.
    pub differed: u64,
}

/// What both sides hold, each read by itself.
pub struct Proof {
    /// The source.
    pub from: Survey,
    /// The target.
    pub to: Survey,
}

impl Sides {
    /// Takes hold of the data directory and opens both sides.
    pub async fn open(mut from: Config, mut to: Config) -> Result<Self, StartError> {
        let data_dir = DataDir::hold_existing(&from.node.data_dir)?;
        restore::ensure_finished(data_dir.path())?;
        data_dir.path().clone_into(&mut from.node.data_dir);
        data_dir.path().clone_into(&mut to.node.data_dir);
        Ok(Self {
            _data_dir: Some(data_dir),
            ..Self::of(&from, &to, Arc::new(SystemClock::default())).await?
        })
    }

    /// Opens both sides, for whoever holds the data directory.
    async fn of(from: &Config, to: &Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let names = (vault_backend::name(from), vault_backend::name(to));
        if names.0 == names.1 {
            return Err(StartError::SameVault { name: names.0 });
        }
        let sides = Self {
            file: vault_backend::migration_file(from),
            from: vault_backend::unprepared(from)?,
            to: vault_backend::unprepared(to)?,
            names,
            clock,
            _data_dir: None,
        };
        // While one side leads, the other may be down.
        match sides.ours()? {
            Some(Phase::Planned | Phase::Copying | Phase::RolledBack) => sides.from.init().await?,
            Some(Phase::CutOver | Phase::Committed) => sides.to.init().await?,
            None => {}
        }
        Ok(sides)
    }

    /// How people name the two.
    pub fn names(&self) -> (&str, &str) {
        (&self.names.0, &self.names.1)
    }

    /// Goes on with what was begun, or begins.
    async fn take_up(&self) -> Result<Arc<MigratingBackend>, StartError> {
        if let Some(migration) = self.begun().await? {
            return Ok(Arc::new(migration));
        }
        let migration = self.plan().await?;
        migration.begin().await?;
        Ok(Arc::new(migration))
    }

    /// The same for a server that serves: what is new is planned, and begun when the log can say so;
    /// what ended while one served goes on where it ended, until its settings say so too.
    async fn take_up_serving(&self) -> Result<MigratingBackend, StartError> {
        if let Some(migration) = self.begun().await? {
            return Ok(migration);
        }
        let ended = self.ours()?;
        let goes_on = match ended {
            Some(Phase::Committed) => true,
            // The same way once more only into a target that was erased meanwhile.
            Some(Phase::RolledBack) => self.plan().await.is_err(),
            _ => false,
        };
        if !goes_on {
            return self.plan().await;
        }
        tracing::warn!(
            from = self.names.0,
            to = self.names.1,
            ended = ended.map(Phase::name),
            "this migration has ended: write into [storage] where the vault is now, and take migrate_to \
             out"
        );
        self.resume().await?.ok_or(StartError::NoMigration)
    }

    /// What is new, into an empty target. Nothing is written yet.
    async fn plan(&self) -> Result<MigratingBackend, StartError> {
        self.from.init().await?;
        self.ensure_source_in_force().await?;
        self.to.init().await?;
        let (from, to) = (Arc::clone(&self.from), Arc::clone(&self.to));
        let clock = self.clock.clone();
        Ok(MigratingBackend::plan(&self.file, self.names(), from, to, clock).await?)
    }

    /// Refuses to begin on a side that an earlier migration left: what it holds is old, and the target
    /// would be a vault in which everything since is missing.
    async fn ensure_source_in_force(&self) -> Result<(), StartError> {
        let ended = standing_in(&self.file).map_err(MigrationError::from)?;
        let kept = ended.map(|standing| match standing.phase {
            Phase::Committed | Phase::CutOver => standing.to,
            Phase::RolledBack | Phase::Copying | Phase::Planned => standing.from,
        });
        if let Some(kept) = kept.filter(|kept| *kept != self.names.0) {
            let why = format!("the vault is {kept}, and not {}", self.names.0);
            return Err(StartError::VaultElsewhere { why });
        }
        match marked(&*self.from).await? {
            Some(why) => Err(StartError::VaultElsewhere { why }),
            None => Ok(()),
        }
    }

    /// What was begun and has not ended, if it is between these two.
    async fn begun(&self) -> Result<Option<MigratingBackend>, MigrationError> {
        let Some(standing) = standing_in(&self.file)? else {
            return Ok(None);
        };
        let ended = matches!(standing.phase, Phase::Committed | Phase::RolledBack);
        let ours = (standing.from.as_str(), standing.to.as_str()) == self.names();
        match (ended, ours) {
            (true, _) => Ok(None),
            (false, true) => self.resume().await,
            (false, false) => Err(MigrationError::OtherSides {
                from: standing.from,
                to: standing.to,
            }),
        }
    }

    async fn resume(&self) -> Result<Option<MigratingBackend>, MigrationError> {
        let (from, to) = (Arc::clone(&self.from), Arc::clone(&self.to));
        MigratingBackend::resume(&self.file, from, to, self.clock.clone()).await
    }

    /// Copies, verifies every object, proves that both sides hold the same, and cuts over.
    pub async fn migrate(
        &self,
        per_second: u64,
        mut told: impl FnMut(&Progress),
    ) -> Result<Proof, StartError> {
        let migration = self.take_up().await?;
        walk(&migration, per_second, &mut told).await?;
        let proof = self.prove().await?;
        if migration.standing().phase == Phase::Copying {
            migration.cut_over().await?;
        }
        Ok(proof)
    }

    /// Reads all of both sides and compares.
    async fn prove(&self) -> Result<Proof, StartError> {
        let (from, to) = (survey(&*self.from).await?, survey(&*self.to).await?);
        if from != to {
            return Err(MigrationError::NotVerified.into());
        }
        Ok(Proof { from, to })
    }

    /// Goes back to the source, with all that was written since the cut-over.
    pub async fn roll_back(
        &self,
        per_second: u64,
        mut told: impl FnMut(&Progress),
    ) -> Result<(), StartError> {
        if let Some(migration) = self.ended(Phase::RolledBack).await? {
            return Ok(migration.settle().await?);
        }
        let migration = self.begun().await?.ok_or(StartError::NoMigration)?;
        let migration = Arc::new(migration);
        if migration.standing().phase == Phase::CutOver {
            walk(&migration, per_second, &mut told).await?;
            self.prove().await?;
        }
        Ok(migration.roll_back().await?)
    }

    /// Leaves the source for good.
    pub async fn commit(&self) -> Result<(), StartError> {
        if let Some(migration) = self.ended(Phase::Committed).await? {
            return Ok(migration.settle().await?);
        }
        let migration = self.begun().await?.ok_or(StartError::NoMigration)?;
        Ok(migration.commit().await?)
    }

    /// The migration between these two that ended so: what was told once may be told again, and what
    /// was to follow from it (marks, erasing) is done if it was interrupted.
    async fn ended(&self, how: Phase) -> Result<Option<MigratingBackend>, MigrationError> {
        match self.ours()? {
            Some(phase) if phase == how => self.resume().await,
            _ => Ok(None),
        }
    }

    /// Where the migration between these two stands, if the last one was between them.
    fn ours(&self) -> Result<Option<Phase>, MigrationError> {
        let standing = standing_in(&self.file)?;
        let ours = |it: &Standing| (it.from.as_str(), it.to.as_str()) == self.names();
        Ok(standing.filter(ours).map(|standing| standing.phase))
    }

    /// Erases the side that was left; how many objects.
    pub async fn erase(&self) -> Result<u64, StartError> {
        if self.ours()?.is_none() {
            return Err(StartError::NoMigration);
        }
        let migration = self.resume().await?.ok_or(StartError::NoMigration)?;
        Ok(migration.erase().await?)
    }
}

/// The vault's backend for a server that serves, and the migration that goes on meanwhile if
/// `storage.migrate_to` asks for one. The data directory is held.
pub async fn for_server(
    config: &Config,
    clock: Arc<dyn Clock>,
) -> Result<(Arc<dyn StorageBackend>, Option<Arc<dyn StorageMigration>>), StartError> {
    let Some(file) = &config.storage.migrate_to else {
        let backend = vault_backend::open(config).await?;
        let file = vault_backend::migration_file(config);
        let known = standing_in(&file).map_err(MigrationError::from)?;
        let known = known.map(|standing| Arc::new(KnownMigration::new(standing)) as _);
        return Ok((backend, known));
    };
    let sides = Sides::of(config, &side(file, config)?, clock).await?;
    let migration = sides.take_up_serving().await?;
    let migration = Arc::new(migration.at_pace(config.storage.migrate_per_second));
    Ok((migration.backend(), Some(migration.conducted())))
}

/// A side's settings: the `[storage]` sections of its file, everything else as the server has it.
pub fn side(file: &Path, server: &Config) -> Result<Config, ConfigError> {
    let sources = Sources {
        file: Some(file.to_owned()),
        ..Sources::default()
    };
    let read = config::load(&sources)?;
    let side = Config {
        storage: read.storage,
        storage_postgres: read.storage_postgres,
        storage_s3: read.storage_s3,
        storage_azure: read.storage_azure,
        storage_gcs: read.storage_gcs,
        ..server.clone()
    };
    config::check(&side)?;
    Ok(side)
}

/// Carries a migration on while the server serves, if there is one. Ends when it is told to.
pub async fn carry_on(node: Arc<Node>, mut ended: watch::Receiver<bool>) {
    while let Some(before) = migration::present(&node) {
        let pause = match migration::carry_on(&node).await {
            Ok(0) => Duration::from_secs(1),
            Ok(now) => Duration::from_secs(now).div_f64(before.per_second.max(1) as f64),
            Err(error) => {
                tracing::warn!(%error, "the migration of the vault waits; it is tried each second");
                Duration::from_secs(1)
            }
        };
        if let Some(after) = migration::present(&node) {
            say(&before, &after);
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
    }
}

/// Says in the server's log what became different.
fn say(before: &MigrationReport, after: &MigrationReport) {
    if before.phase != after.phase {
        let proof = after.proof.as_ref();
        tracing::info!(
            from = after.from,
            to = after.to,
            phase = after.phase.name(),
            objects = proof.map(|proof| proof.objects),
            digest = proof.map(|proof| proof.digest.to_string()),
            "the migration of the vault is in another phase"
        );
    } else if (before.pass, before.examined) != (after.pass, after.examined) {
        tracing::info!(
            pass = after.pass,
            examined = after.examined,
            copied = after.copied,
            equal = after.equal,
            "the vault is being moved"
        );
    }
}

/// Steps until both sides are known to be equal, no faster than allowed.
async fn walk(
    migration: &Arc<MigratingBackend>,
    per_second: u64,
    told: &mut impl FnMut(&Progress),
) -> Result<(), StartError> {
    loop {
        let begun = tokio::time::Instant::now();
        let step = migration.step(SLICE).await?;
        told(&Progress {
            pass: step.pass,
            examined: step.examined,
            differed: step.differed,
        });
        if step.verified {
            return Ok(());
        }
        if per_second > 0 {
            let pause = Duration::from_secs(step.now).div_f64(per_second as f64);
            tokio::time::sleep_until(begun + pause).await;
        }
    }
}
