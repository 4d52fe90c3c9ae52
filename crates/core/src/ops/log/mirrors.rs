//! Where copies of the log lie: how each mirror of this node's log stands.

use crate::caller::Caller;
use crate::error::OpError;
use crate::mirror_board::{MirrorBoard, MirrorStatus};
use crate::node::Node;

impl Node {
    /// Where the mirrors of the log are shown.
    pub const fn mirrors(&self) -> &MirrorBoard {
        &self.mirrors
    }
}

/// Shows the mirrors of this node's log, by name: to whoever may read all of it.
pub async fn mirrors(node: &Node, caller: &Caller) -> Result<Vec<MirrorStatus>, OpError> {
    let attempt = super::attempt(node, caller, None);
    attempt
        .read(async {
            node.authorize_system(caller, attempt.action)?;
            Ok(present_mirrors(node))
        })
        .await
}

/// The same, for the server's own metrics.
pub fn present_mirrors(node: &Node) -> Vec<MirrorStatus> {
    node.mirrors.all()
}
