//! Rotation by policy: in every node, acting in the one that has the lease. What is due is found in the registry,
//! and each key is rotated by the operation that rotates by hand, in one transaction with a row that names key and
//! date. That row can be there once, so that neither a crash nor a late node, nor a run that somebody orders
//! beside the scheduler, rotates twice; and what was not committed is found due again.

mod due;
mod expiry;
mod lease;
mod one;
mod plan;
mod preview;
mod report;
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use futures_util::stream;

use self::one::{CLOSED, Ended, Run};
use self::plan::{Due, Found, Scope};
use self::report::reported;
use crate::audit::Outcome;
use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::ids::{KeyId, PolicyId, TenantId};
use crate::names::PolicyName;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::condition::{ConditionKind, Severity, Subject};
use crate::noun::rotation::RotationTrigger;
use crate::ops::condition;
use crate::ops::gate::{Attempt, detail, ensure_active, tenant_resource};
use crate::ops::policy;
use crate::port::lease::Fence;
use crate::rotation::ScheduleError;
pub use crate::rotation_board::{LastRun, RotationTotals};
use crate::time::Timestamp;

pub use self::due::Date;
pub use self::lease::{LEASE_SECONDS, keep_lease, release_lease};
pub use self::preview::{PREVIEW_MAX, Preview, PreviewDate, preview};
pub use self::report::{KeyReport, PolicyReport, PolicyStanding, RunReport};
pub use self::shown::{Explanation, Status, explain, history, status, totals};

/// Whether this node should look for what is due now: it is the one that acts, and the interval is over, or a
/// date has come, or somebody changed what is due.
pub fn is_wanted(node: &Node) -> bool {
    let standing = node.rotation.look();
    let Some(checked_at) = standing.checked_at else {
        return standing.held.is_some();
    };
    let now = node.now();
    let interval = node.settings.rotation.check_interval_seconds;
    standing.held.is_some()
        && (standing.again
            || now.seconds_since(checked_at) >= interval
            || standing
                .next_at
                .is_some_and(|at| at > checked_at && at <= now))
}

/// Rotates what is due, if this node is the one that acts. None if it is not, or if nothing can have become due
/// since it looked last. Says which keys expire soon, too, after what could be rotated was.
pub async fn check(node: &Node) -> Result<Option<LastRun>, OpError> {
    let _alone = node.rotation.running.lock().await;
    let last = rotate_due(node).await?;
    if node.rotation.look().held.is_some() && !node.ports.seal.is_sealed() {
        expiry::look(node).await?;
    }
    Ok(last)
}

async fn rotate_due(node: &Node) -> Result<Option<LastRun>, OpError> {
    let (held, seen_to, next_at) = {
        let mut standing = node.rotation.look();
        standing.again = false;
        // Whatever comes of it: what fails is tried again after the interval.
        standing.checked_at = Some(node.now());
        (standing.held.clone(), standing.seen_to, standing.next_at)
    };
    let Some(fence) = held else {
        return Ok(None);
    };
    if node.ports.seal.is_sealed() {
        return Ok(None);
    }
    node.ensure_auditable()?;
    let started_at = node.now();
    // Read first: what is committed from here on is looked at the next time.
    let revision = node.ports.registry.revision().await?;
    let nothing_changed = seen_to == Some(revision) && next_at.is_none_or(|at| at > started_at);
    if nothing_changed {
        node.ports.registry.note_work(&fence).await?;
        return Ok(None);
    }
    let found = plan::find(node, Scope::default()).await?;
    let (seen, next_at) = ((!found.more).then_some(revision), found.next_at);
    let run = Run {
        node,
        caller: Caller::system(node.own_correlation_id()?),
        trigger: RotationTrigger::Schedule,
        fence: Some(fence.clone()),
    };
    let tally = rotate_all(&run, found).await;
    note(node, &run, &tally, (started_at, seen, next_at)).await;
    if tally.stopped.is_none() {
        node.ports.registry.note_work(&fence).await?;
    }
    let last = node.rotation.look().last_run.clone();
    match tally.stopped {
        Some(error) => Err(error),
        None => Ok(last),
    }
}

/// What a run has done so far.
#[derive(Default)]
struct Tally {
    policies: Vec<PolicyReport>,
    more: bool,
    /// Keys of which the last try failed, in this run or before.
    failing: BTreeSet<KeyId>,
    /// Policies that cannot be followed.
    unfollowable: BTreeMap<PolicyId, (TenantId, ScheduleError)>,
    backlog: usize,
    oldest: Option<Timestamp>,
    stopped: Option<OpError>,
}

