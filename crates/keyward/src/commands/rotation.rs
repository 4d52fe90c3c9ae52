//! `keyward rotation`: what is rotated by policy, when, and by which node.

use clap::{Args, Subcommand};
use keyward_api::rotation::{
    RotatedKey, RotatedPolicy, Rotation, RotationExplanation, RotationOrder, RotationQuery,
    RotationRun, RotationStatus,
};

use crate::context::{Context, InTenant};
use crate::exit::Failure;
use crate::output::{self, cell};

/// Rotation by policy: what is due, what was done, and by which node
#[derive(Subcommand, Debug)]
pub enum RotationCommand {
    /// Say what is due now and would be rotated; change nothing
    Plan(PolicyArgs),
    /// Rotate what is due now, at once; what failed and waits too
    Run(PolicyArgs),
    /// List rotations by policy, newest first
    History(HistoryCommand),
    /// Say why a key is due, or is not
    Explain {
        /// Its name, id or ARN
        key: String,
    },
    /// Show which node rotates, when it looked last, and what is left
    Status,
}

/// By which policy.
#[derive(Args, Debug)]
pub struct PolicyArgs {
    /// By this policy only
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
}

/// Which rotations.
#[derive(Args, Debug)]
pub struct HistoryCommand {
    /// Of this key only: its name, id or ARN
    #[arg(long, conflicts_with = "policy")]
    key: Option<String>,
    /// By this policy only
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

impl RotationCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        if matches!(self, Self::Status) {
            let client = context.client()?;
            return context.show(&client.rotation_status().await?, status);
        }
        let tenant = InTenant::of(context)?;
        let scope = tenant.scope();
        match self {
            Self::Plan(args) => {
                let found = scope.run_rotation(&order(args, true)).await?;
                context.show(&found, show_run)
            }
            Self::Run(args) => {
                let done = scope.run_rotation(&order(args, false)).await?;
                context.show(&done, show_run)
            }
            Self::History(wanted) => {
                let query = RotationQuery {
                    key: wanted.key,
                    policy: wanted.policy,
                    ..RotationQuery::default()
                };
                let rotations = scope.rotations(query).take(wanted.limit).await?;
                context.show(&rotations, |rotations| history(rotations))
            }
            Self::Explain { key } => context.show(&scope.explain_rotation(&key).await?, explain),
            Self::Status => Ok(()),
        }
    }
}

fn order(args: PolicyArgs, dry_run: bool) -> RotationOrder {
    RotationOrder {
        policy: args.policy,
        dry_run,
    }
}

fn show_run(run: &RotationRun) -> Result<(), Failure> {
    let rows = run.policies.iter().flat_map(policy_rows);
    output::rows(&["policy", "key", "due since", "outcome", "detail"], rows)
}

fn policy_rows(policy: &RotatedPolicy) -> Vec<[String; 5]> {
    let row = |key: &RotatedKey, outcome: &str| {
        let version = key.to_version.map(|number| format!("version {number}"));
        let tried = key.error.clone().map(|error| match &key.retry_at {
            Some(at) => format!("{error}; tried again from {at} on"),
            None => error,
        });
        let reason = key.reason.clone().map(|reason| match &key.retry_at {
            Some(at) => format!("{reason}; from {at} on"),
            None => reason,
        });
        let told = reason.or(version).or(tried);
        [
            policy.name.clone(),
            key.name.clone(),
            key.planned_at.to_string(),
            outcome.to_owned(),
            told.unwrap_or_default(),
        ]
    };
    let lists = [
        (&policy.due, "due"),
        (&policy.rotated, "rotated"),
        (&policy.failed, "failed"),
        (&policy.skipped, "skipped"),
    ];
    let rows = lists
        .into_iter()
        .flat_map(|(keys, outcome)| keys.iter().map(move |key| row(key, outcome)));
    let mut rows: Vec<[String; 5]> = rows.collect();
    if rows.is_empty() {
        let standing = match policy.status.as_str() {
            "active" => "nothing is due",
            "no_dates" => "it has neither an interval nor a schedule",
            "unfollowable" => "its windows leave nothing open: no key has a date",
            _ => "nothing is due that it would rotate",
        };
        rows.push([
            policy.name.clone(),
            String::new(),
            String::new(),
            policy.status.clone(),
            standing.to_owned(),
        ]);
    }
    rows
}

