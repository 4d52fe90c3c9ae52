//! A deployment with several seals, in the midst of a rotation of its root key, whose every byte is
//! written down (`corpus/hierarchy/2`): each of its seals opens it with this release as with every
//! later one. `corpus/read_hierarchy.py` is a second reader.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use keyward_core::noun::tenant::{Digest, TenantKek};
use keyward_core::port::seal::{
    NewSeal, SealControl, SealKeeping, SealKind, SealProof, SealService, SealServiceError,
    WrappedKey,
};
use keyward_core::port::storage::{KeyHierarchy, ObjectName, SecureStorage};
use keyward_core::time::Timestamp;
use keyward_crypto::digest::sha256;
use keyward_crypto::{CryptoError, Random, SecretBytes};
use keyward_vault::{SealAccess, SealSetup, Vault};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use world::{Kind, MemoryLedger, label, new_record, open_backend, open_vault, tenant};

const VECTORS: &str = include_str!("../../../corpus/hierarchy/2/with-digests.json");
/// The same, written before the manifest held the digests of its seals and the time of a rotation.
const BEFORE: &str = include_str!("../../../corpus/hierarchy/2/vectors.json");
const PAYLOAD: &[u8] = b"thirty-two bytes of key material";
const PASSPHRASE: &str = "correct horse battery staple";

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Vectors {
    deployment: Uuid,
    /// The 32 bytes of the key file.
    key_file: String,
    passphrase: String,
    /// What the key service answers: the sealing key of the wrapped key, both in hex.
    unwrapped: BTreeMap<String, String>,
    tenant_kek: TenantKek,
    record: Uuid,
    record_digest: Digest,
    payload: String,
    /// Committed, and no key-encryption key wrapped anew yet.
    objects: BTreeMap<String, String>,
}

/// SHA-256 of a counter, byte by byte: the same on every run.
#[derive(Default)]
struct Sequence(AtomicU64);

impl Random for Sequence {
    fn fill(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        for byte in out {
            *byte = sha256(&self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes())[0];
        }
        Ok(())
    }
}

/// A key service that only remembers.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, String>>);

#[async_trait]
impl SealService for Memory {
    fn kind(&self) -> SealKind {
        SealKind::Transit
    }

    async fn wrap(
        &self,
        sealing_key: &SecretBytes,
        bound_to: &[u8],
    ) -> Result<WrappedKey, SealServiceError> {
        let mut kept = self.0.lock().unwrap();
        let text = format!(
            "vault:v1:{}:{}",
            kept.len(),
            HEXLOWER.encode(&sha256(bound_to)[..8])
        );
        let bytes = text.into_bytes();
        kept.insert(
            HEXLOWER.encode(&bytes),
            HEXLOWER.encode(sealing_key.expose()),
        );
        Ok(WrappedKey {
            key: "transit/keyward".to_owned(),
            key_version: Some("1".to_owned()),
            bytes,
        })
    }

    async fn unwrap(
        &self,
        wrapped: &WrappedKey,
        _bound_to: &[u8],
    ) -> Result<SecretBytes, SealServiceError> {
        let kept = self.0.lock().unwrap();
        let key = kept.get(&HEXLOWER.encode(&wrapped.bytes));
        let key = key.ok_or(SealServiceError::Refused)?;
        let key = HEXLOWER.decode(key.as_bytes()).unwrap();
        Ok(SecretBytes::copy_from(&key))
    }
}

fn write_key_file(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.unwrap().write_all(bytes).unwrap();
}

fn words() -> SecretBytes {
    SecretBytes::copy_from(PASSPHRASE.as_bytes())
}

