//! Scheduling the destruction of a version or a key: the one verb that looks at data bindings.

use super::lifecycle::{LifecycleRequest, Verb};
use crate::caller::{Caller, Changed, TenantRef};
use crate::error::OpError;
use crate::lifecycle::Which;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::state::State;
use crate::ops::gate::detail;
use crate::port::registry::{KeyRef, KeyWithVersions};

/// Days that a destruction may be made to wait.
const WAIT_DAYS: std::ops::RangeInclusive<i64> = 7..=30;

/// Schedules the destruction of one version or of the whole key.
pub async fn schedule_destruction(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    request: LifecycleRequest,
    wait_days: Option<i64>,
    force: bool,
) -> Result<Changed<KeyWithVersions>, OpError> {
    let LifecycleRequest {
        which,
        reason,
        if_match,
    } = request;
    let action = Action::KeyScheduleDestruction;
    let mut verb = Verb::new(node, caller, action, tenant, key, reason, if_match);
    let outcome = async {
        let (current, hot, proof) = verb.open(tenant, key).await?;
        let days = wait_days.unwrap_or(node.settings.destruction_wait_days);
        if !WAIT_DAYS.contains(&days) {
            return Err(OpError::invalid("wait_days", "must be 7 to 30"));
        }
        let live = node
            .ports
            .registry
            .live_bindings(hot.tenant, hot.id)
            .await?;
        let needs_force = live > 0 && would_lose_data(&current, which);
        if needs_force {
            if !force {
                return Err(OpError::KeyInUse { live });
            }
            if verb
                .reason
                .as_deref()
                .is_none_or(|reason| reason.trim().is_empty())
            {
                return Err(OpError::invalid("reason", "must say why, when forced"));
            }
            if !node
                .allows_widening(caller, Action::KeyForceDestruction, &hot)
                .await?
            {
                return Err(OpError::Forbidden {
                    action: Action::KeyForceDestruction.name(),
                });
            }
        }
        let due = node.now().plus_seconds(days * 24 * 3600);
        let mut draft = verb.draft(current);
        draft.schedule_destruction(which, due)?;
        verb.save(draft, proof, |event| {
            detail(event, "due", due.to_string());
            if needs_force {
                detail(event, "forced_over_live_bindings", live);
            }
        })
        .await
    }
    .await;
    verb.finish(outcome).await
}

/// Whether what is to be destroyed may have protected something: a version that was never active
/// has not.
fn would_lose_data(current: &KeyWithVersions, which: Which) -> bool {
    current.versions.iter().any(|version| {
        let meant = match which {
            Which::Default => true,
            Which::Version(number) => version.version == number,
        };
        meant && version.state != State::Pending
    })
}
