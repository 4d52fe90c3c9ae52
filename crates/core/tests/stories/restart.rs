//! Nothing acknowledged is lost by a restart: keys, rotations, counters, entries.

use keyward_core::audit::Outcome;
use keyward_core::change::Commit;
use keyward_core::crypto_types::Algorithm;
use keyward_core::noun::action::Action;
use keyward_core::ops::{clockwork, key};
use keyward_core::port::registry::{KeyRef, Registry};
use keyward_testkit::world::World;

use crate::script::{Story, activate};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i02_everything_is_where_it_was_after_a_restart() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let story = Story::new(
            &world,
            &tenancy,
            "records",
            Algorithm::Aes256GcmCommit,
            None,
        )
        .await;
        activate(&story, &tenancy.operator).await.unwrap();
        let one = story.encrypt("one").await.unwrap();
        story.rotate(&tenancy.operator).await.unwrap();
        let two = story.encrypt("two").await.unwrap();
        clockwork::flush_usage(&world.node).await.unwrap();
        story.encrypt("not flushed").await.unwrap();
        let before = story.now().await;
        let entries = world.entries().await;
        let key = story.key.clone();

        let world = world.restart().await;
        let story = Story {
            world: &world,
            tenancy: &tenancy,
            key,
        };
        assert_eq!(story.now().await, before);
        assert_eq!(story.decrypt(&one).await.unwrap(), "one");
        assert_eq!(story.decrypt(&two).await.unwrap(), "two");
        let after = world.entries().await;
        assert_eq!(
            after[..entries.len()],
            entries[..],
            "the journal only grows"
        );
        for (at, entry) in after.iter().enumerate() {
            assert_eq!(
                entry.sequence,
                u64::try_from(at).unwrap() + 1,
                "without gaps"
            );
        }
        // Counters are read from the journal again: flushed or not, none is lost or doubled.
        let (node, place) = (&world.node, &tenancy.place);
        let usage = key::usage(node, &tenancy.auditor, place, &story.key)
            .await
            .unwrap();
        assert_eq!((usage[&1].protects, usage[&1].processes), (1, 1));
        assert_eq!((usage[&2].protects, usage[&2].processes), (2, 1));
        assert!(usage[&2].last_used_at > usage[&1].last_used_at || usage[&1].processes == 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_a_change_that_a_crash_kept_from_the_journal_is_logged_at_the_next_start() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let story = Story::new(
            &world,
            &tenancy,
            "records",
            Algorithm::Aes256GcmCommit,
            None,
        )
        .await;
        let before = story.now().await;
        // A commit behind the node's back is a commit whose process died before the journal heard
        // of it: registry yes, journal no.
        let mut event = story.last(Action::KeyCreate).await.event;
        event.action = Action::KeyUpdate;
        let mut row = before.key.clone();
        row.owner = "somebody".to_owned();
        row.etag += 1;
        let write =
            keyward_core::change::Write::update(keyward_core::change::Row::Key(Box::new(row)));
        let commit = Commit {
            tenant: Some(tenancy.id),
            writes: vec![write],
            event,
            idempotency: None,
            fence: None,
        };
        world.stop_pump();
        let change = world.registry.commit(commit).await.unwrap();
        let logged = |entries: &[keyward_core::audit::Journaled]| {
            entries
                .iter()
                .filter(|e| e.event.revision == Some(change.revision))
                .count()
        };
        assert_eq!(logged(&world.entries().await), 0);

        let world = world.restart().await;
        let entries = world.entries().await;
        assert_eq!(logged(&entries), 1, "once, not lost and not doubled");
        let found = entries
            .iter()
            .find(|e| e.event.revision == Some(change.revision))
            .unwrap();
        assert_eq!(found.event.outcome, Outcome::Ok);
        let world = world.restart().await;
        assert_eq!(logged(&world.entries().await), 1);
        let KeyRef::Id(_) = KeyRef::Id(before.key.id) else {
            panic!()
        };
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_has_exactly_one_entry_and_the_numbers_have_no_gaps() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        for name in ["one", "two", "three"] {
            let story = Story::new(&world, &tenancy, name, Algorithm::Aes256GcmCommit, None).await;
            activate(&story, &tenancy.operator).await.unwrap();
        }
        let entries = world.entries().await;
        let mut revisions: Vec<i64> = entries
            .iter()
            .filter_map(|entry| entry.event.revision)
            .collect();
        revisions.sort_unstable();
        let last = world.registry.revision().await.unwrap();
        assert_eq!(revisions, (1..=last).collect::<Vec<i64>>());
        let changes: Vec<i64> = entries
            .iter()
            .filter(|entry| entry.event.tenant == Some(tenancy.id))
            .filter_map(|entry| entry.event.change)
            .collect();
        let expected: Vec<i64> = (1..=i64::try_from(changes.len()).unwrap()).collect();
        assert_eq!(
            changes, expected,
            "a tenant's change log is in order and without gaps"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i06_a_change_that_this_node_was_not_told_of_is_found_and_holds() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let story = Story::new(
            &world,
            &tenancy,
            "records",
            Algorithm::Aes256GcmCommit,
            None,
        )
        .await;
        activate(&story, &tenancy.operator).await.unwrap();
        story.encrypt("text").await.unwrap();
        // The same commit as a suspension whose answer was lost: done, and nobody was told.
        let now = story.now().await;
        let mut key = now.key.clone();
        key.etag += 1;
        let mut version = now.versions[0].clone();
        version.state = keyward_core::noun::state::State::Inactive;
        version.etag += 1;
        let mut event = story.last(Action::KeyActivate).await.event;
        event.action = Action::KeySuspend;
        let writes = vec![
            keyward_core::change::Write::update(keyward_core::change::Row::Key(Box::new(key))),
            keyward_core::change::Write::update(keyward_core::change::Row::KeyVersion(Box::new(
                version,
            ))),
        ];
        let commit = Commit {
            tenant: Some(tenancy.id),
            writes,
            event,
            idempotency: None,
            fence: None,
        };
        let elsewhere = world.another_registry().await;
        let change = elsewhere.commit(commit).await.unwrap();
        elsewhere.close().await;

        clockwork::tick(&world.node).await.unwrap();
        assert_eq!(
            crate::script::code(story.encrypt("text").await),
            "wrong_state"
        );
        clockwork::tick(&world.node).await.unwrap();
        let entries = world.entries().await;
        let logged = entries
            .iter()
            .filter(|e| e.event.revision == Some(change.revision))
            .count();
        assert_eq!(logged, 1, "and it is in the log, once");
    }
}

/// A node that has stopped is gone: its vault, with the root key, and its registry's connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i12_nothing_of_a_stopped_node_lives_on() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        Story::new(
            &world,
            &tenancy,
            "records",
            Algorithm::Aes256GcmCommit,
            None,
        )
        .await;
        let vault = std::sync::Arc::downgrade(&world.vault);
        let registry = std::sync::Arc::downgrade(&world.registry);
        let world = world.restart().await;
        assert!(vault.upgrade().is_none());
        assert!(registry.upgrade().is_none());
        drop(world);
    }
}
