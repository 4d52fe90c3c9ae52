//! Policies with a calendar, stopped and resumed, and what they foretell.

use keyward_core::audit::Outcome;
use keyward_core::error::OpError;
use keyward_core::ids::KeyId;
use keyward_core::names::{DataClass, KeyName, PolicyName};
use keyward_core::noun::action::Action;
use keyward_core::noun::condition::{ConditionKind, Severity};
use keyward_core::noun::policy::{Policy, PolicyStatus};
use keyward_core::noun::rotation::{RotationOutcome, RotationTrigger};
use keyward_core::ops::condition::{self, ConditionFilter};
use keyward_core::ops::key::{self, KeyChange, LifecycleRequest, NewKey};
use keyward_core::ops::policy::{self, NewPolicy, PolicyChange};
use keyward_core::ops::rotation::{self, PolicyStanding, RunReport};
use keyward_core::port::registry::{KeyRef, Registry as _};
use keyward_core::rotation::{Moved, Schedule};
use keyward_core::time::Timestamp;
use keyward_testkit::faulty::Form;
use keyward_testkit::world::{Tenancy, World};
use serde_json::{Value, json};

use crate::script::code;

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

fn schedule(of: Value) -> Schedule {
    serde_json::from_value(of).unwrap()
}

fn daily_at_two() -> Value {
    json!({"trigger": {"every": {"period": "P1D", "at": "02:00"}}})
}

fn name(text: &str) -> PolicyName {
    PolicyName::new(text).unwrap()
}

/// A tenant with a policy that has a calendar.
struct Clinic<'a> {
    world: &'a World,
    tenancy: Tenancy,
}

impl<'a> Clinic<'a> {
    async fn new(world: &'a World, calendar: Value) -> Self {
        let tenancy = world.tenant("clinic").await;
        let clinic = Self { world, tenancy };
        clinic.policy("phi", calendar).await.unwrap();
        assert!(rotation::keep_lease(&world.node).await.unwrap());
        clinic
    }

    async fn policy(&self, named: &str, calendar: Value) -> Result<Policy, OpError> {
        let new = NewPolicy {
            name: name(named),
            description: String::new(),
            rotation_interval_days: None,
            schedule: Some(schedule(calendar)),
            rollback_window_seconds: DAY,
            overlap_seconds: 0,
        };
        let Tenancy { admin, place, .. } = &self.tenancy;
        let made = policy::create(&self.world.node, admin, place, new, None).await;
        made.map(|made| made.value)
    }

    async fn key(&self, named: &str) -> KeyId {
        let mut new = NewKey::named(KeyName::new(named).unwrap());
        new.rotation_policy = Some(name("phi"));
        new.data_class = Some(DataClass::new("PHI_DATA").unwrap());
        new.activate = true;
        let Tenancy { admin, place, .. } = &self.tenancy;
        let made = key::create(&self.world.node, admin, place, new, None).await;
        made.unwrap().value.key.id
    }

    async fn change(&self, change: PolicyChange) -> Result<Policy, OpError> {
        let Tenancy { admin, place, .. } = &self.tenancy;
        let changed =
            policy::update(&self.world.node, admin, place, &name("phi"), change, None).await;
        changed.map(|changed| changed.value)
    }

    async fn set_status(&self, status: PolicyStatus) -> Result<Policy, OpError> {
        self.change(PolicyChange {
            status: Some(status),
            reason: Some("the ward moves".to_owned()),
            ..PolicyChange::default()
        })
        .await
    }

    async fn calendar(&self, calendar: Value) -> Result<Policy, OpError> {
        self.change(PolicyChange {
            schedule: Some(Some(schedule(calendar))),
            ..PolicyChange::default()
        })
        .await
    }

    async fn versions(&self, key: KeyId) -> usize {
        let key = KeyRef::Id(key);
        let found = self.world.registry.key(self.tenancy.id, &key);
        found.await.unwrap().unwrap().versions.len()
    }

    /// Rotated by a look of the scheduler.
    async fn check(&self) -> usize {
        let last = rotation::check(&self.world.node).await.unwrap();
        last.map_or(0, |last| last.rotated)
    }

