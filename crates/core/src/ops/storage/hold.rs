//! The hold on the sweep: why nothing is swept up now, and who says that it may go on. Two things
//! hold it, each a condition of its own: doubt about the registry itself (a node knows of changes
//! that the registry does not, or a backup was restored), and more strays than crashes leave behind.
//!
//! Strays are counted from their rows, whoever found them and when, as long as nobody has confirmed
//! them. A person confirms one condition as it was when they saw it, and nothing that came later.

use crate::caller::Caller;
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::ConditionId;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::condition::{Condition, ConditionKind, Severity, Subject};
use crate::noun::stray::StrayRecord;
use crate::ops::condition::{raise_unwritten, settle};
use crate::ops::gate::{Attempt, Authorized, bounded, detail, resource};
use crate::port::storage::ObjectName;

/// So many strays surprise nobody.
const STRAYS_MAX: u64 = 10;
/// More of them do if they are more than one in so many records.
const STRAYS_OF: u64 = 20;
/// And more than these do, however many records there are.
const STRAYS_EVER: u64 = 1_000;
/// Strays confirmed in one transaction.
const BATCH: usize = 500;
/// What a hold for strays is about.
const STRAYS: &str = "strays";
/// What any other is about.
const REGISTRY: &str = "storage";

/// A hold as a person saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The condition's id.
    pub alert: ConditionId,
    /// Its row version, which changes with what it says.
    pub etag: i64,
}

impl Seen {
    /// A hold as it is listed.
    pub const fn of(hold: &Condition) -> Self {
        Self {
            alert: hold.id,
            etag: hold.etag,
        }
    }
}

/// Whether nothing goes on until somebody confirms.
pub fn is_held(node: &Node) -> bool {
    let conditions = &node.memory.conditions;
    !conditions.open_of(&ConditionKind::SWEEP_HELD).is_empty()
}

/// What holds the sweep, as it is or will be written.
pub fn holds(node: &Node) -> Vec<Condition> {
    let open = node.memory.conditions.open_of(&ConditionKind::SWEEP_HELD);
    open.into_iter().map(|(condition, _)| condition).collect()
}

/// From now on nothing is swept up, until somebody confirms that the registry is the right one.
pub async fn hold(node: &Node, why: &str) {
    hold_for(node, REGISTRY, why).await;
}

/// The same, because the registry is behind what this node has seen. Written by the clock.
pub(crate) fn hold_for_history(node: &Node, seen: i64, present: i64) {
    let words = format!(
        "the registry is at revision {present}, and {} has seen revision {seen}: it was put back to an \
         older state",
        node.settings.name
    );
    note(node, REGISTRY, &words);
}

/// Says so once: what a person has seen stays as it is until there is something new to see.
async fn hold_for(node: &Node, what: &str, why: &str) {
    if note(node, what, why) {
        // What cannot be written now is written by the clock.
        let _ = settle(node).await;
    }
}

/// Whether there is something to be written.
fn note(node: &Node, what: &str, why: &str) -> bool {
    let is_said = |it: &Condition| it.subject == what && it.detail == why;
    if holds(node).iter().any(is_said) {
        return false;
    }
    let (kind, subject) = (ConditionKind::SWEEP_HELD, Subject::system(what));
    raise_unwritten(node, kind, &subject, Severity::Critical, why)
}

/// Whether there are more strays than crashes leave behind, compared with how many records the
/// last check verified.
pub(super) async fn judge(node: &Node, verified: i64) -> Result<(), OpError> {
    let counted = super::sweep::counts(node).await?;
    let (objects, strays) = (counted.unconfirmed, counted.unconfirmed_records);
    let verified = u64::try_from(verified).unwrap_or(0);
    let is_little = strays <= STRAYS_MAX
        || (strays <= STRAYS_EVER && strays.saturating_mul(STRAYS_OF) <= verified);
    if !is_little {
        let words = format!(
            "{objects} stored objects are named by no row of the registry: if it lost rows, put them \
             back; if not, confirm"
        );
        hold_for(node, STRAYS, &words).await;
    }
    Ok(())
}

/// Confirms that what a hold says is as it should be: the registry is the right one, or these
/// strays may go.
pub async fn confirm(
    node: &Node,
    caller: &Caller,
    seen: Seen,
    reason: Option<String>,
) -> Result<(), OpError> {
    let action = Action::StorageConfirm;
    let attempt = Attempt::new(node, caller, action, None, resource("storage", None, None));
    let done: Result<(), OpError> = async {
        node.ensure_auditable()?;
        let proof = node.authorize_system(caller, action)?;
        bounded("reason", reason.as_deref().unwrap_or(""), 1024)?;
        let open = node.memory.conditions.open_of(&ConditionKind::SWEEP_HELD);
        let found = open.into_iter().find(|(it, _)| it.id == seen.alert);
        let (held, is_written) = found.ok_or(OpError::NotFound { what: "hold" })?;
        // Something else is seen by now.
        if !is_written || held.etag != seen.etag {
            return Err(OpError::Conflict);
        }
        if held.subject == STRAYS {
            confirm_strays(&attempt, proof, &held, reason.as_ref()).await?;
        }
        // Only as it was seen: whoever raised it anew meanwhile is not overruled.
        let over = Condition {
            etag: held.etag + 1,
            ..held.over(node.now())
        };
        let write = Write::update(Row::Condition(over));
        let done = attempt.commit(proof, vec![write], |event| {
            detail(event, "alert", held.id.to_string());
            detail(event, "detail", held.detail);
            event.reason = reason;
        });
        done.await.map(drop)
    }
    .await;
    match done {
        Ok(()) => Ok(()),
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

/// Marks the strays that were there when the hold was last raised. The hold itself ends after the
/// last of them, so that a confirmation that was interrupted is asked for again.
async fn confirm_strays(
    attempt: &Attempt<'_>,
    proof: Authorized,
    held: &Condition,
    reason: Option<&String>,
) -> Result<(), OpError> {
    let node = attempt.node;
    let mut after: Option<ObjectName> = None;
    loop {
        let page = node.ports.registry.strays(after.as_ref(), BATCH).await?;
        after = page.rows.last().map(|last| last.name.clone());
        let is_meant =
            |it: &StrayRecord| it.confirmed_at.is_none() && it.found_at <= held.last_seen_at;
        let now = node.now();
        let confirmed = page.rows.into_iter().filter(is_meant).map(|row| {
            let etag = row.etag + 1;
            Write::update(Row::StrayRecord(StrayRecord {
                confirmed_at: Some(now),
                etag,
                ..row
            }))
        });
        let writes: Vec<Write> = confirmed.collect();
        let count = writes.len();
        if count > 0 {
            let done = attempt.commit(proof, writes, |event| {
                detail(event, "strays", count);
                event.reason = reason.cloned();
            });
            done.await?;
        }
        if !page.more {
            return Ok(());
        }
    }
}
