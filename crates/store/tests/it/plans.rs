//! Every statement of the code has its index: all of them are run over many rows, noted down, and
//! explained. A plan that reads a large table from end to end fails.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use keyward_core::change::{IdempotencyKey, Row, Write};
use keyward_core::ids::{AuditRuleId, BindingId, KeyId, PolicyId};
use keyward_core::noun::audit_rule::RuleKind;
use keyward_core::noun::key::{ProviderKind, UseLimit};
use keyward_core::noun::key_version::UsageTotals;
use keyward_core::noun::state::State;
use keyward_core::noun::tenant::Digest;
use keyward_core::port::audit_rules::AuditRules as _;
use keyward_core::port::lease::{LeaseRole, Leases as _};
use keyward_core::port::registry::{
    KeyCursor, KeyFilter, KeyRef, KeySort, Registry as _, Reservation, UsageDelta,
};
use keyward_core::port::rotations::{Rotations as _, RotationsOf};
use keyward_core::port::storage::RecordLedger;
use keyward_core::port::upkeep::Upkeep as _;
use keyward_crypto::Algorithm;
use keyward_store::{Config, StatementObserver, Value};
use parking_lot::Mutex;

use crate::make::{NewKey, START};
use crate::world::{Place, World};

/// Statements as they were run, with the values they were first run with.
#[derive(Default)]
struct Notes(Mutex<BTreeMap<String, Vec<Value>>>);

impl StatementObserver for Notes {
    fn observe(&self, text: &str, values: &[Value]) {
        self.0
            .lock()
            .entry(text.to_owned())
            .or_insert_with(|| values.to_vec());
    }
}

const COMMITS: usize = 800;
const KEYS_IN_COMMIT: usize = 20;

/// By what a sealed owner is found.
fn sealed_owner(number: usize) -> String {
    format!("\u{1}kwt1:{number:0>43}")
}

fn one_key(world: &World, number: usize) -> NewKey {
    let mut made = world.make.key(&format!("key-{number}"));
    let key = &mut made.key;
    key.owner = match number % 300 {
        owner @ 200.. => format!("{}:1:AAAA", sealed_owner(owner)),
        owner => format!("owner-{owner}"),
    };
    key.data_class = Some(format!("CLASS_{}", number % 50).parse().unwrap());
    key.created_at = START.plus_seconds(number as i64);
    key.tags
        .insert("team".to_owned(), format!("team-{}", number % 1_000));
    key.compliance_tags
        .insert(format!("rule-{}", number % 1_000));
    key.authorized_services
        .insert(format!("service-{}", number % 1_000));
    if number.is_multiple_of(97) {
        key.algorithm = Algorithm::Rsa4096;
        key.created_by = None;
        made.version.provider = ProviderKind::AwsKms;
        key.provider = ProviderKind::AwsKms;
        made.version.record_digest = None;
        made.version.state = State::Expired;
    }
    made.version.expires_at = Some(START.plus_seconds(1_000 + number as i64));
    made
}

