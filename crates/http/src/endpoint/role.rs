//! `/v1/tenants/{tenant}/roles` and `…/assignments`: what may be done, and who may do it.

use keyward_api::names::Permission;
use keyward_api::page::{Changed, Page};
use keyward_api::role::{NewAssignment, NewRole, Role, RoleAssignment, RoleChange};
use keyward_core::names::{DataClass, KeyName};
use keyward_core::noun::action::{Action, ActionSet};
use keyward_core::noun::role::Restriction;
use keyward_core::ops;
use utoipa::openapi::HttpMethod::{Delete, Get, Patch, Post};

use super::Route;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::Input;
use crate::problem::Failure;
use crate::query::Because;
use crate::reference::parse;
use crate::view::access as view;

const TAG: &str = "roles";

/// Its routes.
pub fn routes() -> Vec<Route> {
    let roles = "/v1/tenants/{tenant}/roles";
    let assignments = "/v1/tenants/{tenant}/assignments";
    vec![
        Endpoint::new(
            Post,
            roles,
            "create_role",
            TAG,
            "Makes a role from the catalogue of permissions; it cannot grant what its author lacks",
        )
        .takes::<NewRole>()
        .creates::<Changed<Role>>("The role.")
        .to(create),
        Endpoint::new(
            Get,
            roles,
            "list_roles",
            TAG,
            "Lists the built-in roles and the tenant's own",
        )
        .answers::<Page<Role>>("Every role.")
        .to(list),
        Endpoint::new(
            Patch,
            "/v1/tenants/{tenant}/roles/{role}",
            "update_role",
            TAG,
            "Changes what a role allows",
        )
        .takes::<RoleChange>()
        .if_match()
        .changes()
        .answers_tagged::<Changed<Role>>("The role.")
        .to(update),
        Endpoint::new(
            Post,
            assignments,
            "assign_role",
            TAG,
            "Gives a role to a principal",
        )
        .takes::<NewAssignment>()
        .creates::<Changed<RoleAssignment>>("The assignment.")
        .to(assign),
        Endpoint::new(
            Get,
            assignments,
            "list_assignments",
            TAG,
            "Lists who holds what",
        )
        .answers::<Page<RoleAssignment>>("Every assignment.")
        .to(assignments_of),
        Endpoint::new(
            Delete,
            "/v1/tenants/{tenant}/assignments/{assignment}",
            "unassign_role",
            TAG,
            "Takes a role from a principal",
        )
        .asks::<Because>()
        .changes()
        .answers::<Changed<RoleAssignment>>("The assignment that was.")
        .to(unassign),
    ]
}

async fn create(call: Call, input: Input<NewRole>) -> Answer {
    let scope = call.tenant()?;
    let NewRole {
        name,
        description,
        permissions,
        delegable,
    } = input.value;
    let new = ops::role::NewRole {
        name: parse("name", &name)?,
        description,
        permissions: actions("permissions", &permissions)?,
        delegable: actions("delegable", &delegable)?,
    };
    let done = ops::role::create(call.node(), call.caller(), &scope, new).await?;
    let location = format!("{}/{}", call.path(), done.value.name);
    let etag = done.value.etag;
    answer::created(&answer::changed(done, view::role), Some(etag), &location)
}

async fn list(call: Call) -> Answer {
    let roles = ops::role::list(call.node(), call.caller(), &call.tenant()?).await?;
    answer::page(roles.into_iter().map(view::role).collect(), None)
}

async fn update(call: Call, input: Input<RoleChange>) -> Answer {
    let (scope, name, if_match) = (call.tenant()?, call.at("role")?, call.if_match()?);
    let RoleChange {
        description,
        permissions,
        delegable,
    } = input.value;
    let change = ops::role::RoleChange {
        description,
        permissions: permissions
            .map(|names| actions("permissions", &names))
            .transpose()?,
        delegable: delegable
            .map(|names| actions("delegable", &names))
            .transpose()?,
    };
    let done =
        ops::role::update(call.node(), call.caller(), &scope, &name, change, if_match).await?;
    let etag = done.value.etag;
    answer::tagged(&answer::changed(done, view::role), etag)
}

async fn assign(call: Call, input: Input<NewAssignment>) -> Answer {
    let scope = call.tenant()?;
    let new = ops::role::NewAssignment {
        principal: super::principal::reference("principal", &input.value.principal)?,
        role: parse("role", &input.value.role)?,
        restriction: input.value.restriction.map(restriction).transpose()?,
    };
    let done = ops::role::assign(call.node(), call.caller(), &scope, new).await?;
    let location = format!("{}/{}", call.path(), done.value.id);
    answer::created(&answer::changed(done, view::assignment), None, &location)
}

async fn assignments_of(call: Call) -> Answer {
    let found = ops::role::assignments(call.node(), call.caller(), &call.tenant()?).await?;
    answer::page(found.into_iter().map(view::assignment).collect(), None)
}

async fn unassign(call: Call) -> Answer {
    let (scope, id) = (call.tenant()?, call.at("assignment")?);
    let Because { reason } = call.query()?;
    let done = ops::role::unassign(call.node(), call.caller(), &scope, id, reason).await?;
    answer::ok(&answer::changed(done, view::assignment))
}

fn actions(field: &'static str, names: &[Permission]) -> Result<ActionSet, Failure> {
    names
        .iter()
        .map(|name| parse::<Action>(field, name.as_str()))
        .collect()
}

fn restriction(given: keyward_api::role::Restriction) -> Result<Restriction, Failure> {
    let keys = given
        .keys
        .iter()
        .map(|name| parse::<KeyName>("restriction.keys", name));
    let classes = given
        .classes
        .iter()
        .map(|class| parse::<DataClass>("restriction.classes", class));
    Ok(Restriction {
        keys: keys.collect::<Result<_, _>>()?,
        classes: classes.collect::<Result<_, _>>()?,
        tags: given.tags,
    })
}
