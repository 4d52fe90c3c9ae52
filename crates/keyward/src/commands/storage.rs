//! `keyward storage`: how the storage beneath the vault is.

use clap::{Args, Subcommand};
use keyward_api::storage::{StorageHealth, StoragePass};
use keyward_api::tenant::Reason;

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
    /// Confirm that the registry is the right one, so that what it does not name may be swept up
    ConfirmSweep(ConfirmCommand),
    #[command(flatten)]
    Move(MigrationCommand),
}

/// Why.
#[derive(Args, Debug)]
pub struct ConfirmCommand {
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
            Self::ConfirmSweep(ConfirmCommand { reason }) => {
                let health = client.confirm_sweep(&Reason { reason }).await?;
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
    let held = if strays.held {
        "; nothing is swept up until `keyward storage confirm-sweep`"
    } else {
        ""
    };
    output::line(&format!(
        "{} objects that nothing refers to, {} in quarantine{held}",
        strays.found, strays.quarantined
    ))?;
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
