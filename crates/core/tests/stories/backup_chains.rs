//! What follows on a full backup: nothing of it may be missing without a word, and what holds for ever
//! holds whichever second is restored.

use keyward_backup::signature::Signer;
use keyward_backup::{Chain, ChainError, Finding, RestoreError, Verified};
use keyward_core::audit::{AuditEvent, Outcome};
use keyward_core::crypto_types::Algorithm;
use keyward_core::noun::job::JobState;
use keyward_core::noun::tenant::TenantState;
use keyward_core::ops::key::{LifecycleRequest, RotateRequest};
use keyward_core::ops::{backup, clockwork, import_key, key, tenant};
use keyward_core::port::registry::{KeyRef, Registry};
use keyward_core::port::storage::{StorageBackend, StorageError};
use keyward_core::time::{Clock, Timestamp};
use keyward_crypto::exchange::WrapMethod;
use keyward_testkit::faulty::Form;
use keyward_testkit::world::{Blank, Tenancy, World};
use uuid::Uuid;

use crate::backups::{elsewhere, job, made, open_alerts, opens, ordered, used, work};
use crate::script::{Story, activate, code};

/// Makes a segment of what was done; its id.
async fn segment(world: &World) -> Uuid {
    world.clock.advance_seconds(1);
    assert!(backup::segment(&world.node).await.unwrap());
    let segments = world.backups.list().await.unwrap().segments;
    *segments.last().unwrap()
}

async fn rotate(world: &World, clinic: &Tenancy, key: &KeyRef) {
    let request = RotateRequest::default();
    let done = key::rotate(&world.node, &clinic.operator, &clinic.place, key, request);
    done.await.unwrap();
}

async fn compromise(world: &World, clinic: &Tenancy, key: &KeyRef) {
    let request = LifecycleRequest::default();
    let done = key::compromise(&world.node, &clinic.operator, &clinic.place, key, request);
    done.await.unwrap();
}

async fn opened(
    world: &World,
    clinic: &Tenancy,
    key: &KeyRef,
    text: &str,
) -> Result<String, String> {
    let story = Story {
        world,
        tenancy: clinic,
        key: key.clone(),
    };
    let done = story.decrypt(text).await;
    done.map_err(|error| error.code().as_str().to_owned())
}

async fn verified(world: &World, chain: &Chain) -> (Verified, Vec<Verified>) {
    let full = world.verified(chain.full, None).await;
    let mut behind = Vec::new();
    for id in &chain.segments {
        behind.push(world.verified(*id, None).await);
    }
    (full, behind)
}

async fn blank(world: &World) -> Blank {
    let (registry, vault) = elsewhere(world);
    world.blank(registry, vault).await
}

/// Restores a chain; a world on it, and how many rows were asserted.
async fn restored(world: &World, chain: &Chain, to: Option<Timestamp>) -> World {
    let (full, behind) = verified(world, chain).await;
    let blank = blank(world).await;
    let done = world.restore_to(&full, &behind, to, &blank, false, false);
    done.await.unwrap();
    world.on_restored(blank).await
}