async fn fill(world: &World) -> Vec<NewKey> {
    let keys: Vec<NewKey> = (0..COMMITS * KEYS_IN_COMMIT)
        .map(|number| one_key(world, number))
        .collect();
    let commits =
        keys.chunks(KEYS_IN_COMMIT)
            .enumerate()
            .map(|(number, keys)| {
                let mut writes: Vec<Write> = keys.iter().flat_map(NewKey::writes).collect();
                let tenant = world.make.tenant_row(&format!("tenant-{number}"));
                let principal = world.make.principal_row(Some(tenant.id), "someone");
                let role = world.make.role_row(Some(tenant.id), "some-role");
                let assignment = world
                    .make
                    .assignment_row(Some(tenant.id), principal.id, role.id);
                let mut job = world.make.job_row(Some(world.tenant()));
                job.due_at = START.plus_seconds(number as i64);
                job.created_at = START.plus_seconds(number as i64);
                let mut import_key = world.make.import_key_row();
                import_key.destroy_at = START.plus_seconds(number as i64);
                let secret = world
                    .make
                    .secret_row(Some(world.tenant()), &format!("db/password-{number}"));
                let of_system = world
                    .make
                    .secret_row(None, &format!("db/password-{number}"));
                let mut value = world.make.secret_version_row(&secret);
                value.destroying_at = Some(START.plus_seconds(number as i64));
                let open = world
                    .make
                    .condition_row(Some(world.tenant()), &format!("part-{number}"));
                let of_deployment = world.make.condition_row(None, &format!("part-{number}"));
                let mut over = world
                    .make
                    .condition_row(Some(world.tenant()), &format!("part-{number}"));
                over.cleared_at = Some(START.plus_seconds(number as i64));
                let stray = world.make.stray_row();
                let rule = world
                    .make
                    .audit_rule_row(Some(world.tenant()), RuleKind::Retention);
                let hold = world.make.audit_rule_row(None, RuleKind::Hold);
                let kek = world.make.kek_row(tenant.id, 1);
                let token = world.make.token_row(Some(tenant.id), principal.id);
                let mut policy = world.make.policy_row("some-policy");
                policy.tenant = tenant.id;
                writes.extend([
                    Write::insert(Row::Tenant(tenant)),
                    Write::insert(Row::TenantKek(kek)),
                    Write::insert(Row::Principal(principal)),
                    Write::insert(Row::Token(token)),
                    Write::insert(Row::Role(role)),
                    Write::insert(Row::RoleAssignment(assignment)),
                    Write::insert(Row::Policy(policy)),
                    Write::insert(Row::Job(job)),
                    Write::insert(Row::ImportKey(import_key)),
                    Write::insert(Row::Secret(secret)),
                    Write::insert(Row::Secret(of_system)),
                    Write::insert(Row::SecretVersion(value)),
                    Write::insert(Row::Condition(open)),
                    Write::insert(Row::Condition(of_deployment)),
                    Write::insert(Row::Condition(over)),
                    Write::insert(Row::StrayRecord(stray)),
                    Write::insert(Row::AuditRule(rule)),
                    Write::insert(Row::AuditRule(hold)),
                ]);
                writes.extend(keys.iter().map(|made| {
                    let row = world.make.rotation_row(&made.key, START);
                    Write::insert(Row::Rotation(Box::new(row)))
                }));
                writes.extend(keys.iter().map(|made| {
                    Write::insert(Row::DataBinding(world.make.binding_row(&made.key)))
                }));
                // Tenants come first, as foreign keys ask.
                writes.sort_by_key(|write| match &write.row {
                    Row::Tenant(_) => 0,
                    Row::Principal(_) => 1,
                    Row::Role(_) => 2,
                    _ => 3,
                });
                let mut commit = World::change(Some(world.tenant()), writes);
                let request = IdempotencyKey {
                    tenant: Some(world.tenant()),
                    principal: world.make.principal,
                    route: "key.create",
                    key: format!("request-{number}"),
                    digest: Digest([0; 32]),
                };
                commit.idempotency = Some((request, world.make.uuid()));
                world.clock.set(START.plus_seconds(number as i64));
                world.registry.commit(commit)
            });
    for outcome in join_all(commits).await {
        outcome.unwrap();
    }
    let totals = UsageTotals {
        protects: 1,
        ..UsageTotals::default()
    };
    let used = keys.iter().map(|made| UsageDelta {
        version: made.version.id,
        add: totals,
    });
    world
        .registry
        .add_usage("node-1", 1, used.collect())
        .await
        .unwrap();
    keys
}

/// Calls every method of the port, and notes its name.
struct Caller<'a> {
    world: &'a World,
    called: Vec<&'static str>,
}

macro_rules! call {
    ($caller:expr, $method:ident($($argument:expr),* $(,)?)) => {{
        $caller.called.push(stringify!($method));
        $caller.world.registry.$method($($argument),*).await.unwrap()
    }};
}

