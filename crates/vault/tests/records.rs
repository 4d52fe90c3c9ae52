//! Records through a vault on both backends: they come back as what they are, and whatever was
//! done to them on the disk is noticed and named (invariant 8).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

use keyward_core::ids::RecordId;
use keyward_core::noun::tenant::Digest;
use keyward_core::port::seal::SealControl;
use keyward_core::port::storage::{KeyHierarchy, ObjectName, SecureStorage, StorageError};
use keyward_core::time::Timestamp;
use keyward_crypto::record::{OUTER_LENGTH, RecordError, RecordLabel};
use proptest::prelude::*;
use world::{KINDS, Kind, World, label, new_record, object_name, outer_name, tenant};

/// A payload whose record is two objects.
const LARGE: usize = 200_000;

async fn refusal(world: &World, label: &RecordLabel, digest: Option<&Digest>) -> RecordError {
    match world.vault.open(label, digest).await {
        Err(StorageError::Refused(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn records_come_back_whole_in_one_object_or_two() {
    for kind in KINDS {
        let world = World::new(kind).await;
        for (id, size, objects) in [(1, 0, 1), (2, 100, 1), (3, 60_000, 1), (4, LARGE, 2)] {
            let payload = vec![id as u8; size];
            let (label, digest) = world.store(id, &payload).await;
            let opened = world.vault.open(&label, Some(&digest)).await.unwrap();
            assert!(opened.payload.ct_eq(&payload));
            assert_eq!(opened.metadata, b"metadata");
            let prefix = object_name(&label);
            let names = world.backend.list(prefix.as_str(), None, 10).await.unwrap();
            assert_eq!(names.len(), objects, "{size} bytes on {kind:?}");
            let restarted = world.restarted().await;
            assert!(restarted.open(&label, Some(&digest)).await.is_ok());
            let id = RecordId::from_uuid(label.record_id);
            world.vault.destroy(id).await.unwrap();
            world.vault.destroy(id).await.unwrap();
            assert_eq!(
                world.backend.list(prefix.as_str(), None, 10).await.unwrap(),
                []
            );
            let gone = world.vault.open(&label, Some(&digest)).await;
            assert_eq!(gone.err(), Some(StorageError::Missing));
        }
    }
}

#[tokio::test]
async fn a_record_is_never_overwritten() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let (label, digest) = world.store(1, b"first").await;
        let again = world.vault.store(vec![new_record(&label, b"second")]).await;
        assert_eq!(again, Err(StorageError::AlreadyExists));
        assert!(
            world
                .vault
                .open(&label, Some(&digest))
                .await
                .unwrap()
                .payload
                .ct_eq(b"first")
        );
    }
}

#[tokio::test]
async fn i05_a_batch_keeps_each_tenants_records_under_its_own_key() {
    let world = World::new(Kind::Embedded).await;
    let other = tenant(2);
    let row = world.add_tenant(other).await;
    let labels: Vec<RecordLabel> = (0..6)
        .map(|n| label(if n % 2 == 0 { world.tenant } else { other }, 10 + n))
        .collect();
    let records = labels.iter().map(|label| new_record(label, b"x")).collect();
    let digests = world.vault.store(records).await.unwrap();
    // The other tenant's key is destroyed: its records are gone for good, nobody else's.
    world.vault.destroy_tenant_kek(&row).await.unwrap();
    world
        .ledger
        .change(|rows| rows.retain(|row| row.tenant != other));
    for (label, digest) in labels.iter().zip(&digests) {
        let opened = world.vault.open(label, Some(digest)).await;
        if label.tenant == other.uuid() {
            assert_eq!(opened.err(), Some(StorageError::NoTenantKek));
        } else {
            assert!(opened.is_ok());
        }
    }
    let refused = world
        .vault
        .store(vec![new_record(&label(other, 99), b"x")])
        .await;
    assert_eq!(refused, Err(StorageError::NoTenantKek));
}

#[tokio::test]
async fn i08_an_altered_record_is_refused_wherever_it_was_altered() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let (label, digest) = world.store(1, b"the payload of a record").await;
        let genuine = world.object(&label).await;
        for place in 0..genuine.len() {
            let mut altered = genuine.clone();
            altered[place] ^= 0x20;
            world.put_object(&label, altered).await;
            refusal(&world, &label, Some(&digest)).await;
        }
        // The places with a name of their own, and the payload.
        let last = genuine.len() - 1;
        let unknown = |byte: u8| byte ^ 0x20;
        let core = OUTER_LENGTH;
        for (place, expected) in [
            (0, RecordError::NotARecord),
            (4, RecordError::UnknownFormatVersion(unknown(1))),
            (5, RecordError::UnknownSuite(unknown(1))),
            (core, RecordError::NotARecord),
            (core + 4, RecordError::UnknownFormatVersion(unknown(1))),
            (core + 5, RecordError::UnknownSuite(unknown(1))),
            (core + 6, RecordError::UnknownKind(unknown(1))),
            (last, RecordError::Altered),
        ] {
            let mut altered = genuine.clone();
            altered[place] ^= 0x20;
            world.put_object(&label, altered).await;
            assert_eq!(
                refusal(&world, &label, Some(&digest)).await,
                expected,
                "byte {place}"
            );
        }
        world.put_object(&label, genuine).await;
        assert!(world.vault.open(&label, Some(&digest)).await.is_ok());
    }
}

