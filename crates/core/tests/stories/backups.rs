//! Backups: made while everything goes on, found out when they were altered, restored somewhere else.

use std::sync::atomic::{AtomicBool, Ordering};

use keyward_backup::{BackupKey, Finding, RestoreError, Source};
use keyward_core::caller::TenantRef;
use keyward_core::crypto_types::Algorithm;
use keyward_core::names::SecretName;
use keyward_core::noun::action::Action;
use keyward_core::noun::job::{Job, JobState};
use keyward_core::ops::condition::{self, ConditionFilter};
use keyward_core::ops::key::RotateRequest;
use keyward_core::ops::storage::{scrub, sweep};
use keyward_core::ops::{backup, clockwork, initialize, kek, key, secret};
use keyward_core::port::backup::BackupSummary;
use keyward_core::port::registry::KeyRef;
use keyward_core::port::snapshot::SnapshotError;
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use keyward_core::snapshot::{SnapshotSummary, TableDigest};
use keyward_testkit::faulty::FORMS;
use keyward_testkit::world::restored::fresh_history;
use keyward_testkit::world::{RegistryKind, Tenancy, VaultKind, World};
use uuid::Uuid;

use crate::script::{Story, activate, code};
use crate::secrets::{name, value};

const CHOSEN: Algorithm = Algorithm::Aes256GcmCommit;

pub async fn ordered(world: &World) -> Job {
    let done = backup::create(&world.node, world.root(), None).await;
    done.unwrap().value
}

/// Works until nothing is due, moving the clock on to where it is.
pub async fn work(world: &World) {
    for _ in 0..20 {
        let _ = backup::work(&world.node).await;
        world.clock.advance_seconds(31);
    }
}

pub async fn job(world: &World, id: Uuid) -> Job {
    backup::job(&world.node, world.root(), id).await.unwrap()
}

/// Orders a backup and makes it.
pub async fn made(world: &World) -> BackupSummary {
    let id = ordered(world).await.subject;
    assert!(backup::work(&world.node).await.unwrap());
    assert_eq!(job(world, id).await.state, JobState::Done);
    backup::show(&world.node, world.root(), id).await.unwrap()
}

async fn key_of(world: &World) -> BackupKey {
    let text = backup::public_key(&world.node, world.root()).await;
    BackupKey::parse(&text.unwrap()).unwrap()
}

/// An active key and something encrypted under it.
pub async fn used(world: &World, tenancy: &Tenancy, name: &str) -> (KeyRef, String) {
    let story = Story::new(world, tenancy, name, CHOSEN, None).await;
    activate(&story, &tenancy.operator).await.unwrap();
    let text = story.encrypt(name).await.unwrap();
    (story.key.clone(), text)
}

pub async fn opens(world: &World, tenancy: &Tenancy, key: &KeyRef, text: &str) -> String {
    let key = key.clone();
    let story = Story {
        world,
        tenancy,
        key,
    };
    story.decrypt(text).await.unwrap()
}

/// A secret's value, by the server itself.
async fn got(world: &World, tenancy: &Tenancy, at: &str) -> Vec<u8> {
    let system = initialize::system_caller(&world.node).unwrap();
    let got = secret::get(&world.node, &system, &tenancy.place, &name(at), None).await;
    got.unwrap().value.expose().to_vec()
}

async fn put(world: &World, tenancy: &Tenancy, at: &str, bytes: &[u8], keep: i32) {
    let mut new = value(at, bytes);
    new.keep = Some(keep);
    let put = secret::put(&world.node, &tenancy.admin, &tenancy.place, new, None);
    put.await.unwrap();
}

