//! Two histories of one deployment in one place of backups: the lost one and the restored one, or a copy
//! that runs beside it. Neither is ever taken for the other.

use std::io::Write as _;

use keyward_backup::{Chain, Source};
use keyward_core::ops::{backup, key};
use keyward_core::port::registry::KeyRef;
use keyward_core::port::snapshot::RegistrySnapshot as _;
use keyward_testkit::world::restored::fresh_history;
use keyward_testkit::world::{Tenancy, World};
use uuid::Uuid;

use crate::backups::{elsewhere, made, open_alerts, opens, used};
use crate::script::code;

const DAY: i64 = 24 * 3600;

async fn segment(world: &World) -> bool {
    world.clock.advance_seconds(1);
    backup::segment(&world.node).await.unwrap()
}

async fn rotate(world: &World, clinic: &Tenancy, key: &KeyRef) {
    let request = key::RotateRequest::default();
    let done = key::rotate(&world.node, &clinic.operator, &clinic.place, key, request);
    done.await.unwrap();
}

/// Restores a full backup as it is, as this history, into the place of the same configuration.
async fn restored_beside(world: &World, full: Uuid, history: Uuid) -> World {
    let (registry, vault) = elsewhere(world);
    let blank = world.blank(registry, vault).await;
    let full = world.verified(full, None).await;
    let source = Source {
        place: &world.backups,
        full: &full,
        segments: &[],
        to: None,
    };
    let restored = world.restore_as(&source, &blank, history, true).await;
    restored.unwrap();
    blank.share_backups_of(world);
    let other = world.on_restored(blank).await;
    // The backup that it came out of was under way in it, and is found to be made.
    assert!(backup::work(&other.node).await.unwrap());
    other
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_what_is_done_after_a_restore_is_backed_up_and_never_mixed_with_what_was_lost() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let (notes, text) = used(&world, &clinic, "notes").await;
        let first = made(&world).await.id;
        // What the restored deployment does not have, and whose revisions it gives anew.
        for _ in 0..8 {
            rotate(&world, &clinic, &notes).await;
        }
        assert!(segment(&world).await);

        let other = restored_beside(&world, first, fresh_history()).await;
        rotate(&other, &clinic, &notes).await;
        // Not a word about being backed up while it is not.
        assert!(!segment(&other).await);
        assert!(
            open_alerts(&other)
                .await
                .contains(&"backup_late".to_owned())
        );
        // The last backup is of just now, but not of this history.
        assert!(backup::order_if_due(&other.node, DAY).await.unwrap());
        assert!(backup::work(&other.node).await.unwrap());
        assert_eq!(open_alerts(&other).await, ["sweep_held"]);
        let chain = Chain::find(&world.backups, None, None).await.unwrap();
        assert_ne!(chain.full, first);
        // Retention takes nothing of the lost history for its own, though one key signed both.
        let plan = backup::plan(&other.node, other.root()).await.unwrap();
        assert!(plan.fates.iter().all(|fate| fate.backup.id != first));
        assert!(plan.refused.iter().any(|(id, _)| *id == first));
        assert!(
            chain.segments.is_empty(),
            "the lost history's do not follow on it"
        );
        let (_, ledger) = used(&other, &clinic, "ledger").await;
        assert!(segment(&other).await);

        let chain = Chain::find(&world.backups, None, None).await.unwrap();
        assert_eq!(chain.segments.len(), 1);
        let (full, last) = (chain.full, chain.segments[0]);
        let full = other.verified(full, None).await;
        let last = [other.verified(last, None).await];
        let (registry, vault) = elsewhere(&world);
        let blank = world.blank(registry, vault).await;
        let again = other.restore_to(&full, &last, None, &blank, false, false);
        let again = again.await.unwrap();
        let segment = last[0].signed.as_ref().unwrap();
        assert_eq!(again.restored_revision, segment.manifest.revision);
        let third = other.on_restored(blank).await;
        assert_eq!(opens(&third, &clinic, &notes, &text).await, "notes");
        let name = KeyRef::Name("ledger".parse().unwrap());
        assert_eq!(opens(&third, &clinic, &name, &ledger).await, "ledger");
    }
}

