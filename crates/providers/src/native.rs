//! The native provider: material in the vault, used in this process.
//!
//! Material is unwrapped on first use into a bounded, timed, zeroized cache (`cache`). A use that
//! finds its key there awaits nothing and takes no lock that others need for long. What is found
//! must be the very record that the request refers to, with the tenant, key, version, algorithm
//! and usages of the request: a reference re-pointed in SQL is refused, cached or not.

mod cache;
mod call;
mod exchange;
mod fault;

use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::ids::{ImportKeyId, KeyId, RecordId, TenantId};
use keyward_core::noun::key::ProviderKind;
use keyward_core::noun::tenant::Digest;
use keyward_core::port::key_provider::{
    CryptoAnswer, CryptoCall, ExportTo, ImportKeyRef, ImportSource, KeyProvider, MaterialRef,
    MaterialSpec, NewImportKey, NewMaterial, ProviderError,
};
use keyward_core::port::storage::{NewRecord, SecureStorage, StorageError};
use keyward_core::time::Clock;
use keyward_crypto::exchange::WrapMethod;
use keyward_crypto::record::{RecordError, RecordKind, RecordLabel};
use keyward_crypto::{Family, KeyMaterial, PreparedKey, Random};

pub use self::cache::CacheLimits;
use self::cache::KeyCache;
use self::call::OwnedCall;
use self::fault::{crypto_fault, storage_fault};

/// Keys in the vault, used here.
pub struct NativeProvider {
    storage: Arc<dyn SecureStorage>,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    cache: KeyCache,
}

impl NativeProvider {
    /// A provider over a vault, with an empty cache.
    pub fn new(
        storage: Arc<dyn SecureStorage>,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
        limits: CacheLimits,
    ) -> Self {
        Self {
            storage,
            random,
            clock,
            cache: KeyCache::new(limits),
        }
    }

    /// Drops cached keys whose time is over, zeroized. To be called now and then: a key that is
    /// not used again is otherwise noticed only when something near it is.
    pub fn drop_expired(&self) {
        self.cache.drop_expired(self.clock.now());
    }

    /// How many keys are in memory, and the bytes they take, estimated.
    pub fn cached(&self) -> (usize, usize) {
        self.cache.size()
    }

    /// The prepared key from the vault. Concurrent misses load once.
    async fn load(&self, material: &MaterialRef) -> Result<Arc<PreparedKey>, ProviderError> {
        let loading = self.cache.begin_load(material);
        let loaded = loading
            .get_or_try_init(|| self.open(material))
            .await
            .cloned();
        self.cache
            .end_load(material, &loading, &loaded, self.clock.now());
        loaded
    }

    /// The key that the reference names, ready for use.
    async fn open(&self, material: &MaterialRef) -> Result<Arc<PreparedKey>, ProviderError> {
        let stored = self.open_material(material).await?;
        Ok(Arc::new(PreparedKey::new(&stored).map_err(no_key)?))
    }

    /// Opens exactly the record that the reference names, as what it should be.
    async fn open_material(&self, material: &MaterialRef) -> Result<KeyMaterial, ProviderError> {
        let label = label(&material.spec, record_id(material)?);
        let opened = self
            .storage
            .open(&label, material.record_digest.as_ref())
            .await;
        let opened = opened.map_err(storage_fault)?;
        KeyMaterial::decode(material.spec.algorithm, &opened.payload).map_err(no_key)
    }

    /// Runs a call that would hold up other requests of this thread.
    async fn run_apart(
        &self,
        key: Arc<PreparedKey>,
        material: &MaterialRef,
        call: OwnedCall,
    ) -> Result<CryptoAnswer, ProviderError> {
        let (key_id, version) = (material.spec.key, material.spec.version);
        let random = Arc::clone(&self.random);
        tokio::task::spawn_blocking(move || {
            call::perform(&key, key_id, version, call.borrow(), &*random)
        })
        .await
        .map_err(|_| ProviderError::Internal)?
    }
}

