//! Moving the registry to another database while the server stands still. All of it arrives in one
//! transaction or nothing does; both sides are then read again and compared, table by table. What a
//! server began while it served is ended here too.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyward_core::port::snapshot::{RegistrySnapshot as _, SnapshotError, SnapshotSink};
use keyward_core::port::storage_migration::MigrationPhase as Phase;
use keyward_core::snapshot::{Coverage, SnapshotSummary};
use keyward_core::time::{Clock as _, Timestamp};
use keyward_store::follow::{FollowError, Follower, Found};
use keyward_store::{Mark, SqlRegistry};

use crate::server::clock::SystemClock;
use crate::server::config::Config;
use crate::server::data_dir::DataDir;
use crate::server::deployment::registry_url;
use crate::server::error::StartError;
use crate::server::registry_standing::{self as standing, Standing, name};
use crate::server::restore;

/// Changes brought at once.
const CHANGES: usize = 500;
/// Nobody else writes: what waits is one of the two databases.
const PATIENCE: Duration = Duration::from_mins(10);

/// The two databases, with nobody else at them.
pub struct Databases {
    names: (String, String),
    from: Config,
    to: Config,
    data_dir: DataDir,
}

impl Databases {
    /// Takes hold of the data directory.
    pub fn hold(mut from: Config, mut to: Config) -> Result<Self, StartError> {
        let data_dir = DataDir::hold_existing(&from.node.data_dir)?;
        restore::ensure_finished(data_dir.path())?;
        data_dir.path().clone_into(&mut from.node.data_dir);
        data_dir.path().clone_into(&mut to.node.data_dir);
        let names = (name(&from), name(&to));
        if names.0 == names.1 {
            return Err(StartError::SameVault { name: names.0 });
        }
        Ok(Self {
            names,
            from,
            to,
            data_dir,
        })
    }

    fn names(&self) -> (&str, &str) {
        (&self.names.0, &self.names.1)
    }

    /// What the file says of a migration between these two.
    fn ours(&self) -> Result<Option<Standing>, StartError> {
        let found = standing::read(self.data_dir.path())?;
        Ok(found.filter(|it| it.is_between(self.names())))
    }

    fn write(&self, standing: &Standing) -> Result<(), StartError> {
        Ok(standing::write(self.data_dir.path(), standing)?)
    }

    /// Carries everything over, proves that both hold the same, and cuts over. What an interrupted
    /// call, or a server that served, had carried over already is not carried again. What each side
    /// holds.
    pub async fn migrate(
        &self,
        rows_per_second: u64,
        told: impl FnMut(u64) + Send,
    ) -> Result<(SnapshotSummary, SnapshotSummary), StartError> {
        let from = Arc::new(open(&self.from).await?);
        let migrated = self.migrate_from(&from, rows_per_second, told).await;
        from.close().await;
        migrated
    }

    async fn migrate_from(
        &self,
        from: &Arc<SqlRegistry>,
        rows_per_second: u64,
        told: impl FnMut(u64) + Send,
    ) -> Result<(SnapshotSummary, SnapshotSummary), StartError> {
        let standing = self.begun(from).await?;
        if standing.phase == Phase::CutOver {
            // Once more: there is nothing left to do, and it says the same.
            let held = self.both(from).await?;
            self.mark(&standing).await?;
            return Ok(held);
        }
        let mut follower = follow(from, &self.to).await?;
        let mark = filling(&standing);
        let mut pace = Pace::new(rows_per_second, told);
        match follower.look(&mark, false).await? {
            Found::Empty => drop(follower.fill(&mark, |rows| pace.after(rows)).await?),
            Found::Ours { .. } => {
                bring(&mut follower).await?;
            }
            // An older release carried it over, and was interrupted before it said so.
            Found::Strange { why } => {
                let same = self.both(from).await;
                same.map_err(|_| StartError::RegistryTargetTaken { why })?;
            }
        }
        let proof = follower.prove(PATIENCE, |_| std::future::ready(())).await?;
        let turned = standing.turned(Phase::CutOver, now());
        let left = left(&self.names.1);
        let decide = || self.write(&turned).map_err(|error| error.to_string());
        let done = follower.turn(PATIENCE, &left, decide).await;
        follower.close().await;
        match done?.unmarked {
            None => Ok((proof.leads, proof.follows)),
            Some(cause) => Err(StartError::RegistryUnmarked { cause }),
        }
    }

