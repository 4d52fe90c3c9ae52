//! The key that signs backups: one of the server's own secrets, made when it is first needed.

use std::collections::BTreeMap;

use keyward_crypto::algorithm::Algorithm;
use keyward_crypto::material::KeyMaterial;
use keyward_crypto::secret::SecretBytes;

use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::names::SecretName;
use crate::node::Node;
use crate::noun::secret::SecretState;
use crate::ops::secret::{self, NewValue, OWN_PREFIX};
use crate::port::backup::{BackupError, BackupSummary};
use crate::port::registry::Registry;

/// Which label of the signing key has its public half.
const PUBLIC_KEY_LABEL: &str = "public_key";

/// The public half of the key that signs, if there is one yet.
pub(super) async fn own_key(node: &Node) -> Result<Option<String>, OpError> {
    made_public_key(&*node.ports.registry).await
}

/// The same as a registry has it: none before it was made.
pub async fn made_public_key(registry: &dyn Registry) -> Result<Option<String>, OpError> {
    let found = registry.secret(None, &signing_key_name()?).await?;
    let found = found.filter(|secret| secret.state == SecretState::Stored);
    Ok(found.and_then(|mut it| it.labels.remove(PUBLIC_KEY_LABEL)))
}

/// Both halves of the key that signs; the public one as text.
pub(in crate::ops) async fn signing_pair(node: &Node) -> Result<(String, SecretBytes), OpError> {
    let private = signing_key(node).await?;
    let public = own_key(node).await?;
    Ok((public.ok_or(OpError::Crypto)?, private))
}

fn signing_key_name() -> Result<SecretName, OpError> {
    SecretName::new(&format!("{OWN_PREFIX}backup-signing")).map_err(|_| OpError::Crypto)
}

/// The private half of the signing key, made if it is not there.
pub(super) async fn signing_key(node: &Node) -> Result<SecretBytes, OpError> {
    let name = signing_key_name()?;
    match secret::get_for_server(node, &name).await {
        Err(OpError::NotFound { .. }) => {
            make_signing_key(node).await?;
            secret::get_for_server(node, &name).await
        }
        found => found,
    }
}

/// Of two who make one at the same time, one makes it count.
pub(super) async fn make_signing_key(node: &Node) -> Result<(), OpError> {
    let made = KeyMaterial::generate(Algorithm::Ed25519, &*node.ports.random)
        .map_err(|_| OpError::Crypto)?;
    let public = as_text(made.public().ok_or(OpError::Crypto)?);
    let new = NewValue {
        name: signing_key_name()?,
        value: made.secret().duplicate(),
        description: Some("The key that signs backups. The server's own.".to_owned()),
        labels: Some(BTreeMap::from([(PUBLIC_KEY_LABEL.to_owned(), public)])),
        keep: Some(100),
        expected_version: Some(0),
        if_match: None,
    };
    let caller = Caller::system(node.own_correlation_id()?);
    match secret::put(node, &caller, &TenantRef::System, new, None).await {
        Ok(_) | Err(OpError::AlreadyExists { .. }) => Ok(()),
        Err(error) => Err(error),
    }
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

fn as_text(public: &[u8]) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, public)
}
