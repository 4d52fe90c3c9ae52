//! Continuous backups: what was answered is in the place of backups, whatever becomes of the place
//! meanwhile.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::Either;
use keyward_backup::Chain;
use keyward_core::audit::class::EntryClass;
use keyward_core::caller::{Changed, Idempotency};
use keyward_core::error::OpError;
use keyward_core::names::KeyName;
use keyward_core::node::Node;
use keyward_core::noun::tenant::Digest;
use keyward_core::ops::audit_rules;
use keyward_core::ops::backup::{self, Continuous, OnFailure, continuous};
use keyward_core::ops::key::{self, LifecycleRequest, NewKey, RotateRequest};
use keyward_core::port::registry::{KeyRef, KeyWithVersions, Registry};
use keyward_core::port::storage::StorageError;
use keyward_testkit::world::{RegistryKind, Tenancy, World};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::backups::{elsewhere, open_alerts, opens, used};

const REFUSE: Continuous = Continuous {
    on_failure: OnFailure::Refuse,
    segments_max: 1_000,
};

/// Whoever makes segments and backups, until it is dropped; gives up after so many failures.
struct Maker {
    task: JoinHandle<()>,
    gave_up: Arc<Notify>,
}

impl Maker {
    fn begin(node: &Arc<Node>) -> Self {
        continuous::begin(node);
        let node = node.clone();
        let gave_up = Arc::new(Notify::new());
        let tell = gave_up.clone();
        let task = tokio::spawn(async move {
            loop {
                continuous::wanted(&node).await;
                let mut failures = 0;
                while continuous::cover(&node).await.is_err() {
                    // The first one is ordered by whoever waits, and made here.
                    if !backup::work(&node).await.unwrap_or(false) {
                        failures += 1;
                    }
                    if failures == 3 {
                        continuous::give_up(&node).await;
                        break;
                    }
                }
                let _ = backup::work(&node).await;
                if failures == 3 {
                    tell.notify_one();
                }
            }
        });
        Self { task, gave_up }
    }

