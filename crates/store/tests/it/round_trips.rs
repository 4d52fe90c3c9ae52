//! Every field of every noun survives the way into either database and back, and the change feed
//! shows the same.

use keyward_core::change::{Row, Write};
use keyward_core::noun::action::{Action, ActionSet};
use keyward_core::noun::condition::{Condition, ConditionKind, Severity};
use keyward_core::noun::job::{JobKind, JobState};
use keyward_core::noun::key::{Origin, ProviderKind, Restrictions, UseLimit};
use keyward_core::noun::policy::PolicyStatus;
use keyward_core::noun::principal::PrincipalKind;
use keyward_core::noun::role::Restriction;
use keyward_core::noun::secret::SecretState;
use keyward_core::noun::state::State;
use keyward_core::noun::tenant::{Digest, TenantState};
use keyward_core::port::registry::{KeyRef, Registry as _};
use keyward_core::port::upkeep::{ConditionFilter, Upkeep as _};
use keyward_core::rotation::Schedule;
use keyward_core::time::Timestamp;
use keyward_crypto::{Algorithm, Usage};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use serde_json::json;

use crate::make::NewKey;
use crate::world::World;

/// How many rows of each noun.
const ROUNDS: usize = 24;

/// A schedule with parts of every kind.
fn schedule() -> impl Strategy<Value = Schedule> {
    let trigger = select(vec![
        json!({"every": {"period": "P90D", "at": "02:00"}}),
        json!({"every": {"period": "PT36H"}}),
        json!({"cron": {"expression": "15 3 * * 5#2"}}),
    ]);
    let zone = select(vec!["UTC", "Europe/Amsterdam", "Pacific/Apia"]);
    let window = select(vec![
        "Mon-Fri 09:00-17:00",
        "12-20/01-05",
        "2027-03-01T00:00/2027-03-08T12:00",
    ]);
    let windows = vec(window, 0..3);
    let parts = (trigger, zone, 0..86_400_u32, windows.clone(), windows);
    parts.prop_map(|(trigger, zone, jitter_seconds, blackouts, maintenance)| {
        let schedule = json!({
            "trigger": trigger, "zone": zone, "jitter_seconds": jitter_seconds,
            "blackouts": blackouts, "maintenance": maintenance,
        });
        serde_json::from_value(schedule).unwrap()
    })
}

/// Values of any strategy, the same in every run.
struct Dice(TestRunner);

impl Dice {
    fn new() -> Self {
        Self(TestRunner::deterministic())
    }

    fn throw<S: Strategy>(&mut self, strategy: S) -> S::Value {
        strategy.new_tree(&mut self.0).unwrap().current()
    }

    /// Quotes, percent signs, emoji, line breaks.
    fn text(&mut self) -> String {
        self.throw(prop_oneof![Just(String::new()), "[\\PC\n\t']{0,40}"])
    }

    fn name(&mut self, number: usize) -> String {
        let stem = self.throw("[a-z0-9._-]{1,40}");
        format!("{stem}-{number}")
    }

    fn time(&mut self) -> Timestamp {
        let micros = prop_oneof![
            Just(0_i64),
            -62_000_000_000_000_000..250_000_000_000_000_000_i64
        ];
        Timestamp::from_micros(self.throw(micros))
    }

    fn opt_time(&mut self) -> Option<Timestamp> {
        self.throw(any::<bool>()).then(|| self.time())
    }

    fn digest(&mut self) -> Digest {
        Digest(self.throw(any::<[u8; 32]>()))
    }

    fn count(&mut self) -> i64 {
        self.throw(prop_oneof![Just(0_i64), Just(i64::MAX), 0..1_000_i64])
    }

    fn actions(&mut self) -> ActionSet {
        self.throw(vec(select(Action::ALL), 0..12))
            .into_iter()
            .collect()
    }
}

/// Inserts a row and finds it, whole, in the feed.
async fn insert(world: &World, row: Row) {
    let writes = vec![Write::insert(row)];
    let change = world
        .commit(Some(world.tenant()), writes.clone())
        .await
        .unwrap();
    let feed = world
        .registry
        .changes_after(change.revision - 1, 1)
        .await
        .unwrap();
    assert_eq!(feed[0].writes, writes);
    assert_eq!(feed[0], change);
}

