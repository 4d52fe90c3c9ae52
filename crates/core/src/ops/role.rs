//! Roles and who holds them. A role cannot grant what its author lacks, and nobody gives a role
//! to themselves.

use crate::caller::{Caller, Changed, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::{AssignmentId, PrincipalId, RoleId, TenantId};
use crate::names::RoleName;
use crate::node::Node;
use crate::noun::action::{Action, ActionSet, Effect};
use crate::noun::role::{Restriction, Role, RoleAssignment};
use crate::ops::gate::{Attempt, bounded, detail, resource, tenant_resource};
use crate::ops::token::PrincipalRef;

/// What a new role is to be.
#[derive(Clone, Debug)]
pub struct NewRole {
    /// Its name, different from every built-in role's.
    pub name: RoleName,
    /// What it is for, at most 1,024 characters.
    pub description: String,
    /// What its holder may do.
    pub permissions: ActionSet,
    /// What its holder may give to others besides.
    pub delegable: ActionSet,
}

/// What is to change of a role.
#[derive(Clone, Debug, Default)]
pub struct RoleChange {
    /// A new description.
    pub description: Option<String>,
    /// New permissions.
    pub permissions: Option<ActionSet>,
    /// New delegable permissions.
    pub delegable: Option<ActionSet>,
}

/// A role to be given.
#[derive(Clone, Debug)]
pub struct NewAssignment {
    /// To whom.
    pub principal: PrincipalRef,
    /// Which role.
    pub role: RoleName,
    /// For which keys only.
    pub restriction: Option<Restriction>,
}

impl Node {
    /// What a caller may give to others in a tenant (or, with none, everywhere): what it holds
    /// itself and what it may delegate, unrestricted only.
    fn may_give(caller: &Caller, tenant: Option<TenantId>) -> ActionSet {
        caller
            .grants
            .iter()
            .filter(|grant| grant.restriction.is_none())
            .filter(|grant| grant.tenant.is_none() || grant.tenant == tenant)
            .fold(ActionSet::EMPTY, |all, grant| {
                all.union(grant.permissions).union(grant.delegable)
            })
    }

    fn ensure_within(
        caller: &Caller,
        tenant: Option<TenantId>,
        wanted: ActionSet,
    ) -> Result<(), OpError> {
        if caller.is_system() {
            return Ok(());
        }
        match wanted.without(Self::may_give(caller, tenant)).iter().next() {
            None => Ok(()),
            Some(lacking) => Err(OpError::Forbidden {
                action: lacking.name(),
            }),
        }
    }

    /// Refuses to hand out the powers of a principal that holds more than the caller may give.
    pub(crate) async fn ensure_may_give(
        &self,
        caller: &Caller,
        principal: PrincipalId,
    ) -> Result<(), OpError> {
        if caller.principal == Some(principal) {
            return Ok(());
        }
        for assignment in self.ports.registry.assignments_of(principal).await? {
            let Some(role) = self.ports.registry.role(assignment.role).await? else {
                continue;
            };
            let held = role.permissions.union(role.delegable);
            let held = if assignment.tenant.is_some() {
                within_tenant(held)
            } else {
                held
            };
            Self::ensure_within(caller, assignment.tenant, held)?;
        }
        Ok(())
    }

    async fn find_role(&self, tenant: Option<TenantId>, name: &RoleName) -> Result<Role, OpError> {
        self.ports
            .registry
            .role_by_name(tenant, name)
            .await?
            .ok_or(OpError::NotFound { what: "role" })
    }
}

fn ensure_grantable(actions: ActionSet, tenant: Option<TenantId>) -> Result<(), OpError> {
    for action in actions.iter() {
        if action.effect() == Effect::Record {
            return Err(OpError::invalid(
                "permissions",
                format!("{action} is never granted"),
            ));
        }
        if tenant.is_some() && action.scope() == crate::noun::action::Scope::System {
            return Err(OpError::invalid(
                "permissions",
                format!("{action} acts on the deployment; a tenant's role cannot have it"),
            ));
        }
    }
    Ok(())
}

/// Makes a role from the catalogue of permissions.
pub async fn create(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    new: NewRole,
) -> Result<Changed<Role>, OpError> {
    let named = resource("role", None, Some(new.name.as_str()));
    let attempt = Attempt::new(
        node,
        caller,
        Action::RoleCreate,
        node.tenant_id(scope),
        named,
    );
    attempt
        .change(async {
            let (tenant, proof) = node.authorize_scope(caller, Action::RoleCreate, scope)?;
            bounded("description", &new.description, 1024)?;
            ensure_grantable(new.permissions.union(new.delegable), tenant)?;
            Node::ensure_within(caller, tenant, new.permissions.union(new.delegable))?;
            // A tenant's role would hide a built-in one of the same name.
            if node
                .ports
                .registry
                .role_by_name(tenant, &new.name)
                .await?
                .is_some()
            {
                return Err(OpError::AlreadyExists { what: "role" });
            }
            let now = node.now();
            let role = Role {
                id: RoleId::from_random(node.random_id()?),
                tenant,
                name: new.name.clone(),
                description: new.description.clone(),
                permissions: new.permissions,
                delegable: new.delegable,
                created_at: now,
                updated_at: now,
                etag: 1,
            };
            let writes = vec![Write::insert(Row::Role(role.clone()))];
            let done = attempt
                .commit(proof, writes, |event| {
                    event.resource.id = Some(role.id.uuid());
                    detail(event, "permissions", names(role.permissions));
                    detail(event, "delegable", names(role.delegable));
                })
                .await?;
            Ok(done.map(|()| role))
        })
        .await
}

fn names(actions: ActionSet) -> Vec<&'static str> {
    actions.iter().map(Action::name).collect()
}

