//! `keyward token`: what principals are known by.

use clap::Subcommand;
use keyward_api::tenant::Reason;
use keyward_api::time::Time;
use keyward_api::token::{NewToken, Token};

use crate::context::{Context, InTenant};
use crate::exit::Failure;
use crate::input::Target;
use crate::output::{self, cell};

/// Tokens: what principals show to be known
#[derive(Subcommand, Debug)]
pub enum TokenCommand {
    /// Make a token; its text is shown now and never again
    Create {
        /// Whose: a principal's name or id
        principal: String,
        /// What people call it, so that a leaked one can be found
        #[arg(long, default_value = "")]
        label: String,
        /// When it ends by itself, such as 2027-01-31T08:00:00Z
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// List tokens, without their texts
    List,
    /// End a token now
    Revoke {
        /// Its id
        token: String,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
    },
}

impl TokenCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let tenant = InTenant::or_system(context)?;
        let scope = tenant.scope();
        match self {
            Self::Create {
                principal,
                label,
                expires_at,
                target,
            } => {
                let new = NewToken {
                    principal,
                    label,
                    expires_at: expires_at.map(Time),
                };
                let issued = scope.create_token(&new, None).await?;
                if !context.for_people() && !target.is_file() {
                    return output::json(&issued);
                }
                target.line(issued.text.expose())?;
                output::say(&format!(
                    "token {} was made; its text is shown only now\n",
                    issued.token.id
                ));
                Ok(())
            }
            Self::List => context.show(&scope.tokens().all().await?, |all| list(all)),
            Self::Revoke { token, reason } => {
                let done = scope.revoke_token(&token, &Reason { reason }).await?;
                context.show(&done, |done| show(&done.value))
            }
        }
    }
}

fn list(tokens: &[Token]) -> Result<(), Failure> {
    output::rows(
        &["id", "label", "principal", "expires", "revoked"],
        tokens.iter().map(|token| {
            [
                token.id.to_string(),
                token.label.clone(),
                token.principal_id.to_string(),
                cell(token.expires_at.as_ref()),
                cell(token.revoked_at.as_ref()),
            ]
        }),
    )
}

fn show(token: &Token) -> Result<(), Failure> {
    output::fields(&[
        ("id", token.id.to_string()),
        ("label", token.label.clone()),
        ("principal", token.principal_id.to_string()),
        ("created", token.created_at.to_string()),
        ("expires", cell(token.expires_at.as_ref())),
        ("revoked", cell(token.revoked_at.as_ref())),
    ])
}
