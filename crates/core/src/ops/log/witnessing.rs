//! The node as a witness of other deployments' logs. Whoever sends a checkpoint is known by the log's
//! signature and by nothing else. What is cosigned is no entry of this node's own log: two deployments that
//! witness each other would otherwise never be done.

use std::sync::Arc;

use crate::caller::Caller;
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::ops::gate::{Attempt, resource};
use crate::ops::log::CheckpointKey;
use crate::ops::own_key::OwnKey;
use crate::port::witness_desk::{WitnessDesk, WitnessName, WitnessRefusal};

/// Has a checkpoint cosigned: signature lines.
pub async fn add_checkpoint(node: &Node, submission: Vec<u8>) -> Result<String, WitnessRefusal> {
    if node.ensure_unsealed().is_err() {
        return Err(WitnessRefusal::Unavailable("the server is sealed"));
    }
    desk(node)?.add(submission).await
}

/// The last checkpoint that was cosigned of the log whose name has this SHA-256, in hex.
pub async fn witnessed(node: &Node, log: &str) -> Result<String, WitnessRefusal> {
    desk(node)?.checkpoint(log).await
}

/// By which key this node cosigns: for whoever may read its own log.
pub async fn witness_name(node: &Node, caller: &Caller) -> Result<WitnessName, OpError> {
    let about = resource("log", None, Some("witness/key"));
    let attempt = Attempt::new(node, caller, Action::AuditRead, None, about);
    attempt
        .read(async {
            node.authorize_system(caller, attempt.action)?;
            let desk = desk(node).map_err(|_| OpError::Unsupported {
                problem: "this server is no witness: no [audit_witness_for.NAME] is configured"
                    .to_owned(),
            })?;
            desk.name().map_err(|_| OpError::NotReady {
                why: "its key as a witness is not there yet: ask again in a few seconds, after \
                      unsealing if the server is sealed",
            })
        })
        .await
}

/// The key that cosigns, which is used for nothing else. Whoever asks says which public key his memory of
/// what was cosigned belongs to; a key that no memory belongs to is replaced by a new one, so that no key
/// ever signs two histories of a log because a memory was lost.
pub async fn witness_key(
    node: &Node,
    remembers: Option<[u8; 32]>,
) -> Result<CheckpointKey, OpError> {
    node.ensure_unsealed()?;
    let was_made = OwnKey::WITNESS
        .public(&*node.ports.registry)
        .await?
        .is_some();
    let key = CheckpointKey::new(&OwnKey::WITNESS.private(node).await?)?;
    if !was_made || remembers == Some(key.public()) {
        return Ok(key);
    }
    OwnKey::WITNESS.renew(node).await?;
    CheckpointKey::new(&OwnKey::WITNESS.private(node).await?)
}

fn desk(node: &Node) -> Result<&Arc<dyn WitnessDesk>, WitnessRefusal> {
    node.ports
        .witness
        .as_ref()
        .ok_or(WitnessRefusal::UnknownLog)
}
