//! The check of everything that is stored, and what becomes of what nothing refers to.

use keyward_core::change::{Commit, Row, Write};
use keyward_core::crypto_types::SecretBytes;
use keyward_core::crypto_types::{Algorithm, WrapMethod};
use keyward_core::ids::{RecordId, SecretId, TenantId};
use keyward_core::noun::action::Action;
use keyward_core::noun::condition::{Condition, ConditionKind};
use keyward_core::noun::job::{Job, JobState};
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
        for step in ["found", "quarantined", "deleted"] {
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
        let row = StrayRecord {
            name: live.clone(),
            found_at: world.node.now(),
            quarantined_at: Some(world.node.now()),
            etag: 1,
        };
        let mut event = world.last_entry().await.event;
        (event.revision, event.change, event.tenant) = (None, None, None);
        let commit = Commit {
            tenant: None,
            writes: vec![Write::insert(Row::StrayRecord(row))],
            event,
            idempotency: None,
        };
        world.registry.commit(commit).await.unwrap();
        world.clock.advance_seconds(40 * DAY);
        let before = world.stored_objects().await;
        work(&world).await;
        let strays = seen(&world).await.strays;
        assert_eq!((strays.found, strays.quarantined), (found, 0));
        assert_eq!(world.stored_objects().await, before);
        assert!(records(&world).await.contains(&live));

        // Who may not confirm, does not; nor is there anything to confirm twice.
        let (node, why) = (&world.node, || Some("looked at".to_owned()));
        assert_eq!(
            code(sweep::confirm(node, &clinic.admin, why()).await),
            "forbidden"
        );
        let by = keyward_core::ops::initialize::system_caller(node).unwrap();
        sweep::confirm(node, &by, why()).await.unwrap();
        assert_eq!(code(sweep::confirm(node, &by, why()).await), "not_found");
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
    for number in 0..12 {
        let name = format!("rec/00/01900000-0000-7000-8000-0000000{number:03}00");
        let name = ObjectName::new(&name).unwrap();
        world.backend.write(&name, b"KWR1".to_vec()).await.unwrap();
    }
    check(&world).await;
    assert!(sweep::is_held(&world.node));
    world.clock.advance_seconds(40 * DAY);
    work(&world).await;
    let strays = seen(&world).await.strays;
    assert_eq!((strays.found, strays.quarantined), (12, 0));
    let by = keyward_core::ops::initialize::system_caller(&world.node).unwrap();
    sweep::confirm(&world.node, &by, None).await.unwrap();
    check(&world).await;
    assert!(!sweep::is_held(&world.node), "they are known by now");
    world.clock.advance_seconds(3601);
    work(&world).await;
    assert_eq!(seen(&world).await.strays.quarantined, 12);
}
