//! A deployment with a key file and shares, and a record to be found again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use keyward_core::ids::{RecordId, TenantId};
use keyward_core::noun::tenant::{Digest, TenantKek};
use keyward_core::port::seal::{
    NewSeal, SealControl, SealInfo, SealKeeping, SealKind, SealProof, SealService,
};
use keyward_core::port::storage::{
    KeyHierarchy, NewRecord, RecordLedger, SecureStorage, StorageBackend, StorageError,
};
use keyward_core::time::Timestamp;
use keyward_crypto::record::{RecordKind, RecordLabel};
use keyward_crypto::{SecretBytes, SystemRandom};
use keyward_testkit::faulty::FaultyBackend;
use keyward_vault::{EmbeddedBackend, SealAccess, SealSetup, Vault};
use uuid::Uuid;
use zeroize::Zeroizing;

const PAYLOAD: &[u8] = b"what must be found again";

/// The registry's word, in memory.
#[derive(Default)]
pub struct Ledger(Mutex<Vec<TenantKek>>);

impl Ledger {
    pub fn add(&self, row: TenantKek) {
        self.0.lock().unwrap().insert(0, row);
    }

    pub fn rows(&self) -> Vec<TenantKek> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl RecordLedger for Ledger {
    async fn tenant_keks(&self, tenant: TenantId) -> Result<Vec<TenantKek>, StorageError> {
        let mut rows = self.rows();
        rows.retain(|row| row.tenant == tenant);
        Ok(rows)
    }

    async fn live_keks(
        &self,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<TenantKek>, StorageError> {
        let mut rows = self.rows();
        rows.retain(|row| row.destroyed_at.is_none() && Some(row.record) > after);
        rows.sort_by_key(|row| row.record);
        rows.truncate(limit);
        Ok(rows)
    }
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000 + second * 1_000_000)
}

/// When no root key before is kept for other nodes any more.
pub fn late() -> Timestamp {
    at(1_000_000)
}

pub fn tenant(number: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(0x1000 + number))
}

fn label(tenant: TenantId) -> RecordLabel {
    RecordLabel {
        kind: RecordKind::KeyMaterial,
        record_id: tenant.uuid(),
        tenant: tenant.uuid(),
        key_id: Uuid::from_u128(5),
        version: 1,
        algorithm: "aes-256-gcm-commit".to_owned(),
        usage: 0b11,
    }
}

/// Everything that outlives a node.
pub struct Stage {
    pub folder: PathBuf,
    _kept: Option<tempfile::TempDir>,
    pub storage: Arc<FaultyBackend>,
    pub ledger: Arc<Ledger>,
    pub services: Vec<Arc<dyn SealService>>,
    /// The records that must be found again.
    digests: Mutex<Vec<(TenantId, Digest)>>,
}

impl Stage {
    /// A deployment with one key file, `a.key`.
    pub async fn new() -> Self {
        Self::new_in(tempfile::tempdir().unwrap()).await
    }

    /// A deployment that is there already, with the registry's word for it.
    pub fn found_in(folder: &Path, rows: Vec<TenantKek>) -> Self {
        let backend = EmbeddedBackend::open(&folder.join("vault.db")).unwrap();
        Self {
            folder: folder.to_owned(),
            _kept: None,
            storage: Arc::new(FaultyBackend::new(Arc::new(backend))),
            ledger: Arc::new(Ledger(Mutex::new(rows))),
            services: Vec::new(),
            digests: Mutex::default(),
        }
    }

