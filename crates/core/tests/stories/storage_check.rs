//! The check of everything that is stored, and what becomes of what nothing refers to.

use keyward_core::change::{Commit, Row, Write};
use keyward_core::crypto_types::SecretBytes;
use keyward_core::crypto_types::{Algorithm, WrapMethod};
use keyward_core::ids::{RecordId, SecretId, TenantId};
use keyward_core::noun::action::Action;
use keyward_core::noun::condition::{Condition, ConditionKind};
use keyward_core::noun::job::{Job, JobKind, JobState};
use keyward_core::noun::stray::StrayRecord;
use keyward_core::ops::condition::{ConditionFilter, is_open};
use keyward_core::ops::secret::put;
use keyward_core::ops::storage::{StorageHealth, health, scrub, sweep};
use keyward_core::ops::{clockwork, import_key, tenant};
use keyward_core::port::registry::Registry as _;
use keyward_core::port::secret_store::{SecretSpec, SecretStore};
use keyward_core::port::storage::{KeyHierarchy, NewRecord, ObjectName, SecureStorage};
use keyward_core::port::upkeep::Upkeep as _;
use keyward_crypto::record::{RecordKind, RecordLabel};
use keyward_testkit::faulty::Form;
use keyward_testkit::world::{RegistryKind, Tenancy, VaultKind, World};

use crate::script::{Story, activate, code};
use crate::secrets::value;

const CHOSEN: Algorithm = Algorithm::Aes256GcmCommit;
const DAY: i64 = 24 * 3600;

/// Works until nothing is due.
pub async fn work(world: &World) -> u64 {
    let mut examined = 0;
    while let Some(more) = scrub::slice(&world.node).await.unwrap() {
        examined += more;
    }
    examined
}

/// A whole check, now.
pub async fn check(world: &World) -> Job {
    scrub::start(
        &world.node,
        &keyward_core::ops::initialize::system_caller(&world.node).unwrap(),
    )
    .await
    .unwrap();
    work(world).await;
    let jobs = world.registry.jobs(None, 1).await.unwrap();
    let job = jobs.into_iter().next().unwrap();
    assert_eq!(job.state, JobState::Done);
    job
}

pub async fn seen(world: &World) -> StorageHealth {
    let by = keyward_core::ops::initialize::system_caller(&world.node).unwrap();
    health(&world.node, &by).await.unwrap()
}

/// Something of every kind of record: how many there are.
pub async fn fill(world: &World, tenancy: &Tenancy) -> i64 {
    let before = world.stored_objects().await;
    let node = &world.node;
    for number in 0..3 {
        let name = format!("key-{number}");
        let story = Story::new(world, tenancy, &name, CHOSEN, None).await;
        activate(&story, &tenancy.operator).await.unwrap();
    }
    for number in 0..3 {
        let secret = value(&format!("db/password-{number}"), b"hunter2");
        put(node, &tenancy.admin, &tenancy.place, secret, None)
            .await
            .unwrap();
    }
    let method = WrapMethod::HpkeXWing;
    import_key::create(node, &tenancy.admin, &tenancy.place, method, None)
        .await
        .unwrap();
    let made = world.stored_objects().await - before;
    // And the tenant's own key.
    i64::try_from(made + 1).unwrap()
}

pub async fn records(world: &World) -> Vec<ObjectName> {
    world.backend.list("rec/", None, 1000).await.unwrap()
}

pub async fn bytes(world: &World, name: &ObjectName) -> Vec<u8> {
    world.backend.read(name).await.unwrap().unwrap()
}

pub async fn findings(world: &World, tenancy: &Tenancy) -> Vec<Condition> {
    let filter = ConditionFilter {
        open: Some(true),
        ..ConditionFilter::default()
    };
    let page = world
        .registry
        .conditions(Some(tenancy.id), &filter, None, 100)
        .await;
    let mut rows = page.unwrap().rows;
    rows.sort_by_key(|row| row.subject.clone());
    rows
}

