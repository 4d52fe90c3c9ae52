//! Limited keys: uses are set aside before they are spent, and never more than the limit.

use keyward_core::audit::Outcome;
use keyward_core::crypto_types::Algorithm;
use keyward_core::names::KeyName;
use keyward_core::noun::action::Action;
use keyward_core::noun::key::UseLimit;
use keyward_core::ops::key::{self, NewKey};
use keyward_core::ops::use_key::{self, UseItem};
use keyward_core::port::registry::KeyRef;
use keyward_testkit::world::World;

use crate::script::{Story, activate, code, context};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limited_key_stops_protecting_at_its_limit_and_a_rotation_renews_it() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let mut new = NewKey::named(KeyName::new("limited").unwrap());
        new.algorithm = Algorithm::Aes256Gcm;
        new.restrictions.use_limit = Some(UseLimit {
            uses: 5,
            bytes: 1_000,
        });
        new.activate = true;
        let made = key::create(&world.node, &tenancy.admin, &tenancy.place, new, None).await;
        let key = KeyRef::Id(made.unwrap().value.key.id);
        let story = Story {
            world: &world,
            tenancy: &tenancy,
            key,
        };
        let mut made = Vec::new();
        for _ in 0..5 {
            made.push(story.encrypt("text").await.unwrap());
        }
        assert_eq!(code(story.encrypt("text").await), "limit_reached");
        for ciphertext in &made {
            assert_eq!(
                story.decrypt(ciphertext).await.unwrap(),
                "text",
                "processing is not limited"
            );
        }
        story.rotate(&tenancy.operator).await.unwrap();
        story.encrypt("text").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_burns_the_rest_of_a_block_and_the_total_stays_under_the_limit() {
    let world = World::new().await;
    let tenancy = world.tenant("clinic").await;
    let mut new = NewKey::named(KeyName::new("limited").unwrap());
    new.restrictions.use_limit = Some(UseLimit {
        uses: 640,
        bytes: 1 << 20,
    });
    new.activate = true;
    let made = key::create(&world.node, &tenancy.admin, &tenancy.place, new, None).await;
    let key = KeyRef::Id(made.unwrap().value.key.id);
    let mut world = world;
    let mut spent = 0;
    // Each life spends one use of a block of ten.
    for _ in 0..63 {
        let story = Story {
            world: &world,
            tenancy: &tenancy,
            key: key.clone(),
        };
        story.encrypt("text").await.unwrap();
        spent += 1;
        world = world.restart().await;
    }
    let story = Story {
        world: &world,
        tenancy: &tenancy,
        key: key.clone(),
    };
    while code(story.encrypt("text").await) == "ok" {
        spent += 1;
        assert!(spent <= 640, "the limit holds across restarts");
    }
    assert_eq!(spent, 63 + 10, "what was left of each block is burnt");
}

/// Random nonces of 96 bits collide too easily after 2^32 messages: the limit comes by itself, and
/// no creator can raise it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn algorithms_that_need_a_limit_have_one_unasked() {
    let world = World::new().await;
    let tenancy = world.tenant("clinic").await;
    let mut limited = Vec::new();
    for algorithm in Algorithm::ALL {
        let mut new = NewKey::named(KeyName::new(algorithm.name()).unwrap());
        new.algorithm = *algorithm;
        let made = key::create(&world.node, &tenancy.admin, &tenancy.place, new, None)
            .await
            .unwrap();
        let limit = made.value.key.restrictions.use_limit;
        assert_eq!(limit.is_some(), algorithm.info().needs_use_limit);
        if let Some(limit) = limit {
            assert_eq!(limit.uses, 1 << 32);
            limited.push(algorithm.name());
            let mut more = NewKey::named(KeyName::new("more").unwrap());
            more.algorithm = *algorithm;
            more.restrictions.use_limit = Some(UseLimit {
                uses: limit.uses + 1,
                bytes: 1 << 40,
            });
            let refused = key::create(&world.node, &tenancy.admin, &tenancy.place, more, None);
            assert_eq!(code(refused.await), "invalid_request");
        }
    }
    let expected = [
        "aes-256-gcm",
        "chacha20-poly1305",
        "aes-128-gcm",
        "aes-192-gcm",
    ];
    assert_eq!(limited, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_over_more_versions_than_an_entry_holds_is_refused_and_smaller_ones_are_not() {
    let world = World::new().await;
    let tenancy = world.tenant("clinic").await;
    let algorithm = Algorithm::Aes256GcmCommit;
    let story = Story::new(&world, &tenancy, "old", algorithm, None).await;
    activate(&story, &tenancy.operator).await.unwrap();
    let mut made = Vec::new();
    for _ in 0..160 {
        made.push(story.encrypt("text").await.unwrap());
        story.rotate(&tenancy.operator).await.unwrap();
    }
    let decrypt = |ciphertext: &String| UseItem::Decrypt {
        ciphertext: ciphertext.clone(),
        context: context(),
    };
    let batch = |some: &[String]| {
        let items = some.iter().map(decrypt).collect();
        use_key::perform(
            &world.node,
            &tenancy.user,
            &tenancy.place,
            &story.key,
            Action::KeyDecrypt,
            items,
        )
    };
    assert_eq!(code(batch(&made).await), "invalid_request");
    let logged = story.last(Action::KeyDecrypt).await.event;
    assert_eq!(logged.outcome, Outcome::Refused);
    assert!(logged.used.is_empty(), "nothing was given out");
    for half in made.chunks(80) {
        let opened = batch(half).await.unwrap();
        assert!(opened.iter().all(Result::is_ok));
    }
    assert_eq!(story.last(Action::KeyDecrypt).await.event.used.len(), 80);
}
