//! Putting records back from copies. A copy is not trusted more than the backend: it is opened as what
//! the ledger names before anything is written, and written only over what was found.

use async_trait::async_trait;
use keyward_core::ids::TenantId;
use keyward_core::noun::tenant::{Digest, TenantKek};
use keyward_core::port::repair::{Copies, RecordRepair, RepairFault, Replacement, Wanted};
use keyward_core::port::storage::{KeyHierarchy, ObjectName, SecureStorage, StorageError};
use keyward_crypto::record::{self, RecordError, RecordKind};

use super::hierarchy::{kek_label, kek_name};
use super::streams::PART_BYTES;
use super::{Vault, layout, refused};
use crate::object_names;

#[async_trait]
impl RecordRepair for Vault {
    fn objects(&self, wanted: &Wanted) -> Result<Vec<ObjectName>, StorageError> {
        Ok(match wanted {
            Wanted::Kek(row) => vec![object_names::tenant_kek(row)?],
            Wanted::Record { record, .. } => {
                vec![
                    object_names::outer(*record)?,
                    object_names::record(*record)?,
                ]
            }
        })
    }

    async fn prepare(
        &self,
        wanted: &Wanted,
        copies: &Copies,
    ) -> Result<Vec<Replacement>, RepairFault> {
        let fit = match wanted {
            Wanted::Kek(row) => self.fit_kek(row, copies).await?,
            Wanted::Record { .. } => self.fit_record(wanted, copies).await?,
        };
        let mut objects = Vec::with_capacity(fit.len());
        for (name, bytes) in fit {
            let found = self
                .backend
                .read(&name)
                .await
                .map_err(RepairFault::Storage)?;
            if found.as_deref() != Some(&bytes[..]) {
                objects.push(Replacement { name, found, bytes });
            }
        }
        Ok(objects)
    }

    async fn put_back(
        &self,
        wanted: &Wanted,
        objects: Vec<Replacement>,
    ) -> Result<(), RepairFault> {
        let lane = tenant_of(wanted);
        let turn = self.gate.enter(lane, objects.len()).await;
        let _turn = turn.map_err(RepairFault::Storage)?;
        for Replacement { name, found, bytes } in objects {
            let written = match found {
                None => self.backend.write_if_absent(&name, bytes).await,
                Some(found) => self.backend.compare_and_swap(&name, &found, bytes).await,
            };
            written.map_err(|error| match error {
                StorageError::AlreadyExists | StorageError::Conflict | StorageError::Missing => {
                    RepairFault::Changed
                }
                other => RepairFault::Storage(other),
            })?;
        }
        if matches!(wanted, Wanted::Kek(_)) {
            self.forget_tenant(lane);
        }
        Ok(())
    }

    async fn take_back(&self, wanted: &Wanted) -> Result<(), StorageError> {
        match wanted {
            Wanted::Kek(row) => self.destroy_tenant_kek(row).await,
            Wanted::Record { record, .. } => self.destroy(*record).await,
        }
    }
}

/// Objects that are fit to be put back.
type Fit = Vec<(ObjectName, Vec<u8>)>;

fn tenant_of(wanted: &Wanted) -> TenantId {
    match wanted {
        Wanted::Kek(row) => row.tenant,
        Wanted::Record { tenant, .. } => *tenant,
    }
}

