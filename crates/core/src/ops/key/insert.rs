//! The rows of a new key, and the transaction that makes it count: whatever its material came from.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::circumstance;
use super::create::Plan;
use crate::caller::{Caller, Changed};
use crate::change::{Row, Write, WriteKind};
use crate::error::OpError;
use crate::ids::VersionId;
use crate::lifecycle::{Draft, Which};
use crate::noun::import_key::{ImportKey, Provenance};
use crate::noun::key::Key;
use crate::noun::key_version::KeyVersion;
use crate::noun::state::State;
use crate::ops::gate::{Attempt, Authorized, detail};
use crate::port::key_provider::NewMaterial;
use crate::port::registry::KeyWithVersions;
use crate::time::Timestamp;

/// The row of a version whose material exists.
pub(super) fn version_row(
    key: &Key,
    id: VersionId,
    version: i64,
    material: NewMaterial,
    caller: &Caller,
    now: Timestamp,
) -> KeyVersion {
    let info = key.algorithm.info();
    KeyVersion {
        id,
        tenant: key.tenant,
        key: key.id,
        version,
        parent_version: None,
        state: State::Pending,
        state_before: None,
        algorithm: key.algorithm,
        size_bits: i32::try_from(info.size_bits).unwrap_or(i32::MAX),
        strength_bits: i32::try_from(info.strength_bits).unwrap_or(i32::MAX),
        provider: key.provider,
        provider_key_id: material.provider_key_id,
        region: material.region,
        endpoint: material.endpoint,
        record_digest: material.record_digest,
        fingerprint: material.fingerprint,
        public_key: material.public_key.map(|der| STANDARD.encode(der)),
        provenance: None,
        can_roll_back: false,
        rollback_expires_at: None,
        retire_at: None,
        promotion_count: 1,
        created_by: caller.token,
        rotated_by: None,
        correlation_id: caller.origin.correlation_id.clone(),
        created_at: now,
        updated_at: now,
        activated_at: None,
        expires_at: None,
        rotated_at: None,
        compromised_at: None,
        destroy_at: None,
        destroying: false,
        destroyed_at: None,
        etag: 1,
    }
}

/// What a key that was not made here brings with it.
#[derive(Default)]
pub(super) struct Baggage {
    pub(super) provenance: Option<Provenance>,
    /// The wrapping key that is used up in the same transaction.
    pub(super) import_key: Option<ImportKey>,
}

pub(super) async fn insert(
    attempt: &Attempt<'_>,
    proof: Authorized,
    plan: Plan,
    material: NewMaterial,
    baggage: Baggage,
    request: Option<crate::change::IdempotencyKey>,
) -> Result<Changed<KeyWithVersions>, OpError> {
    let caller = attempt.caller;
    let node = attempt.node;
    let Plan {
        key,
        version_id,
        expires_at,
        activate,
    } = plan;
    let id = key.id.uuid();
    let mut row = version_row(&key, version_id, 1, material, caller, key.created_at);
    row.expires_at = expires_at;
    row.provenance.clone_from(&baggage.provenance);
    let current = KeyWithVersions {
        key,
        versions: vec![row],
    };
    let mut draft = Draft::new(current, circumstance(node, caller, None), node.entropy());
    draft.record_creation();
    if activate {
        draft.activate(Which::Version(1))?;
    }
    let (mut value, drafted) = draft.finish();
    value.versions[0].etag = 1;
    let mut writes = vec![
        Write::insert(Row::Key(Box::new(value.key.clone()))),
        Write::insert(Row::KeyVersion(Box::new(value.versions[0].clone()))),
    ];
    writes.extend(
        drafted
            .into_iter()
            .filter(|write| write.kind == WriteKind::Insert),
    );
    writes.extend(
        baggage
            .import_key
            .map(|row| Write::update(Row::ImportKey(row))),
    );
    let done = attempt
        .commit_once(proof, writes, request.map(|key| (key, id)), |event| {
            event.resource.version = Some(1);
            detail(event, "algorithm", value.key.algorithm.name());
            detail(event, "state", value.versions[0].state.name());
            if let Some(provenance) = &baggage.provenance {
                super::import::describe(event, provenance);
            }
        })
        .await?;
    Ok(done.map(|()| value))
}
