//! Tenants: made, listed, suspended, resumed, shredded.

use crate::caller::{Caller, Changed, Idempotency, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::{JobId, TenantId};
use crate::names::TenantName;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::job::{Job, JobKind};
use crate::noun::tenant::{AuditDetail, Tenant, TenantKek, TenantState, TextState};
use crate::ops::commit::{Earlier, idempotency_key};
use crate::ops::gate::{Attempt, bounded, detail, page_size, resource, tenant_resource};
use crate::ops::text_seal;
use crate::port::registry::Page;

/// What a new tenant is to be.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// Its name; not `system`.
    pub name: TenantName,
    /// Free text, at most 1,024 characters.
    pub description: String,
    /// Whether its free texts are sealed from the beginning.
    pub seal_text: bool,
}

/// Makes a tenant with its first key-encryption key.
pub async fn create(
    node: &Node,
    caller: &Caller,
    new: NewTenant,
    idempotency: Option<&Idempotency>,
) -> Result<Changed<Tenant>, OpError> {
    let named = resource("tenant", None, Some(new.name.as_str()));
    let mut attempt = Attempt::new(node, caller, Action::TenantCreate, None, named);
    let created: Result<_, OpError> = async {
        node.ensure_auditable()?;
        let proof = node.authorize_system(caller, Action::TenantCreate)?;
        if new.name.as_str() == TenantRef::SYSTEM {
            return Err(OpError::invalid(
                "name",
                "`system` is taken by the deployment itself",
            ));
        }
        bounded("description", &new.description, 1024)?;
        let request = idempotency_key(caller, None, "tenant.create", idempotency)?;
        if let Earlier::Made(id) = node.earlier(request.as_ref()).await? {
            let tenant = find(node, TenantId::from_uuid(id)).await?;
            return attempt.repeated(tenant).await;
        }
        node.ensure_unsealed()?;
        let now = node.now();
        let id = TenantId::from_random(node.random_id()?);
        attempt.resource.id = Some(id.uuid());
        attempt.tenant = Some(id);
        // Vault first: the key-encryption key is durable before the registry names it.
        let kek = node.ports.hierarchy.create_tenant_kek(id, now).await?;
        let (tenant, writes) = rows(node, caller, &new, id, kek).await?;
        let done = attempt
            .commit_once(
                proof,
                writes,
                request.map(|key| (key, id.uuid())),
                |event| {
                    if new.seal_text {
                        detail(event, "text", TextState::Sealed.name());
                    }
                },
            )
            .await
            .inspect_err(|_| node.memory.texts.forget_key(id))?;
        Ok(done.map(|()| tenant))
    }
    .await;
    match created {
        Ok(done) => Ok(done),
        Err(error) => {
            // It never came to be: the refusal is the system's.
            attempt.tenant = None;
            Err(attempt.log_failure(error).await)
        }
    }
}

/// A new tenant, and with it its key-encryption key and, if its texts are sealed, their key.
async fn rows(
    node: &Node,
    caller: &Caller,
    new: &NewTenant,
    id: TenantId,
    kek: TenantKek,
) -> Result<(Tenant, Vec<Write>), OpError> {
    let text_key = if new.seal_text {
        text_seal::first_key(node, caller, id, &kek).await?
    } else {
        Vec::new()
    };
    let now = kek.created_at;
    let tenant = Tenant {
        id,
        name: new.name.clone(),
        state: TenantState::Active,
        description: new.description.clone(),
        text_state: if new.seal_text {
            TextState::Sealed
        } else {
            TextState::Clear
        },
        audit_detail: AuditDetail::Each,
        audit_detail_since: None,
        audit_detail_by: None,
        created_at: now,
        updated_at: now,
        etag: 1,
    };
    let mut writes = vec![
        Write::insert(Row::Tenant(tenant.clone())),
        Write::insert(Row::TenantKek(kek)),
    ];
    writes.extend(text_key);
    Ok((tenant, writes))
}

