//! `keyward audit witness`: who else signs the log.

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Failure;
use crate::output::{self, cell};

/// Those who sign the log besides the server
#[derive(Subcommand, Debug)]
pub enum WitnessCommand {
    /// Show how each witness of the node's log stands: what it has signed, and what is wrong
    Status,
    /// Show by which key this server cosigns other deployments' logs, where it is their witness
    Key,
}

impl WitnessCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        if matches!(self, Self::Key) {
            let found = context.client()?.audit_witness_key().await?;
            return context.show(&found, |found| output::line(&output::printable(&found.key)));
        }
        let found = context.client()?.audit_witnesses().await?;
        context.show(&found, |found| {
            output::rows(
                &[
                    "witness", "state", "has", "of", "seconds", "cosigned", "last", "trouble",
                ],
                found.items.iter().map(|it| {
                    [
                        it.name.clone(),
                        it.state.to_string(),
                        it.size.to_string(),
                        found.signed.to_string(),
                        it.behind_seconds.to_string(),
                        it.cosigned.to_string(),
                        cell(it.cosigned_at.as_ref()),
                        cell(it.trouble.as_deref().map(output::printable)),
                    ]
                }),
            )
        })
    }
}