fn folder(world: &World, id: Uuid) -> std::path::PathBuf {
    world.directory().join(format!("backups/objects/{id}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_missing_segment_is_refused_and_what_holds_for_ever_is_taken_from_behind_it() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let (notes, text) = used(&world, &clinic, "notes").await;
        let (other, kept) = used(&world, &clinic, "other").await;
        made(&world).await;
        let early = world.clock.now();
        world.clock.advance_seconds(10);
        rotate(&world, &clinic, &notes).await;
        let first = segment(&world).await;
        let before = world.clock.now();
        world.clock.advance_seconds(10);
        rotate(&world, &clinic, &other).await;
        let lost = segment(&world).await;
        compromise(&world, &clinic, &notes).await;
        let last = segment(&world).await;
        let whole = Chain::find(&world.backups, None, None).await.unwrap();
        assert_eq!(whole.segments, [first, lost, last]);

        std::fs::remove_dir_all(folder(&world, lost)).unwrap();
        for to in [None, Some(before)] {
            let refused = Chain::find(&world.backups, None, to).await;
            assert!(matches!(refused, Err(ChainError::Gap { segment, .. }) if segment == last));
            let chain = Chain::find_over_gaps(&world.backups, None, to)
                .await
                .unwrap();
            assert_eq!(chain.segments, [first, last]);
            let other_world = restored(&world, &chain, to).await;
            assert_eq!(
                opened(&other_world, &clinic, &notes, &text).await,
                Err("wrong_state".to_owned()),
                "it was compromised behind the gap"
            );
            assert_eq!(opens(&other_world, &clinic, &other, &kept).await, "other");
        }
        // A newer full backup knows every change: the second before the gap is whole again.
        world.clock.advance_seconds(1);
        let newer = made(&world).await.id;
        let chain = Chain::find(&world.backups, None, Some(before)).await;
        let refused = matches!(chain, Err(ChainError::Gap { .. }));
        assert!(
            refused,
            "nothing says that the last before the gap is the last by then"
        );
        let chain = Chain::find(&world.backups, None, Some(early))
            .await
            .unwrap();
        assert_eq!(chain.segments, [first, newer, last]);
        let other_world = restored(&world, &chain, Some(early)).await;
        assert!(opened(&other_world, &clinic, &notes, &text).await.is_err());
        let newest = Chain::find(&world.backups, None, None).await.unwrap();
        assert_eq!((newest.full, newest.segments.len()), (newer, 0));
    }
}

/// Without segments at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_newer_full_backup_tells_what_holds_for_ever_in_an_older_second() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let (notes, text) = used(&world, &clinic, "notes").await;
        let first = made(&world).await.id;
        let then = world.clock.now();
        world.clock.advance_seconds(60);
        compromise(&world, &clinic, &notes).await;
        rotate(&world, &clinic, &notes).await;
        let second = made(&world).await.id;
        let chain = Chain::find(&world.backups, None, Some(then)).await.unwrap();
        assert_eq!((chain.full, &chain.segments[..]), (first, &[second][..]));
        let other = restored(&world, &chain, Some(then)).await;
        let read = key::read(&other.node, &clinic.admin, &clinic.place, &notes).await;
        let read = read.unwrap();
        assert_eq!(read.versions.len(), 1);
        assert_eq!(read.versions[0].state.name(), "compromised");
        assert!(
            read.key.latest_version >= 2,
            "its number is not given again"
        );
        assert!(opened(&other, &clinic, &notes, &text).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_segment_names_what_the_vault_had_lost_and_a_restore_finds_what_no_backup_names() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let (notes, text) = used(&world, &clinic, "notes").await;
        made(&world).await;
        let kept = world.backend.list("rec/", None, 100).await.unwrap();
        used(&world, &clinic, "lost").await;
        for name in world.backend.list("rec/", None, 100).await.unwrap() {
            if !kept.contains(&name) {
                world.backend.delete(&name).await.unwrap();
            }
        }
        let id = segment(&world).await;
        assert!(
            open_alerts(&world)
                .await
                .contains(&"backup_incomplete".to_owned())
        );
        let chain = Chain::find(&world.backups, None, None).await.unwrap();
        let (full, behind) = verified(&world, &chain).await;
        assert!(matches!(
            behind[0].findings[..],
            [Finding::RecordLost { .. }]
        ));
        let place = blank(&world).await;
        let done = world.restore_to(&full, &behind, None, &place, false, false);
        done.await.unwrap();
        let other = world.on_restored(place).await;
        assert_eq!(opens(&other, &clinic, &notes, &text).await, "notes");

        // A segment that does not say so.
        let mut manifest = behind[0].signed.as_ref().unwrap().manifest.clone();
        manifest.lost.clear();
        let (secret, _) = Signer::generate(&keyward_crypto::SystemRandom).unwrap();
        let signed = manifest.sign(&Signer::new(&secret).unwrap()).unwrap();
        std::fs::write(folder(&world, id).join("segment="), signed).unwrap();
        let (full, behind) = verified(&world, &chain).await;
        assert_eq!(behind[0].findings, []);
        let place = blank(&world).await;
        let refused = world
            .restore_to(&full, &behind, None, &place, false, false)
            .await;
        assert!(
            matches!(refused, Err(RestoreError::Incomplete { .. })),
            "{refused:?}"
        );
        let root = place.vault.list("root/current", None, 1).await.unwrap();
        assert_eq!(root, [], "it does not count");
    }
}

