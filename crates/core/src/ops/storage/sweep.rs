//! What is stored and named by no row: left behind by a crash between the vault's write and the
//! registry's transaction. Found by a check of the storage, put into quarantine when it was so for
//! an hour, deleted when it was so for thirty days more. A row that names it after all takes it out.
//!
//! A registry that lost rows makes good records look like strays. So nothing goes on while
//! `sweep_held` is open (`hold.rs`), and what was in quarantine meanwhile begins there anew.

pub(crate) use super::hold::hold_for_history;
use super::hold::judge;
pub use super::hold::{Seen, confirm, hold, holds, is_held};
use crate::caller::Caller;
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::condition::{ConditionKind, Severity, Subject};
use crate::noun::stray::StrayRecord;
use crate::ops::condition::{clear, raise};
use crate::ops::gate::{Attempt, detail, resource};
use crate::port::storage::{ObjectName, StorageError};
use crate::port::storage_care::StoredObject;
use crate::time::Timestamp;

/// A record may be without a row for so long: whoever made it may still be at it.
pub(crate) const UNREFERENCED_SECONDS: i64 = 3600;
/// So long it stays in quarantine.
const QUARANTINE_SECONDS: i64 = 30 * 24 * 3600;
/// A node that was there goes on within an hour of its end. A quarantine that ended long before is
/// one that nobody watched, in a registry that stood still or was put back: it begins anew.
const UNWATCHED_SECONDS: i64 = QUARANTINE_SECONDS + 7 * 24 * 3600;
/// Strays handled in one transaction: their names fit into one audit entry.
const BATCH: usize = 64;
/// After so many refusals one after the other the storage is left alone until the next round.
const REFUSALS_MAX: usize = 3;

/// How many strays there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StrayCounts {
    /// All of them.
    pub found: u64,
    /// Of these: in quarantine.
    pub quarantined: u64,
    /// Of these: nobody has confirmed that they may go.
    pub unconfirmed: u64,
    /// How many records these are of: one that came in pieces is many objects, and one crash.
    pub unconfirmed_records: u64,
}

/// How many strays there are.
pub(super) async fn counts(node: &Node) -> Result<StrayCounts, OpError> {
    let mut counts = StrayCounts::default();
    let mut after: Option<ObjectName> = None;
    let mut last = None;
    loop {
        let registry = &node.ports.registry;
        let page = registry.strays(after.as_ref(), 1_000).await?;
        for stray in page.rows.iter().filter(|it| it.confirmed_at.is_none()) {
            // In order of name: the objects of one record come one after the other.
            let record = node.ports.storage.record_of(&stray.name);
            counts.unconfirmed_records += u64::from(record.is_none() || record != last);
            last = record;
        }
        let count = |of: fn(&StrayRecord) -> bool| page.rows.iter().filter(|it| of(it)).count();
        counts.found += page.rows.len() as u64;
        counts.quarantined += count(|it| it.quarantined_at.is_some()) as u64;
        counts.unconfirmed += count(|it| it.confirmed_at.is_none()) as u64;
        after = page.rows.last().map(|last| last.name.clone());
        if !page.more {
            return Ok(counts);
        }
    }
}

/// Looks which objects no row names, and remembers those that are not young. How many there are.
pub(super) async fn look_at(node: &Node, objects: &[StoredObject]) -> Result<i64, OpError> {
    let (registry, now) = (&node.ports.registry, node.now());
    let (mut strays, mut unknown) = (0, Vec::new());
    for object in objects {
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
            unknown.push(StrayRecord::found(object.name.clone(), now));
        }
    }
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

/// What the storage refused to delete in a round.
#[derive(Default)]
struct Refusals {
    count: u64,
    in_a_row: usize,
    first: Option<(ObjectName, StorageError)>,
}

impl Refusals {
    fn note(&mut self, name: &ObjectName, error: StorageError) {
        self.count += 1;
        self.in_a_row += 1;
        self.first.get_or_insert_with(|| (name.clone(), error));
    }

    const fn is_enough(&self) -> bool {
        self.in_a_row >= REFUSALS_MAX
    }
}

/// Takes known strays further: out, into quarantine, or away. `place` is where the round before was
/// broken off because the storage refused one after the other; this one goes on there.
pub(super) async fn go_on(node: &Node, place: &mut Option<ObjectName>) -> Result<(), OpError> {
    let verified = super::last_check(node).await?;
    judge(node, verified.map_or(0, |job| job.progress.examined)).await?;
    let mut after = place.take();
    let is_whole = after.is_none();
    let mut refusals = Refusals::default();
    loop {
        let registry = &node.ports.registry;
        let page = registry.strays(after.as_ref(), BATCH).await?;
        after = page.rows.last().map(|last| last.name.clone());
        handle(node, page.rows, &mut refusals).await?;
        if refusals.is_enough() {
            *place = after;
            break;
        }
        if !page.more {
            break;
        }
    }
    tell(node, is_whole && place.is_none(), refusals).await
}

