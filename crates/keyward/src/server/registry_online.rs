//! The registry's database for a server that serves, and the migration to another one that goes on
//! meanwhile if `registry.migrate_to` asks for one. Which database is in force, the file says; what the
//! databases say of themselves must agree, or be what a turn that was interrupted leaves.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyward_core::node::Node;
use keyward_core::ops::registry_migration;
use keyward_core::port::registry_migration::{
    RegistryMigration, RegistryMigrationFault, RegistryMigrationReport,
};
use keyward_core::port::snapshot::RegistrySnapshot as _;
use keyward_core::port::storage_migration::MigrationPhase as Phase;
use keyward_store::{Config as Place, Mark, OpenError, SchemaError, SqlRegistry};
use tokio::sync::watch;

use crate::server::clock::SystemClock;
use crate::server::config::{self, Config, ConfigError, Sources};
use crate::server::deployment::registry_url;
use crate::server::error::StartError;
use crate::server::registry_migration::{filling, left};
use crate::server::registry_moving::Moving;
use crate::server::registry_sides::Sides;
use crate::server::registry_standing::{self as standing, Standing, name};

/// How long a turn that is under way may take when the server stops: longer than writers wait for one.
const FINISHING: Duration = Duration::from_secs(45);

type Opened = (Arc<SqlRegistry>, Option<Arc<dyn RegistryMigration>>);

/// Opens the database that is in force. The data directory is held.
pub async fn for_server(config: &Config, clock: Arc<SystemClock>) -> Result<Opened, StartError> {
    let found = standing::read(&config.node.data_dir)?;
    let Some(file) = &config.registry.migrate_to else {
        return detached(config, found, clock).await;
    };
    let target = side(file, config)?;
    let names = (name(config), name(&target));
    if names.0 == names.1 {
        // The settings say already where it went.
        let went = found.filter(|it| it.to == names.1 && it.in_force().0 == names.1);
        let went = went.ok_or(StartError::SameVault { name: names.0 })?;
        tracing::warn!(
            phase = went.phase.name(),
            "the registry is where registry.migrate_to says: take migrate_to out; `keyward registry \
             commit` or `keyward registry roll-back` ends the migration with the server stopped"
        );
        return detached(config, Some(went), clock).await;
    }
    let names = (names.0.as_str(), names.1.as_str());
    let ours = match found {
        Some(found) if found.is_between(names) => Some(found),
        Some(found) if found.is_open() => {
            let Standing { from, to, .. } = found;
            return Err(StartError::RegistryMigrationOpen { from, to });
        }
        _ => {
            standing::ensure_in_force(config)?;
            None
        }
    };
    attached(config, &target, ours, clock).await
}

/// A server that moves it.
async fn attached(
    config: &Config,
    target: &Config,
    ours: Option<Standing>,
    clock: Arc<SystemClock>,
) -> Result<Opened, StartError> {
    let names = (name(config), name(target));
    let planned = || Standing::planned((&names.0, &names.1));
    let standing = match ours {
        // The same way once more only into a target that was emptied meanwhile.
        Some(ended) if ended.phase == Phase::RolledBack && is_empty(target).await => planned(),
        Some(standing) => standing,
        None => planned(),
    };
    let (leads, other) = if standing.in_force().0 == names.0 {
        (config, target)
    } else {
        tracing::warn!(
            phase = standing.phase.name(),
            registry = standing.in_force().0,
            "the registry was cut over: write into [registry] where it is now once the migration has \
             ended, and take migrate_to out"
        );
        (target, config)
    };
    let registry = open(leads, &standing, Some(other), clock.clone()).await?;
    let registry = Arc::new(registry);
    let sides = Sides {
        from: Place::new(registry_url(config)?),
        to: Place::new(registry_url(target)?),
    };
    let pace = config.registry.migrate_per_second;
    let data_dir = config.node.data_dir.clone();
    let moving = Moving::new(
        Arc::clone(&registry),
        sides,
        standing,
        data_dir,
        pace,
        clock,
    );
    Ok((registry, Some(Arc::new(moving))))
}

