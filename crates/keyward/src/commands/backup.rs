//! `keyward backup`: ordered and listed from a server; verified and restored where there is none.

mod drill;
mod offline;
mod part;
mod retention;
mod told;

use std::time::Duration;

use clap::Subcommand;
use keyward_api::backup::{Backup, NewDrill};
use keyward_api::job::Job;
use keyward_api::tenant::Reason;
use keyward_client::Client;
use uuid::Uuid;

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output;

use self::offline::{RestoreArguments, VerifyArguments};

/// How often the server is asked how far a backup is.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Backups of the whole deployment, sealed to recipients
#[derive(Subcommand, Debug)]
pub enum BackupCommand {
    /// Make a backup, and wait until it is complete
    Create {
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
        /// Do not wait: `keyward backup list` shows it when it is complete
        #[arg(long)]
        no_wait: bool,
    },
    /// List complete backups, newest first
    List,
    /// Remove the backups that the rules of retention do not keep
    Prune {
        /// Only say what would go
        #[arg(long)]
        plan: bool,
    },
    /// Restore a backup for trial on the server, and wait until it is over; exit code 7 if it fails
    Drill {
        /// A full backup, alone [default: the newest, and the segments that follow on it]
        #[arg(value_name = "ID")]
        backup: Option<Uuid>,
        /// Why; the audit log keeps it
        #[arg(long)]
        reason: Option<String>,
        /// Do not wait: `keyward backup drills` shows what became of it
        #[arg(long)]
        no_wait: bool,
    },
    /// List backups that were restored for trial, newest first
    Drills,
    /// Show the public key that verifies backups; keep it where no backup is
    Key,
    /// Verify a backup, without a server: whole and as it was signed; with an identity, everything
    Verify(VerifyArguments),
    /// Restore a backup into an empty place, or with --tenant a part of it where it was; without a server
    Restore(RestoreArguments),
}

impl BackupCommand {
    /// Whether it asks no server.
    pub const fn is_offline(&self) -> bool {
        matches!(self, Self::Verify(_) | Self::Restore(_))
    }

    /// Does what asks a server.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        match self {
            Self::Create { reason, no_wait } => create(context, &client, reason, no_wait).await,
            Self::List => context.show(&client.backups().await?, |all| list(all)),
            Self::Prune { plan } => retention::run(context, &client, plan).await,
            Self::Drill {
                backup,
                reason,
                no_wait,
            } => drill::run(context, &client, NewDrill { backup, reason }, no_wait).await,
            Self::Drills => context.show(&client.drills().await?, |all| drill::list(all)),
            Self::Key => {
                let key = client.backup_key().await?;
                context.show(&key, |key| output::line(&key.public_key))
            }
            Self::Verify(_) | Self::Restore(_) => Ok(()),
        }
    }

    /// Does what asks none.
    pub fn run_offline(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Verify(arguments) => arguments.run(context),
            Self::Restore(arguments) => arguments.run(context),
            _ => Ok(()),
        }
    }
}

async fn create(
    context: &Context,
    client: &Client,
    reason: Option<String>,
    no_wait: bool,
) -> Result<(), Failure> {
    let ordered = client.create_backup(&Reason { reason }).await?;
    let id = ordered.value.subject_id;
    if no_wait {
        return context.show(&ordered, |_| output::line(&id.to_string()));
    }
    let job = finished(client, id).await?;
    if job.state.as_str() == "failed" {
        let why = job.last_error.unwrap_or_default();
        return Err(
            Failure::new(Exit::Failure, format!("backup {id} was not made: {why}"))
                .next("the server's log has the reason; `keyward audit tail` has the entry"),
        );
    }
    let backup = client.backup(id).await?;
    if backup.lost > 0 {
        output::say(&format!(
            "WARNING: {} record(s) are not in it: the vault had lost them before. \
             `keyward backup verify` names them.\n",
            backup.lost
        ));
    }
    context.show(&backup, show)
}

/// Waits until the job has ended.
async fn finished(client: &Client, id: Uuid) -> Result<Job, Failure> {
    let mut told = String::new();
    loop {
        let job = client.backup_job(id).await?;
        if ["done", "failed"].contains(&job.state.as_str()) {
            return Ok(job);
        }
        let progress = job.progress.as_ref();
        let now = match (progress, &job.last_error) {
            (_, Some(why)) => format!("trying again: {why}\n"),
            (Some(at), None) if at.found > 0 => {
                format!("{} of {} records\n", at.examined, at.found)
            }
            _ => String::new(),
        };
        if now != told {
            output::say(&now);
            told = now;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn list(backups: &[Backup]) -> Result<(), Failure> {
    output::rows(
        &[
            "id",
            "state as of",
            "revision",
            "records",
            "lost",
            "bytes",
            "kept for",
        ],
        backups.iter().map(|backup| {
            [
                backup.id.to_string(),
                backup.committed_at.to_string(),
                backup.revision.to_string(),
                backup.records.to_string(),
                backup.lost.to_string(),
                backup.bytes.to_string(),
                retention::kept_for(backup),
            ]
        }),
    )
}

fn show(backup: &Backup) -> Result<(), Failure> {
    output::fields(&[
        ("id", backup.id.to_string()),
        ("state as of", backup.committed_at.to_string()),
        ("revision", backup.revision.to_string()),
        ("completed", backup.completed_at.to_string()),
        ("rows", backup.rows.to_string()),
        ("records", backup.records.to_string()),
        ("parts", backup.parts.to_string()),
        ("bytes", backup.bytes.to_string()),
        ("recipients", backup.recipients.join(" ")),
        ("signed by", backup.signed_by.clone()),
    ])
}
