//! Secrets: put, got, shown, listed, deleted. The value goes to the vault and comes back from it; it
//! is in no row, no log, no error and no memory of a request.

pub mod category;
mod deletion;
mod incoming;
mod outgoing;
mod put;
mod system_key;
mod value_fault;

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
use crate::port::secret_store::{OpenedValue, SecretSpec};
use crate::port::storage::StorageError;
use crate::texts::TEXT_KEY;

pub(crate) use self::deletion::sweep;
pub use self::deletion::{DeleteRequest, Deletion, delete};
pub(in crate::ops) use self::deletion::{destroy, going};
pub use self::incoming::SentValue;
pub use self::outgoing::{StreamedValue, get_stream};
pub use self::put::{KEEP, NewValue, PutVersion, Terms, VALUE_BYTES_MAX, put, put_stream};
pub use self::value_fault::ValueFault;

/// A secret with its versions, without their values.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretWithVersions {
    /// The secret.
    pub secret: Secret,
    /// Its versions that can be read, oldest first.
    pub versions: Vec<SecretVersion>,
    /// The length in bytes of the current version's value if it is too large to be given out whole;
    /// none of others, and none while the vault cannot be read.
    pub size_bytes: Option<u64>,
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

/// What the names of the server's own secrets begin with, in the system and in every tenant: they are
/// shown and listed like others, and put, given out and deleted by the server alone.
pub(crate) const OWN_PREFIX: &str = "keyward.";

/// Refuses to put what is the server's own, or would look so.
fn ensure_may_put(caller: &Caller, action: Action, name: &SecretName) -> Result<(), OpError> {
    if caller.is_system() || !name.as_str().starts_with(OWN_PREFIX) {
        return Ok(());
    }
    Err(OpError::Forbidden {
        action: action.name(),
    })
}

/// Refuses to touch what is the server's own. What somebody put into a tenant before such names were the
/// server's is still his.
async fn ensure_not_own(
    node: &Node,
    caller: &Caller,
    action: Action,
    tenant: Option<TenantId>,
    name: &SecretName,
) -> Result<(), OpError> {
    let Err(refused) = ensure_may_put(caller, action, name) else {
        return Ok(());
    };
    if tenant.is_none() || name.as_str() == TEXT_KEY {
        return Err(refused);
    }
    let found = node.ports.registry.secret(tenant, name).await?;
    let is_theirs = found.is_some_and(|secret| secret.created_by.is_some());
    if is_theirs { Ok(()) } else { Err(refused) }
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

/// Gives out the value of the current version, or of the one that is named. Refuses one that is too large
/// to be given out whole.
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
        ensure_not_own(node, caller, attempt.action, tenant, name).await?;
        ensure_scope_active(node, scope)?;
        node.ensure_unsealed()?;
        let found = open(node, tenant, name, version).await?;
        attempt.resource.version = Some(found.version.version);
        outgoing::whole(found).await
    }
    .await;
    match got {
        Ok(got) => {
            attempt.resource.id = Some(got.secret.id.uuid());
            // The value leaves only when the log has it that it does.
            node.ports.audit.append(attempt.event(Outcome::Ok)).await?;
            Ok(got)
        }
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

/// A value that was found, and of which nothing but its length was opened.
struct Found {
    secret: Secret,
    version: SecretVersion,
    value: OpenedValue,
}

/// Finds and opens a value. Between the look into the registry and the one into the vault somebody
/// may have put a newer version, and this one may be gone, or going: then it looks again.
async fn open(
    node: &Node,
    tenant: Option<TenantId>,
    name: &SecretName,
    wanted: Option<i64>,
) -> Result<Found, OpError> {
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
            .open_pieces(spec(&version)?, &version.record_digest);
        match opened.await {
            Ok(value) => {
                return Ok(Found {
                    secret,
                    version,
                    value,
                });
            }
            Err(error @ (StorageError::Missing | StorageError::Refused(_))) => {
                if stored_version(node, &secret, number).await?.is_some() {
                    return Err(error.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(OpError::Conflict)
}

/// The current value of what is the server's own, for itself: no reading that anybody asked for.
pub(in crate::ops) async fn open_own(
    node: &Node,
    tenant: Option<TenantId>,
    name: &SecretName,
) -> Result<SecretValue, OpError> {
    outgoing::whole(open(node, tenant, name, None).await?).await
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
            let size_bytes = size(node, scope, &secret, &versions).await;
            Ok(SecretWithVersions {
                secret,
                versions,
                size_bytes,
            })
        })
        .await
}

/// The length of the current value if it is large. It is not worth a refusal: what cannot be read now
/// is not said.
async fn size(
    node: &Node,
    scope: &TenantRef,
    secret: &Secret,
    versions: &[SecretVersion],
) -> Option<u64> {
    node.ensure_unsealed().ok()?;
    ensure_scope_active(node, scope).ok()?;
    let current = versions
        .iter()
        .find(|version| version.version == secret.latest_version)?;
    let secrets = &node.ports.secrets;
    let size = secrets.size_if_large(spec(current).ok()?, &current.record_digest);
    let size = size.await.ok()?;
    size.filter(|size_bytes| *size_bytes > VALUE_BYTES_MAX as u64)
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
