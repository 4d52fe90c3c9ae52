//! The check of everything that is stored: each record that the ledger names is read, opened as what
//! it must be and compared with the ledger's digest; then the storage's names are gone through for
//! what the ledger does not name. A job, in small batches, whose pace the caller sets; where it is
//! stands in the job's row, brought up to date every minute, so that a restart goes on there.
//!
//! What is found is put back from a replica or a backup, if there is one that has it; otherwise it is a
//! condition of its own and is left as it is.

mod repair;
mod stage;

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream;

use self::repair::Fate;
use self::stage::{Finding, Looked, Record, Stage};
use super::{hold, sweep};
use crate::caller::{Caller, Changed};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::JobId;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::condition::{ConditionKind, Severity, Subject};
use crate::noun::job::{Job, JobKind, JobState};
use crate::ops::condition::{clear, is_open, raise};
use crate::ops::gate::{Attempt, detail, resource};
use crate::port::storage::ObjectName;
use crate::time::Timestamp;

/// Rows or names taken up at once.
const BATCH: usize = 64;
/// Records under way at once: what hides the distance of a backend that is far.
const AT_ONCE: usize = 8;
/// The job's row is brought up to date so often.
const SAVED_SECONDS: i64 = 60;
/// A check begins by itself so long after the last one began.
const EVERY_SECONDS: i64 = 24 * 3600;
/// And not so soon after a start, when there is enough to do.
const SETTLED_SECONDS: i64 = 600;
/// Looked so often whether there is something to do.
const LOOK_SECONDS: i64 = 5;
/// Ended checks that are kept.
const KEPT: usize = 10;
/// Records with a condition of their own; more are counted only.
const FINDINGS_MAX: i64 = 1_000;

/// What a node remembers of the check it is at.
#[derive(Default)]
pub(crate) struct ScrubMemory {
    job: Option<Job>,
    saved_at: Option<Timestamp>,
    looked_at: Option<Timestamp>,
    began_at: Option<Timestamp>,
    swept_at: Option<Timestamp>,
    /// Where the sweep goes on that was broken off.
    sweep_after: Option<ObjectName>,
    /// What was found since the beginning; none if this node did not see the beginning.
    found: Option<BTreeSet<Subject>>,
}