#[tokio::test]
async fn i08_a_truncated_or_extended_record_is_refused() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let (label, digest) = world.store(1, b"the payload of a record").await;
        let genuine = world.object(&label).await;
        for length in 0..genuine.len() {
            world.put_object(&label, genuine[..length].to_vec()).await;
            let error = refusal(&world, &label, Some(&digest)).await;
            assert!(
                matches!(
                    error,
                    RecordError::Truncated | RecordError::NotARecord | RecordError::Altered
                ),
                "{length} bytes: {error}"
            );
        }
        let mut longer = genuine.clone();
        longer.push(0);
        world.put_object(&label, longer).await;
        refusal(&world, &label, Some(&digest)).await;
    }
}

#[tokio::test]
async fn i08_a_record_in_anothers_place_is_refused() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let (first, digest) = world.store(1, b"first").await;
        let (second, _) = world.store(2, b"second").await;
        let (ours, theirs) = (world.object(&first).await, world.object(&second).await);
        world.put_object(&first, theirs.clone()).await;
        let swapped = RecordError::WrongRecord { field: "record id" };
        assert_eq!(refusal(&world, &first, Some(&digest)).await, swapped);
        // Also only its outer header, or only its core.
        let mixed = [&ours[..OUTER_LENGTH], &theirs[OUTER_LENGTH..]].concat();
        world.put_object(&first, mixed).await;
        assert_eq!(refusal(&world, &first, Some(&digest)).await, swapped);
        let mixed = [&theirs[..OUTER_LENGTH], &ours[OUTER_LENGTH..]].concat();
        world.put_object(&first, mixed).await;
        assert_eq!(
            refusal(&world, &first, Some(&digest)).await,
            RecordError::Altered
        );
    }
}

#[tokio::test]
async fn i08_a_reference_to_another_tenant_key_version_or_algorithm_is_refused() {
    let world = World::new(Kind::Embedded).await;
    world.add_tenant(tenant(2)).await;
    let (genuine, digest) = world.store(1, b"x").await;
    let mut wrong = Vec::new();
    let mut differ = |field: &'static str, change: &dyn Fn(&mut RecordLabel)| {
        let mut label = genuine.clone();
        change(&mut label);
        wrong.push((field, label));
    };
    differ("key id", &|label| label.key_id = uuid::Uuid::from_u128(6));
    differ("version", &|label| label.version = 4);
    differ("algorithm", &|label| {
        "aes-256-gcm".clone_into(&mut label.algorithm);
    });
    differ("usage", &|label| label.usage = 0b111);
    for (field, label) in wrong {
        let error = refusal(&world, &label, Some(&digest)).await;
        assert_eq!(error, RecordError::WrongRecord { field });
    }
    // Another tenant's key is not even tried.
    let mut other = genuine.clone();
    other.tenant = tenant(2).uuid();
    assert!(matches!(
        refusal(&world, &other, Some(&digest)).await,
        RecordError::WrongKek { .. }
    ));
}

