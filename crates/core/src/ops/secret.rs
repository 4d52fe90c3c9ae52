//! Secrets: put, got, shown, listed, deleted. The value goes to the vault and comes back from it; it
//! is in no row, no log, no error and no memory of a request.

mod deletion;
mod put;
mod system_key;

use keyward_crypto::secret::SecretBytes;

use crate::audit::Outcome;
use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::ids::TenantId;
use crate::names::SecretName;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::secret::{Secret, SecretState, SecretVersion};
use crate::ops::gate::{Attempt, ensure_active, page_size, resource};
use crate::port::registry::Page;
use crate::port::secret_store::SecretSpec;
use crate::port::storage::StorageError;

pub(crate) use self::deletion::sweep;
pub use self::deletion::{DeleteRequest, Deletion, delete};
pub use self::put::{KEEP, NewValue, PutVersion, VALUE_BYTES_MAX, put};

/// A secret with its versions, without their values.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretWithVersions {
    /// The secret.
    pub secret: Secret,
    /// Its versions that can be read, oldest first.
    pub versions: Vec<SecretVersion>,
}

/// A value and which version it is.
pub struct SecretValue {
    /// The secret.
    pub secret: Secret,
    /// The version.
    pub version: SecretVersion,
    /// Its value.
    pub value: SecretBytes,
}

const NO_SECRET: OpError = OpError::NotFound { what: "secret" };
const NO_VERSION: OpError = OpError::NotFound {
    what: "version of this secret",
};

/// How often a value is looked for again when somebody replaced it meanwhile.
const LOOKS: usize = 8;

/// The attempt on a secret.
fn attempt<'a>(
    node: &'a Node,
    caller: &'a Caller,
    action: Action,
    scope: &TenantRef,
    name: &SecretName,
) -> Attempt<'a> {
    let named = resource("secret", None, Some(name.as_str()));
    Attempt::new(node, caller, action, node.tenant_id(scope), named)
}

/// Refuses in a tenant that is suspended or shredded; the system is neither.
fn ensure_scope_active(node: &Node, scope: &TenantRef) -> Result<(), OpError> {
    node.find_tenant(scope)
        .map_or(Ok(()), |tenant| ensure_active(&tenant))
}

/// What the names of the server's own secrets begin with: they are shown and listed like others, and
/// put, given out and deleted by the server alone.
pub(crate) const OWN_PREFIX: &str = "keyward.";

/// Refuses to touch what is the server's own.
fn ensure_not_own(
    caller: &Caller,
    action: Action,
    scope: &TenantRef,
    name: &SecretName,
) -> Result<(), OpError> {
    let is_own = *scope == TenantRef::System && name.as_str().starts_with(OWN_PREFIX);
    if is_own && !caller.is_system() {
        return Err(OpError::Forbidden {
            action: action.name(),
        });
    }
    Ok(())
}

/// A secret that is there.
async fn find(node: &Node, tenant: Option<TenantId>, name: &SecretName) -> Result<Secret, OpError> {
    let found = node.ports.registry.secret(tenant, name).await?;
    found
        .filter(|secret| secret.state == SecretState::Stored)
        .ok_or(NO_SECRET)
}

/// What the vault is told of a version.
pub(in crate::ops) fn spec(version: &SecretVersion) -> Result<SecretSpec, OpError> {
    Ok(SecretSpec {
        tenant: version.tenant,
        secret: version.secret,
        version: u32::try_from(version.version).map_err(|_| OpError::Crypto)?,
        record: version.record,
    })
}

/// Gives out the value of the current version, or of the one that is named.
pub async fn get(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    name: &SecretName,
    version: Option<i64>,
) -> Result<SecretValue, OpError> {
    let mut attempt = attempt(node, caller, Action::SecretGet, scope, name);
    attempt.resource.version = version;
    node.ensure_auditable()?;
    let got = async {
        let (tenant, _) = node.authorize_scope(caller, Action::SecretGet, scope)?;
        ensure_not_own(caller, Action::SecretGet, scope, name)?;
        ensure_scope_active(node, scope)?;
        node.ensure_unsealed()?;
        open(node, tenant, name, version).await
    }
    .await;
    match got {
        Ok(got) => {
            attempt.resource.id = Some(got.secret.id.uuid());
            attempt.resource.version = Some(got.version.version);
            // The value leaves only when the log has it that it does.
            node.ports.audit.append(attempt.event(Outcome::Ok)).await?;
            Ok(got)
        }
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

/// Finds and opens a value. Between the look into the registry and the one into the vault somebody
/// may have put a newer version, and this one may be gone: then it looks again.
async fn open(
    node: &Node,
    tenant: Option<TenantId>,
    name: &SecretName,
    wanted: Option<i64>,
) -> Result<SecretValue, OpError> {
    for _ in 0..LOOKS {
        let secret = find(node, tenant, name).await?;
        let number = wanted.unwrap_or(secret.latest_version);
        let Some(version) = stored_version(node, &secret, number).await? else {
            if find(node, tenant, name).await?.etag == secret.etag {
                return Err(NO_VERSION);
            }
            continue;
        };
        let opened = node
            .ports
            .secrets
            .open(spec(&version)?, &version.record_digest);
        match opened.await {
            Ok(value) => {
                return Ok(SecretValue {
                    secret,
                    version,
                    value,
                });
            }
            Err(StorageError::Missing) => {
                if stored_version(node, &secret, number).await?.is_some() {
                    return Err(StorageError::Missing.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(OpError::Conflict)
}

async fn stored_version(
    node: &Node,
    secret: &Secret,
    number: i64,
) -> Result<Option<SecretVersion>, OpError> {
    let versions = node.ports.registry.secret_versions(secret.id).await?;
    Ok(versions
        .into_iter()
        .find(|version| version.version == number && version.destroying_at.is_none()))
}

/// Shows a secret and its versions, without their values.
pub async fn read(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    name: &SecretName,
) -> Result<SecretWithVersions, OpError> {
    attempt(node, caller, Action::SecretRead, scope, name)
        .read(async {
            let (tenant, _) = node.authorize_scope(caller, Action::SecretRead, scope)?;
            let secret = find(node, tenant, name).await?;
            let mut versions = node.ports.registry.secret_versions(secret.id).await?;
            versions.retain(|version| version.destroying_at.is_none());
            Ok(SecretWithVersions { secret, versions })
        })
        .await
}

/// Lists secrets whose names begin with a prefix, without their values.
pub async fn list(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    prefix: &str,
    after: Option<&SecretName>,
    limit: Option<usize>,
) -> Result<Page<Secret>, OpError> {
    let named = resource("secret", None, None);
    Attempt::new(
        node,
        caller,
        Action::SecretList,
        node.tenant_id(scope),
        named,
    )
    .read(async {
        let (tenant, _) = node.authorize_scope(caller, Action::SecretList, scope)?;
        if prefix.len() > 128 || !prefix.bytes().all(may_be_in_a_name) {
            return Err(OpError::invalid("prefix", "begins no secret's name"));
        }
        let registry = &node.ports.registry;
        Ok(registry
            .secrets(tenant, prefix, after, page_size(limit)?)
            .await?)
    })
    .await
}

const fn may_be_in_a_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-' | b'/')
}

/// Gives the server itself a value of the system's secrets, for its own configuration. Audited
/// like any other reading.
pub async fn get_for_server(node: &Node, name: &SecretName) -> Result<SecretBytes, OpError> {
    let caller = Caller::system(node.own_correlation_id()?);
    let got = get(node, &caller, &TenantRef::System, name, None).await?;
    Ok(got.value)
}
