//! `keyward registry migration`: the migration of the registry to another database, steered while the
//! server serves.

use clap::{Args, Subcommand};
use keyward_api::registry_migration::{RegistryMigration, RegistryMigrationRate};
use keyward_api::tenant::Reason;

use crate::context::Context;
use crate::exit::Failure;
use crate::output;

/// Steer the migration that `registry.migrate_to` asks for, while the server serves
#[derive(Subcommand, Debug)]
pub enum SteeringCommand {
    /// Show where it stands
    Status,
    /// Leave the side that follows alone; it falls behind meanwhile
    Pause(Why),
    /// Go on
    Resume(Why),
    /// Set how many rows are carried over or compared in a second
    Rate {
        /// How many
        per_second: u64,
        #[command(flatten)]
        why: Why,
    },
    /// Let the target lead, once both sides were found to hold the same; the source follows
    CutOver(Why),
    /// Return to the source, with all that was written since the cut-over; or give up before it
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
            Self::Status => client.registry_migration().await?,
            Self::Pause(why) => client.pause_registry_migration(&why.told()).await?,
            Self::Resume(why) => client.resume_registry_migration(&why.told()).await?,
            Self::Rate { per_second, why } => {
                let reason = why.reason;
                let rate = RegistryMigrationRate { per_second, reason };
                client.set_registry_migration_rate(&rate).await?
            }
            Self::CutOver(why) => client.cut_over_registry(&why.told()).await?,
            Self::RollBack(why) => client.roll_back_registry(&why.told()).await?,
            Self::Commit(why) => client.commit_registry(&why.told()).await?,
        };
        context.show(&stands, show)
    }
}

fn show(stands: &RegistryMigration) -> Result<(), Failure> {
    let since = stands.since.as_ref();
    let since = since.map_or_else(String::new, |at| format!(" since {at}"));
    output::line(&format!("{}{since}", stands.phase))?;
    output::line(&format!("from {}\nto   {}", stands.from, stands.to))?;
    if !stands.attached {
        return output::line("this server does not move it: it was started without migrate_to");
    }
    output::line(&format!(
        "{} rows carried over and {} changes brought since the start",
        stands.rows, stands.changes
    ))?;
    if let Some(behind) = stands.behind {
        output::line(&format!("{behind} changes behind"))?;
    }
    let pace = format!("at most {} rows in a second", stands.per_second);
    let paused = if stands.paused { "paused; " } else { "" };
    output::line(&format!("{paused}{pace}"))?;
    output::line(if stands.equal {
        "both sides were found to hold the same"
    } else {
        "the sides are not known to hold the same"
    })?;
    if let Some(proof) = &stands.proof {
        output::line(&format!(
            "{} rows at revision {}, digest {} on both sides at {}",
            proof.rows, proof.revision, proof.digest, proof.at
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