impl Vault {
    /// A record's objects, if they are the record that is wanted and open under a key-encryption key
    /// that the ledger names. They go back under the newest one: no job looks for them again.
    async fn fit_record(&self, wanted: &Wanted, copies: &Copies) -> Result<Fit, RepairFault> {
        let Wanted::Record {
            tenant,
            record: id,
            digest,
        } = wanted
        else {
            return Err(RepairFault::Absent);
        };
        let (of_outer, of_record) = (object_names::outer(*id), object_names::record(*id));
        let of_outer = of_outer.map_err(RepairFault::Storage)?;
        let of_record = of_record.map_err(RepairFault::Storage)?;
        let object = copies.get(&of_record).ok_or(RepairFault::Absent)?;
        let is_two = layout::is_core(object);
        if is_two && object.len() == PART_BYTES {
            return Err(RepairFault::InPieces);
        }
        let (outer, core) = if is_two {
            let outer = copies.get(&of_outer).ok_or(RepairFault::Absent)?;
            (&outer[..], &object[..])
        } else {
            layout::split(object).map_err(RepairFault::Refused)?
        };
        let outer = self.verified(*tenant, digest, outer, core, |label| {
            label.record_id == id.uuid() && label.kind != RecordKind::TenantKek
        });
        let mut outer = outer.await.map_err(sorted)?;
        Ok(if is_two {
            vec![(of_outer, outer), (of_record, object.clone())]
        } else {
            outer.extend_from_slice(core);
            vec![(of_record, outer)]
        })
    }

    /// Opens a record as the one with this digest; its outer header under the newest key.
    async fn verified(
        &self,
        tenant: TenantId,
        digest: &Digest,
        outer: &[u8],
        core: &[u8],
        is_wanted: impl Fn(&record::RecordLabel) -> bool + Send,
    ) -> Result<Vec<u8>, StorageError> {
        let hierarchy = self.unsealed()?;
        // The digest is of the whole core header: a label with it is the one that was written.
        let (label, _) = record::peek_core(core).map_err(refused)?;
        if label.tenant != tenant.uuid() || !is_wanted(&label) {
            return Err(refused(RecordError::WrongRecord { field: "record id" }));
        }
        let named = record::peek_outer(outer).map_err(refused)?;
        let kek = self.named_kek(&hierarchy, tenant, named).await?;
        record::open(outer, core, &kek.key, &label, Some(&digest.0)).map_err(refused)?;
        let newest = self.current_kek(&hierarchy, tenant).await?;
        if newest.name == named {
            return Ok(outer.to_vec());
        }
        let rewrapped = record::rewrap(
            outer,
            &digest.0,
            &kek.key,
            &newest.key,
            newest.name,
            &*self.random,
        );
        rewrapped.map_err(refused)
    }

    /// A key-encryption key, if it is the one that is wanted and is under a root key in force.
    async fn fit_kek(&self, row: &TenantKek, copies: &Copies) -> Result<Fit, RepairFault> {
        let name = object_names::tenant_kek(row).map_err(RepairFault::Storage)?;
        let object = copies.get(&name).ok_or(RepairFault::Absent)?;
        let bytes = self.verified_kek(row, object).await.map_err(sorted)?;
        Ok(vec![(name, bytes)])
    }

    async fn verified_kek(&self, row: &TenantKek, object: &[u8]) -> Result<Vec<u8>, StorageError> {
        // The one in force in the storage, which another node may have changed.
        self.follow().await?;
        let hierarchy = self.unsealed()?;
        let (outer, core) = layout::split(object)?;
        let root = self.root_of(&hierarchy, outer).await?;
        let (label, digest) = (kek_label(row)?, &row.record_digest.0);
        record::open(outer, core, &root.key, &label, Some(digest)).map_err(refused)?;
        // What opens no record would be of no use.
        kek_name(row)?;
        let current = self.unsealed()?.root();
        if current.name == root.name {
            return Ok(object.to_vec());
        }
        let mut bytes = record::rewrap(
            outer,
            digest,
            &root.key,
            &current.key,
            current.name,
            &*self.random,
        )
        .map_err(refused)?;
        bytes.extend_from_slice(core);
        Ok(bytes)
    }
}

/// What a copy is at fault for, and what the storage is.
fn sorted(error: StorageError) -> RepairFault {
    match error {
        StorageError::Refused(_) | StorageError::NoTenantKek | StorageError::Missing => {
            RepairFault::Refused(error)
        }
        other => RepairFault::Storage(other),
    }
}