/// The other kind of registry and of vault than the world has.
pub fn elsewhere(world: &World) -> (RegistryKind, VaultKind) {
    if world.is_postgres() {
        (RegistryKind::Sqlite, VaultKind::Embedded)
    } else {
        (RegistryKind::Postgres, VaultKind::Files)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_backup_restores_on_another_database_and_vault_row_for_row() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let (key, text) = used(&world, &clinic, "notes").await;
        put(&world, &clinic, "db/password", b"opensesame", 10).await;
        // Large records are two objects.
        put(&world, &clinic, "large", &vec![7; 64 * 1024], 10).await;
        kek::rotate(&world.node, world.root(), &clinic.place, None)
            .await
            .unwrap();

        let signer = key_of(&world).await;
        let id = ordered(&world).await.subject;
        let before = world.holds().await;
        assert!(backup::work(&world.node).await.unwrap());
        let summary = backup::show(&world.node, world.root(), id).await.unwrap();
        assert_eq!(summary.signed_by, signer.text());
        assert_eq!((summary.lost, summary.kind.as_str()), (0, "full"));
        let entry = world.entries().await.into_iter().rev();
        let mut ends = entry.filter(|it| it.event.action == Action::BackupComplete);
        assert_eq!(ends.next().unwrap().event.details["state"], "done");

        let verified = world.verified(id, Some(&signer)).await;
        assert_eq!(verified.findings, []);
        assert_eq!(verified.rows, summary.rows);
        let (registry, vault) = elsewhere(&world);
        let blank = world.blank(registry, vault).await;
        world
            .restore(&verified, &blank, false, false)
            .await
            .unwrap();
        // The job itself moved on by one change between the look and the backup.
        let restored = blank.holds().await;
        // And one more holds the sweep.
        assert_eq!(restored.header.revision, summary.revision + 1);
        assert_eq!(before.header.deployment, restored.header.deployment);

        // Once more, to where it came from in kind: the same, by the digest of every row.
        let twin = world.blank(RegistryKind::Sqlite, VaultKind::Embedded).await;
        world.restore(&verified, &twin, false, false).await.unwrap();
        assert_eq!(
            without_the_hold(&twin.holds().await),
            without_the_hold(&restored)
        );
        assert_eq!(restored.rows, verified.rows + 2);
        let other = world.on_restored(blank).await;
        assert_eq!(opens(&other, &clinic, &key, &text).await, "notes");
        assert_eq!(got(&other, &clinic, "db/password").await, b"opensesame");
        assert_eq!(got(&other, &clinic, "large").await, vec![7; 64 * 1024]);
    }
}

/// Every table but those that say that the sweep is held: a restore adds that.
pub fn without_the_hold(summary: &SnapshotSummary) -> Vec<TableDigest> {
    let adds = ["conditions", "changes", "feed", "tenant_feed"];
    let tables = summary.tables.iter();
    tables
        .filter(|table| !adds.contains(&table.table.as_str()))
        .cloned()
        .collect()
}

