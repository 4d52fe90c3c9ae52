//! What is stored and named by no row: left behind by a crash between the vault's write and the
//! registry's transaction. Found by a check of the storage, put into quarantine when it was so for
//! an hour, deleted when it was so for thirty days more. A row that names it after all takes it out.
//!
//! A registry that lost rows makes good records look like strays. So nothing goes on while
//! `sweep_held` is open: after a restore, when this node's log knows of changes that the registry
//! does not, or when surprisingly many strays turn up at once. Somebody who knows then confirms.

use crate::audit::Outcome;
use crate::caller::Caller;
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::condition::{ConditionKind, Severity, Subject};
use crate::noun::stray::StrayRecord;
use crate::ops::condition::{clear, is_open, raise};
use crate::ops::gate::{Attempt, bounded, detail, resource};
use crate::port::storage::ObjectName;
use crate::port::storage_care::StoredObject;
use crate::time::Timestamp;

/// A record may be without a row for so long: whoever made it may still be at it.
pub(crate) const UNREFERENCED_SECONDS: i64 = 3600;
/// So long it stays in quarantine.
const QUARANTINE_SECONDS: i64 = 30 * 24 * 3600;
/// More new strays than this, and than one in [`STRAYS_OF`], are surprising.
const STRAYS_MAX: u64 = 10;
const STRAYS_OF: u64 = 20;
/// Strays handled in one transaction: their names fit into one audit entry.
const BATCH: usize = 64;

/// How many strays a check found that were not known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NewStrays {
    strays: u64,
    objects: u64,
}

/// How many strays there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StrayCounts {
    /// All of them.
    pub found: u64,
    /// Of these: in quarantine.
    pub quarantined: u64,
}

fn held() -> (ConditionKind, Subject) {
    (ConditionKind::SWEEP_HELD, Subject::system("storage"))
}

/// Whether nothing goes on until somebody confirms.
pub fn is_held(node: &Node) -> bool {
    let (kind, subject) = held();
    is_open(node, &kind, &subject)
}

/// From now on nothing is swept up, until somebody confirms that the registry is the right one.
pub async fn hold(node: &Node, why: &str) {
    let (kind, subject) = held();
    raise(node, kind, &subject, Severity::Critical, why).await;
}

