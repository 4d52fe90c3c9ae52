//! The vault moved to another backend while the node serves: steered, logged, watched.

use keyward_core::audit::{Journaled, Outcome};
use keyward_core::caller::Caller;
use keyward_core::crypto_types::Algorithm;
use keyward_core::error::OpError;
use keyward_core::noun::action::Action;
use keyward_core::noun::condition::{ConditionKind, Subject};
use keyward_core::noun::state::State;
use keyward_core::ops::clockwork;
use keyward_core::ops::condition::is_open;
use keyward_core::ops::storage::migration::{Turn, carry_on, present, show, turn};
use keyward_core::ops::storage::watch;
use keyward_core::port::storage::{StorageBackend as _, StorageError};
use keyward_core::port::storage_care::{StorageCare, StorageState};
use keyward_core::port::storage_migration::{MigrationPhase, MigrationReport};
use keyward_testkit::world::World;
use keyward_testkit::world::moving::{marked, standing_in, survey};

use crate::script::{Story, activate, code, schedule_destruction};

const ALGORITHM: Algorithm = Algorithm::Aes256GcmCommit;

fn down() -> StorageError {
    StorageError::Unavailable {
        cause: "it is down".to_owned(),
    }
}

pub fn stands(world: &World) -> MigrationReport {
    present(&world.node).unwrap()
}

pub async fn turned(world: &World, what: Turn) -> Result<MigrationReport, OpError> {
    turn(&world.node, world.root(), what, None).await
}

/// Goes on until both sides are known to be equal.
pub async fn until_equal(world: &World) {
    while !stands(world).equal {
        carry_on(&world.node).await.unwrap();
    }
}

/// What the log says of turns: name, step or reason, outcome.
async fn told(world: &World) -> Vec<(String, String, Outcome)> {
    let steered = |entry: &Journaled| {
        matches!(
            entry.event.action,
            Action::StorageMigrate | Action::StorageCommit
        )
    };
    let entries = world.entries().await.into_iter().filter(steered);
    entries
        .map(|entry| {
            let event = entry.event;
            let step = event.details.get("step").and_then(|step| step.as_str());
            let said = step.map(ToOwned::to_owned).or(event.reason);
            let name = event.resource.name.unwrap_or_default();
            (name, said.unwrap_or_default(), event.outcome)
        })
        .collect()
}

fn both(name: &str) -> [(String, String, Outcome); 2] {
    ["begun", "done"].map(|step| (name.to_owned(), step.to_owned(), Outcome::Ok))
}