    async fn run(&self, dry_run: bool) -> RunReport {
        let Tenancy { admin, place, .. } = &self.tenancy;
        let run = rotation::run(&self.world.node, admin, place, None, dry_run).await;
        run.unwrap()
    }

    async fn explain(&self, key: KeyId) -> rotation::Explanation {
        let Tenancy { auditor, place, .. } = &self.tenancy;
        let told = rotation::explain(&self.world.node, auditor, place, &KeyRef::Id(key)).await;
        told.unwrap()
    }

    async fn preview(&self, count: usize) -> rotation::Preview {
        let Tenancy { auditor, place, .. } = &self.tenancy;
        let (node, named) = (&self.world.node, name("phi"));
        let told = rotation::preview(node, auditor, place, &named, Some(count)).await;
        told.unwrap()
    }

    async fn alerts(&self) -> Vec<String> {
        let filter = ConditionFilter {
            open: Some(true),
            ..ConditionFilter::default()
        };
        let Tenancy { admin, place, .. } = &self.tenancy;
        let listed = condition::list(&self.world.node, admin, place, &filter, None, None).await;
        let rows = listed.unwrap().rows.into_iter();
        rows.map(|it| it.condition.kind.as_str().to_owned())
            .collect()
    }
}

/// The first instant after this one at this hour, UTC.
fn next_at(now: Timestamp, hour: i64) -> Timestamp {
    let day = now.as_micros().div_euclid(DAY * 1_000_000) * DAY;
    let today = Timestamp::from_micros((day + hour * HOUR) * 1_000_000);
    if today > now {
        today
    } else {
        today.plus_seconds(DAY)
    }
}

fn advance_to(world: &World, instant: Timestamp) {
    world
        .clock
        .advance_seconds(instant.seconds_since(world.node.now()) + 1);
}

