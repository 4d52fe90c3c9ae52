//! Keys that come in and go out: wrapping keys in the vault, material opened and checked here, and
//! wrapped to others. What is slow (RSA) runs beside the runtime.

use std::sync::Arc;

use keyward_core::ids::{ImportKeyId, RecordId, TenantId};
use keyward_core::noun::tenant::Digest;
use keyward_core::port::key_provider::{
    ExportTo, ImportKeyRef, ImportSource, MaterialRef, MaterialSpec, NewImportKey, ProviderError,
};
use keyward_core::port::storage::NewRecord;
use keyward_crypto::exchange::{
    self, EXPORT_INFO, ExchangeError, IMPORT_INFO, Intent, KeyFormat, PublicKey, Recipient,
    WrapMethod, WrappingKey,
};
use keyward_crypto::record::{RecordError, RecordKind, RecordLabel};
use keyward_crypto::{KeyMaterial, SecretBytes};

use super::fault::storage_fault;
use super::{NativeProvider, damaged, parse_record_id};

impl NativeProvider {
    pub(super) async fn new_import_key(
        &self,
        tenant: TenantId,
        id: ImportKeyId,
        method: WrapMethod,
    ) -> Result<NewImportKey, ProviderError> {
        let random = Arc::clone(&self.random);
        let key = apart(move || WrappingKey::generate(method, &*random)).await?;
        let record = self.fresh_record_id()?;
        let stored = self.storage.store(vec![NewRecord {
            label: import_label(tenant, id, method, record),
            metadata: Vec::new(),
            payload: key.encode(),
        }]);
        let digests = stored.await.map_err(storage_fault)?;
        let record_digest: Digest = digests.first().copied().ok_or(ProviderError::Internal)?;
        Ok(NewImportKey {
            provider_key_id: record.to_string(),
            record_digest,
            public_key: key.public().to_vec(),
        })
    }

    /// Opens, reads and checks what comes in. Nothing is stored here.
    pub(super) async fn read_material(
        &self,
        spec: &MaterialSpec,
        source: ImportSource<'_>,
    ) -> Result<KeyMaterial, ProviderError> {
        let intent = Intent {
            algorithm: spec.algorithm,
            usages: spec.usages,
        };
        match source {
            ImportSource::Public { format, bytes } => {
                let key =
                    PublicKey::read(intent, format, bytes).map_err(ProviderError::Exchange)?;
                key.to_material().map_err(ProviderError::Exchange)
            }
            ImportSource::Wrapped {
                key,
                format,
                wrapped,
            } => {
                let opened = self.open_import_key(&key).await?;
                let wrapped = wrapped.to_vec();
                apart(move || read_wrapped(intent, &opened, &key, format, &wrapped)).await
            }
        }
    }

    pub(super) async fn open_import_key(
        &self,
        key: &ImportKeyRef,
    ) -> Result<WrappingKey, ProviderError> {
        let record = parse_record_id(&key.provider_key_id)?;
        let label = import_label(key.tenant, key.id, key.method, record);
        let opened = self.storage.open(&label, Some(&key.record_digest)).await;
        let opened = opened.map_err(storage_fault)?;
        WrappingKey::decode(&opened.payload).map_err(|_| damaged(RecordError::Malformed))
    }

    pub(super) async fn wrap_material(
        &self,
        material: &MaterialRef,
        export: &ExportTo<'_>,
    ) -> Result<Vec<u8>, ProviderError> {
        let recipient = Recipient::read(export.method, export.recipient);
        let recipient = recipient.map_err(ProviderError::Exchange)?;
        let stored = self.open_material(material).await?;
        let format = export.format;
        let binding =
            exchange::export_binding(material.spec.key.uuid(), i64::from(material.spec.version));
        let random = Arc::clone(&self.random);
        apart(move || {
            let key: SecretBytes = exchange::write_private(&stored, format)?;
            recipient.wrap(EXPORT_INFO, binding.as_bytes(), &key, &*random)
        })
        .await
    }
}

fn read_wrapped(
    intent: Intent,
    opened: &WrappingKey,
    key: &ImportKeyRef,
    format: KeyFormat,
    wrapped: &[u8],
) -> Result<KeyMaterial, ExchangeError> {
    let binding = exchange::import_binding(key.id.uuid());
    let bytes = opened.open(IMPORT_INFO, binding.as_bytes(), wrapped)?;
    exchange::read_private(intent, format, &bytes)
}

/// Runs what would hold up other requests of this thread.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ExchangeError> + Send + 'static,
) -> Result<T, ProviderError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| ProviderError::Internal)?
        .map_err(ProviderError::Exchange)
}

/// What the record of a wrapping key must say of itself.
fn import_label(
    tenant: TenantId,
    id: ImportKeyId,
    method: WrapMethod,
    record: RecordId,
) -> RecordLabel {
    RecordLabel {
        kind: RecordKind::Other,
        record_id: record.uuid(),
        tenant: tenant.uuid(),
        key_id: id.uuid(),
        version: 0,
        algorithm: method.name().to_owned(),
        usage: 0,
    }
}
