//! The values of secrets as records: of a kind of their own, so that a secret is never opened as
//! key material, nor key material as a secret.

use async_trait::async_trait;
use keyward_core::ids::{RecordId, TenantId};
use keyward_core::noun::tenant::{Digest, TenantKek};
use keyward_core::port::secret_store::{OpenedValue, SecretSpec, SecretStore};
use keyward_core::port::storage::{NewRecord, SecureStorage, StorageError};
use keyward_core::port::stream_storage::{Pieces, StoredPayload, StreamStorage};
use keyward_crypto::SecretBytes;
use keyward_crypto::record::{self, RecordError, RecordKind, RecordLabel};

use super::{Vault, layout, refused};
use crate::object_names;

#[async_trait]
impl SecretStore for Vault {
    async fn put(&self, spec: SecretSpec, value: SecretBytes) -> Result<Digest, StorageError> {
        let record = NewRecord {
            label: label(spec),
            metadata: Vec::new(),
            payload: value,
        };
        let digests = self.store(vec![record]).await?;
        digests.first().copied().ok_or(StorageError::Missing)
    }

    async fn put_pieces(
        &self,
        spec: SecretSpec,
        value: Pieces<'_>,
    ) -> Result<StoredPayload, StorageError> {
        self.store_stream(&label(spec), &[], value).await
    }

    async fn put_first(
        &self,
        spec: SecretSpec,
        kek: &TenantKek,
        value: SecretBytes,
    ) -> Result<Digest, StorageError> {
        let record = NewRecord {
            label: label(spec),
            metadata: Vec::new(),
            payload: value,
        };
        self.store_under(record, kek).await
    }

    async fn open(&self, spec: SecretSpec, digest: &Digest) -> Result<SecretBytes, StorageError> {
        let opened = SecureStorage::open(self, &label(spec), Some(digest)).await?;
        Ok(opened.payload)
    }

    async fn open_pieces(
        &self,
        spec: SecretSpec,
        digest: &Digest,
    ) -> Result<OpenedValue, StorageError> {
        let (size_bytes, pieces) = self.open_whole(&label(spec), digest).await?;
        Ok(OpenedValue { size_bytes, pieces })
    }

    async fn size_if_large(
        &self,
        spec: SecretSpec,
        digest: &Digest,
    ) -> Result<Option<u64>, StorageError> {
        self.size_if_large(&label(spec), digest).await
    }

    async fn destroy(&self, spec: SecretSpec) -> Result<(), StorageError> {
        self.ensure_not_another(spec).await?;
        SecureStorage::destroy(self, spec.record).await
    }
}

impl Vault {
    /// Refuses what says of itself that it is something else. What says nothing that can be read
    /// is damaged, and may go.
    async fn ensure_not_another(&self, spec: SecretSpec) -> Result<(), StorageError> {
        let name = object_names::record(spec.record)?;
        let Some(object) = self.backend.read(&name).await? else {
            return Ok(());
        };
        let core = if layout::is_core(&object) {
            &object[..]
        } else {
            layout::split(&object).map_or(&[][..], |(_, core)| core)
        };
        let expected = label(spec);
        match record::peek_core(core) {
            Ok((found, _)) if found.kind != expected.kind => {
                Err(refused(RecordError::WrongRecord { field: "kind" }))
            }
            Ok((found, _)) if found != expected => {
                Err(refused(RecordError::WrongRecord { field: "key id" }))
            }
            _ => Ok(()),
        }
    }
}

/// What the record of a version's value must say of itself.
fn label(spec: SecretSpec) -> RecordLabel {
    let SecretSpec {
        tenant,
        secret,
        version,
        record,
    } = spec;
    RecordLabel {
        kind: RecordKind::Secret,
        record_id: RecordId::uuid(record),
        tenant: tenant.unwrap_or(TenantId::SYSTEM).uuid(),
        key_id: secret.uuid(),
        version,
        algorithm: String::new(),
        usage: 0,
    }
}
