//! `keyward storage`: how the storage beneath the vault is.

use clap::{Args, Subcommand};
use keyward_api::storage::{ConfirmSweep, StorageHealth, StoragePass};
use uuid::Uuid;

use crate::commands::storage_migration::MigrationCommand;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::{self, cell};

/// The storage beneath the vault
#[derive(Subcommand, Debug)]
pub enum StorageCommand {
    /// Show how it is; ends with code 6 if it does not do its part
    Health,
    /// Have everything that is stored read and verified now
    Scrub,
    /// Confirm what holds the sweep, as `storage health` showed it, so that what no row names may be
    /// swept up
    ConfirmSweep(ConfirmCommand),
    #[command(flatten)]
    Move(MigrationCommand),
}

/// What was seen, and why it is as it should be.
#[derive(Args, Debug)]
pub struct ConfirmCommand {
    /// The alert that holds it
    alert: Uuid,
    /// The alert's etag, as shown: if it says something else by now, nothing is confirmed
    #[arg(long)]
    etag: i64,
    /// Why; the audit log keeps it
    #[arg(long)]
    reason: Option<String>,
}

impl StorageCommand {
    /// Does it, asking the server.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        match self {
            // Without a server: `run_offline`.
            Self::Move(_) => Ok(()),
            Self::Health => {
                let health = client.storage().await?;
                context.show(&health, show)?;
                if health.state.as_str() == "healthy" {
                    return Ok(());
                }
                let words = health.cause.unwrap_or_default();
                let failure = format!("the storage is {}: {words}", health.state);
                Err(Failure::new(Exit::Unavailable, failure))
            }
            Self::Scrub => context.show(&client.scrub_storage().await?, |job| {
                output::line(&format!(
                    "check {} is ordered; `keyward storage health` shows how far it is",
                    job.value.id
                ))
            }),
            Self::ConfirmSweep(command) => {
                let confirmed = ConfirmSweep {
                    alert_id: command.alert,
                    etag: command.etag,
                    reason: command.reason,
                };
                let health = client.confirm_sweep(&confirmed).await?;
                context.show(&health, show)
            }
        }
    }
}

fn show(health: &StorageHealth) -> Result<(), Failure> {
    output::line(&format!("{}: {}", health.backend, health.state))?;
    if let Some(cause) = &health.cause {
        output::line(cause)?;
    }
    if let Some(space) = &health.space {
        let (free, total) = (space.free_bytes >> 20, space.total_bytes >> 20);
        output::line(&format!("{free} of {total} MiB are free"))?;
    }
    output::line(&pass("last check", health.check.last.as_ref()))?;
    if let Some(running) = &health.check.running {
        output::line(&pass("check under way", Some(running)))?;
    }
    let strays = &health.strays;
    output::line(&format!(
        "{} objects that nothing refers to, {} in quarantine",
        strays.found, strays.quarantined
    ))?;
    for hold in &strays.holds {
        output::line(&format!(
            "nothing is swept up: {}; if that is as it should be, `keyward storage confirm-sweep {} \
             --etag {}`",
            hold.detail, hold.alert_id, hold.etag
        ))?;
    }
    output::rows(
        &[
            "operation",
            "count",
            "failed",
            "p50 us",
            "p99 us",
            "last success",
        ],
        health.operations.iter().map(|it| {
            [
                it.operation.to_string(),
                it.count.to_string(),
                it.errors.values().sum::<u64>().to_string(),
                cell(it.p50_micros.as_ref()),
                cell(it.p99_micros.as_ref()),
                cell(it.last_success_at.as_ref()),
            ]
        }),
    )
}

fn pass(what: &str, pass: Option<&StoragePass>) -> String {
    match pass {
        None => format!("{what}: none yet"),
        Some(pass) => format!(
            "{what}: began {}, {} records verified, {} damaged or missing, {} put back",
            pass.began_at, pass.records, pass.findings, pass.repaired
        ),
    }
}
