//! `keyward policy`: when keys are rotated.

mod schedule;

use clap::{Args, Subcommand};
use keyward_api::page::Changed;
use keyward_api::policy::{
    NewPolicy, Policy, PolicyChange, PolicyPreview, PolicyTemplate, PolicyTemplates,
};
use keyward_api::tenant::Reason;
use keyward_client::Scope;

use self::schedule::{ScheduleArgs, in_words};
use crate::context::{Context, InTenant};
use crate::exit::Failure;
use crate::output::{self, cell};

/// Rotation policies
#[derive(Subcommand, Debug)]
pub enum PolicyCommand {
    /// Make a policy
    Create(CreateCommand),
    /// List ready-made policies, with the standards they are from
    Templates,
    /// List policies
    List,
    /// Show a policy
    Show {
        /// Its name
        policy: String,
    },
    /// Change a policy; what is not named stays
    Update(UpdateCommand),
    /// Foretell a policy's next dates, and the keys of each
    Preview {
        /// Its name
        policy: String,
        /// So many dates, 1 to 100
        #[arg(long, default_value_t = 20)]
        count: usize,
    },
    /// Rotate none of a policy's keys by itself for a while
    Suspend(StatusArgs),
    /// Let a policy rotate its keys again; what fell due meanwhile is done, once for each key
    Resume(StatusArgs),
    /// Retire a policy: no key gets it any more, its keys are not rotated, and nothing of it changes
    Archive(StatusArgs),
    /// Delete a policy; keys that had it have none
    Delete {
        /// Its name
        policy: String,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
    },
}

/// What a new policy is to be.
#[derive(Args, Debug)]
pub struct CreateCommand {
    /// Its name: a-z, 0-9, '.', '_' and '-'
    name: String,
    /// Begin with this template; what else is said goes before it
    #[arg(long, value_name = "NAME")]
    template: Option<String>,
    /// Free text
    #[arg(long)]
    description: Option<String>,
    /// Days from one rotation of a key to its next
    #[arg(long, value_name = "DAYS")]
    every_days: Option<i32>,
    #[command(flatten)]
    schedule: ScheduleArgs,
    /// How long a rotation can be undone [default: 86400]
    #[arg(long, value_name = "SECONDS")]
    rollback_window: Option<i64>,
    /// How long a replaced version still protects when asked for by number [default: 0]
    #[arg(long, value_name = "SECONDS")]
    overlap: Option<i64>,
}

/// What is to change of a policy.
#[derive(Args, Debug)]
pub struct UpdateCommand {
    /// Its name
    policy: String,
    /// Free text
    #[arg(long)]
    description: Option<String>,
    /// Days from one rotation of a key to its next; 0 for no rotation by itself
    #[arg(long, value_name = "DAYS")]
    every_days: Option<i32>,
    #[command(flatten)]
    schedule: ScheduleArgs,
    /// How long a rotation can be undone
    #[arg(long, value_name = "SECONDS")]
    rollback_window: Option<i64>,
    /// How long a replaced version still protects when asked for by number
    #[arg(long, value_name = "SECONDS")]
    overlap: Option<i64>,
    /// Only if nobody changed it since it had this etag
    #[arg(long, value_name = "ETAG")]
    if_match: Option<i64>,
    /// Why; the audit log keeps it
    #[arg(long)]
    reason: Option<String>,
}

/// Which policy is to stop or go on.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// Its name
    policy: String,
    /// Why; the audit log keeps it
    #[arg(long)]
    reason: Option<String>,
}

impl PolicyCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        if matches!(self, Self::Templates) {
            let all = context.client()?.policy_templates().await?;
            return context.show(&all, templates);
        }
        let tenant = InTenant::of(context)?;
        let scope = tenant.scope();
        match self {
            Self::Templates => Ok(()),
            Self::Create(wanted) => {
                let new = wanted.policy(context).await?;
                let made = scope.create_policy(&new, None).await?;
                context.show(&made, |made| show(&made.value))
            }
            Self::List => context.show(&scope.policies().all().await?, |all| list(all)),
            Self::Show { policy } => context.show(&scope.policy(&policy).await?, show),
            Self::Update(wanted) => {
                let done = wanted.update(scope).await?;
                context.show(&done, |done| show(&done.value))
            }
            Self::Preview { policy, count } => {
                let told = scope.preview_policy(&policy, Some(count)).await?;
                context.show(&told, preview)
            }
            Self::Suspend(args) => set_status(context, scope, args, "suspended").await,
            Self::Resume(args) => set_status(context, scope, args, "active").await,
            Self::Archive(args) => set_status(context, scope, args, "archived").await,
            Self::Delete { policy, reason } => {
                let done = scope.delete_policy(&policy, &Reason { reason }).await?;
                context.show(&done, |done| show(&done.value))
            }
        }
    }
}

