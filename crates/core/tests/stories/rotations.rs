//! Keys that are rotated by their policies: on time, once, and by nobody who is late.

use std::collections::BTreeSet;

use keyward_core::audit::Outcome;
use keyward_core::error::OpError;
use keyward_core::ids::KeyId;
use keyward_core::names::{KeyName, PolicyName};
use keyward_core::noun::action::Action;
use keyward_core::noun::rotation::{Rotation, RotationOutcome, RotationTrigger};
use keyward_core::noun::state::State;
use keyward_core::ops::condition::{self, ConditionFilter};
use keyward_core::ops::key::{self, LifecycleRequest, NewKey, RotateRequest};
use keyward_core::ops::policy::{self, NewPolicy, PolicyChange};
use keyward_core::ops::rotation::{self, LastRun, RunReport};
use keyward_core::port::lease::{LeaseRole, Leases as _};
use keyward_core::port::registry::{KeyRef, KeyWithVersions, Registry as _, RegistryError};
use keyward_core::port::storage::StorageError;
use keyward_crypto::Algorithm;
use keyward_crypto::algorithm::Family;
use keyward_testkit::faulty::{FORMS, Form, LIES};
use keyward_testkit::world::{Tenancy, World};

use crate::script::code;

const DAY: i64 = 86_400;
const ROLE: LeaseRole = LeaseRole::RotationScheduler;

/// Keys of one tenant under a policy that rotates them each day.
struct Ward<'a> {
    world: &'a World,
    tenancy: Tenancy,
}

impl<'a> Ward<'a> {
    async fn new(world: &'a World) -> Self {
        let tenancy = world.tenant("clinic").await;
        let new = NewPolicy {
            name: PolicyName::new("daily").unwrap(),
            description: String::new(),
            rotation_interval_days: Some(1),
            schedule: None,
            rollback_window_seconds: DAY,
            overlap_seconds: 0,
        };
        let made = policy::create(&world.node, &tenancy.admin, &tenancy.place, new, None);
        made.await.unwrap();
        assert!(rotation::keep_lease(&world.node).await.unwrap());
        Self { world, tenancy }
    }

    async fn key(&self, name: &str) -> KeyId {
        self.key_with(name, |_| {}).await
    }

    async fn key_with(&self, name: &str, edit: impl FnOnce(&mut NewKey)) -> KeyId {
        self.try_key(name, edit).await.unwrap()
    }

    async fn try_key(&self, name: &str, edit: impl FnOnce(&mut NewKey)) -> Result<KeyId, OpError> {
        let mut new = NewKey::named(KeyName::new(name).unwrap());
        new.rotation_policy = Some(PolicyName::new("daily").unwrap());
        new.activate = true;
        edit(&mut new);
        let (node, tenancy) = (&self.world.node, &self.tenancy);
        let made = key::create(node, &tenancy.admin, &tenancy.place, new, None).await;
        made.map(|made| made.value.key.id)
    }

    async fn keys(&self, count: usize) -> Vec<KeyId> {
        let mut keys = Vec::new();
        for number in 0..count {
            keys.push(self.key(&format!("key-{number}")).await);
        }
        keys
    }

    async fn now(&self, key: KeyId) -> KeyWithVersions {
        let key = KeyRef::Id(key);
        let found = self.world.registry.key(self.tenancy.id, &key);
        found.await.unwrap().unwrap()
    }

    async fn versions(&self, key: KeyId) -> usize {
        self.now(key).await.versions.len()
    }

    /// A look at what is due, as the scheduler's task makes it.
    async fn check(&self) -> Option<LastRun> {
        rotation::check(&self.world.node).await.unwrap()
    }

    async fn run(&self, dry_run: bool) -> RunReport {
        let (node, tenancy) = (&self.world.node, &self.tenancy);
        let run = rotation::run(node, &tenancy.admin, &tenancy.place, None, dry_run);
        run.await.unwrap()
    }

    async fn history(&self, key: KeyId) -> Vec<Rotation> {
        let (node, tenancy) = (&self.world.node, &self.tenancy);
        let key = KeyRef::Id(key);
        let page = rotation::history(
            node,
            &tenancy.auditor,
            &tenancy.place,
            (Some(&key), None),
            None,
            None,
        );
        page.await.unwrap().rows
    }

