//! A registry that is put back to an older state: by hand while the server is down, or under a
//! serving node, as a failover to a replica that lags does.

use keyward_core::change::{Commit, Row, Write};
use keyward_core::node::Readiness;
use keyward_core::noun::action::Action;
use keyward_core::noun::condition::{ConditionKind, Severity, Subject};
use keyward_core::noun::stray::StrayRecord;
use keyward_core::ops::clockwork;
use keyward_core::ops::condition::raise;
use keyward_core::ops::secret::{list, put};
use keyward_core::ops::storage::{scrub, sweep};
use keyward_core::port::registry::Registry as _;
use keyward_core::port::storage::ObjectName;
use keyward_core::port::upkeep::Upkeep as _;
use keyward_testkit::world::World;

use crate::script::code;
use crate::secrets::value;

const DAY: i64 = 24 * 3600;

/// Conditions that the older state will not have: the revision before them.
async fn later_changes(world: &World) -> i64 {
    let before = world.registry.revision().await.unwrap();
    for part in ["one", "two", "three"] {
        let kind = ConditionKind::STORAGE_SPACE_LOW;
        let subject = Subject::system(part);
        raise(&world.node, kind, &subject, Severity::Info, "low").await;
    }
    assert_eq!(world.registry.revision().await.unwrap(), before + 3);
    before
}

fn put_back(world: &World, revision: i64) {
    world.sql(&format!(
        "DELETE FROM changes WHERE revision > {revision}; DELETE FROM conditions; \
         UPDATE feed SET n = {revision}"
    ));
}

async fn logged(world: &World, action: Action, revision: Option<i64>) -> usize {
    let entries = world.entries().await;
    let of_action = entries.iter().filter(|entry| {
        entry.event.action == action
            && (revision.is_none() || entry.event.revision == revision)
            && entry.event.resource.name.as_deref() != Some("storage_space_low")
    });
    of_action.count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_registry_that_goes_back_under_a_serving_node_is_noticed() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let before = later_changes(&world).await;
        put_back(&world, before);
        assert_eq!(code(clockwork::tick(&world.node).await), "not_ready");
        assert_eq!(world.node.readiness(), Readiness::RegistryWentBack);
        let node = &world.node;
        let secret = value("db/password", b"hunter2");
        let refused = put(node, &clinic.admin, &clinic.place, secret, None).await;
        assert_eq!(code(refused), "not_ready");
        assert_eq!(scrub::slice(node).await.unwrap(), None);
        // The hold is written and logged, though its revision was given before.
        let open = world.registry.open_conditions(None, 10).await.unwrap().rows;
        assert_eq!(open.len(), 1, "{open:?}");
        assert_eq!(open[0].kind, ConditionKind::SWEEP_HELD);
        let raised = logged(&world, Action::AlertRaise, Some(before + 1)).await;
        assert_eq!(raised, 1);
        // It stays so until the next start, also when the registry has come further.
        for _ in 0..2 {
            assert_eq!(code(clockwork::tick(node).await), "not_ready");
        }
        let world = world.restart().await;
        assert_eq!(world.node.readiness(), Readiness::Ready);
        assert_eq!(sweep::holds(&world.node).len(), 1);
        clockwork::tick(&world.node).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_a_change_whose_revision_was_given_before_is_logged_too() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let before = later_changes(&world).await;
        put_back(&world, before);
        // Sooner than the clock could notice.
        let secret = value("db/password", b"hunter2");
        let done = put(&world.node, &clinic.admin, &clinic.place, secret, None).await;
        let done = done.unwrap();
        assert_eq!((done.revision, done.audit_pending), (before + 1, false));
        let put = logged(&world, Action::SecretPut, Some(before + 1)).await;
        assert_eq!(put, 1);
        assert_eq!(world.node.readiness(), Readiness::RegistryWentBack);
        assert!(clockwork::tick(&world.node).await.is_err());
        let open = world.registry.open_conditions(None, 10).await.unwrap().rows;
        assert_eq!(open.len(), 1, "{open:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_node_does_nothing_while_the_registry_is_in_another_database() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let put_code = async || {
            let secret = value("db/password", b"hunter2");
            code(put(&world.node, &clinic.admin, &clinic.place, secret, None).await)
        };
        for noticed_by_a_change in [true, false] {
            world.sql("UPDATE feed SET moved_to = 'postgres://elsewhere'");
            if noticed_by_a_change {
                assert_eq!(put_code().await, "registry_unavailable");
            }
            assert_eq!(
                code(clockwork::tick(&world.node).await),
                "registry_unavailable"
            );
            assert_eq!(world.node.readiness(), Readiness::RegistryLeft);
            // Also what asks no database.
            assert_eq!(put_code().await, "not_ready");
            let listed = list(&world.node, &clinic.admin, &clinic.place, "", None, None);
            assert_eq!(code(listed.await), "not_ready");
            world.sql("UPDATE feed SET moved_to = NULL");
            clockwork::tick(&world.node).await.unwrap();
            assert_eq!(world.node.readiness(), Readiness::Ready);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_on_an_older_registry_holds_the_sweep_whatever_is_due() {
    for world in World::on_each_registry().await {
        world.tenant("clinic").await;
        let name = ObjectName::new("rec/00/01900000-0000-7000-8000-000000000000").unwrap();
        world.backend.write(&name, b"KWR1".to_vec()).await.unwrap();
        let now = world.node.now();
        let row = StrayRecord {
            quarantined_at: Some(now.plus_seconds(-31 * DAY)),
            ..StrayRecord::found(name.clone(), now.plus_seconds(-31 * DAY))
        };
        let mut event = world.last_entry().await.event;
        (event.revision, event.change, event.tenant) = (None, None, None);
        let commit = Commit {
            tenant: None,
            writes: vec![Write::insert(Row::StrayRecord(row))],
            event,
            idempotency: None,
            fence: None,
        };
        world.registry.commit(commit).await.unwrap();
        let before = later_changes(&world).await;
        put_back(&world, before);
        let world = world.restart().await;
        assert!(sweep::is_held(&world.node));
        scrub::slice(&world.node).await.unwrap();
        assert!(world.backend.read(&name).await.unwrap().is_some());
        // Once confirmed it is not raised again by what the log knows of the other history.
        let by = keyward_core::ops::initialize::system_caller(&world.node).unwrap();
        let seen = sweep::Seen::of(&sweep::holds(&world.node)[0]);
        sweep::confirm(&world.node, &by, seen, None).await.unwrap();
        clockwork::tick(&world.node).await.unwrap();
        world.clock.advance_seconds(3601);
        scrub::slice(&world.node).await.unwrap();
        assert!(!sweep::is_held(&world.node));
        let world = world.restart().await;
        assert!(!sweep::is_held(&world.node));
    }
}