#[tokio::test]
async fn i08_an_older_record_put_back_is_refused() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let (label, old_digest) = world.store(1, b"old").await;
        let old = world.object(&label).await;
        world
            .vault
            .destroy(RecordId::from_uuid(label.record_id))
            .await
            .unwrap();
        let (_, digest) = world.store(1, b"new").await;
        world.put_object(&label, old).await;
        assert_eq!(
            refusal(&world, &label, Some(&digest)).await,
            RecordError::Replayed
        );
        // It is genuine: only the ledger's word tells.
        assert!(world.vault.open(&label, Some(&old_digest)).await.is_ok());
    }
}

#[tokio::test]
async fn i08_a_large_record_is_refused_without_its_outer_header_or_with_anothers() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let (first, digest) = world.store(1, &vec![1; LARGE]).await;
        let (second, _) = world.store(2, &vec![2; LARGE]).await;
        let theirs = world
            .backend
            .read(&outer_name(&second))
            .await
            .unwrap()
            .unwrap();
        world
            .backend
            .write(&outer_name(&first), theirs)
            .await
            .unwrap();
        assert_eq!(
            refusal(&world, &first, Some(&digest)).await,
            RecordError::Altered
        );
        world.backend.delete(&outer_name(&first)).await.unwrap();
        assert_eq!(
            refusal(&world, &first, Some(&digest)).await,
            RecordError::Truncated
        );
    }
}

#[tokio::test]
async fn i08_a_tenants_key_is_refused_if_it_is_not_the_ledgers() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let (label, digest) = world.store(1, b"x").await;
        let name_of = |row: &keyward_core::noun::tenant::TenantKek| {
            let text = format!("kek/{}/{}-{}", row.tenant, row.version, row.record);
            ObjectName::new(&text).unwrap()
        };
        let rows =
            keyward_core::port::storage::RecordLedger::tenant_keks(&*world.ledger, world.tenant);
        let row = rows.await.unwrap().remove(0);
        let genuine = world.backend.read(&name_of(&row)).await.unwrap().unwrap();

        // The ledger names another digest.
        world
            .ledger
            .change(|rows| rows[0].record_digest = Digest([9; 32]));
        let vault = world.restarted().await;
        let refused = vault.open(&label, Some(&digest)).await;
        assert_eq!(
            refused.err(),
            Some(StorageError::Refused(RecordError::Replayed))
        );
        world
            .ledger
            .change(|rows| rows[0].record_digest = row.record_digest);

        // Another tenant's genuine key lies in its place.
        let other = world.add_tenant(tenant(2)).await;
        let theirs = world.backend.read(&name_of(&other)).await.unwrap().unwrap();
        world.backend.write(&name_of(&row), theirs).await.unwrap();
        let refused = world.restarted().await.open(&label, Some(&digest)).await;
        let swapped = RecordError::WrongRecord { field: "record id" };
        assert_eq!(refused.err(), Some(StorageError::Refused(swapped)));

        // It was altered.
        let mut altered = genuine.clone();
        *altered.last_mut().unwrap() ^= 1;
        world.backend.write(&name_of(&row), altered).await.unwrap();
        let refused = world.restarted().await.open(&label, Some(&digest)).await;
        assert_eq!(
            refused.err(),
            Some(StorageError::Refused(RecordError::Altered))
        );

        world.backend.write(&name_of(&row), genuine).await.unwrap();
        assert!(
            world
                .restarted()
                .await
                .open(&label, Some(&digest))
                .await
                .is_ok()
        );
    }
}

