//! A value that lies in parts of 4 MiB. The corpus does not hold its bytes but what they follow from
//! (headers, key, payload) and the digest of every object; they are made here by AES-GCM alone, as
//! docs/formats/record.md and hierarchy.md say, and read through the vault.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use data_encoding::HEXLOWER;
use futures_util::{StreamExt, TryStreamExt, stream};
use keyward_core::ids::{RecordId, TenantId};
use keyward_core::noun::tenant::{Digest, TenantKek};
use keyward_core::port::storage::{ObjectName, RecordLedger, StorageBackend, StorageError};
use keyward_core::port::stream_storage::{PayloadRange, StreamStorage};
use keyward_crypto::digest::{hkdf_sha256, sha256};
use keyward_crypto::record::{RecordKind, RecordLabel};
use keyward_crypto::{SecretBytes, SystemRandom};
use keyward_vault::{FileBackend, Vault};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{corpus, hex, load, may_add, save, text};

const FILE: &str = "stream/1/vectors.json";
const CHUNK: usize = 65_536;
const PART: usize = 4 << 20;
/// Two parts, the second with a chunk and a bit.
const PAYLOAD: usize = PART + 70_000;

/// The registry's word: the one key of the deployment.
struct OneKey(TenantKek);

#[async_trait]
impl RecordLedger for OneKey {
    async fn tenant_keks(&self, tenant: TenantId) -> Result<Vec<TenantKek>, StorageError> {
        let rows = vec![self.0.clone()];
        Ok(rows
            .into_iter()
            .filter(|row| row.tenant == tenant)
            .collect())
    }

    async fn live_keks(
        &self,
        after: Option<RecordId>,
        _limit: usize,
    ) -> Result<Vec<TenantKek>, StorageError> {
        let rows = vec![self.0.clone()];
        Ok(rows
            .into_iter()
            .filter(|row| Some(row.record) > after)
            .collect())
    }
}

fn payload() -> Vec<u8> {
    (0..PAYLOAD)
        .map(|index| u8::try_from(index % 251).unwrap())
        .collect()
}

fn label(tenant: TenantId) -> RecordLabel {
    RecordLabel {
        kind: RecordKind::Other,
        record_id: Uuid::from_u128(0x5555_5555_5555_7555_8555_5555_5555_5555),
        tenant: tenant.uuid(),
        key_id: Uuid::from_u128(5),
        version: 1,
        algorithm: "stream".to_owned(),
        usage: 0,
    }
}

/// The deployment of `corpus/hierarchy/1`, unsealed.
async fn deployment(folder: &std::path::Path) -> (Arc<dyn StorageBackend>, Vault, TenantKek) {
    let vectors = load("hierarchy/1/vectors.json");
    let row: TenantKek = serde_json::from_value(vectors["tenant_kek"].clone()).unwrap();
    let backend: Arc<dyn StorageBackend> = Arc::new(FileBackend::open(folder).unwrap());
    backend.init().await.unwrap();
    for (name, bytes) in vectors["with_key_file"].as_object().unwrap() {
        let bytes = HEXLOWER.decode(bytes.as_str().unwrap().as_bytes()).unwrap();
        backend
            .write(&ObjectName::new(name).unwrap(), bytes)
            .await
            .unwrap();
    }
    let key_file = folder.join("root.key");
    crate::deployments::write_key_file(&key_file, &hex(&vectors, "key_file"));
    let ledger = Arc::new(OneKey(row.clone()));
    let vault = Vault::open(backend.clone(), ledger, Arc::new(SystemRandom));
    let vault = vault.await.unwrap();
    vault.unseal_with_key_file(&key_file).unwrap();
    (backend, vault, row)
}

async fn make() {
    let folder = tempfile::tempdir().unwrap();
    let (backend, vault, row) = deployment(folder.path()).await;
    let (bytes, label) = (payload(), label(row.tenant));
    let pieces = bytes
        .chunks(1 << 20)
        .map(|it| Ok(SecretBytes::copy_from(it)));
    let stored = vault.store_stream(&label, b"metadata", stream::iter(pieces).boxed());
    let digest = stored.await.unwrap().digest;
    let mut objects = BTreeMap::new();
    let mut small = serde_json::Map::new();
    let prefix = format!("rec/55/{}", label.record_id);
    for name in backend.list(&prefix, None, 10).await.unwrap() {
        let bytes = backend.read(&name).await.unwrap().unwrap();
        objects.insert(name.as_str().to_owned(), HEXLOWER.encode(&sha256(&bytes)));
        if name.as_str() == format!("{prefix}.outer") {
            small.insert("outer".to_owned(), HEXLOWER.encode(&bytes).into());
        }
        if name.as_str() == prefix {
            // 97, the algorithm's name, four, and what they say.
            let length = 97 + 6 + 4 + b"metadata".len() + 16;
            small.insert(
                "header".to_owned(),
                HEXLOWER.encode(&bytes[..length]).into(),
            );
        }
    }
    let told = json!({
        "format": "KWR1 in parts",
        "deployment": "hierarchy/1",
        // As docs/formats/hierarchy.md gives it.
        "kek": "8c397d354dd3a96178ac5f5d32e37cec4fca81f501090269282aee2b0f66d2d0",
        "payload": "byte i is i mod 251",
        "payload_bytes": PAYLOAD,
        "metadata": HEXLOWER.encode(b"metadata"),
        "record": label.record_id,
        "core_digest": HEXLOWER.encode(&digest.0),
        "outer": small["outer"],
        "header": small["header"],
        "objects_sha256": objects,
    });
    save(FILE, &told);
}

