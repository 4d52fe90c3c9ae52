//! One deployment's storage for tests: a folder, a backend, an in-memory ledger, a vault.

#![allow(dead_code)] // each test file uses its part

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use keyward_core::ids::{RecordId, TenantId};
use keyward_core::noun::tenant::{Digest, TenantKek};
use keyward_core::port::storage::{
    KeyHierarchy, NewRecord, ObjectName, RecordLedger, SecureStorage, StorageBackend, StorageError,
};
use keyward_core::time::Timestamp;
use keyward_crypto::record::{RecordKind, RecordLabel};
use keyward_crypto::{SecretBytes, SystemRandom};
use keyward_vault::{EmbeddedBackend, FileBackend, SealSetup, Vault};
use uuid::Uuid;

/// The registry's word for the right records, in memory.
#[derive(Default)]
pub struct MemoryLedger {
    rows: Mutex<Vec<TenantKek>>,
}

impl MemoryLedger {
    pub fn add(&self, row: TenantKek) {
        self.rows.lock().unwrap().insert(0, row);
    }

    pub fn change(&self, change: impl FnOnce(&mut Vec<TenantKek>)) {
        change(&mut self.rows.lock().unwrap());
    }
}

#[async_trait]
impl RecordLedger for MemoryLedger {
    async fn tenant_keks(&self, tenant: TenantId) -> Result<Vec<TenantKek>, StorageError> {
        let rows = self.rows.lock().unwrap();
        Ok(rows
            .iter()
            .filter(|row| row.tenant == tenant)
            .cloned()
            .collect())
    }

    async fn live_keks(
        &self,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<TenantKek>, StorageError> {
        let mut rows = self.rows.lock().unwrap().clone();
        rows.retain(|row| row.destroyed_at.is_none() && Some(row.record) > after);
        rows.sort_by_key(|row| row.record);
        rows.truncate(limit);
        Ok(rows)
    }
}

/// Which backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Embedded,
    File,
}

pub const KINDS: [Kind; 2] = [Kind::Embedded, Kind::File];

pub fn open_backend(kind: Kind, folder: &Path) -> Arc<dyn StorageBackend> {
    match kind {
        Kind::Embedded => Arc::new(EmbeddedBackend::open(&folder.join("vault.db")).unwrap()),
        Kind::File => Arc::new(FileBackend::open(&folder.join("vault")).unwrap()),
    }
}

pub async fn open_vault(backend: &Arc<dyn StorageBackend>, ledger: &Arc<MemoryLedger>) -> Vault {
    let ledger: Arc<dyn RecordLedger> = Arc::clone(ledger) as _;
    Vault::open(Arc::clone(backend), ledger, Arc::new(SystemRandom))
        .await
        .unwrap()
}

/// An initialised, unsealed deployment with one tenant.
pub struct World {
    pub folder: tempfile::TempDir,
    pub backend: Arc<dyn StorageBackend>,
    pub ledger: Arc<MemoryLedger>,
    pub vault: Vault,
    pub tenant: TenantId,
}

impl World {
    pub async fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backend = open_backend(kind, folder.path());
        let setup = SealSetup::KeyFile(folder.path().join("root.key"));
        Vault::initialize(&*backend, Uuid::from_u128(7), &setup, &SystemRandom)
            .await
            .unwrap();
        let ledger = Arc::new(MemoryLedger::default());
        let vault = open_vault(&backend, &ledger).await;
        vault
            .unseal_with_key_file(&folder.path().join("root.key"))
            .unwrap();
        let world = Self {
            folder,
            backend,
            ledger,
            vault,
            tenant: tenant(1),
        };
        world.add_tenant(world.tenant).await;
        world
    }

    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("root.key")
    }

    /// Makes a tenant's key and commits it to the ledger.
    pub async fn add_tenant(&self, tenant: TenantId) -> TenantKek {
        let row = self
            .vault
            .create_tenant_kek(tenant, Timestamp::default())
            .await
            .unwrap();
        self.ledger.add(row.clone());
        row
    }

    /// The same storage, as the next start finds it.
    pub async fn restarted(&self) -> Vault {
        let vault = open_vault(&self.backend, &self.ledger).await;
        vault.unseal_with_key_file(&self.key_file()).unwrap();
        vault
    }

    /// Stores one record of the world's tenant.
    pub async fn store(&self, record: u128, payload: &[u8]) -> (RecordLabel, Digest) {
        let label = label(self.tenant, record);
        let digests = self
            .vault
            .store(vec![new_record(&label, payload)])
            .await
            .unwrap();
        (label, digests[0])
    }

    /// The object a record is kept in.
    pub async fn object(&self, label: &RecordLabel) -> Vec<u8> {
        self.backend
            .read(&object_name(label))
            .await
            .unwrap()
            .unwrap()
    }

    pub async fn put_object(&self, label: &RecordLabel, bytes: Vec<u8>) {
        self.backend
            .write(&object_name(label), bytes)
            .await
            .unwrap();
    }
}

pub fn tenant(number: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(0x1000 + number))
}

pub fn label(tenant: TenantId, record: u128) -> RecordLabel {
    RecordLabel {
        kind: RecordKind::KeyMaterial,
        record_id: Uuid::from_u128(record),
        tenant: tenant.uuid(),
        key_id: Uuid::from_u128(5),
        version: 3,
        algorithm: "aes-256-gcm-commit".to_owned(),
        usage: 0b11,
    }
}

pub fn new_record(label: &RecordLabel, payload: &[u8]) -> NewRecord {
    NewRecord {
        label: label.clone(),
        metadata: b"metadata".to_vec(),
        payload: SecretBytes::copy_from(payload),
    }
}

/// As `docs/formats/hierarchy.md` says.
pub fn object_name(label: &RecordLabel) -> ObjectName {
    let id = RecordId::from_uuid(label.record_id).to_string();
    ObjectName::new(&format!("rec/{}/{id}", &id[34..])).unwrap()
}

pub fn outer_name(label: &RecordLabel) -> ObjectName {
    ObjectName::new(&format!("{}.outer", object_name(label).as_str())).unwrap()
}
