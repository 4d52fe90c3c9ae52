//! Letting go of the log's beginning each day, where the configuration has it so.

use std::sync::Arc;
use std::time::Duration;

use keyward_core::error::OpError;
use keyward_core::node::Node;
use keyward_core::noun::audit_rule::Days;
use keyward_core::ops::audit_prune::let_go_if_due;
use tokio::sync::watch;

use super::config::Config;

/// How often core is asked; it looks once an hour.
const EVERY: Duration = Duration::from_mins(1);

/// Lets go of what may go, until the server stops.
pub async fn let_go(node: Arc<Node>, mut ended: watch::Receiver<bool>) {
    loop {
        match let_go_if_due(&node).await {
            Ok(None) | Err(OpError::NotReady { .. } | OpError::Sealed) => {}
            Ok(Some(gone)) => tracing::info!(
                through = gone.through,
                first = gone.first,
                "the audit log let go of its beginning"
            ),
            Err(error) => tracing::warn!(%error, "the audit log did not let go of its beginning"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
    }
}

/// For how long entries are kept at least.
pub fn days(config: &Config) -> Days {
    let it = &config.audit_retention;
    let of = |days: u64| u16::try_from(days).unwrap_or(Days::MOST);
    Days {
        changes: of(it.changes_days),
        uses: of(it.uses_days),
        reads: of(it.reads_days),
        authentication: of(it.authentication_days),
    }
}
