//! The registry's word for which records in the vault are the right ones.

use async_trait::async_trait;
use keyward_core::ids::{RecordId, TenantId};
use keyward_core::noun::tenant::TenantKek;
use keyward_core::port::registry::RegistryError;
use keyward_core::port::storage::{RecordLedger, StorageError};

use crate::registry::SqlRegistry;

#[async_trait]
impl RecordLedger for SqlRegistry {
    async fn tenant_keks(&self, tenant: TenantId) -> Result<Vec<TenantKek>, StorageError> {
        crate::read::tenants::keks(&self.present(), tenant)
            .await
            .map_err(storage_error)
    }

    async fn live_keks(
        &self,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<TenantKek>, StorageError> {
        crate::read::tenants::live_keks(&self.present(), after, limit)
            .await
            .map_err(storage_error)
    }
}

fn storage_error(error: RegistryError) -> StorageError {
    let cause = match error {
        RegistryError::Unavailable { cause } => format!("the registry: {cause}"),
        other => other.to_string(),
    };
    StorageError::Unavailable { cause }
}