/// Lists the built-in roles and the tenant's own.
pub async fn list(node: &Node, caller: &Caller, scope: &TenantRef) -> Result<Vec<Role>, OpError> {
    Attempt::new(
        node,
        caller,
        Action::RoleList,
        node.tenant_id(scope),
        tenant_resource(scope),
    )
    .read(async {
        let (tenant, _) = node.authorize_scope(caller, Action::RoleList, scope)?;
        Ok(node.ports.registry.roles(tenant).await?)
    })
    .await
}

/// Changes what a role of the tenant allows. Built-in roles stay as they are.
pub async fn update(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    name: &RoleName,
    change: RoleChange,
    if_match: Option<i64>,
) -> Result<Changed<Role>, OpError> {
    let named = resource("role", None, Some(name.as_str()));
    let attempt = Attempt::new(
        node,
        caller,
        Action::RoleUpdate,
        node.tenant_id(scope),
        named,
    );
    attempt
        .change(async {
            let (tenant, proof) = node.authorize_scope(caller, Action::RoleUpdate, scope)?;
            let mut role = node.find_role(tenant, name).await?;
            if is_built_in(&role) {
                return Err(OpError::invalid(
                    "role",
                    "a built-in role cannot be changed",
                ));
            }
            ensure_match(if_match, role.etag)?;
            bounded(
                "description",
                change.description.as_deref().unwrap_or(""),
                1024,
            )?;
            let wanted = change
                .permissions
                .unwrap_or_default()
                .union(change.delegable.unwrap_or_default());
            ensure_grantable(wanted, tenant)?;
            Node::ensure_within(caller, tenant, wanted)?;
            role.description = change.description.unwrap_or(role.description);
            role.permissions = change.permissions.unwrap_or(role.permissions);
            role.delegable = change.delegable.unwrap_or(role.delegable);
            role.updated_at = node.now();
            role.etag += 1;
            let writes = vec![Write::update(Row::Role(role.clone()))];
            let done = attempt
                .commit(proof, writes, |event| {
                    event.resource.id = Some(role.id.uuid());
                    detail(event, "permissions", names(role.permissions));
                    detail(event, "delegable", names(role.delegable));
                })
                .await?;
            Ok(done.map(|()| role))
        })
        .await
}

/// Built-in roles have ids of version 8: fixed by us, not random.
fn is_built_in(role: &Role) -> bool {
    role.tenant.is_none() && role.id.uuid().get_version_num() == 8
}

/// Refuses if the caller read another row version than the present one.
pub(crate) fn ensure_match(if_match: Option<i64>, now: i64) -> Result<(), OpError> {
    match if_match {
        Some(etag) if etag != now => Err(OpError::PreconditionFailed { now }),
        _ => Ok(()),
    }
}

