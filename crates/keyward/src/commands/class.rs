//! `keyward class`: which key is current for a class of data.

use clap::Subcommand;
use keyward_api::class::{ClassAssignment, ClassPointer};
use keyward_api::tenant::Reason;

use crate::context::{Context, InTenant};
use crate::exit::Failure;
use crate::output::{self, cell};

/// Classes of data, such as PHI_DATA, and the key that is current for each
#[derive(Subcommand, Debug)]
pub enum ClassCommand {
    /// List the classes that have a current key
    List,
    /// Show the current key of a class
    Show {
        /// The class, such as PHI_DATA
        class: String,
    },
    /// Name the current key of a class; the key must be of that class
    Set {
        /// The class, such as PHI_DATA
        class: String,
        /// The key's name, id or ARN
        key: String,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
        /// Only if nobody changed it since it had this etag
        #[arg(long, value_name = "ETAG")]
        if_match: Option<i64>,
    },
    /// Return a class to the key it had before
    Revert {
        /// The class, such as PHI_DATA
        class: String,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
    },
}

impl ClassCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let tenant = InTenant::of(context)?;
        let scope = tenant.scope();
        match self {
            Self::List => context.show(&scope.classes().all().await?, |all| list(all)),
            Self::Show { class } => context.show(&scope.class(&class).key().await?, |current| {
                output::fields(&[
                    ("class", current.pointer.class.clone()),
                    ("key", current.key.summary.name.clone()),
                    ("key id", current.pointer.key_id.to_string()),
                    ("state", current.key.summary.state.to_string()),
                    (
                        "primary version",
                        current.key.summary.primary_version.to_string(),
                    ),
                    ("previous key", cell(current.pointer.previous_key_id)),
                    ("updated", current.pointer.updated_at.to_string()),
                    ("etag", current.pointer.etag.to_string()),
                ])
            }),
            Self::Set {
                class,
                key,
                reason,
                if_match,
            } => {
                let assignment = ClassAssignment { key, reason };
                let done = scope.class(&class).set_key(&assignment, if_match).await?;
                context.show(&done, |done| list(std::slice::from_ref(&done.value)))
            }
            Self::Revert { class, reason } => {
                let done = scope.class(&class).revert(&Reason { reason }).await?;
                context.show(&done, |done| list(std::slice::from_ref(&done.value)))
            }
        }
    }
}

fn list(pointers: &[ClassPointer]) -> Result<(), Failure> {
    output::rows(
        &["class", "current key", "previous key", "updated"],
        pointers.iter().map(|pointer| {
            [
                pointer.class.clone(),
                pointer.key_id.to_string(),
                cell(pointer.previous_key_id),
                pointer.updated_at.to_string(),
            ]
        }),
    )
}
