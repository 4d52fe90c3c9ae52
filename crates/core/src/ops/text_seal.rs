//! Sealing a tenant's free texts under its own key, and having them readable again.
//!
//! The order makes the tenant's text key (a secret of its own kind of name, under the tenant's
//! key-encryption key) if there is none, and says how texts are written from its commit on. A job does
//! the rest: `convert`.

mod convert;

use std::sync::Arc;

use keyward_crypto::field::FieldKey;

use crate::caller::{Caller, Changed, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::{JobId, RecordId, SecretId, SecretVersionId, TenantId};
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::job::{Job, JobKind, JobProgress, JobState};
use crate::noun::secret::{Secret, SecretState, SecretVersion};
use crate::noun::tenant::{Digest, Tenant, TenantKek, TenantState, TextState};
use crate::ops::gate::{Attempt, bounded, detail, tenant_resource};
use crate::ops::secret::spec;
use crate::texts::key_name;

pub(crate) use self::convert::slice;

/// Jobs looked through for a tenant's.
const JOBS_LIMIT: usize = 500;

/// How a tenant's texts stand.
#[derive(Clone, Debug, PartialEq)]
pub struct TextStatus {
    /// What is written, and whether what was there before is like it.
    pub state: TextState,
    /// The last job that sealed or opened texts, if there was one.
    pub job: Option<Job>,
}

/// Shows how a tenant's texts stand.
pub async fn status(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
) -> Result<TextStatus, OpError> {
    let named = tenant_resource(tenant);
    Attempt::new(
        node,
        caller,
        Action::TenantRead,
        node.tenant_id(tenant),
        named,
    )
    .read(async {
        let (found, _) = node.authorize_tenant(caller, Action::TenantRead, tenant)?;
        let row = find(node, found.id).await?;
        let jobs = node.ports.registry.jobs(Some(found.id), JOBS_LIMIT).await?;
        let job = jobs.into_iter().find(|job| job.kind == JobKind::SealText);
        let state = row.text_state;
        Ok(TextStatus { state, job })
    })
    .await
}

/// Orders that a tenant's texts be sealed, or be readable again. Ordered again it changes nothing,
/// unless the job has given up: then it begins anew.
pub async fn switch(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    seal: bool,
    reason: Option<String>,
) -> Result<Changed<Tenant>, OpError> {
    let action = Action::TenantSealText;
    let named = tenant_resource(tenant);
    let attempt = Attempt::new(node, caller, action, node.tenant_id(tenant), named);
    attempt
        .change(async {
            let proof = node.authorize_system(caller, action)?;
            bounded("reason", reason.as_deref().unwrap_or(""), 1024)?;
            let missing = || OpError::NotFound { what: "tenant" };
            let id = node.tenant_id(tenant).ok_or_else(missing)?;
            let mut row = find(node, id).await?;
            if row.state == TenantState::Shredded {
                return Err(OpError::TenantTransition {
                    state: row.state.name(),
                });
            }
            let under_way = due(node).await?.into_iter().find(|job| is_for(job, id));
            let is_done = row.text_state.is_settled() || under_way.is_some();
            if row.text_state.seals() == seal && is_done {
                return attempt.repeated(row).await;
            }
            node.ensure_unsealed()?;
            row.text_state = if seal {
                TextState::Sealing
            } else {
                TextState::Opening
            };
            row.updated_at = node.now();
            row.etag += 1;
            let mut writes = if seal {
                missing_key(node, caller, id).await?
            } else {
                Vec::new()
            };
            writes.push(Write::update(Row::Tenant(row.clone())));
            writes.push(job_for(node, id, under_way)?);
            let done = attempt
                .commit(proof, writes, |event| {
                    event.reason = reason;
                    detail(event, "text", row.text_state.name());
                })
                .await?;
            Ok(done.map(|()| row))
        })
        .await
}

async fn find(node: &Node, id: TenantId) -> Result<Tenant, OpError> {
    let row = node.ports.registry.tenant(id).await?;
    row.ok_or(OpError::NotFound { what: "tenant" })
}

fn is_for(job: &Job, tenant: TenantId) -> bool {
    job.subject == tenant.uuid()
}

async fn due(node: &Node) -> Result<Vec<Job>, OpError> {
    let registry = &node.ports.registry;
    let mut due = registry.due_jobs(node.now(), JOBS_LIMIT).await?;
    due.retain(|job| job.kind == JobKind::SealText);
    Ok(due)
}

/// The job under way, from its beginning; otherwise a new one.
fn job_for(node: &Node, tenant: TenantId, under_way: Option<Job>) -> Result<Write, OpError> {
    let now = node.now();
    if let Some(mut job) = under_way {
        job.progress = JobProgress::default();
        job.state = JobState::Queued;
        job.updated_at = now;
        job.etag += 1;
        return Ok(Write::update(Row::Job(job)));
    }
    let id = JobId::from_uuid(node.ordered_id()?);
    let (kind, subject) = (JobKind::SealText, tenant.uuid());
    let job = Job::queued(id, Some(tenant), kind, subject, now);
    Ok(Write::insert(Row::Job(job)))
}

/// The key of a tenant that is made together with it, and with the memory of it: the registry does
/// not lead to it yet.
pub(super) async fn first_key(
    node: &Node,
    caller: &Caller,
    tenant: TenantId,
    kek: &TenantKek,
) -> Result<Vec<Write>, OpError> {
    let began_at = node.memory.texts.forgotten();
    let (writes, key) = new_key(node, caller, tenant, Some(kek)).await?;
    node.memory.texts.keep(tenant, Arc::new(key), began_at);
    Ok(writes)
}

/// The rows of a tenant's key, if it has none.
async fn missing_key(
    node: &Node,
    caller: &Caller,
    tenant: TenantId,
) -> Result<Vec<Write>, OpError> {
    if node.texts.key_row(tenant).await?.is_some() {
        // It must open now, not when the first text is to be written.
        node.texts.key(tenant).await?;
        return Ok(Vec::new());
    }
    let name = key_name()?;
    if node
        .texts
        .stored()
        .secret(Some(tenant), &name)
        .await?
        .is_some()
    {
        // Somebody had put one under this name, before it was the server's.
        return Err(OpError::AlreadyExists {
            what: "secret named keyward.text-key",
        });
    }
    Ok(new_key(node, caller, tenant, None).await?.0)
}

/// Vault first: the key is durable before the registry names it.
async fn new_key(
    node: &Node,
    caller: &Caller,
    tenant: TenantId,
    kek: Option<&TenantKek>,
) -> Result<(Vec<Write>, FieldKey), OpError> {
    let now = node.now();
    let secret = Secret {
        id: SecretId::from_random(node.random_id()?),
        tenant: Some(tenant),
        name: key_name()?,
        state: SecretState::Stored,
        description: String::new(),
        labels: std::collections::BTreeMap::new(),
        keep: 1,
        latest_version: 1,
        created_by: None,
        created_at: now,
        updated_at: now,
        etag: 1,
    };
    let mut version = SecretVersion {
        id: SecretVersionId::from_random(node.random_id()?),
        tenant: Some(tenant),
        secret: secret.id,
        version: 1,
        record: RecordId::from_uuid(node.ordered_id()?),
        record_digest: Digest([0; 32]),
        destroying_at: None,
        created_by: None,
        correlation_id: caller.origin.correlation_id.clone(),
        created_at: now,
        etag: 1,
    };
    let value = FieldKey::generate(&*node.ports.random).map_err(|_| OpError::Crypto)?;
    let key = FieldKey::new(&value, 1).map_err(|_| OpError::Crypto)?;
    let (secrets, spec) = (&node.ports.secrets, spec(&version)?);
    version.record_digest = match kek {
        Some(kek) => secrets.put_first(spec, kek, value).await?,
        None => secrets.put(spec, value).await?,
    };
    let writes = vec![
        Write::insert(Row::Secret(secret)),
        Write::insert(Row::SecretVersion(version)),
    ];
    Ok((writes, key))
}