/// Segments do not hold how often limited keys were used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_uses_of_limited_keys_are_unknown_once_segments_are_restored() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let limited = Story::new(&world, &clinic, "limited", Algorithm::Aes256Gcm, None).await;
        activate(&limited, &clinic.operator).await.unwrap();
        made(&world).await;
        let text = limited.encrypt("after the backup").await.unwrap();
        used(&world, &clinic, "other").await;
        segment(&world).await;
        let chain = Chain::find(&world.backups, None, None).await.unwrap();
        let (full, behind) = verified(&world, &chain).await;
        let place = blank(&world).await;
        // Nothing was done after the last segment, says whoever restores.
        let done = world.restore_to(&full, &behind, None, &place, false, false);
        assert_eq!(done.await.unwrap().limits_spent, 1);
        let other = world.on_restored(place).await;
        let story = Story {
            world: &other,
            tenancy: &clinic,
            key: limited.key.clone(),
        };
        assert_eq!(story.decrypt(&text).await.unwrap(), "after the backup");
        assert_eq!(code(story.encrypt("more").await), "limit_reached");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_tenant_shredded_later_and_a_used_wrapping_key_are_gone_in_an_older_second() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let bank = world.tenant("bank").await;
        used(&world, &clinic, "notes").await;
        let (node, root) = (&world.node, world.root());
        let method = WrapMethod::HpkeXWing;
        let wrapping = import_key::create(node, &bank.admin, &bank.place, method, Some(60));
        let wrapping = wrapping.await.unwrap().value.row.id;
        made(&world).await;
        let then = world.clock.now();
        world.clock.advance_seconds(600);
        clockwork::tick(node).await.unwrap();
        tenant::suspend(node, root, &clinic.place, None)
            .await
            .unwrap();
        // Its keys cannot be destroyed at once: the job that does it later is all that there is.
        let outage = StorageError::Unavailable {
            cause: "away".to_owned(),
        };
        world.storage_faults.begin_outage(outage, false);
        let why = "over".to_owned();
        let shredded = tenant::shred(node, root, &clinic.place, why).await;
        assert_eq!(shredded.unwrap().value.state, TenantState::Shredded);
        world.storage_faults.end_outage();
        segment(&world).await;
        let chain = Chain::find(&world.backups, None, Some(then)).await.unwrap();
        let other = restored(&world, &chain, Some(then)).await;
        let row = other.registry.import_key(bank.id, wrapping).await.unwrap();
        assert!(row.unwrap().destroyed_at.is_some());
        assert_eq!(
            other.registry.tenant_keks(clinic.id).await.unwrap().len(),
            1
        );
        clockwork::tick(&other.node).await.unwrap();
        assert!(
            other
                .registry
                .tenant_keks(clinic.id)
                .await
                .unwrap()
                .is_empty()
        );
        let jobs = other
            .registry
            .due_jobs(other.clock.now(), 100)
            .await
            .unwrap();
        assert!(jobs.iter().all(|job| job.subject != clinic.id.uuid()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_backup_without_a_root_or_a_tenants_key_is_never_made() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    used(&world, &clinic, "notes").await;
    for prefix in ["root/current", "kek/"] {
        let names = world.backend.list(prefix, None, 100).await.unwrap();
        let name = names.last().unwrap();
        let bytes = world.backend.read(name).await.unwrap().unwrap();
        world.backend.delete(name).await.unwrap();
        world.clock.advance_seconds(1);
        let id = ordered(&world).await.subject;
        work(&world).await;
        assert_eq!(job(&world, id).await.state, JobState::Failed, "{name:?}");
        assert_eq!(open_alerts(&world).await, ["backup_failed"]);
        let listing = world.backups.list().await.unwrap();
        assert!(listing.complete.is_empty());
        assert!(listing.leftovers.is_empty(), "{:?}", listing.leftovers);
        world.backend.write_if_absent(name, bytes).await.unwrap();
    }
}

/// Tries that were cut short say nothing about what is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_only_tries_that_find_a_record_missing_count_towards_leaving_it_out() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let kept = world.backend.list("rec/", None, 100).await.unwrap();
    used(&world, &clinic, "notes").await;
    let names = world.backend.list("rec/", None, 100).await.unwrap();
    let name = names.iter().find(|name| !kept.contains(name)).unwrap();
    let bytes = world.backend.read(name).await.unwrap().unwrap();
    world.backend.delete(name).await.unwrap();
    let outage = StorageError::Unavailable {
        cause: "away".to_owned(),
    };
    let id = ordered(&world).await.subject;
    world.backup_faults.begin_outage(outage, true);
    for _ in 0..2 {
        assert!(backup::work(&world.node).await.is_err());
        world.clock.advance_seconds(31);
    }
    world.backup_faults.end_outage();
    assert_eq!(code(backup::work(&world.node).await), "record_refused");
    assert_eq!(
        job(&world, id).await.state,
        JobState::Queued,
        "it is looked again"
    );
    world.backend.write_if_absent(name, bytes).await.unwrap();
    work(&world).await;
    let ended = job(&world, id).await;
    assert_eq!((ended.state, ended.last_error), (JobState::Done, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_a_segment_is_in_the_log_before_it_is_in_its_place() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let (notes, _) = used(&world, &clinic, "notes").await;
    made(&world).await;
    rotate(&world, &clinic, &notes).await;
    // Its first part cannot be written.
    world.backup_faults.fail_after(0, Form::Before);
    assert!(backup::segment(&world.node).await.is_err());
    assert!(world.backup_faults.mend());
    let entries = world.entries().await.into_iter().map(|it| it.event);
    let is_of_it = |event: &AuditEvent| event.details.get("kind").is_some_and(|it| it == "segment");
    let mut ours = entries.skip_while(|event| !is_of_it(event));
    let begun = ours.next().unwrap();
    assert_eq!(begun.details["state"], "running");
    let ended = ours.find(|event| event.resource.id == begun.resource.id);
    assert_eq!(ended.unwrap().outcome, Outcome::Failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_that_fails_leaves_nothing_behind() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let (notes, _) = used(&world, &clinic, "notes").await;
    made(&world).await;
    for form in keyward_testkit::faulty::FORMS {
        for sound in 0..2 {
            rotate(&world, &clinic, &notes).await;
            world.clock.advance_seconds(1);
            world.backup_faults.fail_after(sound, form);
            assert!(
                backup::segment(&world.node).await.is_err(),
                "{form:?} after {sound}"
            );
            assert!(world.backup_faults.mend());
            let left = world.backups.list().await.unwrap().leftovers;
            assert!(left.is_empty(), "{form:?} after {sound}: {left:?}");
            segment(&world).await;
        }
    }
    let chain = Chain::find(&world.backups, None, None).await.unwrap();
    let (_, behind) = verified(&world, &chain).await;
    assert!(behind.iter().all(|it| it.findings.is_empty()));
    // What a crash leaves is found by its age.
    let millis = u64::try_from(world.clock.now().as_micros() / 1_000).unwrap();
    let old = uuid::Builder::from_unix_timestamp_millis(millis, &[7; 10]).into_uuid();
    let stray = folder(&world, old);
    std::fs::create_dir_all(&stray).unwrap();
    std::fs::write(stray.join("000001-vault.age="), b"cut").unwrap();
    world.clock.advance_seconds(3 * 24 * 3600);
    made(&world).await;
    let left = world.backups.list().await.unwrap().leftovers;
    assert!(left.is_empty(), "{left:?}");
}
