//! Retention on real parts: what goes and what the log says of it, removals that die half-way, stores
//! that let nothing go; and what holds for ever, restored from a backup behind which nothing was kept.

use keyward_backup::{Chain, ChainError, Verified};
use keyward_core::audit::Outcome;
use keyward_core::noun::action::Action;
use keyward_core::ops::backup::{self, Pruned};
use keyward_core::ops::key::{LifecycleRequest, RotateRequest};
use keyward_core::ops::{kek, key};
use keyward_core::port::backup::BackupSummary;
use keyward_core::port::storage::{StorageBackend, StorageError};
use keyward_core::retention::RetentionRules;
use keyward_core::time::{Clock, Timestamp};
use keyward_testkit::faulty::FORMS;
use keyward_testkit::world::{RegistryKind, VaultKind, World};
use uuid::Uuid;

use crate::backups::{made, open_alerts, opens, used};
use crate::script::code;

const DAY: i64 = 86_400;

/// The newest of each of two days, and every second of the last hour.
const TWO_DAYS: RetentionRules = RetentionRules {
    hourly: 0,
    daily: 2,
    weekly: 0,
    monthly: 0,
    window_seconds: 3_600,
};

async fn segment(world: &World) {
    backup::segment(&world.node).await.unwrap();
}

/// A day: a full backup, a change, a segment.
async fn day(world: &World, clinic: &keyward_testkit::world::Tenancy, name: &str) -> BackupSummary {
    let made = made(world).await;
    used(world, clinic, name).await;
    segment(world).await;
    world.clock.advance_seconds(DAY);
    made
}

