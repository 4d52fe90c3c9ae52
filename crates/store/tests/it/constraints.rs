//! What the schema refuses, and that it refuses nothing that core allows.

use keyward_core::change::{Row, Write};
use keyward_core::lifecycle::{Circumstance, Draft, NewVersion, Which};
use keyward_core::noun::state::State;
use keyward_core::port::registry::{KeyRef, KeyWithVersions, Registry as _, RegistryError};
use keyward_core::time::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::make::{self, START};
use crate::world::World;

/// What the clerk of a story may do to a key.
#[derive(Clone, Copy, Debug)]
enum Step {
    Activate,
    Suspend,
    Resume,
    Retire,
    Expire,
    Renew,
    Rotate { emergency: bool },
    RollBack,
    EndOverlap,
    Compromise,
    Schedule,
    Cancel,
    BeginDestruction,
    CompleteDestruction,
}

fn steps() -> impl Strategy<Value = Vec<(Step, bool)>> {
    let step = prop::sample::select(vec![
        Step::Activate,
        Step::Activate,
        Step::Suspend,
        Step::Resume,
        Step::Retire,
        Step::Expire,
        Step::Renew,
        Step::Rotate { emergency: false },
        Step::Rotate { emergency: false },
        Step::Rotate { emergency: true },
        Step::RollBack,
        Step::EndOverlap,
        Step::Compromise,
        Step::Schedule,
        Step::Schedule,
        Step::Cancel,
        Step::BeginDestruction,
        Step::BeginDestruction,
        Step::BeginDestruction,
        Step::CompleteDestruction,
        Step::CompleteDestruction,
        Step::CompleteDestruction,
    ]);
    // Half of the steps mean one version, half of them all that they can mean.
    prop::collection::vec((step, any::<bool>()), 1..25)
}

/// Does a step to a draft; false if core refuses it.
fn take(world: &World, draft: &mut Draft, step: Step, one: bool, now: Timestamp) -> bool {
    let number = 1 + now.as_micros() % draft.key().latest_version;
    let which = if one {
        Which::Version(number)
    } else {
        Which::Default
    };
    match step {
        Step::Activate => draft.activate(which),
        Step::Suspend => draft.suspend(which),
        Step::Resume => draft.resume(which),
        Step::Retire => draft.retire(which),
        Step::Expire => draft.expire(which),
        Step::Renew => draft.renew(which, Some(now.plus_seconds(5_000_000))),
        Step::Rotate { emergency } => {
            let mut row = world
                .make
                .version_row(draft.key(), draft.key().latest_version + 1);
            row.state = State::Pending;
            row.activated_at = None;
            let rollback_expires_at = Some(now.plus_seconds(86_400));
            draft.rotate(
                NewVersion {
                    row,
                    rollback_expires_at,
                },
                emergency,
            )
        }
        Step::RollBack => draft.roll_back(),
        Step::EndOverlap => draft.end_overlap(number),
        Step::Compromise => draft.compromise(which),
        Step::Schedule => draft.schedule_destruction(which, now.plus_seconds(1)),
        Step::Cancel => draft.cancel_destruction(which),
        Step::BeginDestruction => draft.begin_destruction(number),
        Step::CompleteDestruction => {
            let destroying = draft
                .version(number)
                .is_ok_and(|version| version.destroying);
            if !destroying {
                return false;
            }
            draft.complete_destruction(number)
        }
    }
    .is_ok()
}

fn transitions_in(writes: &[Write]) -> usize {
    let is_transition = |write: &&Write| matches!(write.row, Row::Transition(_));
    writes.iter().filter(is_transition).count()
}

async fn read(world: &World, key: &KeyRef) -> KeyWithVersions {
    world
        .registry
        .key(world.tenant(), key)
        .await
        .unwrap()
        .unwrap()
}

