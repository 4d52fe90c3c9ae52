//! The key that signs backups.

use keyward_crypto::algorithm::Algorithm;
use keyward_crypto::material::KeyMaterial;
use keyward_crypto::secret::SecretBytes;

use crate::error::OpError;
use crate::node::Node;
use crate::ops::own_key::{OwnKey, as_text};
use crate::port::backup::{BackupError, BackupSummary};
use crate::port::registry::Registry;

/// The public half of the key that signs, if there is one yet.
pub(super) async fn own_key(node: &Node) -> Result<Option<String>, OpError> {
    made_public_key(&*node.ports.registry).await
}

/// The same as a registry has it: none before it was made.
pub async fn made_public_key(registry: &dyn Registry) -> Result<Option<String>, OpError> {
    OwnKey::BACKUPS.public(registry).await
}

/// Both halves of the key that signs; the public one as text.
pub(in crate::ops) async fn signing_pair(node: &Node) -> Result<(String, SecretBytes), OpError> {
    OwnKey::BACKUPS.pair(node).await
}

/// The private half of the signing key, made if it is not there.
pub(super) async fn signing_key(node: &Node) -> Result<SecretBytes, OpError> {
    OwnKey::BACKUPS.private(node).await
}

/// Of two who make one at the same time, one makes it count.
pub(super) async fn make_signing_key(node: &Node) -> Result<(), OpError> {
    OwnKey::BACKUPS.make(node).await
}

/// A backup that this deployment signed: anybody who can write where backups lie can put another one
/// under its id.
pub(super) fn own(
    made: BackupSummary,
    signing_key: &SecretBytes,
) -> Result<BackupSummary, OpError> {
    let material = KeyMaterial::import(Algorithm::Ed25519, signing_key);
    let material = material.map_err(|_| OpError::Crypto)?;
    if made.signed_by == as_text(material.public().ok_or(OpError::Crypto)?) {
        return Ok(made);
    }
    Err(OpError::Backup(BackupError::Refused {
        backup: made.id,
        what: "the manifest".to_owned(),
        why: format!("it is signed by another key: {}", made.signed_by),
    }))
}
