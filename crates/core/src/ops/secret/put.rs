//! Putting a value: into the vault first, under a fresh record id, then the registry's transaction
//! makes it count. One that comes in pieces may come for hours: before it counts it is asked once more
//! whether its caller may still put it.

use std::collections::BTreeMap;

use keyward_crypto::secret::SecretBytes;

use super::category::Verb;
use super::deletion::outdated;
use super::incoming::{self, SentValue};
use super::{attempt, ensure_may_put, ensure_scope_active, spec};
use crate::caller::{Caller, Changed, Idempotency, TenantRef};
use crate::change::{IdempotencyKey, Row, Write};
use crate::error::OpError;
use crate::ids::{RecordId, SecretId, SecretVersionId, TenantId};
use crate::names::SecretName;
use crate::node::Node;
use crate::noun::secret::{Secret, SecretState, SecretVersion};
use crate::noun::tenant::Digest;
use crate::ops::authenticate::as_he_is_now;
use crate::ops::commit::{Earlier, idempotency_key};
use crate::ops::gate::{Attempt, Authorized, bounded, detail};
use crate::ops::key::check_map;
use crate::ops::role::ensure_match;

/// Longest value that is put or got whole.
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

/// What is said of a value that comes in pieces; each as in [`NewValue`].
#[derive(Clone, Debug)]
pub struct Terms {
    /// Under which name.
    pub name: SecretName,
    /// Free text, not secret.
    pub description: Option<String>,
    /// Names and values, not secret.
    pub labels: Option<BTreeMap<String, String>>,
    /// How many versions are kept.
    pub keep: Option<i32>,
    /// The version that must be the latest.
    pub expected_version: Option<i64>,
    /// The row version that the caller has read.
    pub if_match: Option<i64>,
}

/// A value on its way in.
pub(super) enum Content<'a> {
    Whole(SecretBytes),
    InPieces(SentValue<'a>),
}

/// What was put.
#[derive(Clone, Debug, PartialEq)]
pub struct PutVersion {
    /// The secret.
    pub secret: Secret,
    /// Its new version.
    pub version: SecretVersion,
    /// Length of the value in bytes.
    pub size_bytes: u64,
}

/// Puts a value: makes a secret, or a new version of it. Versions beyond those kept are destroyed.
pub async fn put(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    new: NewValue,
    idempotency: Option<&Idempotency>,
) -> Result<Changed<PutVersion>, OpError> {
    let NewValue {
        name,
        value,
        description,
        labels,
        keep,
        expected_version,
        if_match,
    } = new;
    let terms = Terms {
        name,
        description,
        labels,
        keep,
        expected_version,
        if_match,
    };
    let content = Content::Whole(value);
    put_content(node, caller, scope, terms, content, idempotency).await
}

/// The same with a value that comes in pieces and may be of any length the vault takes, empty too. It
/// counts only when all of it is durable and the registry names it. If it does not come to its end,
/// nothing of it stays.
pub async fn put_stream(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    terms: Terms,
    value: SentValue<'_>,
    idempotency: Option<&Idempotency>,
) -> Result<Changed<PutVersion>, OpError> {
    let content = Content::InPieces(value);
    put_content(node, caller, scope, terms, content, idempotency).await
}

async fn put_content(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    terms: Terms,
    content: Content<'_>,
    idempotency: Option<&Idempotency>,
) -> Result<Changed<PutVersion>, OpError> {
    let mut attempt = attempt(node, caller, Verb::Put, scope, &terms.name);
    let done: Result<_, OpError> = async {
        node.ensure_auditable()?;
        let (tenant, proof) = node.authorize_scope(caller, attempt.action, scope)?;
        ensure_may_put(caller, attempt.action, &terms.name)?;
        ensure_scope_active(node, scope)?;
        node.ensure_unsealed()?;
        check(&terms, &content)?;
        let _place = match &content {
            Content::Whole(_) => None,
            Content::InPieces(_) => Some(node.value_streams.enter(tenant)?),
        };
        let request = idempotency_of(caller, tenant, &terms, idempotency)?;
        if let Earlier::Made(id) = node.earlier(request.as_ref()).await? {
            let id = SecretVersionId::from_uuid(id);
            let made = repeated(node, tenant, &terms, content, id).await?;
            return attempt.repeated(made).await;
        }
        let found = node.ports.registry.secret(tenant, &terms.name).await?;
        let plan = plan(node, caller, tenant, &terms, found)?;
        attempt.resource.id = Some(plan.secret.id.uuid());
        store(&attempt, scope, proof, plan, content, request).await
    }
    .await;
    match done {
        Ok(done) => Ok(done),
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

fn check(terms: &Terms, content: &Content<'_>) -> Result<(), OpError> {
    if let Content::Whole(value) = content
        && !(1..=VALUE_BYTES_MAX).contains(&value.len())
    {
        let problem = "must be 1 to 65536 bytes; send a larger one to …/value as \
                       application/octet-stream";
        return Err(OpError::invalid("value", problem));
    }
    if terms.keep.is_some_and(|keep| !KEEP.contains(&keep)) {
        return Err(OpError::invalid("keep", "must be 1 to 100"));
    }
    if terms.expected_version.is_some_and(|version| version < 0) {
        return Err(OpError::invalid("expected_version", "must be 0 or more"));
    }
    bounded(
        "description",
        terms.description.as_deref().unwrap_or(""),
        1024,
    )?;
    if let Some(labels) = &terms.labels {
        check_map("labels", labels)?;
    }
    Ok(())
}

/// The memory of this request: made from everything but the value. What is kept in the registry
/// must not let anybody try values out, and a digest would.
fn idempotency_of(
    caller: &Caller,
    tenant: Option<TenantId>,
    new: &Terms,
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
    new: &Terms,
    content: Content<'_>,
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
    let kept = node.ports.secrets.open_pieces(spec(&version)?, digest);
    let kept = kept.await?;
    let size_bytes = kept.size_bytes;
    // What is there whole tells its length at once: nothing is read for what cannot be the same.
    if let Content::Whole(value) = &content
        && value.len() as u64 != size_bytes
    {
        return Err(OpError::IdempotencyMismatch);
    }
    if incoming::is_same(kept, content).await? {
        Ok(PutVersion {
            secret,
            version,
            size_bytes,
        })
    } else {
        Err(OpError::IdempotencyMismatch)
    }
}

/// The secret as it will be, before its value is stored.
struct Plan {
    secret: Secret,
    is_new_row: bool,
    version: u32,
    expected_version: Option<i64>,
}

fn plan(
    node: &Node,
    caller: &Caller,
    tenant: Option<TenantId>,
    new: &Terms,
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
        expected_version: new.expected_version,
    })
}