impl CreateCommand {
    /// The policy that was described, over its template.
    async fn policy(self, context: &Context) -> Result<NewPolicy, Failure> {
        let base = match &self.template {
            Some(name) => Some(template(context, name).await?),
            None => None,
        };
        let base = base.as_ref();
        let calendar = !self.schedule.is_empty();
        let days = base
            .filter(|_| !calendar)
            .map(|it| it.rotation_interval_days);
        Ok(NewPolicy {
            name: self.name,
            description: self
                .description
                .or(base.map(|it| it.description.clone()))
                .unwrap_or_default(),
            rotation_interval_days: self.every_days.or(days),
            schedule: calendar.then(|| self.schedule.over(None)).transpose()?,
            rollback_window_seconds: self
                .rollback_window
                .or(base.map(|it| it.rollback_window_seconds))
                .unwrap_or(86_400),
            overlap_seconds: self
                .overlap
                .or(base.map(|it| it.overlap_seconds))
                .unwrap_or(0),
        })
    }
}

impl UpdateCommand {
    async fn update(self, scope: Scope<'_>) -> Result<Changed<Policy>, Failure> {
        let (name, mut if_match) = (self.policy, self.if_match);
        let mut change = PolicyChange {
            description: self.description,
            rollback_window_seconds: self.rollback_window,
            overlap_seconds: self.overlap,
            reason: self.reason,
            ..PolicyChange::default()
        };
        if let Some(days) = self.every_days {
            change.rotation_interval_days = Some((days != 0).then_some(days));
            change.schedule = Some(None);
        }
        if !self.schedule.is_empty() {
            // What is laid over is what was read, or nothing is changed.
            let present = scope.policy(&name).await?;
            if_match = if_match.or(Some(present.etag));
            change.schedule = Some(Some(self.schedule.over(present.schedule)?));
            change.rotation_interval_days = Some(None);
        }
        Ok(scope.update_policy(&name, &change, if_match).await?)
    }
}

/// A template of the server, by name.
async fn template(context: &Context, name: &str) -> Result<PolicyTemplate, Failure> {
    let all = context.client()?.policy_templates().await?.templates;
    let names: Vec<String> = all.iter().map(|it| it.name.clone()).collect();
    all.into_iter().find(|it| it.name == name).ok_or_else(|| {
        let names = names.join(", ");
        Failure::usage(format!("no such template; there are {names}"))
    })
}

fn templates(all: &PolicyTemplates) -> Result<(), Failure> {
    output::rows(
        &["name", "every days", "suits", "source"],
        all.templates.iter().map(|it| {
            [
                it.name.clone(),
                it.rotation_interval_days.to_string(),
                it.suits.clone(),
                it.source.clone(),
            ]
        }),
    )
}

async fn set_status(
    context: &Context,
    scope: Scope<'_>,
    args: StatusArgs,
    status: &'static str,
) -> Result<(), Failure> {
    let change = PolicyChange {
        status: Some(status.into()),
        reason: args.reason,
        ..PolicyChange::default()
    };
    let done = scope.update_policy(&args.policy, &change, None).await?;
    context.show(&done, |done| show(&done.value))
}

/// When a policy rotates, in one line.
fn dates(policy: &Policy) -> String {
    let days = policy.rotation_interval_days;
    let days = days.map(|days| format!("every {days} days from a key's last rotation"));
    let calendar = policy.schedule.as_ref().map(in_words);
    days.or(calendar).unwrap_or_else(|| "never".to_owned())
}

fn preview(it: &PolicyPreview) -> Result<(), Failure> {
    if it.status.as_str() != "active" {
        output::say(&format!(
            "the policy is {}: nothing is rotated before it is resumed\n",
            it.status
        ));
    }
    if it.hindered_key_count > 0 {
        let count = it.hindered_key_count;
        output::say(&format!(
            "keys that follow it and are not rotated by themselves: {count}\n"
        ));
    }
    if it.more_keys {
        output::say(&format!(
            "of its keys, the first {} are counted\n",
            it.key_count
        ));
    }
    output::rows(
        &["planned", "from", "until", "moved by", "keys", "names"],
        it.dates.iter().map(|date| {
            let more = if date.key_count > date.keys.len().min(NAMED) {
                " …"
            } else {
                ""
            };
            let named: Vec<&str> = date.keys.iter().take(NAMED).map(String::as_str).collect();
            [
                date.planned_at.to_string(),
                date.from.to_string(),
                date.until.to_string(),
                cell(date.moved_by.as_ref()),
                date.key_count.to_string(),
                format!("{}{more}", named.join(" ")),
            ]
        }),
    )
}

/// So many keys of a date are named in a table; JSON has more.
const NAMED: usize = 5;

fn list(policies: &[Policy]) -> Result<(), Failure> {
    output::rows(
        &[
            "name",
            "status",
            "rotates",
            "rollback window",
            "overlap",
            "description",
        ],
        policies.iter().map(|policy| {
            [
                policy.name.clone(),
                policy.status.to_string(),
                dates(policy),
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
        ("status", policy.status.to_string()),
        ("rotates", dates(policy)),
        (
            "rollback window",
            format!("{} s", policy.rollback_window_seconds),
        ),
        ("overlap", format!("{} s", policy.overlap_seconds)),
        ("updated", policy.updated_at.to_string()),
        ("etag", policy.etag.to_string()),
    ])
}