both! {
    async fn tenants_and_their_key_encryption_keys(world: World) {
        let mut dice = Dice::new();
        for number in 0..ROUNDS {
            let mut tenant = world.make.tenant_row(&dice.name(number));
            tenant.state = dice.throw(select(TenantState::ALL));
            tenant.description = dice.text();
            tenant.created_at = dice.time();
            tenant.updated_at = dice.time();
            insert(&world, Row::Tenant(tenant.clone())).await;
            let found = world.registry.tenant(tenant.id).await.unwrap();
            assert_eq!(found.as_ref(), Some(&tenant));
            assert_eq!(world.registry.tenant_by_name(&tenant.name).await.unwrap(), found);

            let mut keks = Vec::new();
            for version in 1..4 {
                let mut kek = world.make.kek_row(tenant.id, version);
                kek.record_digest = dice.digest();
                kek.created_at = dice.time();
                kek.destroyed_at = if version == 2 { Some(dice.time()) } else { None };
                insert(&world, Row::TenantKek(kek.clone())).await;
                keks.insert(0, kek);
            }
            keks.retain(|kek| kek.destroyed_at.is_none());
            assert_eq!(world.registry.tenant_keks(tenant.id).await.unwrap(), keks);
            let (mut live, mut after) = (Vec::new(), None);
            loop {
                let ledger: &dyn keyward_core::port::storage::RecordLedger = &*world.registry;
                let page = ledger.live_keks(after, 2).await.unwrap();
                after = page.last().map(|last| last.record);
                let is_last = page.len() < 2;
                live.extend(page);
                if is_last {
                    break;
                }
            }
            assert!(live.is_sorted_by_key(|kek| kek.record));
            live.retain(|kek| kek.tenant == tenant.id);
            live.sort_by_key(|kek| std::cmp::Reverse(kek.version));
            assert_eq!(live, keks);
        }
        let mut after = None;
        let mut seen = 0;
        loop {
            let page = world.registry.tenants(after.as_ref(), 10).await.unwrap();
            assert!(page.rows.is_sorted_by_key(|tenant| tenant.name.clone()));
            seen += page.rows.len();
            after = page.rows.last().map(|tenant| tenant.name.clone());
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, ROUNDS + 1);
    }
}

both! {
    async fn principals_and_tokens(world: World) {
        let mut dice = Dice::new();
        for number in 0..ROUNDS {
            let tenant = (number % 3 > 0).then_some(world.tenant());
            let mut principal = world.make.principal_row(tenant, &dice.name(number));
            principal.kind = dice.throw(select(PrincipalKind::ALL));
            principal.disabled_at = dice.opt_time();
            principal.created_at = dice.time();
            principal.updated_at = dice.time();
            insert(&world, Row::Principal(principal.clone())).await;
            let found = world.registry.principal(principal.id).await.unwrap();
            assert_eq!(found.as_ref(), Some(&principal));
            let by_name = world.registry.principal_by_name(tenant, &principal.name).await.unwrap();
            assert_eq!(by_name, found);

            let mut token = world.make.token_row(tenant, principal.id);
            token.digest = dice.digest();
            token.label = dice.text();
            token.created_by = dice.throw(any::<bool>()).then_some(world.make.token);
            token.created_at = dice.time();
            token.expires_at = dice.opt_time();
            token.revoked_at = dice.opt_time();
            insert(&world, Row::Token(token.clone())).await;
            assert_eq!(world.registry.token(token.id).await.unwrap(), Some(token));
        }
        for (tenant, expected) in [(Some(world.tenant()), 17), (None, 8)] {
            let mut principals = 0;
            let mut after = None;
            loop {
                let page = world.registry.principals(tenant, after.as_ref(), 5).await.unwrap();
                principals += page.rows.len();
                after = page.rows.last().map(|principal| principal.name.clone());
                if !page.more {
                    break;
                }
            }
            assert_eq!(principals, expected);
            let (mut tokens, mut after) = (0, None);
            loop {
                let page = world.registry.tokens(tenant, after, 5).await.unwrap();
                tokens += page.rows.len();
                after = page.rows.last().map(|token| token.id);
                if !page.more {
                    break;
                }
            }
            assert_eq!(tokens, expected);
        }
    }
}