fn gcm(key: &[u8], nonce: [u8; 12], bound: &[u8], plain: &[u8]) -> Vec<u8> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
    let mut bytes = plain.to_vec();
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, Aad::from(bound), &mut bytes)
        .unwrap();
    bytes
}

fn opened(key: &[u8], bound: &[u8], sealed: &[u8]) -> Vec<u8> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
    let mut bytes = sealed.to_vec();
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let plain = key
        .open_in_place(nonce, Aad::from(bound), &mut bytes)
        .unwrap();
    plain.to_vec()
}

/// The objects as they were, from what the corpus holds.
fn objects(told: &Value) -> BTreeMap<String, Vec<u8>> {
    let (outer, header) = (hex(told, "outer"), hex(told, "header"));
    let digest = sha256(&header);
    let mut wrapping = [0; 64];
    let info = [b"keyward/record-wrap/1\x01", &outer[6..26]].concat();
    hkdf_sha256(&hex(told, "kek"), &outer[26..58], &info, &mut wrapping).unwrap();
    let bound = [&outer[..90], &digest].concat();
    let record_key = opened(&wrapping[..32], &bound, &outer[90..]);
    let mut keys = [0; 96];
    hkdf_sha256(
        &record_key,
        &header[8..24],
        b"keyward/record/1\x01",
        &mut keys,
    )
    .unwrap();
    let (mut core, bytes) = (header, payload());
    let last = bytes.chunks(CHUNK).count() - 1;
    for (number, chunk) in bytes.chunks(CHUNK).enumerate() {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&(number as u64).to_be_bytes());
        nonce[11] = u8::from(number == last);
        core.extend(gcm(&keys[64..], nonce, &digest, chunk));
    }
    let name = format!("rec/55/{}", text(told, "record"));
    let mut objects = BTreeMap::from([(format!("{name}.outer"), outer)]);
    for (number, part) in core.chunks(PART).enumerate() {
        let name = match number {
            0 => name.clone(),
            _ => format!("{name}.part-{number:06}"),
        };
        objects.insert(name, part.to_vec());
    }
    objects
}

#[tokio::test]
async fn a_value_in_parts_is_read_whole_and_by_ranges() {
    if may_add() && !corpus(FILE).exists() {
        make().await;
    }
    let told = load(FILE);
    let objects = objects(&told);
    let expected: BTreeMap<String, String> =
        serde_json::from_value(told["objects_sha256"].clone()).unwrap();
    let digests: BTreeMap<String, String> = objects
        .iter()
        .map(|(name, bytes)| (name.clone(), HEXLOWER.encode(&sha256(bytes))))
        .collect();
    assert_eq!(digests, expected);
    assert_eq!(objects.len(), 3);

    let folder = tempfile::tempdir().unwrap();
    let (backend, vault, row) = deployment(folder.path()).await;
    for (name, bytes) in objects {
        backend
            .write(&ObjectName::new(&name).unwrap(), bytes)
            .await
            .unwrap();
    }
    let digest = Digest(hex(&told, "core_digest")[..].try_into().unwrap());
    let whole = payload();
    let ends = [
        (0, None, 0..PAYLOAD),
        (4_194_300, Some(10), 4_194_300..4_194_310),
    ];
    for (offset, length, expected) in ends {
        let range = PayloadRange { offset, length };
        let opened = vault
            .open_stream(&label(row.tenant), Some(&digest), range)
            .await
            .unwrap();
        assert_eq!(opened.metadata, hex(&told, "metadata"));
        let add = |mut sum: Vec<u8>, piece: SecretBytes| async move {
            sum.extend_from_slice(piece.expose());
            Ok(sum)
        };
        let read = opened.pieces.try_fold(Vec::new(), add).await.unwrap();
        assert!(read == whole[expected], "from {offset}");
    }
}
