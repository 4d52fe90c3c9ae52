//! `keyward privacy`: what is held about a person.

use clap::Subcommand;
use keyward_api::privacy::{PrivacyErase, PrivacyErasure, PrivacyExport, PrivacySubject};

use crate::context::{Context, InTenant};
use crate::exit::Failure;
use crate::output::{self, cell};

/// People: what is held about them, and erasing it
#[derive(Subcommand, Debug)]
pub enum PrivacyCommand {
    /// Give out everything that is held about a person; with --output json as a document
    Export {
        /// A principal's name or id, or address:ADDRESS
        subject: String,
    },
    /// Erase a person for ever: the key to its addresses in the audit log, its name, its tokens
    ///
    /// A principal must be disabled before. With address:ADDRESS what strangers from there left. No restore
    /// brings it back. The answer says what remains, and why.
    Erase {
        /// A principal's name or id, or address:ADDRESS
        subject: String,
        /// Why; the audit log keeps it for ever. Do not say who
        #[arg(long)]
        reason: String,
    },
}

impl PrivacyCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let tenant = InTenant::or_system(context)?;
        let scope = tenant.scope();
        match self {
            Self::Export { subject } => {
                let held = scope.export_person(&PrivacySubject { subject }).await?;
                context.show(&held, show)
            }
            Self::Erase { subject, reason } => {
                let wanted = PrivacyErase { subject, reason };
                context.show(&scope.erase_person(&wanted).await?, erased)
            }
        }
    }
}

fn show(held: &PrivacyExport) -> Result<(), Failure> {
    let mut fields = Vec::new();
    if let Some(principal) = &held.principal {
        fields.push(("name", principal.name.clone()));
        fields.push(("id", principal.id.to_string()));
        fields.push(("kind", principal.kind.to_string()));
        fields.push(("disabled", cell(principal.disabled_at.as_ref())));
        fields.push(("created", principal.created_at.to_string()));
        fields.push(("roles", held.roles.join(", ")));
    }
    fields.push(("entries", cell(held.entries.as_ref())));
    output::fields(&fields)?;
    output::rows(
        &["token", "label", "made", "revoked"],
        held.tokens.iter().map(|token| {
            [
                token.id.to_string(),
                token.label.clone(),
                token.created_at.to_string(),
                cell(token.revoked_at.as_ref()),
            ]
        }),
    )?;
    output::rows(
        &["address", "in the log as", "principal", "day"],
        held.addresses.iter().map(|known| {
            [
                known.address.clone(),
                known.pseudonym.clone(),
                cell(known.principal_id.as_ref()),
                cell(known.day.as_ref()),
            ]
        }),
    )
}

fn erased(done: &PrivacyErasure) -> Result<(), Failure> {
    let key = if done.destroyed {
        "gone"
    } else {
        "unreadable, and going"
    };
    output::fields(&[
        ("addresses erased", done.addresses.to_string()),
        ("key", key.to_owned()),
    ])?;
    output::rows(
        &["what remains", "how many", "why"],
        done.remains
            .iter()
            .map(|it| [it.what.clone(), cell(it.count.as_ref()), it.why.clone()]),
    )
}
