//! Wrapping keys under which keys come in: made, shown, and their private halves deleted when they
//! were used or have expired.

use keyward_crypto::exchange::WrapMethod;

use crate::caller::{Caller, Changed, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::{ImportKeyId, TenantId};
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::import_key::{ImportKey, ImportMethod};
use crate::noun::key::ProviderKind;
use crate::ops::gate::{Attempt, detail, ensure_active, resource};
use crate::port::key_provider::ImportKeyRef;
use crate::sha256;

/// How long a wrapping key is taken when nothing is said, in seconds.
pub const LIFETIME_SECONDS: i64 = 24 * 3600;
/// At most so long.
pub const LIFETIME_SECONDS_MAX: i64 = 72 * 3600;

/// Private halves deleted in one tick.
const SWEEP_LIMIT: usize = 100;

/// A wrapping key just made, with its public half.
pub struct MadeImportKey {
    /// What the registry keeps.
    pub row: ImportKey,
    /// `SubjectPublicKeyInfo` DER. Kept nowhere but as a digest.
    pub public_key: Vec<u8>,
}

impl ImportMethod {
    /// How the method is called where wrapping is done.
    pub(crate) const fn of(method: WrapMethod) -> Self {
        match method {
            WrapMethod::RsaOaepAesKwp => Self::RsaOaepAesKwp,
            WrapMethod::HpkeXWing => Self::HpkeXWing,
        }
    }

    const fn wrap_method(self) -> Option<WrapMethod> {
        match self {
            Self::RsaOaepAesKwp => Some(WrapMethod::RsaOaepAesKwp),
            Self::HpkeXWing => Some(WrapMethod::HpkeXWing),
            Self::PublicKey => None,
        }
    }
}

/// Where the private half of a row's wrapping key is.
pub(crate) fn reference(row: &ImportKey) -> Result<ImportKeyRef, OpError> {
    Ok(ImportKeyRef {
        tenant: row.tenant,
        id: row.id,
        // The schema refuses rows of any other method.
        method: row.method.wrap_method().ok_or(OpError::Crypto)?,
        provider_key_id: row.provider_key_id.clone(),
        record_digest: row.record_digest,
    })
}

/// Makes a wrapping key for one import by this caller.
pub async fn create(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    method: WrapMethod,
    lifetime_seconds: Option<i64>,
) -> Result<Changed<MadeImportKey>, OpError> {
    let mut attempt = Attempt::new(
        node,
        caller,
        Action::ImportKeyCreate,
        node.tenant_id(tenant),
        resource("import_key", None, None),
    );
    let made: Result<_, OpError> = async {
        node.ensure_auditable()?;
        let (found, proof) = node.authorize_tenant(caller, Action::ImportKeyCreate, tenant)?;
        ensure_active(&found)?;
        node.ensure_unsealed()?;
        let principal = caller.principal.ok_or(OpError::Unauthenticated)?;
        let lifetime = lifetime_seconds.unwrap_or(LIFETIME_SECONDS);
        if !(60..=LIFETIME_SECONDS_MAX).contains(&lifetime) {
            return Err(OpError::invalid(
                "lifetime_seconds",
                "must be 60 to 259200 (72 hours)",
            ));
        }
        let id = ImportKeyId::from_random(node.random_id()?);
        attempt.resource.id = Some(id.uuid());
        let provider = node.provider(ProviderKind::Native)?;
        let made = provider.make_import_key(found.id, id, method).await?;
        let now = node.now();
        let expires_at = now.plus_seconds(lifetime);
        let row = ImportKey {
            id,
            tenant: found.id,
            principal,
            method: ImportMethod::of(method),
            provider_key_id: made.provider_key_id,
            record_digest: made.record_digest,
            public_key_digest: sha256(&made.public_key),
            created_by: caller.token,
            created_at: now,
            expires_at,
            used_at: None,
            used_for: None,
            destroy_at: expires_at,
            destroyed_at: None,
            etag: 1,
        };
        let writes = vec![Write::insert(Row::ImportKey(row.clone()))];
        let done = attempt
            .commit(proof, writes, |event| {
                detail(event, "method", method.name());
                detail(event, "public_key", row.public_key_digest.to_string());
                detail(event, "expires_at", row.expires_at.to_string());
            })
            .await?;
        Ok(done.map(|()| MadeImportKey {
            row,
            public_key: made.public_key,
        }))
    }
    .await;
    match made {
        Ok(done) => Ok(done),
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

const NO_IMPORT_KEY: OpError = OpError::NotFound { what: "import key" };

/// Shows a wrapping key without its public half, which is shown when it is made.
pub async fn read(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    id: ImportKeyId,
) -> Result<ImportKey, OpError> {
    Attempt::new(
        node,
        caller,
        Action::ImportKeyRead,
        node.tenant_id(tenant),
        resource("import_key", Some(id.uuid()), None),
    )
    .read(async {
        let (found, _) = node.authorize_tenant(caller, Action::ImportKeyRead, tenant)?;
        node.ports
            .registry
            .import_key(found.id, id)
            .await?
            .ok_or(NO_IMPORT_KEY)
    })
    .await
}

/// The wrapping key under which this caller's key comes in: its own, not used, not expired.
pub(crate) async fn usable(
    node: &Node,
    caller: &Caller,
    tenant: TenantId,
    id: ImportKeyId,
) -> Result<ImportKey, OpError> {
    let row = node
        .ports
        .registry
        .import_key(tenant, id)
        .await?
        .filter(|row| Some(row.principal) == caller.principal)
        .ok_or(NO_IMPORT_KEY)?;
    if row.used_at.is_some() {
        return Err(OpError::ImportKeyUnusable { why: "was used" });
    }
    if row.destroyed_at.is_some() || row.expires_at <= node.now() {
        return Err(OpError::ImportKeyUnusable { why: "has expired" });
    }
    Ok(row)
}

/// Deletes the private halves that are due: first from the vault, then the registry is told. Each
/// step can be repeated, and one wrapping key's trouble does not keep the others.
pub(crate) async fn sweep(node: &Node) -> Result<(), OpError> {
    let now = node.now();
    let due = node
        .ports
        .registry
        .due_import_keys(now, SWEEP_LIMIT)
        .await?;
    let mut first_failure = None;
    for row in due {
        match destroy(node, row).await {
            // Another node was faster, or an import just used it: the next tick looks again.
            Ok(()) | Err(OpError::Conflict) => {}
            Err(error) => {
                first_failure.get_or_insert(error);
            }
        }
    }
    first_failure.map_or(Ok(()), Err)
}

async fn destroy(node: &Node, mut row: ImportKey) -> Result<(), OpError> {
    let Some(_passage) = node.deletions.pass().await else {
        return Ok(());
    };
    let provider = node.provider(ProviderKind::Native)?;
    provider.destroy_import_key(&reference(&row)?).await?;
    let action = Action::ImportKeyDestroy;
    let caller = Caller::system(node.own_correlation_id()?);
    let named = resource("import_key", Some(row.id.uuid()), None);
    let attempt = Attempt::new(node, &caller, action, Some(row.tenant), named);
    let proof = node.authorize_system(&caller, action)?;
    let why = if row.used_at.is_some() {
        "used"
    } else {
        "expired"
    };
    row.destroyed_at = Some(node.now());
    row.etag += 1;
    let writes = vec![Write::update(Row::ImportKey(row))];
    attempt
        .commit(proof, writes, |event| detail(event, "why", why))
        .await?;
    Ok(())
}