impl Caller<'_> {
    async fn read(&mut self, keys: &[NewKey]) {
        let make = &self.world.make;
        let (tenant, middle) = (make.tenant, &keys[keys.len() / 2]);
        let key = middle.key.id;
        call!(self, changes_after(5, 10));
        call!(self, revision());
        call!(self, health());
        call!(self, deployment());
        call!(self, advance_clock(START));
        call!(self, tenant(tenant));
        call!(self, tenant_by_name(&"acme".parse().unwrap()));
        call!(self, tenants(Some(&"b".parse().unwrap()), 10));
        self.called.push("tenant_keks");
        RecordLedger::tenant_keks(self.world.registry.as_ref(), tenant)
            .await
            .unwrap();
        self.called.push("live_keks");
        let after = keyward_core::ids::RecordId::from_uuid(key.uuid());
        RecordLedger::live_keks(self.world.registry.as_ref(), Some(after), 10)
            .await
            .unwrap();
        call!(self, principal(make.principal));
        call!(self, token(make.token));
        call!(self, role(keyward_core::ids::RoleId::from_uuid(key.uuid())));
        call!(self, assignments_of(make.principal));
        for scope in [Some(tenant), None] {
            call!(self, principal_by_name(scope, &"maria".parse().unwrap()));
            call!(self, principals(scope, Some(&"a".parse().unwrap()), 10));
            call!(self, tokens(scope, Some(make.token), 10));
            call!(self, role_by_name(scope, &"operator".parse().unwrap()));
            call!(self, roles(scope));
            call!(self, assignments(scope));
            call!(self, jobs(scope, 10));
            let name = "db/password-7".parse().unwrap();
            call!(self, secret(scope, &name));
            call!(self, secrets(scope, "db/", Some(&name), 10));
            let request = IdempotencyKey {
                tenant: scope,
                principal: make.principal,
                route: "key.create",
                key: "request-7".to_owned(),
                digest: Digest([0; 32]),
            };
            call!(self, idempotency(&request));
        }
        call!(self, key(tenant, &KeyRef::Id(key)));
        call!(self, key(tenant, &KeyRef::Name(middle.key.name.clone())));
        call!(
            self,
            key(tenant, &KeyRef::Class("PHI_DATA".parse().unwrap()))
        );
        call!(self, history(tenant, key, Some(middle.transition.id), 10));
        call!(self, all_keys(Some(key), 100));
        call!(self, due_versions(START.plus_seconds(1_010), 10));
        call!(self, usage(tenant, key));
        call!(self, usage_watermark("node-1"));
        call!(self, class_pointer(tenant, &"PHI_DATA".parse().unwrap()));
        call!(self, class_pointers(tenant));
        call!(self, all_class_pointers());
        let binding = BindingId::from_uuid(key.uuid());
        call!(self, binding(tenant, binding));
        call!(self, bindings(tenant, key, Some(binding), 10));
        call!(self, live_bindings(tenant, key));
        let policy = keyward_core::ids::PolicyId::from_uuid(key.uuid());
        call!(self, policy(tenant, policy));
        call!(self, policy_by_name(tenant, &"quarterly".parse().unwrap()));
        call!(self, policies(tenant, Some(&"a".parse().unwrap()), 10));
        call!(self, keys_with_policy(tenant, policy));
        call!(self, due_jobs(START.plus_seconds(10), 10));
        let import_key = keyward_core::ids::ImportKeyId::from_uuid(key.uuid());
        call!(self, import_key(tenant, import_key));
        call!(self, due_import_keys(START.plus_seconds(10), 10));
        let secret = keyward_core::ids::SecretId::from_uuid(key.uuid());
        call!(self, secret_versions(secret));
        let version = keyward_core::ids::SecretVersionId::from_uuid(key.uuid());
        call!(self, secret_version(version));
        call!(self, due_secret_versions(START.plus_seconds(10), 10));
        call!(self, forget_idempotency(START.plus_seconds(1)));
        self.upkeep(key).await;
    }

    async fn upkeep(&mut self, key: keyward_core::ids::KeyId) {
        use keyward_core::port::upkeep::{ConditionFilter, Upkeep as _};
        let id = keyward_core::ids::ConditionId::from_uuid(uuid::Uuid::max());
        let filter = ConditionFilter {
            open: Some(true),
            ..ConditionFilter::default()
        };
        for scope in [Some(self.world.tenant()), None] {
            call!(self, conditions(scope, &filter, Some(id), 10));
        }
        call!(self, drills(10));
        call!(self, rotation_planned(key, START));
        let policy = PolicyId::from_uuid(self.world.make.uuid());
        for of in [
            RotationsOf::Tenant,
            RotationsOf::Key(key),
            RotationsOf::Policy(policy),
        ] {
            call!(self, rotations(self.world.tenant(), of, None, 10));
        }
        let rule = AuditRuleId::from_uuid(uuid::Uuid::nil());
        call!(self, audit_rule(rule));
        call!(self, audit_rules(Some(rule), 10));
        for scope in [Some(self.world.tenant()), None] {
            call!(self, audit_rules_of(scope, Some(rule), 10));
        }
        call!(self, open_conditions(Some(id), 10));
        call!(self, outlived_conditions(START, 10, 10));
        let kind = keyward_core::noun::job::JobKind::ScrubStorage;
        call!(self, system_jobs_of(kind, 10));
        let version = keyward_core::ids::SecretVersionId::from_uuid(key.uuid());
        call!(self, all_secret_versions(Some(version), 10));
        let import_key = keyward_core::ids::ImportKeyId::from_uuid(key.uuid());
        call!(self, all_import_keys(Some(import_key), 10));
        let record = keyward_core::ids::RecordId::from_uuid(key.uuid());
        call!(self, is_referenced(record));
        let name = self.world.make.stray_row().name;
        call!(self, stray(&name));
        call!(self, strays(Some(&name), 10));
    }

    async fn search(&mut self, keys: &[NewKey]) {
        let tenant = self.world.tenant();
        let text = |text: &str| Some(text.to_owned());
        let none = KeyFilter::default;
        let filters = [
            none(),
            KeyFilter {
                name_prefix: text("key-123"),
                ..none()
            },
            KeyFilter {
                name_prefix: text("key-"),
                ..none()
            },
            KeyFilter {
                text: text("owner-123"),
                ..none()
            },
            KeyFilter {
                text: text("key-"),
                ..none()
            },
            KeyFilter {
                state: Some(State::Expired),
                ..none()
            },
            KeyFilter {
                state: Some(State::Active),
                ..none()
            },
            KeyFilter {
                data_class: Some("CLASS_7".parse().unwrap()),
                ..none()
            },
            KeyFilter {
                provider: Some(ProviderKind::AwsKms),
                ..none()
            },
            KeyFilter {
                algorithm: Some(Algorithm::Rsa4096),
                ..none()
            },
            KeyFilter {
                owner: text("owner-7"),
                ..none()
            },
            KeyFilter {
                owner: Some(sealed_owner(207)),
                ..none()
            },
            KeyFilter {
                tag: Some(("team".to_owned(), text("team-7"))),
                ..none()
            },
            KeyFilter {
                tag: Some(("team".to_owned(), None)),
                ..none()
            },
            KeyFilter {
                compliance_tag: text("rule-7"),
                ..none()
            },
            KeyFilter {
                authorized_service: text("service-7"),
                ..none()
            },
            KeyFilter {
                rotation_policy: Some(keyward_core::ids::PolicyId::from_uuid(tenant.uuid())),
                ..none()
            },
            KeyFilter {
                created_by: Some(self.world.make.token),
                ..none()
            },
            KeyFilter {
                created_from: Some(START.plus_seconds(19_990)),
                ..none()
            },
            KeyFilter {
                created_before: Some(START.plus_seconds(10)),
                ..none()
            },
            KeyFilter {
                expires_before: Some(START.plus_seconds(1_010)),
                ..none()
            },
            KeyFilter {
                expires_before: Some(START.plus_seconds(90_000)),
                ..none()
            },
            KeyFilter {
                only: Some(keys.iter().take(9).map(|made| made.key.id).collect()),
                ..none()
            },
            KeyFilter {
                text: text("owner-12"),
                state: Some(State::Active),
                tag: Some(("team".to_owned(), None)),
                owner: text("owner-123"),
                ..none()
            },
        ];
        for filter in &filters {
            for sort in [KeySort::Name, KeySort::CreatedAt] {
                let sort_value = match sort {
                    KeySort::Name => "key-12".to_owned(),
                    KeySort::CreatedAt => START.plus_seconds(3).as_micros().to_string(),
                };
                let cursor = KeyCursor {
                    sort_value,
                    id: KeyId::from_uuid(tenant.uuid()),
                };
                call!(self, search_keys(tenant, filter, sort, None, 50));
                call!(self, search_keys(tenant, filter, sort, Some(&cursor), 50));
            }
        }
    }

    async fn write(&mut self, keys: &[NewKey]) {
        let world = self.world;
        let limit = UseLimit {
            uses: 100,
            bytes: 100,
        };
        let wanted = Reservation { uses: 1, bytes: 1 };
        call!(self, reserve_uses(keys[0].version.id, limit, wanted));
        let add = UsageTotals {
            protects: 1,
            ..UsageTotals::default()
        };
        let role = LeaseRole::RotationScheduler;
        let lease = call!(self, take_lease(role, "node-1", 30)).unwrap();
        call!(self, renew_lease(&lease.fence, 30));
        call!(self, note_work(&lease.fence));
        call!(self, release_lease(&lease.fence));
        call!(self, lease(role));
        let deltas = keys.iter().take(3).map(|made| UsageDelta {
            version: made.version.id,
            add,
        });
        call!(self, add_usage("node-1", 2, deltas.collect()));

        let mut made = keys[1].clone();
        made.key.etag += 1;
        made.key.tags.clear();
        "changed".clone_into(&mut made.key.purpose);
        made.version.etag += 1;
        let mut tenant = world
            .registry
            .tenant(world.tenant())
            .await
            .unwrap()
            .unwrap();
        tenant.etag += 1;
        let alone = world.make.key("alone");
        let purged = world.make.key("purged");
        let mut purge = purged.writes();
        purge.truncate(2);
        purge.push(Write::delete(Row::KeyVersion(Box::new(
            purged.version.clone(),
        ))));
        purge.push(Write::delete(Row::Key(Box::new(purged.key.clone()))));
        call!(self, rewrite_change(1, &purge));
        call!(self, compact());
        call!(self, empty_log());
        for writes in [
            vec![
                Write::update(Row::Key(Box::new(made.key.clone()))),
                Write::update(Row::KeyVersion(Box::new(made.version.clone()))),
                Write::insert(Row::KeyVersion(Box::new(
                    world.make.version_row(&made.key, 2),
                ))),
                Write::update(Row::Tenant(tenant)),
            ],
            alone.writes(),
            purge,
        ] {
            call!(self, commit(World::change(Some(world.tenant()), writes)));
        }
    }
}

