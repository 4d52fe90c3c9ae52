//! The current key of a class, and the data that a key protects.

use keyward_core::audit::Outcome;
use keyward_core::names::{DataClass, KeyName};
use keyward_core::noun::action::Action;
use keyward_core::ops::binding::{self, NewBinding};
use keyward_core::ops::key::{self, LifecycleRequest, NewKey};
use keyward_core::ops::{class, use_key};
use keyward_core::port::registry::KeyRef;
use keyward_testkit::world::{Tenancy, World};

use crate::script::{Story, code, suspend};

async fn key_of_class(world: &World, tenancy: &Tenancy, name: &str, of: &DataClass) -> KeyRef {
    let mut new = NewKey::named(KeyName::new(name).unwrap());
    new.data_class = Some(of.clone());
    new.activate = true;
    let made = key::create(&world.node, &tenancy.admin, &tenancy.place, new, None)
        .await
        .unwrap();
    KeyRef::Id(made.value.key.id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_class_is_pointed_at_another_key_and_back() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let (node, place, admin) = (&world.node, &tenancy.place, &tenancy.admin);
        let phi = DataClass::new("PHI_DATA").unwrap();
        let old = key_of_class(&world, &tenancy, "old", &phi).await;
        let new = key_of_class(&world, &tenancy, "new", &phi).await;
        let other = DataClass::new("FINANCIAL").unwrap();
        let stranger = key_of_class(&world, &tenancy, "stranger", &other).await;

        let wrong = class::assign(node, admin, place, &phi, &stranger, None, None).await;
        assert_eq!(code(wrong), "invalid_request", "a key of another class");
        class::assign(node, admin, place, &phi, &old, None, None)
            .await
            .unwrap();
        let none_before = class::revert(node, admin, place, &phi, None).await;
        assert_eq!(code(none_before), "rollback_unavailable");

        let stale = class::assign(node, admin, place, &phi, &new, None, Some(7)).await;
        assert_eq!(code(stale), "precondition_failed");
        class::assign(node, admin, place, &phi, &new, None, Some(1))
            .await
            .unwrap();
        let refused = class::assign(node, &tenancy.user, place, &phi, &old, None, None).await;
        assert_eq!(code(refused), "forbidden");

        let reason = Some("the new one is too slow".to_owned());
        let reverted = class::revert(node, admin, place, &phi, reason.clone())
            .await
            .unwrap();
        assert_eq!(KeyRef::Id(reverted.value.key), old);
        let entry = world.entries().await.pop().unwrap();
        assert_eq!(entry.event.action, Action::ClassRevert);
        assert_eq!(entry.event.reason, reason);
        let (_, current) = class::read(node, &tenancy.user, place, &phi).await.unwrap();
        assert_eq!(KeyRef::Id(current.key.id), old);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_class_is_never_pointed_at_a_key_that_cannot_protect() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let (node, place, admin) = (&world.node, &tenancy.place, &tenancy.admin);
        let phi = DataClass::new("PHI_DATA").unwrap();
        let key = key_of_class(&world, &tenancy, "idle", &phi).await;
        let story = Story {
            world: &world,
            tenancy: &tenancy,
            key: key.clone(),
        };
        suspend(&story, &tenancy.operator).await.unwrap();
        let refused = class::assign(node, admin, place, &phi, &key, None, None).await;
        assert_eq!(code(refused), "wrong_state");
        let none = class::read(node, &tenancy.user, place, &phi).await;
        assert_eq!(code(none), "not_found", "nothing was changed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_protects_live_data_is_not_destroyed_unless_forced_with_a_reason() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let (node, place, admin) = (&world.node, &tenancy.place, &tenancy.admin);
        let phi = DataClass::new("PHI_DATA").unwrap();
        let records = key_of_class(&world, &tenancy, "records", &phi).await;
        let new = NewBinding {
            uri: "s3://records/2027".to_owned(),
            label: "scans".to_owned(),
            owner: "radiology".to_owned(),
        };
        let bound = binding::create(node, &tenancy.user, place, &records, new, None).await;
        let bound = bound.unwrap().value;
        let story = Story {
            world: &world,
            tenancy: &tenancy,
            key: records.clone(),
        };
        suspend(&story, &tenancy.operator).await.unwrap();

        let schedule = async |force: bool, reason: Option<&str>| {
            let request = LifecycleRequest {
                reason: reason.map(ToOwned::to_owned),
                ..LifecycleRequest::default()
            };
            key::schedule_destruction(node, admin, place, &records, request, Some(7), force).await
        };
        assert_eq!(
            code(schedule(false, Some("tidying up")).await),
            "key_in_use"
        );
        assert_eq!(code(schedule(true, None).await), "invalid_request");
        schedule(true, Some("the scans were migrated"))
            .await
            .unwrap();
        let entry = story.last(Action::KeyScheduleDestruction).await;
        assert_eq!(entry.event.outcome, Outcome::Ok);
        assert_eq!(entry.event.details["forced_over_live_bindings"], 1);
        assert_eq!(
            entry.event.reason.as_deref(),
            Some("the scans were migrated")
        );

        let request = LifecycleRequest::default();
        key::cancel_destruction(node, admin, place, &records, request)
            .await
            .unwrap();
        binding::release(node, &tenancy.user, place, &records, bound.id, None)
            .await
            .unwrap();
        schedule(false, None).await.unwrap();
        let listed = binding::list(node, &tenancy.user, place, &records, None, None)
            .await
            .unwrap();
        assert!(listed.rows[0].released_at.is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_are_of_the_size_asked_for_and_never_the_same() {
    let world = World::new().await;
    let tenancy = world.tenant("clinic").await;
    let (node, place) = (&world.node, &tenancy.place);
    let one = use_key::random(node, &tenancy.user, place, 32)
        .await
        .unwrap();
    let two = use_key::random(node, &tenancy.user, place, 32)
        .await
        .unwrap();
    assert_eq!(one.len(), 32);
    assert!(!one.ct_eq(two.expose()));
    for size in [0, 65_537] {
        let refused = use_key::random(node, &tenancy.user, place, size).await;
        assert_eq!(code(refused), "invalid_request");
    }
}
