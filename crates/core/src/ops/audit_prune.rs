//! Letting go of the log's beginning: what could go, ordering it, and doing it each day
//! (docs/audit-retention.md).
//!
//! The order is in the log, durably, before anything goes. What was ordered and is still there after a crash goes
//! with the next look, if it still may.

use std::collections::BTreeSet;

use crate::audit::class::EntryClass;
use crate::audit::keeping_refusal::KeepingRefusal;
use crate::audit::retention::{Plan, Rules, decide};
use crate::caller::Caller;
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::audit_rule::{AuditRule, RuleKind};
use crate::noun::condition::{ConditionKind, Severity, Subject};
use crate::ops::audit_rules;
use crate::ops::condition::{clear, is_open, raise};
use crate::ops::gate::{Attempt, detail, resource};
use crate::port::audit_keeping::{AuditKeeping, OldSegment};
use crate::port::audit_log::{AuditLog, TailQuery};
use crate::time::{Clock, Timestamp};

/// Segments looked at, at most.
const LOOKED_AT: usize = 4_096;
/// And at first: most often, few of them may go.
const FIRST_LOOK: usize = 16;
const DAY_SECONDS: i64 = 24 * 3600;
/// How often it is looked whether something may go by itself.
const LOOK_SECONDS: i64 = 3600;

/// What the clock said, so that one that jumps ahead lets go of nothing.
pub(crate) struct ClockSeen {
    /// The last entry that was in the log before this process.
    before: u64,
    started: Timestamp,
    seen: Option<Timestamp>,
    looked: Option<Timestamp>,
}

impl ClockSeen {
    /// What is known when a node is made, before it logs anything.
    pub(crate) fn at_start(log: &dyn AuditLog, clock: &dyn Clock) -> Self {
        Self {
            before: log.last(),
            started: clock.now(),
            seen: None,
            looked: None,
        }
    }
}

/// What could go now, and what keeps the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The first entry that is here.
    pub first: u64,
    /// What may go, by the rules alone.
    pub plan: Plan,
    /// What keeps it from being ordered all the same.
    pub refused: Option<KeepingRefusal>,
}

/// What was let go of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LetGone {
    /// The first entry that is here now.
    pub first: u64,
    /// The last entry that went.
    pub through: u64,
    /// The revision of the order; 0 if it had been ordered before.
    pub revision: i64,
}

/// What is to go.
#[derive(Clone, Debug)]
pub struct PruneOrder {
    /// Through which entry: the end of a segment that may go.
    pub through: u64,
    /// Why.
    pub reason: String,
    /// The clock went ahead, and is right.
    pub clock_is_right: bool,
}

fn subject(node: &Node) -> Subject {
    Subject::system(&node.settings.name)
}

fn attempt<'a>(node: &'a Node, caller: &'a Caller, action: Action) -> Attempt<'a> {
    let name = Some(&*node.settings.name);
    Attempt::new(node, caller, action, None, resource("audit", None, name))
}

fn keeping(node: &Node) -> Result<&dyn AuditKeeping, KeepingRefusal> {
    let keeping = node.ports.keeping.as_deref();
    let keeping = keeping.ok_or(KeepingRefusal::Unsupported)?;
    if !node.settings.audit_let_go {
        return Err(KeepingRefusal::Off);
    }
    Ok(keeping)
}

/// Shows what could go, changing nothing.
pub async fn plan(node: &Node, caller: &Caller) -> Result<Outlook, OpError> {
    let action = Action::AuditReadRetention;
    attempt(node, caller, action)
        .read(async {
            node.authorize_system(caller, action)?;
            let Some(keeping) = node.ports.keeping.as_deref() else {
                // Nothing ever went.
                return Ok(Outlook {
                    first: 1,
                    plan: Plan::default(),
                    refused: Some(KeepingRefusal::Unsupported),
                });
            };
            let rows = audit_rules::all(node).await?;
            let plan = decided(node, keeping, &rows).await?.0;
            let ahead = is_open(node, &ConditionKind::AUDIT_CLOCK_AHEAD, &subject(node));
            let refused = if !node.settings.audit_let_go {
                Some(KeepingRefusal::Off)
            } else if ahead {
                Some(KeepingRefusal::ClockAhead)
            } else {
                too_soon(node, &rows).err()
            };
            let first = keeping.beginning().first;
            Ok(Outlook {
                first,
                plan,
                refused,
            })
        })
        .await
}