both! {
    /// Invariant 7 from below: random walks through the state table, by core's own hand. The
    /// schema takes every one of them, and gives back what it took.
    async fn i07_the_schema_accepts_whatever_the_state_table_allows(world: World) {
        let mut runner = TestRunner::deterministic();
        let mut states = std::collections::BTreeSet::new();
        for walk in 0..40 {
            let mut made = world.make.key(&format!("key-{walk}"));
            made.version.state = State::Pending;
            made.version.activated_at = None;
            made.key.overlap_seconds = if walk % 2 == 0 { 3_600 } else { 0 };
            let first = made.writes();
            let mut transitions = transitions_in(&first);
            world.commit(Some(world.tenant()), first).await.unwrap();
            let key = KeyRef::Id(made.key.id);
            let mut now = START;
            for (step, one) in steps().new_tree(&mut runner).unwrap().current() {
                now = Timestamp::from_micros(now.plus_seconds(7_200).as_micros() + 1);
                let current = read(&world, &key).await;
                let at = Circumstance {
                    now,
                    principal: Some(world.make.principal),
                    token: Some(world.make.token),
                    reason: Some("because".to_owned()),
                    correlation_id: make::correlation("walk"),
                };
                let mut entropy = world.make.uuid().as_u64_pair().0;
                let next = Box::new(move || {
                    entropy = entropy.wrapping_add(1);
                    entropy.to_be_bytes()
                });
                let mut draft = Draft::new(current, at, next);
                if !take(&world, &mut draft, step, one, now) {
                    continue;
                }
                let (expected, writes) = draft.finish();
                transitions += transitions_in(&writes);
                let outcome = world.commit(Some(world.tenant()), writes).await;
                outcome.unwrap_or_else(|error| panic!("{step:?}: {error}: {expected:#?}"));
                let found = read(&world, &key).await;
                assert_eq!(found, expected);
                states.extend(found.versions.iter().map(|version| version.state));
            }
            let history = world
                .registry
                .history(world.tenant(), made.key.id, None, 1_000)
                .await
                .unwrap();
            assert_eq!(history.rows.len(), transitions, "every transition is kept");
            assert!(history.rows.is_sorted_by_key(|row| row.id));
        }
        assert_eq!(states.len(), State::ALL.len(), "the walks missed a state: {states:?}");
    }
}

both! {
    async fn rows_that_break_a_rule_are_refused(world: World) {
        let made = world.make.key("invoices");
        world.commit(Some(world.tenant()), made.writes()).await.unwrap();
        let now = if world.place.is_sqlite() { "1" } else { "now()" };
        let yes = if world.place.is_sqlite() { "1" } else { "true" };
        let refused = [
            "UPDATE key_versions SET version = 0".to_owned(),
            "UPDATE key_versions SET parent_version = 1".to_owned(),
            "UPDATE key_versions SET parent_version = 7, version = 8".to_owned(),
            "UPDATE key_versions SET strength_bits = 0".to_owned(),
            "UPDATE key_versions SET size_bits = 0".to_owned(),
            "UPDATE key_versions SET etag = 0".to_owned(),
            "UPDATE key_versions SET provider_key_id = ''".to_owned(),
            "UPDATE key_versions SET state = 'lost'".to_owned(),
            "UPDATE key_versions SET algorithm = 'rot13'".to_owned(),
            "UPDATE key_versions SET activated_at = NULL".to_owned(),
            "UPDATE key_versions SET state = 'pending'".to_owned(),
            "UPDATE key_versions SET state = 'compromised'".to_owned(),
            format!("UPDATE key_versions SET compromised_at = {now}"),
            "UPDATE key_versions SET state = 'destroyed'".to_owned(),
            format!("UPDATE key_versions SET destroyed_at = {now}"),
            "UPDATE key_versions SET state = 'pending_destruction'".to_owned(),
            format!("UPDATE key_versions SET state = 'pending_destruction', destroy_at = {now}"),
            format!("UPDATE key_versions SET destroy_at = {now}"),
            "UPDATE key_versions SET state_before = 'rotated'".to_owned(),
            format!("UPDATE key_versions SET state = 'pending_destruction', destroy_at = {now}, \
                     state_before = 'active'"),
            format!("UPDATE key_versions SET destroying = {yes}"),
            format!("UPDATE key_versions SET can_roll_back = {yes}"),
            "UPDATE key_versions SET record_digest = NULL".to_owned(),
            "UPDATE key_versions SET provider = 'aws-kms'".to_owned(),
            "UPDATE keys SET primary_version = 2".to_owned(),
            "UPDATE keys SET primary_version = 0".to_owned(),
            "UPDATE keys SET latest_version = 0".to_owned(),
            "UPDATE keys SET latest_version = 5, primary_version = 5".to_owned(),
            "UPDATE keys SET use_limit_uses = 5".to_owned(),
            "UPDATE keys SET use_limit_uses = -1, use_limit_bytes = 1".to_owned(),
            "UPDATE keys SET overlap_seconds = -1".to_owned(),
            "UPDATE keys SET tags = '[]'".to_owned(),
            "UPDATE keys SET usages = '{}'".to_owned(),
            "UPDATE keys SET name = ''".to_owned(),
            "UPDATE keys SET rotation_policy = id".to_owned(),
            "UPDATE keys SET created_by = id".to_owned(),
            "UPDATE tokens SET label = NULL".to_owned(),
            "UPDATE tenant_feed SET n = -1".to_owned(),
            "UPDATE changes SET change = 0".to_owned(),
            "UPDATE feed SET one = 2".to_owned(),
            "INSERT INTO usage_watermarks VALUES ('', 1)".to_owned(),
            "DELETE FROM tenants".to_owned(),
            "DELETE FROM principals".to_owned(),
            "DELETE FROM tokens".to_owned(),
            "DELETE FROM key_versions".to_owned(),
            "DELETE FROM keys".to_owned(),
        ];
        for statement in refused {
            let outcome = world.place.sql(&statement).await;
            let error = outcome.err().unwrap_or_else(|| panic!("accepted: {statement}"));
            let error = error.as_database_error().expect("an error of the database");
            let code = error.code().unwrap_or_default().into_owned();
            let by_rule = if world.place.is_sqlite() {
                code.parse::<i32>().unwrap() & 0xff == 19
            } else {
                code.starts_with("23") || code.starts_with("22")
            };
            assert!(by_rule, "{statement}: {code} {error}");
        }
        assert_eq!(read(&world, &KeyRef::Id(made.key.id)).await.versions, [made.version]);
    }
}

