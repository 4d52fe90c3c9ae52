//! A deployment whose every byte is written down (`corpus/hierarchy/1`): it opens with this
//! release as with every later one, and what this release writes is what the vectors say.
//! `corpus/read_hierarchy.py` is a second reader, made from `docs/formats/hierarchy.md` alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::HEXLOWER;
use keyward_core::noun::tenant::{Digest, TenantKek};
use keyward_core::port::seal::SealControl;
use keyward_core::port::storage::{KeyHierarchy, ObjectName, SecureStorage, StorageBackend};
use keyward_core::time::Timestamp;
use keyward_crypto::digest::sha256;
use keyward_crypto::{CryptoError, Random};
use keyward_vault::{SealSetup, Vault};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use world::{Kind, MemoryLedger, label, new_record, open_backend, open_vault, tenant};

const VECTORS: &str = include_str!("../../../corpus/hierarchy/1/vectors.json");
const PAYLOAD: &[u8] = b"thirty-two bytes of key material";

/// Objects by name, in hex.
type Objects = BTreeMap<String, String>;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Vectors {
    deployment: Uuid,
    /// The 32 bytes of the key file.
    key_file: String,
    /// The registry's row of the tenant's key.
    tenant_kek: TenantKek,
    /// The record's id; the rest of its label is in the test and in the record.
    record: Uuid,
    record_digest: Digest,
    payload: String,
    /// A deployment with a key file, a tenant and a record.
    with_key_file: Objects,
    /// A deployment with shares, 2 of 3, and nothing else.
    with_shares: Objects,
    shares: Vec<String>,
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

fn write_key_file(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(bytes).unwrap();
}

async fn all_objects(backend: &dyn StorageBackend) -> Objects {
    let mut objects = Objects::new();
    for name in backend.list("", None, 100).await.unwrap() {
        let bytes = backend.read(&name).await.unwrap().unwrap();
        objects.insert(name.as_str().to_owned(), HEXLOWER.encode(&bytes));
    }
    objects
}

async fn store_objects(backend: &dyn StorageBackend, objects: &Objects) {
    for (name, bytes) in objects {
        let bytes = HEXLOWER.decode(bytes.as_bytes()).unwrap();
        backend
            .write(&ObjectName::new(name).unwrap(), bytes)
            .await
            .unwrap();
    }
}

/// What this release makes of fixed inputs.
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
    let vault = Vault::open(
        Arc::clone(&backend),
        Arc::clone(&ledger) as _,
        Arc::clone(&random) as _,
    );
    let vault = vault.await.unwrap();
    vault.unseal_with_key_file(&path).unwrap();
    let now = Timestamp::from_micros(1_893_456_000_000_000);
    let tenant_kek = vault.create_tenant_kek(tenant(1), now).await.unwrap();
    ledger.add(tenant_kek.clone());
    let label = label(tenant(1), 0x1111_1111_1111_7111_8111_1111_1111_1111);
    let digests = vault
        .store(vec![new_record(&label, PAYLOAD)])
        .await
        .unwrap();

    let other = tempfile::tempdir().unwrap();
    let with_shares = open_backend(Kind::Embedded, other.path());
    let setup = SealSetup::Shares {
        threshold: 2,
        total: 3,
    };
    let made = Vault::initialize(&*with_shares, deployment, &setup, &*random)
        .await
        .unwrap();
    Vectors {
        deployment,
        key_file: HEXLOWER.encode(&key_file),
        tenant_kek,
        record: label.record_id,
        record_digest: digests[0],
        payload: HEXLOWER.encode(PAYLOAD),
        with_key_file: all_objects(&*backend).await,
        with_shares: all_objects(&*with_shares).await,
        shares: made.shares.iter().map(|share| share.to_string()).collect(),
    }
}

#[tokio::test]
async fn this_release_writes_what_the_vectors_say() {
    let expected: Vectors = serde_json::from_str(VECTORS).unwrap();
    let made = make().await;
    assert_eq!(
        made,
        expected,
        "{}",
        serde_json::to_string_pretty(&made).unwrap()
    );
}

#[tokio::test]
async fn the_deployment_of_the_vectors_opens_with_its_key_file() {
    let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
    for kind in world::KINDS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        write_key_file(
            &path,
            &HEXLOWER.decode(vectors.key_file.as_bytes()).unwrap(),
        );
        let backend = open_backend(kind, folder.path());
        store_objects(&*backend, &vectors.with_key_file).await;
        let ledger = Arc::new(MemoryLedger::default());
        ledger.add(vectors.tenant_kek.clone());
        let vault = open_vault(&backend, &ledger).await;
        assert_eq!(vault.deployment(), Some(vectors.deployment));
        vault.unseal_with_key_file(&path).unwrap();
        let label = label(vectors.tenant_kek.tenant, vectors.record.as_u128());
        let opened = vault
            .open(&label, Some(&vectors.record_digest))
            .await
            .unwrap();
        assert!(opened.payload.ct_eq(PAYLOAD));
    }
}

#[tokio::test]
async fn the_deployment_of_the_vectors_opens_with_any_two_shares() {
    let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let backend = open_backend(Kind::File, folder.path());
    store_objects(&*backend, &vectors.with_shares).await;
    let vault = open_vault(&backend, &Arc::new(MemoryLedger::default())).await;
    for (first, second) in [(0, 1), (1, 2), (2, 0)] {
        vault.submit_share(&vectors.shares[first]).await.unwrap();
        assert!(
            !vault
                .submit_share(&vectors.shares[second])
                .await
                .unwrap()
                .sealed
        );
        vault.seal();
    }
}
