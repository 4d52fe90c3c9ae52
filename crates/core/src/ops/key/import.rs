//! Keys that were made elsewhere: taken in whole, as a public half, or as the next version of one
//! that came before. Nothing is stored before the material was found valid and strong enough.

use keyward_crypto::exchange::{KeyFormat, PublicKeyFormat};

use super::create::{Arrival, NewKey, plan, spec_of};
use super::insert::{Baggage, insert, version_row};
use super::lifecycle::Verb;
use crate::audit::AuditEvent;
use crate::caller::{Caller, Changed, Idempotency, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::{ImportKeyId, KeyId, TenantId, VersionId};
use crate::lifecycle::NewVersion;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::import_key::{ImportFormat, ImportKey, ImportMethod, Provenance};
use crate::noun::key::{Key, Origin, Restrictions, UseLimit};
use crate::ops::commit::{Earlier, idempotency_key};
use crate::ops::gate::{Attempt, detail, resource};
use crate::ops::import_key;
use crate::port::key_provider::{ImportSource, MaterialRef, MaterialSpec, NewMaterial};
use crate::port::registry::{KeyRef, KeyWithVersions};
use crate::time::Timestamp;

/// What comes in.
#[derive(Clone, Debug)]
pub enum Source {
    /// A private or symmetric key, wrapped.
    Wrapped {
        /// Under this wrapping key, which the caller made.
        import_key: ImportKeyId,
        /// In this container.
        format: KeyFormat,
        /// So.
        wrapped: Vec<u8>,
    },
    /// A public key.
    Public {
        /// In this container.
        format: PublicKeyFormat,
        /// So.
        bytes: Vec<u8>,
    },
}

/// A key that comes in, and what it is to be here.
#[derive(Clone, Debug)]
pub struct NewImport {
    /// What it is to be.
    pub key: NewKey,
    /// The key.
    pub source: Source,
    /// How much it was used before; to be said where the algorithm needs a limit.
    pub prior_use: Option<UseLimit>,
}

/// A version that comes in.
#[derive(Clone, Debug)]
pub struct ImportVersion {
    /// The key.
    pub source: Source,
    /// How much it was used before; to be said where the algorithm needs a limit.
    pub prior_use: Option<UseLimit>,
    /// Why, at most 1,024 characters.
    pub reason: Option<String>,
    /// When its cryptoperiod ends.
    pub expires_at: Option<Timestamp>,
    /// The key's row version that the caller has read, if it wants to be sure.
    pub if_match: Option<i64>,
}

/// Takes a key in, as version 1 of a new one.
pub async fn import(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    new: NewImport,
    idempotency: Option<&Idempotency>,
) -> Result<Changed<KeyWithVersions>, OpError> {
    let named = resource("key", None, Some(new.key.name.as_str()));
    let action = Action::KeyImport;
    let mut attempt = Attempt::new(node, caller, action, node.tenant_id(tenant), named);
    let made: Result<_, OpError> = async {
        node.ensure_auditable()?;
        let (found, proof) = node.authorize_tenant(caller, action, tenant)?;
        let request = idempotency_key(caller, Some(found.id), "key.import", idempotency)?;
        if let Earlier::Made(id) = node.earlier(request.as_ref()).await? {
            let made = KeyRef::Id(KeyId::from_uuid(id));
            let current = node.ports.registry.key(found.id, &made).await?;
            let value = current.ok_or(OpError::NotFound { what: "key" })?;
            return attempt.repeated(value).await;
        }
        let arrival = Arrival {
            origin: Origin::Imported,
            public_only: matches!(new.source, Source::Public { .. }),
        };
        let plan = plan(node, caller, &found, new.key, arrival).await?;
        check_prior_use(&plan.key, new.prior_use)?;
        let wrapping = wrapping_key(node, caller, found.id, &new.source).await?;
        let material = take_in(
            node,
            &plan.key,
            &plan.spec(),
            &new.source,
            wrapping.as_ref(),
        )
        .await?;
        let id = plan.key.id;
        attempt.resource.id = Some(id.uuid());
        let stored = reference(&plan.spec(), &material);
        let provider = plan.spec_provider();
        let baggage = Baggage {
            provenance: Some(provenance(&new.source, wrapping.as_ref(), new.prior_use)),
            import_key: wrapping.map(|row| used(node, row, id)),
        };
        let done = insert(&attempt, proof, plan, material, baggage, request).await;
        if let Err(OpError::Conflict | OpError::AlreadyExists { .. }) = &done {
            // Refused for certain: what was stored for it belongs to nothing.
            node.provider(provider)?.destroy(&stored).await?;
        }
        done
    }
    .await;
    match made {
        Ok(done) => Ok(done),
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

/// Takes the next version of an imported key in, and lets it protect: a rotation whose material
/// comes from outside.
pub async fn import_version(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    request: ImportVersion,
) -> Result<Changed<KeyWithVersions>, OpError> {
    let ImportVersion {
        source,
        prior_use,
        reason,
        expires_at,
        if_match,
    } = request;
    let action = Action::KeyImportVersion;
    let mut verb = Verb::new(node, caller, action, tenant, key, reason, if_match);
    let outcome = async {
        let (current, _, proof) = verb.open(tenant, key).await?;
        node.ensure_unsealed()?;
        let now = node.now();
        if expires_at.is_some_and(|end| end <= now) {
            return Err(OpError::invalid("expires_at", "must be in the future"));
        }
        let mut draft = verb.draft(current);
        draft.check_can_rotate(false)?;
        ensure_same_kind(draft.key(), &source)?;
        check_prior_use(draft.key(), prior_use)?;
        let number = draft.key().latest_version + 1;
        let version = u32::try_from(number).map_err(|_| OpError::Conflict)?;
        let spec = spec_of(draft.key(), version);
        let wrapping = wrapping_key(node, caller, draft.key().tenant, &source).await?;
        let material = take_in(node, draft.key(), &spec, &source, wrapping.as_ref()).await?;
        let stored = reference(&spec, &material);
        let id = VersionId::from_random(node.random_id()?);
        let mut row = version_row(draft.key(), id, number, material, caller, now);
        row.expires_at = expires_at;
        let came = provenance(&source, wrapping.as_ref(), prior_use);
        row.provenance = Some(came.clone());
        let window = draft.key().rollback_window_seconds;
        let rollback_expires_at = (window > 0).then(|| now.plus_seconds(window));
        draft.rotate(
            NewVersion {
                row,
                rollback_expires_at,
            },
            false,
        )?;
        let (key, provider) = (draft.key().id, draft.key().provider);
        let beside = wrapping
            .map(|row| Write::update(Row::ImportKey(used(node, row, key))))
            .into_iter()
            .collect();
        let done = verb
            .save_with(draft, proof, beside, |event| {
                detail(event, "new_version", number);
                describe(event, &came);
            })
            .await;
        if let Err(OpError::Conflict) = &done {
            node.provider(provider)?.destroy(&stored).await?;
        }
        done
    }
    .await;
    verb.finish(outcome).await
}

/// Why a key of which only the public half is here does not do something.
pub(super) fn public_only(key: &Key, usage: &'static str) -> OpError {
    OpError::PublicKeyOnly {
        usage,
        allowed: key.usages.names().join(", "),
    }
}

/// Where a version came from, in the log's words.
pub(super) fn describe(event: &mut AuditEvent, provenance: &Provenance) {
    detail(event, "method", provenance.method.name());
    detail(event, "format", provenance.format.name());
    if let Some(id) = provenance.import_key {
        detail(event, "import_key", id.to_string());
    }
    if let Some(prior) = provenance.prior_use {
        detail(event, "prior_uses", prior.uses);
        detail(event, "prior_bytes", prior.bytes);
    }
}

fn ensure_same_kind(key: &Key, source: &Source) -> Result<(), OpError> {
    if key.origin != Origin::Imported {
        return Err(OpError::invalid("key", "was made here; rotate it instead"));
    }
    match (key.public_only, source) {
        (true, Source::Wrapped { .. }) => Err(OpError::invalid(
            "material",
            "only the public half of this key is here; import the public half of its successor",
        )),
        (false, Source::Public { .. }) => Err(OpError::invalid(
            "public_key",
            "this key has a private half; import its successor wrapped",
        )),
        _ => Ok(()),
    }
}

/// A limit counts what was done before, too: it must be said, and leave something.
fn check_prior_use(key: &Key, prior: Option<UseLimit>) -> Result<(), OpError> {
    let Restrictions { use_limit, .. } = key.restrictions;
    match (prior, use_limit) {
        (Some(prior), _) if prior.uses < 0 || prior.bytes < 0 => Err(OpError::invalid(
            "prior_use",
            "must be at least 0 uses and 0 bytes",
        )),
        (Some(prior), Some(limit)) if prior.uses >= limit.uses || prior.bytes >= limit.bytes => {
            Err(OpError::invalid(
                "prior_use",
                "the key has reached its use limit already; make a new one",
            ))
        }
        (None, Some(_)) if key.algorithm.info().needs_use_limit => Err(OpError::invalid(
            "prior_use",
            "must be declared for this algorithm: how often, and over how many bytes, the key protected before",
        )),
        _ => Ok(()),
    }
}

async fn wrapping_key(
    node: &Node,
    caller: &Caller,
    tenant: TenantId,
    source: &Source,
) -> Result<Option<ImportKey>, OpError> {
    match source {
        Source::Wrapped { import_key, .. } => {
            let row = import_key::usable(node, caller, tenant, *import_key).await?;
            Ok(Some(row))
        }
        Source::Public { .. } => Ok(None),
    }
}

async fn take_in(
    node: &Node,
    key: &Key,
    spec: &MaterialSpec,
    source: &Source,
    wrapping: Option<&ImportKey>,
) -> Result<NewMaterial, OpError> {
    let source = match (source, wrapping) {
        (
            Source::Wrapped {
                format, wrapped, ..
            },
            Some(row),
        ) => ImportSource::Wrapped {
            key: import_key::reference(row)?,
            format: *format,
            wrapped,
        },
        (Source::Public { format, bytes }, None) => ImportSource::Public {
            format: *format,
            bytes,
        },
        _ => return Err(OpError::Crypto),
    };
    Ok(node.provider(key.provider)?.import(spec, source).await?)
}

fn reference(spec: &MaterialSpec, material: &NewMaterial) -> MaterialRef {
    MaterialRef {
        spec: *spec,
        provider_key_id: material.provider_key_id.as_str().into(),
        record_digest: material.record_digest,
    }
}

fn provenance(
    source: &Source,
    wrapping: Option<&ImportKey>,
    prior_use: Option<UseLimit>,
) -> Provenance {
    let format = match source {
        Source::Wrapped { format, .. } => match format {
            KeyFormat::Raw => ImportFormat::Raw,
            KeyFormat::Pkcs8 => ImportFormat::Pkcs8,
            KeyFormat::Jwk => ImportFormat::Jwk,
        },
        Source::Public { format, .. } => match format {
            PublicKeyFormat::Spki => ImportFormat::Spki,
            PublicKeyFormat::Jwk => ImportFormat::Jwk,
        },
    };
    Provenance {
        method: wrapping.map_or(ImportMethod::PublicKey, |row| row.method),
        format,
        import_key: wrapping.map(|row| row.id),
        prior_use,
    }
}

/// The wrapping key after the one import it is good for. Two imports at once both read the same
/// etag: one of them conflicts.
fn used(node: &Node, mut row: ImportKey, key: KeyId) -> ImportKey {
    let now = node.now();
    row.used_at = Some(now);
    row.used_for = Some(key);
    row.destroy_at = now.min(row.expires_at);
    row.etag += 1;
    row
}