/// Writes rows past the operations.
async fn commit(world: &World, writes: Vec<Write>) {
    let mut event = world.last_entry().await.event;
    (event.revision, event.change, event.tenant) = (None, None, None);
    let commit = Commit {
        tenant: None,
        writes,
        event,
        idempotency: None,
        fence: None,
    };
    world.registry.commit(commit).await.unwrap();
}

/// Old objects that no row names.
async fn strangers(world: &World, numbers: std::ops::Range<u32>) -> Vec<ObjectName> {
    let mut names = Vec::new();
    for number in numbers {
        let name = format!("rec/00/01900000-0000-7000-8000-0000000{number:03}00");
        let name = ObjectName::new(&name).unwrap();
        world.backend.write(&name, b"KWR1".to_vec()).await.unwrap();
        names.push(name);
    }
    names
}

/// The one hold there is, as a person sees it.
fn held(world: &World) -> sweep::Seen {
    let holds = sweep::holds(&world.node);
    assert_eq!(holds.len(), 1, "{holds:?}");
    sweep::Seen::of(&holds[0])
}

/// Somebody looks at it and confirms it.
pub async fn confirm(world: &World) {
    let by = keyward_core::ops::initialize::system_caller(&world.node).unwrap();
    let done = sweep::confirm(&world.node, &by, held(world), None).await;
    done.unwrap();
}

async fn strays(world: &World) -> Vec<StrayRecord> {
    world.registry.strays(None, 1000).await.unwrap().rows
}