    async fn rotate_by_hand(&self, key: KeyId) {
        let (node, tenancy) = (&self.world.node, &self.tenancy);
        let (key, request) = (KeyRef::Id(key), RotateRequest::default());
        let rotated = key::rotate(node, &tenancy.operator, &tenancy.place, &key, request);
        rotated.await.unwrap();
    }

    async fn interval(&self, days: Option<i32>) {
        let (node, tenancy) = (&self.world.node, &self.tenancy);
        let change = PolicyChange {
            rotation_interval_days: Some(days),
            ..PolicyChange::default()
        };
        let name = PolicyName::new("daily").unwrap();
        let changed = policy::update(node, &tenancy.admin, &tenancy.place, &name, change, None);
        changed.await.unwrap();
    }

    /// Kinds of what is open about the tenant.
    async fn alerts(&self) -> Vec<String> {
        let (node, tenancy) = (&self.world.node, &self.tenancy);
        let filter = ConditionFilter {
            open: Some(true),
            ..ConditionFilter::default()
        };
        let listed =
            condition::list(node, &tenancy.admin, &tenancy.place, &filter, None, None).await;
        let rows = listed.unwrap().rows.into_iter();
        rows.map(|it| it.condition.kind.as_str().to_owned())
            .collect()
    }

    /// Always an old or a new version protects, and it is the only primary.
    async fn assert_sound(&self, key: KeyId) {
        let now = self.now(key).await;
        let primary = now.key.primary_version;
        let primary = now.versions.iter().find(|it| it.version == primary);
        assert_eq!(primary.unwrap().state, State::Active);
        assert_eq!(now.key.latest_version, now.versions.len() as i64);
    }
}