/// The methods of the port, read from their implementation, so that none is forgotten here.
fn methods() -> Vec<&'static str> {
    let name = |line: &'static str| line.trim().strip_prefix("async fn ")?.split('(').next();
    let sources = [
        (
            include_str!("../../src/registry.rs"),
            "impl Registry for SqlRegistry",
        ),
        (
            include_str!("../../src/upkeep.rs"),
            "impl Upkeep for SqlRegistry",
        ),
        (
            include_str!("../../src/audit_rules.rs"),
            "impl AuditRules for SqlRegistry",
        ),
        (
            include_str!("../../src/leases.rs"),
            "impl Leases for SqlRegistry",
        ),
        (
            include_str!("../../src/rotations.rs"),
            "impl Rotations for SqlRegistry",
        ),
    ];
    let ports = sources.map(|(source, begin)| source.split_once(begin).unwrap().1);
    ports
        .into_iter()
        .flat_map(str::lines)
        .filter_map(name)
        .collect()
}

async fn noted(place: Place) -> (World, BTreeMap<String, Vec<Value>>) {
    let notes = Arc::new(Notes::default());
    let config = Config {
        observer: Some(notes.clone()),
        ..place.config()
    };
    let world = World::with(place, config).await;
    let keys = fill(&world).await;
    world
        .place
        .sql(if world.place.is_sqlite() {
            "ANALYZE"
        } else {
            "VACUUM ANALYZE"
        })
        .await
        .unwrap();
    // What matters is how the program reads many rows, not how it filled the tables.
    notes.0.lock().retain(|text, _| text.starts_with("INSERT"));
    let mut caller = Caller {
        world: &world,
        called: Vec::new(),
    };
    caller.read(&keys).await;
    caller.search(&keys).await;
    caller.write(&keys).await;
    for method in methods() {
        assert!(
            caller.called.contains(&method),
            "{method} is not called here"
        );
    }
    let statements = std::mem::take(&mut *notes.0.lock());
    assert!(
        statements.len() > 60,
        "only {} statements were noted",
        statements.len()
    );
    (world, statements)
}

