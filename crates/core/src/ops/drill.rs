//! Drills: the newest backup restored for trial, on a schedule or when somebody orders it. The work is
//! the adapter's and touches nothing that is live; here is who may order one, and what is said of it.

use uuid::Uuid;

use super::backup;
use super::secret;
use crate::audit::Outcome;
use crate::caller::{Caller, Changed};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::DrillId;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::condition::{ConditionKind, Severity, Subject};
use crate::noun::drill::{Drill, DrillState};
use crate::ops::condition::{clear, raise};
use crate::ops::gate::{Attempt, bounded, detail, page_size, resource};
use crate::port::drill::{DrillOrder, DrillReport};

/// What conditions are about.
pub(super) const SUBJECT: &str = "drill";
/// Drills looked through for the last one that passed, or for one that is to be made.
const LOOKED_THROUGH: usize = 500;
/// So many are kept.
const KEPT: usize = 1_000;
/// How long after one that failed the next is ordered by itself, in seconds.
const RETRY_SECONDS: i64 = 3_600;

/// Orders a drill, of the newest backup and its segments or of one full backup alone. One at a time:
/// one that waits or is under way is the answer.
pub async fn order(
    node: &Node,
    caller: &Caller,
    backup: Option<Uuid>,
    reason: Option<String>,
) -> Result<Changed<Drill>, OpError> {
    let action = Action::BackupDrill;
    let named = resource("drill", None, None);
    let mut attempt = Attempt::new(node, caller, action, None, named);
    let done: Result<_, OpError> = async {
        node.ensure_auditable()?;
        let proof = node.authorize_system(caller, action)?;
        bounded("reason", reason.as_deref().unwrap_or(""), 1024)?;
        if node.ports.rehearsal.is_none() {
            let problem = "no identity for drills is configured: see `backup.drill_identity`";
            return Err(OpError::invalid("drill_identity", problem));
        }
        if let Some(waiting) = waiting(node).await? {
            attempt.resource.id = Some(waiting.id.uuid());
            return attempt.repeated(waiting).await;
        }
        if let Some(id) = backup {
            let found = backup::store(node)?.show(id).await?;
            found
                .filter(crate::retention::is_full)
                .ok_or(OpError::NotFound { what: "backup" })?;
        }
        let id = DrillId::from_uuid(node.ordered_id()?);
        attempt.resource.id = Some(id.uuid());
        let drill = Drill::queued(id, backup, node.now());
        let writes = vec![Write::insert(Row::Drill(drill.clone()))];
        let done = attempt
            .commit(proof, writes, |event| {
                event.reason = reason;
                detail(event, "state", drill.state.name());
            })
            .await?;
        Ok(done.map(|()| drill))
    }
    .await;
    match done {
        Ok(done) => Ok(done),
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

/// Lists drills, newest first.
pub async fn list(
    node: &Node,
    caller: &Caller,
    limit: Option<usize>,
) -> Result<Vec<Drill>, OpError> {
    let named = resource("drill", None, None);
    Attempt::new(node, caller, Action::BackupRead, None, named)
        .read(async {
            node.authorize_system(caller, Action::BackupRead)?;
            Ok(node.ports.registry.drills(page_size(limit)?).await?)
        })
        .await
}

/// Orders a drill if the last one is as old as that, and says when none was made for too long. By the
/// server itself.
pub async fn order_if_due(node: &Node, interval_seconds: i64) -> Result<bool, OpError> {
    if node.ports.rehearsal.is_none() || interval_seconds <= 0 {
        return Ok(false);
    }
    let drills = node.ports.registry.drills(LOOKED_THROUGH).await?;
    look_for_late(node, &drills, interval_seconds).await;
    let pause = match drills.first() {
        None => 0,
        Some(last) => match last.state {
            DrillState::Queued => return Ok(false),
            DrillState::Passed => interval_seconds,
            DrillState::Failed => interval_seconds.min(RETRY_SECONDS),
        },
    };
    let last = drills.first().and_then(|last| last.ended_at);
    if last.is_some_and(|at| node.now().seconds_since(at) < pause) {
        return Ok(false);
    }
    // Before the first backup, and after a restore of everything, there is nothing to try yet.
    if !backup::has_full(node).await? {
        return Ok(false);
    }
    let caller = Caller::system(node.own_correlation_id()?);
    order(node, &caller, None, Some("scheduled".to_owned())).await?;
    Ok(true)
}

/// What passed, or else what was ordered first, says since when there should have been one.
async fn look_for_late(node: &Node, drills: &[Drill], interval_seconds: i64) {
    let passed = drills.iter().find(|it| it.state == DrillState::Passed);
    let since = match (passed.and_then(|it| it.ended_at), drills.last()) {
        (Some(at), _) => at,
        (None, Some(first)) => first.ordered_at,
        (None, None) => return,
    };
    let (kind, subject) = (ConditionKind::DRILL_LATE, Subject::system(SUBJECT));
    if node.now().seconds_since(since) <= 2 * interval_seconds {
        clear(node, kind, &subject).await;
        return;
    }
    let detail = match passed {
        Some(_) => format!("the last drill that passed ended at {since}"),
        None => format!("no drill passed since the first was ordered at {since}"),
    };
    raise(node, kind, &subject, Severity::Critical, &detail).await;
}

async fn waiting(node: &Node) -> Result<Option<Drill>, OpError> {
    let drills = node.ports.registry.drills(LOOKED_THROUGH).await?;
    let mut waiting = drills.into_iter();
    Ok(waiting.find(|drill| drill.state == DrillState::Queued))
}

/// Makes the drill that was ordered, if one was. Answers whether it did. Called again and again, beside
/// everything else; one that was interrupted is made again.
pub async fn work(node: &Node) -> Result<bool, OpError> {
    let Some(rehearsal) = node.ports.rehearsal.as_deref() else {
        return Ok(false);
    };
    if node.ports.seal.is_sealed() {
        return Ok(false);
    }
    let Some(drill) = waiting(node).await? else {
        return Ok(false);
    };
    // What it reads is not removed meanwhile.
    let _alone = node.drilling.lock().await;
    let report = match prepare(node, &drill).await {
        Ok(order) => rehearsal.rehearse(order).await,
        Err(OpError::Sealed) => return Ok(false),
        Err(error) => DrillReport {
            problems: vec![format!("it could not begin: {error}")],
            ..DrillReport::default()
        },
    };
    if report.interrupted {
        return Ok(false);
    }
    finish(node, drill, report).await?;
    Ok(true)
}

async fn prepare(node: &Node, drill: &Drill) -> Result<DrillOrder, OpError> {
    let identity = match &node.settings.drill_identity {
        Some(name) => Some(secret::get_for_server(node, name).await?),
        None => None,
    };
    let (key, signing_key) = backup::signing_pair(node).await?;
    Ok(DrillOrder {
        id: drill.id,
        backup: drill.backup,
        key,
        signing_key,
        identity,
    })
}

async fn finish(node: &Node, mut drill: Drill, report: DrillReport) -> Result<(), OpError> {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let problem = report
        .problems
        .first()
        .map(|first| match report.problems.len() {
            1 => first.clone(),
            more => format!("{first}; and {} more, which the report names", more - 1),
        });
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    drill.state = if problem.is_none() {
        DrillState::Passed
    } else {
        DrillState::Failed
    };
    drill.backup = report.backup.or(drill.backup);
    drill.ended_at = Some(node.now().max(drill.ordered_at));
    drill.revision = report.revision;
    drill.committed_at = report.committed_at;
    drill.segments = signed(report.segments);
    drill.rows_seen = signed(report.rows);
    drill.records_seen = signed(report.records);
    drill.keks_opened = signed(report.keks_opened);
    drill.records_opened = signed(report.records_opened);
    drill.problem = problem.map(|text| {
        let visible = text.chars().map(visible);
        visible.take(Drill::PROBLEM_MAX).collect()
    });
    drill.etag += 1;
    save(node, &drill).await?;
    let subject = Subject::system(SUBJECT);
    match &drill.problem {
        None => {
            clear(node, ConditionKind::DRILL_FAILED, &subject).await;
            clear(node, ConditionKind::DRILL_LATE, &subject).await;
        }
        Some(problem) => {
            let kind = ConditionKind::DRILL_FAILED;
            let detail = format!("drill {}: {problem}", drill.id);
            raise(node, kind, &subject, Severity::Critical, &detail).await;
        }
    }
    Ok(())
}

async fn save(node: &Node, drill: &Drill) -> Result<(), OpError> {
    let action = Action::BackupDrill;
    let caller = Caller::system(node.own_correlation_id()?);
    let named = resource("drill", Some(drill.id.uuid()), None);
    let attempt = Attempt::new(node, &caller, action, None, named);
    let proof = node.authorize_system(&caller, action)?;
    let mut writes = vec![Write::update(Row::Drill(drill.clone()))];
    let drills = node.ports.registry.drills(KEPT + 1).await?;
    if drills.len() > KEPT {
        writes.extend(
            drills
                .into_iter()
                .next_back()
                .map(Row::Drill)
                .map(Write::delete),
        );
    }
    attempt
        .commit(proof, writes, |event| {
            detail(event, "state", drill.state.name());
            detail(event, "backup", drill.backup.map(|id| id.to_string()));
            detail(event, "keks_opened", drill.keks_opened);
            detail(event, "records_opened", drill.records_opened);
            if drill.state == DrillState::Failed {
                event.outcome = Outcome::Failed;
                event.reason.clone_from(&drill.problem);
            }
        })
        .await?;
    Ok(())
}
