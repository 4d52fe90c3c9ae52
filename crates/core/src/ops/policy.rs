//! Rotation policies: made, shown, changed, deleted.

use crate::caller::{Caller, Changed, Idempotency, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::PolicyId;
use crate::names::PolicyName;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::policy::Policy;
use crate::ops::commit::{Earlier, idempotency_key};
use crate::ops::gate::{Attempt, bounded, page_size, resource, tenant_resource};
use crate::ops::role::ensure_match;
use crate::port::registry::{KeyRef, Page};

/// What a new policy is to be.
#[derive(Clone, Debug)]
pub struct NewPolicy {
    /// Its name.
    pub name: PolicyName,
    /// Free text, at most 1,024 characters.
    pub description: String,
    /// Days from one rotation to the next, 1 to 3,650.
    pub rotation_interval_days: Option<i32>,
    /// How long a rotation can be undone, in seconds.
    pub rollback_window_seconds: i64,
    /// How long a replaced version still protects when asked for by number, in seconds.
    pub overlap_seconds: i64,
}

/// What is to change of a policy.
#[derive(Clone, Debug, Default)]
pub struct PolicyChange {
    /// A new description.
    pub description: Option<String>,
    /// A new interval, or none.
    pub rotation_interval_days: Option<Option<i32>>,
    /// A new window.
    pub rollback_window_seconds: Option<i64>,
    /// A new overlap.
    pub overlap_seconds: Option<i64>,
}

/// At most 90 days: a window or overlap that never ends would make rotation pointless.
pub(crate) const WINDOW_SECONDS_MAX: i64 = 90 * 24 * 3600;

/// A window or overlap within its limit.
pub(crate) fn ensure_window(field: &'static str, seconds: i64) -> Result<(), OpError> {
    if (0..=WINDOW_SECONDS_MAX).contains(&seconds) {
        Ok(())
    } else {
        Err(OpError::invalid(field, "must be 0 to 7776000 (90 days)"))
    }
}

fn check(policy: &Policy) -> Result<(), OpError> {
    bounded("description", &policy.description, 1024)?;
    ensure_window("rollback_window_seconds", policy.rollback_window_seconds)?;
    ensure_window("overlap_seconds", policy.overlap_seconds)?;
    match policy.rotation_interval_days {
        Some(days) if !(1..=3650).contains(&days) => Err(OpError::invalid(
            "rotation_interval_days",
            "must be 1 to 3650",
        )),
        _ => Ok(()),
    }
}

/// Makes a policy.
pub async fn create(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    new: NewPolicy,
    idempotency: Option<&Idempotency>,
) -> Result<Changed<Policy>, OpError> {
    let named = resource("policy", None, Some(new.name.as_str()));
    let attempt = Attempt::new(
        node,
        caller,
        Action::PolicyCreate,
        node.tenant_id(tenant),
        named,
    );
    attempt
        .change(async {
            let (found, proof) = node.authorize_tenant(caller, Action::PolicyCreate, tenant)?;
            let request = idempotency_key(caller, Some(found.id), "policy.create", idempotency)?;
            if let Earlier::Made(id) = node.earlier(request.as_ref()).await? {
                let policy = node
                    .ports
                    .registry
                    .policy(found.id, PolicyId::from_uuid(id))
                    .await?;
                let value = policy.ok_or(OpError::NotFound { what: "policy" })?;
                return attempt.repeated(value).await;
            }
            let now = node.now();
            let policy = Policy {
                id: PolicyId::from_random(node.random_id()?),
                tenant: found.id,
                name: new.name.clone(),
                description: new.description.clone(),
                rotation_interval_days: new.rotation_interval_days,
                rollback_window_seconds: new.rollback_window_seconds,
                overlap_seconds: new.overlap_seconds,
                created_at: now,
                updated_at: now,
                etag: 1,
            };
            check(&policy)?;
            let id = policy.id.uuid();
            let writes = vec![Write::insert(Row::Policy(policy.clone()))];
            let done = attempt
                .commit_once(proof, writes, request.map(|key| (key, id)), |event| {
                    event.resource.id = Some(id);
                })
                .await?;
            Ok(done.map(|()| policy))
        })
        .await
}

/// Lists policies.
pub async fn list(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    after: Option<&PolicyName>,
    limit: Option<usize>,
) -> Result<Page<Policy>, OpError> {
    Attempt::new(
        node,
        caller,
        Action::PolicyList,
        node.tenant_id(tenant),
        tenant_resource(tenant),
    )
    .read(async {
        let (found, _) = node.authorize_tenant(caller, Action::PolicyList, tenant)?;
        Ok(node
            .ports
            .registry
            .policies(found.id, after, page_size(limit)?)
            .await?)
    })
    .await
}

/// Shows a policy.
pub async fn read(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    name: &PolicyName,
) -> Result<Policy, OpError> {
    let named = resource("policy", None, Some(name.as_str()));
    Attempt::new(
        node,
        caller,
        Action::PolicyList,
        node.tenant_id(tenant),
        named,
    )
    .read(async {
        let (found, _) = node.authorize_tenant(caller, Action::PolicyList, tenant)?;
        find(node, found.id, name).await
    })
    .await
}

pub(crate) async fn find(
    node: &Node,
    tenant: crate::ids::TenantId,
    name: &PolicyName,
) -> Result<Policy, OpError> {
    node.ports
        .registry
        .policy_by_name(tenant, name)
        .await?
        .ok_or(OpError::NotFound { what: "policy" })
}

/// Changes a policy. Keys that have it follow it from their next rotation on.
pub async fn update(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    name: &PolicyName,
    change: PolicyChange,
    if_match: Option<i64>,
) -> Result<Changed<Policy>, OpError> {
    let named = resource("policy", None, Some(name.as_str()));
    let attempt = Attempt::new(
        node,
        caller,
        Action::PolicyUpdate,
        node.tenant_id(tenant),
        named,
    );
    attempt
        .change(async {
            let (found, proof) = node.authorize_tenant(caller, Action::PolicyUpdate, tenant)?;
            let mut policy = find(node, found.id, name).await?;
            ensure_match(if_match, policy.etag)?;
            policy.description = change.description.unwrap_or(policy.description);
            policy.rotation_interval_days = change
                .rotation_interval_days
                .unwrap_or(policy.rotation_interval_days);
            policy.rollback_window_seconds = change
                .rollback_window_seconds
                .unwrap_or(policy.rollback_window_seconds);
            policy.overlap_seconds = change.overlap_seconds.unwrap_or(policy.overlap_seconds);
            policy.updated_at = node.now();
            policy.etag += 1;
            check(&policy)?;
            let writes = vec![Write::update(Row::Policy(policy.clone()))];
            let done = attempt
                .commit(proof, writes, |event| {
                    event.resource.id = Some(policy.id.uuid());
                })
                .await?;
            Ok(done.map(|()| policy))
        })
        .await
}

/// Deletes a policy; the keys that had it have none.
pub async fn delete(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    name: &PolicyName,
    reason: Option<String>,
) -> Result<Changed<Policy>, OpError> {
    let named = resource("policy", None, Some(name.as_str()));
    let attempt = Attempt::new(
        node,
        caller,
        Action::PolicyDelete,
        node.tenant_id(tenant),
        named,
    );
    attempt
        .change(async {
            let (found, proof) = node.authorize_tenant(caller, Action::PolicyDelete, tenant)?;
            bounded("reason", reason.as_deref().unwrap_or(""), 1024)?;
            let policy = find(node, found.id, name).await?;
            // Each key's after-image says that it has no policy now; the foreign key's
            // ON DELETE SET NULL only catches what was assigned meanwhile.
            let mut writes = Vec::new();
            for id in node
                .ports
                .registry
                .keys_with_policy(found.id, policy.id)
                .await?
            {
                let current = node.ports.registry.key(found.id, &KeyRef::Id(id)).await?;
                let mut key = current.ok_or(OpError::Conflict)?.key;
                key.rotation_policy = None;
                key.updated_at = node.now();
                key.etag += 1;
                writes.push(Write::update(Row::Key(Box::new(key))));
            }
            writes.push(Write::delete(Row::Policy(policy.clone())));
            let done = attempt
                .commit(proof, writes, |event| {
                    event.resource.id = Some(policy.id.uuid());
                    event.reason = reason;
                })
                .await?;
            Ok(done.map(|()| policy))
        })
        .await
}