/// How many names a step of the sweep has in the log.
async fn said(world: &World, step: &str) -> usize {
    let entries = world.entries().await;
    let said = entries.iter().filter_map(|entry| {
        let of_sweep = entry.event.action == Action::StorageSweep;
        let names = entry.event.details.get(step).filter(|_| of_sweep)?;
        Some(names.as_array()?.len())
    });
    said.sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_check_finds_and_names_every_record_that_is_not_what_it_was() {
    for kind in VaultKind::ALL {
        let world = World::on(RegistryKind::Sqlite, kind).await;
        let clinic = world.tenant("clinic").await;
        let all = fill(&world, &clinic).await;
        let job = check(&world).await;
        assert_eq!(
            (job.progress.examined, job.progress.failed),
            (all, 0),
            "{kind:?}"
        );
        assert_eq!(job.progress.found, 0);
        assert!(findings(&world, &clinic).await.is_empty());

        let names = records(&world).await;
        let whole: Vec<Vec<u8>> = {
            let mut whole = Vec::new();
            for name in &names {
                whole.push(bytes(&world, name).await);
            }
            whole
        };
        // One bit; cut short; two exchanged; gone; and one tenant's key altered.
        let mut flipped = whole[0].clone();
        *flipped.last_mut().unwrap() ^= 1;
        world.backend.write(&names[0], flipped).await.unwrap();
        let mut short = whole[1].clone();
        short.truncate(short.len() - 1);
        world.backend.write(&names[1], short).await.unwrap();
        world
            .backend
            .write(&names[2], whole[3].clone())
            .await
            .unwrap();
        world
            .backend
            .write(&names[3], whole[2].clone())
            .await
            .unwrap();
        world.backend.delete(&names[4]).await.unwrap();

        world.clock.advance_seconds(10);
        let job = check(&world).await;
        assert_eq!(
            (job.progress.examined, job.progress.failed),
            (all, 5),
            "{kind:?}"
        );
        let found = findings(&world, &clinic).await;
        assert_eq!(found.len(), 5, "{found:?}");
        let missing = found
            .iter()
            .filter(|it| it.kind == ConditionKind::RECORD_MISSING);
        assert_eq!(missing.count(), 1);
        for finding in &found {
            let (of, _) = finding.subject.split_once('/').unwrap();
            assert!(["key", "secret", "import-key"].contains(&of), "{finding:?}");
        }
        let last = seen(&world).await.last.unwrap();
        assert_eq!(last.progress.failed, 5);
        assert_eq!(last.last_error.as_deref(), Some("records_refused"));
        let summary = keyward_core::noun::condition::Subject::system("storage");
        let failed = ConditionKind::STORAGE_CHECK_FAILED;
        assert!(is_open(&world.node, &failed, &summary));

        // Put back, all is well again, and said to be.
        for (name, bytes) in names.iter().zip(whole) {
            world.backend.write(name, bytes).await.unwrap();
        }
        world.clock.advance_seconds(10);
        assert_eq!(check(&world).await.progress.failed, 0);
        assert!(findings(&world, &clinic).await.is_empty());
        assert!(!is_open(&world.node, &failed, &summary));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_lost_or_exchanged_tenant_key_is_named() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let bank = world.tenant("bank").await;
    fill(&world, &clinic).await;
    let mut keks = world.backend.list("kek/", None, 10).await.unwrap();
    keks.sort_by_key(|name| !name.as_str().contains(&clinic.id.to_string()));
    let (of_clinic, of_bank) = (&keks[0], &keks[1]);
    let (whole, other) = (bytes(&world, of_clinic).await, bytes(&world, of_bank).await);
    world.backend.write(of_clinic, other).await.unwrap();
    assert_eq!(check(&world).await.progress.failed, 1);
    let found = findings(&world, &clinic).await;
    assert_eq!(found[0].subject, "kek/1");
    assert_eq!(found[0].kind, ConditionKind::RECORD_DAMAGED);
    assert!(findings(&world, &bank).await.is_empty());
    world.backend.delete(of_clinic).await.unwrap();
    assert_eq!(check(&world).await.progress.failed, 1);
    let found = findings(&world, &clinic).await;
    assert_eq!(found[0].kind, ConditionKind::RECORD_MISSING);
    world.backend.write(of_clinic, whole).await.unwrap();
    check(&world).await;
    assert!(findings(&world, &clinic).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_goes_on_after_a_restart_and_begins_by_itself_once_a_day() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let all = fill(&world, &clinic).await;
        assert_eq!(work(&world).await, 0, "not right after the start");
        world.clock.advance_seconds(601);
        assert!(scrub::slice(&world.node).await.unwrap().is_some());
        let refused = scrub::start(&world.node, world.root()).await;
        assert_eq!(code(refused), "conflict");
        let first = seen(&world).await.running.unwrap();
        assert_eq!(first.state, JobState::Running);
        let world = world.restart().await;
        work(&world).await;
        let done = seen(&world).await;
        assert_eq!(done.running, None);
        let last = done.last.unwrap();
        assert_eq!((last.id, last.progress.examined), (first.id, all));
        assert!(work(&world).await == 0);
        world.clock.advance_seconds(DAY);
        // The tenant's import key has expired meanwhile, and goes.
        clockwork::tick(&world.node).await.unwrap();
        assert!(work(&world).await > 0);
        let again = seen(&world).await.last.unwrap();
        assert_ne!(again.id, first.id);
        assert_eq!(
            (again.progress.examined, again.progress.failed),
            (all - 1, 0)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shredded_tenants_records_are_no_findings() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    fill(&world, &clinic).await;
    let (node, root, place) = (&world.node, world.root(), &clinic.place);
    tenant::suspend(node, root, place, None).await.unwrap();
    tenant::shred(node, root, place, "over".to_owned())
        .await
        .unwrap();
    clockwork::tick(node).await.unwrap();
    let job = check(&world).await;
    assert_eq!(job.progress.failed, 0);
    assert_eq!(job.progress.found, 0, "they are named by their rows");
}

/// What a crash between the vault's write and the registry's transaction leaves: of a key, an import
/// key, a secret's value and a tenant's key.
async fn orphans(world: &World, tenancy: &Tenancy) -> Vec<ObjectName> {
    let before = world.backend.list("", None, 1000).await.unwrap();
    let (now, tenant) = (world.node.now(), tenancy.id);
    let millis = u64::try_from(now.as_micros() / 1000).unwrap();
    let fresh = |end: u8| {
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &[end; 10]).into_uuid();
        RecordId::from_uuid(id)
    };
    let labels = [
        (RecordKind::KeyMaterial, 1, "aes-256-gcm"),
        (RecordKind::Other, 0, "hpke-x-wing"),
    ];
    for (number, (kind, version, algorithm)) in labels.into_iter().enumerate() {
        let label = RecordLabel {
            kind,
            record_id: fresh(u8::try_from(number).unwrap()).uuid(),
            tenant: tenant.uuid(),
            key_id: fresh(9).uuid(),
            version,
            algorithm: algorithm.to_owned(),
            usage: 3,
        };
        let record = NewRecord {
            label,
            metadata: Vec::new(),
            payload: SecretBytes::new(vec![7; 100_000 * number + 32]),
        };
        world.vault.store(vec![record]).await.unwrap();
    }
    let spec = SecretSpec {
        tenant: Some(tenant),
        secret: SecretId::from_uuid(fresh(9).uuid()),
        version: 1,
        record: fresh(3),
    };
    let value = SecretBytes::new(b"hunter2".to_vec());
    world.vault.put(spec, value).await.unwrap();
    let nobody = TenantId::from_uuid(fresh(9).uuid());
    world.vault.create_tenant_kek(nobody, now).await.unwrap();
    let mut left = world.backend.list("", None, 1000).await.unwrap();
    left.retain(|name| !before.contains(name));
    assert_eq!(left.len(), 5, "the large one lies in two");
    left
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_left_goes_slowly_and_nothing_else_does() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        fill(&world, &clinic).await;
        let kept = world.backend.list("", None, 1000).await.unwrap();
        let orphans = orphans(&world, &clinic).await;
        let left = orphans.len() as u64;

        // Whoever made them may still be at it.
        assert_eq!(check(&world).await.progress.found, 0);
        world.clock.advance_seconds(3601);
        let job = check(&world).await;
        assert_eq!(job.progress.found, i64::try_from(left).unwrap());
        let strays = seen(&world).await.strays;
        assert_eq!((strays.found, strays.quarantined), (left, 0));
        world.clock.advance_seconds(3601);
        work(&world).await;
        let strays = seen(&world).await.strays;
        assert_eq!((strays.found, strays.quarantined), (left, left));

        world.clock.advance_seconds(29 * DAY);
        work(&world).await;
        let names = world.backend.list("", None, 1000).await.unwrap();
        assert!(orphans.iter().all(|name| names.contains(name)));
        world.clock.advance_seconds(DAY);
        // The import key that was used for nothing has gone by its own rules.
        clockwork::tick(&world.node).await.unwrap();
        work(&world).await;
        let names = world.backend.list("", None, 1000).await.unwrap();
        assert!(!orphans.iter().any(|name| names.contains(name)));
        assert_eq!(names.len(), kept.len() - 1);
        assert_eq!(seen(&world).await.strays.found, 0);
        assert_eq!(
            check(&world).await.progress.failed,
            0,
            "nothing else is missing"
        );

        let entries = world.entries().await;
        for step in ["found", "quarantined", "deleting", "deleted"] {
            let said = entries.iter().filter(|entry| {
                entry.event.action == Action::StorageSweep && entry.event.details.contains_key(step)
            });
            let names: usize = said
                .map(|entry| entry.event.details[step].as_array().unwrap().len())
                .sum();
            assert_eq!(names as u64, left, "{step}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_swept_up_while_it_is_held_and_a_row_that_is_back_releases() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        fill(&world, &clinic).await;
        let live = records(&world).await.into_iter().next().unwrap();
        orphans(&world, &clinic).await;
        world.clock.advance_seconds(3601);
        check(&world).await;
        let found = seen(&world).await.strays.found;
        sweep::hold(&world.node, "restored from a backup").await;
        // One of those that look like strays is named by a row again.
        let now = world.node.now();
        let row = StrayRecord {
            quarantined_at: Some(now),
            ..StrayRecord::found(live.clone(), now)
        };
        commit(&world, vec![Write::insert(Row::StrayRecord(row))]).await;
        world.clock.advance_seconds(40 * DAY);
        let before = world.stored_objects().await;
        work(&world).await;
        let strays = seen(&world).await.strays;
        assert_eq!((strays.found, strays.quarantined), (found, 0));
        assert_eq!(world.stored_objects().await, before);
        assert!(records(&world).await.contains(&live));

        // Who may not confirm, does not; nor is there anything to confirm twice.
        let (node, why) = (&world.node, || Some("looked at".to_owned()));
        let saw = held(&world);
        assert_eq!(
            code(sweep::confirm(node, &clinic.admin, saw, why()).await),
            "forbidden"
        );
        let by = keyward_core::ops::initialize::system_caller(node).unwrap();
        sweep::confirm(node, &by, saw, why()).await.unwrap();
        assert_eq!(
            code(sweep::confirm(node, &by, saw, why()).await),
            "not_found"
        );
        world.clock.advance_seconds(3601);
        work(&world).await;
        assert_eq!(seen(&world).await.strays.quarantined, found);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn surprisingly_many_strays_are_left_alone_until_somebody_confirms() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    fill(&world, &clinic).await;
    // As after a registry was put back to an older state on its own.
    strangers(&world, 0..12).await;
    check(&world).await;
    assert!(sweep::is_held(&world.node));
    world.clock.advance_seconds(40 * DAY);
    work(&world).await;
    let strays = seen(&world).await.strays;
    assert_eq!((strays.found, strays.quarantined), (12, 0));
    confirm(&world).await;
    check(&world).await;
    assert!(!sweep::is_held(&world.node), "they are known by now");
    world.clock.advance_seconds(3601);
    work(&world).await;
    assert_eq!(seen(&world).await.strays.quarantined, 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strays_are_counted_whoever_found_them_and_whatever_came_between() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        fill(&world, &clinic).await;
        // Few at a time, each time too few to surprise; then a check that is broken off after it
        // found the rest, and goes on in another process.
        strangers(&world, 0..9).await;
        check(&world).await;
        assert!(!sweep::is_held(&world.node));
        strangers(&world, 9..12).await;
        let by = keyward_core::ops::initialize::system_caller(&world.node).unwrap();
        scrub::start(&world.node, &by).await.unwrap();
        while strays(&world).await.len() < 12 {
            scrub::slice(&world.node).await.unwrap();
        }
        let world = world.restart().await;
        work(&world).await;
        assert!(sweep::is_held(&world.node));
        world.clock.advance_seconds(3601);
        work(&world).await;
        assert_eq!(seen(&world).await.strays.quarantined, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strays_that_another_node_found_are_judged_before_any_is_touched() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        fill(&world, &clinic).await;
        check(&world).await;
        // Rows of another node's check, which has not come to its end.
        let now = world.node.now();
        let found = strangers(&world, 0..12).await.into_iter();
        let rows = found.map(|name| Write::insert(Row::StrayRecord(StrayRecord::found(name, now))));
        commit(&world, rows.collect()).await;
        world.clock.advance_seconds(3601);
        work(&world).await;
        assert!(sweep::is_held(&world.node));
        let kept = strays(&world).await;
        assert_eq!(kept.len(), 12);
        assert!(kept.iter().all(|row| row.quarantined_at.is_none()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantine_does_not_go_on_under_a_hold_nor_after_one() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        fill(&world, &clinic).await;
        let orphans = orphans(&world, &clinic).await;
        world.clock.advance_seconds(3601);
        check(&world).await;
        world.clock.advance_seconds(3601);
        work(&world).await;
        assert_eq!(seen(&world).await.strays.quarantined, 5);
        // Their thirty days end under a hold.
        world.clock.advance_seconds(30 * DAY - 60);
        sweep::hold(&world.node, "restored from a backup").await;
        world.clock.advance_seconds(3600);
        work(&world).await;
        confirm(&world).await;
        world.clock.advance_seconds(3600);
        work(&world).await;
        world.clock.advance_seconds(29 * DAY);
        work(&world).await;
        let names = world.backend.list("", None, 1000).await.unwrap();
        assert!(orphans.iter().all(|name| names.contains(name)));
        world.clock.advance_seconds(DAY);
        work(&world).await;
        let names = world.backend.list("", None, 1000).await.unwrap();
        assert!(!orphans.iter().any(|name| names.contains(name)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantine_that_nobody_watched_begins_anew() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    fill(&world, &clinic).await;
    let orphans = orphans(&world, &clinic).await;
    world.clock.advance_seconds(3601);
    check(&world).await;
    world.clock.advance_seconds(3601);
    work(&world).await;
    // As rows that a restore brought back.
    world.clock.advance_seconds(40 * DAY);
    work(&world).await;
    world.clock.advance_seconds(3601);
    work(&world).await;
    let names = world.backend.list("", None, 1000).await.unwrap();
    assert!(orphans.iter().all(|name| names.contains(name)));
    assert_eq!(said(&world, "begun_anew").await, 5);
    assert_eq!(seen(&world).await.strays.quarantined, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_nothing_is_deleted_before_the_log_has_its_name() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        fill(&world, &clinic).await;
        let orphans = orphans(&world, &clinic).await;
        world.clock.advance_seconds(3601);
        check(&world).await;
        world.clock.advance_seconds(3601);
        work(&world).await;
        world.clock.advance_seconds(30 * DAY);
        // The second is deleted, and reported as refused.
        world.storage_faults.fail_after(1, Form::After);
        let broken = scrub::slice(&world.node).await;
        assert!(broken.is_err());
        assert!(world.storage_faults.mend());
        assert_eq!(said(&world, "deleting").await, 5);
        // It is said to be gone when that was seen.
        assert_eq!(said(&world, "deleted").await, 4);
        world.clock.advance_seconds(3601);
        work(&world).await;
        let names = world.backend.list("", None, 1000).await.unwrap();
        assert!(!orphans.iter().any(|name| names.contains(name)));
        assert_eq!(said(&world, "deleted").await, 5);
        assert!(strays(&world).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_left_between_deleting_and_its_row_is_gone_on_with() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        fill(&world, &clinic).await;
        check(&world).await;
        let live = records(&world).await.into_iter().next().unwrap();
        let gone = strangers(&world, 0..1).await.remove(0);
        world.backend.delete(&gone).await.unwrap();
        let there = strangers(&world, 1..2).await.remove(0);
        world.clock.advance_seconds(30 * DAY);
        let now = world.node.now();
        let rows = [&gone, &there, &live].map(|name| {
            Write::insert(Row::StrayRecord(StrayRecord {
                quarantined_at: Some(now.plus_seconds(-30 * DAY)),
                deleting_at: Some(now),
                ..StrayRecord::found(name.clone(), now.plus_seconds(-30 * DAY))
            }))
        });
        commit(&world, rows.into()).await;
        world.clock.advance_seconds(3601);
        work(&world).await;
        let names = records(&world).await;
        assert!(names.contains(&live), "a row names it");
        assert!(!names.contains(&there));
        assert!(strays(&world).await.is_empty());
        assert_eq!(said(&world, "released").await, 1);
        assert_eq!(said(&world, "deleted").await, 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_storage_does_not_delete_is_told_and_keeps_nothing_else_from_going() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    fill(&world, &clinic).await;
    let orphans = orphans(&world, &clinic).await;
    world.clock.advance_seconds(3601);
    check(&world).await;
    world.clock.advance_seconds(3601);
    work(&world).await;
    world.clock.advance_seconds(30 * DAY);
    let (failed, subject) = (
        ConditionKind::SWEEP_FAILED,
        keyward_core::noun::condition::Subject::system("storage"),
    );
    world.storage_faults.fail_after(0, Form::Before);
    let refused = scrub::slice(&world.node).await;
    assert_eq!(code(refused), "storage_unavailable");
    let left = world.backend.list("", None, 1000).await.unwrap();
    let left = orphans.iter().filter(|name| left.contains(name)).count();
    assert_eq!(left, 1, "only the one that was refused");
    assert_eq!(said(&world, "deleted").await, 4);
    assert!(is_open(&world.node, &failed, &subject));
    world.clock.advance_seconds(3601);
    work(&world).await;
    assert!(strays(&world).await.is_empty());
    assert!(!is_open(&world.node, &failed, &subject));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_confirms_confirms_what_they_saw_and_nothing_that_came_later() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        fill(&world, &clinic).await;
        strangers(&world, 0..12).await;
        check(&world).await;
        let saw = held(&world);
        let node = &world.node;
        let by = keyward_core::ops::initialize::system_caller(node).unwrap();
        // Seen again, the same: what a person saw stays what there is to see.
        world.clock.advance_seconds(3601);
        work(&world).await;
        assert_eq!(held(&world), saw);
        // More of them.
        strangers(&world, 12..15).await;
        check(&world).await;
        assert_ne!(held(&world), saw);
        let late = sweep::confirm(node, &by, saw, None).await;
        assert_eq!(code(late), "conflict");
        let confirmed = |rows: Vec<StrayRecord>| {
            let confirmed = rows.iter().filter(|row| row.confirmed_at.is_some());
            confirmed.count()
        };
        assert_eq!(confirmed(strays(&world).await), 0);
        confirm(&world).await;
        assert_eq!(confirmed(strays(&world).await), 15);
        assert!(!sweep::is_held(node));
        // What turns up now is not among those.
        strangers(&world, 15..26).await;
        check(&world).await;
        assert!(sweep::is_held(node));
        // A doubt about the registry is another one, and is confirmed on its own.
        sweep::hold(node, "restored from a backup").await;
        let holds = sweep::holds(node);
        assert_eq!(holds.len(), 2);
        for hold in holds {
            assert!(sweep::is_held(node));
            let seen = sweep::Seen::of(&hold);
            sweep::confirm(node, &by, seen, None).await.unwrap();
        }
        assert!(!sweep::is_held(node));
        let world = world.restart().await;
        assert!(!sweep::is_held(&world.node));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_is_found_behind_any_number_of_other_jobs() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        fill(&world, &clinic).await;
        let done = check(&world).await;
        let now = world.node.now();
        let others = (0..150).map(|_| {
            let id = keyward_core::ids::JobId::from_uuid(uuid::Uuid::now_v7());
            let (kind, subject) = (JobKind::CreateBackup, uuid::Uuid::now_v7());
            let job = Job {
                state: JobState::Done,
                ..Job::queued(id, None, kind, subject, now)
            };
            Write::insert(Row::Job(job))
        });
        commit(&world, others.collect()).await;
        assert_eq!(seen(&world).await.last.map(|job| job.id), Some(done.id));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn findings_beyond_the_limit_are_counted_and_forget_none_of_those_before() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let node = &world.node;
    // More than have a condition of their own, and one that was told before.
    for number in 0..1_002 {
        let secret = value(&format!("db/password-{number}"), b"hunter2");
        put(node, &clinic.admin, &clinic.place, secret, None)
            .await
            .unwrap();
    }
    let names = world.backend.list("rec/", None, 2000).await.unwrap();
    for name in &names {
        world.backend.delete(name).await.unwrap();
    }
    assert_eq!(check(&world).await.progress.failed, 1_002);
    let open = || {
        let open = keyward_core::ops::condition::counts(node).open.into_iter();
        let missing = open.filter(|(kind, _, _)| *kind == ConditionKind::RECORD_MISSING);
        missing.map(|(_, _, count)| count).sum::<usize>()
    };
    assert_eq!(open(), 1_000);
    world.clock.advance_seconds(10);
    assert_eq!(check(&world).await.progress.failed, 1_002);
    assert_eq!(open(), 1_000);
}
