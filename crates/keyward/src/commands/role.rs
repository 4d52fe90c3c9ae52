//! `keyward role`: what principals may do.

use std::collections::BTreeMap;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use keyward_api::names::Permission;
use keyward_api::role::{
    AssignedRestriction, NewAssignment, NewRole, Restriction, Role, RoleAssignment, RoleChange,
};
use keyward_api::tenant::Reason;
use keyward_client::Scope;
use uuid::Uuid;

use crate::context::{Context, InTenant};
use crate::exit::Failure;
use crate::input::pair;
use crate::output;

/// Roles: what principals may do, and who holds them
#[derive(Subcommand, Debug)]
pub enum RoleCommand {
    /// List the built-in roles and the tenant's own
    List,
    /// Show what a role allows
    Show {
        /// Its name
        role: String,
    },
    /// Make a role from the catalogue of permissions; none that you lack
    Create {
        /// Its name
        role: String,
        /// What it is for
        #[arg(long, default_value = "")]
        description: String,
        #[command(flatten)]
        allows: Allows,
    },
    /// Change what a role allows; what is not named stays
    Update {
        /// Its name
        role: String,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
        #[command(flatten)]
        allows: Allows,
        /// Only if nobody changed it since it had this etag
        #[arg(long, value_name = "ETAG")]
        if_match: Option<i64>,
    },
    /// Give a role to a principal
    Assign {
        /// The role's name
        role: String,
        /// To whom: a principal's name or id
        principal: String,
        /// For these keys only, by name
        #[arg(long = "key", value_name = "KEY")]
        keys: Vec<String>,
        /// For keys of these classes of data only
        #[arg(long = "class", value_name = "CLASS")]
        classes: Vec<String>,
        /// For keys with these tags only
        #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = pair)]
        tags: Vec<(String, String)>,
    },
    /// Take a role from a principal
    Unassign {
        /// The assignment's id, as `role assignments` shows it
        assignment: String,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
    },
    /// List who holds what
    Assignments,
}

/// What a role allows.
#[derive(Args, Debug)]
pub struct Allows {
    /// An action its holder may perform; again for more
    #[arg(long = "allow", value_name = "ACTION", hide_possible_values = true, value_parser = PossibleValuesParser::new(Permission::ALL))]
    allow: Vec<String>,
    /// An action its holder may let others perform, besides its own; again for more
    #[arg(long = "delegate", value_name = "ACTION", hide_possible_values = true, value_parser = PossibleValuesParser::new(Permission::ALL))]
    delegate: Vec<String>,
}

impl RoleCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let tenant = InTenant::or_system(context)?;
        let scope = tenant.scope();
        match self {
            Self::List => context.show(&scope.roles().all().await?, |all| list(all)),
            Self::Show { role } => {
                let found = scope
                    .roles()
                    .all()
                    .await?
                    .into_iter()
                    .find(|found| found.name == role);
                let found = found.ok_or_else(|| {
                    Failure::new(crate::exit::Exit::NotFound, format!("no such role: {role}"))
                        .next("`keyward role list` shows those that there are")
                })?;
                context.show(&found, show)
            }
            Self::Create {
                role,
                description,
                allows,
            } => {
                let new = NewRole {
                    name: role,
                    description,
                    permissions: permissions(allows.allow),
                    delegable: permissions(allows.delegate),
                };
                let made = scope.create_role(&new).await?;
                context.show(&made, |made| show(&made.value))
            }
            Self::Update {
                role,
                description,
                allows,
                if_match,
            } => {
                let change = RoleChange {
                    description,
                    permissions: given(allows.allow),
                    delegable: given(allows.delegate),
                };
                let changed = scope.update_role(&role, &change, if_match).await?;
                context.show(&changed, |changed| show(&changed.value))
            }
            Self::Assign {
                role,
                principal,
                keys,
                classes,
                tags,
            } => {
                let narrowed = !(keys.is_empty() && classes.is_empty() && tags.is_empty());
                let restriction = narrowed.then(|| Restriction {
                    keys,
                    classes,
                    tags: tags.into_iter().collect(),
                });
                let new = NewAssignment {
                    principal,
                    role,
                    restriction,
                };
                let made = scope.assign_role(&new).await?;
                let names = Names::of(scope).await;
                context.show(&made, |made| names.list(std::slice::from_ref(&made.value)))
            }
            Self::Unassign { assignment, reason } => {
                let done = scope.unassign_role(&assignment, &Reason { reason }).await?;
                let names = Names::of(scope).await;
                context.show(&done, |done| names.list(std::slice::from_ref(&done.value)))
            }
            Self::Assignments => {
                let (all, names) = (scope.assignments().all().await?, Names::of(scope).await);
                context.show(&all, |all| names.list(all))
            }
        }
    }
}

fn permissions(names: Vec<String>) -> Vec<Permission> {
    names.into_iter().map(Permission::from).collect()
}

/// Nothing named means nothing is to change.
fn given(names: Vec<String>) -> Option<Vec<Permission>> {
    (!names.is_empty()).then(|| permissions(names))
}

fn list(roles: &[Role]) -> Result<(), Failure> {
    output::rows(
        &["name", "kind", "actions", "description"],
        roles.iter().map(|role| {
            [
                role.name.clone(),
                if role.tenant_id.is_some() {
                    "own"
                } else {
                    "built-in"
                }
                .to_owned(),
                role.permissions.len().to_string(),
                role.description.clone(),
            ]
        }),
    )
}

fn show(role: &Role) -> Result<(), Failure> {
    let names = |actions: &[Permission]| {
        actions
            .iter()
            .map(Permission::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    };
    output::fields(&[
        ("name", role.name.clone()),
        ("id", role.id.to_string()),
        ("description", role.description.clone()),
        ("allows", names(&role.permissions)),
        ("delegates", names(&role.delegable)),
        ("etag", role.etag.to_string()),
    ])
}

/// What ids are called, as far as the caller may know: a name reads better than a UUID.
struct Names(BTreeMap<Uuid, String>);

impl Names {
    async fn of(scope: Scope<'_>) -> Self {
        let roles = scope.roles().all().await.unwrap_or_default();
        let principals = scope.principals().all().await.unwrap_or_default();
        let roles = roles.into_iter().map(|role| (role.id, role.name));
        Self(
            roles
                .chain(principals.into_iter().map(|who| (who.id, who.name)))
                .collect(),
        )
    }

    fn name(&self, id: Uuid) -> String {
        self.0.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    fn list(&self, assignments: &[RoleAssignment]) -> Result<(), Failure> {
        output::rows(
            &["id", "role", "principal", "only for"],
            assignments.iter().map(|assignment| {
                [
                    assignment.id.to_string(),
                    self.name(assignment.role_id),
                    self.name(assignment.principal_id),
                    assignment
                        .restriction
                        .as_ref()
                        .map_or_else(String::new, narrowed_to),
                ]
            }),
        )
    }
}

fn narrowed_to(restriction: &AssignedRestriction) -> String {
    let tags = restriction
        .tags
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    restriction
        .keys
        .iter()
        .chain(&restriction.classes)
        .cloned()
        .chain(tags)
        .collect::<Vec<_>>()
        .join(" ")
}