/// Records that no row names may be wanted still: nothing goes until somebody looked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restore_the_sweep_is_held_until_somebody_confirms() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        used(&world, &clinic, "notes").await;
        let id = made(&world).await.id;
        let verified = world.verified(id, None).await;
        let (registry, vault) = elsewhere(&world);
        let blank = world.blank(registry, vault).await;
        world.restore(&verified, &blank, false, true).await.unwrap();
        // Once more, as if it had been interrupted at its end: it is held once.
        world.restore(&verified, &blank, true, true).await.unwrap();
        let other = world.on_restored(blank).await;
        assert_eq!(open_alerts(&other).await, ["sweep_held"]);
        // What nothing names is found, and stays whatever time passes.
        let stray = "rec/ab/01930000-0000-7000-8000-0000000000ab";
        let stray = ObjectName::new(stray).unwrap();
        other.backend.write(&stray, vec![1; 64]).await.unwrap();
        for _ in 0..4 {
            other.clock.advance_seconds(40 * 24 * 3600);
            scrub::start(&other.node, other.root()).await.unwrap();
            while scrub::slice(&other.node).await.unwrap().is_some() {}
        }
        assert!(other.backend.read(&stray).await.unwrap().is_some());
        let seen = sweep::Seen::of(&sweep::holds(&other.node)[0]);
        sweep::confirm(&other.node, other.root(), seen, None)
            .await
            .unwrap();
        assert_eq!(open_alerts(&other).await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_backup_made_under_load_holds_everything_that_was_acknowledged_before() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let mut before = Vec::new();
        for number in 0..20 {
            before.push(used(&world, &clinic, &format!("key-{number}")).await);
        }
        put(&world, &clinic, "churned", b"0", 1).await;
        let id = ordered(&world).await.subject;
        let done = AtomicBool::new(false);
        // Every value put destroys the one before; every rotation gives the records new headers.
        let churn = async {
            let mut number = 0_u64;
            while !done.load(Ordering::Acquire) {
                number += 1;
                put(&world, &clinic, "churned", &number.to_be_bytes(), 1).await;
                let (at, _) = &before[number as usize % before.len()];
                let rotated = key::rotate(
                    &world.node,
                    &clinic.operator,
                    &clinic.place,
                    at,
                    RotateRequest::default(),
                );
                rotated.await.unwrap();
                if number.is_multiple_of(3) {
                    kek::rotate(&world.node, world.root(), &clinic.place, None)
                        .await
                        .unwrap();
                }
                while kek::rewrap_slice(&world.node).await.unwrap().is_some() {}
                clockwork::tick(&world.node).await.unwrap();
                tokio::task::yield_now().await;
            }
            number
        };
        let backing_up = async {
            assert!(backup::work(&world.node).await.unwrap());
            done.store(true, Ordering::Release);
        };
        let (churned, ()) = tokio::join!(churn, backing_up);
        assert!(churned > 0);
        let ended = job(&world, id).await;
        assert_eq!(
            (ended.state, ended.attempts),
            (JobState::Done, 1),
            "at the first try"
        );

        let verified = world.verified(id, None).await;
        assert_eq!(verified.findings, []);
        let (registry, vault) = elsewhere(&world);
        let blank = world.blank(registry, vault).await;
        let outcome = world.restore(&verified, &blank, false, true).await.unwrap();
        assert!(outcome.keys_moved_on >= 20);
        let other = world.on_restored(blank).await;
        for (number, (at, text)) in before.iter().enumerate() {
            let plain = format!("key-{number}");
            assert_eq!(opens(&other, &clinic, at, text).await, plain);
        }
        assert_eq!(got(&other, &clinic, "churned").await.len() % 8, 0);
        // No number of a version is ever given twice, whatever was made after the backup.
        let (at, _) = &before[0];
        let newest = key::read(&world.node, &clinic.admin, &clinic.place, at)
            .await
            .unwrap();
        let rotated = key::rotate(
            &other.node,
            &clinic.operator,
            &clinic.place,
            at,
            RotateRequest::default(),
        );
        let rotated = rotated.await.unwrap().value;
        assert!(rotated.key.latest_version > newest.key.latest_version);
        assert!(rotated.key.latest_version > 1_000);
        let restored = other.entries().await.into_iter();
        let told = restored.filter(|it| it.event.action == Action::BackupRestore);
        assert!(told.count() > 0, "the log says that it was restored");
        // Deletions that waited are done: nothing of the old values is left.
        clockwork::tick(&world.node).await.unwrap();
        let at = name("churned");
        let left = secret::read(&world.node, &clinic.admin, &clinic.place, &at).await;
        assert_eq!(left.unwrap().versions.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_every_altered_cut_swapped_or_missing_part_is_found_and_named() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    used(&world, &clinic, "notes").await;
    put(&world, &clinic, "large", &vec![7; 64 * 1024], 1).await;
    let signer = key_of(&world).await;
    let first = made(&world).await;
    let second = made(&world).await;
    let folder = |id: Uuid| world.directory().join(format!("backups/objects/{id}"));
    let parts: Vec<_> = std::fs::read_dir(folder(first.id))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(parts.len() as u64, first.parts + 1);
    for part in &parts {
        let name = part.file_name().unwrap().to_str().unwrap();
        let part_name = name.trim_end_matches('=').to_owned();
        let genuine = std::fs::read(part).unwrap();
        let places = [0, genuine.len() / 3, genuine.len() / 2, genuine.len() - 2];
        let mut broken: Vec<Option<Vec<u8>>> =
            vec![None, Some(genuine[..genuine.len() / 2].into())];
        for place in places {
            let mut altered = genuine.clone();
            altered[place] ^= 1;
            broken.push(Some(altered));
        }
        // Another backup's of the same name, genuine as it is.
        broken.push(Some(std::fs::read(folder(second.id).join(name)).unwrap()));
        for bytes in broken {
            match &bytes {
                None => std::fs::remove_file(part).unwrap(),
                Some(bytes) => std::fs::write(part, bytes).unwrap(),
            }
            let found = keyward_backup::verify(&world.backups, first.id, Some(&signer), None).await;
            let findings = found.unwrap().findings;
            let is_named = findings.iter().any(|finding| match finding {
                Finding::Part { part, .. } => *part == part_name,
                Finding::Manifest(_) | Finding::NoManifest => part_name == "manifest",
                _ => false,
            });
            assert!(is_named, "{part_name}: {findings:?}");
            let blank = world.blank(RegistryKind::Sqlite, VaultKind::Embedded).await;
            let verified = world.verified(first.id, Some(&signer)).await;
            let refused = world.restore(&verified, &blank, false, true).await;
            assert!(matches!(refused, Err(RestoreError::NotSound(_))));
            assert_eq!(blank.revision().await, 0);
            assert_eq!(blank.vault.list("", None, 1).await.unwrap(), []);
            std::fs::write(part, &genuine).unwrap();
        }
    }
    assert_eq!(world.verified(first.id, Some(&signer)).await.findings, []);
    // Genuine, and of another deployment: its own key says so.
    let stranger = World::new().await;
    let other = key_of(&stranger).await;
    let refused = world.verified(first.id, Some(&other)).await.findings;
    assert!(
        matches!(&refused[..], [Finding::Manifest(_)]),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_backup_that_fails_half_way_is_none_and_is_made_again() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    used(&world, &clinic, "notes").await;
    let sound = made(&world).await;
    let writes = usize::try_from(sound.parts + 1).unwrap();
    for form in FORMS {
        for sound in 0..writes {
            world.backup_faults.fail_after(sound, form);
            world.clock.advance_seconds(1);
            let id = ordered(&world).await.subject;
            let _ = backup::work(&world.node).await;
            assert!(world.backup_faults.mend(), "{form:?} after {sound}");
            work(&world).await;
            assert_eq!(
                job(&world, id).await.state,
                JobState::Done,
                "{form:?} after {sound}"
            );
            let listing = world.backups.list().await.unwrap();
            assert!(listing.leftovers.is_empty(), "{:?}", listing.leftovers);
            assert_eq!(listing.complete.last(), Some(&id));
            assert_eq!(world.verified(id, None).await.findings, []);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_restore_that_fails_anywhere_is_taken_up_and_ends_the_same() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let (key, text) = used(&world, &clinic, "notes").await;
        put(&world, &clinic, "large", &vec![7; 64 * 1024], 1).await;
        let id = made(&world).await.id;
        let verified = world.verified(id, None).await;
        for form in FORMS {
            for sound in 0..2 {
                let blank = world.blank(RegistryKind::Sqlite, VaultKind::Files).await;
                blank.vault.fail_after(sound, form);
                let interrupted = world.restore(&verified, &blank, false, true).await;
                assert!(interrupted.is_err(), "{form:?} after {sound}");
                assert!(blank.vault.mend());
                let again = world.restore(&verified, &blank, false, true).await;
                if !matches!(again, Err(RestoreError::VaultNotEmpty { .. })) {
                    assert!(again.is_ok(), "nothing had been written: {again:?}");
                    continue;
                }
                let first = world.restore(&verified, &blank, true, true).await.unwrap();
                // And again: nothing is done twice.
                let second = world.restore(&verified, &blank, true, true).await.unwrap();
                assert_eq!(first.revision, second.revision);
                assert_eq!(first.keys_moved_on, second.keys_moved_on);
                let other = world.on_restored(blank).await;
                assert_eq!(opens(&other, &clinic, &key, &text).await, "notes");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_one_lost_record_is_named_and_keeps_no_other_from_its_backup() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let (key, text) = used(&world, &clinic, "kept").await;
    let kept = world.backend.list("rec/", None, 100).await.unwrap();
    used(&world, &clinic, "lost").await;
    let all = world.backend.list("rec/", None, 100).await.unwrap();
    for lost in all.iter().filter(|name| !kept.contains(name)) {
        world.backend.delete(lost).await.unwrap();
    }
    let id = ordered(&world).await.subject;
    let refused = backup::work(&world.node).await;
    assert_eq!(code(refused), "record_refused");
    let tried = job(&world, id).await;
    assert_eq!(tried.state, JobState::Queued);
    assert_eq!(tried.last_error.as_deref(), Some("record_missing"));
    work(&world).await;
    let ended = job(&world, id).await;
    assert_eq!((ended.state, ended.progress.failed), (JobState::Done, 1));
    assert_eq!(ended.last_error.as_deref(), Some("records_lost"));

    let verified = world.verified(id, None).await;
    assert!(matches!(
        verified.findings[..],
        [Finding::RecordLost { .. }]
    ));
    let blank = world.blank(RegistryKind::Sqlite, VaultKind::Embedded).await;
    world.restore(&verified, &blank, false, true).await.unwrap();
    let other = world.on_restored(blank).await;
    assert_eq!(opens(&other, &clinic, &key, &text).await, "kept");
}

#[tokio::test]
async fn only_who_may_orders_and_sees_backups_and_nobody_gets_the_key_that_signs() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let node = &world.node;
    for caller in [
        &clinic.admin,
        &clinic.operator,
        &clinic.user,
        &clinic.auditor,
    ] {
        assert_eq!(code(backup::create(node, caller, None).await), "forbidden");
        assert_eq!(code(backup::list(node, caller).await), "forbidden");
        assert_eq!(code(backup::public_key(node, caller).await), "forbidden");
    }
    let first = ordered(&world).await;
    let again = ordered(&world).await;
    assert_eq!(first.subject, again.subject, "one at a time");
    assert!(backup::work(node).await.unwrap());
    assert_eq!(backup::list(node, world.root()).await.unwrap().len(), 1);

    let system = keyward_core::caller::TenantRef::System;
    let root = world.root().clone();
    let own = SecretName::new("keyward.backup-signing").unwrap();
    for role in ["secret-reader", "secret-keeper"] {
        let holder = world.member(&root, &system, role, role, None).await;
        let got = secret::get(node, &holder, &system, &own, None).await;
        assert_eq!(code(got), "forbidden");
        let new = value("keyward.backup-signing", b"mine");
        let put = secret::put(node, &holder, &system, new, None).await;
        assert_eq!(code(put), "forbidden");
        let request = secret::DeleteRequest::default();
        let deleted = secret::delete(node, &holder, &system, &own, request).await;
        assert_eq!(code(deleted), "forbidden");
    }
}

#[tokio::test]
async fn what_is_not_empty_is_not_restored_over() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    used(&world, &clinic, "notes").await;
    let id = made(&world).await.id;
    let verified = world.verified(id, None).await;
    let blank = world.blank(RegistryKind::Sqlite, VaultKind::Embedded).await;
    world.restore(&verified, &blank, false, true).await.unwrap();
    let holds = blank.holds().await;
    let refused = world.restore(&verified, &blank, false, true).await;
    assert!(matches!(refused, Err(RestoreError::VaultNotEmpty { .. })));
    assert_eq!(blank.holds().await, holds);
}

/// The vault is lost, and the database that is named for the restored registry holds a newer one of
/// the same deployment, which somebody may serve.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_newer_registry_in_the_way_is_refused_again_and_again_and_nothing_is_written() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        used(&world, &clinic, "notes").await;
        let first = made(&world).await.id;
        used(&world, &clinic, "later").await;
        let second = made(&world).await.id;
        let (registry, vault) = elsewhere(&world);
        let blank = world.blank(registry.clone(), vault).await;
        let newer = world.verified(second, None).await;
        world.restore(&newer, &blank, false, false).await.unwrap();
        for name in blank.vault.list("", None, 1_000).await.unwrap() {
            blank.vault.delete(&name).await.unwrap();
        }
        let holds = blank.holds().await;
        let older = world.verified(first, None).await;
        let source = Source {
            place: &world.backups,
            full: &older,
            segments: &[],
            to: None,
        };
        // The mark of the first try stays, as if it had been interrupted.
        let history = fresh_history();
        for attempt in 1..4 {
            let refused = world.restore_as(&source, &blank, history, true).await;
            assert!(
                matches!(
                    refused,
                    Err(RestoreError::Registry(SnapshotError::NotEmpty { .. }))
                ),
                "try {attempt}: {refused:?}"
            );
            assert_eq!(blank.vault.list("", None, 1).await.unwrap(), []);
            assert_eq!(blank.holds().await, holds);
        }
        // A vault that could not be looked at does not make the next try the second one.
        let blank = world.blank(registry, vault).await;
        world.restore(&newer, &blank, false, false).await.unwrap();
        let refused = world.restore_as(&source, &blank, history, true).await;
        assert!(matches!(refused, Err(RestoreError::VaultNotEmpty { .. })));
    }
}

/// How often a limited key was used since the backup nobody knows: the worst is assumed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_limited_key_protects_again_after_a_restore_only_when_it_is_rotated() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let limited = Story::new(&world, &clinic, "limited", Algorithm::Aes256Gcm, None).await;
        activate(&limited, &clinic.operator).await.unwrap();
        let text = limited.encrypt("before").await.unwrap();
        let id = made(&world).await.id;
        let verified = world.verified(id, None).await;
        for is_known in [false, true] {
            let (registry, vault) = elsewhere(&world);
            let blank = world.blank(registry, vault).await;
            let restored = world.restore(&verified, &blank, false, !is_known).await;
            assert_eq!(restored.unwrap().limits_spent, u64::from(!is_known));
            let other = world.on_restored(blank).await;
            let story = Story {
                world: &other,
                tenancy: &clinic,
                key: limited.key.clone(),
            };
            assert_eq!(story.decrypt(&text).await.unwrap(), "before");
            let encrypted = story.encrypt("after").await;
            if is_known {
                assert!(encrypted.is_ok());
                continue;
            }
            assert_eq!(code(encrypted), "limit_reached");
            let request = RotateRequest::default();
            key::rotate(
                &other.node,
                &clinic.operator,
                &clinic.place,
                &limited.key,
                request,
            )
            .await
            .unwrap();
            let text = story.encrypt("after").await.unwrap();
            assert_eq!(story.decrypt(&text).await.unwrap(), "after");
        }
    }
}