/// Vault first, then the registry.
async fn store(
    attempt: &Attempt<'_>,
    scope: &TenantRef,
    proof: Authorized,
    plan: Plan,
    content: Content<'_>,
    request: Option<IdempotencyKey>,
) -> Result<Changed<PutVersion>, OpError> {
    let (node, caller) = (attempt.node, attempt.caller);
    if plan.secret.tenant.is_none() {
        super::system_key::ensure(node).await?;
    }
    let mut version = SecretVersion {
        id: SecretVersionId::from_random(node.random_id()?),
        tenant: plan.secret.tenant,
        secret: plan.secret.id,
        version: i64::from(plan.version),
        record: RecordId::from_uuid(node.ordered_id()?),
        record_digest: Digest([0; 32]),
        destroying_at: None,
        created_by: caller.token,
        correlation_id: caller.origin.correlation_id.clone(),
        created_at: plan.secret.updated_at,
        etag: 1,
    };
    let (proof, size_bytes) = match content {
        Content::Whole(value) => {
            let size_bytes = value.len() as u64;
            let stored = node.ports.secrets.put(spec(&version)?, value);
            version.record_digest = stored.await?;
            (Ok(proof), size_bytes)
        }
        Content::InPieces(value) => {
            let stored = incoming::store(node, spec(&version)?, value).await?;
            version.record_digest = stored.digest;
            let still = still_authorized(attempt, scope).await;
            (still, stored.payload_bytes)
        }
    };
    let ready = async { Ok::<_, OpError>((proof?, outdated(node, &plan.secret).await?)) };
    let (proof, outdated) = match ready.await {
        Ok(ready) => ready,
        // Nothing was committed: nothing refers to the value.
        Err(error) => {
            forget(node, &version).await;
            return Err(error);
        }
    };
    let stored = Stored {
        version,
        size_bytes,
        outdated,
    };
    count(attempt, proof, plan, stored, request).await
}

/// What is in the vault and does not count yet.
struct Stored {
    version: SecretVersion,
    size_bytes: u64,
    /// The versions that are too many when it counts.
    outdated: Vec<SecretVersion>,
}

/// Whether the caller may still do it: tokens are revoked, roles taken away, tenants suspended and
/// servers sealed while a value comes.
async fn still_authorized(attempt: &Attempt<'_>, scope: &TenantRef) -> Result<Authorized, OpError> {
    let node = attempt.node;
    node.ensure_auditable()?;
    let caller = as_he_is_now(node, attempt.caller).await?;
    let (_, proof) = node.authorize_scope(&caller, attempt.action, scope)?;
    ensure_scope_active(node, scope)?;
    node.ensure_unsealed()?;
    Ok(proof)
}

/// The registry's transaction, which makes a stored value count.
async fn count(
    attempt: &Attempt<'_>,
    proof: Authorized,
    plan: Plan,
    stored: Stored,
    request: Option<IdempotencyKey>,
) -> Result<Changed<PutVersion>, OpError> {
    let (node, caller) = (attempt.node, attempt.caller);
    let Plan { secret, .. } = plan;
    let Stored {
        version,
        size_bytes,
        outdated,
    } = stored;
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
            if size_bytes > VALUE_BYTES_MAX as u64 {
                detail(event, "size_bytes", size_bytes);
            }
            if !outdated.is_empty() {
                let numbers: Vec<i64> = outdated.iter().map(|old| old.version).collect();
                detail(event, "destroying", numbers);
            }
        })
        .await;
    let done = match committed {
        Ok(done) => done,
        Err(error) => return Err(take_back(node, &version, plan.expected_version, error).await),
    };
    // What cannot be done now, the clockwork does.
    let _ = super::deletion::destroy(node, caller, outdated).await;
    Ok(done.map(|()| PutVersion {
        secret,
        version,
        size_bytes,
    }))
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
    if is_refused {
        forget(node, version).await;
    }
    match error {
        // Somebody made it at the same time: to who did not ask for it to be absent, that is a
        // conflict like any other.
        OpError::AlreadyExists { .. } if expected != Some(0) => OpError::Conflict,
        other => other,
    }
}

/// Destroys a value that no row names. What cannot be destroyed now is found by the check of the storage.
async fn forget(node: &Node, version: &SecretVersion) {
    if let Ok(spec) = spec(version) {
        let _ = node.ports.secrets.destroy(spec).await;
    }
}