/// Reads all pointers, or all roles one tenant sees, or all migrations: each a small table that is
/// wanted whole; or the newest drills, from the end of the primary key's index up to the limit.
const WANTED_WHOLE: [&str; 3] = [
    "FROM class_pointers t ORDER BY",
    "FROM schema_migrations",
    "FROM drills t ORDER BY t.id DESC LIMIT",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_scans_a_large_table_on_sqlite() {
    let (world, noted) = noted(Place::sqlite()).await;
    let mut scans = Vec::new();
    for text in noted
        .keys()
        .filter(|text| !WANTED_WHOLE.iter().any(|it| text.contains(it)))
    {
        // An INSERT shows how a foreign key's children would be found were a violation pending
        // (`OP_FkIfZero` in SQLite's fkey.c); a plain one reads nothing.
        if text.starts_with("INSERT") && !text.contains("SELECT") {
            continue;
        }
        // Parameters stay unbound: SQLite's plan does not depend on them.
        let plan = world
            .place
            .plan(&format!("EXPLAIN QUERY PLAN {text}"))
            .await
            .unwrap();
        for step in &plan {
            let on_rows_in_hand = [
                "SCAN (",
                "SCAN CONSTANT",
                "SCAN a",
                "SCAN b",
                "SCAN c",
                "SCAN d",
            ];
            let in_hand = on_rows_in_hand.iter().any(|it| step.starts_with(it))
                || step == "SCAN o"
                || step.contains("CONSTANT ROW")
                || step.contains("VIRTUAL TABLE INDEX");
            let automatic = step.contains("AUTOMATIC");
            if (step.starts_with("SCAN") && !in_hand) || automatic {
                scans.push(format!("{step}: {}", beginning(text)));
            }
        }
    }
    assert!(scans.is_empty(), "{scans:#?}");
}

/// Enough of a statement to know it by.
fn beginning(text: &str) -> String {
    text.chars().filter(|it| *it != '\n').take(2_000).collect()
}

/// A value as PostgreSQL reads it in a statement.
fn literal(value: &Value) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let list = |texts: Vec<String>| quoted(&format!("{{{}}}", texts.join(",")));
    let text = match value {
        Value::Uuid(Some(id)) => quoted(&id.to_string()),
        Value::Text(Some(text)) | Value::Json(Some(text)) => quoted(text),
        Value::Int(Some(number)) => number.to_string(),
        Value::Int4(Some(number)) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Time(Some(at)) => quoted(&at.to_string()),
        Value::Bytes(Some(bytes)) => quoted(
            &bytes
                .iter()
                .fold("\\x".to_owned(), |text, byte| format!("{text}{byte:02x}")),
        ),
        Value::Label(_, Some(name)) => quoted(name),
        Value::Words(words) => list(words.clone()),
        Value::Uuids(ids) => list(ids.iter().map(ToString::to_string).collect()),
        _ => "NULL".to_owned(),
    };
    format!("{text}::{}", value.postgres_type())
}

