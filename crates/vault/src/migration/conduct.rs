//! A migration as core asks for it, and one that this server only knows of by its file.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use keyward_core::port::storage::StorageBackend;
use keyward_core::port::storage_migration::{MigrationFault, MigrationReport, StorageMigration};

use super::turn::in_time;
use super::{MigratingBackend, MigrationError, Phase, Standing};

/// A migration that this server moves.
struct Conducted(Arc<MigratingBackend>);

impl MigratingBackend {
    /// The migration as core asks for it.
    pub fn conducted(self: &Arc<Self>) -> Arc<dyn StorageMigration> {
        Arc::new(Conducted(Arc::clone(self)))
    }
}

#[async_trait]
impl StorageMigration for Conducted {
    fn report(&self) -> MigrationReport {
        let this = &self.0;
        let standing = this.standing();
        let (behind, behind_lost) = {
            let behind = this.behind.lock();
            (behind.names.len() as u64, behind.lost)
        };
        let progress = this.progress.lock().clone();
        MigrationReport {
            attached: true,
            per_second: standing.per_second.unwrap_or(this.per_second),
            pass: progress.pass,
            examined: progress.examined,
            copied: progress.copied,
            left: progress.left,
            equal: this.is_verified(),
            behind,
            behind_lost,
            settled: !this.unsettled.load(Ordering::Relaxed),
            proof: progress.proof,
            trouble: this.trouble(),
            ..known(standing)
        }
    }

    async fn look(&self) -> Result<(), MigrationFault> {
        let this = &self.0;
        let before = this.troubles();
        match this.standing().phase {
            Phase::Planned | Phase::Copying | Phase::CutOver => {
                this.ask(&*this.from).await?;
                this.ask(&*this.to).await?;
            }
            Phase::Committed => this.ask(&*this.to).await?,
            Phase::RolledBack => this.ask(&*this.from).await?,
        }
        this.well_since(before);
        Ok(())
    }

    async fn begin(&self) -> Result<(), MigrationFault> {
        let this = &self.0;
        this.begin().await?;
        this.answered()
    }

    async fn step(&self, limit: usize) -> Result<u64, MigrationFault> {
        let this = &self.0;
        let standing = this.standing();
        let step = match standing.phase {
            Phase::Planned => return Ok(0),
            Phase::Committed | Phase::RolledBack => {
                if this.unsettled.load(Ordering::Relaxed) {
                    this.mark_again().await?;
                }
                return Ok(0);
            }
            Phase::Copying | Phase::CutOver if standing.paused => this.keep_up().await,
            Phase::Copying | Phase::CutOver => this.step(limit).await,
        };
        Ok(step?.now)
    }

    async fn pause(&self, paused: bool) -> Result<(), MigrationFault> {
        let this = &self.0;
        this.steer("be paused", |standing| standing.paused = paused)
    }

    async fn set_pace(&self, per_second: u64) -> Result<(), MigrationFault> {
        let this = &self.0;
        let set = |standing: &mut Standing| standing.per_second = Some(per_second);
        this.steer("go at another pace", set)
    }

    async fn verify(&self) -> Result<(), MigrationFault> {
        match self.0.standing().phase {
            Phase::Copying | Phase::CutOver => {
                self.0.verify_anew().await;
                Ok(())
            }
            phase => Err(MigrationFault::Phase {
                phase,
                wanted: "be verified",
            }),
        }
    }

    async fn cut_over(&self) -> Result<(), MigrationFault> {
        let this = &self.0;
        if this.standing().phase == Phase::CutOver {
            return this.mark_again().await;
        }
        if this.is_verified() {
            // It is to hold the vault from now on, and was perhaps not asked anything for long.
            this.ask(&*this.to).await?;
        }
        this.cut_over().await?;
        this.answered()
    }

    async fn roll_back(&self) -> Result<(), MigrationFault> {
        let this = &self.0;
        match this.standing().phase {
            Phase::RolledBack => return this.mark_again().await,
            Phase::CutOver if this.is_verified() => this.ask(&*this.from).await?,
            _ => {}
        }
        this.roll_back().await?;
        this.answered()
    }

