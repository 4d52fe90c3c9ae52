//! The built-in roles are what this version of the program says, in every deployment: a start brings
//! those of an older one up to date, in one audited change.

use crate::caller::Caller;
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::role::Role;
use crate::ops::gate::{Attempt, detail, resource};
use crate::ops::initialize::{BuiltinRole, row};

/// Adds built-in roles that are missing and changes those that differ; how many. Whoever holds one
/// may from then on what it says now. Nothing happens in a deployment that is not initialised.
pub async fn bring_up_to_date(node: &Node, roles: &[BuiltinRole]) -> Result<usize, OpError> {
    let mut present = node.ports.registry.roles(None).await?;
    present.retain(|role| role.tenant.is_none());
    if present.is_empty() {
        return Ok(0);
    }
    let now = node.now();
    let (mut writes, mut added, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for role in roles {
        let wanted = row(role, now)?;
        match present.iter().find(|it| it.id == role.id) {
            None => {
                writes.push(Write::insert(Row::Role(wanted)));
                added.push(role.name);
            }
            Some(old) if says_the_same(old, &wanted) => {}
            Some(old) => {
                writes.push(Write::update(Row::Role(Role {
                    created_at: old.created_at,
                    etag: old.etag + 1,
                    ..wanted
                })));
                changed.push(role.name);
            }
        }
    }
    let count = writes.len();
    if count == 0 {
        return Ok(0);
    }
    let action = Action::RoleRefresh;
    let caller = Caller::system(node.own_correlation_id()?);
    let attempt = Attempt::new(node, &caller, action, None, resource("role", None, None));
    let proof = node.authorize_system(&caller, action)?;
    attempt
        .commit(proof, writes, |event| {
            detail(event, "added", added);
            detail(event, "changed", changed);
        })
        .await?;
    Ok(count)
}

fn says_the_same(old: &Role, new: &Role) -> bool {
    old.name == new.name
        && old.description == new.description
        && old.permissions == new.permissions
        && old.delegable == new.delegable
}
