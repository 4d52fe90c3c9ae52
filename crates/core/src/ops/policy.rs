//! Rotation policies: made, shown, changed, deleted.

use crate::caller::{Caller, Changed, Idempotency, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::PolicyId;
use crate::names::PolicyName;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::policy::{Policy, PolicyStatus};
use crate::ops::commit::{Earlier, idempotency_key};
use crate::ops::gate::{Attempt, bounded, detail, page_size, resource, tenant_resource};
use crate::ops::role::ensure_match;
use crate::port::registry::{KeyRef, Page};
use crate::rotation::Schedule;

/// What a new policy is to be.
#[derive(Clone, Debug)]
pub struct NewPolicy {
    /// Its name.
    pub name: PolicyName,
    /// Free text, at most 1,024 characters.
    pub description: String,
    /// Days from one rotation of a key to its next, 1 to 3,650. Not together with a schedule.
    pub rotation_interval_days: Option<i32>,
    /// The calendar of its keys. Not together with an interval.
    pub schedule: Option<Schedule>,
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
    /// A new status.
    pub status: Option<PolicyStatus>,
    /// A new interval, or none.
    pub rotation_interval_days: Option<Option<i32>>,
    /// A new calendar, or none.
    pub schedule: Option<Option<Schedule>>,
    /// A new window.
    pub rollback_window_seconds: Option<i64>,
    /// A new overlap.
    pub overlap_seconds: Option<i64>,
    /// Why; the audit log keeps it.
    pub reason: Option<String>,
}

impl PolicyChange {
    /// The fields that it names, for the log.
    fn fields(&self) -> Vec<&'static str> {
        let fields = [
            ("status", self.status.is_some()),
            ("description", self.description.is_some()),
            (
                "rotation_interval_days",
                self.rotation_interval_days.is_some(),
            ),
            ("schedule", self.schedule.is_some()),
            (
                "rollback_window_seconds",
                self.rollback_window_seconds.is_some(),
            ),
            ("overlap_seconds", self.overlap_seconds.is_some()),
        ];
        let named = fields.into_iter().filter(|(_, named)| *named);
        named.map(|(field, _)| field).collect()
    }

    /// The policy as it becomes.
    fn apply(self, policy: &mut Policy) -> Result<(), OpError> {
        let before = policy.status;
        let status = self.status.unwrap_or(before);
        if status != before && !before.may_become(status) {
            return Err(OpError::PolicyForbids {
                status: before,
                verb: status.verb(),
            });
        }
        let edits = self.fields().iter().any(|field| *field != "status");
        if edits && status == PolicyStatus::Archived {
            let verb = "be changed";
            return Err(OpError::PolicyForbids { status, verb });
        }
        policy.status = status;
        policy.description = self
            .description
            .unwrap_or(std::mem::take(&mut policy.description));
        policy.rotation_interval_days = self
            .rotation_interval_days
            .unwrap_or(policy.rotation_interval_days);
        policy.schedule = self.schedule.unwrap_or(policy.schedule.take());
        policy.rollback_window_seconds = self
            .rollback_window_seconds
            .unwrap_or(policy.rollback_window_seconds);
        policy.overlap_seconds = self.overlap_seconds.unwrap_or(policy.overlap_seconds);
        Ok(())
    }
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
    let wrong = |problem: &'static str| Err(OpError::invalid("rotation_interval_days", problem));
    match (policy.rotation_interval_days, &policy.schedule) {
        (Some(_), Some(_)) => wrong("cannot be together with a schedule: set one of them to null"),
        (Some(days), None) if !(1..=3650).contains(&days) => wrong("must be 1 to 3650"),
        (_, Some(schedule)) => Ok(schedule.check()?),
        (_, None) => Ok(()),
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
                status: PolicyStatus::Active,
                rotation_interval_days: new.rotation_interval_days,
                schedule: new.schedule.clone(),
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

/// A policy that a key may be given.
pub(crate) async fn find_usable(
    node: &Node,
    tenant: crate::ids::TenantId,
    name: &PolicyName,
) -> Result<Policy, OpError> {
    let policy = find(node, tenant, name).await?;
    if policy.status == PolicyStatus::Archived {
        return Err(OpError::PolicyForbids {
            status: policy.status,
            verb: "be given to a key",
        });
    }
    Ok(policy)
}

/// Changes a policy, its status too. A changed calendar counts at once, as no date is stored; its window and overlap
/// count for keys that get it from now on.
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
            bounded("reason", change.reason.as_deref().unwrap_or(""), 1024)?;
            let (fields, reason) = (change.fields(), change.reason.clone());
            let before = policy.status;
            change.apply(&mut policy)?;
            policy.updated_at = node.now();
            policy.etag += 1;
            check(&policy)?;
            let writes = vec![Write::update(Row::Policy(policy.clone()))];
            let done = attempt
                .commit(proof, writes, |event| {
                    event.resource.id = Some(policy.id.uuid());
                    event.reason = reason;
                    detail(event, "changed", fields);
                    if policy.status != before {
                        detail(event, "from_status", before.name());
                        detail(event, "to_status", policy.status.name());
                    }
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
