//! The vault's objects for those who copy them: as they are stored, sealed. Nothing here opens
//! anything, so that it works on a sealed node too.

use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::ids::RecordId;
use keyward_core::noun::tenant::TenantKek;
use keyward_core::port::backup::{SealedObject, SealedObjects, SealedRecord, SealedRoot};
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use keyward_crypto::record::RecordError;

use crate::object_names;
use crate::seal::SealError;
use crate::seal::manifest::{Manifest, RootKeyName};
use crate::vault::PART_BYTES;

/// How often the manifest is read again when a seal that it names was gone meanwhile.
const ATTEMPTS: usize = 4;
/// Names of parts in a page.
const PAGE_LENGTH: usize = 1000;

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

    /// The parts of a core but the first, which is full if there are any. One that is missing between
    /// others is an error; whether the last of them is the last one, only the key can tell.
    async fn parts(&self, record: RecordId) -> Result<Vec<ObjectName>, StorageError> {
        let prefix = object_names::parts(record)?;
        let mut parts: Vec<ObjectName> = Vec::new();
        loop {
            let page = self
                .backend
                .list(prefix.as_str(), parts.last(), PAGE_LENGTH)
                .await?;
            let is_all = page.len() < PAGE_LENGTH;
            for name in page {
                if name != object_names::part(record, parts.len() as u64 + 1)? {
                    return Err(StorageError::Refused(RecordError::Truncated));
                }
                parts.push(name);
            }
            if is_all {
                return Ok(parts);
            }
        }
    }
}

#[async_trait]
impl SealedObjects for SealedCopies {
    async fn of_record(&self, record: RecordId) -> Result<SealedRecord, StorageError> {
        let Some(object) = self.object(object_names::record(record)?).await? else {
            return Ok(SealedRecord::default());
        };
        if !crate::vault::is_core(&object.bytes) {
            return Ok(SealedRecord {
                objects: vec![object],
                parts: Vec::new(),
            });
        }
        let outer = self.object(object_names::outer(record)?).await?;
        let parts = match object.bytes.len() {
            PART_BYTES => self.parts(record).await?,
            _ => Vec::new(),
        };
        Ok(SealedRecord {
            objects: outer.into_iter().chain([object]).collect(),
            parts,
        })
    }

    async fn part(&self, name: &ObjectName) -> Result<Option<SealedObject>, StorageError> {
        self.object(name.clone()).await
    }

    async fn of_tenant_kek(&self, kek: &TenantKek) -> Result<Vec<SealedObject>, StorageError> {
        let object = self.object(object_names::tenant_kek(kek)?).await?;
        Ok(object.into_iter().collect())
    }

    async fn of_root(&self) -> Result<SealedRoot, StorageError> {
        let mut attempt = 1;
        loop {
            // Without it nothing could ever be unsealed: no copy is better than one without it.
            let root = self.object(object_names::root_manifest()?).await?;
            let root = root.ok_or(StorageError::Missing)?;
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