async fn verified(world: &World, ids: &[Uuid]) -> Vec<Verified> {
    let mut all = Vec::new();
    for id in ids {
        let one = world.verified(*id, None).await;
        assert_eq!(one.findings, []);
        all.push(one);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_rules_do_not_keep_goes_each_with_an_entry_and_the_rest_says_why_it_stays() {
    let world = World::under_retention(TWO_DAYS).await;
    let clinic = world.tenant("clinic").await;
    let mut days = Vec::new();
    for name in ["one", "two", "three"] {
        days.push(day(&world, &clinic, name).await);
    }
    let node = &world.node;
    let plan = backup::plan(node, world.root()).await.unwrap();
    let goes: Vec<Uuid> = plan.goes().map(|backup| backup.id).collect();
    assert_eq!(goes[0], days[0].id, "the oldest full backup, and segments");
    assert_eq!(plan.fates.len(), 6, "nothing went");

    let pruned = backup::retain(node).await.unwrap();
    assert_eq!(pruned.removed, goes.len() as u64);
    assert_eq!(pruned.left, 0);
    let listed = backup::list(node, world.root()).await.unwrap();
    let why: Vec<String> = listed
        .iter()
        .map(|it| {
            let all = it.kept_for.as_ref().unwrap();
            all.iter()
                .map(|why| why.name())
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    assert_eq!(why, ["newest daily window", "daily"]);
    let entries = world.entries().await.into_iter();
    let entries = entries.filter(|it| it.event.action == Action::BackupPrune);
    let told: Vec<Uuid> = entries.filter_map(|it| it.event.resource.id).collect();
    assert_eq!(told, goes);
    let again = backup::retain(node).await.unwrap();
    assert_eq!(again, Pruned::default());
    assert_eq!(open_alerts(&world).await, Vec::<String>::new());
    // The next segment follows on the last one.
    used(&world, &clinic, "four").await;
    segment(&world).await;
    let chain = Chain::find(&world.backups, None, None).await.unwrap();
    assert_eq!((chain.full, chain.segments.len()), (days[2].id, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_what_holds_for_ever_holds_though_the_segments_behind_a_backup_are_gone() {
    let two_hours = RetentionRules {
        hourly: 2,
        daily: 0,
        ..TWO_DAYS
    };
    let world = World::under_retention(two_hours).await;
    let clinic = world.tenant("clinic").await;
    let (lost, in_lost) = used(&world, &clinic, "lost").await;
    let (kept, in_kept) = used(&world, &clinic, "kept").await;
    let first = made(&world).await;
    let (node, operator, place) = (&world.node, &clinic.operator, &clinic.place);
    kek::rotate(node, world.root(), place, None).await.unwrap();
    while kek::rewrap_slice(node).await.unwrap().is_some() {}
    let rotated = key::rotate(node, operator, place, &kept, RotateRequest::default());
    rotated.await.unwrap();
    segment(&world).await;
    let request = LifecycleRequest::default();
    let done = key::compromise(node, operator, place, &lost, request).await;
    done.unwrap();
    segment(&world).await;
    let between = world.clock.now();
    world.clock.advance_seconds(7_200);
    used(&world, &clinic, "later").await;
    segment(&world).await;
    world.clock.advance_seconds(7_200);
    made(&world).await;
    used(&world, &clinic, "last").await;
    segment(&world).await;
    world.clock.advance_seconds(7_200);
    assert!(backup::retain(node).await.unwrap().removed > 0);

    // A second between is not given out as another one.
    let gap = Chain::find(&world.backups, None, Some(between)).await;
    assert!(matches!(gap, Err(ChainError::Gap { reached, .. }) if reached == first.revision));
    let then = Some(first.committed_at);
    let chain = Chain::find(&world.backups, None, then).await.unwrap();
    assert_eq!(chain.full, first.id);
    let full = verified(&world, &[chain.full]).await.remove(0);
    let behind = verified(&world, &chain.segments).await;
    // The newest full backup, and what follows on it.
    assert_eq!(behind.len(), 2);
    let blank = world.blank(RegistryKind::Sqlite, VaultKind::Files).await;
    let restored = world.restore_to(&full, &behind, then, &blank, false, false);
    let restored = restored.await.unwrap();
    assert_eq!(restored.restored_revision, first.revision);
    assert!(restored.facts > 0);
    let other = world.on_restored(blank).await;
    assert_eq!(opens(&other, &clinic, &kept, &in_kept).await, "kept");
    let read = key::read(&other.node, &clinic.admin, place, &lost).await;
    assert_eq!(read.unwrap().versions[0].state.name(), "compromised");
    let story = crate::script::Story {
        world: &other,
        tenancy: &clinic,
        key: lost,
    };
    assert!(story.decrypt(&in_lost).await.is_err());
    // No number that was ever given is given again.
    let read = key::read(&other.node, &clinic.admin, place, &kept).await;
    let read = read.unwrap();
    assert_eq!((read.versions.len(), read.key.latest_version), (1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_dies_half_way_leaves_a_backup_or_what_the_next_pass_finishes() {
    let mut seen_half = 0;
    for form in FORMS {
        for sound in 0..5 {
            let world = World::under_retention(TWO_DAYS).await;
            let first = made(&world).await;
            for _ in 0..2 {
                world.clock.advance_seconds(DAY);
                made(&world).await;
            }
            world.clock.advance_seconds(7_200);
            world.backup_faults.fail_after(sound, form);
            let died = backup::retain(&world.node).await.unwrap();
            assert!(world.backup_faults.mend(), "{form:?} {sound}");
            assert_eq!(died.removed, 0);
            assert_eq!(open_alerts(&world).await, ["backup_not_removed"]);
            let listing = world.backups.list().await.unwrap();
            if listing.complete.contains(&first.id) {
                let whole = world.verified(first.id, None).await;
                assert_eq!(whole.findings, [], "{form:?} {sound}");
            } else {
                // Unless all of it went, and only the answer was lost.
                let names = world
                    .backup_faults
                    .list(&first.id.to_string(), None, 9)
                    .await;
                let is_half = !names.unwrap().is_empty();
                assert_eq!(listing.half_removed.contains(&first.id), is_half);
                seen_half += u32::from(is_half);
            }
            let plan = backup::plan(&world.node, world.root()).await.unwrap();
            assert_eq!(plan.half_removed, listing.half_removed);
            backup::retain(&world.node).await.unwrap();
            let prefix = first.id.to_string();
            let left = world.backup_faults.list(&prefix, None, 9).await.unwrap();
            assert_eq!(left, [], "{form:?} {sound}");
            assert_eq!(open_alerts(&world).await, Vec::<String>::new());
        }
    }
    assert!(seen_half >= 3, "{seen_half}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_lets_nothing_go_is_an_alert_and_no_failed_backup() {
    let world = World::under_retention(TWO_DAYS).await;
    for _ in 0..3 {
        made(&world).await;
        world.clock.advance_seconds(DAY);
    }
    let denied = StorageError::Denied {
        cause: "the object is locked".to_owned(),
    };
    world.backup_faults.begin_outage(denied, false);
    let pruned = backup::retain(&world.node).await.unwrap();
    assert_eq!(pruned, Pruned::default());
    assert_eq!(open_alerts(&world).await, ["backup_not_removed"]);
    let entries = world.entries().await.into_iter().rev();
    let mut failed = entries.filter(|it| it.event.action == Action::BackupPrune);
    let failed = failed.next().unwrap().event;
    assert_eq!(failed.outcome, Outcome::Failed);
    assert_eq!(failed.reason.as_deref(), Some("destination_denies"));
    world.backup_faults.end_outage();
    assert_eq!(backup::retain(&world.node).await.unwrap().removed, 1);
    assert_eq!(open_alerts(&world).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_while_the_newest_backup_is_damaged_and_nothing_that_is_not_ours() {
    let world = World::under_retention(TWO_DAYS).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(made(&world).await);
        world.clock.advance_seconds(DAY);
    }
    let names = world
        .backup_faults
        .list(&all[2].id.to_string(), None, 9)
        .await;
    let part = names.unwrap().into_iter().next().unwrap();
    let bytes = world.backup_faults.read(&part).await.unwrap().unwrap();
    world
        .backup_faults
        .write(&part, vec![0; bytes.len()])
        .await
        .unwrap();
    assert_eq!(backup::retain(&world.node).await.unwrap().removed, 0);
    assert_eq!(open_alerts(&world).await, ["backup_not_removed"]);
    assert_eq!(world.backups.list().await.unwrap().complete.len(), 3);
    // What another deployment made, far in the future, makes nothing of ours superfluous.
    world.backup_faults.write(&part, bytes).await.unwrap();
    let stranger = World::new().await;
    stranger.clock.advance_seconds(30 * DAY);
    let theirs = made(&stranger).await.id;
    for name in stranger.backup_faults.list("", None, 99).await.unwrap() {
        let bytes = stranger.backup_faults.read(&name).await.unwrap().unwrap();
        world.backup_faults.write(&name, bytes).await.unwrap();
    }
    let plan = backup::plan(&world.node, world.root()).await.unwrap();
    assert_eq!(plan.refused.len(), 1);
    assert_eq!(plan.refused[0].0, theirs);
    assert_eq!(backup::retain(&world.node).await.unwrap().removed, 1);
    let left = world.backups.list().await.unwrap().complete;
    assert!(left.contains(&all[1].id) && left.contains(&all[2].id) && left.contains(&theirs));
}

#[tokio::test]
async fn only_who_may_prunes_and_only_by_rules() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    for caller in [&clinic.admin, &clinic.operator, &clinic.auditor] {
        let node = &world.node;
        assert_eq!(code(backup::prune(node, caller).await), "forbidden");
        assert_eq!(code(backup::plan(node, caller).await), "forbidden");
    }
    made(&world).await;
    let refused = backup::prune(&world.node, world.root()).await;
    assert_eq!(code(refused), "invalid_request");
    assert_eq!(
        backup::retain(&world.node).await.unwrap(),
        Pruned::default()
    );
    let listed = backup::list(&world.node, world.root()).await.unwrap();
    assert_eq!(listed[0].kept_for, None);
    let never = Timestamp::from_micros(0);
    let early = Chain::find(&world.backups, None, Some(never)).await;
    assert!(matches!(early, Err(ChainError::TooEarly { .. })));
}