    async fn commit(&self) -> Result<(), MigrationFault> {
        let this = &self.0;
        if this.standing().phase == Phase::Committed {
            return this.mark_again().await;
        }
        this.commit().await?;
        this.answered()
    }
}

impl MigratingBackend {
    /// Whether a side does its part.
    async fn ask(&self, side: &dyn StorageBackend) -> Result<(), MigrationFault> {
        let well = in_time(side.health()).await.flatten();
        well.inspect_err(|error| self.troubled(error))
            .map_err(MigrationFault::Storage)
    }

    /// Changes how it goes on, while it does.
    fn steer(
        &self,
        wanted: &'static str,
        change: impl FnOnce(&mut Standing),
    ) -> Result<(), MigrationFault> {
        match self.standing().phase {
            Phase::Copying | Phase::CutOver => {
                Ok(self.standing.change(change).map_err(MigrationError::from)?)
            }
            phase => Err(MigrationFault::Phase { phase, wanted }),
        }
    }

    /// A turn is answered when both sides bear the marks that belong to it.
    fn answered(&self) -> Result<(), MigrationFault> {
        if !self.unsettled.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(MigrationFault::Unmarked {
            phase: self.standing().phase,
            cause: self.trouble().map(|it| it.cause).unwrap_or_default(),
        })
    }

    async fn mark_again(&self) -> Result<(), MigrationFault> {
        let before = self.troubles();
        match self.settle().await {
            Ok(()) => self.well_since(before),
            Err(error) => self.troubled(&error),
        }
        self.answered()
    }
}

impl From<MigrationError> for MigrationFault {
    fn from(error: MigrationError) -> Self {
        match error {
            MigrationError::Storage(error) => Self::Storage(error),
            MigrationError::NotEmpty { name } => Self::NotEmpty { name },
            MigrationError::Phase { phase, wanted } => Self::Phase { phase, wanted },
            MigrationError::NotVerified => Self::NotEqual,
            MigrationError::Standing(super::StandingError::Io { source, .. }) => Self::Standing {
                cause: source.kind().to_string(),
            },
            other @ (MigrationError::Contradicted { .. }
            | MigrationError::OtherSides { .. }
            | MigrationError::Standing(_)) => Self::Standing {
                cause: other.to_string(),
            },
        }
    }
}

/// A migration that an earlier start moved, and this one does not: it is shown, and nothing else.
pub struct KnownMigration(Standing);

impl KnownMigration {
    /// What the file says.
    pub const fn new(standing: Standing) -> Self {
        Self(standing)
    }
}

#[async_trait]
impl StorageMigration for KnownMigration {
    fn report(&self) -> MigrationReport {
        known(self.0.clone())
    }

    async fn look(&self) -> Result<(), MigrationFault> {
        Ok(())
    }

    async fn begin(&self) -> Result<(), MigrationFault> {
        Err(MigrationFault::Detached)
    }

    async fn step(&self, _limit: usize) -> Result<u64, MigrationFault> {
        Ok(0)
    }

    async fn pause(&self, _paused: bool) -> Result<(), MigrationFault> {
        Err(MigrationFault::Detached)
    }

    async fn set_pace(&self, _per_second: u64) -> Result<(), MigrationFault> {
        Err(MigrationFault::Detached)
    }

    async fn verify(&self) -> Result<(), MigrationFault> {
        Err(MigrationFault::Detached)
    }

    async fn cut_over(&self) -> Result<(), MigrationFault> {
        Err(MigrationFault::Detached)
    }

    async fn roll_back(&self) -> Result<(), MigrationFault> {
        Err(MigrationFault::Detached)
    }

    async fn commit(&self) -> Result<(), MigrationFault> {
        Err(MigrationFault::Detached)
    }
}

/// What a file says.
fn known(standing: Standing) -> MigrationReport {
    MigrationReport {
        phase: standing.phase,
        from: standing.from,
        to: standing.to,
        attached: false,
        began_at: standing.began_at,
        since: standing.since,
        paused: standing.paused,
        per_second: standing.per_second.unwrap_or_default(),
        pass: 0,
        examined: 0,
        copied: 0,
        left: None,
        equal: false,
        behind: 0,
        behind_lost: false,
        settled: true,
        proof: None,
        trouble: None,
    }
}
