//! Counted uses of keys (docs/audit-detail.md) where something ends: a version, a node's run, a deployment's present.

use keyward_core::audit::counted::count_of;
use keyward_core::caller::TenantRef;
use keyward_core::crypto_types::Algorithm;
use keyward_core::lifecycle::Which;
use keyward_core::noun::tenant::AuditDetail;
use keyward_core::ops::key::LifecycleRequest;
use keyward_core::ops::restore::Part;
use keyward_core::ops::{backup, clockwork, key, start};
use keyward_core::port::registry::Registry;
use keyward_testkit::world::{WantedPart, World};

use crate::audit_detail::{counted, set, uses};
use crate::backup_parts::{chain, full};
use crate::script::{Story, activate};

const CHOSEN: Algorithm = Algorithm::Aes256GcmCommit;

async fn schedule(story: &Story<'_>, request: LifecycleRequest) {
    let (node, by, place) = (
        &story.world.node,
        &story.tenancy.admin,
        &story.tenancy.place,
    );
    key::schedule_destruction(node, by, place, &story.key, request, Some(7), false)
        .await
        .unwrap();
}

async fn compromised(story: &Story<'_>, request: LifecycleRequest) {
    let (node, by, place) = (
        &story.world.node,
        &story.tenancy.operator,
        &story.tenancy.place,
    );
    key::compromise(node, by, place, &story.key, request)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compromised_version_that_waits_for_its_destruction_keeps_uses_single() {
    for waits_first in [false, true] {
        let world = World::new().await;
        let tenancy = world.tenant("clinic").await;
        let story = counted(&world, &tenancy).await;
        story.rotate(&tenancy.operator).await.unwrap();
        let first = || LifecycleRequest {
            which: Which::Version(1),
            ..LifecycleRequest::default()
        };
        if waits_first {
            schedule(&story, first()).await;
            story.encrypt("still counted").await.unwrap();
            compromised(&story, first()).await;
        } else {
            compromised(&story, first()).await;
            schedule(&story, first()).await;
        }
        let key = story.key.clone();
        let before = uses(&world, &tenancy).await.len();
        for _ in 0..3 {
            story.encrypt("singly").await.unwrap();
        }
        assert_eq!(uses(&world, &tenancy).await.len(), before + 3);
        // A node that loads the key knows it as one that saw the change.
        let world = world.restart().await;
        let story = Story {
            world: &world,
            tenancy: &tenancy,
            key,
        };
        let before = uses(&world, &tenancy).await.len();
        for _ in 0..3 {
            story.encrypt("singly").await.unwrap();
        }
        assert_eq!(uses(&world, &tenancy).await.len(), before + 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_what_nothing_followed_nothing_is_lost_however_far_back_a_start_reads() {
    for stops in [false, true] {
        let world = World::new().await;
        let tenancy = world.tenant("clinic").await;
        let story = counted(&world, &tenancy).await;
        let key = story.key.clone();
        // Nothing of it is flushed: the registry knows of none of these minutes.
        for _ in 0..6 {
            story.encrypt("one a minute").await.unwrap();
            world.clock.advance_seconds(60);
            clockwork::close_counts(&world.node).await.unwrap();
        }
        if stops {
            start::stop(&world.node).await.unwrap();
        }
        let world = world.restart().await;
        let entries = uses(&world, &tenancy).await;
        let lost: Vec<u64> = entries
            .iter()
            .filter(|it| count_of(it).is_some())
            .map(|it| it.event.details["began_with"].as_u64().unwrap())
            .collect();
        // Of the last one no later entry could say it, unless the node stopped in order.
        let last: Vec<u64> = entries
            .iter()
            .skip(5)
            .take(1)
            .map(|it| it.sequence)
            .collect();
        assert_eq!(lost, if stops { Vec::new() } else { last });
        let used = key::usage(&world.node, &tenancy.auditor, &tenancy.place, &key).await;
        assert_eq!(used.unwrap()[&1].protects, if stops { 6 } else { 22 });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_with_hundreds_of_counts_open_tells_each_of_them_once() {
    const KEYS: usize = 300;
    let world = World::new().await;
    let tenancy = world.tenant("clinic").await;
    let story = counted(&world, &tenancy).await;
    story.encrypt("text").await.unwrap();
    for at in 1..KEYS {
        let story = Story::new(&world, &tenancy, &format!("k{at}"), CHOSEN, None).await;
        activate(&story, &tenancy.operator).await.unwrap();
        story.encrypt("text").await.unwrap();
    }
    let begun: Vec<u64> = uses(&world, &tenancy)
        .await
        .iter()
        .map(|it| it.sequence)
        .collect();
    assert_eq!(begun.len(), KEYS);
    let world = world.restart().await;
    let entries = uses(&world, &tenancy).await;
    let mut told: Vec<u64> = entries
        .iter()
        .filter_map(|it| it.event.details.get("began_with")?.as_u64())
        .collect();
    told.sort_unstable();
    assert_eq!(told, begun);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_part_leaves_it_as_it_is_how_finely_the_log_tells() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        counted(&world, &clinic).await;
        full(&world).await;
        let to = chain(&world, None).await.0.signed.unwrap().manifest;
        let to = Some(to.committed_at);
        world.clock.advance_seconds(1);
        set(&world, &clinic.admin, &clinic, AuditDetail::Each)
            .await
            .unwrap();
        backup::segment(&world.node).await.unwrap();
        let before = world.registry.tenant(clinic.id).await.unwrap().unwrap();
        let mut wanted = WantedPart::of(TenantRef::Id(clinic.id), Part::Tenant);
        wanted.replaces_newer = true;
        let (whole, segments) = chain(&world, to).await;
        world
            .restore_part(world.root(), &whole, &segments, to, &wanted)
            .await
            .unwrap();
        let found = world.registry.tenant(clinic.id).await.unwrap().unwrap();
        assert!(found.etag > before.etag, "the row was written");
        assert_eq!(found.audit_detail, AuditDetail::Each);
        assert_eq!(found.audit_detail_since, before.audit_detail_since);
        assert_eq!(found.audit_detail_by, before.audit_detail_by);
    }
}
