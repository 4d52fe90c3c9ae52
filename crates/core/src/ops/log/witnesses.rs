//! Who else signs the log: how each witness of this node's log stands.

use crate::caller::Caller;
use crate::error::OpError;
use crate::node::Node;
use crate::witness_board::{Counting, WitnessStatus};

/// The witnesses of this node's log as they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnesses {
    /// What is signed, and what counts.
    pub counting: Counting,
    /// The witnesses, by name.
    pub witnesses: Vec<WitnessStatus>,
}

/// Shows the witnesses of this node's log: to whoever may read all of it.
pub async fn witnesses(node: &Node, caller: &Caller) -> Result<Witnesses, OpError> {
    let attempt = super::attempt(node, caller, None);
    attempt
        .read(async {
            node.authorize_system(caller, attempt.action)?;
            Ok(present_witnesses(node))
        })
        .await
}

/// The same, for the server's own metrics.
pub fn present_witnesses(node: &Node) -> Witnesses {
    Witnesses {
        counting: node.witnesses.counting(),
        witnesses: node.witnesses.all(),
    }
}
