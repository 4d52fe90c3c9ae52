//! `keyward audit sink`: how the streams of the log stand.

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Failure;
use crate::output::{self, cell};

/// The streams of the log to other systems
#[derive(Subcommand, Debug)]
pub enum SinkCommand {
    /// Show how each stream of the node's log stands: how far it is, how far behind, and what is wrong
    Status,
}

impl SinkCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let Self::Status = self;
        let found = context.client()?.audit_sinks().await?;
        context.show(&found, |found| {
            output::rows(
                &[
                    "sink", "kind", "state", "has", "behind", "seconds", "sent", "last", "trouble",
                ],
                found.items.iter().map(|it| {
                    [
                        it.name.clone(),
                        it.kind.to_string(),
                        it.state.to_string(),
                        it.sequence.to_string(),
                        it.behind_entries.to_string(),
                        it.behind_seconds.to_string(),
                        it.sent.to_string(),
                        cell(it.sent_at.as_ref()),
                        cell(it.trouble.as_deref().map(output::printable)),
                    ]
                }),
            )
        })
    }
}