#[async_trait]
impl KeyProvider for NativeProvider {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Native
    }

    async fn generate(&self, specs: &[MaterialSpec]) -> Result<Vec<NewMaterial>, ProviderError> {
        let materials = generate_all(specs, &self.random).await?;
        self.store(specs, materials).await
    }

    async fn make_import_key(
        &self,
        tenant: TenantId,
        id: ImportKeyId,
        method: WrapMethod,
    ) -> Result<NewImportKey, ProviderError> {
        self.new_import_key(tenant, id, method).await
    }

    async fn import(
        &self,
        spec: &MaterialSpec,
        source: ImportSource<'_>,
    ) -> Result<NewMaterial, ProviderError> {
        let material = self.read_material(spec, source).await?;
        let mut made = self.store(&[*spec], vec![material]).await?;
        made.pop().ok_or(ProviderError::Internal)
    }

    async fn export(
        &self,
        material: &MaterialRef,
        export: &ExportTo<'_>,
    ) -> Result<Vec<u8>, ProviderError> {
        self.wrap_material(material, export).await
    }

    async fn destroy_import_key(&self, key: &ImportKeyRef) -> Result<(), ProviderError> {
        let record = parse_record_id(&key.provider_key_id)?;
        self.storage.destroy(record).await.map_err(storage_fault)
    }

    async fn verify(&self, material: &MaterialRef) -> Result<(), ProviderError> {
        let label = label(&material.spec, record_id(material)?);
        let digest = material.record_digest.as_ref();
        let opened = self.storage.open(&label, digest).await;
        opened.map(drop).map_err(storage_fault)
    }

    async fn verify_import_key(&self, key: &ImportKeyRef) -> Result<(), ProviderError> {
        self.open_import_key(key).await.map(drop)
    }

    async fn perform(
        &self,
        material: &MaterialRef,
        call: CryptoCall<'_>,
    ) -> Result<CryptoAnswer, ProviderError> {
        let key = match self.cache.find(material, self.clock.now()) {
            Some(key) => key,
            None => self.load(material).await?,
        };
        if let Some(owned) = OwnedCall::if_slow(material.spec.algorithm, &call) {
            return self.run_apart(key, material, owned).await;
        }
        call::perform(
            &key,
            material.spec.key,
            material.spec.version,
            call,
            &*self.random,
        )
    }

    async fn destroy(&self, material: &MaterialRef) -> Result<(), ProviderError> {
        self.forget(material.spec.key);
        let destroyed = self.storage.destroy(record_id(material)?).await;
        // Once more: it may have been loaded while it was being destroyed.
        self.forget(material.spec.key);
        destroyed.map_err(storage_fault)
    }

    fn forget(&self, key: KeyId) {
        self.cache.forget(key);
    }

    fn forget_all(&self) {
        self.cache.forget_all();
    }
}

impl NativeProvider {
    /// Seals material into the vault, all of it durable on return.
    async fn store(
        &self,
        specs: &[MaterialSpec],
        materials: Vec<KeyMaterial>,
    ) -> Result<Vec<NewMaterial>, ProviderError> {
        let mut records = Vec::with_capacity(specs.len());
        let mut made = Vec::with_capacity(specs.len());
        for (spec, material) in specs.iter().zip(materials) {
            let id = self.fresh_record_id()?;
            let public_key = material.public().map(<[u8]>::to_vec);
            made.push(NewMaterial {
                provider_key_id: id.to_string(),
                region: None,
                endpoint: None,
                record_digest: None,
                fingerprint: Digest(material.fingerprint()),
                public_key: public_key.clone(),
            });
            records.push(NewRecord {
                label: label(spec, id),
                metadata: public_key.unwrap_or_default(),
                payload: material.encode(),
            });
        }
        let digests = self.storage.store(records).await.map_err(storage_fault)?;
        for (made, digest) in made.iter_mut().zip(digests) {
            made.record_digest = Some(digest);
        }
        Ok(made)
    }

    /// A time-ordered id, as records have.
    fn fresh_record_id(&self) -> Result<RecordId, ProviderError> {
        let mut bytes = [0; 10];
        self.random.fill(&mut bytes).map_err(crypto_fault)?;
        let millis = u64::try_from(self.clock.now().as_micros() / 1000).unwrap_or_default();
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid();
        Ok(RecordId::from_uuid(id))
    }
}

/// Makes material for each spec. RSA keys take up to seconds: they are made beside the runtime,
/// all at once as far as there are threads.
async fn generate_all(
    specs: &[MaterialSpec],
    random: &Arc<dyn Random>,
) -> Result<Vec<KeyMaterial>, ProviderError> {
    let mut pending = Vec::with_capacity(specs.len());
    for spec in specs {
        let algorithm = spec.algorithm;
        pending.push(if algorithm.info().family == Family::Rsa {
            let random = Arc::clone(random);
            let task =
                tokio::task::spawn_blocking(move || KeyMaterial::generate(algorithm, &*random));
            Generation::Running(task)
        } else {
            Generation::Done(KeyMaterial::generate(algorithm, &**random))
        });
    }
    let mut materials = Vec::with_capacity(pending.len());
    for generation in pending {
        let material = match generation {
            Generation::Done(material) => material,
            Generation::Running(task) => task.await.map_err(|_| ProviderError::Internal)?,
        };
        materials.push(material.map_err(crypto_fault)?);
    }
    Ok(materials)
}

enum Generation {
    Done(Result<KeyMaterial, keyward_crypto::CryptoError>),
    Running(tokio::task::JoinHandle<Result<KeyMaterial, keyward_crypto::CryptoError>>),
}

/// What the record of a version's material must say of itself.
fn label(spec: &MaterialSpec, record: RecordId) -> RecordLabel {
    RecordLabel {
        kind: RecordKind::KeyMaterial,
        record_id: record.uuid(),
        tenant: spec.tenant.uuid(),
        key_id: spec.key.uuid(),
        version: spec.version,
        algorithm: spec.algorithm.name().to_owned(),
        usage: u32::from(spec.usages.bits()),
    }
}

/// The record a reference names. What is not an id was never made here.
fn record_id(material: &MaterialRef) -> Result<RecordId, ProviderError> {
    parse_record_id(&material.provider_key_id)
}

fn parse_record_id(text: &str) -> Result<RecordId, ProviderError> {
    text.parse()
        .map_err(|_| damaged(RecordError::WrongRecord { field: "record id" }))
}

/// It authenticated, and if it still is no key, that is not the caller's doing.
fn no_key(_: keyward_crypto::CryptoError) -> ProviderError {
    damaged(RecordError::Malformed)
}

fn damaged(error: RecordError) -> ProviderError {
    ProviderError::Record(StorageError::Refused(error))
}