    /// What both hold, which must be the same.
    async fn both(
        &self,
        from: &SqlRegistry,
    ) -> Result<(SnapshotSummary, SnapshotSummary), StartError> {
        let to = open(&self.to).await?;
        let held = both(from, &to).await;
        to.close().await;
        held
    }

    /// Begins, or goes on with what was begun. Refuses a source that an earlier migration left, and
    /// any while one between other databases has a way back.
    async fn begun(&self, from: &SqlRegistry) -> Result<Standing, StartError> {
        let found = standing::read(self.data_dir.path())?;
        if let Some(found) = &found {
            if found.is_open() {
                return if found.is_between(self.names()) {
                    Ok(found.clone())
                } else {
                    Err(StartError::RegistryMigrationOpen {
                        from: found.from.clone(),
                        to: found.to.clone(),
                    })
                };
            }
            let (kept, _) = found.in_force();
            if kept != self.names.0 {
                return Err(StartError::RegistryElsewhere {
                    name: kept.to_owned(),
                });
            }
        }
        // Lost, or another data directory: the database itself says it.
        if let Some(mark) = from.mark().await?
            && found.is_none()
        {
            return Err(StartError::RegistryElsewhere {
                name: mark.instead().to_owned(),
            });
        }
        let begun = Standing::planned(self.names()).turned(Phase::Copying, now());
        self.write(&begun)?;
        Ok(begun)
    }

    /// Goes back to the source, with every change that was made since the cut-over; or gives up what
    /// was not cut over.
    pub async fn roll_back(&self) -> Result<(), StartError> {
        let standing = self.ours()?.ok_or(StartError::NoMigration)?;
        let ended = standing.turned(Phase::RolledBack, now());
        match standing.phase {
            Phase::RolledBack => self.mark(&standing).await,
            Phase::Copying => {
                self.write(&ended)?;
                self.mark(&ended).await
            }
            Phase::CutOver => self.bring_back(&ended).await,
            Phase::Planned | Phase::Committed => Err(StartError::NoMigration),
        }
    }

    async fn bring_back(&self, ended: &Standing) -> Result<(), StartError> {
        let to = Arc::new(open(&self.to).await?);
        let brought = async {
            let mut follower = follow(&to, &self.from).await?;
            match follower.look(&left(&self.names.1), true).await? {
                Found::Ours { .. } => {}
                Found::Empty => {
                    let why = "it is empty".to_owned();
                    return Err(StartError::RegistryTargetTaken { why });
                }
                Found::Strange { why } => return Err(StartError::RegistryTargetTaken { why }),
            }
            bring(&mut follower).await?;
            follower.prove(PATIENCE, |_| std::future::ready(())).await?;
            let left = left(&self.names.0);
            let decide = || self.write(ended).map_err(|error| error.to_string());
            let turned = follower.turn(PATIENCE, &left, decide).await;
            follower.close().await;
            match turned?.unmarked {
                None => Ok(()),
                Some(cause) => Err(StartError::RegistryUnmarked { cause }),
            }
        };
        let brought = brought.await;
        to.close().await;
        brought
    }

    /// Leaves the source for good.
    pub async fn commit(&self) -> Result<(), StartError> {
        let standing = self.ours()?.ok_or(StartError::NoMigration)?;
        let ended = match standing.phase {
            Phase::Committed => standing,
            Phase::CutOver => {
                let ended = standing.turned(Phase::Committed, now());
                self.write(&ended)?;
                ended
            }
            Phase::Copying => return Err(StartError::RegistryNotCutOver),
            Phase::Planned | Phase::RolledBack => return Err(StartError::NoMigration),
        };
        self.mark(&ended).await
    }