/// A copy that was restored for a look, started with the configuration of the one in service.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_copy_that_writes_into_the_same_place_is_told_of_and_takes_nothing_away() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let (notes, text) = used(&world, &clinic, "notes").await;
    let first = made(&world).await;
    rotate(&world, &clinic, &notes).await;
    assert!(segment(&world).await);
    let copy = restored_beside(&world, first.id, fresh_history()).await;
    let copied = made(&copy).await;
    rotate(&copy, &clinic, &notes).await;
    assert!(segment(&copy).await);
    assert_eq!(open_alerts(&copy).await, ["sweep_held"]);

    // The one in service goes on from its own last, and says who is there.
    let (_, ledger) = used(&world, &clinic, "ledger").await;
    assert!(segment(&world).await);
    assert_eq!(open_alerts(&world).await, ["backup_place_shared"]);
    let last = world.backups.list().await.unwrap().segments;
    let last = world.verified(*last.last().unwrap(), None).await;
    let manifest = &last.signed.as_ref().unwrap().manifest;
    let history = world.registry.deployment_history().await.unwrap();
    assert_eq!(manifest.history, history);
    assert!(Chain::find(&world.backups, None, None).await.unwrap().full == copied.id);
    let newest = made(&world).await;
    let chain = Chain::find(&world.backups, None, None).await.unwrap();
    assert_eq!(chain.full, newest.id);
    let full = world.verified(newest.id, None).await;
    let (registry, vault) = elsewhere(&world);
    let blank = world.blank(registry, vault).await;
    world.restore(&full, &blank, false, false).await.unwrap();
    let third = world.on_restored(blank).await;
    assert_eq!(opens(&third, &clinic, &notes, &text).await, "notes");
    let name = KeyRef::Name("ledger".parse().unwrap());
    assert_eq!(opens(&third, &clinic, &name, &ledger).await, "ledger");
}

/// The database's machine was put back to a snapshot of its disk: nothing began another history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_registry_that_was_put_back_by_other_means_does_not_pass_for_backed_up() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let (notes, _) = used(&world, &clinic, "notes").await;
    let first = made(&world).await.id;
    for _ in 0..8 {
        rotate(&world, &clinic, &notes).await;
    }
    assert!(segment(&world).await);
    let same = world.registry.deployment_history().await.unwrap();
    let other = restored_beside(&world, first, same).await;
    rotate(&other, &clinic, &notes).await;
    other.clock.advance_seconds(1);
    let refused = backup::segment(&other.node).await;
    assert_eq!(code(refused), "record_refused");
    assert_eq!(open_alerts(&other).await, ["backup_failed", "sweep_held"]);
    // Nor when it has passed the last revision that was backed up.
    for _ in 0..12 {
        rotate(&other, &clinic, &notes).await;
    }
    other.clock.advance_seconds(1);
    let refused = backup::segment(&other.node).await;
    assert_eq!(code(refused), "record_refused");
    assert_eq!(open_alerts(&other).await, ["backup_failed", "sweep_held"]);
}

/// Whoever can write where backups lie puts the last of all segments there, signed by a key of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_planted_segment_neither_ends_segments_nor_is_restored() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let (notes, _) = used(&world, &clinic, "notes").await;
    made(&world).await;
    rotate(&world, &clinic, &notes).await;
    assert!(segment(&world).await);
    let ours = *world.backups.list().await.unwrap().segments.last().unwrap();
    let own = world.verified(ours, None).await.signed.unwrap().manifest;
    let last = Uuid::max();
    let mut planted = own.clone();
    planted.backup = last;
    planted.from_revision = own.revision;
    planted.revision = i64::MAX;
    planted.parts = Vec::new();
    let key = keyward_backup::signature::Signer::generate(&keyward_crypto::SystemRandom);
    let (secret, _) = key.unwrap();
    let signer = keyward_backup::signature::Signer::new(&secret).unwrap();
    let folder = world.directory().join(format!("backups/objects/{last}"));
    std::fs::create_dir_all(&folder).unwrap();
    let mut file = std::fs::File::create(folder.join("segment=")).unwrap();
    file.write_all(&planted.sign(&signer).unwrap()).unwrap();

    rotate(&world, &clinic, &notes).await;
    assert!(segment(&world).await, "it goes on from its own");
    assert_eq!(open_alerts(&world).await, ["backup_place_shared"]);
    let chain = Chain::find(&world.backups, None, None).await.unwrap();
    assert!(!chain.segments.contains(&last));
    assert_eq!(chain.segments.len(), 2);
    let listing = world.backups.list().await.unwrap();
    assert!(listing.segments.contains(&last), "it was there");
}
