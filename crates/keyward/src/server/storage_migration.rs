//! Moving the vault to another backend while the server stands still: the data directory is held,
//! so that nobody else writes. What is begun here can be interrupted at any moment and goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keyward_core::port::storage::StorageBackend;
use keyward_vault::migration::{
    MigratingBackend, MigrationError, Phase, Survey, standing_in, survey,
};

use crate::server::config::Config;
use crate::server::data_dir::DataDir;
use crate::server::error::StartError;
use crate::server::vault_backend;

/// Names looked at between two looks at the pace.
const SLICE: usize = 500;

/// The two sides, open, with nobody else at them.
pub struct Sides {
    names: (String, String),
    from: Arc<dyn StorageBackend>,
    to: Arc<dyn StorageBackend>,
    file: PathBuf,
    _data_dir: DataDir,
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
        let data_dir = DataDir::hold(&from.node.data_dir)?;
        data_dir.path().clone_into(&mut from.node.data_dir);
        data_dir.path().clone_into(&mut to.node.data_dir);
        let names = (vault_backend::name(&from), vault_backend::name(&to));
        if names.0 == names.1 {
            return Err(StartError::SameVault { name: names.0 });
        }
        Ok(Self {
            file: vault_backend::migration_file(&from),
            from: vault_backend::open_whatever(&from).await?,
            to: vault_backend::open_whatever(&to).await?,
            names,
            _data_dir: data_dir,
        })
    }

    /// How people name the two.
    pub fn names(&self) -> (&str, &str) {
        (&self.names.0, &self.names.1)
    }

    /// Goes on with what was begun, or begins.
    async fn take_up(&self) -> Result<Arc<MigratingBackend>, MigrationError> {
        match self.begun().await? {
            Some(migration) => Ok(migration),
            None => {
                let (from, to) = (Arc::clone(&self.from), Arc::clone(&self.to));
                MigratingBackend::begin(&self.file, self.names(), from, to).await
            }
        }
    }

    /// What was begun and has not ended, if it is between these two.
    async fn begun(&self) -> Result<Option<Arc<MigratingBackend>>, MigrationError> {
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

    async fn resume(&self) -> Result<Option<Arc<MigratingBackend>>, MigrationError> {
        let (from, to) = (Arc::clone(&self.from), Arc::clone(&self.to));
        MigratingBackend::resume(&self.file, from, to).await
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
        if migration.standing().await.phase == Phase::Copying {
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
        let migration = self.begun().await?.ok_or(StartError::NoMigration)?;
        if migration.standing().await.phase == Phase::CutOver {
            walk(&migration, per_second, &mut told).await?;
            self.prove().await?;
        }
        Ok(migration.roll_back().await?)
    }

    /// Leaves the source for good.
    pub async fn commit(&self) -> Result<(), StartError> {
        let migration = self.begun().await?.ok_or(StartError::NoMigration)?;
        Ok(migration.commit().await?)
    }

    /// Erases the side that was left; how many objects.
    pub async fn erase(&self) -> Result<u64, StartError> {
        let standing = standing_in(&self.file).map_err(MigrationError::from)?;
        let ours = standing.is_some_and(|it| (it.from.as_str(), it.to.as_str()) == self.names());
        if !ours {
            return Err(StartError::NoMigration);
        }
        let migration = self.resume().await?.ok_or(StartError::NoMigration)?;
        Ok(migration.erase().await?)
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
