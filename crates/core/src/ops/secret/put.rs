//! Putting a value: into the vault first, under a fresh record id, then the registry's transaction
//! makes it count.

use std::collections::BTreeMap;

use keyward_crypto::secret::SecretBytes;

use super::category::Verb;
use super::{attempt, ensure_not_own, ensure_scope_active, spec};
use crate::caller::{Caller, Changed, Idempotency, TenantRef};
use crate::change::{IdempotencyKey, Row, Write};
use crate::error::OpError;
use crate::ids::{RecordId, SecretId, SecretVersionId, TenantId};
use crate::names::SecretName;
use crate::node::Node;
use crate::noun::secret::{Secret, SecretState, SecretVersion};
use crate::noun::tenant::Digest;
use crate::ops::commit::{Earlier, idempotency_key};
use crate::ops::gate::{Attempt, Authorized, bounded, detail};
use crate::ops::key::check_map;
use crate::ops::role::ensure_match;

/// Longest value.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
/// How many versions can be kept.
pub const KEEP: std::ops::RangeInclusive<i32> = 1..=100;
/// How many are kept when nothing is said.
const KEEP_DEFAULT: i32 = 10;

/// A value to be put.
pub struct NewValue {
    /// Under which name.
    pub name: SecretName,
    /// The value, 1 byte to 64 KiB.
    pub value: SecretBytes,
    /// Free text, not secret; as it was if not said.
    pub description: Option<String>,
    /// Names and values, not secret; as they were if not said.
    pub labels: Option<BTreeMap<String, String>>,
    /// How many versions are kept; as it was if not said, 10 at first.
    pub keep: Option<i32>,
    /// The version that must be the latest; 0: there must be no such secret.
    pub expected_version: Option<i64>,
    /// The row version that the caller has read.
    pub if_match: Option<i64>,
}

/// What was put.
#[derive(Clone, Debug, PartialEq)]
pub struct PutVersion {
    /// The secret.
    pub secret: Secret,
    /// Its new version.
    pub version: SecretVersion,
}

