//! Rotation: by hand, or because a policy says so. The same either way, but for what is committed beside it.

use super::canary::{Trial, try_out};
use super::create::spec_of;
use super::insert::version_row;
use super::lifecycle::Verb;
use crate::audit::AuditEvent;
use crate::caller::{Caller, Changed, TenantRef};
use crate::change::Write;
use crate::error::OpError;
use crate::ids::VersionId;
use crate::lifecycle::{Draft, NewVersion};
use crate::node::Node;
use crate::noun::action::Action;
use crate::ops::gate::detail;
use crate::port::lease::Fence;
use crate::port::registry::{KeyRef, KeyWithVersions};
use crate::time::Timestamp;

/// How a key is rotated.
#[derive(Clone, Debug, Default)]
pub struct RotateRequest {
    /// Why.
    pub reason: Option<String>,
    /// Whether the old version is compromised at once.
    pub emergency: bool,
    /// When the new version's cryptoperiod ends.
    pub expires_at: Option<Timestamp>,
    /// The key's row version that the caller has read, if it wants to be sure.
    pub if_match: Option<i64>,
}

/// What a rotation that was planned commits beside the key's own rows.
pub(crate) struct Planned<'a> {
    /// In whose role it is done.
    pub(crate) fence: Option<Fence>,
    /// The row that says that this date is done: at that time, with that version.
    pub(crate) row: &'a (dyn Fn(Timestamp, i64) -> Write + Sync),
    /// What the log says of it.
    pub(crate) tell: &'a (dyn Fn(&mut AuditEvent) + Sync),
}

/// Makes a new version and lets it protect.
pub async fn rotate(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    request: RotateRequest,
) -> Result<Changed<KeyWithVersions>, OpError> {
    rotate_with(node, caller, (tenant, key), request, None).await
}

/// The same, for a date that a policy says.
pub(crate) async fn rotate_planned(
    node: &Node,
    caller: &Caller,
    place: (&TenantRef, &KeyRef),
    request: RotateRequest,
    planned: Planned<'_>,
) -> Result<Changed<KeyWithVersions>, OpError> {
    rotate_with(node, caller, place, request, Some(planned)).await
}

async fn rotate_with(
    node: &Node,
    caller: &Caller,
    (tenant, key): (&TenantRef, &KeyRef),
    request: RotateRequest,
    planned: Option<Planned<'_>>,
) -> Result<Changed<KeyWithVersions>, OpError> {
    let RotateRequest {
        reason,
        emergency,
        expires_at,
        if_match,
    } = request;
    let action = if emergency {
        Action::KeyEmergencyRotate
    } else {
        Action::KeyRotate
    };
    let mut verb = Verb::new(node, caller, action, tenant, key, reason, if_match);
    verb.attempt.fence = planned.as_ref().and_then(|it| it.fence.clone());
    let outcome = async {
        let (current, _, proof) = verb.open(tenant, key).await?;
        node.ensure_unsealed()?;
        let now = node.now();
        if expires_at.is_some_and(|end| end <= now) {
            return Err(OpError::invalid("expires_at", "must be in the future"));
        }
        let mut draft = verb.draft(current);
        let (number, trial) =
            add_version(node, caller, &mut draft, (emergency, expires_at), now).await?;
        let beside = planned.as_ref().map(|it| (it.row)(now, number));
        verb.save_with(draft, proof, beside.into_iter().collect(), |event| {
            detail(event, "new_version", number);
            detail(event, "trial", trial.name());
            if let Some(planned) = &planned {
                (planned.tell)(event);
            }
        })
        .await
    }
    .await;
    verb.finish(outcome).await
}

/// Makes the material of the next version, tries it out, and drafts the rotation to it. Its number, and what its trial
/// was.
async fn add_version(
    node: &Node,
    caller: &Caller,
    draft: &mut Draft,
    (emergency, expires_at): (bool, Option<Timestamp>),
    now: Timestamp,
) -> Result<(i64, Trial), OpError> {
    draft.check_can_rotate(emergency)?;
    if draft.key().public_only {
        return Err(super::import::public_only(
            draft.key(),
            "be rotated; import its successor",
        ));
    }
    let number = draft.key().latest_version + 1;
    let version = u32::try_from(number).map_err(|_| OpError::Conflict)?;
    let spec = spec_of(draft.key(), version);
    let provider = node.provider(draft.key().provider)?;
    let made = provider.generate(&[spec]).await?;
    let material = made.into_iter().next().ok_or(OpError::Crypto)?;
    let trial = try_out(provider, &spec, &material).await?;
    let id = VersionId::from_random(node.random_id()?);
    let mut row = version_row(draft.key(), id, number, material, caller, now);
    row.expires_at = expires_at;
    let window = draft.key().rollback_window_seconds;
    let rollback_expires_at = (window > 0).then(|| now.plus_seconds(window));
    draft.rotate(
        NewVersion {
            row,
            rollback_expires_at,
        },
        emergency,
    )?;
    Ok((number, trial))
}