async fn decided(
    node: &Node,
    keeping: &dyn AuditKeeping,
    rows: &[AuditRule],
) -> Result<(Plan, Rules), OpError> {
    let rules = Rules::of(node.settings.audit_retention, rows);
    let mut most = FIRST_LOOK;
    loop {
        let segments = keeping.oldest(most).await;
        let segments = segments.map_err(KeepingRefusal::from)?;
        let plan = by_rules(node, keeping, &segments, &rules).await?;
        if plan.stays.is_some() || segments.len() < most || most >= LOOKED_AT {
            return Ok((plan, rules));
        }
        most *= 2;
    }
}

async fn by_rules(
    node: &Node,
    keeping: &dyn AuditKeeping,
    segments: &[OldSegment],
    rules: &Rules,
) -> Result<Plan, OpError> {
    let whose = segments.iter().flat_map(|it| it.holds.keys());
    let whose: BTreeSet<_> = whose.filter_map(|(tenant, _)| *tenant).collect();
    let mut known = BTreeSet::new();
    for tenant in whose {
        let found = node.ports.registry.tenant(tenant).await?;
        known.extend(found.map(|it| it.id));
    }
    let first = keeping.beginning().first;
    Ok(decide(first, segments, rules, &known, node.now()))
}

/// How far this node's log was ordered to go last.
fn last_order<'a>(node: &Node, rows: &'a [AuditRule]) -> Option<&'a AuditRule> {
    let of_us = |it: &&AuditRule| it.kind == RuleKind::LetGo && *it.name == *node.settings.name;
    rows.iter().filter(of_us).max_by_key(|it| it.since)
}

fn too_soon(node: &Node, rows: &[AuditRule]) -> Result<(), KeepingRefusal> {
    let Some(last) = last_order(node, rows).map(|it| it.since) else {
        return Ok(());
    };
    let next = last.plus_seconds(DAY_SECONDS);
    if node.now() < next {
        return Err(KeepingRefusal::TooSoon { last, next });
    }
    Ok(())
}

/// Looks at the clock. Each second, so that one that jumps while the server runs is noticed as well.
pub(super) async fn watch_clock(node: &Node) -> Result<(), OpError> {
    if !node.settings.audit_let_go {
        return Ok(());
    }
    // While something goes, or a hold is placed, the next look will do.
    let Some(mut seen) = node.letting_go.try_lock() else {
        return Ok(());
    };
    look_at_clock(node, &mut seen).await
}

/// Raises it if the clock is too far ahead of what was known.
async fn look_at_clock(node: &Node, seen: &mut ClockSeen) -> Result<(), OpError> {
    let known = match seen.seen {
        Some(known) => known,
        None => known_before(node, seen).await?,
    };
    let now = node.now();
    if now.seconds_since(known) > DAY_SECONDS {
        let said = format!(
            "the clock says {now}, and the last entry that is known is of {known}: nothing of the log goes until \
             somebody confirms that the clock is right (keyward audit retention prune --clock-is-right)"
        );
        let kind = ConditionKind::AUDIT_CLOCK_AHEAD;
        raise(node, kind, &subject(node), Severity::Warning, &said).await;
    }
    seen.seen = Some(known.max(now));
    Ok(())
}

/// The time of the last entry before this process; of a log that began with it, when it did.
async fn known_before(node: &Node, seen: &ClockSeen) -> Result<Timestamp, OpError> {
    let Some(before) = seen.before.checked_sub(1) else {
        return Ok(seen.started);
    };
    let query = TailQuery {
        tenant: None,
        after: Some(before),
        limit: 1,
    };
    let found = node.ports.audit.tail(query).await?;
    let last = found.first().filter(|it| it.sequence == seen.before);
    last.map(|it| it.event.time).ok_or(OpError::Audit(
        crate::port::audit_log::AuditError::Damaged {
            sequence: seen.before,
        },
    ))
}