/// Lists tenants: all of them to who may list them, to others their own.
pub async fn list(
    node: &Node,
    caller: &Caller,
    after: Option<&TenantName>,
    limit: Option<usize>,
) -> Result<Page<Tenant>, OpError> {
    Attempt::new(
        node,
        caller,
        Action::TenantList,
        None,
        resource("tenant", None, None),
    )
    .read(async {
        node.authorize_system(caller, Action::TenantList)?;
        Ok(node
            .ports
            .registry
            .tenants(after, page_size(limit)?)
            .await?)
    })
    .await
}

/// Shows a tenant.
pub async fn read(node: &Node, caller: &Caller, tenant: &TenantRef) -> Result<Tenant, OpError> {
    let id = node.tenant_id(tenant);
    Attempt::new(
        node,
        caller,
        Action::TenantRead,
        id,
        tenant_resource(tenant),
    )
    .read(async {
        let (found, _) = node.authorize_tenant(caller, Action::TenantRead, tenant)?;
        find(node, found.id).await
    })
    .await
}

async fn find(node: &Node, id: TenantId) -> Result<Tenant, OpError> {
    node.ports
        .registry
        .tenant(id)
        .await?
        .ok_or(OpError::NotFound { what: "tenant" })
}

/// Stops every use of a tenant's keys.
pub async fn suspend(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    reason: Option<String>,
) -> Result<Changed<Tenant>, OpError> {
    set_state(node, caller, Action::TenantSuspend, tenant, reason).await
}

/// Allows the use of a suspended tenant's keys again.
pub async fn resume(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    reason: Option<String>,
) -> Result<Changed<Tenant>, OpError> {
    set_state(node, caller, Action::TenantResume, tenant, reason).await
}

/// Destroys a suspended tenant's key-encryption keys: from here nothing it held can be opened.
pub async fn shred(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    reason: String,
) -> Result<Changed<Tenant>, OpError> {
    let done = set_state(node, caller, Action::TenantShred, tenant, Some(reason)).await?;
    // The registry has it; the rest is done now if it can be, by the clockwork otherwise.
    let _ = super::clockwork::shred_records(node, done.value.id).await;
    Ok(done)
}

async fn set_state(
    node: &Node,
    caller: &Caller,
    action: Action,
    tenant: &TenantRef,
    reason: Option<String>,
) -> Result<Changed<Tenant>, OpError> {
    let attempt = Attempt::new(
        node,
        caller,
        action,
        node.tenant_id(tenant),
        tenant_resource(tenant),
    );
    attempt
        .change(async {
            let proof = node.authorize_system(caller, action)?;
            bounded("reason", reason.as_deref().unwrap_or(""), 1024)?;
            let says_why = reason.as_deref().is_some_and(|why| !why.trim().is_empty());
            if action == Action::TenantShred && !says_why {
                return Err(OpError::invalid("reason", "must say why"));
            }
            let id = node
                .tenant_id(tenant)
                .ok_or(OpError::NotFound { what: "tenant" })?;
            let mut row = find(node, id).await?;
            row.state = match (action, row.state) {
                (Action::TenantSuspend, TenantState::Active) => TenantState::Suspended,
                (Action::TenantResume, TenantState::Suspended) => TenantState::Active,
                (Action::TenantShred, TenantState::Suspended) => TenantState::Shredded,
                (_, state) => {
                    return Err(OpError::TenantTransition {
                        state: state.name(),
                    });
                }
            };
            row.updated_at = node.now();
            row.etag += 1;
            let mut writes = vec![Write::update(Row::Tenant(row.clone()))];
            if action == Action::TenantShred {
                writes.push(Write::insert(Row::Job(shred_job(node, id)?)));
            }
            let done = attempt
                .commit(proof, writes, |event| event.reason = reason)
                .await?;
            Ok(done.map(|()| row))
        })
        .await
}

fn shred_job(node: &Node, tenant: TenantId) -> Result<Job, OpError> {
    let id = JobId::from_uuid(node.ordered_id()?);
    let (kind, subject) = (JobKind::ShredTenant, tenant.uuid());
    Ok(Job::queued(id, None, kind, subject, node.now()))
}