const LARGE: [&str; 12] = [
    "keys",
    "key_versions",
    "transitions",
    "key_tags",
    "key_labels",
    "key_text",
    "data_bindings",
    "changes",
    "key_usage",
    "idempotency",
    "tokens",
    "principals",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_scans_a_large_table_on_postgres() {
    let (world, noted) = noted(Place::postgres()).await;
    let mut scans = Vec::new();
    let mut text_index_used = false;
    for (text, values) in noted {
        let types: Vec<&str> = values.iter().map(Value::postgres_type).collect();
        let types = if types.is_empty() {
            String::new()
        } else {
            format!("({})", types.join(", "))
        };
        let literals: Vec<String> = values.iter().map(literal).collect();
        let arguments = if literals.is_empty() {
            String::new()
        } else {
            format!("({})", literals.join(", "))
        };
        let explain = format!("PREPARE p {types} AS {text}; EXPLAIN EXECUTE p {arguments}");
        // A GIN index pays off at more rows than these; there it only matters that it can be used.
        let explain = if text.contains("@>") {
            format!("SET enable_seqscan = off; {explain}")
        } else {
            explain
        };
        let plan = world.place.plan(&explain).await;
        let plan = plan.unwrap_or_else(|error| panic!("{error}: {}", beginning(&text)));
        text_index_used |= plan.iter().any(|step| step.contains("key_text_tokens"));
        for step in &plan {
            let scanned = step
                .split_once("Seq Scan on ")
                .map(|(_, rest)| rest.split(' ').next().unwrap());
            // A prefix that every key here has, in order of creation: every row is read and sorted,
            // whatever the plan.
            let reads_all_anyway = scanned == Some("key_versions")
                && text.contains("k.name >= ")
                && text.contains("ORDER BY k.created_at");
            if !reads_all_anyway && scanned.is_some_and(|table| LARGE.contains(&table)) {
                scans.push(format!("{step}: {}", beginning(&text)));
            }
        }
    }
    assert!(scans.is_empty(), "{scans:#?}");
    assert!(text_index_used);
}
