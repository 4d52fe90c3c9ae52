//! What is shown of rotation by policy: history, why a key is due or not, and how the scheduler stands.

use super::due::{self, Date};
use super::one::UNFOLLOWABLE;
use super::{LastRun, RotationTotals, lease, plan};
use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::ids::RotationId;
use crate::names::PolicyName;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::key::Key;
use crate::noun::policy::Policy;
use crate::noun::rotation::Rotation;
use crate::ops::gate::{Attempt, key_resource, page_size, resource, tenant_resource};
use crate::ops::policy;
use crate::port::lease::Lease;
use crate::port::registry::{KeyRef, Page};
use crate::port::rotations::RotationsOf;
use crate::time::Timestamp;

/// A tenant's rotations by policy, newest first; of one key or one policy alone, if it is named.
pub async fn history(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    (key, by): (Option<&KeyRef>, Option<&PolicyName>),
    before: Option<RotationId>,
    limit: Option<usize>,
) -> Result<Page<Rotation>, OpError> {
    let named = tenant_resource(tenant);
    let action = Action::RotationRead;
    Attempt::new(node, caller, action, node.tenant_id(tenant), named)
        .read(async {
            let (found, _) = node.authorize_tenant(caller, action, tenant)?;
            let of = match (key, by) {
                (Some(_), Some(_)) => {
                    return Err(OpError::invalid("policy", "cannot be given with a key"));
                }
                (Some(key), None) => {
                    let current = node.ports.registry.key(found.id, key).await?;
                    let current = current.ok_or(OpError::NotFound { what: "key" })?;
                    RotationsOf::Key(current.key.id)
                }
                (None, Some(name)) => {
                    RotationsOf::Policy(policy::find(node, found.id, name).await?.id)
                }
                (None, None) => RotationsOf::Tenant,
            };
            let limit = page_size(limit)?;
            let registry = &node.ports.registry;
            Ok(registry.rotations(found.id, of, before, limit).await?)
        })
        .await
}

/// Why a key is due, or is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The key.
    pub key: Key,
    /// The policy that it follows.
    pub policy: Option<Policy>,
    /// When it was last rotated, or made.
    pub last_rotation: Timestamp,
    /// Its next date, behind or ahead.
    pub next: Option<Date>,
    /// Whether that has come.
    pub is_due: bool,
    /// When the policy's windows open next, if they are closed now.
    pub opens_at: Option<Timestamp>,
    /// What keeps it from being rotated by itself.
    pub hindrance: Option<&'static str>,
    /// What became of that date so far.
    pub tried: Option<Rotation>,
    /// Which node acts.
    pub lease: Option<Lease>,
}

/// Says why a key is due by its policy, or is not.
pub async fn explain(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
) -> Result<Explanation, OpError> {
    let action = Action::RotationRead;
    let named = key_resource(key);
    Attempt::new(node, caller, action, node.tenant_id(tenant), named)
        .read(async {
            let (found, _) = node.authorize_tenant(caller, action, tenant)?;
            let registry = &node.ports.registry;
            let current = registry.key(found.id, key).await?;
            let current = current.ok_or(OpError::NotFound { what: "key" })?;
            let primary = current.key.primary_version;
            let primary = current.versions.iter().find(|it| it.version == primary);
            let primary = primary.ok_or(OpError::NotFound {
                what: "key version",
            })?;
            let policies = plan::policies(&**registry, found.id).await?;
            let policy = due::effective(&current.key, &policies);
            let last = due::last_rotation(&current.versions).unwrap_or(current.key.created_at);
            let now = node.now();
            let next = policy.map_or(Ok(None), |policy| due::next(policy, current.key.id, last));
            let opens = policy.map_or(Ok(now), |policy| due::opens_at(policy, now));
            let unfollowable = next.is_err() || opens.is_err();
            let (next, opens) = (next.unwrap_or(None), opens.unwrap_or(now));
            let tried = match next {
                Some(date) => {
                    registry
                        .rotation_planned(current.key.id, date.planned)
                        .await?
                }
                None => None,
            };
            let stopped = policy.and_then(due::stopped);
            let hindrance = due::hindrance(&current.key, primary, now).or(stopped);
            Ok(Explanation {
                policy: policy.cloned(),
                last_rotation: last,
                next,
                is_due: next.is_some_and(|date| date.at <= now),
                opens_at: (opens > now).then_some(opens),
                hindrance: hindrance.or(unfollowable.then_some(UNFOLLOWABLE)),
                tried,
                lease: lease::lease(node).await?,
                key: current.key,
            })
        })
        .await
}

/// How the scheduler stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether this node takes part.
    pub enabled: bool,
    /// Whether this node is the one that acts.
    pub is_active: bool,
    /// Which node acts, or acted last, as the database has it.
    pub lease: Option<Lease>,
    /// How often it is looked for what is due, in seconds.
    pub check_interval_seconds: i64,
    /// When this node looked last; none if it never acted.
    pub checked_at: Option<Timestamp>,
    /// When the next key is due or tried again, as this node knows.
    pub next_at: Option<Timestamp>,
    /// How its last run ended.
    pub last_run: Option<LastRun>,
    /// What it has done since it began.
    pub totals: RotationTotals,
}

/// Shows how the scheduler stands.
pub async fn status(node: &Node, caller: &Caller) -> Result<Status, OpError> {
    let named = resource("rotation", None, None);
    Attempt::new(node, caller, Action::RotationStatus, None, named)
        .read(async {
            node.authorize_system(caller, Action::RotationStatus)?;
            let lease = lease::lease(node).await?;
            let standing = node.rotation.look();
            Ok(Status {
                enabled: node.settings.rotation.enabled,
                is_active: standing.held.is_some(),
                lease,
                check_interval_seconds: node.settings.rotation.check_interval_seconds,
                checked_at: standing.checked_at,
                next_at: standing.next_at,
                last_run: standing.last_run.clone(),
                totals: standing.totals,
            })
        })
        .await
}

/// What this node has counted, and whether it is the one that acts: for metrics.
pub fn totals(node: &Node) -> (RotationTotals, bool, Option<LastRun>) {
    let standing = node.rotation.look();
    let is_active = standing.held.is_some();
    (standing.totals, is_active, standing.last_run.clone())
}