/// Gives a role to a principal.
pub async fn assign(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    new: NewAssignment,
) -> Result<Changed<RoleAssignment>, OpError> {
    let named = resource("role", None, Some(new.role.as_str()));
    let attempt = Attempt::new(
        node,
        caller,
        Action::RoleAssign,
        node.tenant_id(scope),
        named,
    );
    attempt
        .change(async {
            let (tenant, proof) = node.authorize_scope(caller, Action::RoleAssign, scope)?;
            let principal = node.find_principal(tenant, &new.principal).await?;
            if caller.principal == Some(principal.id) {
                return Err(OpError::Forbidden {
                    action: "role.assign to yourself",
                });
            }
            let role = node.find_role(tenant, &new.role).await?;
            // A built-in role may hold actions on the deployment; in a tenant they have no effect.
            let wanted = role.permissions.union(role.delegable);
            let effective = if tenant.is_some() {
                within_tenant(wanted)
            } else {
                wanted
            };
            Node::ensure_within(caller, tenant, effective)?;
            if let Some(restriction) = &new.restriction {
                ensure_bounded_restriction(restriction)?;
            }
            let assignment = RoleAssignment {
                id: AssignmentId::from_random(node.random_id()?),
                tenant,
                principal: principal.id,
                role: role.id,
                restriction: new.restriction.clone(),
                created_at: node.now(),
                etag: 1,
            };
            let writes = vec![Write::insert(Row::RoleAssignment(assignment.clone()))];
            let done = attempt
                .commit(proof, writes, |event| {
                    event.resource.id = Some(role.id.uuid());
                    detail(event, "principal", principal.id.to_string());
                    detail(event, "assignment", assignment.id.to_string());
                    detail(event, "restricted", assignment.restriction.is_some());
                })
                .await?;
            Ok(done.map(|()| assignment))
        })
        .await
}

fn within_tenant(actions: ActionSet) -> ActionSet {
    actions
        .iter()
        .filter(|action| action.scope() != crate::noun::action::Scope::System)
        .collect()
}

fn ensure_bounded_restriction(restriction: &Restriction) -> Result<(), OpError> {
    let count = restriction.keys.len() + restriction.classes.len() + restriction.tags.len();
    if !(1..=100).contains(&count) {
        return Err(OpError::invalid(
            "restriction",
            "must name 1 to 100 keys, classes and tags",
        ));
    }
    for (tag, value) in &restriction.tags {
        bounded("restriction", tag, 128)?;
        bounded("restriction", value, 256)?;
    }
    Ok(())
}

/// Lists who holds what.
pub async fn assignments(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
) -> Result<Vec<RoleAssignment>, OpError> {
    Attempt::new(
        node,
        caller,
        Action::RoleList,
        node.tenant_id(scope),
        tenant_resource(scope),
    )
    .read(async {
        let (tenant, _) = node.authorize_scope(caller, Action::RoleList, scope)?;
        Ok(node.ports.registry.assignments(tenant).await?)
    })
    .await
}

/// Takes a role from a principal.
pub async fn unassign(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    id: AssignmentId,
    reason: Option<String>,
) -> Result<Changed<RoleAssignment>, OpError> {
    let named = resource("role_assignment", Some(id.uuid()), None);
    let attempt = Attempt::new(
        node,
        caller,
        Action::RoleUnassign,
        node.tenant_id(scope),
        named,
    );
    attempt
        .change(async {
            let (tenant, proof) = node.authorize_scope(caller, Action::RoleUnassign, scope)?;
            bounded("reason", reason.as_deref().unwrap_or(""), 1024)?;
            let row = node
                .ports
                .registry
                .assignments(tenant)
                .await?
                .into_iter()
                .find(|row| row.id == id)
                .ok_or(OpError::NotFound {
                    what: "role assignment",
                })?;
            let writes = vec![Write::delete(Row::RoleAssignment(row.clone()))];
            let done = attempt
                .commit(proof, writes, |event| {
                    event.reason = reason;
                    detail(event, "principal", row.principal.to_string());
                    detail(event, "role", row.role.to_string());
                })
                .await?;
            Ok(done.map(|()| row))
        })
        .await
}
