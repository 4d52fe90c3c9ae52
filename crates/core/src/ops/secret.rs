//! Secrets: put, got, shown, listed, deleted. The value goes to the vault and comes back from it; it
//! is in no row, no log, no error and no memory of a request.

pub mod category;
mod deletion;
mod put;
mod system_key;

use keyward_crypto::secret::SecretBytes;

use self::category::{Category, Verb};
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
use crate::texts::TEXT_KEY;

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

/// The attempt on a secret: what is asked of its category.
fn attempt<'a>(
    node: &'a Node,
    caller: &'a Caller,
    verb: Verb,
    scope: &TenantRef,
    name: &SecretName,
) -> Attempt<'a> {
    let action = Category::of(name).action(verb);
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
    let is_own = match scope {
        TenantRef::System => name.as_str().starts_with(OWN_PREFIX),
        _ => name.as_str() == TEXT_KEY,
    };
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
    let mut attempt = attempt(node, caller, Verb::Get, scope, name);
    attempt.resource.version = version;
    node.ensure_auditable()?;
    let got = async {
        let (tenant, _) = node.authorize_scope(caller, attempt.action, scope)?;
        ensure_not_own(caller, attempt.action, scope, name)?;
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
    let attempt = attempt(node, caller, Verb::Read, scope, name);
    let action = attempt.action;
    attempt
        .read(async {
            let (tenant, _) = node.authorize_scope(caller, action, scope)?;
            let secret = find(node, tenant, name).await?;
            let mut versions = node.ports.registry.secret_versions(secret.id).await?;
            versions.retain(|version| version.destroying_at.is_none());
            Ok(SecretWithVersions { secret, versions })
        })
        .await
}

/// Lists secrets whose names begin with a prefix, without their values; of the categories that the
/// caller may list.
pub async fn list(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    prefix: &str,
    after: Option<&SecretName>,
    limit: Option<usize>,
) -> Result<Page<Secret>, OpError> {
    let named = resource("secret", None, None);
    let wanted = Category::within(prefix);
    let may = |it: &Category| {
        let asked = node.authorize_scope(caller, it.action(Verb::List), scope);
        asked.is_ok()
    };
    let visible: Vec<Category> = wanted.iter().copied().filter(may).collect();
    // Who may list none of them is refused the first.
    let first = visible.first().or(wanted.first()).copied();
    let action = first.unwrap_or_default().action(Verb::List);
    Attempt::new(node, caller, action, node.tenant_id(scope), named)
        .read(async {
            let (tenant, _) = node.authorize_scope(caller, action, scope)?;
            if prefix.len() > 128 || !prefix.bytes().all(may_be_in_a_name) {
                return Err(OpError::invalid("prefix", "begins no secret's name"));
            }
            visible_page(node, tenant, prefix, after, page_size(limit)?, &visible).await
        })
        .await
}

/// A page of those that may be seen. Others are passed over, so that a page is full while there are
/// more.
async fn visible_page(
    node: &Node,
    tenant: Option<TenantId>,
    prefix: &str,
    after: Option<&SecretName>,
    limit: usize,
    visible: &[Category],
) -> Result<Page<Secret>, OpError> {
    let registry = &node.ports.registry;
    let mut rows: Vec<Secret> = Vec::new();
    let mut after = after.cloned();
    loop {
        let page = registry
            .secrets(tenant, prefix, after.as_ref(), limit + 1)
            .await?;
        after = page.rows.last().map(|last| last.name.clone());
        let seen = |it: &Secret| visible.contains(&Category::of(&it.name));
        rows.extend(page.rows.into_iter().filter(seen));
        let more = rows.len() > limit;
        if more || !page.more {
            rows.truncate(limit);
            return Ok(Page { rows, more });
        }
    }
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
