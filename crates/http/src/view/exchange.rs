//! Wrapping keys and where keys came from, as the wire shows them.

use keyward_api::exchange;
use keyward_api::names::{ImportFormat, ImportMethod, WrapMethod};
use keyward_core::ids::{ImportKeyId, KeyId, TokenId};
use keyward_core::noun::import_key::{ImportKey, Provenance};

use super::{some_time, time};

/// A wrapping key, without its public half.
pub fn import_key(row: ImportKey) -> exchange::ImportKey {
    exchange::ImportKey {
        id: row.id.uuid(),
        tenant_id: row.tenant.uuid(),
        principal_id: row.principal.uuid(),
        method: WrapMethod::from(row.method.name()),
        public_key_digest: row.public_key_digest.to_string(),
        created_by: row.created_by.map(TokenId::uuid),
        created_at: time(row.created_at),
        expires_at: time(row.expires_at),
        used_at: some_time(row.used_at),
        used_for: row.used_for.map(KeyId::uuid),
        destroyed_at: some_time(row.destroyed_at),
        etag: row.etag,
    }
}

/// Where a version came from.
pub fn provenance(from: Provenance) -> exchange::Provenance {
    exchange::Provenance {
        method: ImportMethod::from(from.method.name()),
        format: ImportFormat::from(from.format.name()),
        import_key_id: from.import_key.map(ImportKeyId::uuid),
        prior_uses: from.prior_use.map(|prior| prior.uses),
        prior_bytes: from.prior_use.map(|prior| prior.bytes),
    }
}
