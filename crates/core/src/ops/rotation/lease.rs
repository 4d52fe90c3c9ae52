//! Which node rotates: the one that has the lease. Taken and kept beside everything else, so that a run that
//! takes long does not lose it; given up when the node cannot act.

use crate::error::OpError;
use crate::node::{Node, Readiness};
use crate::noun::condition::{ConditionKind, Severity, Subject};
use crate::ops::condition;
use crate::port::lease::{Lease, LeaseRole};

const ROLE: LeaseRole = LeaseRole::RotationScheduler;
/// For so many seconds a lease is taken: so long nobody acts after a node died that had it. To be kept three times
/// as often.
pub const LEASE_SECONDS: i64 = 30;
/// What the condition is about.
const SUBJECT: &str = "rotation";
/// So many intervals without a look are a condition.
const INTERVALS_QUIET: i64 = 3;

/// Takes the lease or keeps it, if this node can act; gives it up if it cannot. Whether it has it. Says when nobody
/// has looked for what is due for too long, whoever should have.
pub async fn keep_lease(node: &Node) -> Result<bool, OpError> {
    if !node.settings.rotation.enabled || node.readiness() != Readiness::Ready {
        release_lease(node).await?;
        return Ok(false);
    }
    let held = super::held(node);
    let kept = match &held {
        Some(fence) => node.ports.registry.renew_lease(fence, LEASE_SECONDS).await,
        None => Ok(false),
    };
    match kept {
        Ok(true) => {}
        Ok(false) => {
            node.rotation.look().held = None;
            take(node).await?;
        }
        // Whether it is still held is not known. A commit in its name is refused if it is not.
        Err(error) => return Err(error.into()),
    }
    watch(node).await?;
    Ok(super::held(node).is_some())
}

async fn take(node: &Node) -> Result<(), OpError> {
    let holder = holder(node)?;
    let taken = node
        .ports
        .registry
        .take_lease(ROLE, &holder, LEASE_SECONDS)
        .await?;
    if let Some(lease) = taken {
        let mut standing = node.rotation.look();
        standing.held = Some(lease.fence);
        // Another acted meanwhile: everything is looked at anew, at once.
        (standing.seen_to, standing.checked_at) = (None, None);
    }
    Ok(())
}

/// Gives the lease up, if the node has it, so that another can act at once.
pub async fn release_lease(node: &Node) -> Result<(), OpError> {
    let held = node.rotation.look().held.take();
    if let Some(fence) = held {
        node.ports.registry.release_lease(&fence).await?;
    }
    Ok(())
}

/// The node's name, and what tells this start of it from every other: two processes of one name are two.
fn holder(node: &Node) -> Result<String, OpError> {
    if let Some(holder) = node.rotation.look().holder.clone() {
        return Ok(holder);
    }
    let name: String = node.settings.name.chars().take(128).collect();
    let made = format!("{name}/{}", node.ordered_id()?);
    Ok(node.rotation.look().holder.get_or_insert(made).clone())
}

/// Says when nobody has looked for three intervals. Every node watches: the one that should act may be the one that
/// does not.
async fn watch(node: &Node) -> Result<(), OpError> {
    let (kind, subject) = (ConditionKind::ROTATION_BEHIND, Subject::system(SUBJECT));
    let patience = INTERVALS_QUIET * node.settings.rotation.check_interval_seconds;
    let patience = patience.max(INTERVALS_QUIET * LEASE_SECONDS);
    let lease = node.ports.registry.lease(ROLE).await?;
    match lease.filter(|lease| lease.idle_seconds > patience) {
        None => condition::clear(node, kind, &subject).await,
        Some(lease) => {
            let text = told(&lease);
            condition::raise(node, kind, &subject, Severity::Critical, &text).await;
        }
    }
    Ok(())
}

fn told(lease: &Lease) -> String {
    let node = lease.fence.holder.split('/').next().unwrap_or_default();
    let since = lease
        .worked_at
        .map_or(lease.taken_at, |at| at.max(lease.taken_at));
    format!("nobody has looked for keys that are due since {since}; node {node} should have")
}

/// The lease as the database has it.
pub(super) async fn lease(node: &Node) -> Result<Option<Lease>, OpError> {
    Ok(node.ports.registry.lease(ROLE).await?)
}
