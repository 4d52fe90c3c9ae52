//! The vault whole on each backend: a deployment is made, seals, keys are used, records of every
//! size are stored, found by another start, altered in vain, and destroyed.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use keyward_core::crypto_types::{Algorithm, SecretBytes};
use keyward_core::ids::RecordId;
use keyward_core::names::{KeyName, TenantName};
use keyward_core::noun::action::Action;
use keyward_core::ops::key::{NewKey, RotateRequest};
use keyward_core::ops::tenant::NewTenant;
use keyward_core::ops::use_key::{UseItem, UseResult};
use keyward_core::ops::{key, tenant, use_key};
use keyward_core::port::registry::KeyRef;
use keyward_core::port::storage::{NewRecord, SecureStorage, StorageError};
use keyward_core::port::stream_storage::{PayloadRange, StreamStorage};
use keyward_crypto::record::{RecordKind, RecordLabel};
use keyward_testkit::faulty::FORMS;
use keyward_testkit::world::{RegistryKind, Tenancy, VaultKind, World};
use uuid::Uuid;

async fn use_key(world: &World, tenancy: &Tenancy, action: Action, item: UseItem) -> UseResult {
    let key = KeyRef::Name(KeyName::new("records").unwrap());
    use_key::perform_one(
        &world.node,
        &tenancy.user,
        &tenancy.place,
        &key,
        action,
        item,
    )
    .await
    .unwrap()
    .result
}

async fn encrypt(world: &World, tenancy: &Tenancy, text: &str) -> String {
    let item = UseItem::Encrypt {
        plaintext: SecretBytes::new(text.as_bytes().to_vec()),
        context: BTreeMap::new(),
        oaep: None,
        version: None,
    };
    match use_key(world, tenancy, Action::KeyEncrypt, item).await {
        UseResult::Ciphertext(text) => text,
        _ => panic!("encrypt gives a ciphertext"),
    }
}

async fn decrypt(world: &World, tenancy: &Tenancy, ciphertext: &str) -> Vec<u8> {
    let item = UseItem::Decrypt {
        ciphertext: ciphertext.to_owned(),
        context: BTreeMap::new(),
    };
    match use_key(world, tenancy, Action::KeyDecrypt, item).await {
        UseResult::Plaintext(bytes) => bytes.expose().to_vec(),
        _ => panic!("decrypt gives a plaintext"),
    }
}

fn label(tenancy: &Tenancy, record: u128) -> RecordLabel {
    RecordLabel {
        kind: RecordKind::KeyMaterial,
        record_id: Uuid::from_u128(record),
        tenant: tenancy.id.uuid(),
        key_id: Uuid::from_u128(5),
        version: 1,
        algorithm: "aes-256-gcm-commit".to_owned(),
        usage: 1,
    }
}

/// MiB of the record that comes in pieces.
const STREAMED_PIECES: u8 = 9;