/// The example of the mission: a daily policy at 02:00 for the keys of patients' records, with 24 hours to undo it; a
/// key linked to it; the scheduler; a check by hand; suspended and resumed; the history read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patients_keys_are_rotated_daily_at_two_unless_the_policy_is_suspended() {
    for world in World::on_each_registry().await {
        let clinic = Clinic::new(&world, daily_at_two()).await;
        let key = clinic.key("patient-records").await;
        assert_eq!(clinic.check().await, 0);
        let two = next_at(world.node.now(), 2);
        assert_eq!(clinic.explain(key).await.next.unwrap().planned, two);
        advance_to(&world, two.plus_seconds(-60));
        assert_eq!(clinic.check().await, 0, "a minute before");
        advance_to(&world, two);
        assert_eq!(clinic.check().await, 1);

        // By hand: nothing is due, then the next day's is.
        let [report] = clinic.run(false).await.policies.try_into().unwrap();
        assert_eq!(report.standing, PolicyStanding::Active);
        assert!(report.rotated.is_empty());
        advance_to(&world, two.plus_seconds(DAY));
        let [report] = clinic.run(false).await.policies.try_into().unwrap();
        assert_eq!(report.rotated.len(), 1);

        // Undone inside its 24 hours, and not done again for the same date.
        let Tenancy {
            operator,
            auditor,
            place,
            ..
        } = &clinic.tenancy;
        let (key_ref, request) = (KeyRef::Id(key), LifecycleRequest::default());
        let back = key::roll_back(&world.node, operator, place, &key_ref, request);
        assert_eq!(back.await.unwrap().value.key.primary_version, 2);
        assert_eq!(clinic.check().await, 0);

        // Suspended, three dates pass; resumed, they are one rotation, of the first of them.
        clinic.set_status(PolicyStatus::Suspended).await.unwrap();
        advance_to(&world, two.plus_seconds(4 * DAY));
        assert_eq!(clinic.check().await, 0);
        let [report] = clinic.run(false).await.policies.try_into().unwrap();
        assert_eq!(report.standing, PolicyStanding::Suspended);
        let [skipped] = report.skipped.try_into().unwrap();
        assert_eq!(skipped.why, Some("its policy is suspended"));
        let told = clinic.explain(key).await;
        assert!(told.is_due);
        assert_eq!(told.hindrance, Some("its policy is suspended"));
        clinic.set_status(PolicyStatus::Active).await.unwrap();
        assert!(rotation::is_wanted(&world.node), "it looks at once");
        assert_eq!(clinic.check().await, 1);
        assert_eq!(clinic.check().await, 0);

        let phi = name("phi");
        let history =
            rotation::history(&world.node, auditor, place, (None, Some(&phi)), None, None);
        let seen: Vec<_> = history.await.unwrap().rows.into_iter().rev().collect();
        let planned: Vec<_> = seen.iter().map(|row| row.planned_at).collect();
        let days = [0, 1, 2].map(|days| two.plus_seconds(days * DAY));
        assert_eq!(planned, days);
        let triggers: Vec<_> = seen.iter().map(|row| row.trigger).collect();
        let (clock, order) = (RotationTrigger::Schedule, RotationTrigger::Run);
        assert_eq!(triggers, [clock, order, clock]);
        assert!(seen.iter().all(|row| row.outcome == RotationOutcome::Done));
        assert_eq!(
            clinic.explain(key).await.next.unwrap().planned,
            two.plus_seconds(5 * DAY)
        );

        let entries = world.entries().await;
        let mut changes = entries
            .iter()
            .filter(|it| it.event.action == Action::PolicyUpdate);
        let entry = changes.next().unwrap();
        assert_eq!(entry.event.reason.as_deref(), Some("the ward moves"));
        assert_eq!(entry.event.details["from_status"], "active");
        assert_eq!(entry.event.details["to_status"], "suspended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_overdue_in_a_blackout_waits_until_it_ends() {
    for world in World::on_each_registry().await {
        let mut closed = daily_at_two();
        closed["blackouts"] = json!(["daily 06:00-20:00"]);
        let clinic = Clinic::new(&world, closed).await;
        let key = clinic.key("phi").await;
        let two = next_at(world.node.now(), 2);
        // The server was down at two and comes back at ten.
        advance_to(&world, two.plus_seconds(8 * HOUR));
        assert_eq!(clinic.check().await, 0);
        let end = two.plus_seconds(18 * HOUR);
        assert_eq!(clinic.explain(key).await.opens_at, Some(end));
        let [report] = clinic.run(false).await.policies.try_into().unwrap();
        let [skipped] = report.skipped.try_into().unwrap();
        assert_eq!(skipped.until, Some(end));
        assert_eq!(clinic.versions(key).await, 1);
        // By hand a key is rotated whenever somebody wants; the next date is tomorrow's then. Here nobody does.
        let last = rotation::status(&world.node, &clinic.tenancy.admin).await;
        assert!(last.is_err(), "the deployment's to see");
        advance_to(&world, end.plus_seconds(-2));
        assert!(!rotation::is_wanted(&world.node) || clinic.check().await == 0);
        advance_to(&world, end);
        assert!(
            rotation::is_wanted(&world.node),
            "it wakes when the window opens"
        );
        assert_eq!(clinic.check().await, 1);
    }
}

/// What failed before a window closed is still said while it is closed.
#[tokio::test]
async fn a_failure_stays_said_while_a_window_is_closed() {
    let world = World::new().await;
    let mut closed = daily_at_two();
    closed["blackouts"] = json!(["daily 06:00-20:00"]);
    let clinic = Clinic::new(&world, closed).await;
    clinic.key("phi").await;
    let two = next_at(world.node.now(), 2);
    advance_to(&world, two);
    world.storage_faults.fail_after(0, Form::Altered);
    assert_eq!(clinic.check().await, 0);
    assert_eq!(clinic.alerts().await, ["rotation_failed"]);
    advance_to(&world, two.plus_seconds(5 * HOUR));
    assert_eq!(clinic.check().await, 0);
    assert_eq!(clinic.alerts().await, ["rotation_failed"]);
    advance_to(&world, two.plus_seconds(18 * HOUR));
    assert_eq!(clinic.check().await, 1);
    assert_eq!(clinic.alerts().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_calendar_asleep_for_a_week_rotates_once_and_goes_on_in_step() {
    for world in World::on_each_registry().await {
        let clinic = Clinic::new(&world, daily_at_two()).await;
        let keys = [clinic.key("one").await, clinic.key("two").await];
        let two = next_at(world.node.now(), 2);
        advance_to(&world, two.plus_seconds(7 * DAY + HOUR));
        assert_eq!(clinic.check().await, 2);
        assert_eq!(clinic.check().await, 0);
        for key in keys {
            assert_eq!(clinic.versions(key).await, 2);
            let next = clinic.explain(key).await.next.unwrap();
            assert_eq!(next.planned, two.plus_seconds(8 * DAY), "no drift");
        }
    }
}

#[tokio::test]
async fn a_policy_goes_from_status_to_status_by_one_table() {
    use PolicyStatus::{Active, Archived, Suspended};
    let world = World::new().await;
    let clinic = Clinic::new(&world, daily_at_two()).await;
    let key = clinic.key("phi").await;
    for (from, to, goes) in [
        (Active, Suspended, true),
        (Suspended, Archived, true),
        (Archived, Suspended, false),
        (Archived, Active, true),
        (Active, Archived, true),
    ] {
        assert_eq!(from.may_become(to), goes);
        let became = clinic.set_status(to).await;
        if goes {
            assert_eq!(became.unwrap().status, to);
        } else {
            assert_eq!(code(became), "wrong_state");
        }
    }
    // The same status again is no change of it.
    clinic.set_status(Archived).await.unwrap();
    // Archived: given to no key, and nothing of it changes but that it is resumed.
    let mut new = NewKey::named(KeyName::new("late").unwrap());
    new.rotation_policy = Some(name("phi"));
    let Tenancy { admin, place, .. } = &clinic.tenancy;
    let made = key::create(&world.node, admin, place, new, None).await;
    assert_eq!(code(made), "wrong_state");
    let change = KeyChange {
        rotation_policy: Some(Some(name("phi"))),
        ..KeyChange::default()
    };
    let given = key::update(&world.node, admin, place, &KeyRef::Id(key), change, None).await;
    assert_eq!(code(given), "wrong_state");
    assert_eq!(code(clinic.calendar(daily_at_two()).await), "wrong_state");
    world.clock.advance_seconds(3 * DAY);
    assert_eq!(clinic.check().await, 0);
    let resumed = clinic.change(PolicyChange {
        status: Some(Active),
        description: Some("again".to_owned()),
        ..PolicyChange::default()
    });
    assert_eq!(resumed.await.unwrap().description, "again");
    assert_eq!(clinic.check().await, 1);
    let entries = world.entries().await;
    let mut refused = entries
        .iter()
        .filter(|it| it.event.action == Action::PolicyUpdate && it.event.outcome != Outcome::Ok);
    assert!(refused.next().is_some(), "what was refused is in the log");
}

#[tokio::test]
async fn a_calendar_that_cannot_be_is_refused_with_its_field() {
    let world = World::new().await;
    let clinic = Clinic::new(&world, daily_at_two()).await;
    for (calendar, words) in [
        (
            json!({"trigger": {"cron": {"expression": "*/5 * * * *"}}}),
            "cron: due more often",
        ),
        (
            json!({"trigger": {"every": {"period": "PT12H", "at": "02:00"}}}),
            "time_with_hours",
        ),
        (
            json!({"trigger": {"every": {"period": "P1D"}}, "blackouts": ["daily 00:00-24:00"]}),
            "nothing_open",
        ),
        (
            json!({"trigger": {"every": {"period": "P1D"}}, "jitter_seconds": 604_800}),
            "jitter_seconds: ",
        ),
    ] {
        let refused = clinic.policy("other", calendar.clone()).await.unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}");
        let refused = clinic.calendar(calendar).await.unwrap_err();
        assert_eq!(refused.code().as_str(), "invalid_request");
    }
    // Neither beside the other.
    let both = clinic.change(PolicyChange {
        rotation_interval_days: Some(Some(1)),
        ..PolicyChange::default()
    });
    assert_eq!(code(both.await), "invalid_request");
    let instead = clinic.change(PolicyChange {
        rotation_interval_days: Some(Some(1)),
        schedule: Some(None),
        ..PolicyChange::default()
    });
    let instead = instead.await.unwrap();
    assert_eq!(
        (instead.rotation_interval_days, instead.schedule),
        (Some(1), None)
    );
}

/// A calendar that was possible when it was set and is not any more: the windows that come once close the rest.
#[tokio::test]
async fn a_calendar_that_leaves_nothing_open_is_a_condition_and_holds_up_no_other() {
    let world = World::new().await;
    let mut closed = daily_at_two();
    closed["maintenance"] = json!(["2000-01-01T00:00/2000-01-02T00:00"]);
    let clinic = Clinic::new(&world, closed).await;
    let key = clinic.key("phi").await;
    clinic.policy("other", daily_at_two()).await.unwrap();
    let mut new = NewKey::named(KeyName::new("other").unwrap());
    new.rotation_policy = Some(name("other"));
    new.activate = true;
    let Tenancy { admin, place, .. } = &clinic.tenancy;
    key::create(&world.node, admin, place, new, None)
        .await
        .unwrap();
    world.clock.advance_seconds(2 * DAY);
    assert_eq!(clinic.check().await, 1, "the other policy's");
    assert_eq!(clinic.versions(key).await, 1);
    assert_eq!(clinic.alerts().await, ["rotation_failed"]);
    let run = clinic.run(true).await;
    let standings: Vec<_> = run.policies.iter().map(|it| it.standing).collect();
    assert_eq!(
        standings,
        [PolicyStanding::Active, PolicyStanding::Unfollowable]
    );
    let told = clinic.explain(key).await;
    assert!(told.hindrance.unwrap().contains("cannot be followed"));
    clinic.calendar(daily_at_two()).await.unwrap();
    assert_eq!(clinic.check().await, 1);
    assert_eq!(clinic.alerts().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_is_what_then_happens() {
    for world in World::on_each_registry().await {
        let mut calendar = daily_at_two();
        calendar["jitter_seconds"] = json!(HOUR);
        calendar["maintenance"] = json!(["Sat,Sun 00:00-06:00"]);
        let clinic = Clinic::new(&world, calendar).await;
        let empty = clinic.preview(3).await;
        assert_eq!((empty.key_count, empty.dates.len()), (0, 3));
        assert!(empty.dates.iter().all(|date| date.key_count == 0));
        let keys = [clinic.key("one").await, clinic.key("two").await];
        let stopped = clinic.key("three").await;
        let Tenancy {
            operator, place, ..
        } = &clinic.tenancy;
        let request = LifecycleRequest::default();
        let suspended =
            key::suspend(&world.node, operator, place, &KeyRef::Id(stopped), request).await;
        suspended.unwrap();
        let told = clinic.preview(6).await;
        assert_eq!(
            (told.key_count, told.hindered, told.more_keys),
            (2, 1, false)
        );
        assert_eq!(told.dates.len(), 6);
        let moved: Vec<_> = told.dates.iter().map(|date| date.moved_by).collect();
        assert!(moved.contains(&Some(Moved::Maintenance)));
        for date in &told.dates {
            assert_eq!((date.key_count, date.keys.len()), (2, 2));
            assert!(date.until.seconds_since(date.from) < HOUR);
            advance_to(&world, date.from.plus_seconds(-2));
            assert_eq!(clinic.check().await, 0, "{date:?}");
            advance_to(&world, date.until);
            let rotated = clinic.check().await;
            assert_eq!(rotated, 2, "{date:?}");
        }
        for key in keys {
            assert_eq!(clinic.versions(key).await, 7);
        }
        // Overdue ones are foretold for when they are done.
        let ahead = clinic.preview(1).await.dates.remove(0);
        advance_to(&world, ahead.until.plus_seconds(HOUR * 24 * 2));
        let overdue = clinic.preview(2).await.dates.remove(0);
        assert_eq!((overdue.planned, overdue.key_count), (ahead.planned, 2));
        assert!(overdue.from >= world.node.now());
        for (count, words) in [(0, "1 to 100"), (101, "1 to 100")] {
            let Tenancy { auditor, place, .. } = &clinic.tenancy;
            let (node, named) = (&world.node, name("phi"));
            let refused = rotation::preview(node, auditor, place, &named, Some(count)).await;
            assert!(refused.unwrap_err().to_string().contains(words));
        }
    }
}

/// An interval counts from each key's own last rotation.
#[tokio::test]
async fn a_preview_of_an_interval_is_each_keys_own() {
    let world = World::new().await;
    let clinic = Clinic::new(&world, daily_at_two()).await;
    let change = PolicyChange {
        rotation_interval_days: Some(Some(10)),
        schedule: Some(None),
        ..PolicyChange::default()
    };
    clinic.change(change).await.unwrap();
    assert!(clinic.preview(3).await.dates.is_empty());
    let first = clinic.key("one").await;
    world.clock.advance_seconds(DAY);
    clinic.key("two").await;
    let dates = clinic.preview(4).await.dates;
    let names: Vec<_> = dates.iter().map(|date| date.keys[0].as_str()).collect();
    assert_eq!(names, ["one", "two", "one", "two"]);
    let first = KeyRef::Id(first);
    let made = world.registry.key(clinic.tenancy.id, &first);
    let made = made.await.unwrap().unwrap().versions[0].created_at;
    assert_eq!(dates[2].planned, made.plus_seconds(20 * DAY));
    // Nobody of another tenant sees any of it.
    let other = world.tenant("other").await;
    let (node, place) = (&world.node, &clinic.tenancy.place);
    let refused = rotation::preview(node, &other.auditor, place, &name("phi"), None).await;
    assert!(matches!(code(refused), "forbidden" | "not_found"));
}

/// Thirty days, seven days and a day before its end a key is spoken of, louder each time, unless it is rotated before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_expires_is_spoken_of_in_time() {
    for world in World::on_each_registry().await {
        let clinic = Clinic::new(&world, daily_at_two()).await;
        let end = world.node.now().plus_seconds(40 * DAY);
        let Tenancy {
            admin,
            operator,
            place,
            ..
        } = &clinic.tenancy;
        let mut keys = Vec::new();
        for (named, policy) in [("ends", None), ("renewed", None), ("rotated", Some("phi"))] {
            let mut new = NewKey::named(KeyName::new(named).unwrap());
            new.rotation_policy = policy.map(name);
            new.expires_at = Some(end);
            new.activate = true;
            let made = key::create(&world.node, admin, place, new, None).await;
            keys.push(made.unwrap().value.key.id);
        }
        let said = async || {
            let filter = ConditionFilter {
                open: Some(true),
                ..ConditionFilter::default()
            };
            rotation::check(&world.node).await.unwrap();
            let listed = condition::list(&world.node, admin, place, &filter, None, None).await;
            let rows = listed.unwrap().rows.into_iter().map(|it| it.condition);
            let rows = rows.filter(|it| it.kind == ConditionKind::KEY_EXPIRY);
            let mut said: Vec<_> = rows.map(|it| (it.subject, it.severity)).collect();
            said.sort();
            said
        };
        let about = |of: &[usize], severity| {
            let subjects = of.iter().map(|at| (format!("key {}", keys[*at]), severity));
            let mut subjects: Vec<_> = subjects.collect();
            subjects.sort();
            subjects
        };
        assert_eq!(said().await, []);
        for (days, severity) in [
            (30, Severity::Info),
            (7, Severity::Warning),
            (1, Severity::Critical),
        ] {
            advance_to(&world, end.plus_seconds(-days * DAY - 60));
            said().await;
            advance_to(&world, end.plus_seconds(-days * DAY + HOUR));
            assert_eq!(said().await, about(&[0, 1], severity), "{days}");
        }
        // Renewed: taken back at the next look, which is within the hour.
        let renewed = KeyRef::Id(keys[1]);
        let until = end.plus_seconds(365 * DAY);
        let request = LifecycleRequest::default();
        let renewal = key::renew(&world.node, operator, place, &renewed, request, Some(until));
        renewal.await.unwrap();
        world.clock.advance_seconds(60);
        assert_eq!(said().await, about(&[0], Severity::Critical));
        advance_to(&world, end.plus_seconds(HOUR));
        assert_eq!(said().await, about(&[0], Severity::Critical));
        advance_to(&world, end.plus_seconds(30 * DAY));
        assert_eq!(said().await, []);
    }
}
