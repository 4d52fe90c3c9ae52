//! Secrets as the wire shows them: never where the vault keeps them.

use keyward_api::binary::Secret;
use keyward_api::secret::{SecretDeletion, SecretSummary, SecretVersion};
use keyward_core::crypto_types::SecretBytes;
use keyward_core::free_text::withhold;
use keyward_core::ids::{TenantId, TokenId};
use keyward_core::noun;
use keyward_core::ops::secret::{Deletion, VALUE_BYTES_MAX};

use super::time;

/// A secret, with the length of its value if that is known and too large for an answer in JSON. How long a
/// shorter one is, a password perhaps, is for those who may get it.
pub fn summary(mut secret: noun::secret::Secret, size_bytes: Option<u64>) -> SecretSummary {
    let sealed_fields = withhold(&mut secret);
    SecretSummary {
        sealed_fields,
        id: secret.id.uuid(),
        tenant_id: secret.tenant.map(TenantId::uuid),
        name: secret.name.to_string(),
        description: secret.description,
        labels: secret.labels,
        keep: secret.keep,
        latest_version: secret.latest_version,
        created_by: secret.created_by.map(TokenId::uuid),
        created_at: time(secret.created_at),
        updated_at: time(secret.updated_at),
        size_bytes: size_bytes.filter(|size| *size > VALUE_BYTES_MAX as u64),
        etag: secret.etag,
    }
}

/// One of its versions.
pub fn version(version: noun::secret::SecretVersion, latest: i64) -> SecretVersion {
    SecretVersion {
        version: version.version,
        current: version.version == latest,
        created_by: version.created_by.map(TokenId::uuid),
        correlation_id: version.correlation_id.to_string(),
        created_at: time(version.created_at),
    }
}

/// A copy of a value for the answer; both are wiped.
pub fn value(value: &SecretBytes) -> Secret {
    Secret::new(value.expose().to_vec())
}

/// What was deleted.
pub fn deletion(deletion: Deletion) -> SecretDeletion {
    SecretDeletion {
        name: deletion.secret.name.to_string(),
        versions: deletion.versions,
        destroyed: deletion.destroyed,
    }
}
