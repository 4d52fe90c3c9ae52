//! Drills on real parts: what a good one opens, what a damaged backup is called, when none was made for
//! too long; and that nothing of the throw-away instance is left.

use keyward_core::audit::Outcome;
use keyward_core::noun::action::Action;
use keyward_core::noun::drill::{Drill, DrillState};
use keyward_core::ops::{backup, drill, kek};
use keyward_core::port::registry::Registry;
use keyward_core::port::seal::SealControl;
use keyward_core::port::storage::{ObjectName, StorageBackend};
use keyward_testkit::world::World;

use crate::backups::{made, open_alerts, opens, used};
use crate::script::code;

const DAY: i64 = 86_400;

pub async fn drilled(world: &World) -> Drill {
    let ordered = drill::order(&world.node, world.root(), None, None).await;
    let id = ordered.unwrap().value.id;
    assert!(drill::work(&world.node).await.unwrap());
    let drills = drill::list(&world.node, world.root(), None).await.unwrap();
    let found = drills.into_iter().find(|drill| drill.id == id).unwrap();
    let left: Vec<_> = std::fs::read_dir(world.directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name == "drill")
        .collect();
    assert!(left.is_empty(), "the instance is gone");
    found
}

/// The first line of the report beside the backups.
async fn report(world: &World, drill: &Drill) -> serde_json::Value {
    let name = ObjectName::new(&format!("drills/{}", drill.id)).unwrap();
    let filed = world.backup_faults.read(&name).await.unwrap().unwrap();
    let text = String::from_utf8(filed).unwrap();
    let mut lines = text.lines();
    let first = serde_json::from_str(lines.next().unwrap()).unwrap();
    let key = backup::public_key(&world.node, world.root()).await.unwrap();
    let (_, by) = lines.next().unwrap().split_once(' ').unwrap();
    assert_eq!(by, key, "signed by the key that signs backups");
    first
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_drill_restores_the_newest_backup_and_opens_a_record_under_every_key() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let (key, text) = used(&world, &clinic, "before").await;
        made(&world).await;
        // The older key-encryption key keeps its records; the newer one comes in a segment.
        kek::rotate(&world.node, world.root(), &clinic.place, None)
            .await
            .unwrap();
        used(&world, &clinic, "after").await;
        assert!(backup::segment(&world.node).await.unwrap());
        let (before, objects) = (
            world.holds().await.header.revision,
            world.stored_objects().await,
        );

        let drill = drilled(&world).await;
        assert_eq!(drill.problem, None);
        assert_eq!((drill.state, drill.segments), (DrillState::Passed, 1));
        // The system's, and both of the clinic's; of each of them a record.
        assert_eq!((drill.keks_opened, drill.records_opened), (3, 3));
        assert!(drill.rows_seen > 0 && drill.records_seen > 0);
        let filed = report(&world, &drill).await;
        assert_eq!(filed["passed"], true);
        assert_eq!(filed["unsealed_by"], "seal");
        assert_eq!(filed["revision"], drill.revision.unwrap());

        // Of what is live, nothing changed but what is said of the drill.
        let changes = world.registry.changes_after(before, 100).await.unwrap();
        let ours =
            |change: &keyward_core::change::Change| change.event.action == Action::BackupDrill;
        assert!(changes.len() == 2 && changes.iter().all(ours));
        assert_eq!(world.stored_objects().await, objects);
        assert_eq!(opens(&world, &clinic, &key, &text).await, "before");
        assert_eq!(open_alerts(&world).await, Vec::<String>::new());

        // A full backup by its id, alone.
        let full = made(&world).await;
        let (node, root) = (&world.node, world.root());
        let ordered = drill::order(node, root, Some(full.id), None).await.unwrap();
        let again = drill::order(node, root, None, None).await.unwrap();
        assert_eq!(ordered.value, again.value, "one at a time");
        assert!(drill::work(node).await.unwrap());
        let drills = drill::list(node, root, None).await.unwrap();
        let mut drills = drills.into_iter();
        let alone = drills.find(|it| it.id == ordered.value.id).unwrap();
        assert_eq!(alone.backup, Some(full.id));
        assert_eq!((alone.segments, alone.problem), (0, None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_drill_of_a_backup_with_a_damaged_part_fails_and_names_it() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    used(&world, &clinic, "notes").await;
    let full = made(&world).await;
    let part = ObjectName::new(&format!("{}/000001-registry.age", full.id)).unwrap();
    let sound = world.backup_faults.read(&part).await.unwrap().unwrap();
    let mut altered = sound.clone();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    world.backup_faults.write(&part, altered).await.unwrap();

    let drill = drilled(&world).await;
    assert_eq!(drill.state, DrillState::Failed);
    let problem = drill.problem.clone().unwrap();
    assert!(problem.contains("000001-registry.age"), "{problem}");
    assert_eq!(report(&world, &drill).await["passed"], false);
    assert_eq!(open_alerts(&world).await, ["drill_failed"]);
    let entries = world.entries().await.into_iter().rev();
    let mut told = entries.filter(|it| it.event.action == Action::BackupDrill);
    let told = told.next().unwrap().event;
    assert_eq!(
        (told.outcome, told.reason),
        (Outcome::Failed, Some(problem))
    );

    world.backup_faults.write(&part, sound).await.unwrap();
    assert_eq!(drilled(&world).await.state, DrillState::Passed);
    assert_eq!(open_alerts(&world).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_that_is_late_is_an_alert_also_after_a_restart_until_one_passes() {
    let world = World::new().await;
    // Before the first backup there is nothing to try.
    assert!(!drill::order_if_due(&world.node, DAY / 4).await.unwrap());
    made(&world).await;
    assert!(drill::order_if_due(&world.node, DAY / 4).await.unwrap());
    assert!(!drill::order_if_due(&world.node, DAY / 4).await.unwrap());
    assert!(drill::work(&world.node).await.unwrap());
    assert!(!drill::work(&world.node).await.unwrap());
    assert!(!drill::order_if_due(&world.node, DAY / 4).await.unwrap());
    assert_eq!(open_alerts(&world).await, Vec::<String>::new());

    world.clock.advance_seconds(DAY / 2 + 60);
    let world = world.restart().await;
    assert!(drill::order_if_due(&world.node, DAY / 4).await.unwrap());
    assert_eq!(open_alerts(&world).await, ["drill_late"]);
    // A sealed server makes none, and says nothing else.
    world.vault.seal();
    assert!(!drill::work(&world.node).await.unwrap());
    world.vault.unseal_automatically().await.unwrap();
    assert!(drill::work(&world.node).await.unwrap());
    assert_eq!(open_alerts(&world).await, Vec::<String>::new());
}

#[tokio::test]
async fn only_who_may_orders_and_sees_drills() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let node = &world.node;
    for caller in [&clinic.admin, &clinic.operator, &clinic.auditor] {
        let ordered = drill::order(node, caller, None, None).await;
        assert_eq!(code(ordered), "forbidden");
        assert_eq!(code(drill::list(node, caller, None).await), "forbidden");
    }
    let nothing = drill::order(node, world.root(), Some(uuid::Uuid::nil()), None).await;
    assert_eq!(code(nothing), "not_found");
}
