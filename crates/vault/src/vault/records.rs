//! Records: sealed on the calling task, written through the gate where tenants take turns, opened
//! only as what the caller expects.

use std::collections::HashMap;

use async_trait::async_trait;
use keyward_core::ids::{RecordId, TenantId};
use keyward_core::noun::tenant::{Digest, TenantKek};
use keyward_core::port::storage::{NewRecord, ObjectName, SecureStorage, StorageError};
use keyward_crypto::record::{self, OpenedRecord, RecordError, RecordLabel, SealedRecord};

use super::hierarchy::OpenKek;
use super::{Vault, layout, refused};
use crate::object_names;

#[async_trait]
impl SecureStorage for Vault {
    async fn store(&self, records: Vec<NewRecord>) -> Result<Vec<Digest>, StorageError> {
        let hierarchy = self.unsealed()?;
        let Some(first) = records.first() else {
            return Ok(Vec::new());
        };
        let lane = TenantId::from_uuid(first.label.tenant);
        let mut keks: HashMap<TenantId, OpenKek> = HashMap::with_capacity(1);
        let mut digests = Vec::with_capacity(records.len());
        let mut objects = Vec::with_capacity(records.len());
        for record in &records {
            let tenant = TenantId::from_uuid(record.label.tenant);
            let kek = match keks.get(&tenant) {
                Some(kek) => kek.clone(),
                None => self.current_kek(&hierarchy, tenant).await?,
            };
            let sealed = self.seal_record(record, &kek)?;
            keks.insert(tenant, kek);
            digests.push(Digest(sealed.core_digest));
            let id = RecordId::from_uuid(record.label.record_id);
            objects.extend(layout::objects(id, sealed)?);
        }
        // What is in plain text is not kept while the write waits.
        drop(records);
        let _turn = self.gate.enter(lane, objects.len()).await?;
        self.backend.put_many(objects).await?;
        Ok(digests)
    }

    async fn open(
        &self,
        expected: &RecordLabel,
        digest: Option<&Digest>,
    ) -> Result<OpenedRecord, StorageError> {
        let hierarchy = self.unsealed()?;
        let id = RecordId::from_uuid(expected.record_id);
        let object = self.backend.read(&object_names::record(id)?).await?;
        let object = object.ok_or(StorageError::Missing)?;
        let separate;
        let (outer, core) = if layout::is_core(&object) {
            let found = self.backend.read(&object_names::outer(id)?).await?;
            separate = found.ok_or(refused(RecordError::Truncated))?;
            (&separate[..], &object[..])
        } else {
            layout::split(&object)?
        };
        let named = record::peek_outer(outer).map_err(refused)?;
        let tenant = TenantId::from_uuid(expected.tenant);
        let kek = self.named_kek(&hierarchy, tenant, named).await?;
        record::open(
            outer,
            core,
            &kek.key,
            expected,
            digest.map(|digest| &digest.0),
        )
        .map_err(refused)
    }

    async fn destroy(&self, record: RecordId) -> Result<(), StorageError> {
        self.unsealed()?;
        // The outer header first: without it the rest cannot be opened.
        let names = [object_names::outer(record)?, object_names::record(record)?];
        self.delete_and_look(&names).await?;
        self.delete_parts(record).await
    }
}

impl Vault {
    /// Stores a record under a key-encryption key that the registry does not name yet.
    pub(super) async fn store_under(
        &self,
        record: NewRecord,
        row: &TenantKek,
    ) -> Result<Digest, StorageError> {
        let hierarchy = self.unsealed()?;
        let kek = self.open_kek(&hierarchy, row.tenant, row).await?;
        let sealed = self.seal_record(&record, &kek)?;
        let digest = Digest(sealed.core_digest);
        let objects = layout::objects(RecordId::from_uuid(record.label.record_id), sealed)?;
        drop(record);
        let _turn = self.gate.enter(row.tenant, objects.len()).await?;
        self.backend.put_many(objects).await?;
        Ok(digest)
    }

    fn seal_record(&self, record: &NewRecord, kek: &OpenKek) -> Result<SealedRecord, StorageError> {
        record::seal(
            &record.label,
            &record.metadata,
            record.payload.expose(),
            &kek.key,
            kek.name,
            &*self.random,
        )
        .map_err(refused)
    }

    /// Deletes objects and reads them again: gone means looked at and not found.
    pub(super) async fn delete_and_look(&self, names: &[ObjectName]) -> Result<(), StorageError> {
        for name in names {
            self.backend.delete(name).await?;
        }
        for name in names {
            if self.backend.read(name).await?.is_some() {
                let cause = "the backend still returns what was deleted".to_owned();
                return Err(StorageError::Unavailable { cause });
            }
        }
        Ok(())
    }
}