async fn a_life_on(kind: VaultKind) {
    let world = World::on(RegistryKind::Sqlite, kind).await;
    let tenancy = world.tenant("clinic").await;
    let mut new = NewKey::named(KeyName::new("records").unwrap());
    new.algorithm = Algorithm::Aes256GcmCommit;
    new.activate = true;
    let made = key::create(&world.node, &tenancy.admin, &tenancy.place, new, None).await;
    let key = KeyRef::Id(made.unwrap().value.key.id);
    let one = encrypt(&world, &tenancy, "one").await;
    let request = RotateRequest::default();
    key::rotate(
        &world.node,
        &tenancy.operator,
        &tenancy.place,
        &key,
        request,
    )
    .await
    .unwrap();
    let two = encrypt(&world, &tenancy, "two").await;

    // Records of one object, of two, and of two of which one lies in parts.
    let mut digests = Vec::new();
    for (record, size) in [(1, 100), (2, 100_000), (3, 9 << 20)] {
        let record = NewRecord {
            label: label(&tenancy, record),
            metadata: b"metadata".to_vec(),
            payload: SecretBytes::new(vec![7; size]),
        };
        digests.extend(world.vault.store(vec![record]).await.unwrap());
    }

    // And one that comes in pieces, in parts of its own.
    let pieces = (0..STREAMED_PIECES).map(|n| Ok(SecretBytes::new(vec![n; 1 << 20])));
    let streamed = label(&tenancy, 4);
    let stored = world
        .vault
        .store_stream(&streamed, b"metadata", stream::iter(pieces).boxed())
        .await
        .unwrap();

    let world = world.restart().await;
    let range = PayloadRange {
        offset: (5 << 20) - 1,
        length: Some(2),
    };
    let opened = world
        .vault
        .open_stream(&streamed, Some(&stored.digest), range)
        .await
        .unwrap();
    let pieces: Vec<SecretBytes> = opened.pieces.try_collect().await.unwrap();
    let bytes: Vec<u8> = pieces.iter().flat_map(|p| p.expose().to_vec()).collect();
    assert_eq!(bytes, [4, 5], "{kind:?}");
    assert_eq!(decrypt(&world, &tenancy, &one).await, b"one");
    assert_eq!(decrypt(&world, &tenancy, &two).await, b"two");
    for ((record, size), digest) in [(1, 100), (2, 100_000), (3, 9 << 20)]
        .into_iter()
        .zip(&digests)
    {
        let expected = label(&tenancy, record);
        let opened = world.vault.open(&expected, Some(digest)).await.unwrap();
        assert!(
            opened.payload.expose() == vec![7; size],
            "{kind:?}: {size} bytes"
        );
    }

    // Altered behind its back, it is refused by name.
    let listed = world.backend.list("rec/", None, 100).await.unwrap();
    let small = listed
        .iter()
        .find(|name| name.as_str().ends_with("000000000001"))
        .unwrap();
    let mut bytes = world.backend.read(small).await.unwrap().unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    world.backend.write(small, bytes).await.unwrap();
    let refused = world.vault.open(&label(&tenancy, 1), None).await;
    assert!(
        matches!(refused.err(), Some(StorageError::Refused(_))),
        "{kind:?}"
    );

    let before = world.stored_objects().await;
    for record in 1..=4 {
        let id = RecordId::from_uuid(Uuid::from_u128(record));
        world.vault.destroy(id).await.unwrap();
        let gone = world.vault.open(&label(&tenancy, record), None).await;
        assert_eq!(gone.err(), Some(StorageError::Missing), "{kind:?}");
    }
    assert_eq!(world.stored_objects().await, before - 9, "{kind:?}");
    world.backend.health().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn i04_a_deployment_lives_on_the_embedded_backend() {
    a_life_on(VaultKind::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i04_a_deployment_lives_on_files() {
    a_life_on(VaultKind::Files).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i04_a_deployment_lives_on_postgres() {
    a_life_on(VaultKind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i04_a_deployment_lives_on_s3() {
    a_life_on(VaultKind::S3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i04_a_deployment_lives_on_azure() {
    a_life_on(VaultKind::Azure).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i04_a_deployment_lives_on_gcs() {
    a_life_on(VaultKind::Gcs).await;
}

/// Every change of the storage failing once, in every form, beneath what makes a tenant and a key:
/// whoever is told that it failed tries again and has it, and what was there before stays usable.
#[tokio::test(flavor = "multi_thread")]
async fn i02_a_failed_write_of_the_storage_costs_nothing_but_another_try() {
    let world = World::on(RegistryKind::Sqlite, VaultKind::Embedded).await;
    let tenancy = world.tenant("clinic").await;
    let create = async |name: &str| {
        let mut new = NewKey::named(KeyName::new(name).unwrap());
        new.activate = true;
        key::create(&world.node, &tenancy.admin, &tenancy.place, new, None).await
    };
    create("records").await.unwrap();
    let before = encrypt(&world, &tenancy, "before").await;
    for (number, form) in FORMS.into_iter().enumerate() {
        let name = format!("key-{number}");
        world.storage_faults.fail_after(0, form);
        let told = create(&name).await.err().unwrap();
        assert_eq!(told.code().as_str(), "storage_unavailable", "{form:?}");
        assert!(world.storage_faults.mend());
        create(&name).await.unwrap();

        let new = NewTenant {
            name: TenantName::new(&format!("tenant-{number}")).unwrap(),
            description: String::new(),
            seal_text: false,
        };
        world.storage_faults.fail_after(0, form);
        let told = tenant::create(&world.node, world.root(), new.clone(), None).await;
        let told = told.err().unwrap();
        assert_eq!(told.code().as_str(), "storage_unavailable", "{form:?}");
        assert!(world.storage_faults.mend());
        tenant::create(&world.node, world.root(), new, None)
            .await
            .unwrap();
    }
    let world = world.restart().await;
    assert_eq!(decrypt(&world, &tenancy, &before).await, b"before");
    encrypt(&world, &tenancy, "after").await;
}