both! {
    async fn roles_and_assignments(world: World) {
        let mut dice = Dice::new();
        let mut assigned = Vec::new();
        for number in 0..ROUNDS {
            let tenant = (number % 3 > 0).then_some(world.tenant());
            let mut role = world.make.role_row(tenant, &dice.name(number));
            role.description = dice.text();
            role.permissions = dice.actions();
            role.delegable = dice.actions();
            role.created_at = dice.time();
            role.updated_at = dice.time();
            insert(&world, Row::Role(role.clone())).await;
            assert_eq!(world.registry.role(role.id).await.unwrap(), Some(role.clone()));
            let by_name = world.registry.role_by_name(Some(world.tenant()), &role.name).await;
            assert_eq!(by_name.unwrap(), Some(role.clone()));

            let mut assignment = world.make.assignment_row(tenant, world.make.principal, role.id);
            assignment.restriction = dice.throw(any::<bool>()).then(|| Restriction {
                keys: dice.throw(vec("[a-z]{1,9}", 0..3)).iter().map(|it| it.parse().unwrap()).collect(),
                classes: dice.throw(vec("[A-Z][A-Z_]{0,9}", 0..3)).iter().map(|it| it.parse().unwrap()).collect(),
                tags: dice.throw(btree_map("\\PC{0,9}", "\\PC{0,9}", 0..3)),
            });
            assignment.created_at = dice.time();
            insert(&world, Row::RoleAssignment(assignment.clone())).await;
            assigned.push(assignment);
        }
        assigned.sort_by_key(|assignment| assignment.id);
        let registry = &world.registry;
        assert_eq!(registry.assignments_of(world.make.principal).await.unwrap(), assigned);
        for tenant in [Some(world.tenant()), None] {
            let mut expected = assigned.clone();
            expected.retain(|assignment| assignment.tenant == tenant);
            assert_eq!(registry.assignments(tenant).await.unwrap(), expected);
        }
        let visible = registry.roles(Some(world.tenant())).await.unwrap();
        assert_eq!(visible.len(), ROUNDS);
        assert!(visible.is_sorted_by_key(|role| role.name.clone()));
        assert_eq!(registry.roles(None).await.unwrap().len(), ROUNDS / 3);
    }
}

fn any_key(world: &World, dice: &mut Dice, number: usize) -> NewKey {
    let mut made = world.make.key(&dice.name(number));
    let key = &mut made.key;
    key.description = dice.text();
    key.purpose = dice.text();
    key.owner = dice.text();
    key.data_class = dice
        .throw(of("[A-Z][A-Z0-9_]{0,63}"))
        .map(|class| class.parse().unwrap());
    key.algorithm = dice.throw(select(Algorithm::ALL));
    key.usages = dice
        .throw(vec(select(Usage::ALL), 0..6))
        .into_iter()
        .collect();
    key.provider = dice.throw(select(ProviderKind::ALL));
    key.origin = dice.throw(select(Origin::ALL));
    key.restrictions = Restrictions {
        exportable: dice.throw(any::<bool>()),
        deterministic: dice.throw(any::<bool>()),
        process_after_expiry: dice.throw(any::<bool>()),
        use_limit: dice.throw(any::<bool>()).then(|| UseLimit {
            uses: dice.count(),
            bytes: dice.count(),
        }),
    };
    key.authorized_services = dice.throw(btree_set("\\PC{0,20}", 0..4));
    key.access_policy = dice.throw(btree_map("\\PC{0,9}", "\\PC{0,9}", 0..4));
    key.compliance_tags = dice.throw(btree_set("\\PC{0,20}", 0..4));
    key.tags = dice.throw(btree_map("\\PC{0,9}", "\\PC{0,9}", 0..4));
    key.rollback_window_seconds = dice.count();
    key.overlap_seconds = dice.count();
    key.latest_version = dice.throw(1..1_000_i64);
    key.created_by = dice.throw(any::<bool>()).then_some(world.make.token);
    key.created_at = dice.time();
    key.updated_at = dice.time();
    dress_version(world, dice, &mut made);
    made
}