/// A server that does not, and may know of a migration.
async fn detached(
    config: &Config,
    known: Option<Standing>,
    clock: Arc<SystemClock>,
) -> Result<Opened, StartError> {
    standing::ensure_in_force(config)?;
    let own = name(config);
    let ours = known.as_ref().filter(|it| it.in_force().0 == own);
    let unknown = Standing::planned((&own, ""));
    let registry = open(config, ours.unwrap_or(&unknown), None, clock).await?;
    let known = known.map(|standing| Arc::new(Known(standing)) as _);
    Ok((Arc::new(registry), known))
}

/// Opens the database that leads. A mark on it is what a turn left that was interrupted after it was
/// written down, or it is refused.
async fn open(
    config: &Config,
    standing: &Standing,
    other: Option<&Config>,
    clock: Arc<SystemClock>,
) -> Result<SqlRegistry, StartError> {
    let place = Place::new(registry_url(config)?);
    let mark = match SqlRegistry::open(place.clone(), clock.clone()).await {
        Ok(registry) => return Ok(registry),
        Err(OpenError::Moved { to }) => left(&to),
        Err(OpenError::Filling { .. }) => filling(standing),
        Err(error) => return Err(error.into()),
    };
    let place = Place {
        even_if_moved: true,
        ..place
    };
    let registry = SqlRegistry::open(place, clock).await?;
    let is_left_over = is_left_over(&registry, &mark, standing, other).await;
    match is_left_over {
        Ok(true) => {
            registry.set_mark(None).await?;
            Ok(registry)
        }
        Ok(false) => {
            let found = registry.mark().await?;
            registry.close().await;
            let error = found.map_or_else(|| OpenError::from(mark), OpenError::from);
            Err(error.into())
        }
        Err(error) => {
            registry.close().await;
            Err(error)
        }
    }
}

/// Whether the file, which is written first, is newer than the mark.
async fn is_left_over(
    registry: &SqlRegistry,
    expected: &Mark,
    standing: &Standing,
    other: Option<&Config>,
) -> Result<bool, StartError> {
    if registry.mark().await?.as_ref() != Some(expected) {
        return Ok(false);
    }
    match (standing.phase, expected) {
        // It names the very migration that the file says was cut over.
        (Phase::CutOver | Phase::Committed, Mark::Filling { .. }) => Ok(true),
        // The side that was left then is no further than this one.
        (Phase::CutOver | Phase::RolledBack, Mark::Left { to }) if *to == standing.in_force().1 => {
            let Some(other) = other else {
                return Ok(false);
            };
            let other = look_into(other).await?;
            let there = other.reached().await;
            other.close().await;
            Ok(there? <= registry.reached().await?)
        }
        _ => Ok(false),
    }
}

/// Opens a database as it is, whatever its mark says.
async fn look_into(config: &Config) -> Result<SqlRegistry, StartError> {
    let place = Place {
        even_if_moved: true,
        migrate: false,
        ..Place::new(registry_url(config)?)
    };
    let clock = Arc::new(SystemClock::default());
    Ok(SqlRegistry::open(place, clock).await?)
}

/// Whether a target that was left holds nothing any more. One that does not answer is not known to.
async fn is_empty(target: &Config) -> bool {
    if target.registry.url.is_none() && !target.registry_file().exists() {
        return true;
    }
    let registry = match look_into(target).await {
        Ok(registry) => registry,
        Err(StartError::OpenRegistry(OpenError::Schema(SchemaError::Older { found, .. }))) => {
            return found == 0;
        }
        Err(_) => return false,
    };
    let found = registry.ensure_empty().await;
    registry.close().await;
    found.is_ok()
}

