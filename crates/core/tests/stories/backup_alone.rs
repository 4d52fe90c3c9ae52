//! One tenant, one key or one secret, restored into a place where nothing is: a deployment of its own
//! history that opens what it should, and in whose files nothing of any other tenant is to be found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use keyward_backup::{BackupKey, Chain, RestoreError, Wanted};
use keyward_core::caller::TenantRef;
use keyward_core::ids::{RecordId, TenantId};
use keyward_core::names::{DataClass, KeyName, PrincipalName, TenantName};
use keyward_core::noun::action::Action;
use keyward_core::noun::principal::PrincipalKind;
use keyward_core::noun::state::State;
use keyward_core::ops::key::{LifecycleRequest, RotateRequest};
use keyward_core::ops::restore::Part;
use keyward_core::ops::{backup, key, principal, secret, tenant, token};
use keyward_core::port::registry::{KeyRef, Registry};
use keyward_core::time::{Clock, Timestamp};
use keyward_testkit::faulty::FORMS;
use keyward_testkit::world::{RegistryKind, Tenancy, VaultKind, World};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::backup_parts::{
    History, chain, facts, full, furnished, got, id_of, names, rows, step, without_facts,
};
use crate::backups::{elsewhere, opens, used};
use crate::script::{Story, code};
use crate::secrets::{name, value};

/// What no file of the other place may hold.
const OTHER: &str = "zz-laboratory";

pub fn of(tenant: &str, part: Part) -> Wanted {
    Wanted {
        tenant: TenantRef::Name(TenantName::new(tenant).unwrap()),
        part,
        reason: Some("moved".to_owned()),
    }
}

fn key_named(text: &str) -> Part {
    Part::Key(KeyRef::Name(KeyName::new(text).unwrap()))
}

/// Restored on the other kind of registry and vault.
pub async fn alone(world: &World, to: Option<Timestamp>, wanted: &Wanted) -> World {
    let (registry, vault) = elsewhere(world);
    let blank = world.blank(registry, vault).await;
    let (full, segments) = chain(world, to).await;
    let done = world.restore_alone(&full, &segments, to, &blank, wanted, false);
    let (outcome, companions) = done.await.unwrap();
    assert_eq!(companions.revision, outcome.restored_revision);
    assert!(companions.people.contains(&"root".to_owned()));
    assert!(companions.usable_tokens > 0);
    world.on_restored(blank).await
}

/// Another tenant with something under its own name in every place where a name or a text can be.
async fn other_tenant(world: &World) -> Tenancy {
    let lab = furnished(world, OTHER).await;
    let (node, admin, place) = (&world.node, &lab.admin, &lab.place);
    used(world, &lab, &format!("{OTHER}-key")).await;
    let put = value(&format!("{OTHER}/secret"), b"nothing");
    secret::put(node, admin, place, put, None).await.unwrap();
    let why = Some(format!("because of {OTHER}"));
    tenant::suspend(node, world.root(), place, why)
        .await
        .unwrap();
    tenant::resume(node, world.root(), place, None)
        .await
        .unwrap();
    // One of the system's people who holds nothing.
    let new = principal::NewPrincipal {
        name: PrincipalName::new(&format!("{OTHER}-robot")).unwrap(),
        kind: PrincipalKind::Service,
    };
    let made = principal::create(node, world.root(), &TenantRef::System, new, None);
    made.await.unwrap();
    lab
}

/// Every record of a tenant.
async fn records_of(world: &World, tenant: TenantId) -> BTreeSet<RecordId> {
    let mut records = BTreeSet::new();
    for found in world.registry.all_keys(None, 1_000).await.unwrap().rows {
        if found.key.tenant == tenant {
            let ids = found
                .versions
                .iter()
                .map(|it| it.provider_key_id.parse::<RecordId>());
            records.extend(ids.filter_map(Result::ok));
        }
    }
    let page = world.registry.secrets(Some(tenant), "", None, 100).await;
    for found in page.unwrap().rows {
        let versions = world.registry.secret_versions(found.id).await.unwrap();
        records.extend(versions.iter().map(|it| it.record));
    }
    records
}

/// Which files of a directory hold any of these bytes, and how many there are.
fn holders(directory: &Path, needles: &[Vec<u8>]) -> (u64, BTreeSet<PathBuf>) {
    let (mut files, mut found) = (0, BTreeSet::new());
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let (inside, held) = holders(&path, needles);
            files += inside;
            found.extend(held);
            continue;
        }
        let Ok(bytes) = std::fs::read(&path) else {
            continue;
        };
        files += 1;
        let mut needles = needles.iter();
        if needles.any(|needle| bytes.windows(needle.len()).any(|it| it == needle)) {
            found.insert(path);
        }
    }
    (files, found)
}