fn dress_version(world: &World, dice: &mut Dice, made: &mut NewKey) {
    let version = &mut made.version;
    version.algorithm = made.key.algorithm;
    version.provider = made.key.provider;
    version.record_digest = (version.provider == ProviderKind::Native).then(|| dice.digest());
    version.size_bits = dice.throw(1..=i32::MAX);
    version.strength_bits = dice.throw(1..=i32::MAX);
    version.provider_key_id = format!("{}/{}", dice.throw("\\PC{1,20}"), world.make.uuid());
    version.region = dice.throw(of("\\PC{0,20}"));
    version.endpoint = dice.throw(of("\\PC{0,20}"));
    version.fingerprint = dice.digest();
    version.public_key = dice.throw(of("[A-Za-z0-9+/=]{0,200}"));
    version.promotion_count = dice.count();
    version.created_by = dice.throw(any::<bool>()).then_some(world.make.token);
    version.rotated_by = dice.throw(any::<bool>()).then_some(world.make.token);
    version.correlation_id = dice.throw("[A-Za-z0-9._-]{1,64}").parse().unwrap();
    version.created_at = dice.time();
    version.updated_at = dice.time();
    version.expires_at = dice.opt_time();
    version.rotated_at = dice.opt_time();
    version.retire_at = dice.opt_time();
    version.rollback_expires_at = dice.opt_time();
    version.state = dice.throw(select(&State::ALL[..]));
    version.activated_at = (version.state != State::Pending).then(|| dice.time());
    if version.state == State::PendingDestruction {
        version.destroying = dice.throw(any::<bool>());
        version.destroy_at = Some(dice.time());
        version.state_before = Some(dice.throw(select(vec![
            State::Pending,
            State::Inactive,
            State::Rotated,
            State::Expired,
            State::Compromised,
        ])));
    }
    let compromised = [Some(State::Compromised), Some(State::DestroyedCompromised)];
    if compromised.contains(&Some(version.state)) || compromised.contains(&version.state_before) {
        version.compromised_at = Some(dice.time());
    }
    if version.state.is_destroyed() {
        version.destroyed_at = Some(dice.time());
        version.destroy_at = dice.opt_time();
    }
}

both! {
    async fn keys_versions_and_their_history(world: World) {
        let mut dice = Dice::new();
        for number in 0..3 * ROUNDS {
            let mut made = any_key(&world, &mut dice, number);
            let transition = &mut made.transition;
            "rotate".clone_into(&mut transition.event);
            transition.from_state = dice.throw(of(select(&State::ALL[..])));
            transition.to_state = dice.throw(select(&State::ALL[..]));
            transition.primary_version = dice.throw(1..=i64::MAX);
            transition.at = dice.time();
            transition.principal = dice.throw(any::<bool>()).then_some(world.make.principal);
            transition.token = dice.throw(any::<bool>()).then_some(world.make.token);
            transition.reason = dice.throw(of("\\PC{0,40}"));
            let change = world.commit(Some(world.tenant()), made.writes()).await.unwrap();
            let feed = world.registry.changes_after(change.revision - 1, 1).await.unwrap();
            assert_eq!(feed, [change]);

            // A child of the first version, so that parent and rollback have been there too.
            let mut child = made.version.clone();
            child.id = keyward_core::ids::VersionId::from_uuid(world.make.uuid());
            child.version = 2;
            child.parent_version = Some(1);
            child.can_roll_back = true;
            child.rollback_expires_at = Some(dice.time());
            child.provider_key_id = world.make.uuid().to_string();
            insert(&world, Row::KeyVersion(Box::new(child.clone()))).await;

            let found = world.registry.key(world.tenant(), &KeyRef::Id(made.key.id)).await;
            let found = found.unwrap().unwrap();
            assert_eq!(found.key, made.key);
            assert_eq!(found.versions, [made.version, child]);
            let history = world.registry.history(world.tenant(), made.key.id, None, 9).await;
            assert_eq!(history.unwrap().rows, [made.transition]);
        }
        // An update writes every field as an insert does.
        let page = world.registry.all_keys(None, ROUNDS).await.unwrap();
        for (number, mut found) in page.rows.into_iter().enumerate() {
            let other = any_key(&world, &mut dice, 1_000 + number);
            let mut key = other.key;
            (key.id, key.tenant, key.etag) = (found.key.id, found.key.tenant, 2);
            let mut version = other.version;
            let old = &found.versions[0];
            (version.id, version.tenant, version.key) = (old.id, old.tenant, old.key);
            version.etag = 2;
            found.key = key.clone();
            found.versions[0] = version.clone();
            let writes = vec![
                Write::update(Row::Key(Box::new(key))),
                Write::update(Row::KeyVersion(Box::new(version))),
            ];
            world.commit(Some(world.tenant()), writes).await.unwrap();
            let key = KeyRef::Id(found.key.id);
            assert_eq!(world.registry.key(world.tenant(), &key).await.unwrap(), Some(found));
        }
    }
}

