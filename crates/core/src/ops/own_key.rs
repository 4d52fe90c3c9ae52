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
use crate::noun::secret::{Secret, SecretState};
use crate::ops::secret::{self, NewValue, OWN_PREFIX};
use crate::port::registry::Registry;
use crate::time::Timestamp;

/// Which label of a key's secret has its public half.
const PUBLIC_KEY_LABEL: &str = "public_key";
/// Which label has the public half of the key before.
const FORMER_LABEL: &str = "former_key";
/// Until when the key before signs too.
const FORMER_UNTIL_LABEL: &str = "former_until";

/// The key before, and until when it signs too.
pub(super) struct Overlap {
    /// Its public half: base64 of its DER.
    pub(super) former: String,
    /// Until when.
    pub(super) until: Timestamp,
}

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

    async fn stored(self, registry: &dyn Registry) -> Result<Option<Secret>, OpError> {
        let found = registry.secret(None, &self.secret_name()?).await?;
        Ok(found.filter(|secret| secret.state == SecretState::Stored))
    }

    /// The public half as text: base64 of its DER; none before the key was made.
    pub(super) async fn public(self, registry: &dyn Registry) -> Result<Option<String>, OpError> {
        let found = self.stored(registry).await?;
        Ok(found.and_then(|mut it| it.labels.remove(PUBLIC_KEY_LABEL)))
    }

    /// The key before, if there was one.
    pub(super) async fn overlap(self, registry: &dyn Registry) -> Result<Option<Overlap>, OpError> {
        let Some(mut found) = self.stored(registry).await? else {
            return Ok(None);
        };
        let until = found.labels.get(FORMER_UNTIL_LABEL);
        let until = until.and_then(|until| until.parse().ok());
        let former = found.labels.remove(FORMER_LABEL);
        Ok(former
            .zip(until)
            .map(|(former, until)| Overlap { former, until }))
    }

    /// The numbers of its versions that can be read, oldest first.
    pub(super) async fn versions(self, node: &Node) -> Result<Vec<i64>, OpError> {
        let registry = &node.ports.registry;
        let Some(found) = self.stored(&**registry).await? else {
            return Ok(Vec::new());
        };
        let versions = registry.secret_versions(found.id).await?;
        let kept = versions.iter().filter(|it| it.destroying_at.is_none());
        Ok(kept.map(|version| version.version).collect())
    }

    /// The private half of one version.
    pub(super) async fn private_of(
        self,
        node: &Node,
        version: i64,
    ) -> Result<SecretBytes, OpError> {
        let caller = Caller::system(node.own_correlation_id()?);
        let name = self.secret_name()?;
        let got = secret::get(node, &caller, &TenantRef::System, &name, Some(version)).await?;
        Ok(got.value)
    }

    /// Makes the next version; answers its public half. The one before signs too until then. Of two who
    /// do it at the same time, one is refused.
    pub(super) async fn rotate(
        self,
        node: &Node,
        caller: &Caller,
        until: Timestamp,
    ) -> Result<String, OpError> {
        let stored = self.stored(&*node.ports.registry).await?;
        let mut before = stored.ok_or(OpError::Crypto)?;
        let former = before.labels.remove(PUBLIC_KEY_LABEL);
        let (new, public) = self.fresh(node)?;
        let labels = BTreeMap::from([
            (PUBLIC_KEY_LABEL.to_owned(), public.clone()),
            (FORMER_LABEL.to_owned(), former.ok_or(OpError::Crypto)?),
            (FORMER_UNTIL_LABEL.to_owned(), until.to_string()),
        ]);
        let new = NewValue {
            labels: Some(labels),
            expected_version: Some(before.latest_version),
            ..new
        };
        let caller = Caller::system(caller.origin.correlation_id.clone());
        secret::put(node, &caller, &TenantRef::System, new, None).await?;
        Ok(public)
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

    /// A pair to be put as the first version; and its public half as text.
    fn fresh(self, node: &Node) -> Result<(NewValue, String), OpError> {
        let made = KeyMaterial::generate(Algorithm::Ed25519, &*node.ports.random)
            .map_err(|_| OpError::Crypto)?;
        let public = as_text(made.public().ok_or(OpError::Crypto)?);
        let new = NewValue {
            name: self.secret_name()?,
            value: made.secret().duplicate(),
            description: Some(self.description.to_owned()),
            labels: Some(BTreeMap::from([(
                PUBLIC_KEY_LABEL.to_owned(),
                public.clone(),
            )])),
            keep: Some(100),
            expected_version: Some(0),
            if_match: None,
        };
        Ok((new, public))
    }

    /// Of two who make one at the same time, one makes it count.
    pub(super) async fn make(self, node: &Node) -> Result<(), OpError> {
        let (new, _) = self.fresh(node)?;
        self.put(node, new).await
    }

    /// Puts a new one in the place of the old one, which nothing asks for any more.
    pub(super) async fn renew(self, node: &Node) -> Result<(), OpError> {
        let (mut new, _) = self.fresh(node)?;
        new.expected_version = None;
        self.put(node, new).await
    }

    async fn put(self, node: &Node, new: NewValue) -> Result<(), OpError> {
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