/// A tenant's name, and its id as text and as the bytes that databases write.
fn needles_of(lab: TenantId) -> [Vec<u8>; 4] {
    [
        OTHER.as_bytes().to_vec(),
        lab.to_string().into_bytes(),
        lab.uuid().simple().to_string().into_bytes(),
        lab.uuid().as_bytes().to_vec(),
    ]
}

/// Nothing of the other tenant is anywhere.
async fn ensure_nothing_of(lab: TenantId, records: &BTreeSet<RecordId>, other: &World) {
    let text = other.snapshot_text().await;
    assert!(!text.contains(OTHER), "{text}");
    assert!(!text.contains(&lab.to_string()), "{text}");
    assert!(other.registry.tenant(lab).await.unwrap().is_none());
    for record in records {
        for name in names(*record) {
            assert_eq!(other.backend.read(&name).await.unwrap(), None);
        }
    }
    let keks = other.backend.list(&format!("kek/{lab}/"), None, 10).await;
    assert_eq!(keks.unwrap(), []);
    let (files, found) = holders(&other.directory(), &needles_of(lab));
    assert!(files > 3 && found.is_empty(), "{found:?}");
    for entry in other.entries().await {
        let entry = serde_json::to_string(&entry.event).unwrap();
        assert!(!entry.contains(OTHER), "{entry}");
        assert!(!entry.contains(&lab.to_string()), "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_tenant_comes_alone_into_an_empty_place_with_nothing_of_another() {
    for world in World::on_each_registry().await {
        let lab = other_tenant(&world).await;
        let clinic = furnished(&world, "clinic").await;
        let (at, text) = used(&world, &clinic, "charts").await;
        full(&world).await;
        // What comes after the full backup is in a segment: of both.
        let (late, late_text) = used(&world, &clinic, "late").await;
        used(&world, &lab, &format!("{OTHER}-late")).await;
        backup::segment(&world.node).await.unwrap();
        let before = rows(&world, clinic.id, false, false).await;
        let records = records_of(&world, lab.id).await;
        assert!(records.len() > 4);
        let revision = world.registry.revision().await.unwrap();
        // What is looked for below is found where it is.
        let (_, found) = holders(&world.directory(), &needles_of(lab.id));
        assert!(!found.is_empty());

        let other = alone(&world, None, &of("clinic", Part::Tenant)).await;
        assert_eq!(rows(&other, clinic.id, false, false).await, before);
        assert_eq!(opens(&other, &clinic, &at, &text).await, "charts");
        assert_eq!(opens(&other, &clinic, &late, &late_text).await, "late");
        let value = got(&other, &clinic.place, "db/password").await;
        assert_eq!(value.unwrap(), b"opensesame");
        ensure_nothing_of(lab.id, &records, &other).await;

        // It goes on: its numbers are given once, its log is its own, and it starts again.
        let story = Story {
            world: &other,
            tenancy: &clinic,
            key: at.clone(),
        };
        story.rotate(&clinic.operator).await.unwrap();
        let now = story.now().await;
        assert!(now.key.latest_version > 1_000);
        let changes = other.registry.changes_after(0, 10_000).await.unwrap();
        assert!(changes.iter().any(|it| it.revision < revision));
        assert!(
            changes
                .iter()
                .all(|it| it.tenant.is_none_or(|id| id == clinic.id))
        );
        let of_clinic = changes.iter().filter(|it| it.tenant.is_some());
        for (at, change) in of_clinic.enumerate() {
            assert_eq!(
                change.change,
                i64::try_from(at).unwrap() + 1,
                "no gap in its log"
            );
        }
        let sealed = story.encrypt("here").await.unwrap();
        let other = other.restart().await;
        assert_eq!(opens(&other, &clinic, &at, &sealed).await, "here");
        let told = other.entries().await;
        let told = told
            .iter()
            .filter(|it| it.event.action == Action::KeyCreate);
        assert!(
            told.count() >= 3,
            "the tenant's log begins with what it was"
        );
        ensure_nothing_of(lab.id, &records, &other).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_one_key_or_secret_comes_alone_and_nothing_else_of_its_tenant_does() {
    for world in World::on_each_registry().await {
        let lab = other_tenant(&world).await;
        let clinic = furnished(&world, "clinic").await;
        let (_, _) = used(&world, &clinic, "charts").await;
        full(&world).await;
        let story = Story {
            world: &world,
            tenancy: &clinic,
            key: KeyRef::Name(KeyName::new("notes").unwrap()),
        };
        let text = story.encrypt("one").await.unwrap();
        story.rotate(&clinic.operator).await.unwrap();
        let newer = story.encrypt("two").await.unwrap();
        backup::segment(&world.node).await.unwrap();
        let records = records_of(&world, lab.id).await;

        let other = alone(&world, None, &of("clinic", key_named("notes"))).await;
        let mine = Story {
            world: &other,
            tenancy: &clinic,
            key: story.key.clone(),
        };
        let found = other.registry.all_keys(None, 100).await.unwrap();
        assert_eq!(found.rows.len(), 1);
        assert_eq!(found.rows[0].versions.len(), 2);
        assert_eq!(mine.decrypt(&text).await.unwrap(), "one");
        assert_eq!(mine.decrypt(&newer).await.unwrap(), "two");
        // Its class leads to it; its policy, bindings and history are there.
        let class = DataClass::new("PHI_DATA").unwrap();
        let pointer = other.registry.class_pointer(clinic.id, &class).await;
        assert_eq!(pointer.unwrap().unwrap().key, found.rows[0].key.id);
        let (tenant, id) = (clinic.id, found.rows[0].key.id);
        let bound = other.registry.bindings(tenant, id, None, 10).await.unwrap();
        assert_eq!(bound.rows.len(), 1);
        let history = other.registry.history(tenant, id, None, 100).await.unwrap();
        assert!(history.rows.len() >= 4);
        let secrets = other.registry.secrets(Some(tenant), "", None, 10).await;
        assert_eq!(secrets.unwrap().rows, []);
        assert_eq!(
            other
                .registry
                .roles(Some(tenant))
                .await
                .unwrap()
                .iter()
                .filter(|it| it.tenant.is_some())
                .count(),
            0
        );
        assert_eq!(other.registry.assignments(Some(tenant)).await.unwrap(), []);
        ensure_nothing_of(lab.id, &records, &other).await;
        let bytes = [
            b"opensesame".to_vec(),
            b"db/password".to_vec(),
            b"charts-".to_vec(),
        ];
        let (_, found) = holders(&other.directory(), &bytes);
        assert!(found.is_empty(), "{found:?}");

        let other = alone(
            &world,
            None,
            &of("clinic", Part::Secret(name("db/password"))),
        )
        .await;
        let value = got(&other, &clinic.place, "db/password").await;
        assert_eq!(value.unwrap(), b"opensesame");
        let found = other.registry.all_keys(None, 100).await.unwrap();
        assert_eq!(found.rows, []);
        ensure_nothing_of(lab.id, &records, &other).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_tenant_alone_is_what_any_second_of_a_random_history_had() {
    const STEPS: usize = 30;
    let mut runner = TestRunner::deterministic();
    for world in World::on_each_registry().await {
        let steps = vec(step(), STEPS..STEPS + 1).new_tree(&mut runner).unwrap();
        let steps = steps.current();
        let second = (0..STEPS).new_tree(&mut runner).unwrap().current();
        // Shown if it fails.
        println!("{steps:?}\nlooked at: {second}");
        let lab = other_tenant(&world).await;
        let clinic = furnished(&world, "clinic").await;
        full(&world).await;
        let mut history = History::new(world, clinic);
        let id = history.clinic.id;
        let (mut to, mut then, mut sealed) = (None, BTreeMap::new(), Vec::new());
        for (at, step) in steps.iter().enumerate() {
            history.world.clock.advance_seconds(1);
            history.take(step).await;
            // The other tenant goes on as well.
            if at % 3 == 0 {
                used(&history.world, &lab, &format!("{OTHER}-{at}")).await;
            }
            if at == second {
                to = Some(history.world.clock.now());
                then = rows(&history.world, id, false, false).await;
                sealed.clone_from(&history.sealed);
            }
        }
        history.world.clock.advance_seconds(1);
        backup::segment(&history.world.node).await.unwrap();
        let last = rows(&history.world, id, false, false).await;
        let records = records_of(&history.world, lab.id).await;
        let wanted = Wanted {
            tenant: TenantRef::Id(id),
            part: Part::Tenant,
            reason: None,
        };
        let other = alone(&history.world, to, &wanted).await;

        let now = rows(&other, id, false, false).await;
        let known = facts(&last);
        let keks = then["tenant_keks"].clone();
        assert!(now["tenant_keks"].is_superset(&keks));
        let mut compared = now.clone();
        compared.insert("tenant_keks".to_owned(), keks);
        let (compared, then) = (without_facts(compared, &known), without_facts(then, &known));
        for (table, rows) in &then {
            let none = BTreeSet::new();
            let found = compared.get(table).unwrap_or(&none);
            let differ: Vec<&String> = rows.symmetric_difference(found).collect();
            assert!(differ.is_empty(), "{table}, row for row: {differ:?}");
        }
        // What holds for ever is here as it was in the end.
        for (table, column) in [("key_versions", "compromised_at"), ("tokens", "revoked_at")] {
            let is_fact = |row: &&String| {
                let row: Value = serde_json::from_str(row).unwrap();
                !row[column].is_null()
            };
            let said: BTreeSet<String> = known[table]
                .iter()
                .filter(is_fact)
                .map(|it| id_of(it))
                .collect();
            for row in now.get(table).into_iter().flatten() {
                let is_said = said.contains(&id_of(row));
                assert_eq!(is_fact(&row), is_said, "{row}");
            }
        }
        for id in &history.revoked {
            let found = other.registry.token(*id).await.unwrap();
            assert!(found.is_none_or(|token| token.revoked_at.is_some()));
        }
        for (at, text, plain) in sealed {
            let story = Story {
                world: &other,
                tenancy: &history.clinic,
                key: history.keys[at].clone(),
            };
            match story.decrypt(&text).await {
                Ok(opened) => assert_eq!(opened, plain),
                // Compromised, or on hold.
                refused => {
                    let code = code(refused);
                    assert!(["wrong_state", "forbidden"].contains(&code), "{code}");
                }
            }
        }
        ensure_nothing_of(lab.id, &records, &other).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_what_holds_for_ever_holds_for_what_comes_alone() {
    for world in World::on_each_registry().await {
        let clinic = furnished(&world, "clinic").await;
        let (node, operator, place) = (&world.node, &clinic.operator, &clinic.place);
        let (bad, text) = used(&world, &clinic, "bad").await;
        let member = world
            .member_token(&clinic.admin, place, "app", "crypto-user", None)
            .await;
        let member = world.authenticated(&member).await.token().unwrap();
        full(&world).await;
        let to = chain(&world, None).await.0.signed.unwrap().manifest;
        let to = Some(to.committed_at);
        world.clock.advance_seconds(1);
        // Rotated by somebody who was not there at that second, and compromised.
        let late = world
            .member(&clinic.admin, place, "late-operator", "operator", None)
            .await;
        let request = RotateRequest::default();
        key::rotate(node, &late, place, &bad, request)
            .await
            .unwrap();
        let request = LifecycleRequest::default;
        key::compromise(node, operator, place, &bad, request())
            .await
            .unwrap();
        token::revoke(node, &clinic.admin, place, member, None)
            .await
            .unwrap();
        backup::segment(node).await.unwrap();

        let other = alone(&world, to, &of("clinic", Part::Tenant)).await;
        let found = other.registry.key(clinic.id, &bad).await.unwrap().unwrap();
        assert_eq!(found.versions.len(), 1);
        assert_eq!(found.versions[0].state, State::Compromised);
        assert!(found.key.latest_version > 1_001);
        let story = Story {
            world: &other,
            tenancy: &clinic,
            key: bad,
        };
        assert!(story.decrypt(&text).await.is_err());
        let revoked = other.registry.token(member).await.unwrap().unwrap();
        assert!(revoked.revoked_at.is_some());

        tenant::suspend(node, world.root(), place, None)
            .await
            .unwrap();
        tenant::shred(node, world.root(), place, "over".to_owned())
            .await
            .unwrap();
        backup::segment(node).await.unwrap();
        let (registry, vault) = elsewhere(&world);
        let blank = world.blank(registry, vault).await;
        let (full, segments) = chain(&world, to).await;
        for part in [Part::Tenant, key_named("notes")] {
            let wanted = of("clinic", part);
            let done = world.restore_alone(&full, &segments, to, &blank, &wanted, false);
            let refused = done.await.unwrap_err();
            assert!(matches!(refused, RestoreError::Gone { .. }), "{refused}");
        }
        assert_eq!(blank.revision().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_what_comes_alone_is_taken_up_wherever_it_failed_and_ends_the_same() {
    let world = World::new().await;
    let lab = other_tenant(&world).await;
    let clinic = furnished(&world, "clinic").await;
    full(&world).await;
    let (at, text) = used(&world, &clinic, "charts").await;
    backup::segment(&world.node).await.unwrap();
    let before = rows(&world, clinic.id, false, false).await;
    let records = records_of(&world, lab.id).await;
    let wanted = of("clinic", Part::Tenant);
    let (full, segments) = chain(&world, None).await;
    for form in FORMS {
        for sound in 0.. {
            let blank = world.blank(RegistryKind::Sqlite, VaultKind::Embedded).await;
            blank.vault.fail_after(sound, form);
            let failed = world.restore_alone(&full, &segments, None, &blank, &wanted, false);
            let failed = failed.await;
            if !blank.vault.mend() {
                break;
            }
            assert!(failed.is_err(), "{form:?} after {sound}");
            let again = world.restore_alone(&full, &segments, None, &blank, &wanted, true);
            again.await.unwrap();
            // And once more: there is nothing left to do.
            let again = world.restore_alone(&full, &segments, None, &blank, &wanted, true);
            let revision = blank.revision().await;
            again.await.unwrap();
            assert_eq!(blank.revision().await, revision);
            let other = world.on_restored(blank).await;
            assert_eq!(rows(&other, clinic.id, false, false).await, before);
            assert_eq!(opens(&other, &clinic, &at, &text).await, "charts");
            ensure_nothing_of(lab.id, &records, &other).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_orders_of_what_comes_alone_are_refused_and_write_nothing() {
    let world = World::new().await;
    let clinic = furnished(&world, "clinic").await;
    full(&world).await;
    let (registry, vault) = elsewhere(&world);
    let blank = world.blank(registry, vault).await;
    let (full, segments) = chain(&world, None).await;
    for (wanted, named) in [
        (of("nobody", Part::Tenant), "tenant"),
        (of("clinic", key_named("none")), "key"),
        (of("clinic", Part::Secret(name("none"))), "secret"),
        (of("nobody", key_named("notes")), "tenant"),
    ] {
        let done = world.restore_alone(&full, &segments, None, &blank, &wanted, false);
        match done.await {
            Err(RestoreError::NotThere { what }) => assert_eq!(what, named),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(blank.revision().await, 0);
    // A place that holds something.
    let wanted = of("clinic", Part::Tenant);
    let done = world.restore_alone(&full, &segments, None, &blank, &wanted, false);
    done.await.unwrap();
    let done = world.restore_alone(&full, &segments, None, &blank, &wanted, false);
    let refused = done.await.unwrap_err();
    assert!(
        matches!(refused, RestoreError::VaultNotEmpty { .. }),
        "{refused}"
    );
    drop(clinic);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_what_came_alone_signs_with_a_key_of_its_own_and_takes_no_backup_of_the_other_away() {
    for world in World::on_each_registry().await {
        let clinic = furnished(&world, "clinic").await;
        let (at, text) = used(&world, &clinic, "charts").await;
        full(&world).await;
        let (first, _) = chain(&world, None).await;
        let by = first.signed.unwrap().by;

        let (registry, vault) = elsewhere(&world);
        let blank = world.blank(registry, vault).await;
        let (whole, segments) = chain(&world, None).await;
        let wanted = of("clinic", Part::Tenant);
        let done = world.restore_alone(&whole, &segments, None, &blank, &wanted, false);
        done.await.unwrap();
        blank.share_backups_of(&world);
        let other = world.on_restored(blank).await;
        other.clock.advance_seconds(1);
        // Segments do not follow on what the other has made.
        assert!(!backup::segment(&other.node).await.unwrap());
        full(&other).await;
        let own = chain(&world, None).await.0.signed.unwrap();
        assert_ne!(own.by.text(), by.text(), "no key of the other's signs here");
        assert_ne!(own.manifest.backup, whole.signed.unwrap().manifest.backup);
        let plan = backup::plan(&other.node, other.root()).await.unwrap();
        assert!(
            plan.fates
                .iter()
                .all(|fate| fate.backup.id == own.manifest.backup)
        );

        // Whoever restores with the other's key gets the other's.
        let key = BackupKey::parse(&by.text()).unwrap();
        let found = Chain::find(&world.backups, Some(&key), None).await.unwrap();
        assert_ne!(found.full, own.manifest.backup);
        assert!(backup::segment(&world.node).await.unwrap());
        // And its own backups restore, all of them.
        let (full, segments) = chain(&other, None).await;
        let (registry, vault) = elsewhere(&other);
        let blank = other.blank(registry, vault).await;
        let done = other.restore_to(&full, &segments, None, &blank, false, true);
        done.await.unwrap();
        let third = world.on_restored(blank).await;
        assert_eq!(opens(&third, &clinic, &at, &text).await, "charts");
    }
}