/// What could not be deleted is a condition until a whole round finds nothing of the kind.
async fn tell(node: &Node, is_whole: bool, refusals: Refusals) -> Result<(), OpError> {
    let (kind, subject) = (ConditionKind::SWEEP_FAILED, Subject::system("storage"));
    let Some((name, error)) = refusals.first else {
        if is_whole {
            clear(node, kind, &subject).await;
        }
        return Ok(());
    };
    let words = format!(
        "the storage refused to delete {} objects that nothing refers to; the first was {}: {error}",
        refusals.count,
        name.as_str()
    );
    raise(node, kind, &subject, Severity::Warning, &words).await;
    Err(OpError::Storage(error))
}

/// What has to happen to a stray now that no row names.
enum Step {
    Nothing,
    Quarantine,
    /// The quarantine does not count.
    BeginAnew,
    /// Its end is said before anything is done.
    Announce,
    Delete,
}

fn step(row: &StrayRecord, is_held: bool, now: Timestamp) -> Step {
    let ago = |at: Timestamp| now.seconds_since(at);
    match row.quarantined_at {
        Some(_) if is_held => Step::BeginAnew,
        _ if is_held => Step::Nothing,
        Some(since) if ago(since) >= UNWATCHED_SECONDS => Step::BeginAnew,
        Some(_) if row.deleting_at.is_some() => Step::Delete,
        Some(since) if ago(since) >= QUARANTINE_SECONDS => Step::Announce,
        None if ago(row.found_at) >= UNREFERENCED_SECONDS => Step::Quarantine,
        _ => Step::Nothing,
    }
}

async fn handle(
    node: &Node,
    rows: Vec<StrayRecord>,
    refusals: &mut Refusals,
) -> Result<(), OpError> {
    let (storage, now) = (&node.ports.storage, node.now());
    let is_held = is_held(node);
    let (mut released, mut quarantined, mut anew) = (Vec::new(), Vec::new(), Vec::new());
    let (mut announced, mut going) = (Vec::new(), Vec::new());
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
        match step(&row, is_held, now) {
            Step::Nothing => {}
            Step::Quarantine => {
                (row.quarantined_at, row.etag) = (Some(now), row.etag + 1);
                quarantined.push(row);
            }
            Step::BeginAnew => {
                (row.quarantined_at, row.deleting_at) = (None, None);
                row.etag += 1;
                anew.push(row);
            }
            Step::Announce => {
                (row.deleting_at, row.etag) = (Some(now), row.etag + 1);
                announced.push(row);
            }
            Step::Delete => going.push(row),
        }
    }
    let delete = |row: StrayRecord| Write::delete(Row::StrayRecord(row));
    let update = |row: StrayRecord| Write::update(Row::StrayRecord(row));
    commit(node, "released", released, delete).await?;
    commit(node, "quarantined", quarantined, update).await?;
    commit(node, "begun_anew", anew, update).await?;
    going.extend_from_slice(&announced);
    commit(node, "deleting", announced, update).await?;
    let gone = remove(node, going, refusals).await;
    commit(node, "deleted", gone, delete).await
}

/// Deletes what was announced, unless anything speaks against it now. Those that are gone.
async fn remove(node: &Node, rows: Vec<StrayRecord>, refusals: &mut Refusals) -> Vec<StrayRecord> {
    let (registry, storage) = (&node.ports.registry, &node.ports.storage);
    let mut gone = Vec::new();
    for row in rows {
        // While a backup copies what its snapshot names, this waits for a later round.
        let Some(_passage) = node.deletions.pass().await else {
            break;
        };
        let Some(record) = storage.record_of(&row.name) else {
            continue;
        };
        // Nor does anything go that the log could not say the end of.
        if node.ensure_auditable().is_err() {
            break;
        }
        // Whatever a registry says that cannot be asked, or is not the one that this node knows,
        // nothing is deleted for it.
        if node.catch_up().await.is_err() || is_held(node) {
            break;
        }
        if !matches!(registry.is_referenced(record).await, Ok(false)) {
            continue;
        }
        match storage.remove(&row.name).await {
            Ok(()) => {
                refusals.in_a_row = 0;
                gone.push(row);
            }
            Err(error) => refusals.note(&row.name, error),
        }
        if refusals.is_enough() {
            break;
        }
    }
    gone
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