both! {
    async fn policies_pointers_bindings_and_jobs(world: World) {
        let mut dice = Dice::new();
        let made = world.make.key("invoices");
        let other = world.make.key("receipts");
        let writes = [made.writes(), other.writes()].concat();
        world.commit(Some(world.tenant()), writes).await.unwrap();
        let (registry, tenant) = (&world.registry, world.tenant());
        let (mut bindings, mut jobs, mut pointers) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..ROUNDS {
            let mut policy = world.make.policy_row(&dice.name(number));
            policy.description = dice.text();
            policy.status = dice.throw(select(PolicyStatus::ALL));
            policy.rotation_interval_days = dice.throw(of(1..=i32::MAX));
            policy.schedule = dice.throw(of(schedule()));
            policy.rollback_window_seconds = dice.count();
            policy.overlap_seconds = dice.count();
            policy.created_at = dice.time();
            policy.updated_at = dice.time();
            insert(&world, Row::Policy(policy.clone())).await;
            assert_eq!(registry.policy(tenant, policy.id).await.unwrap(), Some(policy.clone()));
            let by_name = registry.policy_by_name(tenant, &policy.name).await.unwrap();
            assert_eq!(by_name, Some(policy));

            let mut pointer = world.make.pointer_row(&format!("CLASS_{number}"), made.key.id);
            pointer.previous_key = dice.throw(any::<bool>()).then_some(other.key.id);
            pointer.updated_at = dice.time();
            insert(&world, Row::ClassPointer(pointer.clone())).await;
            let found = registry.class_pointer(tenant, &pointer.class).await.unwrap();
            assert_eq!(found.as_ref(), Some(&pointer));
            let current = registry.key(tenant, &KeyRef::Class(pointer.class.clone())).await;
            assert_eq!(current.unwrap().unwrap().key.id, made.key.id);
            pointers.push(pointer);

            let mut binding = world.make.binding_row(&made.key);
            binding.uri = dice.text();
            binding.label = dice.text();
            binding.owner = dice.text();
            binding.created_at = dice.time();
            binding.released_at = dice.opt_time();
            insert(&world, Row::DataBinding(binding.clone())).await;
            assert_eq!(registry.binding(tenant, binding.id).await.unwrap(), Some(binding.clone()));
            bindings.push(binding);

            let mut job = world.make.job_row((number % 2 == 0).then_some(tenant));
            job.kind = dice.throw(select(JobKind::ALL));
            job.state = dice.throw(select(JobState::ALL));
            job.due_at = dice.time();
            job.attempts = dice.throw(0..=i32::MAX);
            job.last_error = dice.throw(of("\\PC{0,40}"));
            job.created_at = dice.time();
            job.updated_at = dice.time();
            insert(&world, Row::Job(job.clone())).await;
            jobs.push(job);
        }
        pointers.sort_by_key(|pointer| pointer.class.clone());
        assert_eq!(registry.class_pointers(tenant).await.unwrap(), pointers);
        assert_eq!(registry.all_class_pointers().await.unwrap(), pointers);
        let page = registry.policies(tenant, None, 10).await.unwrap();
        assert!(page.more && page.rows.is_sorted_by_key(|policy| policy.name.clone()));

        let live = bindings.iter().filter(|binding| binding.released_at.is_none()).count();
        assert_eq!(registry.live_bindings(tenant, made.key.id).await.unwrap(), live as i64);
        bindings.sort_by_key(|binding| binding.id);
        let first = registry.bindings(tenant, made.key.id, None, 10).await.unwrap();
        assert_eq!(first.rows, bindings[..10]);
        let rest = registry.bindings(tenant, made.key.id, Some(bindings[9].id), 50).await.unwrap();
        assert_eq!((rest.rows.as_slice(), rest.more), (&bindings[10..], false));

        jobs.sort_by_key(|job| std::cmp::Reverse((job.created_at, job.id)));
        for tenant in [Some(tenant), None] {
            let mut expected = jobs.clone();
            expected.retain(|job| job.tenant == tenant);
            assert_eq!(registry.jobs(tenant, 100).await.unwrap(), expected);
        }
        let now = Timestamp::from_micros(90_000_000_000_000_000);
        let mut due = jobs;
        due.retain(|job| {
            matches!(job.state, JobState::Queued | JobState::Running) && job.due_at <= now
        });
        due.sort_by_key(|job| (job.due_at, job.id));
        assert_eq!(registry.due_jobs(now, 100).await.unwrap(), due);
    }
}

