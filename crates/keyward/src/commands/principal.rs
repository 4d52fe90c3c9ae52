//! `keyward principal`: persons and services.

use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use keyward_api::names::PrincipalKind;
use keyward_api::principal::{NewPrincipal, Principal};
use keyward_api::tenant::Reason;

use crate::context::{Context, InTenant};
use crate::exit::Failure;
use crate::output::{self, cell};

/// Principals: the persons and services of a tenant, or of the deployment
#[derive(Subcommand, Debug)]
pub enum PrincipalCommand {
    /// Make a principal; give it a role and a token next
    Create {
        /// Its name: a-z, 0-9, '.', '_' and '-'
        name: String,
        /// A person or a service
        #[arg(long, default_value = "service", value_parser = PossibleValuesParser::new(PrincipalKind::ALL))]
        kind: String,
        /// A mark by which the server recognises a repetition of this request
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// List principals
    List,
    /// Disable a principal: its tokens are refused from now on
    Disable {
        /// Its name or id
        principal: String,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
    },
}

impl PrincipalCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let tenant = InTenant::or_system(context)?;
        let scope = tenant.scope();
        match self {
            Self::Create {
                name,
                kind,
                idempotency_key,
            } => {
                let new = NewPrincipal {
                    name,
                    kind: kind.into(),
                };
                let made = scope
                    .create_principal(&new, idempotency_key.as_deref())
                    .await?;
                context.show(&made, |made| show(&made.value))
            }
            Self::List => context.show(&scope.principals().all().await?, |all| list(all)),
            Self::Disable { principal, reason } => {
                let done = scope
                    .disable_principal(&principal, &Reason { reason })
                    .await?;
                context.show(&done, |done| show(&done.value))
            }
        }
    }
}

fn list(principals: &[Principal]) -> Result<(), Failure> {
    output::rows(
        &["name", "kind", "disabled", "id"],
        principals.iter().map(|principal| {
            [
                principal.name.clone(),
                principal.kind.to_string(),
                cell(principal.disabled_at.as_ref()),
                principal.id.to_string(),
            ]
        }),
    )
}

fn show(principal: &Principal) -> Result<(), Failure> {
    output::fields(&[
        ("name", principal.name.clone()),
        ("id", principal.id.to_string()),
        ("kind", principal.kind.to_string()),
        ("disabled", cell(principal.disabled_at.as_ref())),
        ("created", principal.created_at.to_string()),
    ])
}