fn history(rotations: &[Rotation]) -> Result<(), Failure> {
    output::rows(
        &[
            "finished", "key", "planned", "trigger", "from", "to", "outcome", "attempts", "error",
        ],
        rotations.iter().map(|it| {
            [
                it.finished_at.to_string(),
                it.key_id.to_string(),
                it.planned_at.to_string(),
                it.trigger.to_string(),
                it.from_version.to_string(),
                cell(it.to_version),
                it.outcome.to_string(),
                it.attempts.to_string(),
                cell(it.error.as_ref()),
            ]
        }),
    )
}

fn explain(it: &RotationExplanation) -> Result<(), Failure> {
    let closed = it.opens_at.as_ref();
    let verdict = match (&it.policy, &it.due_at, it.is_due, &it.hindrance) {
        (None, ..) => "never: it follows no policy".to_owned(),
        (_, None, _, Some(why)) => format!("never: {why}"),
        (_, None, ..) => "never: its policy has no dates".to_owned(),
        (_, Some(at), false, None) => format!("not due before {at}"),
        (_, Some(at), false, Some(why)) => format!("not due before {at}; not then either: {why}"),
        (_, Some(at), true, None) => match closed {
            Some(opens) => format!("due since {at}; its policy's windows open at {opens}"),
            None => format!("due since {at}"),
        },
        (_, Some(at), true, Some(why)) => {
            format!("due since {at}, and not rotated by itself: {why}")
        }
    };
    let tried = it.tried.as_ref();
    output::fields(&[
        ("key", it.name.clone()),
        ("due", verdict),
        ("policy", cell(it.policy.as_ref())),
        ("last rotation", it.last_rotation_at.to_string()),
        ("planned", cell(it.planned_at.as_ref())),
        ("tries", cell(tried.map(|row| row.attempts))),
        ("last error", cell(tried.and_then(|row| row.error.as_ref()))),
        (
            "next try",
            cell(tried.and_then(|row| row.retry_at.as_ref())),
        ),
        (
            "rotates",
            cell(it.lease.as_ref().map(|lease| &lease.holder)),
        ),
    ])
}

fn status(it: &RotationStatus) -> Result<(), Failure> {
    let lease = it.lease.as_ref();
    let run = it.last_run.as_ref();
    let holder = lease.map(|lease| {
        let over = if lease.is_over { " (over)" } else { "" };
        format!("{}{over}", lease.holder)
    });
    output::fields(&[
        ("rotates", cell(holder)),
        ("epoch", cell(lease.map(|lease| lease.epoch))),
        ("held until", cell(lease.map(|lease| &lease.expires_at))),
        (
            "last looked",
            cell(lease.and_then(|lease| lease.worked_at.as_ref())),
        ),
        ("this node", this_node(it).to_owned()),
        ("looks every", format!("{} s", it.check_interval_seconds)),
        ("next due", cell(it.next_at.as_ref())),
        ("last run", cell(run.map(|run| &run.ended_at))),
        ("rotated in it", cell(run.map(|run| run.rotated))),
        ("failed in it", cell(run.map(|run| run.failed))),
        ("left to do", cell(run.map(|run| run.backlog))),
        (
            "behind by",
            cell(run.map(|run| format!("{} s", run.lag_seconds))),
        ),
        ("ended by", cell(run.and_then(|run| run.error.as_ref()))),
    ])
}

const fn this_node(it: &RotationStatus) -> &'static str {
    match (it.enabled, it.is_active) {
        (_, true) => "rotates",
        (true, false) => "stands by",
        (false, false) => "takes no part",
    }
}