/// Confirms that the registry is the right one: what no row names may go.
pub async fn confirm(node: &Node, caller: &Caller, reason: Option<String>) -> Result<(), OpError> {
    let action = Action::StorageConfirm;
    let attempt = Attempt::new(node, caller, action, None, resource("storage", None, None));
    let done: Result<(), OpError> = async {
        node.ensure_auditable()?;
        node.authorize_system(caller, action)?;
        bounded("reason", reason.as_deref().unwrap_or(""), 1024)?;
        if !is_held(node) {
            return Err(OpError::NotFound { what: "hold" });
        }
        // Who confirmed is in the log before anything follows from it.
        let mut event = attempt.event(Outcome::Ok);
        event.reason = reason;
        node.ports.audit.append(event).await?;
        let (kind, subject) = held();
        clear(node, kind, &subject).await;
        Ok(())
    }
    .await;
    match done {
        Ok(()) => Ok(()),
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

/// How many strays there are.
pub(super) async fn counts(node: &Node) -> Result<StrayCounts, OpError> {
    let mut counts = StrayCounts::default();
    let mut after: Option<ObjectName> = None;
    loop {
        let registry = &node.ports.registry;
        let page = registry.strays(after.as_ref(), 1_000).await?;
        counts.found += page.rows.len() as u64;
        let quarantined = page.rows.iter().filter(|it| it.quarantined_at.is_some());
        counts.quarantined += quarantined.count() as u64;
        after = page.rows.last().map(|last| last.name.clone());
        if !page.more {
            return Ok(counts);
        }
    }
}

/// Looks which objects no row names, and remembers those that are not young. How many there are.
pub(super) async fn look_at(
    node: &Node,
    objects: &[StoredObject],
    new: &mut NewStrays,
) -> Result<i64, OpError> {
    let (registry, now) = (&node.ports.registry, node.now());
    let (mut strays, mut unknown) = (0, Vec::new());
    for object in objects {
        new.objects += 1;
        let Some(record) = object.record else {
            strays += 1;
            continue;
        };
        let is_young = made_at(record.uuid())
            .is_some_and(|made_at| now.seconds_since(made_at) < UNREFERENCED_SECONDS);
        if is_young || registry.is_referenced(record).await? {
            continue;
        }
        strays += 1;
        if registry.stray(&object.name).await?.is_none() {
            unknown.push(StrayRecord {
                name: object.name.clone(),
                found_at: now,
                quarantined_at: None,
                etag: 1,
            });
        }
    }
    new.strays += unknown.len() as u64;
    let inserts = |row: StrayRecord| Write::insert(Row::StrayRecord(row));
    commit(node, "found", unknown, inserts).await?;
    Ok(strays)
}

/// When a record was made, by its id (UUIDv7).
fn made_at(id: uuid::Uuid) -> Option<Timestamp> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    let seconds = i64::try_from(seconds).ok()?;
    let at = Timestamp::from_micros(i64::from(nanos) / 1000);
    Some(at.plus_seconds(seconds))
}

/// At the end of a check: whether what turned up is more than crashes leave behind.
pub(super) async fn judge(node: &Node, new: &NewStrays) {
    if new.strays > STRAYS_MAX && new.strays * STRAYS_OF > new.objects {
        let words = format!(
            "{} of {} stored objects are named by no row of the registry: if it lost rows, put them \
             back; if not, confirm",
            new.strays, new.objects
        );
        hold(node, &words).await;
    }
}

/// Takes known strays further: out, into quarantine, or away.
pub(super) async fn go_on(node: &Node) -> Result<(), OpError> {
    let mut after: Option<ObjectName> = None;
    loop {
        let registry = &node.ports.registry;
        let page = registry.strays(after.as_ref(), BATCH).await?;
        after = page.rows.last().map(|last| last.name.clone());
        handle(node, page.rows).await?;
        if !page.more {
            return Ok(());
        }
    }
}

async fn handle(node: &Node, rows: Vec<StrayRecord>) -> Result<(), OpError> {
    let (storage, now) = (&node.ports.storage, node.now());
    let ago = |at: Timestamp| now.seconds_since(at);
    let (mut released, mut quarantined, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
    for mut row in rows {
        let Some(record) = storage.record_of(&row.name) else {
            released.push(row);
            continue;
        };
        // Asked at every step: a row may have come back.
        if node.ports.registry.is_referenced(record).await? {
            released.push(row);
            continue;
        }
        match row.quarantined_at {
            _ if is_held(node) => {}
            Some(since) if ago(since) >= QUARANTINE_SECONDS => deleted.push(row),
            None if ago(row.found_at) >= UNREFERENCED_SECONDS => {
                row.quarantined_at = Some(now);
                row.etag += 1;
                quarantined.push(row);
            }
            _ => {}
        }
    }
    let delete = |row: StrayRecord| Write::delete(Row::StrayRecord(row));
    let update = |row: StrayRecord| Write::update(Row::StrayRecord(row));
    commit(node, "released", released, delete).await?;
    commit(node, "quarantined", quarantined, update).await?;
    for row in &deleted {
        storage.remove(&row.name).await?;
    }
    commit(node, "deleted", deleted, delete).await
}

/// Writes what became of strays, all in one, with their names in the log.
async fn commit(
    node: &Node,
    what: &str,
    rows: Vec<StrayRecord>,
    write: impl Fn(StrayRecord) -> Write,
) -> Result<(), OpError> {
    if rows.is_empty() {
        return Ok(());
    }
    let action = Action::StorageSweep;
    let caller = Caller::system(node.own_correlation_id()?);
    let named = resource("storage", None, None);
    let attempt = Attempt::new(node, &caller, action, None, named);
    let proof = node.authorize_system(&caller, action)?;
    let names: Vec<String> = rows.iter().map(|it| it.name.as_str().to_owned()).collect();
    let writes = rows.into_iter().map(write).collect();
    attempt
        .commit(proof, writes, |event| detail(event, what, names))
        .await?;
    Ok(())
}