/// Orders a check now.
pub async fn start(node: &Node, caller: &Caller) -> Result<Changed<Job>, OpError> {
    let action = Action::StorageScrub;
    let mut attempt = Attempt::new(node, caller, action, None, resource("storage", None, None));
    let done: Result<_, OpError> = async {
        node.ensure_auditable()?;
        let proof = node.authorize_system(caller, action)?;
        if under_way(node).await?.is_some() {
            return Err(OpError::Conflict);
        }
        let job = new_job(node)?;
        attempt.resource = resource("job", Some(job.id.uuid()), None);
        let writes = vec![Write::insert(Row::Job(job.clone()))];
        let done = attempt.commit(proof, writes, |_| ()).await?;
        Ok(done.map(|()| job))
    }
    .await;
    match done {
        Ok(done) => {
            node.scrubbing.lock().await.looked_at = None;
            Ok(done)
        }
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

/// Does one batch of the check that is under way, if there is one or one is due. Answers how many
/// records were looked at; none if there is nothing to do now. Whoever calls it again and again sets
/// the pace.
pub async fn slice(node: &Node) -> Result<Option<u64>, OpError> {
    let mut memory = node.scrubbing.lock().await;
    let now = node.now();
    memory.began_at.get_or_insert(now);
    if node.ports.seal.is_sealed() || node.ensure_auditable().is_err() {
        return Ok(None);
    }
    let ago = |at: Option<Timestamp>| at.map_or(i64::MAX, |at| now.seconds_since(at));
    if ago(memory.swept_at) >= sweep::UNREFERENCED_SECONDS {
        memory.swept_at = Some(now);
        sweep::go_on(node, &mut memory.sweep_after).await?;
    }
    if memory.job.is_none() {
        if ago(memory.looked_at) < LOOK_SECONDS {
            return Ok(None);
        }
        memory.looked_at = Some(now);
        let is_settled = ago(memory.began_at) >= SETTLED_SECONDS;
        memory.job = match under_way(node).await? {
            Some(job) => Some(job),
            None if is_settled && node.settings.scrub_automatic => begin(node).await?,
            None => None,
        };
        let fresh = memory
            .job
            .as_ref()
            .is_some_and(|job| job.progress.pass == 0);
        memory.found = fresh.then(BTreeSet::new);
        memory.saved_at = None;
    }
    let Some(job) = memory.job.clone() else {
        return Ok(None);
    };
    match go_on(node, &mut memory, job).await {
        Ok(examined) => Ok(examined),
        Err(error) => {
            // Begins again where the row says: what was not saved is looked at twice.
            memory.job = None;
            Err(error)
        }
    }
}

/// The check that is under way or waits to be.
async fn under_way(node: &Node) -> Result<Option<Job>, OpError> {
    let checks = super::checks(node).await?;
    let is_open = |job: &Job| matches!(job.state, JobState::Queued | JobState::Running);
    Ok(checks.into_iter().find(is_open))
}

fn new_job(node: &Node) -> Result<Job, OpError> {
    let id = JobId::from_uuid(node.ordered_id()?);
    let (kind, subject) = (JobKind::ScrubStorage, uuid::Uuid::nil());
    Ok(Job::queued(id, None, kind, subject, node.now()))
}

/// Begins a check by itself, if the last one began long enough ago.
async fn begin(node: &Node) -> Result<Option<Job>, OpError> {
    let checks = super::checks(node).await?;
    let last = checks.first().map(|job| job.created_at);
    if last.is_some_and(|at| node.now().seconds_since(at) < EVERY_SECONDS) {
        return Ok(None);
    }
    let job = new_job(node)?;
    save(node, &job, vec![Write::insert(Row::Job(job.clone()))]).await?;
    Ok(Some(job))
}

async fn go_on(
    node: &Node,
    memory: &mut ScrubMemory,
    mut job: Job,
) -> Result<Option<u64>, OpError> {
    let place = job.progress.resume_after.as_deref();
    let (stage, after) = Stage::parse(place);
    job.progress.pass = 1;
    job.state = JobState::Running;
    let batch = stage::next(node, stage, after, BATCH).await?;
    let mut examined = 0;
    if let Some(objects) = &batch.objects {
        let strays = sweep::look_at(node, objects).await?;
        job.progress.found += strays;
        examined += objects.len() as u64;
    }
    examined += batch.records.len() as u64;
    let (sound, wrong) = look_at(node, batch.records).await?;
    job.progress.examined += sound;
    let Some(fates) = repair::repair(node, wrong).await? else {
        // A backup is under way. The same batch is looked at again when it is done.
        return Ok(None);
    };
    for (subject, fate) in fates {
        match fate {
            Fate::Gone => continue,
            Fate::Mended { by_us } => {
                job.progress.changed += i64::from(by_us);
                forgive(node, &subject).await;
            }
            Fate::Wrong(finding, why) => {
                job.progress.failed += 1;
                if job.progress.failed <= FINDINGS_MAX {
                    report(node, memory, &subject, finding, why).await;
                }
            }
        }
        job.progress.examined += 1;
    }
    job.progress.resume_after = batch.next;
    if job.progress.resume_after.is_none() {
        finish(node, memory, job).await?;
    } else {
        let now = node.now();
        let is_stale = |at: Timestamp| now.seconds_since(at) >= SAVED_SECONDS;
        if memory.saved_at.is_none_or(is_stale) {
            job = save_progress(node, job).await?;
            memory.saved_at = Some(now);
        }
        memory.job = Some(job);
    }
    Ok(Some(examined))
}

/// Looks at records: how many are as they must be, and which are not.
async fn look_at(
    node: &Node,
    records: Vec<Record>,
) -> Result<(i64, Vec<(Record, Finding)>), OpError> {
    let looked = records.into_iter().map(|record| async move {
        let looked = stage::verify(node, &record).await?;
        Ok::<_, OpError>((record, looked))
    });
    let mut looked = stream::iter(looked).buffer_unordered(AT_ONCE);
    let (mut sound, mut wrong) = (0, Vec::new());
    while let Some(done) = looked.next().await {
        let (record, looked) = done?;
        match looked {
            Looked::Gone => {}
            Looked::Sound => {
                sound += 1;
                forgive(node, &record.subject()).await;
            }
            Looked::Wrong(finding) => wrong.push((record, finding)),
        }
    }
    Ok((sound, wrong))
}

/// What was wrong with it once is so no more.
async fn forgive(node: &Node, subject: &Subject) {
    clear(node, ConditionKind::RECORD_DAMAGED, subject).await;
    clear(node, ConditionKind::RECORD_MISSING, subject).await;
}

async fn report(
    node: &Node,
    memory: &mut ScrubMemory,
    subject: &Subject,
    finding: Finding,
    why: Option<String>,
) {
    if let Some(found) = &mut memory.found {
        found.insert(subject.clone());
    }
    // Another check may have begun with others: what is told stays told, and no more is.
    if !is_told(node, subject) && told(node) >= FINDINGS_MAX {
        return;
    }
    let (kind, other, words) = match finding {
        Finding::Missing => (
            ConditionKind::RECORD_MISSING,
            ConditionKind::RECORD_DAMAGED,
            "the registry names a record that is not stored".to_owned(),
        ),
        Finding::Damaged(words) => (
            ConditionKind::RECORD_DAMAGED,
            ConditionKind::RECORD_MISSING,
            words,
        ),
    };
    let words = match why {
        None => words,
        Some(why) => format!("{words}; it could not be put back: {why}"),
    };
    clear(node, other, subject).await;
    raise(node, kind, subject, Severity::Critical, &words).await;
}

const KINDS: [ConditionKind; 2] = [ConditionKind::RECORD_DAMAGED, ConditionKind::RECORD_MISSING];

fn is_told(node: &Node, subject: &Subject) -> bool {
    KINDS.iter().any(|kind| is_open(node, kind, subject))
}

fn told(node: &Node) -> i64 {
    let counts = node.memory.conditions.counts().into_iter();
    let of_findings = counts.filter(|((kind, _), _)| KINDS.contains(kind));
    let told: usize = of_findings.map(|(_, count)| count).sum();
    i64::try_from(told).unwrap_or(i64::MAX)
}

/// The check has come to its end: what is not wrong any more is cleared, old checks are forgotten.
async fn finish(node: &Node, memory: &mut ScrubMemory, mut job: Job) -> Result<(), OpError> {
    let wrong = job.progress.failed;
    // Beyond the limit it is not known which records they are.
    let known = memory.found.take().filter(|_| wrong <= FINDINGS_MAX);
    if let Some(found) = known {
        for (condition, _) in node.memory.conditions.open() {
            let about = condition.about();
            let is_finding = KINDS.contains(&condition.kind);
            // A record that was destroyed meanwhile is not missed.
            if is_finding && !found.contains(&about) {
                clear(node, condition.kind, &about).await;
            }
        }
    }
    hold::judge(node, job.progress.examined).await?;
    repair::check_sources(node).await;
    repair::sum_up(node, job.progress.changed).await;
    job.state = JobState::Done;
    job.last_error = (wrong > 0).then(|| "records_refused".to_owned());
    job = save_progress(node, job).await?;
    memory.job = None;
    let (kind, subject) = (
        ConditionKind::STORAGE_CHECK_FAILED,
        Subject::system("storage"),
    );
    if wrong > 0 {
        let words = format!(
            "{wrong} of {} records are damaged or missing; each is a condition of its tenant's",
            job.progress.examined
        );
        raise(node, kind, &subject, Severity::Critical, &words).await;
    } else {
        clear(node, kind, &subject).await;
    }
    forget_old(node).await
}

async fn save_progress(node: &Node, mut job: Job) -> Result<Job, OpError> {
    job.updated_at = node.now();
    job.etag += 1;
    save(node, &job, vec![Write::update(Row::Job(job.clone()))]).await?;
    Ok(job)
}

async fn forget_old(node: &Node) -> Result<(), OpError> {
    let checks = super::checks(node).await?;
    let Some((newest, _)) = checks.split_first() else {
        return Ok(());
    };
    let old: Vec<Write> = checks
        .iter()
        .skip(KEPT)
        .map(|job| Write::delete(Row::Job(job.clone())))
        .collect();
    if old.is_empty() {
        return Ok(());
    }
    save(node, newest, old).await
}

async fn save(node: &Node, job: &Job, writes: Vec<Write>) -> Result<(), OpError> {
    let action = Action::StorageExamine;
    let caller = Caller::system(node.own_correlation_id()?);
    let named = resource("job", Some(job.id.uuid()), None);
    let attempt = Attempt::new(node, &caller, action, None, named);
    let proof = node.authorize_system(&caller, action)?;
    let (progress, state) = (job.progress.clone(), job.state);
    attempt
        .commit(proof, writes, |event| {
            detail(event, "state", state.name());
            detail(event, "examined", progress.examined);
            detail(event, "found", progress.found);
            detail(event, "failed", progress.failed);
            detail(event, "repaired", progress.changed);
        })
        .await?;
    Ok(())
}
