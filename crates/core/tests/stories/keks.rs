//! A tenant's key-encryption key is rotated while its keys are in use, and afterwards nothing needs
//! the old one.

use keyward_core::change::{Commit, Row, Write};
use keyward_core::crypto_types::Algorithm;
use keyward_core::noun::action::Action;
use keyward_core::noun::job::{Job, JobKind, JobState};
use keyward_core::noun::tenant::TenantKek;
use keyward_core::ops::{clockwork, kek, key, secret, tenant};
use keyward_core::port::registry::Registry;
use keyward_core::port::seal::SealControl;
use keyward_core::port::storage::{KeyHierarchy, ObjectName, StorageBackend};
use keyward_core::time::Clock;
use keyward_testkit::world::{Tenancy, World};

use crate::script::{Story, activate, code};
use crate::secrets::{name, value};

const CHOSEN: Algorithm = Algorithm::Aes256GcmCommit;

/// Works until nothing is due; how many slices that took.
async fn work(world: &World) -> usize {
    let mut slices = 0;
    while kek::rewrap_slice(&world.node).await.unwrap().is_some() {
        slices += 1;
    }
    slices
}

async fn newest_job(world: &World, tenancy: &Tenancy) -> Job {
    let jobs = world.registry.jobs(Some(tenancy.id), 10).await.unwrap();
    let job = jobs.into_iter().next().unwrap();
    assert_eq!(job.kind, JobKind::RewrapRecords);
    job
}

async fn keks(world: &World, tenancy: &Tenancy) -> Vec<TenantKek> {
    world.registry.tenant_keks(tenancy.id).await.unwrap()
}

fn object(kek: &TenantKek) -> ObjectName {
    let name = format!("kek/{}/{}-{}", kek.tenant, kek.version, kek.record);
    ObjectName::new(&name).unwrap()
}

async fn records(backend: &dyn StorageBackend) -> Vec<ObjectName> {
    backend.list("rec/", None, 1000).await.unwrap()
}

