//! The root key under a sealing key: one message of the committing construction, so that a wrong
//! sealing key is told from altered bytes, bound to the deployment, the root key's name, the kind
//! of seal and the seal's own id. Knows nothing of files or shares.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use keyward_crypto::keywrap::Kek;
use keyward_crypto::{
    Algorithm, CryptoError, KeyMaterial, MessageContext, PreparedKey, Random, SecretBytes,
};
use uuid::Uuid;

use super::SealError;
use super::manifest::RootKeyName;

/// What a wrapped root key is bound to.
pub(crate) struct Binding<'a> {
    pub(crate) deployment: Uuid,
    pub(crate) root_key: RootKeyName,
    /// The kind of seal, or `root-key` where one root key leads to another.
    pub(crate) kind: &'static str,
    /// Tells two seals of one kind apart: a fingerprint or a set id in hex, or the seal's id.
    pub(crate) seal_id: &'a str,
}

/// Wraps; the result is Base64.
pub(crate) fn wrap(
    root: &Kek,
    sealing_key: &SecretBytes,
    binding: &Binding<'_>,
    random: &dyn Random,
) -> Result<String, CryptoError> {
    let context = binding.context();
    let wrapped = prepare(sealing_key)?.wrap_key(
        &binding.message(&context),
        root.to_secret().expose(),
        random,
    )?;
    Ok(BASE64.encode(&wrapped))
}

/// Undoes [`wrap`].
pub(crate) fn unwrap(
    wrapped: &str,
    sealing_key: &SecretBytes,
    binding: &Binding<'_>,
) -> Result<Kek, SealError> {
    try_unwrap(wrapped, sealing_key, binding).map_err(|_| SealError::Damaged {
        what: "the wrapped root key",
    })
}

/// Undoes [`wrap`], for those who must tell a wrong sealing key
/// ([`CryptoError::CommitmentMismatch`]) from altered bytes.
pub(crate) fn try_unwrap(
    wrapped: &str,
    sealing_key: &SecretBytes,
    binding: &Binding<'_>,
) -> Result<Kek, CryptoError> {
    let wrapped = BASE64
        .decode(wrapped.as_bytes())
        .map_err(|_| CryptoError::Truncated)?;
    let context = binding.context();
    let root = prepare(sealing_key)?.unwrap_key(&binding.message(&context), &wrapped)?;
    Kek::from_secret(&root)
}

impl Binding<'_> {
    fn context(&self) -> BTreeMap<String, String> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        BTreeMap::from([
            pair("purpose", "keyward/root-key/1"),
            pair("deployment", &self.deployment.to_string()),
            pair("seal", self.kind),
            pair("seal-id", self.seal_id),
        ])
    }

    fn message<'c>(&self, context: &'c BTreeMap<String, String>) -> MessageContext<'c> {
        MessageContext {
            key_id: self.root_key.id,
            version: self.root_key.version,
            context,
        }
    }
}

/// Wraps one root key under another: how each is found from the other while key-encryption keys
/// are under both.
pub(crate) fn wrap_root_under_root(
    deployment: Uuid,
    (root, name): (&Kek, RootKeyName),
    (under, under_name): (&Kek, RootKeyName),
    random: &dyn Random,
) -> Result<String, CryptoError> {
    let seal_id = under_name.id.to_string();
    let binding = Binding::of_root(deployment, name, &seal_id);
    wrap(root, &under.to_secret(), &binding, random)
}

/// Undoes [`wrap_root_under_root`].
pub(crate) fn unwrap_root_under_root(
    deployment: Uuid,
    (wrapped, name): (&str, RootKeyName),
    (under, under_name): (&Kek, RootKeyName),
) -> Result<Kek, SealError> {
    let seal_id = under_name.id.to_string();
    let binding = Binding::of_root(deployment, name, &seal_id);
    unwrap(wrapped, &under.to_secret(), &binding)
}

impl<'a> Binding<'a> {
    const fn of_root(deployment: Uuid, root_key: RootKeyName, seal_id: &'a str) -> Self {
        Self {
            deployment,
            root_key,
            kind: "root-key",
            seal_id,
        }
    }
}

fn prepare(sealing_key: &SecretBytes) -> Result<PreparedKey, CryptoError> {
    PreparedKey::new(&KeyMaterial::import(
        Algorithm::Aes256GcmCommit,
        sealing_key,
    )?)
}