impl Tally {
    fn of(found: &Found) -> Self {
        let mut policies: Vec<PolicyReport> = found
            .policies
            .iter()
            .map(|policy| PolicyReport {
                policy: policy.clone(),
                standing: if found.unfollowable.contains_key(&policy.id) {
                    PolicyStanding::Unfollowable
                } else {
                    PolicyStanding::of(policy)
                },
                due: Vec::new(),
                rotated: Vec::new(),
                failed: Vec::new(),
                skipped: Vec::new(),
            })
            .collect();
        policies.sort_by(|one, other| one.policy.name.cmp(&other.policy.name));
        let mut tally = Self {
            policies,
            more: found.more,
            failing: found.failing.clone(),
            unfollowable: found.unfollowable.clone(),
            backlog: found.backlog,
            oldest: found.oldest,
            stopped: None,
        };
        for (due, why, until) in &found.waiting {
            let mut report = reported(due, due.earlier.clone(), Some(why));
            report.until = *until;
            tally.put(due, |policy| &mut policy.skipped, report);
        }
        for (due, why) in &found.hindered {
            let report = reported(due, None, Some(why));
            tally.put(due, |policy| &mut policy.skipped, report);
        }
        tally
    }

    fn put(
        &mut self,
        due: &Due,
        list: impl FnOnce(&mut PolicyReport) -> &mut Vec<KeyReport>,
        report: KeyReport,
    ) {
        let mut policies = self.policies.iter_mut();
        if let Some(policy) = policies.find(|it| it.policy.id == due.policy.id) {
            list(policy).push(report);
        }
    }

    fn ended(&mut self, due: &Due, ended: Ended) {
        match ended {
            Ended::Rotated(rotation) => {
                self.failing.remove(&due.key);
                self.backlog = self.backlog.saturating_sub(1);
                let report = reported(due, Some(rotation), None);
                self.put(due, |policy| &mut policy.rotated, report);
            }
            Ended::Failed(rotation) => {
                self.failing.insert(due.key);
                let report = reported(due, Some(rotation), None);
                self.put(due, |policy| &mut policy.failed, report);
            }
            Ended::Skipped(why) => {
                self.backlog = self.backlog.saturating_sub(1);
                let report = reported(due, None, Some(why));
                self.put(due, |policy| &mut policy.skipped, report);
            }
            Ended::Unreached => {
                let report = reported(due, None, Some("the run ended before its time"));
                self.put(due, |policy| &mut policy.skipped, report);
            }
            Ended::Stopped(error) => {
                self.ended(due, Ended::Unreached);
                self.stopped.get_or_insert(error);
            }
        }
    }

    fn count(&self, list: impl Fn(&PolicyReport) -> &Vec<KeyReport>) -> usize {
        self.policies.iter().map(|policy| list(policy).len()).sum()
    }
}

/// Rotates what was found, some at a time. What keeps all keys from being rotated ends it; what keeps one does
/// not keep the others.
async fn rotate_all(run: &Run<'_>, mut found: Found) -> Tally {
    let mut tally = Tally::of(&found);
    let stopped = AtomicBool::new(false);
    let at_once = run.node.settings.rotation.at_once.max(1);
    let due = std::mem::take(&mut found.due);
    let rotated = due.into_iter().map(|due| {
        let stopped = &stopped;
        async move {
            if stopped.load(Ordering::Relaxed) {
                return (due, Ended::Unreached);
            }
            let ended = run.rotate(&due).await;
            if matches!(ended, Ended::Stopped(_)) {
                stopped.store(true, Ordering::Relaxed);
            }
            (due, ended)
        }
    });
    let mut rotated = stream::iter(rotated).buffer_unordered(at_once);
    let mut oldest_left = None;
    while let Some((due, ended)) = rotated.next().await {
        if !matches!(ended, Ended::Rotated(_) | Ended::Skipped(_)) {
            let at = due.date.at;
            oldest_left = Some(oldest_left.map_or(at, |oldest: Timestamp| oldest.min(at)));
        }
        tally.ended(&due, ended);
    }
    // With more due than one run does, something of the oldest may be among what is left; with none, what waits.
    let waiting = found.waiting.iter().filter(|(_, why, _)| *why != CLOSED);
    let waiting = waiting.map(|(due, _, _)| due.date.at).min();
    tally.oldest = match (found.more, oldest_left.into_iter().chain(waiting).min()) {
        (true, None) => tally.oldest,
        (_, left) => left,
    };
    count(run.node, &tally);
    tally
}

fn count(node: &Node, tally: &Tally) {
    let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let totals = &mut node.rotation.look().totals;
    totals.rotated += wide(tally.count(|policy| &policy.rotated));
    totals.failed += wide(tally.count(|policy| &policy.failed));
}