pub async fn assert_equal(world: &World) {
    let moving = world.on_its_way();
    let (from, to) = (survey(&*moving.from).await, survey(&*moving.to).await);
    assert_eq!(from.unwrap(), to.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_a_migration_is_steered_to_its_end_and_the_log_has_each_turn_before_it() {
    let world = World::moving(false).await;
    let tenancy = world.tenant("clinic").await;
    assert_eq!(stands(&world).phase, MigrationPhase::Planned);
    let moving = world.on_its_way();
    let file = world.directory().join("storage-migration.json");
    assert_eq!(
        standing_in(&file).unwrap(),
        None,
        "nothing is begun unlogged"
    );
    assert_eq!(marked(&*moving.to).await.unwrap(), None);
    carry_on(&world.node).await.unwrap();
    assert_eq!(stands(&world).phase, MigrationPhase::Copying);
    let mut expected = both("begin").to_vec();
    assert_eq!(told(&world).await, expected);
    let begun = world.entries().await.into_iter();
    let mut begun = begun.filter(|entry| entry.event.action == Action::StorageMigrate);
    let by = begun.next().unwrap().event.actor;
    assert_eq!(by.principal, None, "the server began it");

    // Standing still: nothing is looked at, and what is made goes to both sides.
    let rate = Turn::Rate { per_second: 7 };
    turned(&world, rate).await.unwrap();
    let paused = turned(&world, Turn::Pause).await.unwrap();
    assert_eq!((paused.per_second, paused.paused), (7, true));
    assert_eq!(carry_on(&world.node).await.unwrap(), 0);
    assert_eq!(stands(&world).pass, 0);
    let story = Story::new(&world, &tenancy, "made-meanwhile", ALGORITHM, None).await;
    let kept = standing_in(&file).unwrap().unwrap();
    assert_eq!((kept.paused, kept.per_second), (true, Some(7)));
    assert_eq!(
        code(turned(&world, Turn::CutOver).await),
        "wrong_state",
        "no pass found both sides equal"
    );
    turned(&world, Turn::Resume).await.unwrap();
    for name in ["rate", "pause"] {
        expected.extend(both(name));
    }
    let refused = "wrong_state".to_owned();
    let [cut_over_begun, _] = both("cut-over");
    expected.push(cut_over_begun);
    expected.push(("cut-over".to_owned(), refused, Outcome::Refused));
    expected.extend(both("resume"));
    assert_eq!(told(&world).await, expected);

    until_equal(&world).await;
    carry_on(&world.node).await.unwrap();
    let equal = stands(&world);
    assert_eq!(
        equal.phase,
        MigrationPhase::Copying,
        "it waits for somebody"
    );
    assert_eq!((equal.left, equal.behind), (Some(0), 0));
    let proof = equal.proof.unwrap();
    assert_eq!(proof.digest, survey(&*moving.to).await.unwrap().digest);
    assert_equal(&world).await;

    let cut = turned(&world, Turn::CutOver).await.unwrap();
    assert_eq!((cut.phase, cut.settled), (MigrationPhase::CutOver, true));
    assert_eq!(
        standing_in(&file).unwrap().unwrap().phase,
        MigrationPhase::CutOver
    );
    let mark = marked(&*moving.from).await.unwrap().unwrap();
    assert!(mark.contains("has moved to file there"), "{mark}");
    activate(&story, &tenancy.operator).await.unwrap();
    let cipher = story.encrypt("blood type").await.unwrap();
    assert_eq!(story.decrypt(&cipher).await.unwrap(), "blood type");
    Story::new(&world, &tenancy, "since", ALGORITHM, None).await;
    assert_equal(&world).await;

    let back = turned(&world, Turn::RollBack).await.unwrap();
    assert_eq!(back.phase, MigrationPhase::RolledBack);
    assert_eq!(marked(&*moving.from).await.unwrap(), None);
    assert_eq!(story.decrypt(&cipher).await.unwrap(), "blood type");
    for name in ["cut-over", "roll-back"] {
        expected.extend(both(name));
    }
    assert_eq!(told(&world).await, expected);
    // Once more, as after an answer that was lost.
    let again = turned(&world, Turn::RollBack).await.unwrap();
    assert_eq!(again.phase, MigrationPhase::RolledBack);
    for what in [Turn::CutOver, Turn::Commit, Turn::Pause, rate] {
        assert_eq!(code(turned(&world, what).await), "wrong_state", "{what:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_committed_migration_goes_on_from_its_target_after_a_start() {
    let world = World::moving(true).await;
    let tenancy = world.tenant("clinic").await;
    let story = Story::new(&world, &tenancy, "payroll", ALGORITHM, None).await;
    activate(&story, &tenancy.operator).await.unwrap();
    let cipher = story.encrypt("blood type").await.unwrap();
    while stands(&world).phase != MigrationPhase::CutOver {
        carry_on(&world.node).await.unwrap();
    }
    let mut expected = both("begin").to_vec();
    expected.extend(both("cut-over"));
    assert_eq!(told(&world).await, expected, "nobody had to do anything");

    // A start knows of no proof any more; what is committed needs none.
    let key = story.key.clone();
    let world = world.restart().await;
    assert!(!stands(&world).equal);
    assert_eq!(code(turned(&world, Turn::RollBack).await), "wrong_state");
    let ended = turned(&world, Turn::Commit).await.unwrap();
    assert_eq!(ended.phase, MigrationPhase::Committed);
    let world = world.restart().await;
    assert_eq!(stands(&world).phase, MigrationPhase::Committed);
    assert_eq!(carry_on(&world.node).await.unwrap(), 0);
    world.on_its_way().from.begin_outage(down(), true);
    let story = Story {
        world: &world,
        tenancy: &tenancy,
        key,
    };
    assert_eq!(story.decrypt(&cipher).await.unwrap(), "blood type");
    Story::new(&world, &tenancy, "since", ALGORITHM, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_nothing_is_turned_that_the_log_cannot_say() {
    let world = World::moving(true).await;
    world.journal.close().await;
    assert_eq!(carry_on(&world.node).await.unwrap(), 0);
    assert_eq!(stands(&world).phase, MigrationPhase::Planned, "not begun");

    let world = World::moving(false).await;
    carry_on(&world.node).await.unwrap();
    until_equal(&world).await;
    world.journal.close().await;
    for what in [Turn::CutOver, Turn::RollBack, Turn::Pause] {
        assert_eq!(code(turned(&world, what).await), "audit_unavailable");
    }
    let after = stands(&world);
    assert_eq!(
        (after.phase, after.paused),
        (MigrationPhase::Copying, false)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i02_a_side_that_is_down_is_told_and_nothing_is_switched_to_it() {
    let world = World::moving(false).await;
    let tenancy = world.tenant("clinic").await;
    let failing = ConditionKind::STORAGE_MIGRATION_FAILING;
    let subject = Subject::system("migration");
    let is_told = || is_open(&world.node, &failing, &subject);
    carry_on(&world.node).await.unwrap();
    until_equal(&world).await;

    // Nobody writes, and it is noticed all the same.
    world.on_its_way().to.begin_outage(down(), true);
    world.clock.advance_seconds(61);
    assert_eq!(code(carry_on(&world.node).await), "storage_unavailable");
    assert!(is_told());
    assert_eq!(
        code(turned(&world, Turn::CutOver).await),
        "storage_unavailable"
    );
    assert_eq!(stands(&world).phase, MigrationPhase::Copying);
    let (name, said, outcome) = told(&world).await.pop().unwrap();
    assert_eq!((name.as_str(), outcome), ("cut-over", Outcome::Failed));
    assert_eq!(said, "storage_unavailable");
    // The service does not feel it, and what it wrote is remembered.
    watch(&world.node).await;
    assert_eq!(world.watched.report().state, StorageState::Healthy);
    Story::new(&world, &tenancy, "meanwhile", ALGORITHM, None).await;
    assert!(stands(&world).behind > 0);
    world.on_its_way().to.end_outage();
    carry_on(&world.node).await.unwrap();
    assert!(!is_told());
    assert_eq!(stands(&world).behind, 0);
    assert_equal(&world).await;

    // The mark is missing: the answer says so, and that the turn is made.
    world.on_its_way().from.begin_outage(down(), false);
    assert_eq!(code(turned(&world, Turn::CutOver).await), "in_force_unread");
    let cut = stands(&world);
    assert_eq!((cut.phase, cut.settled), (MigrationPhase::CutOver, false));
    let (name, said, outcome) = told(&world).await.pop().unwrap();
    assert_eq!(
        (name.as_str(), said.as_str(), outcome),
        ("cut-over", "done", Outcome::Ok)
    );
    let last = world.entries().await.into_iter().rev();
    let mut last = last.filter(|entry| entry.event.action == Action::StorageMigrate);
    assert_eq!(last.next().unwrap().event.details["unmarked"], true);
    assert!(is_told());
    world.on_its_way().from.end_outage();
    let again = turned(&world, Turn::CutOver).await.unwrap();
    assert!(again.settled);
    assert!(!is_told());
}

/// What was destroyed is gone on both sides, or is not destroyed yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_destroying_waits_for_both_sides() {
    let world = World::moving(false).await;
    let tenancy = world.tenant("clinic").await;
    carry_on(&world.node).await.unwrap();
    until_equal(&world).await;
    let moving = world.on_its_way();
    for follows in [&moving.to, &moving.from] {
        let name = format!("unused-{}", stands(&world).phase);
        let story = Story::new(&world, &tenancy, &name, ALGORITHM, None).await;
        let before = survey(&**follows).await.unwrap().objects;
        schedule_destruction(&story, &tenancy.admin).await.unwrap();
        follows.begin_outage(down(), true);
        let _ = clockwork::tick(&world.node).await;
        assert_eq!(story.states().await.0, [State::PendingDestruction]);
        follows.end_outage();
        clockwork::tick(&world.node).await.unwrap();
        assert_eq!(story.states().await.0, [State::Destroyed]);
        assert_eq!(survey(&**follows).await.unwrap().objects, before - 1);
        assert_equal(&world).await;
        if stands(&world).phase == MigrationPhase::Copying {
            turned(&world, Turn::CutOver).await.unwrap();
        }
    }
}

/// What became of the target since the last pass is found by one more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_target_that_was_altered_is_made_good_before_it_leads() {
    let world = World::moving(false).await;
    carry_on(&world.node).await.unwrap();
    until_equal(&world).await;
    let to = &world.on_its_way().to;
    let mut names = to.list("", None, 100).await.unwrap();
    // The mark is the target's own.
    names.retain(|name| !name.as_str().starts_with("migration/"));
    let [altered, gone] = [&names[0], names.last().unwrap()];
    to.write(altered, b"altered".to_vec()).await.unwrap();
    to.delete(gone).await.unwrap();
    let copied = stands(&world).copied;
    let verifying = turned(&world, Turn::Verify).await.unwrap();
    assert_eq!((verifying.equal, verifying.proof), (false, None));
    assert_eq!(code(turned(&world, Turn::CutOver).await), "wrong_state");
    until_equal(&world).await;
    assert_eq!(stands(&world).copied, copied + 2);
    assert_equal(&world).await;
    turned(&world, Turn::CutOver).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_over_that_nobody_ends_is_told_after_days() {
    let world = World::moving(true).await;
    while stands(&world).phase != MigrationPhase::CutOver {
        carry_on(&world.node).await.unwrap();
    }
    let late = ConditionKind::STORAGE_MIGRATION_UNCOMMITTED;
    let subject = Subject::system("migration");
    world.clock.advance_seconds(6 * 86_400);
    carry_on(&world.node).await.unwrap();
    assert!(!is_open(&world.node, &late, &subject));
    world.clock.advance_seconds(86_401);
    carry_on(&world.node).await.unwrap();
    assert!(is_open(&world.node, &late, &subject));
    turned(&world, Turn::Commit).await.unwrap();
    assert!(!is_open(&world.node, &late, &subject));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_see_a_migration_may_not_steer_it() {
    let world = World::moving(false).await;
    let system = keyward_core::caller::TenantRef::System;
    let member = async |name: &str, role: &str| -> Caller {
        world.member(world.root(), &system, name, role, None).await
    };
    let auditor = member("olga", "auditor").await;
    let operator = member("oskar", "operator").await;
    let user = member("uma", "crypto-user").await;
    for caller in [&auditor, &operator] {
        show(&world.node, caller).await.unwrap();
    }
    assert_eq!(code(show(&world.node, &user).await), "forbidden");
    for caller in [&auditor, &operator, &user] {
        for what in [Turn::Pause, Turn::CutOver, Turn::RollBack, Turn::Commit] {
            let refused = turn(&world.node, caller, what, None).await;
            assert_eq!(code(refused), "forbidden", "{what:?}");
        }
    }
    for per_second in [0, 1_000_001] {
        let refused = turned(&world, Turn::Rate { per_second }).await;
        assert_eq!(code(refused), "invalid_request");
    }
    let at_rest = World::new().await;
    assert_eq!(code(show(&at_rest.node, at_rest.root()).await), "not_found");
    assert_eq!(code(turned(&at_rest, Turn::Pause).await), "not_found");
}
