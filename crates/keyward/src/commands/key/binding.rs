//! What keys protect.

use clap::Subcommand;
use keyward_api::binding::{DataBinding, NewBinding};
use keyward_api::tenant::Reason;
use keyward_client::Scope;

use crate::context::Context;
use crate::exit::Failure;
use crate::output::{self, cell};

/// What keys protect.
#[derive(Subcommand, Debug)]
pub enum BindingCommand {
    /// Record that a key protects some data
    Bind {
        /// The key's name, id or ARN
        key: String,
        /// Where the data is
        uri: String,
        /// What people call it
        #[arg(long, default_value = "")]
        label: String,
        /// Who answers for the data
        #[arg(long, default_value = "")]
        owner: String,
        /// A mark by which the server recognises a repetition of this request
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// List the data that a key protects, or did
    Bindings {
        /// The key's name, id or ARN
        key: String,
    },
    /// Record that a key protects some data no more
    Unbind {
        /// The key's name, id or ARN
        key: String,
        /// The binding's id, as `key bindings` shows it
        binding: String,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
    },
}

impl BindingCommand {
    /// Does it.
    pub async fn run(self, context: &Context, scope: Scope<'_>) -> Result<(), Failure> {
        match self {
            Self::Bind {
                key,
                uri,
                label,
                owner,
                idempotency_key,
            } => {
                let new = NewBinding { uri, label, owner };
                let made = scope
                    .key(&key)
                    .bind(&new, idempotency_key.as_deref())
                    .await?;
                context.show(&made, |made| list(std::slice::from_ref(&made.value)))
            }
            Self::Bindings { key } => {
                context.show(&scope.key(&key).bindings().all().await?, |all| list(all))
            }
            Self::Unbind {
                key,
                binding,
                reason,
            } => {
                let done = scope
                    .key(&key)
                    .release(&binding, &Reason { reason })
                    .await?;
                context.show(&done, |done| list(std::slice::from_ref(&done.value)))
            }
        }
    }
}

fn list(bindings: &[DataBinding]) -> Result<(), Failure> {
    output::rows(
        &["id", "uri", "label", "owner", "since", "released"],
        bindings.iter().map(|binding| {
            [
                binding.id.to_string(),
                output::or_sealed(&binding.uri, "uri", &binding.sealed_fields),
                output::or_sealed(&binding.label, "label", &binding.sealed_fields),
                output::or_sealed(&binding.owner, "owner", &binding.sealed_fields),
                binding.created_at.to_string(),
                cell(binding.released_at.as_ref()),
            ]
        }),
    )
}
