//! Where the log goes by itself: how each sink of this node stands.

use crate::caller::Caller;
use crate::error::OpError;
use crate::node::Node;
use crate::sink_board::SinkStatus;

/// The sinks of this node as they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sinks {
    /// The last entry of this node's journal.
    pub last: u64,
    /// The sinks, by name.
    pub sinks: Vec<SinkStatus>,
}

/// Shows the sinks of this node: to whoever may read all of its log.
pub async fn sinks(node: &Node, caller: &Caller) -> Result<Sinks, OpError> {
    let attempt = super::attempt(node, caller, None);
    attempt
        .read(async {
            node.authorize_system(caller, attempt.action)?;
            Ok(present_sinks(node))
        })
        .await
}

/// The same, for the server's own metrics.
pub fn present_sinks(node: &Node) -> Sinks {
    Sinks {
        last: node.ports.audit.last(),
        sinks: node.sinks.all(),
    }
}