both! {
    async fn material_of_one_provider_and_endpoint_has_one_version(world: World) {
        let external = |name: &str, endpoint: Option<&str>| {
            let mut made = world.make.key(name);
            made.version.provider = keyward_core::noun::key::ProviderKind::AwsKms;
            made.version.record_digest = None;
            "alias/one".clone_into(&mut made.version.provider_key_id);
            made.version.endpoint = endpoint.map(str::to_owned);
            made.writes()
        };
        let tenant = Some(world.tenant());
        world.commit(tenant, external("a", None)).await.unwrap();
        world.commit(tenant, external("b", Some("https://kms.example"))).await.unwrap();
        let duplicate = Err(RegistryError::Duplicate { table: "key_versions" });
        assert_eq!(world.commit(tenant, external("c", None)).await, duplicate);
        let again = external("d", Some("https://kms.example"));
        assert_eq!(world.commit(tenant, again).await, duplicate);
        world.commit(tenant, external("e", Some("https://kms.other"))).await.unwrap();
    }
}

both! {
    async fn a_policy_that_goes_leaves_keys_without_one(world: World) {
        let policy = world.make.policy_row("quarterly");
        let mut made = world.make.key("invoices");
        made.key.rotation_policy = Some(policy.id);
        let mut writes = vec![Write::insert(Row::Policy(policy.clone()))];
        writes.extend(made.writes());
        world.commit(Some(world.tenant()), writes).await.unwrap();
        let held = world.registry.keys_with_policy(world.tenant(), policy.id).await.unwrap();
        assert_eq!(held, [made.key.id]);
        let delete = vec![Write::delete(Row::Policy(policy.clone()))];
        world.commit(Some(world.tenant()), delete).await.unwrap();
        let found = read(&world, &KeyRef::Id(made.key.id)).await;
        assert_eq!(found.key.rotation_policy, None);
        let held = world.registry.keys_with_policy(world.tenant(), policy.id).await.unwrap();
        assert!(held.is_empty());
    }
}

both! {
    async fn history_is_only_ever_added_to(world: World) {
        let made = world.make.key("invoices");
        world.commit(Some(world.tenant()), made.writes()).await.unwrap();
        let refused = Err(RegistryError::Constraint { table: "transitions" });
        for write in [
            Write::update(Row::Transition(made.transition.clone())),
            Write::delete(Row::Transition(made.transition.clone())),
        ] {
            assert_eq!(world.commit(Some(world.tenant()), vec![write]).await, refused);
        }
        let mut strange = world.make.transition_row(&made.version, "create", None);
        "borrow".clone_into(&mut strange.event);
        let insert = vec![Write::insert(Row::Transition(strange))];
        assert_eq!(world.commit(Some(world.tenant()), insert).await, refused);
    }
}

both! {
    /// A text that only one database could hold is refused by that one alone, and harms no other.
    async fn text_with_a_nul_is_refused_or_kept_but_never_cut(world: World) {
        let mut tenant = world.make.tenant_row("odd");
        "before\0after".clone_into(&mut tenant.description);
        let odd = world.commit(None, vec![Write::insert(Row::Tenant(tenant.clone()))]);
        let fine = world.commit(None, vec![]);
        let (odd, fine) = tokio::join!(odd, fine);
        assert!(fine.is_ok());
        match odd {
            Ok(_) => {
                assert_eq!(world.registry.tenant(tenant.id).await.unwrap(), Some(tenant));
            }
            Err(error) => assert_eq!(error, RegistryError::Constraint { table: "tenants" }),
        }
    }
}
