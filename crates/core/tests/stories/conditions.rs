//! Conditions: raised once, seen again without a write each time, cleared, and never lost while the
//! registry does not take them.

use keyward_core::caller::{Caller, TenantRef};
use keyward_core::change::{Commit, Row, Write};
use keyward_core::noun::action::Action;
use keyward_core::noun::condition::{Condition, ConditionKind, Severity, Subject};
use keyward_core::ops::clockwork;
use keyward_core::ops::condition::{ConditionFilter, Listed, clear, counts, list, raise};
use keyward_core::port::registry::Registry;
use keyward_testkit::world::World;

use crate::script::code;

const LOW: ConditionKind = ConditionKind::STORAGE_SPACE_LOW;

async fn listed(world: &World, by: &Caller, scope: &TenantRef, open: Option<bool>) -> Vec<Listed> {
    let filter = ConditionFilter {
        open,
        ..ConditionFilter::default()
    };
    let page = list(&world.node, by, scope, &filter, None, None).await;
    page.unwrap().rows
}

async fn only(world: &World, open: bool) -> Condition {
    let mut rows = listed(world, world.root(), &TenantRef::System, Some(open)).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = rows.pop().unwrap();
    assert!(row.recorded);
    row.condition
}

async fn revision(world: &World) -> i64 {
    world.registry.revision().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_seen_again_and_again_is_one_condition_and_few_writes() {
    for world in World::on_each_registry().await {
        let node = &world.node;
        let disk = Subject::system("vault");
        raise(node, LOW, &disk, Severity::Warning, "2 GiB are free").await;
        let first = only(&world, true).await;
        assert_eq!(first.detail, "2 GiB are free");
        let written = revision(&world).await;
        for second in 1..=600 {
            world.clock.advance_seconds(1);
            let words = format!("{second} bytes fewer are free");
            raise(node, LOW, &disk, Severity::Warning, &words).await;
        }
        assert_eq!(
            revision(&world).await,
            written,
            "nothing is written each time"
        );

        // After a quarter of an hour it is, and at once when it gets worse.
        world.clock.advance_seconds(300);
        raise(node, LOW, &disk, Severity::Warning, "1 GiB is free").await;
        let again = only(&world, true).await;
        assert_eq!((again.id, again.since), (first.id, first.since));
        assert!(again.last_seen_at > first.last_seen_at);
        raise(node, LOW, &disk, Severity::Critical, "1 MiB is free").await;
        assert_eq!(only(&world, true).await.severity, Severity::Critical);
        assert_eq!(revision(&world).await, written + 2);
        let open = vec![(LOW, Severity::Critical, 1)];
        assert_eq!(counts(node).open, open);

        clear(node, LOW, &disk).await;
        clear(node, LOW, &disk).await;
        let over = only(&world, false).await;
        assert_eq!(over.id, first.id);
        assert!(over.cleared_at > Some(again.last_seen_at));
        assert_eq!(revision(&world).await, written + 3);
        assert!(counts(node).open.is_empty());

        // The next time it is another one.
        raise(node, LOW, &disk, Severity::Warning, "again").await;
        assert_ne!(only(&world, true).await.id, first.id);
        let entry = world.last_entry().await;
        assert_eq!(entry.event.action, Action::AlertList);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i02_a_condition_survives_a_restart_and_is_cleared_after_it() {
    let mut worlds = World::on_each_registry().await;
    for world in worlds.drain(..) {
        let disk = Subject::system("vault");
        raise(&world.node, LOW, &disk, Severity::Warning, "low").await;
        let first = only(&world, true).await;
        let world = world.restart().await;
        raise(&world.node, LOW, &disk, Severity::Warning, "low").await;
        assert_eq!(only(&world, true).await, first);
        clear(&world.node, LOW, &disk).await;
        assert_eq!(only(&world, false).await.id, first.id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_registry_cannot_take_is_kept_shown_and_written_later() {
    for world in World::on_each_registry().await {
        let node = &world.node;
        world.sql("ALTER TABLE conditions RENAME TO elsewhere");
        for subject in ["one", "two", "three"] {
            let subject = Subject::system(subject);
            raise(node, LOW, &subject, Severity::Critical, "bad").await;
        }
        clear(node, LOW, &Subject::system("three")).await;
        assert_eq!(counts(node).unrecorded, 3);
        assert!(clockwork::tick(node).await.is_err());
        assert_eq!(counts(node).open, vec![(LOW, Severity::Critical, 2)]);

        world.sql("ALTER TABLE elsewhere RENAME TO conditions");
        let rows = listed(&world, world.root(), &TenantRef::System, Some(true)).await;
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| !row.recorded), "{rows:?}");
        clockwork::tick(node).await.unwrap();
        assert_eq!(counts(node).unrecorded, 0);
        let rows = listed(&world, world.root(), &TenantRef::System, None).await;
        assert_eq!(
            rows.len(),
            3,
            "also what was over before it could be written"
        );
        assert!(rows.iter().all(|row| row.recorded), "{rows:?}");
        assert_eq!(only(&world, false).await.subject, "three");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i05_a_tenants_conditions_are_its_own() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let bank = world.tenant("bank").await;
        let node = &world.node;
        let kind = ConditionKind::RECORD_DAMAGED;
        let subject = Subject::of_tenant(clinic.id, "key/1");
        raise(node, kind.clone(), &subject, Severity::Critical, "altered").await;
        raise(node, LOW, &Subject::system("vault"), Severity::Info, "x").await;
        for by in [&clinic.admin, &clinic.operator, &clinic.auditor] {
            let rows = listed(&world, by, &clinic.place, None).await;
            assert_eq!(rows.len(), 1);
            assert_eq!(rows[0].condition.kind, kind);
        }
        assert!(
            listed(&world, &bank.admin, &bank.place, None)
                .await
                .is_empty()
        );
        let filter = ConditionFilter::default();
        let ask = |by, scope| list(node, by, scope, &filter, None, None);
        assert_eq!(code(ask(&bank.admin, &clinic.place).await), "not_found");
        assert_eq!(code(ask(&clinic.user, &clinic.place).await), "forbidden");
        assert_eq!(
            code(ask(&clinic.admin, &TenantRef::System).await),
            "forbidden"
        );
        assert_eq!(only(&world, true).await.kind, LOW);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_go_from_the_newest_to_the_oldest_and_filters_hold() {
    for world in World::on_each_registry().await {
        let node = &world.node;
        for number in 0..7 {
            world.clock.advance_seconds(1);
            let subject = Subject::system(&format!("part-{number}"));
            let severity = Severity::ALL[number % 3];
            raise(node, LOW, &subject, severity, "low").await;
        }
        let mut seen = Vec::new();
        loop {
            let after = seen.last().map(|row: &Listed| row.condition.id);
            let filter = ConditionFilter::default();
            let scope = TenantRef::System;
            let page = list(node, world.root(), &scope, &filter, after, Some(3)).await;
            let page = page.unwrap();
            seen.extend(page.rows);
            if !page.more {
                break;
            }
        }
        let names: Vec<_> = seen.iter().map(|row| &*row.condition.subject).collect();
        let expected: Vec<_> = (0..7)
            .rev()
            .map(|number| format!("part-{number}"))
            .collect();
        assert_eq!(names, expected);
        for (filter, count) in [
            (
                ConditionFilter {
                    severity: Some(Severity::Info),
                    ..Default::default()
                },
                3,
            ),
            (
                ConditionFilter {
                    kind: Some(LOW),
                    ..Default::default()
                },
                7,
            ),
            (
                ConditionFilter {
                    kind: Some(ConditionKind::SWEEP_HELD),
                    ..Default::default()
                },
                0,
            ),
            (
                ConditionFilter {
                    open: Some(false),
                    ..Default::default()
                },
                0,
            ),
        ] {
            let page = list(node, world.root(), &TenantRef::System, &filter, None, None).await;
            assert_eq!(page.unwrap().rows.len(), count, "{filter:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_been_over_for_long_is_forgotten() {
    for world in World::on_each_registry().await {
        let node = &world.node;
        for subject in ["old", "open"] {
            raise(node, LOW, &Subject::system(subject), Severity::Info, "x").await;
        }
        clear(node, LOW, &Subject::system("old")).await;
        clockwork::tick(node).await.unwrap();
        assert_eq!(only(&world, false).await.subject, "old");
        world.clock.advance_seconds(91 * 24 * 3600);
        // Tokens have expired meanwhile: what is looked at is the registry.
        clockwork::tick(node).await.unwrap();
        let left = world.registry.changes_after(0, 10_000).await.unwrap();
        let last = left.last().unwrap();
        assert_eq!(last.event.action, Action::AlertClear);
        assert_eq!(last.event.details["forgotten"].to_string(), "1");
        assert_eq!(counts(node).open, vec![(LOW, Severity::Info, 1)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_node_ends_while_it_cannot_be_written_is_written_as_another_one() {
    for world in World::on_each_registry().await {
        let node = &world.node;
        let (seen, over) = (Subject::system("seen again"), Subject::system("over"));
        for subject in [&seen, &over] {
            raise(node, LOW, subject, Severity::Warning, "low").await;
        }
        let rows = listed(&world, world.root(), &TenantRef::System, Some(true)).await;
        let stored: Vec<Condition> = rows.into_iter().map(|row| row.condition).collect();
        world.sql("ALTER TABLE conditions RENAME TO elsewhere");
        raise(node, LOW, &seen, Severity::Critical, "worse").await;
        clear(node, LOW, &over).await;
        assert_eq!(counts(node).unrecorded, 2);
        world.sql("ALTER TABLE elsewhere RENAME TO conditions");
        // Meanwhile another node found both to be over.
        let writes = stored.iter().map(|row| {
            Write::update(Row::Condition(Condition {
                etag: row.etag + 1,
                ..row.over(world.node.now())
            }))
        });
        let mut event = world.last_entry().await.event;
        (event.revision, event.change, event.tenant) = (None, None, None);
        let commit = Commit {
            tenant: None,
            writes: writes.collect(),
            event,
            idempotency: None,
            fence: None,
        };
        let other = world.another_registry().await;
        other.commit(commit).await.unwrap();
        other.close().await;

        world.clock.advance_seconds(1);
        for _ in 0..2 {
            clockwork::tick(node).await.unwrap();
        }
        assert_eq!(counts(node).unrecorded, 0);
        let again = only(&world, true).await;
        assert_eq!((&*again.subject, &*again.detail), ("seen again", "worse"));
        assert!(stored.iter().all(|row| row.id != again.id));
        let world = world.restart().await;
        assert_eq!(counts(&world.node).open, vec![(LOW, Severity::Critical, 1)]);
    }
}
