//! Backups: ordered by whoever may, made in the background, listed; and the key that signs them,
//! which lives in the vault as one of the server's own secrets.

mod alerts;
pub mod continuous;
mod retention;
mod segment;
mod signing;

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use uuid::Uuid;

use self::signing::{make_signing_key, own, own_key, signing_key};
use crate::audit::Outcome;
use crate::caller::{Caller, Changed};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::JobId;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::job::{Job, JobKind, JobState};
use crate::ops::gate::{Attempt, bounded, detail, resource};
use crate::port::audit_log::TailQuery;
use crate::port::backup::{
    BackupError, BackupOrder, BackupProgress, BackupStore, BackupSummary, JournalPosition,
};

/// What conditions call a backup of everything.
const FULL: &str = "backup";
/// And one of what changed.
const SEGMENT: &str = "segment";
/// Jobs looked through for the next backup.
const JOBS_LIMIT: usize = 500;
/// How often a backup is tried that the destination or the registry keeps from being made.
const TRIES: i32 = 3;
/// How long the next try waits, in seconds.
const PAUSE_SECONDS: i64 = 30;
/// How long after a failed backup the next is ordered by itself, in seconds.
const RETRY_SECONDS: i64 = 900;

pub use continuous::{Continuous, OnFailure};
pub use retention::{ListedBackup, Pruned, RetentionPlan, plan, prune, retain};
pub use segment::segment;
pub use signing::made_public_key;
pub(super) use signing::signing_pair;

impl Node {
    fn backups(&self) -> Result<&dyn BackupStore, OpError> {
        self.ports.backups.as_deref().ok_or(OpError::NoBackups)
    }
}