/// Remembers how a run of the scheduler ended, and when to look again.
async fn note(
    node: &Node,
    run: &Run<'_>,
    tally: &Tally,
    (started_at, seen_to, next_at): (Timestamp, Option<i64>, Option<Timestamp>),
) {
    let ended_at = node.now();
    let lag_seconds = tally
        .oldest
        .filter(|_| tally.backlog > 0)
        .map_or(0, |at| ended_at.seconds_since(at).max(0));
    {
        let mut standing = node.rotation.look();
        standing.totals.runs += 1;
        standing.next_at = next_at;
        // What was cut short, or left for the next run, is looked at again whatever the revision.
        standing.seen_to = seen_to.filter(|_| tally.stopped.is_none());
        standing.again |= tally.more && tally.stopped.is_none();
        standing.last_run = Some(LastRun {
            run: run.caller.origin.correlation_id.clone(),
            started_at,
            ended_at,
            rotated: tally.count(|policy| &policy.rotated),
            failed: tally.count(|policy| &policy.failed),
            backlog: tally.backlog,
            lag_seconds,
            error: tally
                .stopped
                .as_ref()
                .map(|error| error.code().as_str().to_owned()),
        });
    }
    if tally.stopped.is_none() {
        raise_conditions(node, tally).await;
        clear_conditions(node, tally).await;
    }
}

/// What a condition about a policy is about.
fn subject_of(tenant: TenantId, policy: PolicyId) -> Subject {
    Subject::of_tenant(tenant, &format!("policy {policy}"))
}

/// A policy that cannot be followed is nobody's failure at a date, and must not be silent.
async fn raise_conditions(node: &Node, tally: &Tally) {
    for (policy, (tenant, error)) in &tally.unfollowable {
        let subject = subject_of(*tenant, *policy);
        let text = format!("its keys are not rotated, as its schedule cannot be followed: {error}");
        let kind = ConditionKind::ROTATION_FAILED;
        condition::raise(node, kind, &subject, Severity::Warning, &text).await;
    }
}

/// What does not fail any more, or is not due, is said so.
async fn clear_conditions(node: &Node, tally: &Tally) {
    let kind = ConditionKind::ROTATION_FAILED;
    for subject in condition::open_of(node, &kind) {
        let holds = match subject.name().split_once(' ') {
            Some(("key", id)) => id.parse().is_ok_and(|key| tally.failing.contains(&key)),
            Some(("policy", id)) => id
                .parse()
                .is_ok_and(|policy| tally.unfollowable.contains_key(&policy)),
            _ => false,
        };
        if !holds {
            condition::clear(node, kind.clone(), &subject).await;
        }
    }
}

/// Rotates what is due in a tenant, or by one policy, at once and whoever has the lease; or says what would be.
/// What failed before and waits is tried too.
pub async fn run(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    policy: Option<&PolicyName>,
    dry_run: bool,
) -> Result<RunReport, OpError> {
    let action = if dry_run {
        Action::RotationRead
    } else {
        Action::RotationRun
    };
    let named = tenant_resource(tenant);
    let attempt = Attempt::new(node, caller, action, node.tenant_id(tenant), named);
    attempt
        .change(async {
            let (found, _) = node.authorize_tenant(caller, action, tenant)?;
            ensure_active(&found)?;
            let policy: Option<PolicyId> = match policy {
                Some(name) => Some(policy::find(node, found.id, name).await?.id),
                None => None,
            };
            if !dry_run {
                node.ensure_unsealed()?;
            }
            let scope = Scope {
                tenant: Some(found.id),
                policy,
                forced: true,
            };
            let found = plan::find(node, scope).await?;
            let run = Run {
                node,
                caller: Caller::system(caller.origin.correlation_id.clone()),
                trigger: RotationTrigger::Run,
                fence: None,
            };
            let tally = if dry_run {
                would_be(found)
            } else {
                rotate_all(&run, found).await
            };
            told(&attempt, dry_run, tally).await
        })
        .await
}

fn would_be(mut found: Found) -> Tally {
    let mut tally = Tally::of(&found);
    for due in std::mem::take(&mut found.due) {
        let report = reported(&due, due.earlier.clone(), None);
        tally.put(&due, |policy| &mut policy.due, report);
    }
    tally
}

/// Logs a run that somebody ordered, and answers what it did.
async fn told(attempt: &Attempt<'_>, dry_run: bool, tally: Tally) -> Result<RunReport, OpError> {
    let mut event = attempt.event(Outcome::Ok);
    detail(&mut event, "dry_run", dry_run);
    let counts: BTreeMap<&str, usize> = [
        ("rotated", tally.count(|policy| &policy.rotated)),
        ("failed", tally.count(|policy| &policy.failed)),
        ("skipped", tally.count(|policy| &policy.skipped)),
        ("due", tally.count(|policy| &policy.due)),
    ]
    .into();
    for (name, count) in counts {
        detail(&mut event, name, count);
    }
    if let Some(error) = tally.stopped {
        detail(&mut event, "stopped", error.code().as_str());
        return Err(error);
    }
    attempt.node.ports.audit.append(event).await?;
    Ok(RunReport {
        run: attempt.caller.origin.correlation_id.clone(),
        dry_run,
        policies: tally.policies,
        more: tally.more,
    })
}

/// Whose role the node acts in, if it does.
pub(crate) fn held(node: &Node) -> Option<Fence> {
    node.rotation.look().held.clone()
}
