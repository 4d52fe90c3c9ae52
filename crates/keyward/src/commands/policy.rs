//! `keyward policy`: when keys are rotated.

use clap::Subcommand;
use keyward_api::policy::{NewPolicy, Policy, PolicyChange};
use keyward_api::tenant::Reason;

use crate::context::{Context, InTenant};
use crate::exit::Failure;
use crate::output::{self, cell};

/// Rotation policies
#[derive(Subcommand, Debug)]
pub enum PolicyCommand {
    /// Make a policy
    Create {
        /// Its name: a-z, 0-9, '.', '_' and '-'
        name: String,
        /// Free text
        #[arg(long, default_value = "")]
        description: String,
        /// Days from one rotation to the next
        #[arg(long, value_name = "DAYS")]
        every_days: Option<i32>,
        /// How long a rotation can be undone
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
        rollback_window: i64,
        /// How long a replaced version still protects when asked for by number
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        overlap: i64,
    },
    /// List policies
    List,
    /// Show a policy
    Show {
        /// Its name
        policy: String,
    },
    /// Change a policy; what is not named stays
    Update {
        /// Its name
        policy: String,
        /// Free text
        #[arg(long)]
        description: Option<String>,
        /// Days from one rotation to the next; 0 for none by itself
        #[arg(long, value_name = "DAYS")]
        every_days: Option<i32>,
        /// How long a rotation can be undone
        #[arg(long, value_name = "SECONDS")]
        rollback_window: Option<i64>,
        /// How long a replaced version still protects when asked for by number
        #[arg(long, value_name = "SECONDS")]
        overlap: Option<i64>,
        /// Only if nobody changed it since it had this etag
        #[arg(long, value_name = "ETAG")]
        if_match: Option<i64>,
    },
    /// Delete a policy; keys that had it have none
    Delete {
        /// Its name
        policy: String,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
    },
}

impl PolicyCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let tenant = InTenant::of(context)?;
        let scope = tenant.scope();
        match self {
            Self::Create {
                name,
                description,
                every_days,
                rollback_window,
                overlap,
            } => {
                let new = NewPolicy {
                    name,
                    description,
                    rotation_interval_days: every_days,
                    rollback_window_seconds: rollback_window,
                    overlap_seconds: overlap,
                };
                let made = scope.create_policy(&new, None).await?;
                context.show(&made, |made| show(&made.value))
            }
            Self::List => context.show(&scope.policies().all().await?, |all| list(all)),
            Self::Show { policy } => context.show(&scope.policy(&policy).await?, show),
            Self::Update {
                policy,
                description,
                every_days,
                rollback_window,
                overlap,
                if_match,
            } => {
                let change = PolicyChange {
                    description,
                    rotation_interval_days: every_days.map(|days| (days != 0).then_some(days)),
                    rollback_window_seconds: rollback_window,
                    overlap_seconds: overlap,
                };
                let done = scope.update_policy(&policy, &change, if_match).await?;
                context.show(&done, |done| show(&done.value))
            }
            Self::Delete { policy, reason } => {
                let done = scope.delete_policy(&policy, &Reason { reason }).await?;
                context.show(&done, |done| show(&done.value))
            }
        }
    }
}

fn list(policies: &[Policy]) -> Result<(), Failure> {
    output::rows(
        &[
            "name",
            "every days",
            "rollback window",
            "overlap",
            "description",
        ],
        policies.iter().map(|policy| {
            [
                policy.name.clone(),
                cell(policy.rotation_interval_days),
                format!("{} s", policy.rollback_window_seconds),
                format!("{} s", policy.overlap_seconds),
                output::or_sealed(&policy.description, "description", &policy.sealed_fields),
            ]
        }),
    )
}

fn show(policy: &Policy) -> Result<(), Failure> {
    output::fields(&[
        ("name", policy.name.clone()),
        ("id", policy.id.to_string()),
        (
            "description",
            output::or_sealed(&policy.description, "description", &policy.sealed_fields),
        ),
        ("every days", cell(policy.rotation_interval_days)),
        (
            "rollback window",
            format!("{} s", policy.rollback_window_seconds),
        ),
        ("overlap", format!("{} s", policy.overlap_seconds)),
        ("updated", policy.updated_at.to_string()),
        ("etag", policy.etag.to_string()),
    ])
}
