//! The Ed25519 keys with which the server itself signs: secrets of its own, made when they are first
//! needed.

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
use crate::port::registry::Registry;

/// Which label of a key's secret has its public half.
const PUBLIC_KEY_LABEL: &str = "public_key";

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnKey {
    name: &'static str,
    description: &'static str,
}

impl OwnKey {
    /// Signs backups and drills' reports.
    pub(super) const BACKUPS: Self = Self {
        name: "backup-signing",
        description: "The key that signs backups. The server's own.",
    };
    /// Signs the checkpoints of transparency logs.
    pub(super) const CHECKPOINTS: Self = Self {
        name: "checkpoint-signing",
        description: "The key that signs the checkpoints of the audit log. The server's own.",
    };

    /// Cosigns the checkpoints of other deployments' logs.
    pub(super) const WITNESS: Self = Self {
        name: "witness-signing",
        description: "The key that cosigns other deployments' audit logs. The server's own.",
    };

    fn secret_name(self) -> Result<SecretName, OpError> {
        SecretName::new(&format!("{OWN_PREFIX}{}", self.name)).map_err(|_| OpError::Crypto)
    }

    /// The public half as text: base64 of its DER; none before the key was made.
    pub(super) async fn public(self, registry: &dyn Registry) -> Result<Option<String>, OpError> {
        let found = registry.secret(None, &self.secret_name()?).await?;
        let found = found.filter(|secret| secret.state == SecretState::Stored);
        Ok(found.and_then(|mut it| it.labels.remove(PUBLIC_KEY_LABEL)))
    }

    /// The private half; the key is made if it is not there.
    pub(super) async fn private(self, node: &Node) -> Result<SecretBytes, OpError> {
        let name = self.secret_name()?;
        match secret::get_for_server(node, &name).await {
            Err(OpError::NotFound { .. }) => {
                self.make(node).await?;
                secret::get_for_server(node, &name).await
            }
            found => found,
        }
    }

    /// Both halves; the public one as text.
    pub(super) async fn pair(self, node: &Node) -> Result<(String, SecretBytes), OpError> {
        let private = self.private(node).await?;
        let public = self.public(&*node.ports.registry).await?;
        Ok((public.ok_or(OpError::Crypto)?, private))
    }

    /// Of two who make one at the same time, one makes it count.
    pub(super) async fn make(self, node: &Node) -> Result<(), OpError> {
        self.put(node, Some(0)).await
    }

    /// Puts a new one in the place of the old one, which nothing asks for any more.
    pub(super) async fn renew(self, node: &Node) -> Result<(), OpError> {
        self.put(node, None).await
    }

    async fn put(self, node: &Node, expected_version: Option<i64>) -> Result<(), OpError> {
        let made = KeyMaterial::generate(Algorithm::Ed25519, &*node.ports.random)
            .map_err(|_| OpError::Crypto)?;
        let public = as_text(made.public().ok_or(OpError::Crypto)?);
        let new = NewValue {
            name: self.secret_name()?,
            value: made.secret().duplicate(),
            description: Some(self.description.to_owned()),
            labels: Some(BTreeMap::from([(PUBLIC_KEY_LABEL.to_owned(), public)])),
            keep: Some(100),
            expected_version,
            if_match: None,
        };
        let caller = Caller::system(node.own_correlation_id()?);
        match secret::put(node, &caller, &TenantRef::System, new, None).await {
            Ok(_) | Err(OpError::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A public half as text: base64 of its DER.
pub(super) fn as_text(public: &[u8]) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, public)
}