/// Orders a backup of the whole deployment, and answers with the job that makes it. One at a time:
/// while one is under way, its job is the answer.
pub async fn create(
    node: &Node,
    caller: &Caller,
    reason: Option<String>,
) -> Result<Changed<Job>, OpError> {
    let action = Action::BackupCreate;
    let named = resource("backup", None, None);
    let mut attempt = Attempt::new(node, caller, action, None, named);
    let done: Result<_, OpError> = async {
        node.ensure_auditable()?;
        let proof = node.authorize_system(caller, action)?;
        bounded("reason", reason.as_deref().unwrap_or(""), 1024)?;
        node.backups()?;
        node.ensure_unsealed()?;
        if let Some(job) = due(node).await?.into_iter().next() {
            attempt.resource.id = Some(job.subject);
            return attempt.repeated(job).await;
        }
        let backup = node.ordered_id()?;
        attempt.resource.id = Some(backup);
        let id = JobId::from_uuid(node.ordered_id()?);
        let job = Job::queued(id, None, JobKind::CreateBackup, backup, node.now());
        let writes = vec![Write::insert(Row::Job(job.clone()))];
        let done = attempt
            .commit(proof, writes, |event| event.reason = reason)
            .await?;
        Ok(done.map(|()| job))
    }
    .await;
    match done {
        Ok(done) => Ok(done),
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

/// Lists complete backups, newest first, and what each is kept for.
pub async fn list(node: &Node, caller: &Caller) -> Result<Vec<ListedBackup>, OpError> {
    reading(node, caller, None)
        .read(async {
            node.authorize_system(caller, Action::BackupRead)?;
            let mut backups = node.backups()?.list().await?;
            backups.reverse();
            let judged = match node.settings.retention {
                Some(_) => retention::look(node).await?.fates,
                None => Vec::new(),
            };
            let listed = |backup: BackupSummary| {
                let fate = judged.iter().find(|fate| fate.backup.id == backup.id);
                let kept_for = fate.map(|fate| fate.kept_for.clone());
                ListedBackup { backup, kept_for }
            };
            Ok(backups.into_iter().map(listed).collect())
        })
        .await
}

/// Shows a complete backup.
pub async fn show(node: &Node, caller: &Caller, id: Uuid) -> Result<BackupSummary, OpError> {
    reading(node, caller, Some(id))
        .read(async {
            node.authorize_system(caller, Action::BackupRead)?;
            let found = node.backups()?.show(id).await?;
            found.ok_or(OpError::NotFound { what: "backup" })
        })
        .await
}

/// Shows how far the making of a backup is.
pub async fn job(node: &Node, caller: &Caller, id: Uuid) -> Result<Job, OpError> {
    reading(node, caller, Some(id))
        .read(async {
            node.authorize_system(caller, Action::BackupRead)?;
            let jobs = node.ports.registry.jobs(None, JOBS_LIMIT).await?;
            let mut jobs = jobs.into_iter();
            jobs.find(|job| job.kind == JobKind::CreateBackup && job.subject == id)
                .ok_or(OpError::NotFound { what: "backup" })
        })
        .await
}

/// The public half of the key that signs this deployment's backups, as text. It is made when it is
/// first asked for or needed.
pub async fn public_key(node: &Node, caller: &Caller) -> Result<String, OpError> {
    reading(node, caller, None)
        .read(async {
            node.authorize_system(caller, Action::BackupRead)?;
            if let Some(text) = own_key(node).await? {
                return Ok(text);
            }
            node.ensure_unsealed()?;
            make_signing_key(node).await?;
            own_key(node).await?.ok_or(OpError::Crypto)
        })
        .await
}

/// Where backups lie.
pub(super) fn store(node: &Node) -> Result<&dyn BackupStore, OpError> {
    node.backups()
}

/// Whether there is a full backup of this history that the deployment signed.
pub(super) async fn has_full(node: &Node) -> Result<bool, OpError> {
    let Some(key) = own_key(node).await? else {
        return Ok(false);
    };
    let stock = node.backups()?.stock(&key).await?;
    Ok(stock.own.iter().any(crate::retention::is_full))
}

fn reading<'a>(node: &'a Node, caller: &'a Caller, id: Option<Uuid>) -> Attempt<'a> {
    let named = resource("backup", id, None);
    Attempt::new(node, caller, Action::BackupRead, None, named)
}

/// Orders a backup if the newest, or the last try, is as old as that. By the server itself.
pub async fn order_if_due(node: &Node, interval_seconds: i64) -> Result<bool, OpError> {
    let registry = &node.ports.registry;
    if node.ports.backups.is_none() {
        return Ok(false);
    }
    let mut backups = registry.jobs(None, JOBS_LIMIT).await?;
    backups.retain(|job| job.kind == JobKind::CreateBackup);
    // Also while it is sealed, when none can be made.
    alerts::look_for_late(node, &backups, interval_seconds).await;
    if node.ports.seal.is_sealed() {
        return Ok(false);
    }
    let last = backups.first();
    let pause = match last {
        None => 0,
        // What was made before a restore does not hold what is done after it.
        Some(job) if job.state == JobState::Done && node.awaits_full.load(Ordering::Acquire) => 0,
        Some(job) if job.state == JobState::Done => interval_seconds,
        // One that failed is not waited for as long as one that was made.
        Some(job) if job.state == JobState::Failed => interval_seconds.min(RETRY_SECONDS),
        Some(_) => return Ok(false),
    };
    if last.is_some_and(|job| node.now().seconds_since(job.created_at) < pause) {
        return Ok(false);
    }
    let caller = Caller::system(node.own_correlation_id()?);
    create(node, &caller, Some("scheduled".to_owned())).await?;
    Ok(true)
}

async fn due(node: &Node) -> Result<Vec<Job>, OpError> {
    let far = node.now().plus_seconds(2 * PAUSE_SECONDS);
    let mut due = node.ports.registry.due_jobs(far, JOBS_LIMIT).await?;
    due.retain(|job| job.kind == JobKind::CreateBackup);
    Ok(due)
}

/// Makes the backup that was ordered first, if one is due. Answers whether there was something to do.
/// Called again and again; a backup that was interrupted begins again under its id.
pub async fn work(node: &Node) -> Result<bool, OpError> {
    let _alone = node.backing_up.lock().await;
    if node.ports.seal.is_sealed() || node.ports.backups.is_none() {
        return Ok(false);
    }
    let now = node.now();
    let Some(job) = due(node).await?.into_iter().find(|job| job.due_at <= now) else {
        return Ok(false);
    };
    let Some(_hold) = node.deletions.hold().await else {
        return Ok(false);
    };
    let job = begin(node, job).await?;
    let under_way = UnderWay {
        node,
        job: futures_util::lock::Mutex::new(job),
    };
    let made = under_way.make().await;
    let job = under_way.job.into_inner();
    finish(node, job, made).await?;
    Ok(true)
}

async fn begin(node: &Node, mut job: Job) -> Result<Job, OpError> {
    job.state = JobState::Running;
    job.attempts += 1;
    job.progress.pass = job.attempts;
    save(node, job, None).await
}

struct UnderWay<'a> {
    node: &'a Node,
    job: futures_util::lock::Mutex<Job>,
}

impl UnderWay<'_> {
    async fn make(&self) -> Result<BackupSummary, OpError> {
        let node = self.node;
        let (id, lacking) = {
            let job = self.job.lock().await;
            (job.subject, job.progress.failed)
        };
        let backups = node.backups()?;
        let signing_key = signing_key(node).await?;
        // Made already, and the answer lost; or this registry came out of that very backup.
        if let Some(made) = backups.show(id).await? {
            return own(made, &signing_key);
        }
        let order = BackupOrder {
            id,
            seals: node.ports.seal.status(),
            journal: journal_position(node).await?,
            // Somebody else may have deleted it at this moment: only what is gone again and again is
            // lost. One lost record must not keep all others from their backup.
            accept_losses: lacking + 1 >= i64::from(TRIES),
            is_continuous: false,
            until_copied: None,
            signing_key,
        };
        Ok(backups.create(order, self).await?)
    }
}