/// An active key with something encrypted under it.
async fn used<'a>(world: &'a World, tenancy: &'a Tenancy, name: &str) -> (Story<'a>, String) {
    let story = Story::new(world, tenancy, name, CHOSEN, None).await;
    activate(&story, &tenancy.operator).await.unwrap();
    let text = story.encrypt(name).await.unwrap();
    (story, text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i04_after_a_rotation_everything_opens_without_the_old_key() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let (before, text) = used(&world, &clinic, "before").await;
        let (node, place) = (&world.node, &clinic.place);
        let why = Some("yearly".to_owned());
        let refused = kek::rotate(node, &clinic.admin, place, why.clone()).await;
        assert_eq!(code(refused), "forbidden");
        let done = kek::rotate(node, world.root(), place, why).await.unwrap();
        assert_eq!(done.value.version, 2);
        let entry = before.last(Action::TenantRotateKek).await.event;
        assert_eq!(entry.reason.as_deref(), Some("yearly"));
        assert_eq!(entry.details["kek_version"].to_string(), "2");
        assert_eq!(newest_job(&world, &clinic).await.state, JobState::Queued);

        // In use all the time, before the records are wrapped anew and after; a restart between
        // two passes costs nothing.
        let (after, other) = used(&world, &clinic, "after").await;
        assert_eq!(before.decrypt(&text).await.unwrap(), "before");
        assert!(kek::rewrap_slice(node).await.unwrap().is_some());
        let job = newest_job(&world, &clinic).await;
        assert_eq!((job.state, job.progress.pass), (JobState::Running, 2));
        assert_eq!(
            job.progress.changed, 1,
            "what came after is under the new one"
        );
        let (before, after) = (before.key.clone(), after.key.clone());
        let world = world.restart().await;
        assert_eq!(work(&world).await, 1);
        let job = newest_job(&world, &clinic).await;
        assert_eq!((job.state, job.progress.found), (JobState::Done, 0));
        assert_eq!(job.progress.changed, 1);

        // The proof: without the old key everything opens, by a node that remembers nothing.
        let versions = keks(&world, &clinic).await;
        let listed = kek::list(&world.node, &clinic.admin, &clinic.place).await;
        assert_eq!(listed.unwrap(), versions);
        assert_eq!(versions.len(), 2);
        world.backend.delete(&object(&versions[1])).await.unwrap();
        let world = world.restart().await;
        for (key, text, plain) in [(before, text, "before"), (after, other, "after")] {
            let tenancy = &clinic;
            let story = Story {
                world: &world,
                tenancy,
                key,
            };
            assert_eq!(story.decrypt(&text).await.unwrap(), plain);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_record_that_is_refused_ends_the_job_as_failed_and_a_later_one_can_succeed() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        used(&world, &clinic, "sound").await;
        let names = records(&*world.backend).await;
        let genuine = world.backend.read(&names[0]).await.unwrap().unwrap();
        let mut altered = genuine.clone();
        altered[60] ^= 1;
        world.backend.write(&names[0], altered).await.unwrap();
        let (node, place) = (&world.node, &clinic.place);
        kek::rotate(node, world.root(), place, None).await.unwrap();
        work(&world).await;
        let job = newest_job(&world, &clinic).await;
        assert_eq!(job.state, JobState::Failed);
        assert_eq!(job.last_error.as_deref(), Some("records_refused"));
        assert_eq!(job.progress.failed, 1);

        world.backend.write(&names[0], genuine).await.unwrap();
        let again = kek::rotate(node, world.root(), place, None).await.unwrap();
        assert_eq!(again.value.version, 3);
        assert_eq!(work(&world).await, 2);
        assert_eq!(newest_job(&world, &clinic).await.state, JobState::Done);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i07_of_two_rotations_at_once_one_wins_and_a_later_one_begins_the_job_again() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        used(&world, &clinic, "records").await;
        let (node, place) = (&world.node, &clinic.place);
        let both = tokio::join!(
            kek::rotate(node, world.root(), place, None),
            kek::rotate(node, world.root(), place, None),
        );
        let mut codes = [code(both.0), code(both.1)];
        codes.sort_unstable();
        assert!(
            codes == ["conflict", "ok"] || codes == ["ok", "ok"],
            "{codes:?}"
        );
        let versions = keks(&world, &clinic).await.len();
        kek::rewrap_slice(node).await.unwrap();
        let under_way = newest_job(&world, &clinic).await;
        kek::rotate(node, world.root(), place, None).await.unwrap();
        assert_eq!(keks(&world, &clinic).await.len(), versions + 1);
        let begun_again = newest_job(&world, &clinic).await;
        assert_eq!(begun_again.id, under_way.id);
        assert_eq!(begun_again.progress.pass, 0);
        work(&world).await;
        assert_eq!(newest_job(&world, &clinic).await.state, JobState::Done);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_rotated_says_why_and_changes_nothing() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        used(&world, &clinic, "records").await;
        let (node, root) = (&world.node, world.root());
        let nowhere = keyward_core::caller::TenantRef::parse("nowhere").unwrap();
        assert_eq!(
            code(kek::rotate(node, root, &nowhere, None).await),
            "not_found"
        );
        assert_eq!(code(kek::list(node, root, &nowhere).await), "not_found");
        world.vault.seal();
        let place = &clinic.place;
        assert_eq!(code(kek::rotate(node, root, place, None).await), "sealed");
        assert_eq!(kek::rewrap_slice(node).await.unwrap(), None);
        let world = world.restart().await;
        let (node, root) = (&world.node, world.root());
        // Ordered, then the tenant is shredded: the job has nothing left to do.
        kek::rotate(node, root, place, None).await.unwrap();
        tenant::suspend(node, root, place, None).await.unwrap();
        let why = "the contract ended".to_owned();
        tenant::shred(node, root, place, why).await.unwrap();
        assert_eq!(
            code(kek::rotate(node, root, place, None).await),
            "wrong_state"
        );
        assert_eq!(work(&world).await, 1);
        let job = newest_job(&world, &clinic).await;
        assert_eq!(job.state, JobState::Done);
        assert_eq!(job.last_error.as_deref(), Some("tenant_shredded"));
        assert!(keks(&world, &clinic).await.is_empty());
    }
}

/// Another node rotated: once this one has seen it, its new records go under the new key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i06_a_rotation_elsewhere_is_found_and_holds() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let (story, _) = used(&world, &clinic, "records").await;
        let current = keks(&world, &clinic).await.remove(0);
        let next = world.vault.next_tenant_kek(&current, world.clock.now());
        let next = next.await.unwrap();
        let mut event = story.last(Action::KeyActivate).await.event;
        event.action = Action::TenantRotateKek;
        let commit = Commit {
            tenant: Some(clinic.id),
            writes: vec![Write::insert(Row::TenantKek(next.clone()))],
            event,
            idempotency: None,
            fence: None,
        };
        let elsewhere = world.another_registry().await;
        elsewhere.commit(commit).await.unwrap();
        elsewhere.close().await;
        clockwork::tick(&world.node).await.unwrap();

        let before = records(&*world.backend).await;
        used(&world, &clinic, "new").await;
        let mut made = records(&*world.backend).await;
        made.retain(|name| !before.contains(name));
        let record = world.backend.read(&made[0]).await.unwrap().unwrap();
        let outer = &record[..keyward_crypto::record::OUTER_LENGTH];
        let named = keyward_crypto::record::peek_outer(outer).unwrap();
        assert_eq!(named.id, next.record.uuid());
        assert!(
            key::read(&world.node, &clinic.admin, &clinic.place, &story.key)
                .await
                .is_ok()
        );
    }
}

