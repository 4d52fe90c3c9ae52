//! The migration of the registry to another database, while the server serves: shown, steered,
//! watched. Where it stands lies in a file of the data directory, so each turn has two entries in the log: what somebody is about to do, synced before it is begun, and how it ended,
//! synced before the answer.

use crate::audit::{AuditEvent, Outcome};
use crate::caller::Caller;
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::condition::{ConditionKind, Severity, Subject};
use crate::ops::condition::{clear, raise};
use crate::ops::gate::{Attempt, bounded, detail, resource};
use crate::port::registry_migration::{
    RegistryMigration, RegistryMigrationFault, RegistryMigrationReport,
};
use crate::port::storage_migration::MigrationPhase;
use crate::time::Timestamp;

/// The fastest pace that can be set, in rows in a second.
const PER_SECOND_MAX: u64 = 1_000_000;
/// What the server could not turn by itself is tried again so often.
const AGAIN_SECONDS: i64 = 60;
const DAY_SECONDS: i64 = 24 * 3600;
const NONE: OpError = OpError::NotFound {
    what: "migration of the registry: registry.migrate_to is not set, and none was made before",
};

/// What a node remembers of the turns that it makes by itself.
#[derive(Debug, Default)]
pub(crate) struct RegistryMigrationMemory {
    failed_at: Option<Timestamp>,
}

/// What somebody tells a migration to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Begin what is planned.
    Begin,
    /// Leave the side that follows alone.
    Pause,
    /// Go on.
    Resume,
    /// Carry over and compare so many rows in a second, at most.
    Rate {
        /// How many.
        per_second: u64,
    },
    /// Let the target lead.
    CutOver,
    /// Go back to the source.
    RollBack,
    /// Leave the source for good.
    Commit,
}

impl Turn {
    /// Its name in the log.
    const fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Rate { .. } => "rate",
            Self::CutOver => "cut-over",
            Self::RollBack => "roll-back",
            Self::Commit => "commit",
        }
    }

    const fn action(self) -> Action {
        match self {
            Self::Commit => Action::RegistryCommit,
            _ => Action::RegistryMigrate,
        }
    }

    async fn make(self, migration: &dyn RegistryMigration) -> Result<(), RegistryMigrationFault> {
        match self {
            Self::Begin => migration.begin().await,
            Self::Pause => migration.pause(true).await,
            Self::Resume => migration.pause(false).await,
            Self::Rate { per_second } => migration.set_pace(per_second).await,
            Self::CutOver => migration.cut_over().await,
            Self::RollBack => migration.roll_back().await,
            Self::Commit => migration.commit().await,
        }
    }
}

/// Where the migration stands, for metrics. Asks nothing.
pub fn present(node: &Node) -> Option<RegistryMigrationReport> {
    node.ports.registry_migration.as_ref().map(|it| it.report())
}

/// Ends what the migration is doing in the background: the server stops. A turn is finished.
pub fn give_way(node: &Node) {
    if let Some(migration) = &node.ports.registry_migration {
        migration.give_way();
    }
}

/// Shows where the migration stands.
pub async fn show(node: &Node, caller: &Caller) -> Result<RegistryMigrationReport, OpError> {
    let action = Action::StorageRead;
    let named = resource("registry_migration", None, None);
    Attempt::new(node, caller, action, None, named)
        .read(async {
            node.authorize_system(caller, action)?;
            present(node).ok_or(NONE)
        })
        .await
}

/// Turns the migration, and shows where it stands then. Made again after its answer was lost, a turn
/// changes nothing and puts right what was left to be put right.
pub async fn turn(
    node: &Node,
    caller: &Caller,
    turn: Turn,
    reason: Option<String>,
) -> Result<RegistryMigrationReport, OpError> {
    let memory = node.registry_migrating.lock().await;
    let turned = make(node, caller, turn, reason).await;
    drop(memory);
    tell(node).await;
    turned
}

async fn make(
    node: &Node,
    caller: &Caller,
    turn: Turn,
    reason: Option<String>,
) -> Result<RegistryMigrationReport, OpError> {
    let named = resource("registry_migration", None, Some(turn.name()));
    let attempt = Attempt::new(node, caller, turn.action(), None, named);
    node.ensure_auditable()?;
    let migration = match allowed(&attempt, turn, reason.as_deref()) {
        Ok(migration) => migration,
        Err(error) => return Err(attempt.log_failure(error).await),
    };
    let entry = |step: &str, report: &RegistryMigrationReport| {
        let mut event = attempt.event(Outcome::Ok);
        event.reason.clone_from(&reason);
        detail(&mut event, "step", step);
        describe(&mut event, turn, report);
        event
    };
    let begun = entry("begun", &migration.report());
    node.ports.audit.append(begun).await?;
    let made = turn.make(migration).await;
    let report = migration.report();
    let unmarked = match made {
        Ok(()) => None,
        // It was done all the same: that is what the log must say.
        Err(fault @ RegistryMigrationFault::Unmarked { .. }) => Some(fault),
        Err(fault) => return Err(attempt.log_failure(fault.into()).await),
    };
    let mut done = entry("done", &report);
    if unmarked.is_some() {
        detail(&mut done, "unmarked", true);
    }
    node.ports.audit.append(done).await?;
    unmarked.map_or(Ok(report), |fault| Err(fault.into()))
}

