//! A native provider over a real vault, with a driven clock and storage that counts and can hold
//! back what is asked of it.

#![allow(dead_code)] // each test file uses its part

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use keyward_core::ids::{KeyId, RecordId, TenantId};
use keyward_core::noun::tenant::{Digest, TenantKek};
use keyward_core::port::key_provider::{
    CryptoAnswer, CryptoCall, KeyProvider, MaterialRef, MaterialSpec, NewMaterial, ProviderError,
};
use keyward_core::port::storage::{
    KeyHierarchy, NewRecord, RecordLedger, SecureStorage, StorageBackend, StorageError,
};
use keyward_core::time::{Clock, Timestamp};
use keyward_crypto::record::{OpenedRecord, RecordLabel};
use keyward_crypto::{Algorithm, SecretBytes, SystemRandom, algorithm};
use keyward_providers::{CacheLimits, NativeProvider};
use keyward_vault::{EmbeddedBackend, FileBackend, SealSetup, Vault};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// A clock that moves when told.
#[derive(Default)]
pub struct DrivenClock {
    micros: AtomicI64,
}

impl DrivenClock {
    pub fn advance_seconds(&self, seconds: i64) {
        self.micros.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for DrivenClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.load(Ordering::SeqCst))
    }
}

/// The registry's word for tenants' keys, in memory.
#[derive(Default)]
struct MemoryLedger {
    rows: Mutex<Vec<TenantKek>>,
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

/// A vault that counts what is opened, and opens only as the gate allows.
pub struct WatchedVault {
    pub vault: Vault,
    pub opened: AtomicUsize,
    /// A permit for each opening; plenty unless a test takes them.
    pub gate: Semaphore,
}

#[async_trait]
impl SecureStorage for WatchedVault {
    async fn store(&self, records: Vec<NewRecord>) -> Result<Vec<Digest>, StorageError> {
        self.vault.store(records).await
    }

    async fn open(
        &self,
        expected: &RecordLabel,
        digest: Option<&Digest>,
    ) -> Result<OpenedRecord, StorageError> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        self.vault.open(expected, digest).await
    }

    async fn destroy(&self, record: RecordId) -> Result<(), StorageError> {
        self.vault.destroy(record).await
    }
}

/// Which backend.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Embedded,
    File,
}

pub const KINDS: [Kind; 2] = [Kind::Embedded, Kind::File];
/// Openings allowed unless a test says otherwise.
const PLENTY: usize = 1 << 20;

/// An unsealed vault with two tenants, and a provider over it.
pub struct World {
    pub storage: Arc<WatchedVault>,
    pub clock: Arc<DrivenClock>,
    pub provider: Arc<NativeProvider>,
    folder: tempfile::TempDir,
}

impl World {
    pub async fn new(kind: Kind, limits: CacheLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backend: Arc<dyn StorageBackend> = match kind {
            Kind::Embedded => {
                Arc::new(EmbeddedBackend::open(&folder.path().join("vault.db")).unwrap())
            }
            Kind::File => Arc::new(FileBackend::open(&folder.path().join("vault")).unwrap()),
        };
        let key_file = folder.path().join("root.key");
        let setup = SealSetup::KeyFile(key_file.clone());
        Vault::initialize(&*backend, Uuid::from_u128(7), &setup, &SystemRandom)
            .await
            .unwrap();
        let ledger = Arc::new(MemoryLedger::default());
        let vault = Vault::open(backend, Arc::clone(&ledger) as _, Arc::new(SystemRandom));
        let vault = vault.await.unwrap();
        vault.unseal_with_key_file(&key_file).unwrap();
        for number in [1, 2] {
            let row = vault
                .create_tenant_kek(tenant(number), Timestamp::default())
                .await
                .unwrap();
            ledger.rows.lock().unwrap().push(row);
        }
        let storage = Arc::new(WatchedVault {
            vault,
            opened: AtomicUsize::new(0),
            gate: Semaphore::new(PLENTY),
        });
        let clock = Arc::new(DrivenClock::default());
        let provider = Arc::new(NativeProvider::new(
            Arc::clone(&storage) as _,
            Arc::new(SystemRandom),
            Arc::clone(&clock) as _,
            limits,
        ));
        Self {
            storage,
            clock,
            provider,
            folder,
        }
    }

    pub fn key_file(&self) -> std::path::PathBuf {
        self.folder.path().join("root.key")
    }

    pub fn opened(&self) -> usize {
        self.storage.opened.load(Ordering::SeqCst)
    }

    /// Makes a key and returns the reference that the registry would keep.
    pub async fn generate(&self, spec: MaterialSpec) -> (MaterialRef, NewMaterial) {
        let made = self.provider.generate(&[spec]).await.unwrap().remove(0);
        (reference(spec, &made), made)
    }

    pub async fn perform(
        &self,
        material: &MaterialRef,
        call: CryptoCall<'_>,
    ) -> Result<CryptoAnswer, ProviderError> {
        self.provider.perform(material, call).await
    }
}

pub fn tenant(number: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(0x1000 + number))
}

pub fn spec(algorithm: Algorithm, key: u128) -> MaterialSpec {
    MaterialSpec {
        tenant: tenant(1),
        key: KeyId::from_uuid(Uuid::from_u128(key)),
        version: 1,
        algorithm,
        usages: algorithm::default_usages(algorithm),
    }
}

pub fn reference(spec: MaterialSpec, made: &NewMaterial) -> MaterialRef {
    MaterialRef {
        spec,
        provider_key_id: made.provider_key_id.as_str().into(),
        record_digest: made.record_digest,
    }
}

/// The bytes of an answer.
pub fn bytes(answer: Result<CryptoAnswer, ProviderError>) -> Vec<u8> {
    match answer {
        Ok(CryptoAnswer::Bytes(bytes)) => bytes,
        other => panic!("not bytes: {:?}", other.err()),
    }
}

/// The secret of an answer.
pub fn secret(answer: Result<CryptoAnswer, ProviderError>) -> SecretBytes {
    match answer {
        Ok(CryptoAnswer::Secret(secret)) => secret,
        other => panic!("not a secret: {:?}", other.err()),
    }
}

/// The pair of an answer.
pub fn pair(answer: Result<CryptoAnswer, ProviderError>) -> (Vec<u8>, SecretBytes) {
    match answer {
        Ok(CryptoAnswer::Pair(bytes, secret)) => (bytes, secret),
        other => panic!("not a pair: {:?}", other.err()),
    }
}

/// The verdict of an answer.
pub fn valid(answer: Result<CryptoAnswer, ProviderError>) -> bool {
    match answer {
        Ok(CryptoAnswer::Valid(valid)) => valid,
        other => panic!("not a verdict: {:?}", other.err()),
    }
}
