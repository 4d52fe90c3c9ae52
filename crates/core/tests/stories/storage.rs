//! The storage's health: what its answers tell, what is raised about it, and what asking costs it.

use keyward_core::noun::condition::{ConditionKind, Severity, Subject};
use keyward_core::ops::condition::{counts, is_open, raise};
use keyward_core::ops::storage::{StorageHealth, health, watch};
use keyward_core::port::storage::{ObjectName, StorageError};
use keyward_core::port::storage_care::{StorageCare, StorageOperation, StorageState};
use keyward_testkit::world::{RegistryKind, VaultKind, World};

use crate::script::code;

async fn seen(world: &World) -> StorageHealth {
    health(&world.node, world.root()).await.unwrap()
}

fn open(world: &World) -> Vec<(ConditionKind, Severity, usize)> {
    counts(&world.node).open
}

fn count(health: &StorageHealth, operation: StorageOperation) -> u64 {
    let mut reports = health.report.operations.iter();
    reports.find(|it| it.operation == operation).unwrap().count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_to_fail_is_told_precisely_and_over_when_it_is_over() {
    let cause = |cause: &str| cause.to_owned();
    let ways = [
        (
            StorageError::Unavailable {
                cause: cause("it did not answer in time"),
            },
            true,
            StorageState::Down,
            ConditionKind::STORAGE_UNAVAILABLE,
        ),
        (
            StorageError::Denied {
                cause: cause("status 403"),
            },
            true,
            StorageState::Denied,
            ConditionKind::STORAGE_DENIED,
        ),
        (
            StorageError::Throttled {
                cause: cause("status 503"),
            },
            false,
            StorageState::Throttled,
            ConditionKind::STORAGE_THROTTLED,
        ),
        (
            StorageError::NotWritable {
                cause: cause("the disk or the size limit is full"),
            },
            false,
            StorageState::Full,
            ConditionKind::STORAGE_FULL,
        ),
        (
            StorageError::NotWritable {
                cause: cause("the file system is read-only"),
            },
            false,
            StorageState::ReadOnly,
            ConditionKind::STORAGE_READ_ONLY,
        ),
    ];
    let world = World::new().await;
    watch(&world.node).await;
    assert_eq!(seen(&world).await.report.state, StorageState::Healthy);
    for (error, of_reads, state, kind) in ways {
        world.storage_faults.begin_outage(error.clone(), of_reads);
        // A change of the traffic itself tells; nobody waits for the next probe.
        let name = ObjectName::new("probe/traffic").unwrap();
        assert!(world.backend.write(&name, vec![1]).await.is_err());
        watch(&world.node).await;
        let now = seen(&world).await;
        assert_eq!(now.report.state, state);
        assert_eq!(now.report.cause, Some(error.to_string()));
        let conditions = open(&world);
        assert_eq!(conditions.len(), 1, "{conditions:?}");
        assert_eq!(conditions[0].0, kind);

        // As long as it lasts it is asked every few seconds and no more often.
        let asked = count(&now, StorageOperation::Write);
        for _ in 0..4 {
            world.clock.advance_seconds(1);
            watch(&world.node).await;
        }
        assert_eq!(count(&seen(&world).await, StorageOperation::Write), asked);
        world.storage_faults.end_outage();
        world.clock.advance_seconds(1);
        watch(&world.node).await;
        assert_eq!(seen(&world).await.report.state, StorageState::Healthy);
        assert!(open(&world).is_empty(), "{state}");
        world.clock.advance_seconds(5);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_with_traffic_is_not_asked_and_an_idle_one_once_a_minute() {
    let world = World::new().await;
    let writes = async || count(&seen(&world).await, StorageOperation::Write);
    watch(&world.node).await;
    let before = writes().await;
    for _ in 0..600 {
        world.clock.advance_seconds(1);
        watch(&world.node).await;
    }
    let probes = writes().await - before;
    assert!((9..=10).contains(&probes), "{probes}");
    let name = ObjectName::new("probe/traffic").unwrap();
    let before = writes().await;
    for _ in 0..600 {
        world.clock.advance_seconds(1);
        world.backend.read(&name).await.unwrap();
        watch(&world.node).await;
    }
    assert_eq!(writes().await, before);
    assert!(seen(&world).await.report.operations[0].p99_micros.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_every_backend_the_probe_leaves_nothing_and_the_room_is_told_where_it_can_be() {
    for kind in VaultKind::ALL {
        let world = World::on(RegistryKind::Sqlite, kind).await;
        world.watched.probe().await.unwrap();
        let left = world.backend.list("probe/", None, 10).await.unwrap();
        assert!(left.is_empty(), "{left:?}");
        let now = seen(&world).await;
        assert_eq!(
            (now.report.backend, now.report.state),
            (kind.name(), StorageState::Healthy)
        );
        assert!(world.watched.space().await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_may_sees_the_storage() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    for by in [
        &clinic.admin,
        &clinic.operator,
        &clinic.auditor,
        &clinic.user,
    ] {
        assert_eq!(code(health(&world.node, by).await), "forbidden");
    }
    let entry = world.last_entry().await.event;
    assert_eq!(entry.action.name(), "storage.read");
    assert_eq!(entry.outcome.name(), "refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_node_tells_what_it_sees_and_what_nobody_sees_any_more_is_cleared() {
    let world = World::new().await;
    let node = &world.node;
    watch(node).await;
    // Another node that does not reach the storage says so of itself.
    let kind = ConditionKind::STORAGE_UNAVAILABLE;
    let theirs = Subject::system("node-2/embedded");
    let words = "it does not answer";
    raise(node, kind.clone(), &theirs, Severity::Critical, words).await;
    for _ in 0..45 {
        world.clock.advance_seconds(60);
        watch(node).await;
    }
    assert!(is_open(node, &kind, &theirs), "this one sees nothing of it");
    let error = StorageError::Unavailable {
        cause: words.to_owned(),
    };
    world.storage_faults.begin_outage(error, true);
    world.clock.advance_seconds(60);
    watch(node).await;
    let own = Subject::system("node-1/embedded");
    assert!(is_open(node, &kind, &own));
    // It is said again every quarter of an hour; what was not for an hour is over.
    for _ in 0..20 {
        world.clock.advance_seconds(60);
        watch(node).await;
    }
    assert!(!is_open(node, &kind, &theirs));
    assert!(is_open(node, &kind, &own));
}