/// What is kept under a tenant's key besides keys comes along.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i04_secrets_open_without_the_old_key_too() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let (admin, place) = (&clinic.admin, &clinic.place);
        let keeper = world.member(admin, place, "keeper", "secret-keeper", None);
        let keeper = keeper.await;
        let reader = world.member(admin, place, "reader", "secret-reader", None);
        let reader = reader.await;
        for bytes in [&b"first"[..], b"second"] {
            let put = secret::put(&world.node, &keeper, place, value("login", bytes), None);
            put.await.unwrap();
        }
        let (node, root) = (&world.node, world.root());
        kek::rotate(node, root, place, None).await.unwrap();
        work(&world).await;
        let job = newest_job(&world, &clinic).await;
        assert_eq!((job.state, job.progress.changed), (JobState::Done, 2));
        let old = keks(&world, &clinic).await.remove(1);
        world.backend.delete(&object(&old)).await.unwrap();
        let world = world.restart().await;
        for (version, expected) in [(1, &b"first"[..]), (2, b"second")] {
            let login = name("login");
            let got = secret::get(&world.node, &reader, place, &login, Some(version));
            assert_eq!(got.await.unwrap().value.expose(), expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tenants_broken_key_does_not_keep_the_others() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let bank = world.tenant("bank").await;
        used(&world, &clinic, "records").await;
        used(&world, &bank, "records").await;
        for tenancy in [&clinic, &bank] {
            let rotated = kek::rotate(&world.node, world.root(), &tenancy.place, None);
            rotated.await.unwrap();
        }
        let newest = keks(&world, &clinic).await.remove(0);
        let name = object(&newest);
        let broken = world.backend.write(&name, b"broken".to_vec());
        broken.await.unwrap();
        work(&world).await;
        let job = newest_job(&world, &clinic).await;
        assert_eq!(job.state, JobState::Failed);
        assert_eq!(job.last_error.as_deref(), Some("kek_refused"));
        assert_eq!(newest_job(&world, &bank).await.state, JobState::Done);
    }
}