/// Puts a value: makes a secret, or a new version of it. Versions beyond those kept are destroyed.
pub async fn put(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    new: NewValue,
    idempotency: Option<&Idempotency>,
) -> Result<Changed<PutVersion>, OpError> {
    let mut attempt = attempt(node, caller, Verb::Put, scope, &new.name);
    let done: Result<_, OpError> = async {
        node.ensure_auditable()?;
        let (tenant, proof) = node.authorize_scope(caller, attempt.action, scope)?;
        ensure_not_own(caller, attempt.action, scope, &new.name)?;
        ensure_scope_active(node, scope)?;
        node.ensure_unsealed()?;
        check(&new)?;
        let request = idempotency_of(caller, tenant, &new, idempotency)?;
        if let Earlier::Made(id) = node.earlier(request.as_ref()).await? {
            let made = repeated(node, tenant, &new, SecretVersionId::from_uuid(id)).await?;
            return attempt.repeated(made).await;
        }
        let found = node.ports.registry.secret(tenant, &new.name).await?;
        let plan = plan(node, caller, tenant, &new, found)?;
        attempt.resource.id = Some(plan.secret.id.uuid());
        store(&attempt, proof, plan, new, request).await
    }
    .await;
    match done {
        Ok(done) => Ok(done),
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

fn check(new: &NewValue) -> Result<(), OpError> {
    if !(1..=VALUE_BYTES_MAX).contains(&new.value.len()) {
        return Err(OpError::invalid("value", "must be 1 to 65536 bytes"));
    }
    if new.keep.is_some_and(|keep| !KEEP.contains(&keep)) {
        return Err(OpError::invalid("keep", "must be 1 to 100"));
    }
    if new.expected_version.is_some_and(|version| version < 0) {
        return Err(OpError::invalid("expected_version", "must be 0 or more"));
    }
    bounded(
        "description",
        new.description.as_deref().unwrap_or(""),
        1024,
    )?;
    if let Some(labels) = &new.labels {
        check_map("labels", labels)?;
    }
    Ok(())
}

/// The memory of this request: made from everything but the value. What is kept in the registry
/// must not let anybody try values out, and a digest would.
fn idempotency_of(
    caller: &Caller,
    tenant: Option<TenantId>,
    new: &NewValue,
    given: Option<&Idempotency>,
) -> Result<Option<IdempotencyKey>, OpError> {
    let asked = (
        new.name.as_str(),
        &new.description,
        &new.labels,
        new.keep,
        new.expected_version,
        new.if_match,
    );
    let text = serde_json::to_vec(&asked).map_err(|_| OpError::Crypto)?;
    let own = given.map(|given| Idempotency {
        key: given.key.clone(),
        digest: crate::sha256(&text),
    });
    idempotency_key(caller, tenant, "secret.put", own.as_ref())
}

/// What the same request made before. Whether the value is the same is asked of the vault.
async fn repeated(
    node: &Node,
    tenant: Option<TenantId>,
    new: &NewValue,
    id: SecretVersionId,
) -> Result<PutVersion, OpError> {
    let registry = &node.ports.registry;
    let gone = || OpError::AlreadyCreated {
        resource: id.uuid(),
    };
    let version = registry.secret_version(id).await?;
    let version = version
        .filter(|it| it.destroying_at.is_none())
        .ok_or_else(gone)?;
    let secret = registry.secret(tenant, &new.name).await?;
    let secret = secret
        .filter(|it| it.id == version.secret)
        .ok_or_else(gone)?;
    let digest = &version.record_digest;
    let kept = node.ports.secrets.open(spec(&version)?, digest).await?;
    if kept.ct_eq(new.value.expose()) {
        Ok(PutVersion { secret, version })
    } else {
        Err(OpError::IdempotencyMismatch)
    }
}

/// The secret as it will be, before its value is stored.
struct Plan {
    secret: Secret,
    is_new_row: bool,
    version: u32,
}

fn plan(
    node: &Node,
    caller: &Caller,
    tenant: Option<TenantId>,
    new: &NewValue,
    found: Option<Secret>,
) -> Result<Plan, OpError> {
    let stored = found
        .as_ref()
        .filter(|secret| secret.state == SecretState::Stored);
    match (new.expected_version, stored) {
        (Some(0), Some(_)) => return Err(OpError::AlreadyExists { what: "secret" }),
        (Some(0), None) | (None, _) => {}
        (Some(expected), stored) => {
            let now = stored.map_or(0, |secret| secret.latest_version);
            if now != expected {
                return Err(OpError::VersionMoved { now });
            }
        }
    }
    match stored {
        Some(secret) => ensure_match(new.if_match, secret.etag)?,
        None if new.if_match.is_some() => return Err(super::NO_SECRET),
        None => {}
    }
    let was_stored = stored.is_some();
    let now = node.now();
    let is_new_row = found.is_none();
    let mut secret = match found {
        Some(secret) => secret,
        None => Secret {
            id: SecretId::from_random(node.random_id()?),
            tenant,
            name: new.name.clone(),
            state: SecretState::Stored,
            description: String::new(),
            labels: BTreeMap::new(),
            keep: KEEP_DEFAULT,
            latest_version: 0,
            created_by: caller.token,
            created_at: now,
            updated_at: now,
            etag: 0,
        },
    };
    if !was_stored {
        // A name that is used again begins afresh, but for its numbers.
        secret.state = SecretState::Stored;
        secret.keep = KEEP_DEFAULT;
        secret.created_by = caller.token;
        secret.created_at = now;
    }
    secret.description = new.description.clone().unwrap_or(secret.description);
    secret.labels = new.labels.clone().unwrap_or(secret.labels);
    secret.keep = new.keep.unwrap_or(secret.keep);
    secret.latest_version += 1;
    secret.updated_at = now;
    secret.etag += 1;
    let version = u32::try_from(secret.latest_version)
        .map_err(|_| OpError::invalid("name", "has used up its version numbers"))?;
    Ok(Plan {
        secret,
        is_new_row,
        version,
    })
}

/// Vault first, then the registry.
async fn store(
    attempt: &Attempt<'_>,
    proof: Authorized,
    plan: Plan,
    new: NewValue,
    request: Option<IdempotencyKey>,
) -> Result<Changed<PutVersion>, OpError> {
    let (node, caller) = (attempt.node, attempt.caller);
    let Plan { secret, .. } = plan;
    if secret.tenant.is_none() {
        super::system_key::ensure(node).await?;
    }
    let mut version = SecretVersion {
        id: SecretVersionId::from_random(node.random_id()?),
        tenant: secret.tenant,
        secret: secret.id,
        version: i64::from(plan.version),
        record: RecordId::from_uuid(node.ordered_id()?),
        record_digest: Digest([0; 32]),
        destroying_at: None,
        created_by: caller.token,
        correlation_id: caller.origin.correlation_id.clone(),
        created_at: secret.updated_at,
        etag: 1,
    };
    let stored = node.ports.secrets.put(spec(&version)?, new.value);
    version.record_digest = stored.await?;
    let outdated = outdated(node, &secret).await?;
    let row = Row::Secret(secret.clone());
    let mut writes = vec![if plan.is_new_row {
        Write::insert(row)
    } else {
        Write::update(row)
    }];
    writes.push(Write::insert(Row::SecretVersion(version.clone())));
    writes.extend(
        outdated
            .iter()
            .map(|old| Write::update(Row::SecretVersion(old.clone()))),
    );
    let remembered = request.map(|key| (key, version.id.uuid()));
    let committed = attempt
        .commit_once(proof, writes, remembered, |event| {
            event.resource.version = Some(version.version);
            detail(event, "keep", secret.keep);
            if !outdated.is_empty() {
                let numbers: Vec<i64> = outdated.iter().map(|old| old.version).collect();
                detail(event, "destroying", numbers);
            }
        })
        .await;
    let done = match committed {
        Ok(done) => done,
        Err(error) => return Err(take_back(node, &version, new.expected_version, error).await),
    };
    // What cannot be done now, the clockwork does.
    let _ = super::deletion::destroy(node, caller, outdated).await;
    Ok(done.map(|()| PutVersion { secret, version }))
}

/// The versions that are too many once the new one is there, marked to be destroyed.
async fn outdated(node: &Node, secret: &Secret) -> Result<Vec<SecretVersion>, OpError> {
    let mut versions = node.ports.registry.secret_versions(secret.id).await?;
    versions.retain(|version| version.destroying_at.is_none());
    let kept = usize::try_from(secret.keep - 1).unwrap_or(0);
    versions.truncate(versions.len().saturating_sub(kept));
    let now = node.now();
    for version in &mut versions {
        version.destroying_at = Some(now);
        version.etag += 1;
    }
    Ok(versions)
}

/// The registry refused: nothing refers to the value, and it does not stay behind. After any other
/// failure it stays, because the registry may refer to it.
async fn take_back(
    node: &Node,
    version: &SecretVersion,
    expected: Option<i64>,
    error: OpError,
) -> OpError {
    let is_refused = matches!(error, OpError::Conflict | OpError::AlreadyExists { .. });
    if is_refused && let Ok(spec) = spec(version) {
        let _ = node.ports.secrets.destroy(spec).await;
    }
    match error {
        // Somebody made it at the same time: to who did not ask for it to be absent, that is a
        // conflict like any other.
        OpError::AlreadyExists { .. } if expected != Some(0) => OpError::Conflict,
        other => other,
    }
}
