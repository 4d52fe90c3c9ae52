//! `keyward job`: work that outlives a request.

use clap::Subcommand;

use keyward_api::job::JobProgress;

use crate::context::{Context, InTenant};
use crate::exit::Failure;
use crate::output::{self, cell};

/// Background jobs
#[derive(Subcommand, Debug)]
pub enum JobCommand {
    /// List jobs, newest first
    List,
}

impl JobCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let Self::List = self;
        let tenant = InTenant::or_system(context)?;
        context.show(&tenant.scope().jobs().all().await?, |jobs| {
            output::rows(
                &["kind", "state", "subject", "due", "progress", "last error"],
                jobs.iter().map(|job| {
                    [
                        job.kind.to_string(),
                        job.state.to_string(),
                        job.subject_id.to_string(),
                        job.due_at.to_string(),
                        cell(job.progress.as_ref().map(progress).as_ref()),
                        cell(job.last_error.as_ref()),
                    ]
                }),
            )
        })
    }
}

/// In words, for a table.
fn progress(progress: &JobProgress) -> String {
    format!(
        "pass {}: {} examined, {} changed, {} failed",
        progress.pass, progress.examined, progress.changed, progress.failed
    )
}