both! {
    async fn conditions_and_strays(world: World) {
        let mut dice = Dice::new();
        let registry = &world.registry;
        let mut made = Vec::new();
        for number in 0..ROUNDS {
            let tenant = (number % 3 > 0).then_some(world.tenant());
            let mut row = world.make.condition_row(tenant, &format!("part-{number}"));
            row.kind = dice.throw(select(ConditionKind::ALL));
            row.severity = dice.throw(select(Severity::ALL));
            row.detail = dice.text();
            row.since = dice.time();
            row.last_seen_at = dice.time();
            row.cleared_at = (number % 2 > 0).then(|| row.since.plus_seconds(number as i64));
            insert(&world, Row::Condition(row.clone())).await;
            made.push(row);

            let mut stray = world.make.stray_row();
            stray.found_at = dice.time();
            stray.quarantined_at = dice.opt_time();
            stray.confirmed_at = dice.opt_time();
            stray.deleting_at = dice.opt_time();
            insert(&world, Row::StrayRecord(stray.clone())).await;
            let found = registry.stray(&stray.name).await.unwrap();
            assert_eq!(found.as_ref(), Some(&stray));
            let page = registry.strays(None, 1_000).await.unwrap();
            assert!(page.rows.is_sorted_by_key(|row| row.name.clone()) && page.rows.contains(&stray));
        }
        made.sort_by_key(|row| std::cmp::Reverse(row.id));
        for tenant in [Some(world.tenant()), None] {
            for open in [None, Some(true), Some(false)] {
                for severity in [None, Some(Severity::Critical)] {
                    let kind = None;
                    let filter = ConditionFilter { open, kind, severity };
                    let mut expected = made.clone();
                    expected.retain(|row| {
                        row.tenant == tenant
                            && open.is_none_or(|open| row.cleared_at.is_none() == open)
                            && severity.is_none_or(|it| it == row.severity)
                    });
                    let mut found = Vec::new();
                    loop {
                        let after = found.last().map(|it: &Condition| it.id);
                        let page = registry.conditions(tenant, &filter, after, 3).await.unwrap();
                        found.extend(page.rows);
                        if !page.more {
                            break;
                        }
                    }
                    assert_eq!(found, expected, "{filter:?}");
                }
            }
        }
        let mut open = made.clone();
        open.retain(|row| row.cleared_at.is_none());
        open.reverse();
        assert_eq!(registry.open_conditions(None, 1_000).await.unwrap().rows, open);
        let mut over = made.clone();
        over.retain(|row| row.cleared_at.is_some());
        over.sort_by_key(|row| (row.cleared_at, row.id));
        let long = Timestamp::from_micros(-62_000_000_000_000_000);
        let beyond = registry.outlived_conditions(long, 1, 1_000).await.unwrap();
        let mut expected = over.clone();
        expected.pop();
        expected.reverse();
        assert_eq!(beyond, expected);
        let before = over[1].cleared_at.unwrap();
        let old = registry.outlived_conditions(before, 1, 1_000).await.unwrap();
        over.retain(|row| row.cleared_at < Some(before));
        assert_eq!(old, over);
    }
}