async fn make() -> Vectors {
    let random = Arc::new(Sequence::default());
    let deployment = Uuid::from_u128(0x4444_4444_4444_4444_8444_4444_4444_4444);
    let key_file: Vec<u8> = (0x20..0x40).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    write_key_file(&path, &key_file);
    let backend = open_backend(Kind::Embedded, folder.path());
    let setup = SealSetup::KeyFile(path.clone());
    Vault::initialize(&*backend, deployment, &setup, &*random)
        .await
        .unwrap();
    let ledger = Arc::new(MemoryLedger::default());
    let service = Arc::new(Memory::default());
    let opened = Vault::open(Arc::clone(&backend), Arc::clone(&ledger) as _, random as _);
    let vault = opened.await.unwrap().with_access(SealAccess {
        key_files: vec![path],
        services: vec![service.clone()],
    });
    vault.unseal_automatically().await.unwrap();
    let now = Timestamp::from_micros(1_893_456_000_000_000);
    let tenant_kek = vault.create_tenant_kek(tenant(1), now).await.unwrap();
    ledger.add(tenant_kek.clone());
    let label = label(tenant(1), 0x1111_1111_1111_7111_8111_1111_1111_1111);
    let digests = vault
        .store(vec![new_record(&label, PAYLOAD)])
        .await
        .unwrap();
    let by_words = vault
        .add_seal(NewSeal::Passphrase(words()), now)
        .await
        .unwrap();
    vault
        .add_seal(NewSeal::Service(SealKind::Transit), now)
        .await
        .unwrap();
    vault.begin_root_rotation(now).await.unwrap();
    let proof = SealProof::Passphrase(words());
    vault
        .prove_seal(by_words.seal.id, proof, now)
        .await
        .unwrap();
    vault.commit_root_rotation(now).await.unwrap();

    let mut objects = BTreeMap::new();
    for name in backend.list("", None, 100).await.unwrap() {
        let bytes = backend.read(&name).await.unwrap().unwrap();
        objects.insert(name.as_str().to_owned(), HEXLOWER.encode(&bytes));
    }
    Vectors {
        deployment,
        key_file: HEXLOWER.encode(&key_file),
        passphrase: PASSPHRASE.to_owned(),
        unwrapped: service.0.lock().unwrap().clone(),
        tenant_kek,
        record: label.record_id,
        record_digest: digests[0],
        payload: HEXLOWER.encode(PAYLOAD),
        objects,
    }
}

#[tokio::test]
async fn this_release_writes_what_the_vectors_say() {
    let made = make().await;
    let text = serde_json::to_string_pretty(&made).unwrap();
    let expected: Vectors = serde_json::from_str(VECTORS).unwrap_or_else(|_| panic!("{text}"));
    assert_eq!(made, expected, "{text}");
}

#[tokio::test]
async fn the_deployment_of_the_vectors_opens_with_each_of_its_seals() {
    for text in [VECTORS, BEFORE] {
        opens_with_each_seal(&serde_json::from_str(text).unwrap()).await;
    }
}

async fn opens_with_each_seal(vectors: &Vectors) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    write_key_file(
        &path,
        &HEXLOWER.decode(vectors.key_file.as_bytes()).unwrap(),
    );
    let backend = open_backend(Kind::File, folder.path());
    for (name, bytes) in &vectors.objects {
        let bytes = HEXLOWER.decode(bytes.as_bytes()).unwrap();
        backend
            .write(&ObjectName::new(name).unwrap(), bytes)
            .await
            .unwrap();
    }
    let ledger = Arc::new(MemoryLedger::default());
    ledger.add(vectors.tenant_kek.clone());
    let service = Arc::new(Memory(Mutex::new(vectors.unwrapped.clone())));
    let access = |key_files, services| SealAccess {
        key_files,
        services,
    };
    let by_file = open_vault(&backend, &ledger)
        .await
        .with_access(access(vec![path], vec![]));
    by_file.unseal_automatically().await.unwrap();
    let by_service = open_vault(&backend, &ledger).await;
    let by_service = by_service.with_access(access(vec![], vec![service]));
    by_service.unseal_automatically().await.unwrap();
    let by_words = open_vault(&backend, &ledger).await;
    by_words.submit_passphrase(words()).await.unwrap();
    let label = label(vectors.tenant_kek.tenant, vectors.record.as_u128());
    for vault in [by_file, by_service, by_words] {
        let opened = vault
            .open(&label, Some(&vectors.record_digest))
            .await
            .unwrap();
        assert!(opened.payload.ct_eq(PAYLOAD));
    }
}