pub async fn open_alerts(world: &World) -> Vec<String> {
    let (scope, filter) = (TenantRef::System, ConditionFilter::default());
    let listed = condition::list(&world.node, world.root(), &scope, &filter, None, None).await;
    let open = listed.unwrap().rows.into_iter().map(|it| it.condition);
    let mut kinds: Vec<String> = open
        .filter(|it| it.cleared_at.is_none())
        .map(|it| it.kind.as_str().to_owned())
        .collect();
    kinds.sort();
    kinds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_fails_or_is_late_is_an_alert_until_one_is_made() {
    for world in World::on_each_registry().await {
        let day = 24 * 3600;
        let clinic = world.tenant("clinic").await;
        used(&world, &clinic, "notes").await;
        made(&world).await;
        assert!(!backup::order_if_due(&world.node, day).await.unwrap());
        assert_eq!(open_alerts(&world).await, Vec::<String>::new());

        // Nobody makes the next one for two days.
        world.clock.advance_seconds(2 * day + 60);
        assert!(backup::order_if_due(&world.node, day).await.unwrap());
        assert_eq!(open_alerts(&world).await, ["backup_late"]);

        let outage = StorageError::Unavailable {
            cause: "away".to_owned(),
        };
        world.backup_faults.begin_outage(outage, true);
        work(&world).await;
        assert_eq!(open_alerts(&world).await, ["backup_failed", "backup_late"]);
        world.backup_faults.end_outage();
        made(&world).await;
        assert!(!backup::order_if_due(&world.node, day).await.unwrap());
        assert_eq!(open_alerts(&world).await, Vec::<String>::new());
    }
}