both! {
    async fn secrets_and_their_versions(world: World) {
        let mut dice = Dice::new();
        let registry = &world.registry;
        let mut secrets = Vec::new();
        let mut due = Vec::new();
        for number in 0..ROUNDS {
            let tenant = (number % 3 > 0).then_some(world.tenant());
            let name = format!("part-{}/{}", number % 2, dice.name(number));
            let mut secret = world.make.secret_row(tenant, &name);
            secret.state = dice.throw(select(SecretState::ALL));
            secret.description = dice.text();
            secret.labels = dice.throw(btree_map("[\\PC]{1,9}", "[\\PC]{0,9}", 0..4));
            secret.keep = dice.throw(1..=100);
            secret.latest_version = dice.throw(1..i64::MAX);
            secret.created_at = dice.time();
            secret.updated_at = dice.time();
            insert(&world, Row::Secret(secret.clone())).await;
            assert_eq!(registry.secret(tenant, &secret.name).await.unwrap().as_ref(), Some(&secret));
            let elsewhere = tenant.is_none().then_some(world.tenant());
            assert_eq!(registry.secret(elsewhere, &secret.name).await.unwrap(), None);

            let mut versions = Vec::new();
            for number in 1..4 {
                let mut version = world.make.secret_version_row(&secret);
                version.version = number;
                version.record_digest = dice.digest();
                version.destroying_at = dice.opt_time();
                version.created_at = dice.time();
                insert(&world, Row::SecretVersion(version.clone())).await;
                let found = registry.secret_version(version.id).await.unwrap();
                assert_eq!(found.as_ref(), Some(&version));
                due.extend(version.destroying_at.map(|_| version.clone()));
                versions.push(version);
            }
            assert_eq!(registry.secret_versions(secret.id).await.unwrap(), versions);
            secrets.push(secret);
        }
        let now = crate::make::START;
        due.retain(|version| version.destroying_at <= Some(now));
        due.sort_by_key(|version| (version.destroying_at, version.id));
        assert_eq!(registry.due_secret_versions(now, 100).await.unwrap(), due);
        due.truncate(2);
        assert_eq!(registry.due_secret_versions(now, 2).await.unwrap(), due);

        secrets.retain(|secret| secret.state == SecretState::Stored);
        secrets.sort_by(|a, b| a.name.cmp(&b.name));
        for tenant in [Some(world.tenant()), None] {
            for prefix in ["", "part-1/", "part-", "x", "part-0"] {
                let mut expected = secrets.clone();
                expected.retain(|it| it.tenant == tenant && it.name.as_str().starts_with(prefix));
                let mut found = Vec::new();
                loop {
                    let after = found.last().map(|it: &keyward_core::noun::secret::Secret| it.name.clone());
                    let page = registry.secrets(tenant, prefix, after.as_ref(), 3).await.unwrap();
                    found.extend(page.rows);
                    if !page.more {
                        break;
                    }
                }
                assert_eq!(found, expected, "{prefix}");
            }
        }
    }
}

both! {
    async fn versions_that_the_clock_waits_for(world: World) {
        let now = crate::make::START;
        let (past, future) = (now.plus_seconds(-1), now.plus_seconds(1));
        let mut expected = Vec::new();
        for (number, (retire, expire, state)) in [
            (Some(past), None, State::Active),
            (Some(now), Some(past), State::Active),
            (None, Some(now), State::Active),
            (Some(future), Some(future), State::Active),
            (None, Some(past), State::Inactive),
            (None, Some(past), State::Rotated),
            (None, None, State::PendingDestruction),
        ]
        .into_iter()
        .enumerate()
        {
            let mut made = world.make.key(&format!("key-{number}"));
            made.version.retire_at = retire;
            made.version.expires_at = expire;
            made.version.state = state;
            if state == State::PendingDestruction {
                made.version.state_before = Some(State::Rotated);
                made.version.destroy_at = Some(past);
            }
            world.commit(Some(world.tenant()), made.writes()).await.unwrap();
            if matches!(number, 0..=2 | 6) {
                expected.push(made.key.id);
            }
        }
        let due = world.registry.due_versions(now, 100).await.unwrap();
        let mut found: Vec<_> = due.iter().map(|due| due.key).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
        assert!(due.iter().all(|due| due.version == 1 && due.tenant == world.tenant()));
        assert_eq!(world.registry.due_versions(now, 2).await.unwrap().len(), 2);
    }
}