/// A side's settings: the lines of `[registry]` that say where it is, everything else as the server
/// has it.
fn side(file: &Path, server: &Config) -> Result<Config, ConfigError> {
    let sources = Sources {
        file: Some(file.to_owned()),
        ..Sources::default()
    };
    let read = config::load(&sources)?;
    let mut side = server.clone();
    side.registry.url = read.registry.url;
    side.registry.password_file = read.registry.password_file;
    config::check(&side)?;
    Ok(side)
}

/// Carries a migration on while the server serves, if there is one. Ends when it is told to: a turn that
/// is under way is finished, a step gives way.
pub async fn carry_on(node: Arc<Node>, mut ended: watch::Receiver<bool>) {
    while let Some(before) = registry_migration::present(&node) {
        let pause = {
            let went = registry_migration::carry_on(&node);
            tokio::pin!(went);
            let is_over = tokio::select! {
                went = &mut went => Some(went),
                _ = ended.wait_for(|ended| *ended) => None,
            };
            let went = if let Some(went) = is_over {
                went
            } else {
                registry_migration::give_way(&node);
                let Ok(went) = tokio::time::timeout(FINISHING, went).await else {
                    tracing::warn!(
                        "a turn of the registry's migration did not end: the file says which database is \
                         in force, and the next start puts the rest right"
                    );
                    return;
                };
                went
            };
            match went {
                Ok(0) => Duration::from_secs(1),
                Ok(now) => Duration::from_secs(now).div_f64(before.per_second.max(1) as f64),
                Err(error) => {
                    tracing::warn!(%error, "the migration of the registry waits; it is tried each second");
                    Duration::from_secs(1)
                }
            }
        };
        if let Some(after) = registry_migration::present(&node) {
            say(&before, &after);
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
    }
}

/// Says in the server's log what became different.
fn say(before: &RegistryMigrationReport, after: &RegistryMigrationReport) {
    if before.phase != after.phase || before.equal != after.equal {
        let proof = after.proof.as_ref();
        tracing::info!(
            from = after.from,
            to = after.to,
            phase = after.phase.name(),
            equal = after.equal,
            revision = proof.map(|proof| proof.revision),
            rows = proof.map(|proof| proof.rows),
            digest = proof.map(|proof| proof.digest.to_string()),
            "the registry is being moved"
        );
    }
}

/// A migration that this server does not move: it is shown, and nothing else.
struct Known(Standing);

#[async_trait]
impl RegistryMigration for Known {
    fn report(&self) -> RegistryMigrationReport {
        shown(&self.0)
    }

    async fn look(&self) -> Result<(), RegistryMigrationFault> {
        Ok(())
    }

    async fn begin(&self) -> Result<(), RegistryMigrationFault> {
        Err(RegistryMigrationFault::Detached)
    }

    async fn step(&self) -> Result<u64, RegistryMigrationFault> {
        Ok(0)
    }

    fn give_way(&self) {}

    async fn pause(&self, _paused: bool) -> Result<(), RegistryMigrationFault> {
        Err(RegistryMigrationFault::Detached)
    }

    async fn set_pace(&self, _per_second: u64) -> Result<(), RegistryMigrationFault> {
        Err(RegistryMigrationFault::Detached)
    }

    async fn cut_over(&self) -> Result<(), RegistryMigrationFault> {
        Err(RegistryMigrationFault::Detached)
    }

    async fn roll_back(&self) -> Result<(), RegistryMigrationFault> {
        Err(RegistryMigrationFault::Detached)
    }

    async fn commit(&self) -> Result<(), RegistryMigrationFault> {
        Err(RegistryMigrationFault::Detached)
    }
}

/// What a standing says by itself.
pub fn shown(standing: &Standing) -> RegistryMigrationReport {
    RegistryMigrationReport {
        phase: standing.phase,
        from: standing.from.clone(),
        to: standing.to.clone(),
        attached: false,
        began_at: standing.began_at,
        since: standing.since,
        paused: standing.paused,
        per_second: standing.per_second.unwrap_or_default(),
        rows: 0,
        changes: 0,
        behind: None,
        equal: false,
        settled: true,
        proof: None,
        trouble: None,
    }
}
