//! The key to which addresses are sealed that come while the server is: a secret of the server's own, made when
//! the server is first unsealed, and never another. Its public half lies beside each node's journal, where a
//! sealed server can read it; the registry has its digest, so that nobody puts another there by the disk alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use keyward_crypto::digest::sha256;
use keyward_crypto::hybrid::{HybridPublic, HybridSecret};

use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::names::SecretName;
use crate::node::Node;
use crate::noun::condition::{ConditionKind, Severity, Subject};
use crate::noun::secret::SecretState;
use crate::ops::condition;
use crate::ops::secret::{self, NewValue, OWN_PREFIX};
use crate::port::waiting_addresses::WaitingAddresses;

/// Which label has the digest of the public half: SHA-256, in hex.
const DIGEST_LABEL: &str = "public_key_sha256";

const KIND: ConditionKind = ConditionKind::AUDIT_ADDRESSES_DAMAGED;

fn name() -> Result<SecretName, OpError> {
    SecretName::new(&format!("{OWN_PREFIX}address-sealing")).map_err(|_| OpError::Crypto)
}

fn digest_of(public: &HybridPublic) -> String {
    let mut text = String::with_capacity(64);
    for byte in sha256(&public.to_bytes()) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The public half, for a server that is sealed: as this process had it, or as it lies beside the journal if
/// the registry has its digest. If there is none, why.
pub(super) async fn public(
    node: &Node,
    port: &dyn WaitingAddresses,
) -> Result<Arc<HybridPublic>, &'static str> {
    let desk = &node.memory.people.waiting;
    if let Some(known) = desk.key() {
        return Ok(known);
    }
    let none = "the server is sealed and has no key yet for addresses that come meanwhile";
    let name = name().map_err(|_| none)?;
    let row = node.ports.registry.secret(None, &name).await;
    let row = row.map_err(|_| "the server is sealed and the registry does not answer")?;
    let row = row.filter(|row| row.state == SecretState::Stored && row.created_by.is_none());
    let digest = row.and_then(|mut row| row.labels.remove(DIGEST_LABEL));
    let digest = digest.ok_or(none)?;
    let lies = port.key().await;
    let lies = lies.map_err(|_| "the disk does not give the key for addresses")?;
    let public = HybridPublic::from_bytes(&lies.ok_or(none)?);
    let public = public.ok().filter(|public| digest_of(public) == digest);
    let public = public.ok_or("the key for addresses beside the audit log is not the right one")?;
    let public = Arc::new(public);
    desk.set_key(public.clone());
    Ok(public)
}

/// The private half; the key is made if it is not there.
pub(super) async fn private(node: &Node) -> Result<HybridSecret, OpError> {
    let name = name()?;
    let found = match secret::open_own(node, None, &name).await {
        Err(OpError::NotFound { .. }) => {
            let made = HybridSecret::generate(&*node.ports.random).map_err(|_| OpError::Crypto)?;
            put(node, &made, 0).await?;
            secret::open_own(node, None, &name).await?
        }
        found => found?,
    };
    let key = HybridSecret::from_seed(found.value.expose()).map_err(|_| OpError::Crypto)?;
    // Whoever writes to the registry could have others seal to a key of his.
    let digest = digest_of(&key.public());
    if found.secret.labels.get(DIGEST_LABEL) != Some(&digest) {
        replaced(node, "the registry").await;
        put(node, &key, found.secret.latest_version).await?;
    }
    Ok(key)
}

/// Puts the key as the next version; the one before goes. Of two who do it, one makes it count.
async fn put(node: &Node, key: &HybridSecret, before: i64) -> Result<(), OpError> {
    let digest = digest_of(&key.public());
    let description = "The key to which addresses are sealed that come while the server is sealed. \
                       The server's own.";
    let new = NewValue {
        name: name()?,
        value: key.to_seed(),
        description: Some(description.to_owned()),
        labels: Some(BTreeMap::from([(DIGEST_LABEL.to_owned(), digest)])),
        keep: Some(1),
        expected_version: Some(before),
        if_match: None,
    };
    let caller = Caller::system(node.own_correlation_id()?);
    match secret::put(node, &caller, &TenantRef::System, new, None).await {
        Ok(_)
        | Err(OpError::AlreadyExists { .. } | OpError::VersionMoved { .. } | OpError::Conflict) => {
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Compares what lies beside the journal with the key in the vault, and puts that in its place.
pub(super) async fn lay(
    node: &Node,
    port: &dyn WaitingAddresses,
    key: &HybridSecret,
) -> Result<(), OpError> {
    let public = key.public();
    let bytes = public.to_bytes();
    // What cannot be read is put anew, as what is another.
    let lies = port.key().await?;
    if lies.as_deref() != Some(&bytes) {
        if lies.is_some() {
            replaced(node, "the file beside the audit log").await;
        }
        port.put_key(&bytes).await?;
    } else if !node.memory.people.waiting.has_replaced() {
        condition::clear(node, KIND, &about(node)).await;
    }
    node.memory.people.waiting.set_key(Arc::new(public));
    Ok(())
}

fn about(node: &Node) -> Subject {
    Subject::system(&format!("{}/addresses-key", node.settings.name))
}

/// Tells of a public half that was not the vault's. It stays open until a later unsealing finds the right one:
/// what was mended at once is to be seen all the same.
async fn replaced(node: &Node, place: &str) {
    node.memory.people.waiting.note_replaced();
    let detail = format!(
        "{place} had another key for addresses than the vault: what came while the server was sealed may be \
         readable for whoever put it there, and for nobody here; the right one was put back. After a restore to \
         an earlier time it may be the former deployment's"
    );
    condition::raise(node, KIND, &about(node), Severity::Critical, &detail).await;
}