/// Lets go of the log's beginning, through the end of a segment that may go.
pub async fn prune(node: &Node, caller: &Caller, order: PruneOrder) -> Result<LetGone, OpError> {
    let attempt = attempt(node, caller, Action::AuditPrune);
    attempt
        .change(async {
            let proof = node.authorize_system(caller, Action::AuditPrune)?;
            audit_rules::said(&order.reason)?;
            let keeping = keeping(node)?;
            // Nobody says meanwhile that something is to be kept.
            let mut seen = node.letting_go.lock().await;
            let first = keeping.beginning().first;
            if (1..first).contains(&order.through) {
                attempt.repeated(()).await?;
                return Ok(LetGone {
                    first,
                    through: order.through,
                    revision: 0,
                });
            }
            ensure_clock(node, &mut seen, order.clock_is_right).await?;
            let rows = audit_rules::all(node).await?;
            let (plan, rules) = decided(node, keeping, &rows).await?;
            if let Some(gone) = finished(node, keeping, &rows, &plan).await?
                && order.through <= gone.through
            {
                attempt.repeated(()).await?;
                if order.clock_is_right {
                    clear(node, ConditionKind::AUDIT_CLOCK_AHEAD, &subject(node)).await;
                }
                return Ok(gone);
            }
            ensure_may_go(&plan, order.through)?;
            too_soon(node, &rows)?;
            let of = part(node, keeping, &plan, &rules, order.through).await?;
            let write = ordered(node, caller, &rows, &order)?;
            let done = attempt
                .commit(proof, vec![write], |event| {
                    event.reason = Some(order.reason.clone());
                    detail(event, "first", first);
                    detail(event, "through", order.through);
                    detail(event, "entries", of.entries);
                    detail(event, "bytes", of.bytes);
                    detail(event, "classes", classes(&of));
                    detail(event, "days", audit_rules::named(rules.deployment));
                    detail(event, "clock_confirmed", order.clock_is_right);
                })
                .await?;
            if done.audit_pending {
                return Err(KeepingRefusal::NotLogged.into());
            }
            if order.clock_is_right {
                clear(node, ConditionKind::AUDIT_CLOCK_AHEAD, &subject(node)).await;
            }
            // Another node may have placed a hold meanwhile.
            let rows = audit_rules::all(node).await?;
            ensure_may_go(&decided(node, keeping, &rows).await?.0, order.through)?;
            let mut gone = let_go(node, keeping, order.through).await?;
            gone.revision = done.revision;
            Ok(gone)
        })
        .await
}

async fn ensure_clock(node: &Node, seen: &mut ClockSeen, is_right: bool) -> Result<(), OpError> {
    look_at_clock(node, seen).await?;
    let is_ahead = is_open(node, &ConditionKind::AUDIT_CLOCK_AHEAD, &subject(node));
    if is_ahead && !is_right {
        return Err(KeepingRefusal::ClockAhead.into());
    }
    Ok(())
}

fn ensure_may_go(plan: &Plan, through: u64) -> Result<(), KeepingRefusal> {
    if plan.ends.contains(&through) {
        return Ok(());
    }
    let why = match &plan.stays {
        Some(stays) if through >= stays.first => {
            let why: Vec<_> = stays.why.iter().take(5).map(ToString::to_string).collect();
            format!("from entry {} on it stays: {}", stays.first, why.join("; "))
        }
        _ => match plan.through() {
            Some(end) => format!("it is not the end of a segment; what may go ends with {end}"),
            None => "nothing there is old enough, complete and signed".to_owned(),
        },
    };
    Err(KeepingRefusal::Stays { through, why })
}

/// What goes, of what may.
async fn part(
    node: &Node,
    keeping: &dyn AuditKeeping,
    plan: &Plan,
    rules: &Rules,
    through: u64,
) -> Result<Plan, OpError> {
    let segments = keeping.oldest(plan.ends.len()).await;
    let mut segments = segments.map_err(KeepingRefusal::from)?;
    segments.retain(|it| it.last <= through);
    by_rules(node, keeping, &segments, rules).await
}

/// So many entries of each class.
fn classes(plan: &Plan) -> serde_json::Value {
    let all = EntryClass::ALL.iter().map(|class| {
        let of = plan.of.iter().filter(|((_, it), _)| it == class);
        let count: u64 = of.map(|(_, count)| *count).sum();
        (class.name().to_owned(), count.into())
    });
    serde_json::Value::Object(all.collect())
}

