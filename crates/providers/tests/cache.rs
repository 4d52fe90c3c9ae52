//! The cache of the native provider: bounded, timed, emptied when told to, and never a way around
//! the vault's checks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

use std::sync::Arc;

use keyward_core::ids::KeyId;
use keyward_core::noun::tenant::Digest;
use keyward_core::port::key_provider::{CryptoCall, KeyProvider, MaterialRef, ProviderError};
use keyward_core::port::seal::SealControl;
use keyward_core::port::storage::StorageError;
use keyward_crypto::Algorithm;
use keyward_crypto::record::RecordError;
use keyward_providers::CacheLimits;
use uuid::Uuid;
use world::{Kind, World, bytes, spec, tenant};

const LIMITS: CacheLimits = CacheLimits {
    entries_max: 8,
    size_bytes_max: 1 << 20,
    age_seconds_max: 600,
};

async fn mac(world: &World, key: &MaterialRef) -> Result<Vec<u8>, ProviderError> {
    let answer = world.perform(key, CryptoCall::Mac { message: b"x" }).await;
    answer.map(|answer| bytes(Ok(answer)))
}

async fn keys(world: &World, count: u128) -> Vec<MaterialRef> {
    let mut keys = Vec::new();
    for number in 0..count {
        keys.push(
            world
                .generate(spec(Algorithm::HmacSha256, 1 + number))
                .await
                .0,
        );
    }
    keys
}

#[tokio::test]
async fn a_key_is_loaded_once_and_again_when_its_time_is_over() {
    let world = World::new(Kind::Embedded, LIMITS).await;
    let key = keys(&world, 1).await.remove(0);
    assert_eq!(world.opened(), 0, "making a key does not load it");
    for _ in 0..10 {
        mac(&world, &key).await.unwrap();
        world.clock.advance_seconds(59);
    }
    assert_eq!(world.opened(), 1);
    // Ten minutes from the load, however often it was used since.
    world.clock.advance_seconds(10);
    mac(&world, &key).await.unwrap();
    assert_eq!(world.opened(), 2);
}

#[tokio::test]
async fn i12_a_key_that_is_not_used_any_more_is_dropped_when_its_time_is_over() {
    let world = World::new(Kind::Embedded, LIMITS).await;
    for key in keys(&world, 3).await {
        mac(&world, &key).await.unwrap();
    }
    assert_eq!(world.provider.cached().0, 3);
    world.clock.advance_seconds(599);
    world.provider.drop_expired();
    assert_eq!(world.provider.cached().0, 3);
    world.clock.advance_seconds(1);
    world.provider.drop_expired();
    assert_eq!(world.provider.cached(), (0, 0));
}

#[tokio::test]
async fn the_cache_keeps_no_more_keys_than_it_may() {
    let world = World::new(Kind::Embedded, LIMITS).await;
    for key in keys(&world, 30).await {
        mac(&world, &key).await.unwrap();
        assert!(world.provider.cached().0 <= 8);
    }
    assert_eq!(world.provider.cached().0, 8);
}

#[tokio::test]
async fn the_cache_takes_no_more_bytes_than_it_may() {
    let limits = CacheLimits {
        entries_max: 1000,
        size_bytes_max: 40_000,
        ..LIMITS
    };
    let world = World::new(Kind::Embedded, limits).await;
    for number in 0..10 {
        let (key, _) = world.generate(spec(Algorithm::MlKem768, 1 + number)).await;
        world.perform(&key, CryptoCall::Encapsulate).await.unwrap();
        assert!(world.provider.cached().1 <= 40_000);
    }
    // A bound that no key fits: they are used all the same, and not kept.
    let limits = CacheLimits {
        size_bytes_max: 100,
        ..LIMITS
    };
    let world = World::new(Kind::Embedded, limits).await;
    let key = keys(&world, 1).await.remove(0);
    mac(&world, &key).await.unwrap();
    assert_eq!(world.provider.cached(), (0, 0));
}

#[tokio::test]
async fn a_key_in_use_outlives_keys_that_are_not() {
    let world = World::new(Kind::Embedded, LIMITS).await;
    let keys = keys(&world, 40).await;
    mac(&world, &keys[0]).await.unwrap();
    for key in &keys[1..] {
        mac(&world, key).await.unwrap();
        mac(&world, &keys[0]).await.unwrap();
    }
    assert_eq!(world.opened(), 40, "the first key was loaded once");
}

