//! The vault's objects for those who copy them: as they are stored, sealed. Nothing here opens
//! anything, so that it works on a sealed node too.

use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::ids::RecordId;
use keyward_core::noun::tenant::TenantKek;
use keyward_core::port::backup::{SealedObject, SealedObjects, SealedRoot};
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};

use crate::object_names;
use crate::seal::SealError;
use crate::seal::manifest::{Manifest, RootKeyName};

/// How often the manifest is read again when a seal that it names was gone meanwhile.
const ATTEMPTS: usize = 4;

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

    async fn of_root(&self) -> Result<SealedRoot, StorageError> {
        let mut attempt = 1;
        loop {
            let Some(root) = self.object(object_names::root_manifest()?).await? else {
                return Ok(SealedRoot::default());
            };
            let manifest = Manifest::parse(&root.bytes).map_err(damaged)?;
            let (mut objects, gone) = self.of_manifest(&manifest).await?;
            // Replaced between the two readings: the manifest names other objects by now.
            if !gone.is_empty() && attempt < ATTEMPTS {
                attempt += 1;
                continue;
            }
            if gone.contains(&Holds::RootInForce) {
                return Err(StorageError::Missing);
            }
            if !gone.is_empty() {
                // It is refused by the commit, wherever that is asked for.
                tracing::error!("a seal for the next root key is gone; the copy is without it");
            }
            objects.push(root);
            let before = manifest.previous.as_ref().map(|previous| previous.root_key);
            let keys = [Some(manifest.root_key), before];
            return Ok(SealedRoot {
                objects,
                keys: keys
                    .into_iter()
                    .flatten()
                    .map(RootKeyName::as_kek)
                    .collect(),
            });
        }
    }
}

/// Which root key a seal holds.
#[derive(PartialEq, Eq)]
enum Holds {
    RootInForce,
    NextRoot,
}

impl SealedCopies {
    /// The seals in force, and those that hold the next root key while a rotation collects them:
    /// who restores may commit it, and from then on they are all that opens. And which are gone.
    async fn of_manifest(
        &self,
        manifest: &Manifest,
    ) -> Result<(Vec<SealedObject>, Vec<Holds>), StorageError> {
        let in_force = manifest.seals.iter().map(|seal| (Holds::RootInForce, seal));
        let next = manifest.next.iter().flat_map(|next| &next.seals);
        let next = next.map(|seal| (Holds::NextRoot, seal));
        let mut objects = Vec::with_capacity(manifest.seals.len() + 1);
        let mut gone = Vec::new();
        for (holds, seal) in in_force.chain(next) {
            match self.object(object_names::named(&seal.object)?).await? {
                Some(object) => objects.push(object),
                None => gone.push(holds),
            }
        }
        Ok((objects, gone))
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
