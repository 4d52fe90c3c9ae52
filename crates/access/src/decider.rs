//! The decision: what one grant allows, and what a refusal may let the caller know.

use keyward_core::ids::TenantId;
use keyward_core::noun::action::{Action, Effect, Scope};
use keyward_core::port::decide::{Decide, Decision, Grant, KeyFacts, Target};

/// Decides by the grants alone: an action is allowed if one grant allows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoleDecider;

impl Decide for RoleDecider {
    fn decide(&self, grants: &[Grant], action: Action, target: &Target) -> Decision {
        if grants.iter().any(|grant| allows(grant, action, target)) {
            Decision::Allow
        } else if matches!(target, Target::System)
            || grants.iter().any(|grant| shows(grant, target))
        {
            Decision::Deny
        } else {
            Decision::DenyInvisible
        }
    }
}

/// Whether this grant alone allows the action on the target.
fn allows(grant: &Grant, action: Action, target: &Target) -> bool {
    grant.permissions.contains(action)
        && reaches(grant, action, target)
        && match (&grant.restriction, target) {
            (None, _) => true,
            (Some(_), Target::System) => false,
            (Some(_), Target::Tenant(_)) => is_narrowed_by_core(action),
            (Some(_), Target::Key(key)) => {
                (action.scope() == Scope::Key || is_narrowed_by_core(action)) && covers(grant, key)
            }
        }
}

/// Whether the place where the grant holds includes the target. What the server only records is
/// nobody's to do, and what concerns the deployment takes a grant that holds everywhere, whatever
/// tenant it is done to.
fn reaches(grant: &Grant, action: Action, target: &Target) -> bool {
    let everywhere = grant.tenant.is_none();
    action.effect() != Effect::Record
        && (everywhere || action.scope() != Scope::System)
        && (everywhere || tenant_of(target).is_some_and(|tenant| grant.tenant == Some(tenant)))
}

/// Actions on a tenant that a restricted grant may allow: core narrows what they answer to the
/// keys that the grant covers, or they concern no key.
fn is_narrowed_by_core(action: Action) -> bool {
    matches!(
        action,
        Action::KeySearch | Action::ClassRead | Action::RandomBytes
    )
}

/// Whether the grant lets its holder know that the target exists. (That the deployment exists is
/// no secret from anybody.)
fn shows(grant: &Grant, target: &Target) -> bool {
    let in_place = grant
        .tenant
        .is_none_or(|place| tenant_of(target) == Some(place));
    in_place
        && match target {
            Target::Key(key) => covers(grant, key),
            Target::Tenant(_) | Target::System => true,
        }
}

fn covers(grant: &Grant, key: &KeyFacts) -> bool {
    grant
        .restriction
        .as_ref()
        .is_none_or(|restriction| restriction.covers(&key.name, key.class.as_ref(), &key.tags))
}

fn tenant_of(target: &Target) -> Option<TenantId> {
    match target {
        Target::System => None,
        Target::Tenant(tenant) => Some(*tenant),
        Target::Key(key) => Some(key.tenant),
    }
}