    /// Says in the database that is not in force which one is. Whoever opens it is refused, with
    /// whatever data directory. A target that is not even a registry yet is passed over.
    async fn mark(&self, standing: &Standing) -> Result<(), StartError> {
        let (kept, _) = standing.in_force();
        let (keeps, leaves) = if kept == self.names.0 {
            (&self.from, &self.to)
        } else {
            (&self.to, &self.from)
        };
        let leaving = match open(leaves).await {
            Err(StartError::OpenRegistry(keyward_store::OpenError::Schema(
                keyward_store::SchemaError::Older { found: 0, .. },
            ))) => None,
            opened => Some(opened?),
        };
        if let Some(leaving) = leaving {
            let marked = leaving.set_mark(Some(&left(kept))).await;
            leaving.close().await;
            marked?;
        }
        let keeping = open(keeps).await?;
        let cleared = keeping.set_mark(None).await;
        keeping.close().await;
        Ok(cleared?)
    }
}

/// The mark of a target that is being filled.
pub fn filling(standing: &Standing) -> Mark {
    Mark::Filling {
        from: standing.from.clone(),
        since: standing.began_at.unwrap_or_default(),
    }
}

/// The mark of a database that was left.
pub fn left(to: &str) -> Mark {
    let to = to.to_owned();
    Mark::Left { to }
}

fn now() -> Timestamp {
    SystemClock::default().now()
}

/// Everything that the registry has and the side that follows has not.
async fn bring(follower: &mut Follower) -> Result<(), StartError> {
    while !follower.bring(CHANGES).await?.is_whole() {}
    while !follower.is_surveyed() {
        follower.survey(|_| std::future::ready(())).await?;
        while !follower.bring(CHANGES).await?.is_whole() {}
    }
    Ok(())
}

/// Opens a database that is a registry, or was.
async fn open(config: &Config) -> Result<SqlRegistry, StartError> {
    let config = keyward_store::Config {
        migrate: false,
        even_if_moved: true,
        ..keyward_store::Config::new(registry_url(config)?)
    };
    let clock = Arc::new(SystemClock::default());
    Ok(SqlRegistry::open(config, clock).await?)
}

async fn follow(registry: &Arc<SqlRegistry>, side: &Config) -> Result<Follower, StartError> {
    let config = keyward_store::Config::new(registry_url(side)?);
    match Follower::attach(Arc::clone(registry), &config, now()).await {
        Ok(follower) => Ok(follower),
        Err(FollowError::Open(error)) => Err(error.into()),
        Err(FollowError::Taken { why }) => Err(StartError::RegistryTargetTaken { why }),
        Err(error) => Err(error.into()),
    }
}

/// What both hold, which must be the same.
async fn both(
    from: &SqlRegistry,
    to: &SqlRegistry,
) -> Result<(SnapshotSummary, SnapshotSummary), StartError> {
    let from = from.export(Coverage::Whole, &mut Nowhere).await?;
    let to = to.export(Coverage::Whole, &mut Nowhere).await?;
    if from == to {
        return Ok((from, to));
    }
    let pairs = from.tables.iter().zip(&to.tables);
    let differing = pairs.filter(|(from, to)| from != to);
    let tables = differing.map(|(from, _)| from.table.clone()).collect();
    Err(StartError::RegistriesDiffer { tables })
}

/// Digests are all that is wanted.
struct Nowhere;

#[async_trait]
impl SnapshotSink for Nowhere {
    async fn put(&mut self, _lines: String) -> Result<(), SnapshotError> {
        Ok(())
    }
}

/// So many rows in a second, and somebody who is told.
struct Pace<T> {
    rows: u64,
    rows_per_second: u64,
    begun: tokio::time::Instant,
    told: T,
}

impl<T: FnMut(u64)> Pace<T> {
    fn new(rows_per_second: u64, told: T) -> Self {
        Self {
            rows: 0,
            rows_per_second,
            begun: tokio::time::Instant::now(),
            told,
        }
    }

    fn after(&mut self, rows: u64) -> impl Future<Output = ()> + Send + use<T> {
        self.rows += rows;
        (self.told)(self.rows);
        let due = match self.rows_per_second {
            0 => self.begun,
            pace => self.begun + Duration::from_secs(self.rows).div_f64(pace as f64),
        };
        tokio::time::sleep_until(due)
    }
}