#[tokio::test]
async fn new_records_go_under_the_newest_key_and_old_ones_stay_readable() {
    let world = World::new(Kind::Embedded).await;
    let (old, old_digest) = world.store(1, b"old").await;
    let mut second = world
        .vault
        .create_tenant_kek(world.tenant, Timestamp::default())
        .await
        .unwrap();
    let name = |row: &keyward_core::noun::tenant::TenantKek| {
        ObjectName::new(&format!(
            "kek/{}/{}-{}",
            row.tenant, row.version, row.record
        ))
        .unwrap()
    };
    assert!(world.backend.read(&name(&second)).await.unwrap().is_some());
    second.etag = 1;
    world.ledger.add(second.clone());
    world.vault.forget_tenant(world.tenant);
    let (new, new_digest) = world.store(2, b"new").await;
    let named = keyward_crypto::record::peek_outer(&world.object(&new).await[..OUTER_LENGTH]);
    assert_eq!(named.unwrap().id, second.record.uuid());
    let vault = world.restarted().await;
    assert!(vault.open(&old, Some(&old_digest)).await.is_ok());
    assert!(vault.open(&new, Some(&new_digest)).await.is_ok());
}

#[tokio::test]
async fn i12_forgetting_a_tenant_drops_its_keys() {
    let world = World::new(Kind::Embedded).await;
    let (label, digest) = world.store(1, b"x").await;
    world.ledger.change(Vec::clear);
    assert!(
        world.vault.open(&label, Some(&digest)).await.is_ok(),
        "its key is in memory"
    );
    world.vault.forget_tenant(world.tenant);
    let refused = world.vault.open(&label, Some(&digest)).await;
    assert_eq!(refused.err(), Some(StorageError::NoTenantKek));
}

#[tokio::test]
async fn i12_sealing_drops_every_key_and_unsealing_brings_them_back() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let (label, digest) = world.store(1, b"x").await;
        world.vault.seal();
        assert!(world.vault.is_sealed());
        let sealed = Some(StorageError::Sealed);
        assert_eq!(world.vault.open(&label, Some(&digest)).await.err(), sealed);
        assert_eq!(
            world
                .vault
                .store(vec![new_record(&label, b"x")])
                .await
                .err(),
            sealed
        );
        let id = RecordId::from_uuid(label.record_id);
        assert_eq!(world.vault.destroy(id).await.err(), sealed);
        let created = world
            .vault
            .create_tenant_kek(tenant(3), Timestamp::default())
            .await;
        assert_eq!(created.err(), sealed);
        world.vault.unseal_with_key_file(&world.key_file()).unwrap();
        assert!(world.vault.open(&label, Some(&digest)).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_all_come_back() {
    for kind in KINDS {
        let world = std::sync::Arc::new(World::new(kind).await);
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..64_u128 {
            let world = std::sync::Arc::clone(&world);
            tasks.spawn(async move {
                let mut stored = Vec::new();
                for n in 0..8 {
                    stored.push(world.store(1000 + task * 100 + n, b"payload").await);
                }
                stored
            });
        }
        while let Some(stored) = tasks.join_next().await {
            for (label, digest) in stored.unwrap() {
                assert!(world.vault.open(&label, Some(&digest)).await.is_ok());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn i08_no_change_of_a_stored_record_is_ever_read_as_data(
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        place in any::<prop::sample::Index>(),
        new in proptest::collection::vec(any::<u8>(), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new(Kind::File).await;
            let (label, digest) = world.store(1, &payload).await;
            let genuine = world.object(&label).await;
            let mut changed = genuine.clone();
            let place = place.index(changed.len());
            let end = (place + cut.index(40)).min(changed.len());
            changed.splice(place..end, new);
            world.put_object(&label, changed.clone()).await;
            let opened = world.vault.open(&label, Some(&digest)).await;
            assert_eq!(opened.is_ok(), changed == genuine);
        });
    }
}
