//! Tenants' key-encryption keys, and the one of what belongs to no tenant (`system`): shown, rotated,
//! and the records' way to the newest one.
//!
//! A rotation makes the next version and a job. From the commit on, new records go under the new
//! version; the job goes through the vault in slices and wraps what is under an older one. A pass
//! that found something is followed by another: the last one is the proof that nothing is left.

use keyward_api::error::ErrorCode;

use crate::caller::{Caller, Changed, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::{JobId, TenantId};
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::job::{Job, JobKind, JobProgress, JobState};
use crate::noun::tenant::{TenantKek, TenantState};
use crate::ops::gate::{Attempt, bounded, detail, resource, tenant_resource};
use crate::port::storage::{ObjectName, RewrapSlice, StorageError};

/// Objects looked at in one slice.
const SLICE: usize = 1000;
/// Jobs looked through for the next slice.
const JOBS_LIMIT: usize = 500;

/// Shows the versions of a tenant's key-encryption key that are not destroyed, newest first.
pub async fn list(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
) -> Result<Vec<TenantKek>, OpError> {
    let id = node.tenant_id(tenant);
    let named = tenant_resource(tenant);
    Attempt::new(node, caller, Action::TenantRead, id, named)
        .read(async {
            let (found, _) = node.authorize_scope(caller, Action::TenantRead, tenant)?;
            let id = found.unwrap_or(TenantId::SYSTEM);
            Ok(node.ports.registry.tenant_keks(id).await?)
        })
        .await
}

/// Makes the next version of a tenant's key-encryption key, and the job that has its records
/// wrapped under it. A job that is under way begins again.
pub async fn rotate(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    reason: Option<String>,
) -> Result<Changed<TenantKek>, OpError> {
    let action = Action::TenantRotateKek;
    let named = tenant_resource(tenant);
    let attempt = Attempt::new(node, caller, action, node.tenant_id(tenant), named);
    attempt
        .change(async {
            let proof = node.authorize_system(caller, action)?;
            bounded("reason", reason.as_deref().unwrap_or(""), 1024)?;
            let registry = &node.ports.registry;
            let id = rotatable(node, tenant).await?;
            node.ensure_unsealed()?;
            let newest = registry.tenant_keks(id).await?.into_iter().next();
            let newest = newest.ok_or_else(|| none_yet(tenant))?;
            let now = node.now();
            // Vault first: the key is durable before the registry names it.
            let kek = node.ports.hierarchy.next_tenant_kek(&newest, now).await?;
            let writes = vec![
                Write::insert(Row::TenantKek(kek.clone())),
                rewrap_job(node, id).await?,
            ];
            let done = attempt
                .commit(proof, writes, |event| {
                    event.reason = reason;
                    detail(event, "kek_version", kek.version);
                })
                .await
                .map_err(lost_to_another)?;
            Ok(done.map(|()| kek))
        })
        .await
}

/// The tenant, if it is there and not shredded; the system's own scope is always there.
async fn rotatable(node: &Node, tenant: &TenantRef) -> Result<TenantId, OpError> {
    if *tenant == TenantRef::System {
        return Ok(TenantId::SYSTEM);
    }
    let missing = || OpError::NotFound { what: "tenant" };
    let id = node.tenant_id(tenant).ok_or_else(missing)?;
    let row = node.ports.registry.tenant(id).await?;
    let row = row.ok_or_else(missing)?;
    match row.state {
        TenantState::Shredded => Err(OpError::TenantTransition {
            state: row.state.name(),
        }),
        TenantState::Active | TenantState::Suspended => Ok(id),
    }
}

/// Without a key there is nothing to rotate: the system's is made with its first secret.
fn none_yet(tenant: &TenantRef) -> OpError {
    match tenant {
        TenantRef::System => OpError::NotFound {
            what: "key-encryption key of the system: it is made with the system's first secret",
        },
        _ => StorageError::NoTenantKek.into(),
    }
}

/// Whose the job and its entries are: the system's own belong to no tenant.
fn owner(tenant: TenantId) -> Option<TenantId> {
    Some(tenant).filter(|tenant| *tenant != TenantId::SYSTEM)
}

/// The version exists by now: somebody else rotated at the same time.
fn lost_to_another(error: OpError) -> OpError {
    match error.code() {
        ErrorCode::AlreadyExists => OpError::Conflict,
        _ => error,
    }
}

/// The job under way, from its beginning; otherwise a new one.
async fn rewrap_job(node: &Node, tenant: TenantId) -> Result<Write, OpError> {
    let now = node.now();
    if let Some(mut job) = due(node).await?.into_iter().find(|job| is_for(job, tenant)) {
        job.progress = JobProgress::default();
        return Ok(Write::update(Row::Job(touched(job, node))));
    }
    let id = JobId::from_uuid(node.ordered_id()?);
    let (kind, subject) = (JobKind::RewrapRecords, tenant.uuid());
    let job = Job::queued(id, owner(tenant), kind, subject, now);
    Ok(Write::insert(Row::Job(job)))
}

fn is_for(job: &Job, tenant: TenantId) -> bool {
    job.subject == tenant.uuid()
}

async fn due(node: &Node) -> Result<Vec<Job>, OpError> {
    let registry = &node.ports.registry;
    let mut due = registry.due_jobs(node.now(), JOBS_LIMIT).await?;
    due.retain(|job| job.kind == JobKind::RewrapRecords);
    Ok(due)
}

fn touched(mut job: Job, node: &Node) -> Job {
    job.updated_at = node.now();
    job.etag += 1;
    job
}

/// Does one slice of the re-wrapping that was ordered first. Answers how many objects were looked
/// at; none if there is nothing to do now. Whoever calls it again and again sets the pace.
///
/// One tenant's trouble does not keep the others: what cannot be done now is passed over, and told
/// if nothing else can be done either.
pub async fn rewrap_slice(node: &Node) -> Result<Option<u64>, OpError> {
    let _alone = node.rewrapping.lock().await;
    if node.ports.seal.is_sealed() {
        return Ok(None);
    }
    // A backup copies records whose outer headers name keys that its snapshot has: none may get one
    // that the snapshot does not have.
    let Some(_passage) = node.deletions.pass().await else {
        return Ok(None);
    };
    let mut first_failure = None;
    for job in due(node).await? {
        match work_on(node, job).await {
            Ok(examined) => return Ok(Some(examined)),
            Err(error) => {
                first_failure.get_or_insert(error);
            }
        }
    }
    first_failure.map_or(Ok(None), Err)
}

async fn work_on(node: &Node, mut job: Job) -> Result<u64, OpError> {
    let tenant = TenantId::from_uuid(job.subject);
    let place = job.progress.resume_after.as_deref();
    let after = place.and_then(ObjectName::new);
    job.progress.pass = job.progress.pass.max(1);
    job.state = JobState::Running;
    let hierarchy = &node.ports.hierarchy;
    let looked_at = match hierarchy.rewrap_slice(tenant, after.as_ref(), SLICE).await {
        Ok(slice) => {
            let examined = slice.examined;
            advance(&mut job, slice);
            examined
        }
        // Shredded meanwhile: nothing is left that could be wrapped.
        Err(StorageError::NoTenantKek) if is_shredded(node, tenant).await? => {
            job.state = JobState::Done;
            job.last_error = Some("tenant_shredded".to_owned());
            0
        }
        // The newest key itself is not what it should be, or is not there. It will not mend itself.
        Err(StorageError::Refused(_) | StorageError::NoTenantKek) => {
            job.state = JobState::Failed;
            job.last_error = Some("kek_refused".to_owned());
            0
        }
        Err(error) => return Err(error.into()),
    };
    save(node, tenant, job).await?;
    Ok(looked_at)
}

async fn is_shredded(node: &Node, tenant: TenantId) -> Result<bool, OpError> {
    if tenant == TenantId::SYSTEM {
        return Ok(false);
    }
    let row = node.ports.registry.tenant(tenant).await?;
    Ok(row.is_none_or(|row| row.state == TenantState::Shredded))
}

/// What a slice adds to a job.
fn advance(job: &mut Job, slice: RewrapSlice) {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let progress = &mut job.progress;
    progress.examined += signed(slice.examined);
    progress.found += signed(slice.found);
    progress.changed += signed(slice.changed);
    progress.failed += signed(slice.failed);
    progress.resume_after = slice.next.map(|name| name.as_str().to_owned());
    if progress.resume_after.is_some() {
        return;
    }
    if progress.failed > 0 {
        job.state = JobState::Failed;
        job.last_error = Some("records_refused".to_owned());
    } else if progress.found == 0 {
        job.state = JobState::Done;
    } else {
        progress.pass += 1;
        (progress.examined, progress.found) = (0, 0);
    }
}

async fn save(node: &Node, tenant: TenantId, job: Job) -> Result<(), OpError> {
    let action = Action::TenantRewrap;
    let caller = Caller::system(node.own_correlation_id()?);
    let named = match owner(tenant) {
        Some(tenant) => resource("tenant", Some(tenant.uuid()), None),
        None => tenant_resource(&TenantRef::System),
    };
    let attempt = Attempt::new(node, &caller, action, owner(tenant), named);
    let proof = node.authorize_system(&caller, action)?;
    let (progress, state) = (job.progress.clone(), job.state);
    let writes = vec![Write::update(Row::Job(touched(job, node)))];
    attempt
        .commit(proof, writes, |event| {
            detail(event, "state", state.name());
            detail(event, "pass", i64::from(progress.pass));
            detail(event, "examined", progress.examined);
            detail(event, "changed", progress.changed);
            detail(event, "failed", progress.failed);
        })
        .await?;
    Ok(())
}