    /// Until it gave up and said so: whoever waits for a segment is answered before the alert is
    /// written.
    async fn has_given_up(&self) {
        self.gave_up.notified().await;
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn rotate(
    world: &World,
    clinic: &Tenancy,
    key: &KeyRef,
) -> Result<Changed<KeyWithVersions>, OpError> {
    let request = RotateRequest::default();
    key::rotate(&world.node, &clinic.operator, &clinic.place, key, request).await
}

/// Up to which revision the place leads.
async fn held(world: &World) -> i64 {
    let chain = Chain::find(&world.backups, None, None).await.unwrap();
    let last = chain.segments.last().copied().unwrap_or(chain.full);
    let verified = world.verified(last, None).await;
    assert_eq!(verified.findings, []);
    verified.signed.unwrap().manifest.revision
}

async fn restored(world: &World) -> World {
    let chain = Chain::find(&world.backups, None, None).await.unwrap();
    let full = world.verified(chain.full, None).await;
    let mut behind = Vec::new();
    for id in &chain.segments {
        behind.push(world.verified(*id, None).await);
    }
    let (registry, vault) = elsewhere(world);
    let blank = world.blank(registry, vault).await;
    let done = world.restore_to(&full, &behind, None, &blank, false, false);
    done.await.unwrap();
    world.on_restored(blank).await
}

fn away() -> StorageError {
    StorageError::NotWritable {
        cause: "the disk is full".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_what_is_answered_is_in_the_place_and_one_segment_answers_many() {
    for kind in [RegistryKind::Sqlite, RegistryKind::Postgres] {
        let world = World::continuous(kind, REFUSE).await;
        let _maker = Maker::begin(&world.node);
        let clinic = world.tenant("clinic").await;
        let (notes, text) = used(&world, &clinic, "notes").await;
        for _ in 0..3 {
            let done = rotate(&world, &clinic, &notes).await.unwrap();
            assert!(held(&world).await >= done.revision);
        }
        let before = world.backups.list().await.unwrap().segments.len();
        let mut keys = Vec::new();
        for number in 0..24 {
            keys.push(used(&world, &clinic, &format!("key-{number}")).await.0);
        }
        let singly = world.backups.list().await.unwrap().segments.len() - before;
        let many = keys.iter().map(|key| rotate(&world, &clinic, key));
        for done in futures_util::future::join_all(many).await {
            done.unwrap();
        }
        let together = world.backups.list().await.unwrap().segments.len() - before - singly;
        assert!(singly >= 24, "{singly}");
        assert!(together <= 12, "{together} segments for 24 changes at once");

        let other = restored(&world).await;
        assert_eq!(opens(&other, &clinic, &notes, &text).await, "notes");
        for key in &keys {
            let found = key::read(&other.node, &clinic.operator, &clinic.place, key).await;
            assert_eq!(found.unwrap().versions.len(), 2);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_place_fails_changes_are_refused_and_what_takes_away_is_done() {
    let world = World::continuous(RegistryKind::Sqlite, REFUSE).await;
    let maker = Maker::begin(&world.node);
    let clinic = world.tenant("clinic").await;
    let (notes, text) = used(&world, &clinic, "notes").await;
    let (other, _) = used(&world, &clinic, "other").await;

    world.backup_faults.begin_outage(away(), false);
    let idempotency = Idempotency {
        key: "once".to_owned(),
        digest: Digest([7; 32]),
    };
    let new = || NewKey {
        activate: true,
        ..NewKey::named(KeyName::new("late").unwrap())
    };
    let make = || {
        let remembered = Some(&idempotency);
        key::create(&world.node, &clinic.admin, &clinic.place, new(), remembered)
    };
    let refused = make().await.unwrap_err();
    assert_eq!(refused.code().as_str(), "not_in_backup", "{refused}");
    assert!(
        refused.to_string().contains("the disk is full"),
        "{refused}"
    );
    maker.has_given_up().await;
    assert_eq!(open_alerts(&world).await, ["backup_behind"]);
    // It is known by now: nothing is begun.
    let revision = world.registry.revision().await.unwrap();
    let refused = rotate(&world, &clinic, &notes).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "backup_unavailable", "{refused}");
    assert_eq!(world.registry.revision().await.unwrap(), revision);
    // Keys are used all the same, and a stop is a stop.
    assert_eq!(opens(&world, &clinic, &notes, &text).await, "notes");
    let request = LifecycleRequest::default();
    let done = key::suspend(
        &world.node,
        &clinic.operator,
        &clinic.place,
        &other,
        request,
    );
    assert_eq!(done.await.unwrap_err().code().as_str(), "not_in_backup");
    assert!(world.registry.revision().await.unwrap() > revision);
    // So is what is to be kept: it is answered that no backup has it, and it holds.
    let (node, admin, place) = (&world.node, &clinic.admin, &clinic.place);
    let (name, why) = ("case-7".to_owned(), "court".to_owned());
    let placed = audit_rules::place(node, admin, place, name, why).await;
    assert_eq!(placed.unwrap_err().code().as_str(), "not_in_backup");
    let holds = audit_rules::holds(node, admin, place, None, None).await;
    assert_eq!(holds.unwrap().rows.len(), 1);
    let longer = vec![(EntryClass::Uses, 3000)];
    let set = audit_rules::set(node, admin, place, longer, None).await;
    assert_eq!(set.unwrap_err().code().as_str(), "not_in_backup");
    let kept = audit_rules::show(node, admin, place).await.unwrap();
    assert_eq!(kept.days.uses, 3000);

    world.backup_faults.end_outage();
    // The maker tries again when somebody waits: who repeats the request hears that it was made.
    continuous::cover(&world.node).await.unwrap();
    let made = make().await.unwrap();
    assert_eq!(made.value.key.name.as_str(), "late");
    assert_eq!(open_alerts(&world).await, Vec::<String>::new());
    rotate(&world, &clinic, &notes).await.unwrap();
    let other_world = restored(&world).await;
    let late = KeyRef::Name(KeyName::new("late").unwrap());
    let found = key::read(&other_world.node, &clinic.operator, &clinic.place, &late).await;
    found.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn degraded_changes_go_on_and_an_alert_says_so() {
    let how = Continuous {
        on_failure: OnFailure::Degrade,
        ..REFUSE
    };
    let world = World::continuous(RegistryKind::Sqlite, how).await;
    let maker = Maker::begin(&world.node);
    let clinic = world.tenant("clinic").await;
    let (notes, _) = used(&world, &clinic, "notes").await;
    world.backup_faults.begin_outage(away(), true);
    rotate(&world, &clinic, &notes).await.unwrap();
    let last = rotate(&world, &clinic, &notes).await.unwrap();
    maker.has_given_up().await;
    assert_eq!(open_alerts(&world).await, ["backup_behind"]);
    world.backup_faults.end_outage();
    continuous::cover(&world.node).await.unwrap();
    assert_eq!(open_alerts(&world).await, Vec::<String>::new());
    assert!(held(&world).await >= last.revision);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_hangs_is_given_up_and_every_segment_after_a_doubtful_one_leads_on() {
    use keyward_testkit::faulty::FORMS;
    let world = World::continuous(RegistryKind::Sqlite, REFUSE).await;
    let maker = Maker::begin(&world.node);
    let clinic = world.tenant("clinic").await;
    let (notes, text) = used(&world, &clinic, "notes").await;
    // Every write of a segment, in each form: done or not, it is answered in the end, without a gap.
    for form in FORMS {
        for step in 0..3 {
            world.backup_faults.fail_after(step, form);
            let done = rotate(&world, &clinic, &notes).await.unwrap();
            assert!(held(&world).await >= done.revision, "{form:?} at {step}");
            world.backup_faults.mend();
        }
    }
    drop(maker);
    world.backup_faults.fall_silent();
    let mut waiting = Box::pin(rotate(&world, &clinic, &notes));
    let wanted = Box::pin(continuous::wanted(&world.node));
    let first = futures_util::future::select(&mut waiting, wanted).await;
    assert!(matches!(first, Either::Right(_)), "it waits for a segment");
    let covering = continuous::cover(&world.node);
    let both = futures_util::future::join(
        tokio::time::timeout(Duration::from_millis(200), covering),
        tokio::time::timeout(Duration::from_millis(200), &mut waiting),
    );
    let (covered, answered) = both.await;
    assert!(covered.is_err() && answered.is_err(), "nothing is answered");
    continuous::give_up(&world.node).await;
    let refused = waiting.await.unwrap_err();
    assert_eq!(refused.code().as_str(), "not_in_backup");
    assert_eq!(open_alerts(&world).await, ["backup_behind"]);
    assert_eq!(opens(&world, &clinic, &notes, &text).await, "notes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_so_many_segments_a_full_backup_is_made() {
    let how = Continuous {
        segments_max: 10,
        ..REFUSE
    };
    let world = World::continuous(RegistryKind::Sqlite, how).await;
    let _maker = Maker::begin(&world.node);
    let clinic = world.tenant("clinic").await;
    let (notes, _) = used(&world, &clinic, "notes").await;
    // The first is of the beginning. Each takes as long as the machine needs; meanwhile there are more segments.
    let mut rotations = 0;
    while world.backups.list().await.unwrap().complete.len() < 3 {
        rotate(&world, &clinic, &notes).await.unwrap();
        rotations += 1;
        assert!(rotations < 2000, "no third full backup");
    }
}
