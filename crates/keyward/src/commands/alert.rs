//! `keyward alert`: what is, or was, not as it should be.

use clap::{Args, Subcommand, ValueEnum};
use keyward_api::alert::AlertQuery;
use keyward_api::names::{AlertSeverity, AlertState};

use crate::context::{Context, InTenant};
use crate::exit::Failure;
use crate::output::{self, cell};

/// Alerts: what is, or was, not as it should be
#[derive(Subcommand, Debug)]
pub enum AlertCommand {
    /// List alerts, newest first: the deployment's own, or those of the tenant that is named
    List(ListCommand),
}

/// Which alerts.
#[derive(Args, Debug)]
pub struct ListCommand {
    /// Those that are over instead of those that are open
    #[arg(long, conflicts_with = "all")]
    cleared: bool,
    /// Both
    #[arg(long)]
    all: bool,
    /// Of this kind only
    #[arg(long)]
    kind: Option<String>,
    /// Of this severity only
    #[arg(long)]
    severity: Option<Severity>,
    /// At most so many
    #[arg(long, default_value_t = 1000)]
    limit: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Severity {
    Info,
    Warning,
    Critical,
}

impl AlertCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let Self::List(wanted) = self;
        let query = AlertQuery {
            state: (!wanted.all)
                .then(|| AlertState::from(if wanted.cleared { "cleared" } else { "open" })),
            kind: wanted.kind,
            severity: wanted.severity.map(|severity| {
                AlertSeverity::from(match severity {
                    Severity::Info => "info",
                    Severity::Warning => "warning",
                    Severity::Critical => "critical",
                })
            }),
            ..AlertQuery::default()
        };
        let tenant = InTenant::or_system(context)?;
        let alerts = tenant.scope().alerts(query).take(wanted.limit).await?;
        context.show(&alerts, |alerts| {
            output::rows(
                &["severity", "kind", "subject", "since", "cleared", "detail"],
                alerts.iter().map(|alert| {
                    [
                        alert.severity.to_string(),
                        alert.kind.clone(),
                        alert.subject.clone(),
                        alert.since.to_string(),
                        cell(alert.cleared_at.as_ref()),
                        alert.detail.clone(),
                    ]
                }),
            )
        })
    }
}
