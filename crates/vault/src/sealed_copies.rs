//! The vault's objects for those who copy them: as they are stored, sealed. Nothing here opens
//! anything, so that it works on a sealed node too.

use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::ids::RecordId;
use keyward_core::noun::tenant::TenantKek;
use keyward_core::port::backup::{SealedObject, SealedObjects};
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};

use crate::object_names;
use crate::seal::SealError;
use crate::seal::manifest::Manifest;

/// Copies of what a backend holds.
pub struct SealedCopies {
    backend: Arc<dyn StorageBackend>,
}

impl SealedCopies {
    /// Of this backend.
    pub const fn new(backend: Arc<dyn StorageBackend>) -> Self {
        Self { backend }
    }

    async fn object(&self, name: ObjectName) -> Result<Option<SealedObject>, StorageError> {
        let found = self.backend.read(&name).await?;
        Ok(found.map(|bytes| SealedObject { name, bytes }))
    }
}

#[async_trait]
impl SealedObjects for SealedCopies {
    async fn of_record(&self, record: RecordId) -> Result<Vec<SealedObject>, StorageError> {
        let Some(object) = self.object(object_names::record(record)?).await? else {
            return Ok(Vec::new());
        };
        if !crate::vault::is_core(&object.bytes) {
            return Ok(vec![object]);
        }
        let outer = self.object(object_names::outer(record)?).await?;
        Ok(outer.into_iter().chain([object]).collect())
    }

    async fn of_tenant_kek(&self, kek: &TenantKek) -> Result<Vec<SealedObject>, StorageError> {
        let object = self.object(object_names::tenant_kek(kek)?).await?;
        Ok(object.into_iter().collect())
    }

    async fn of_root(&self) -> Result<Vec<SealedObject>, StorageError> {
        // Without it nothing could ever be unsealed: no copy at all is better than one without it.
        let root = self.object(object_names::root_manifest()?).await?;
        let root = root.ok_or(StorageError::Missing)?;
        let manifest = Manifest::parse(&root.bytes).map_err(damaged)?;
        let mut objects = Vec::with_capacity(manifest.seals.len() + 1);
        for seal in &manifest.seals {
            let name = object_names::named(&seal.object)?;
            objects.push(self.object(name).await?.ok_or(StorageError::Missing)?);
        }
        objects.push(root);
        Ok(objects)
    }
}

fn damaged(error: SealError) -> StorageError {
    match error {
        SealError::Storage(error) => error,
        other => StorageError::Unavailable {
            cause: other.to_string(),
        },
    }
}
