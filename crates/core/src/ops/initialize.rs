//! Once in a deployment's life: the built-in roles, the first principal, and its first token.

use std::sync::Arc;

use crate::audit::Outcome;
use crate::caller::Caller;
use crate::change::{Commit, Row, Write};
use crate::error::OpError;
use crate::ids::{AssignmentId, PrincipalId, RoleId};
use crate::names::{PrincipalName, RoleName};
use crate::node::Node;
use crate::noun::action::{Action, ActionSet};
use crate::noun::principal::{Principal, PrincipalKind};
use crate::noun::role::{Role, RoleAssignment};
use crate::ops::gate::{Attempt, resource};
use crate::ops::token::IssuedToken;

/// A role that every deployment has. Its id is fixed: a UUID of version 8.
#[derive(Clone, Debug)]
pub struct BuiltinRole {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// What its holder may do.
    pub permissions: ActionSet,
    /// What its holder may give to others besides.
    pub delegable: ActionSet,
}

/// The principal that the first token stands for.
const FIRST_PRINCIPAL: &str = "root";
/// The role it holds.
const FIRST_ROLE: &str = "system-admin";

/// Makes the rows of a new deployment and its first token, which is shown once and lives 24 hours.
/// The node needs no keys loaded for it. Refuses if it was done before.
pub async fn initialize(node: &Node, roles: &[BuiltinRole]) -> Result<IssuedToken, OpError> {
    let caller = Caller::system(node.own_correlation_id()?);
    let now = node.now();
    let mut writes = Vec::new();
    for role in roles {
        writes.push(Write::insert(Row::Role(row(role, now)?)));
    }
    let admin = roles
        .iter()
        .find(|role| role.name == FIRST_ROLE)
        .ok_or(OpError::NotFound { what: "role" })?;
    let principal = Principal {
        id: PrincipalId::from_random(node.random_id()?),
        tenant: None,
        name: PrincipalName::new(FIRST_PRINCIPAL).map_err(|_| OpError::Crypto)?,
        kind: PrincipalKind::Person,
        disabled_at: None,
        created_at: now,
        updated_at: now,
        etag: 1,
    };
    let assignment = RoleAssignment {
        id: AssignmentId::from_random(node.random_id()?),
        tenant: None,
        principal: principal.id,
        role: admin.id,
        restriction: None,
        created_at: now,
        etag: 1,
    };
    let expires_at = now.plus_seconds(node.settings.bootstrap_token_seconds);
    let issued = node.issue(&principal, "bootstrap", Some(expires_at), None)?;
    writes.push(Write::insert(Row::Principal(principal)));
    writes.push(Write::insert(Row::RoleAssignment(assignment)));
    writes.push(Write::insert(Row::Token(issued.token.clone())));
    commit_as_system(node, &caller, writes).await?;
    Ok(issued)
}

pub(super) fn row(role: &BuiltinRole, now: crate::time::Timestamp) -> Result<Role, OpError> {
    Ok(Role {
        id: role.id,
        tenant: None,
        name: RoleName::new(role.name).map_err(|_| OpError::Crypto)?,
        description: role.description.to_owned(),
        permissions: role.permissions,
        delegable: role.delegable,
        created_at: now,
        updated_at: now,
        etag: 1,
    })
}

async fn commit_as_system(node: &Node, caller: &Caller, writes: Vec<Write>) -> Result<(), OpError> {
    let attempt = Attempt::new(
        node,
        caller,
        Action::SystemInit,
        None,
        resource("deployment", Some(node.settings.deployment), None),
    );
    let event = attempt.event(Outcome::Ok);
    let commit = Commit {
        tenant: None,
        writes,
        event,
        idempotency: None,
        fence: None,
    };
    node.ports.registry.commit(commit).await?;
    Ok(())
}

/// Mints another token for the first principal: for `keyward dev`, whose operator owns the data
/// directory anyway. Audited like any other.
pub async fn reissue_first_token(node: &Node) -> Result<IssuedToken, OpError> {
    let caller = Caller::system(node.own_correlation_id()?);
    let name = PrincipalName::new(FIRST_PRINCIPAL).map_err(|_| OpError::Crypto)?;
    let principal = node
        .find_principal(None, &crate::ops::token::PrincipalRef::Name(name))
        .await?;
    let expires_at = node
        .now()
        .plus_seconds(node.settings.bootstrap_token_seconds);
    let issued = node.issue(&principal, "bootstrap", Some(expires_at), None)?;
    let attempt = Attempt::new(
        node,
        &caller,
        Action::TokenCreate,
        None,
        resource("token", Some(issued.token.id.uuid()), None),
    );
    let event = attempt.event(Outcome::Ok);
    let writes = vec![Write::insert(Row::Token(issued.token.clone()))];
    let commit = Commit {
        tenant: None,
        writes,
        event,
        idempotency: None,
        fence: None,
    };
    let change = node.ports.registry.commit(commit).await?;
    node.memory.pump.logged(change.revision).await?;
    Ok(issued)
}

/// A caller who holds everything everywhere, for what the binary itself does in `keyward dev`
/// when it makes its sample data. Its actions are audited as the system's.
pub fn system_caller(node: &Node) -> Result<Arc<Caller>, OpError> {
    Ok(Arc::new(Caller::system(node.own_correlation_id()?)))
}