fn allowed<'a>(
    attempt: &Attempt<'a>,
    turn: Turn,
    reason: Option<&str>,
) -> Result<&'a dyn RegistryMigration, OpError> {
    let node = attempt.node;
    node.authorize_system(attempt.caller, attempt.action)?;
    bounded("reason", reason.unwrap_or(""), 1024)?;
    if let Turn::Rate { per_second } = turn
        && !(1..=PER_SECOND_MAX).contains(&per_second)
    {
        let problem = format!("must be 1 to {PER_SECOND_MAX}");
        return Err(OpError::invalid("per_second", problem));
    }
    let migration = node.ports.registry_migration.as_deref().ok_or(NONE)?;
    if migration.report().attached {
        Ok(migration)
    } else {
        Err(RegistryMigrationFault::Detached.into())
    }
}

fn describe(event: &mut AuditEvent, turn: Turn, report: &RegistryMigrationReport) {
    detail(event, "phase", report.phase.name());
    detail(event, "from", report.from.as_str());
    detail(event, "to", report.to.as_str());
    if let Turn::Rate { per_second } = turn {
        detail(event, "per_second", per_second);
    }
    if let (Turn::CutOver, Some(proof)) = (turn, &report.proof) {
        detail(event, "revision", proof.revision);
        detail(event, "rows", proof.rows);
        detail(event, "digest", proof.digest.to_string());
    }
}

/// Carries the migration on: begins it, fills the target or brings the side that follows nearer,
/// and cuts over if that is not left to somebody. How many rows or changes that were; the pace is kept
/// within. What goes wrong is a condition, and is tried again.
pub async fn carry_on(node: &Node) -> Result<u64, OpError> {
    let Some(migration) = node.ports.registry_migration.as_deref() else {
        return Ok(0);
    };
    let went = go_on(node, migration).await;
    tell(node).await;
    went
}

async fn go_on(node: &Node, migration: &dyn RegistryMigration) -> Result<u64, OpError> {
    let report = migration.report();
    if report.phase == MigrationPhase::Planned {
        if report.attached && !report.paused {
            turn_by_itself(node, migration, Turn::Begin).await?;
        }
        return Ok(0);
    }
    let stepped = migration.step().await?;
    let report = migration.report();
    let waits = !node.settings.registry_cuts_over || report.paused || report.trouble.is_some();
    if report.phase == MigrationPhase::Copying && report.equal && !waits {
        turn_by_itself(node, migration, Turn::CutOver).await?;
    }
    Ok(stepped)
}

/// A turn that nobody asked for now. It is not begun, and not logged, while a side is down or the log
/// could not say so, and not repeated for a while once it failed.
async fn turn_by_itself(
    node: &Node,
    migration: &dyn RegistryMigration,
    turn: Turn,
) -> Result<(), OpError> {
    let mut memory = node.registry_migrating.lock().await;
    let now = node.now();
    let failed_now = |at: Timestamp| now.seconds_since(at) < AGAIN_SECONDS;
    if memory.failed_at.is_some_and(failed_now) || node.ensure_auditable().is_err() {
        return Ok(());
    }
    // Somebody may have turned or paused it while this waited.
    let report = migration.report();
    let is_wanted = match turn {
        Turn::Begin => report.phase == MigrationPhase::Planned,
        _ => report.phase == MigrationPhase::Copying && report.equal && report.trouble.is_none(),
    };
    if !is_wanted || report.paused {
        return Ok(());
    }
    migration.look().await?;
    let caller = Caller::system(node.own_correlation_id()?);
    let turned = make(node, &caller, turn, None).await;
    memory.failed_at = turned.is_err().then_some(now);
    turned.map(drop)
}

/// Raises and clears what a migration can be about.
async fn tell(node: &Node) {
    let Some(report) = present(node) else {
        return;
    };
    let subject = Subject::system("registry-migration");
    let kind = ConditionKind::REGISTRY_MIGRATION_FAILING;
    match &report.trouble {
        Some(trouble) => {
            let words = format!(
                "the registry's migration from {} to {} ({}) waits for a side: {}",
                report.from, report.to, report.phase, trouble.cause
            );
            raise(node, kind, &subject, Severity::Warning, &words).await;
        }
        None => clear(node, kind, &subject).await,
    }
    let kind = ConditionKind::REGISTRY_MIGRATION_UNCOMMITTED;
    let days_max = node.settings.registry_uncommitted_days;
    let is_late =
        |since: Timestamp| node.now().seconds_since(since) >= days_max.saturating_mul(DAY_SECONDS);
    if report.phase == MigrationPhase::CutOver && report.since.is_some_and(is_late) {
        let words = format!(
            "the registry has been cut over to {} for more than {days_max} days: commit it, or roll it \
             back to {}",
            report.to, report.from
        );
        raise(node, kind, &subject, Severity::Warning, &words).await;
    } else {
        clear(node, kind, &subject).await;
    }
}