#[async_trait]
impl BackupProgress for UnderWay<'_> {
    async fn reached(&self, records: u64, of: u64) {
        let mut job = self.job.lock().await;
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        job.progress.examined = signed(records);
        job.progress.found = signed(of);
        // What cannot be told now is told with the next step, or at the end.
        if let Ok(saved) = save(self.node, job.clone(), None).await {
            *job = saved;
        }
    }
}

async fn journal_position(node: &Node) -> Result<Option<JournalPosition>, OpError> {
    let query = TailQuery {
        tenant: None,
        after: None,
        limit: 1,
    };
    let last = node.ports.audit.tail(query).await?.pop();
    let position = |entry: crate::audit::Journaled| {
        // By way of a map, which sorts its keys.
        let canonical = serde_json::to_value(&entry).map_err(|_| OpError::Crypto)?;
        Ok(JournalPosition {
            node: entry.event.node,
            sequence: entry.sequence,
            entry: crate::sha256(canonical.to_string().as_bytes()),
        })
    };
    last.map(position).transpose()
}

/// How it ended goes into the job and the log. What may be better later is tried again.
async fn finish(
    node: &Node,
    mut job: Job,
    made: Result<BackupSummary, OpError>,
) -> Result<(), OpError> {
    let failure = match &made {
        Ok(summary) => {
            job.state = JobState::Done;
            job.last_error = (summary.lost > 0).then(|| "records_lost".to_owned());
            job.progress.failed = i64::try_from(summary.lost).unwrap_or(i64::MAX);
            job.progress.examined = i64::try_from(summary.records).unwrap_or(i64::MAX);
            job.progress.found = job.progress.examined;
            None
        }
        Err(error) => {
            let code = match error {
                OpError::Backup(error) => error.code(),
                other => other.code().as_str(),
            };
            job.last_error = Some(code.to_owned());
            // Only a try that found a record missing counts towards leaving it out: not one that was
            // cut short, or that could not read.
            let lacks = matches!(error, OpError::Backup(BackupError::Record { .. }));
            job.progress.failed += i64::from(lacks);
            let is_tried =
                job.attempts >= TRIES && !lacks || job.progress.failed >= i64::from(TRIES);
            if !is_tried && may_pass(error) {
                job.state = JobState::Queued;
                job.due_at = node.now().plus_seconds(PAUSE_SECONDS);
            } else {
                job.state = JobState::Failed;
            }
            Some(code)
        }
    };
    let is_over = job.state == JobState::Failed;
    save(node, job, Some((made.as_ref().ok(), failure))).await?;
    match &made {
        Ok(summary) => {
            continuous::holds(node, summary.revision).await;
            alerts::made(node, summary).await;
        }
        Err(_) if is_over => alerts::failed(node, FULL, failure.unwrap_or_default()).await,
        Err(_) => {}
    }
    made.map(drop)
}

fn may_pass(error: &OpError) -> bool {
    !matches!(
        error,
        OpError::Backup(BackupError::Sealing(_) | BackupError::Refused { .. })
    )
}

type Ended<'a> = (Option<&'a BackupSummary>, Option<&'static str>);

async fn save(node: &Node, mut job: Job, ended: Option<Ended<'_>>) -> Result<Job, OpError> {
    let action = Action::BackupComplete;
    let caller = Caller::system(node.own_correlation_id()?);
    let named = resource("backup", Some(job.subject), None);
    let attempt = Attempt::new(node, &caller, action, None, named);
    let proof = node.authorize_system(&caller, action)?;
    job.updated_at = node.now();
    job.etag += 1;
    let writes = vec![Write::update(Row::Job(job.clone()))];
    attempt
        .commit(proof, writes, |event| {
            detail(event, "state", job.state.name());
            detail(event, "records", job.progress.examined);
            let Some((made, failure)) = ended else {
                return;
            };
            if let Some(made) = made {
                detail(event, "backup_revision", made.revision);
                detail(event, "bytes", made.bytes);
                detail(event, "lost", made.lost);
                detail(event, "signed_by", made.signed_by.clone());
            }
            if let Some(code) = failure {
                event.outcome = Outcome::Failed;
                event.reason = Some(code.to_owned());
            }
        })
        .await?;
    Ok(job)
}