/// The row that says how far: one for each node.
fn ordered(
    node: &Node,
    caller: &Caller,
    rows: &[AuditRule],
    order: &PruneOrder,
) -> Result<Write, OpError> {
    let through = i64::try_from(order.through);
    let through = through.map_err(|_| OpError::invalid("through", "is too large"))?;
    let last = last_order(node, rows).cloned();
    let is_new = last.is_none();
    let mut row = match last {
        Some(row) => row,
        None => audit_rules::rule(node, caller, None, RuleKind::LetGo)?,
    };
    if !is_new {
        row.etag += 1;
    }
    row.name = node.settings.name.to_string();
    row.reason.clone_from(&order.reason);
    row.through = Some(through);
    row.since = node.now();
    row.by = caller.principal;
    let row = Row::AuditRule(row);
    Ok(if is_new {
        Write::insert(row)
    } else {
        Write::update(row)
    })
}

/// Does what was ordered and not done, if it still may be.
async fn finished(
    node: &Node,
    keeping: &dyn AuditKeeping,
    rows: &[AuditRule],
    plan: &Plan,
) -> Result<Option<LetGone>, OpError> {
    let through = last_order(node, rows).and_then(|it| it.through);
    let Some(through) = through.and_then(|it| u64::try_from(it).ok()) else {
        return Ok(None);
    };
    if keeping.beginning().first > through || !plan.ends.contains(&through) {
        return Ok(None);
    }
    let_go(node, keeping, through).await.map(Some)
}

async fn let_go(node: &Node, keeping: &dyn AuditKeeping, through: u64) -> Result<LetGone, OpError> {
    // What came back older, or has lost its journal, lets nothing go.
    node.ensure_auditable()?;
    let kind = ConditionKind::AUDIT_NOT_LET_GO;
    match keeping.let_go(through).await {
        Ok(beginning) => {
            clear(node, kind, &subject(node)).await;
            Ok(LetGone {
                first: beginning.first,
                through,
                revision: 0,
            })
        }
        Err(error) => {
            let refusal = KeepingRefusal::from(error);
            let said = format!("through entry {through}: {refusal}");
            raise(node, kind, &subject(node), Severity::Warning, &said).await;
            Err(refusal.into())
        }
    }
}

/// Lets go of what may go, once a day, where the configuration has it so. Returns what went. By the server itself,
/// as often as it likes: it looks once an hour, and what a crash left is done at the first look.
pub async fn let_go_if_due(node: &Node) -> Result<Option<LetGone>, OpError> {
    let Ok(keeping) = keeping(node) else {
        return Ok(None);
    };
    node.ensure_auditable()?;
    let caller = Caller::system(node.own_correlation_id()?);
    node.ensure_coverable(&caller, Action::AuditPrune)?;
    let now = node.now();
    let mut seen = node.letting_go.lock().await;
    let due = |last: Timestamp| now.seconds_since(last) >= LOOK_SECONDS;
    if !seen.looked.is_none_or(due) {
        return Ok(None);
    }
    let gone = match next(node, keeping, &mut seen).await? {
        Next::Nothing => None,
        Next::Gone(gone) => Some(gone),
        Next::Due(through) => {
            drop(seen);
            let order = PruneOrder {
                through,
                reason: "scheduled".to_owned(),
                clock_is_right: false,
            };
            let gone = prune(node, &caller, order).await?;
            seen = node.letting_go.lock().await;
            Some(gone)
        }
    };
    // What failed is tried again sooner.
    seen.looked = Some(now);
    Ok(gone)
}

/// What a look comes to.
enum Next {
    Nothing,
    /// What had been ordered before went.
    Gone(LetGone),
    /// Through here something is to go.
    Due(u64),
}

async fn next(
    node: &Node,
    keeping: &dyn AuditKeeping,
    seen: &mut ClockSeen,
) -> Result<Next, OpError> {
    look_at_clock(node, seen).await?;
    if is_open(node, &ConditionKind::AUDIT_CLOCK_AHEAD, &subject(node)) {
        return Ok(Next::Nothing);
    }
    let rows = audit_rules::all(node).await?;
    let plan = match decided(node, keeping, &rows).await {
        Ok((plan, _)) => plan,
        Err(error) => {
            let (kind, said) = (ConditionKind::AUDIT_NOT_LET_GO, error.to_string());
            raise(node, kind, &subject(node), Severity::Warning, &said).await;
            return Err(error);
        }
    };
    if let Some(gone) = finished(node, keeping, &rows, &plan).await? {
        return Ok(Next::Gone(gone));
    }
    let through = plan.through().filter(|_| too_soon(node, &rows).is_ok());
    Ok(through.map_or(Next::Nothing, Next::Due))
}
