//! `keyward storage migration`: the migration of the vault to another backend, steered while the
//! server serves.

use clap::{Args, Subcommand};
use keyward_api::storage_migration::{StorageMigration, StorageMigrationRate};
use keyward_api::tenant::Reason;

use crate::context::Context;
use crate::exit::Failure;
use crate::output;

/// Steer the migration that `storage.migrate_to` asks for, while the server serves
#[derive(Subcommand, Debug)]
pub enum SteeringCommand {
    /// Show where it stands
    Status,
    /// Let the passes stand still; changes go to both sides all the same
    Pause(Why),
    /// Let the passes go on
    Resume(Why),
    /// Set how many objects are looked at in a second
    Rate {
        /// How many
        per_second: u64,
        #[command(flatten)]
        why: Why,
    },
    /// Have every object of both sides compared once more before anything is switched
    Verify(Why),
    /// Let the target lead, once both sides are equal; the source follows
    CutOver(Why),
    /// Return to the source, with all that was written since the cut-over
    RollBack(Why),
    /// Leave the source for good
    Commit(Why),
}

/// Why it is done
#[derive(Args, Debug)]
pub struct Why {
    /// Why; the audit log keeps it
    #[arg(long)]
    reason: Option<String>,
}

impl Why {
    fn told(self) -> Reason {
        Reason {
            reason: self.reason,
        }
    }
}

impl SteeringCommand {
    /// Does it, asking the server.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let stands = match self {
            Self::Status => client.storage_migration().await?,
            Self::Pause(why) => client.pause_storage_migration(&why.told()).await?,
            Self::Resume(why) => client.resume_storage_migration(&why.told()).await?,
            Self::Rate { per_second, why } => {
                let reason = why.reason;
                let rate = StorageMigrationRate { per_second, reason };
                client.set_storage_migration_rate(&rate).await?
            }
            Self::Verify(why) => client.verify_storage_migration(&why.told()).await?,
            Self::CutOver(why) => client.cut_over_storage(&why.told()).await?,
            Self::RollBack(why) => client.roll_back_storage(&why.told()).await?,
            Self::Commit(why) => client.commit_storage(&why.told()).await?,
        };
        context.show(&stands, show)
    }
}

fn show(stands: &StorageMigration) -> Result<(), Failure> {
    let since = stands.since.as_ref();
    let since = since.map_or_else(String::new, |at| format!(" since {at}"));
    output::line(&format!("{}{since}", stands.phase))?;
    output::line(&format!("from {}\nto   {}", stands.from, stands.to))?;
    if !stands.attached {
        return output::line("this server does not move it: it was started without migrate_to");
    }
    let left = stands.left;
    let left = left.map_or_else(|| "being counted".to_owned(), |left| left.to_string());
    output::line(&format!(
        "pass {}: {} objects looked at, left: {left}; {} made equal since the start",
        stands.pass, stands.examined, stands.copied
    ))?;
    let pace = format!("at most {} objects in a second", stands.per_second);
    let paused = if stands.paused { "paused; " } else { "" };
    output::line(&format!("{paused}{pace}"))?;
    output::line(match (stands.equal, stands.behind) {
        (false, _) => "the sides are not known to be equal yet",
        (true, 0) => "both sides are equal",
        (true, _) => "both sides were equal, and one is behind",
    })?;
    if stands.behind > 0 {
        let more = if stands.behind_lost { "more than " } else { "" };
        let behind = stands.behind;
        output::line(&format!("{more}{behind} objects are to be made good"))?;
    }
    if let Some(proof) = &stands.proof {
        output::line(&format!(
            "the last pass saw {} objects, {} bytes, digest {} on both sides at {}",
            proof.objects, proof.size_bytes, proof.digest, proof.at
        ))?;
    }
    if !stands.settled {
        output::line("a mark on one side is still to be put right")?;
    }
    match &stands.trouble {
        Some(trouble) => output::line(&format!(
            "a side fails since {}: {}",
            trouble.since, trouble.cause
        )),
        None => Ok(()),
    }
}
