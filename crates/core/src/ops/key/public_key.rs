//! Public halves: of one version, and of all that a caller may read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyward_crypto::Algorithm;
use keyward_crypto::exchange::PublicKey;
use serde_json::Value;

use super::search::visible;
use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::key::Key;
use crate::noun::key_version::KeyVersion;
use crate::noun::state::{UseKind, Verdict};
use crate::ops::gate::{Attempt, key_resource, resource};
use crate::port::registry::{
    KeyCursor, KeyFilter, KeyRef, KeySort, KeySummary, KeyWithVersions, RegistryError,
};

/// The public half of a version, as it is wanted.
#[derive(Clone, Debug)]
pub struct PublicKeyView {
    /// Which version.
    pub version: i64,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// `SubjectPublicKeyInfo` DER.
    pub der: Vec<u8>,
    /// The same as PEM.
    pub pem: String,
    /// As JSON Web Key, if JOSE knows the algorithm.
    pub jwk: Option<Value>,
    /// As a line of `authorized_keys`, if SSH knows the algorithm.
    pub ssh: Option<String>,
}

/// At most so many keys in one set.
const SET_MAX: usize = 1000;

/// Shows the public half of a version; of the primary if none is named.
pub async fn public_key(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    version: Option<u32>,
) -> Result<PublicKeyView, OpError> {
    let action = Action::KeyRead;
    Attempt::new(
        node,
        caller,
        action,
        node.tenant_id(tenant),
        key_resource(key),
    )
    .read(async {
        let (_, hot, _) = node.authorize_key(caller, action, tenant, key).await?;
        let KeyWithVersions { key, versions } = node.fetch_key(&hot).await?;
        let wanted = version.map_or(key.primary_version, i64::from);
        let version = versions
            .iter()
            .find(|version| version.version == wanted)
            .ok_or(OpError::NotFound {
                what: "key version",
            })?;
        let public = stored(version)?.ok_or(OpError::NotFound { what: "public key" })?;
        Ok(PublicKeyView {
            version: version.version,
            algorithm: version.algorithm,
            pem: public.pem().map_err(OpError::Exchange)?,
            jwk: public.jwk(key.usages, &kid(&key, version)).ok(),
            ssh: public.ssh(key.name.as_str()).ok(),
            der: public.der().to_vec(),
        })
    })
    .await
}

/// The public keys of the tenant's keys that the caller may read: every version that may process.
/// With a prefix, those whose names begin with it.
pub async fn jwks(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    name_prefix: Option<String>,
) -> Result<Vec<Value>, OpError> {
    let action = Action::KeyListPublic;
    Attempt::new(
        node,
        caller,
        action,
        node.tenant_id(tenant),
        resource("key", None, None),
    )
    .read(async {
        let (found, _) = node.authorize_tenant(caller, action, tenant)?;
        let mut set = Vec::new();
        for algorithm in Algorithm::ALL
            .iter()
            .filter(|algorithm| algorithm.info().is_asymmetric())
        {
            let filter = KeyFilter {
                algorithm: Some(*algorithm),
                name_prefix: name_prefix.clone(),
                ..KeyFilter::default()
            };
            let mut after: Option<KeyCursor> = None;
            loop {
                let registry = &node.ports.registry;
                let page = registry
                    .search_keys(found.id, &filter, KeySort::Name, after.as_ref(), SET_MAX)
                    .await?;
                for row in page.rows.iter().filter(|row| visible(node, caller, row)) {
                    add(node, row, &mut set).await?;
                }
                after = page
                    .rows
                    .last()
                    .map(|last| super::cursor_of(last, KeySort::Name));
                if !page.more {
                    break;
                }
            }
        }
        Ok(set)
    })
    .await
}

async fn add(node: &Node, row: &KeySummary, set: &mut Vec<Value>) -> Result<(), OpError> {
    let named = KeyRef::Id(row.key.id);
    let Some(current) = node.ports.registry.key(row.key.tenant, &named).await? else {
        return Ok(());
    };
    for version in &current.versions {
        let processes = match version.state_at(node.now()).allows(UseKind::Process) {
            Verdict::Yes => true,
            Verdict::UnlessForbiddenAfterExpiry => current.key.restrictions.process_after_expiry,
            Verdict::WithCompromisedPermission | Verdict::No => false,
        };
        if let (true, Some(public)) = (processes, stored(version)?) {
            if set.len() == SET_MAX {
                return Err(OpError::invalid(
                    "name",
                    "the set would have more than 1000 keys; name a prefix",
                ));
            }
            let kid = kid(&current.key, version);
            // What JOSE has no name for cannot stand in a set.
            set.extend(public.jwk(current.key.usages, &kid).ok());
        }
    }
    Ok(())
}

/// A version's name in a set of keys.
fn kid(key: &Key, version: &KeyVersion) -> String {
    format!("{}.{}", key.id, version.version)
}

fn stored(version: &KeyVersion) -> Result<Option<PublicKey>, OpError> {
    let Some(text) = &version.public_key else {
        return Ok(None);
    };
    let der = STANDARD.decode(text).map_err(|_| RegistryError::Damaged {
        table: "key_versions",
        what: "public_key",
    })?;
    Ok(Some(PublicKey::stored(version.algorithm, der)))
}