    async fn new_in(kept: tempfile::TempDir) -> Self {
        let folder = kept.path().to_owned();
        let path = folder.join("vault.db");
        let storage = Arc::new(FaultyBackend::new(Arc::new(
            EmbeddedBackend::open(&path).unwrap(),
        )));
        storage.init().await.unwrap();
        let setup = SealSetup::KeyFile(folder.join("a.key"));
        Vault::initialize(&*storage, Uuid::from_u128(7), &setup, &SystemRandom)
            .await
            .unwrap();
        let stage = Self {
            folder,
            _kept: Some(kept),
            storage,
            ledger: Arc::default(),
            services: Vec::new(),
            digests: Mutex::default(),
        };
        let node = stage.node().await;
        for number in 1..=3 {
            stage.add_tenant(&node, tenant(number)).await;
        }
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A node with these key files and every service, sealed.
    pub async fn sealed(&self, key_files: &[&str]) -> Vault {
        self.sealed_by(self.storage.clone(), key_files).await
    }

    /// The same by its own way to the storage.
    pub async fn sealed_by(&self, storage: Arc<dyn StorageBackend>, key_files: &[&str]) -> Vault {
        let ledger: Arc<dyn RecordLedger> = self.ledger.clone();
        let vault = Vault::open(storage, ledger, Arc::new(SystemRandom)).await;
        vault.unwrap().with_access(SealAccess {
            key_files: key_files.iter().map(|name| self.path(name)).collect(),
            services: self.services.clone(),
        })
    }

    /// A node that opened itself with `a.key` or `b.key` or a service.
    pub async fn node(&self) -> Vault {
        self.node_by(self.storage.clone()).await
    }

    /// The same by its own way to the storage.
    pub async fn node_by(&self, storage: Arc<dyn StorageBackend>) -> Vault {
        let vault = self.sealed_by(storage, &["a.key", "b.key"]).await;
        let tries = vault.unseal_automatically().await.unwrap();
        assert!(!vault.is_sealed(), "{tries:?}");
        vault
    }

    /// Makes a tenant with a record, and has the registry name its key.
    pub async fn add_tenant(&self, vault: &Vault, tenant: TenantId) {
        let row = vault.create_tenant_kek(tenant, at(0)).await.unwrap();
        self.ledger.add(row);
        let record = NewRecord {
            label: label(tenant),
            metadata: Vec::new(),
            payload: SecretBytes::copy_from(PAYLOAD),
        };
        let digests = vault.store(vec![record]).await.unwrap();
        self.digests.lock().unwrap().push((tenant, digests[0]));
    }

    /// Everything that was stored opens.
    #[track_caller]
    pub fn all_there<'a>(&'a self, vault: &'a Vault) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        let digests = self.digests.lock().unwrap().clone();
        async move {
            for (tenant, digest) in digests {
                let opened = vault.open(&label(tenant), Some(&digest)).await;
                let opened = opened.unwrap_or_else(|error| panic!("{tenant}: {error} at {caller}"));
                assert!(opened.payload.ct_eq(PAYLOAD));
            }
        }
    }

    /// Adds a seal of shares, 2 of 3, and has two holders prove it.
    pub async fn add_shares(&self, vault: &Vault) -> (Uuid, Vec<Zeroizing<String>>) {
        let made = vault
            .add_seal(
                NewSeal::Shares {
                    threshold: 2,
                    total: 3,
                },
                at(1),
            )
            .await
            .unwrap();
        assert!(made.seal.pending);
        prove_with(vault, made.seal.id, &made.shares[..2]).await;
        (made.seal.id, made.shares)
    }
}

/// Brings shares to a seal.
pub async fn prove_with(vault: &Vault, seal: Uuid, shares: &[Zeroizing<String>]) -> SealInfo {
    let mut info = None;
    for share in shares {
        let proof = SealProof::Share(share.clone());
        info = Some(vault.prove_seal(seal, proof, at(2)).await.unwrap());
    }
    info.unwrap()
}

pub fn ids(vault: &Vault, kind: SealKind) -> Vec<Uuid> {
    let seals = vault.overview().unwrap().seals;
    let of_kind = seals.into_iter().filter(|seal| seal.kind == kind);
    of_kind.map(|seal| seal.id).collect()
}

pub fn find(vault: &Vault, id: Uuid) -> SealInfo {
    let seals = vault.overview().unwrap().seals;
    seals.into_iter().find(|seal| seal.id == id).unwrap()
}

/// What lies in the storage under a prefix.
pub async fn names(storage: &dyn StorageBackend, prefix: &str) -> Vec<String> {
    let names = storage.list(prefix, None, 1000).await.unwrap();
    names
        .into_iter()
        .map(|name| name.as_str().to_owned())
        .collect()
}

pub fn passphrase(text: &str) -> SecretBytes {
    SecretBytes::copy_from(text.as_bytes())
}