#[tokio::test]
async fn i12_forgetting_drops_every_version_of_a_key_and_nothing_else() {
    let world = World::new(Kind::Embedded, LIMITS).await;
    let first = spec(Algorithm::HmacSha256, 1);
    let mut second = first;
    second.version = 2;
    for wanted in [first, second, spec(Algorithm::HmacSha256, 2)] {
        let (key, _) = world.generate(wanted).await;
        mac(&world, &key).await.unwrap();
    }
    world.provider.forget(first.key);
    assert_eq!(world.provider.cached().0, 1);
    world.provider.forget(KeyId::from_uuid(Uuid::from_u128(99)));
    assert_eq!(world.provider.cached().0, 1);
    world.provider.forget_all();
    assert_eq!(world.provider.cached(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_need_a_key_at_once_one_loads_it() {
    let world = Arc::new(World::new(Kind::Embedded, LIMITS).await);
    let key = keys(&world, 1).await.remove(0);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (world, key) = (Arc::clone(&world), key.clone());
        tasks.spawn(async move { mac(&world, &key).await.unwrap() });
    }
    while let Some(made) = tasks.join_next().await {
        assert_eq!(made.unwrap().len(), 32);
    }
    assert_eq!(world.opened(), 1);
}

#[tokio::test]
async fn i06_a_key_forgotten_while_it_is_loaded_is_not_kept() {
    let world = Arc::new(World::new(Kind::Embedded, LIMITS).await);
    let key = keys(&world, 1).await.remove(0);
    let held = world.storage.gate.forget_permits(usize::MAX >> 4);
    let loads = tokio::spawn({
        let (world, key) = (Arc::clone(&world), key.clone());
        async move { mac(&world, &key).await.is_ok() }
    });
    while world.opened() == 0 {
        tokio::task::yield_now().await;
    }
    world.provider.forget(key.spec.key);
    world.storage.gate.add_permits(held);
    assert!(loads.await.unwrap(), "what had begun is finished");
    assert_eq!(world.provider.cached(), (0, 0));
}

#[tokio::test]
async fn a_load_that_failed_is_tried_again() {
    let world = World::new(Kind::Embedded, LIMITS).await;
    let key = keys(&world, 1).await.remove(0);
    world.storage.vault.seal();
    assert!(matches!(
        mac(&world, &key).await,
        Err(ProviderError::Sealed)
    ));
    let key_file = world.key_file();
    world.storage.vault.unseal_with_key_file(&key_file).unwrap();
    assert!(mac(&world, &key).await.is_ok());
}

#[tokio::test]
async fn i12_after_sealing_and_forgetting_nothing_can_be_used() {
    let world = World::new(Kind::File, LIMITS).await;
    let key = keys(&world, 1).await.remove(0);
    mac(&world, &key).await.unwrap();
    world.storage.vault.seal();
    world.provider.forget_all();
    assert_eq!(world.provider.cached(), (0, 0));
    assert!(matches!(
        mac(&world, &key).await,
        Err(ProviderError::Sealed)
    ));
}

#[tokio::test]
async fn i08_a_re_pointed_reference_is_refused_whether_the_key_is_cached_or_not() {
    for cached in [false, true] {
        let world = World::new(Kind::Embedded, LIMITS).await;
        let (ours, _) = world.generate(spec(Algorithm::HmacSha256, 1)).await;
        let (theirs, _) = world.generate(spec(Algorithm::HmacSha256, 2)).await;
        if cached {
            mac(&world, &ours).await.unwrap();
            mac(&world, &theirs).await.unwrap();
        }
        let mut wrong = Vec::new();
        let mut change = |change: &dyn Fn(&mut MaterialRef)| {
            let mut material = ours.clone();
            change(&mut material);
            wrong.push(material);
        };
        change(&|material| material.spec.tenant = tenant(2));
        change(&|material| material.spec.key = theirs.spec.key);
        change(&|material| material.spec.version = 2);
        change(&|material| material.spec.algorithm = Algorithm::HmacSha512);
        change(&|material| material.provider_key_id = Arc::clone(&theirs.provider_key_id));
        change(&|material| material.record_digest = Some(Digest([1; 32])));
        change(&|material| material.record_digest = theirs.record_digest);
        change(&|material| material.provider_key_id = "not an id".into());
        change(&|material| {
            material.provider_key_id = Uuid::from_u128(12).to_string().into();
        });
        for material in wrong {
            let refused = mac(&world, &material).await;
            assert!(
                matches!(refused, Err(ProviderError::Record(_))),
                "{material:?}"
            );
        }
        assert!(mac(&world, &ours).await.is_ok());
        assert!(mac(&world, &theirs).await.is_ok());
    }
}

#[tokio::test]
async fn i08_a_digest_that_is_not_the_records_is_named_a_replay() {
    let world = World::new(Kind::Embedded, LIMITS).await;
    let mut key = keys(&world, 1).await.remove(0);
    key.record_digest = Some(Digest([1; 32]));
    match mac(&world, &key).await {
        Err(ProviderError::Record(StorageError::Refused(error))) => {
            assert_eq!(error, RecordError::Replayed);
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn destroyed_material_is_gone_from_the_cache_and_from_the_vault() {
    for kind in world::KINDS {
        let world = World::new(kind, LIMITS).await;
        let key = keys(&world, 1).await.remove(0);
        mac(&world, &key).await.unwrap();
        world.provider.destroy(&key).await.unwrap();
        assert_eq!(world.provider.cached(), (0, 0));
        let gone = mac(&world, &key).await;
        assert!(matches!(
            gone,
            Err(ProviderError::Record(StorageError::Missing))
        ));
        world.provider.destroy(&key).await.unwrap();
    }
}
