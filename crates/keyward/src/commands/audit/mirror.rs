//! `keyward audit mirror`: how the copies of the log elsewhere stand.

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Failure;
use crate::output::{self, cell};

/// Copies of the log elsewhere that the server keeps up
#[derive(Subcommand, Debug)]
pub enum MirrorCommand {
    /// Show how each mirror of the node's log stands: what it has, how far behind, and what is wrong
    Status,
}

impl MirrorCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let Self::Status = self;
        let found = context.client()?.audit_mirrors().await?;
        context.show(&found, |found| {
            output::rows(
                &[
                    "mirror", "kind", "state", "has", "behind", "seconds", "written", "last",
                    "trouble",
                ],
                found.items.iter().map(|it| {
                    [
                        it.name.clone(),
                        it.kind.clone(),
                        it.state.to_string(),
                        it.size.to_string(),
                        it.behind_entries.to_string(),
                        it.behind_seconds.to_string(),
                        it.written.to_string(),
                        cell(it.mirrored_at.as_ref()),
                        cell(it.trouble.as_deref().map(output::printable)),
                    ]
                }),
            )
        })
    }
}