fn rotated(last: Option<LastRun>) -> (usize, usize, usize) {
    let last = last.unwrap();
    (last.rotated, last.failed, last.backlog)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daily_policy_rotates_each_key_each_day_and_says_so() {
    for world in World::on_each_registry().await {
        let ward = Ward::new(&world).await;
        let key = ward.key("phi").await;
        assert!(rotation::is_wanted(&world.node), "it looks at once");
        assert_eq!(rotated(ward.check().await), (0, 0, 0));
        assert!(!rotation::is_wanted(&world.node));
        world.clock.advance_seconds(DAY - 120);
        assert!(rotation::is_wanted(&world.node), "after the interval");
        ward.check().await;
        assert_eq!(ward.versions(key).await, 1);
        // Its time comes before the next look would.
        world.clock.advance_seconds(30);
        assert!(!rotation::is_wanted(&world.node));
        world.clock.advance_seconds(120);
        assert!(rotation::is_wanted(&world.node));
        assert_eq!(rotated(ward.check().await), (1, 0, 0));
        ward.assert_sound(key).await;

        let [done] = ward.history(key).await.try_into().unwrap();
        assert_eq!(
            (done.outcome, done.trigger),
            (RotationOutcome::Done, RotationTrigger::Schedule)
        );
        assert_eq!((done.from_version, done.to_version), (1, Some(2)));
        assert_eq!((done.attempts, done.epoch), (1, Some(1)));
        let first = ward.now(key).await.versions[0].created_at;
        assert_eq!(done.planned_at, first.plus_seconds(DAY));
        // The same operation as by hand, by the server, with the run's correlation id.
        let entries = world.entries().await;
        let entry = entries
            .iter()
            .rfind(|it| it.event.action == Action::KeyRotate)
            .unwrap();
        assert_eq!(entry.event.outcome, Outcome::Ok);
        assert_eq!(entry.event.correlation_id, done.run);
        assert_eq!(entry.event.actor.principal, None);
        assert_eq!(entry.event.details["actor"], "system:scheduler");

        // Undone inside its window, it is not done again for the same date, and is for the next.
        let (node, tenancy) = (&world.node, &ward.tenancy);
        let (key_ref, request) = (KeyRef::Id(key), LifecycleRequest::default());
        let back = key::roll_back(node, &tenancy.operator, &tenancy.place, &key_ref, request);
        back.await.unwrap();
        assert_eq!(rotated(ward.check().await), (0, 0, 0));
        assert_eq!(ward.now(key).await.key.primary_version, 1);
        world.clock.advance_seconds(DAY);
        assert_eq!(rotated(ward.check().await), (1, 0, 0));
        assert_eq!(ward.now(key).await.key.primary_version, 3);
        assert_eq!(ward.history(key).await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_slept_a_week_rotates_once() {
    for world in World::on_each_registry().await {
        let ward = Ward::new(&world).await;
        let key = ward.key("phi").await;
        world.clock.advance_seconds(7 * DAY);
        assert_eq!(rotated(ward.check().await), (1, 0, 0));
        assert_eq!(rotated(ward.check().await), (0, 0, 0));
        assert_eq!(ward.versions(key).await, 2);
        // Its next date is a day after that, not one of the week's.
        world.clock.advance_seconds(DAY - 60);
        ward.check().await;
        assert_eq!(ward.versions(key).await, 2);
        world.clock.advance_seconds(120);
        assert_eq!(rotated(ward.check().await), (1, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_by_hand_and_a_changed_policy_move_the_date() {
    for world in World::on_each_registry().await {
        let ward = Ward::new(&world).await;
        let key = ward.key("phi").await;
        world.clock.advance_seconds(DAY / 2);
        ward.rotate_by_hand(key).await;
        world.clock.advance_seconds(DAY / 2 + 60);
        assert_eq!(rotated(ward.check().await), (0, 0, 0));
        world.clock.advance_seconds(DAY / 2);
        assert_eq!(rotated(ward.check().await), (1, 0, 0));

        // Without an interval no key is ever due; with one again, what is behind is done once.
        ward.interval(None).await;
        assert!(rotation::is_wanted(&world.node), "a policy was changed");
        world.clock.advance_seconds(3 * DAY);
        assert_eq!(rotated(ward.check().await), (0, 0, 0));
        ward.interval(Some(2)).await;
        assert_eq!(rotated(ward.check().await), (1, 0, 0));
        world.clock.advance_seconds(DAY + 60);
        assert_eq!(rotated(ward.check().await), (0, 0, 0));
        assert_eq!(ward.versions(key).await, 4);
        // Nothing to be done, nothing looked through.
        assert_eq!(ward.check().await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_stopped_the_clock_does_not_start() {
    for world in World::on_each_registry().await {
        let ward = Ward::new(&world).await;
        let key = ward.key("suspended").await;
        let pending = ward.key_with("pending", |new| new.activate = false).await;
        let (node, tenancy) = (&world.node, &ward.tenancy);
        let (place, key_ref) = (&tenancy.place, KeyRef::Id(key));
        let request = LifecycleRequest::default;
        let suspended = key::suspend(node, &tenancy.operator, place, &key_ref, request());
        suspended.await.unwrap();
        world.clock.advance_seconds(2 * DAY);
        assert_eq!(rotated(ward.check().await), (0, 0, 0));
        let [policy] = ward.run(true).await.policies.try_into().unwrap();
        let mut why: Vec<_> = policy.skipped.iter().map(|it| (it.key, it.why)).collect();
        why.sort_by_key(|(_, why)| *why);
        let expected = [
            (key, Some("it is suspended")),
            (pending, Some("its primary version is not active yet")),
        ];
        assert_eq!(why, expected);
        let explained = rotation::explain(node, &tenancy.auditor, place, &key_ref).await;
        let explained = explained.unwrap();
        assert!(explained.is_due && explained.hindrance == Some("it is suspended"));

        let resumed = key::resume(node, &tenancy.operator, place, &key_ref, request());
        resumed.await.unwrap();
        assert_eq!(rotated(ward.check().await), (1, 0, 0));
        assert_eq!(
            (ward.versions(key).await, ward.versions(pending).await),
            (2, 1)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_version_lives_as_long_as_the_one_before() {
    let world = World::new().await;
    let ward = Ward::new(&world).await;
    let end = world.node.now().plus_seconds(10 * DAY);
    let key = ward
        .key_with("dated", |new| new.expires_at = Some(end))
        .await;
    world.clock.advance_seconds(DAY + 60);
    assert_eq!(rotated(ward.check().await), (1, 0, 0));
    let versions = ward.now(key).await.versions;
    let (made, end) = (versions[1].created_at, versions[1].expires_at.unwrap());
    assert!((10 * DAY - 1..=10 * DAY).contains(&end.seconds_since(made)));
}

/// Keys whose provider is not here fail for good, and the others do not wait for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_of_ten_that_fails_holds_up_no_other() {
    for world in World::on_each_registry().await {
        let ward = Ward::new(&world).await;
        let keys = ward.keys(10).await;
        let name = "'key-3'";
        world.sql(&format!(
            "UPDATE keys SET provider = 'aws-kms' WHERE name = {name}"
        ));
        world.clock.advance_seconds(DAY + 60);
        assert_eq!(rotated(ward.check().await), (9, 1, 1));
        assert_eq!(ward.alerts().await, ["rotation_failed"]);
        let [failed] = ward.history(keys[3]).await.try_into().unwrap();
        assert_eq!(failed.outcome, RotationOutcome::Failed);
        assert_eq!((failed.retry_at, failed.attempts), (None, 1));
        assert!(failed.error.is_some());
        for (number, key) in keys.iter().enumerate() {
            let expected = if number == 3 { 1 } else { 2 };
            assert_eq!(ward.versions(*key).await, expected, "key-{number}");
        }
        // Trying again would change nothing until the key does, and is not done.
        world.clock.advance_seconds(3_600);
        assert_eq!(rotated(ward.check().await), (0, 0, 1));
        assert_eq!(ward.history(keys[3]).await[0].attempts, 1);
        // Unless somebody says so.
        let [policy] = ward.run(false).await.policies.try_into().unwrap();
        assert_eq!((policy.failed.len(), policy.rotated.len()), (1, 0));
        assert_eq!(ward.history(keys[3]).await[0].attempts, 2);

        world.sql(&format!(
            "UPDATE keys SET provider = 'native', etag = etag + 1 WHERE name = {name}"
        ));
        // Past the registry: no revision tells of it, and a policy that was touched makes it look.
        ward.interval(Some(1)).await;
        assert_eq!(rotated(ward.check().await), (1, 0, 0));
        let [done] = ward.history(keys[3]).await.try_into().unwrap();
        assert_eq!((done.outcome, done.attempts), (RotationOutcome::Done, 3));
        assert_eq!((done.error, done.retry_at), (None, None));
        assert_eq!(ward.alerts().await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_pass_is_tried_again_later_and_later() {
    for world in World::on_each_registry().await {
        let ward = Ward::new(&world).await;
        let key = ward.key("phi").await;
        world.clock.advance_seconds(DAY + 60);
        let away = || StorageError::Unavailable {
            cause: "status 503".to_owned(),
        };
        world.storage_faults.begin_outage(away(), false);
        for attempt in 1..=3_i64 {
            assert_eq!(rotated(ward.check().await), (0, 1, 1));
            let [failed] = ward.history(key).await.try_into().unwrap();
            assert_eq!(failed.error.as_deref(), Some("storage_unavailable"));
            assert_eq!(failed.attempts, attempt);
            let pause = failed.retry_at.unwrap().seconds_since(failed.finished_at);
            let whole = 60 << (attempt - 1);
            assert!((whole / 2..=whole).contains(&pause), "{attempt}: {pause}");
            // Not before its time.
            assert_eq!(rotated(ward.check().await), (0, 0, 1));
            assert_eq!(ward.history(key).await[0].attempts, attempt);
            ward.assert_sound(key).await;
            let quiet = attempt < 3;
            assert_eq!(ward.alerts().await.is_empty(), quiet, "{attempt}");
            world.clock.advance_seconds(pause + 1);
            assert!(rotation::is_wanted(&world.node));
        }
        world.storage_faults.end_outage();
        assert_eq!(rotated(ward.check().await), (1, 0, 0));
        assert_eq!(ward.versions(key).await, 2);
        assert_eq!(ward.alerts().await, Vec::<String>::new());
    }
}

/// Every change of the storage in a rotation fails in each form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_step_leaves_the_old_or_the_new_version_and_is_made_good() {
    for world in World::on_each_registry().await {
        let ward = Ward::new(&world).await;
        let key = ward.key("phi").await;
        let mut expected = 1;
        for form in FORMS {
            let mut sound = 0;
            loop {
                world.clock.advance_seconds(DAY + 60);
                world.storage_faults.fail_after(sound, form);
                ward.check().await;
                let was_planned = world.storage_faults.mend();
                ward.assert_sound(key).await;
                // Whatever happened: the next looks make it good, once.
                world.clock.advance_seconds(61);
                ward.check().await;
                ward.assert_sound(key).await;
                expected += 1;
                assert_eq!(ward.versions(key).await, expected, "{form:?} after {sound}");
                if was_planned {
                    break;
                }
                sound += 1;
            }
        }
        let history = ward.history(key).await;
        assert_eq!(history.len(), expected - 1);
        for row in &history {
            assert_eq!(row.outcome, RotationOutcome::Done);
        }
    }
}

/// A disk that lies: it says that it wrote the new version, and wrote nothing, or something else. Nothing is promoted,
/// nothing is left, and the next try is another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_fails_its_trial_is_not_promoted_and_leaves_nothing() {
    for world in World::on_each_registry().await {
        let ward = Ward::new(&world).await;
        let key = ward.key("phi").await;
        let before = world.stored_objects().await;
        let (node, tenancy) = (&world.node, &ward.tenancy);
        for form in LIES {
            world.storage_faults.fail_after(0, form);
            let (place, request) = (KeyRef::Id(key), RotateRequest::default());
            let refused = key::rotate(node, &tenancy.operator, &tenancy.place, &place, request);
            assert_eq!(code(refused.await), "canary_failed", "{form:?}");
            assert!(world.storage_faults.mend());
            assert_eq!(ward.versions(key).await, 1);
            assert_eq!(world.stored_objects().await, before, "{form:?}");
            ward.assert_sound(key).await;
        }
        // What cannot be read at all says nothing of the version: tried again, and nothing promoted meanwhile.
        world.storage_faults.fail_after(0, Form::Unread);
        let (place, request) = (KeyRef::Id(key), RotateRequest::default());
        let refused = key::rotate(node, &tenancy.operator, &tenancy.place, &place, request);
        assert_eq!(code(refused.await), "storage_unavailable");
        world.storage_faults.mend();
        assert_eq!(world.stored_objects().await, before);

        // The scheduler's is recorded, an alert at once, and made good by the next try.
        world.clock.advance_seconds(DAY + 60);
        world.storage_faults.fail_after(0, Form::Altered);
        assert_eq!(rotated(ward.check().await), (0, 1, 1));
        let [failed] = ward.history(key).await.try_into().unwrap();
        assert_eq!(failed.error.as_deref(), Some("canary_failed"));
        assert_eq!(ward.alerts().await, ["rotation_failed"]);
        world.clock.advance_seconds(61);
        assert_eq!(rotated(ward.check().await), (1, 0, 0));
        assert_eq!(ward.alerts().await, [""; 0]);
        assert_eq!(ward.versions(key).await, 2);
        let entries = world.entries().await;
        let done = entries
            .iter()
            .rfind(|it| it.event.action == Action::KeyRotate && it.event.outcome == Outcome::Ok);
        assert_eq!(done.unwrap().event.details["trial"], "encrypt, decrypt");
    }
}

/// Every algorithm, with all its usages and with each alone, has a trial that a sound version passes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sound_version_of_any_key_passes_its_trial() {
    let world = World::new().await;
    let ward = Ward::new(&world).await;
    let mut trials = BTreeSet::new();
    for algorithm in Algorithm::ALL.iter().copied() {
        // RSA keys take seconds; one of them is enough.
        let info = algorithm.info();
        if info.family == Family::Rsa && info.size_bits > 2_048 {
            continue;
        }
        let all = info.usages.iter().collect::<Vec<_>>();
        let alone = all.iter().map(|usage| vec![*usage]);
        let sets = match info.family {
            Family::Rsa => vec![all.clone()],
            _ => [all.clone()].into_iter().chain(alone).collect(),
        };
        for (number, usages) in sets.into_iter().enumerate() {
            let named = format!("{}-{number}", algorithm.name()).replace(' ', "-");
            let made = ward.try_key(&named, |new| {
                new.algorithm = algorithm;
                new.usages = Some(usages.iter().copied().collect());
            });
            // Not every usage may be alone.
            let Ok(key) = made.await else { continue };
            ward.rotate_by_hand(key).await;
            assert_eq!(ward.versions(key).await, 2, "{named}");
        }
    }
    for entry in world.entries().await {
        if let Some(trial) = entry.event.details.get("trial") {
            trials.insert(trial.as_str().unwrap().to_owned());
        }
    }
    for trial in [
        "encrypt, decrypt",
        "encrypt",
        "sign, verify",
        "sign",
        "mac, verify_mac",
        "mac",
        "wrap, unwrap",
        "wrap",
        "data_key",
        "encapsulate, decapsulate",
        "encapsulate",
        "derive",
        "read",
    ] {
        assert!(trials.contains(trial), "{trial} not among {trials:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_the_lease_rotates_nothing() {
    for world in World::on_each_registry().await {
        let ward = Ward::new(&world).await;
        let keys = ward.keys(5).await;
        world.clock.advance_seconds(DAY + 60);
        // It stands still for long, and another takes the role meanwhile.
        let held = world.registry.lease(ROLE).await.unwrap().unwrap();
        assert!(held.fence.holder.starts_with("node-1/"));
        assert!(world.registry.release_lease(&held.fence).await.unwrap());
        let other = world.registry.take_lease(ROLE, "node-2/x", 3_600).await;
        let other = other.unwrap().unwrap().fence;
        let refused = rotation::check(&world.node).await.unwrap_err();
        assert!(
            matches!(
                refused,
                OpError::Registry(RegistryError::Fenced { role: ROLE })
            ),
            "{refused:?}"
        );
        for key in &keys {
            assert_eq!(ward.versions(*key).await, 1);
            assert_eq!(ward.history(*key).await, []);
        }
        assert!(!rotation::keep_lease(&world.node).await.unwrap());
        assert_eq!(ward.check().await, None);
        // Somebody who says so by hand needs no role.
        let [policy] = ward.run(false).await.policies.try_into().unwrap();
        assert_eq!(policy.rotated.len(), 5);

        assert!(world.registry.release_lease(&other).await.unwrap());
        assert!(rotation::keep_lease(&world.node).await.unwrap());
        assert_eq!(rotated(ward.check().await), (0, 0, 0));
        rotation::release_lease(&world.node).await.unwrap();
        assert!(world.registry.lease(ROLE).await.unwrap().unwrap().is_over);
    }
}

/// A node that cannot act leaves the role to others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_node_gives_the_lease_up() {
    let world = World::new().await;
    let ward = Ward::new(&world).await;
    world.clock.advance_seconds(DAY);
    world.seal(true);
    assert!(!rotation::keep_lease(&world.node).await.unwrap());
    assert!(world.registry.lease(ROLE).await.unwrap().unwrap().is_over);
    world.seal(false);
    assert!(rotation::keep_lease(&world.node).await.unwrap());
    ward.check().await.unwrap();
}

/// The scheduler and people who say "now" at the same time: each key once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scheduler_and_runs_by_hand_beside_it_rotate_each_key_once() {
    for world in World::on_each_registry().await {
        let ward = Ward::new(&world).await;
        let keys = ward.keys(24).await;
        world.clock.advance_seconds(DAY + 60);
        let (one, two, three) = (ward.check(), ward.run(false), ward.run(false));
        let (one, two, three) = Box::pin(futures_util::future::join3(one, two, three)).await;
        let by_hand = [two, three];
        let by_hand = by_hand.iter().flat_map(|run| &run.policies);
        let by_hand: usize = by_hand.map(|policy| policy.rotated.len()).sum();
        assert_eq!(one.unwrap().rotated + by_hand, 24);
        for key in &keys {
            assert_eq!(ward.versions(*key).await, 2);
            assert_eq!(ward.history(*key).await.len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_by_hand_is_one_persons_and_says_what_it_did() {
    let world = World::new().await;
    let ward = Ward::new(&world).await;
    let key = ward.key("phi").await;
    world.clock.advance_seconds(DAY + 60);
    let (node, tenancy) = (&world.node, &ward.tenancy);
    for who in [&tenancy.operator, &tenancy.user, &tenancy.auditor] {
        let refused = rotation::run(node, who, &tenancy.place, None, false).await;
        assert_eq!(code(refused), "forbidden");
    }
    let none = PolicyName::new("none").unwrap();
    let none = rotation::run(node, &tenancy.admin, &tenancy.place, Some(&none), false).await;
    assert_eq!(code(none), "not_found");
    assert_eq!(
        code(rotation::status(node, &tenancy.admin).await),
        "forbidden"
    );

    // A dry run changes nothing, and who may look may have it.
    let dry = rotation::run(node, &tenancy.auditor, &tenancy.place, None, true).await;
    let [policy] = dry.unwrap().policies.try_into().unwrap();
    assert_eq!((policy.due.len(), policy.rotated.len()), (1, 0));
    assert_eq!(ward.versions(key).await, 1);

    let report = ward.run(false).await;
    let [policy] = report.policies.try_into().unwrap();
    let [done] = policy.rotated.try_into().unwrap();
    let row = done.rotation.unwrap();
    assert_eq!((row.trigger, row.epoch), (RotationTrigger::Run, None));
    assert_eq!(row.run, report.run);
    let entries = world.entries().await;
    let of_run: Vec<_> = entries
        .iter()
        .filter(|it| it.event.correlation_id == report.run)
        .filter(|it| it.event.outcome == Outcome::Ok)
        .map(|it| (it.event.action, it.event.actor.principal))
        .filter(|(action, _)| matches!(action, Action::RotationRun | Action::KeyRotate))
        .collect();
    let by = tenancy.admin.principal();
    assert!(of_run.contains(&(Action::RotationRun, by)), "{of_run:?}");
    assert!(of_run.contains(&(Action::KeyRotate, None)), "{of_run:?}");
    let status = rotation::status(node, world.root()).await.unwrap();
    assert!(status.enabled && status.is_active);
    assert_eq!(status.totals.rotated, 1);
}

/// More than a run does is done by the next one, at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_is_read_page_by_page() {
    let world = World::new().await;
    let ward = Ward::new(&world).await;
    let keys = ward.keys(3).await;
    for _ in 0..2 {
        world.clock.advance_seconds(DAY + 60);
        assert_eq!(rotated(ward.check().await), (3, 0, 0));
    }
    let (node, tenancy) = (&world.node, &ward.tenancy);
    let daily = PolicyName::new("daily").unwrap();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = rotation::history(
            node,
            &tenancy.auditor,
            &tenancy.place,
            (None, Some(&daily)),
            before,
            Some(4),
        );
        let page = page.await.unwrap();
        seen.extend(page.rows);
        before = seen.last().map(|row: &Rotation| row.id);
        if !page.more {
            break;
        }
    }
    assert_eq!(seen.len(), 6);
    assert!(seen.is_sorted_by(|one, other| one.id > other.id));
    for key in keys {
        assert_eq!(seen.iter().filter(|row| row.key == key).count(), 2);
    }
    // Another tenant sees nothing of it, and nothing that it could name.
    let other = world.tenant("other").await;
    let history = |by| rotation::history(node, by, &other.place, (None, None), None, None);
    assert_eq!(history(&other.auditor).await.unwrap().rows, []);
    assert_eq!(code(history(&tenancy.auditor).await), "not_found");
}

/// Nobody looked for long, by the database's time; and when somebody looks again it is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_looking_is_a_condition() {
    for world in World::on_each_registry().await {
        let ward = Ward::new(&world).await;
        ward.check().await.unwrap();
        assert!(rotation::keep_lease(&world.node).await.unwrap());
        assert_eq!(
            crate::backups::open_alerts(&world).await,
            Vec::<String>::new()
        );
        let then = if world.is_postgres() {
            "now() - interval '1 hour'"
        } else {
            "CAST(unixepoch() AS INTEGER) * 1000000 - 3600000000"
        };
        world.sql(&format!(
            "UPDATE leases SET taken_at = {then}, worked_at = {then}"
        ));
        rotation::keep_lease(&world.node).await.unwrap();
        assert_eq!(
            crate::backups::open_alerts(&world).await,
            ["rotation_behind"]
        );
        world.clock.advance_seconds(61);
        rotation::check(&world.node).await.unwrap();
        rotation::keep_lease(&world.node).await.unwrap();
        assert_eq!(
            crate::backups::open_alerts(&world).await,
            Vec::<String>::new()
        );
    }
}
