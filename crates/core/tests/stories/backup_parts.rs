//! One tenant, one key or one secret, lost by somebody's mistake and brought back into the deployment
//! that went on meanwhile: row for row what the second had, but for what holds for ever; and nothing of
//! anybody else's is touched.

use std::collections::{BTreeMap, BTreeSet};

use keyward_backup::{Chain, Records, Verified};
use keyward_core::caller::TenantRef;
use keyward_core::change::Change;
use keyward_core::crypto_types::Algorithm;
use keyward_core::error::OpError;
use keyward_core::ids::{RecordId, TenantId, TokenId};
use keyward_core::names::{DataClass, KeyName, PolicyName, RoleName, TenantName};
use keyward_core::noun::action::{Action, ActionSet};
use keyward_core::noun::condition::{ConditionKind, Subject};
use keyward_core::noun::state::State;
use keyward_core::noun::tenant::TenantState;
use keyward_core::ops::key::{LifecycleRequest, NewKey, RotateRequest};
use keyward_core::ops::restore::{Part, Refusal, Report};
use keyward_core::ops::secret::{self, DeleteRequest};
use keyward_core::ops::{
    backup, binding, class, clockwork, condition, initialize, kek, key, policy, role, storage,
    tenant, token,
};
use keyward_core::port::registry::{KeyRef, Registry};
use keyward_core::port::storage::ObjectName;
use keyward_core::time::{Clock, Timestamp};
use keyward_testkit::faulty::FORMS;
use keyward_testkit::world::{PartError, Tenancy, WantedPart, World};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::backups::{opens, used};
use crate::script::{Story, activate, code};
use crate::secrets::{name, value};

/// Rows by table, each as text.
pub type Rows = BTreeMap<String, BTreeSet<String>>;

/// What the server notes about itself is nobody's.
const ITS_OWN: [&str; 6] = [
    "jobs",
    "conditions",
    "changes",
    "feed",
    "tenant_feed",
    "stray_records",
];

/// The registry's rows: those of a tenant, or all others'. Row versions go on after a restore, and so do
/// numbers; with `whole` they are compared as well.
pub async fn rows(world: &World, tenant: TenantId, of_others: bool, whole: bool) -> Rows {
    let tenant = Value::String(tenant.to_string());
    let (mut all, mut table, mut columns) = (Rows::new(), String::new(), Vec::new());
    let text = world.snapshot_text().await;
    for line in text.lines() {
        let read: Value = serde_json::from_str(line).unwrap();
        if let Some(named) = read.get("table") {
            named.as_str().unwrap().clone_into(&mut table);
            columns = serde_json::from_value::<Vec<String>>(read["columns"].clone()).unwrap();
        }
        let Value::Array(values) = read else { continue };
        let mut row: BTreeMap<&str, Value> =
            columns.iter().map(String::as_str).zip(values).collect();
        let of = if table == "tenants" {
            "id"
        } else {
            "tenant_id"
        };
        let is_its = row.get(of) == Some(&tenant);
        let is_counted = table == "use_reservations" || ITS_OWN.contains(&table.as_str());
        if is_its == of_others || is_counted {
            continue;
        }
        // A secret that was deleted is not listed, and does not come back: docs/backup.md says so.
        if !whole && table == "secrets" && row["state"] == "deleted" {
            continue;
        }
        if !whole {
            // And what follows from a version's row is compared there.
            for moving in [
                "etag",
                "latest_version",
                "promotion_count",
                "primary_state",
                "primary_expires_at",
            ] {
                row.remove(moving);
            }
        }
        let row = serde_json::to_string(&row).unwrap();
        all.entry(table.clone()).or_default().insert(row);
    }
    all
}

pub async fn full(world: &World) {
    backup::create(&world.node, world.root(), None)
        .await
        .unwrap();
    assert!(backup::work(&world.node).await.unwrap());
}

pub async fn chain(world: &World, to: Option<Timestamp>) -> (Verified, Vec<Verified>) {
    let chain = Chain::find(&world.backups, None, to).await.unwrap();
    let mut verified = Vec::new();
    for id in chain.all() {
        let one = world.verified(id, None).await;
        assert_eq!(one.findings, []);
        verified.push(one);
    }
    let full = verified.remove(0);
    (full, verified)
}

pub async fn restored(
    world: &World,
    to: Option<Timestamp>,
    wanted: &WantedPart,
) -> Result<(Report, Records), PartError> {
    let (full, segments) = chain(world, to).await;
    let done = world.restore_part(world.root(), &full, &segments, to, wanted);
    done.await
}

fn refusal<T>(done: Result<T, PartError>) -> Refusal {
    match done {
        Err(PartError::Refused(OpError::Restore(refusal))) => refusal,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was done"),
    }
}

/// A tenant with something of each kind.
pub async fn furnished(world: &World, called: &str) -> Tenancy {
    let tenancy = world.tenant(called).await;
    let (node, admin, place) = (&world.node, &tenancy.admin, &tenancy.place);
    let new = policy::NewPolicy {
        name: PolicyName::new("yearly").unwrap(),
        description: "once a year".to_owned(),
        rotation_interval_days: Some(365),
        schedule: None,
        rollback_window_seconds: 3600,
        overlap_seconds: 0,
    };
    policy::create(node, admin, place, new, None).await.unwrap();
    let new = role::NewRole {
        name: RoleName::new("reader").unwrap(),
        description: "reads".to_owned(),
        permissions: ActionSet::of(&[Action::KeyRead]),
        delegable: ActionSet::EMPTY,
    };
    role::create(node, admin, place, new).await.unwrap();
    let class_of = DataClass::new("PHI_DATA").unwrap();
    let mut new = NewKey::named(KeyName::new("notes").unwrap());
    new.data_class = Some(class_of.clone());
    let made = key::create(node, admin, place, new, None).await.unwrap();
    let at = KeyRef::Id(made.value.key.id);
    let story = Story {
        world,
        tenancy: &tenancy,
        key: at.clone(),
    };
    activate(&story, &tenancy.operator).await.unwrap();
    class::assign(node, admin, place, &class_of, &at, None, None)
        .await
        .unwrap();
    let change = key::KeyChange {
        tags: Some(BTreeMap::from([("ward".to_owned(), "3".to_owned())])),
        ..key::KeyChange::default()
    };
    key::update(node, admin, place, &at, change, None)
        .await
        .unwrap();
    let new = binding::NewBinding {
        uri: "s3://charts".to_owned(),
        label: "charts".to_owned(),
        owner: "ward 3".to_owned(),
    };
    binding::create(node, &tenancy.operator, place, &at, new, None)
        .await
        .unwrap();
    let put = secret::put(
        node,
        admin,
        place,
        value("db/password", b"opensesame"),
        None,
    );
    put.await.unwrap();
    tenancy
}

/// Everything of a tenant goes, by a mistake made past the registry: rows, and records in the vault.
pub async fn lose(world: &World, tenant: TenantId) {
    let id = if world.is_postgres() {
        format!("'{tenant}'")
    } else {
        format!("X'{}'", tenant.uuid().simple())
    };
    lose_records(world, tenant).await;
    let order = [
        "audit_rules",
        "conditions",
        "jobs",
        "secret_versions",
        "secrets",
        "import_keys",
        "data_bindings",
        "class_pointers",
        "transitions",
        "key_versions",
        "keys",
        "policies",
        "role_assignments",
        "roles",
        "tokens",
        "principals",
        "idempotency",
        "tenant_keks",
    ];
    // As a shell on the database does it: references do not hold it back, and the outbox stays.
    let begin = if world.is_postgres() {
        "SET session_replication_role = replica;BEGIN;"
    } else {
        "PRAGMA foreign_keys = OFF;BEGIN;"
    };
    let deletes = order.map(|table| format!("DELETE FROM {table} WHERE tenant_id = {id};"));
    let deletes = deletes.concat();
    world.sql(&format!(
        "{begin}{deletes}DELETE FROM tenants WHERE id = {id};COMMIT;"
    ));
}

async fn lose_records(world: &World, tenant: TenantId) {
    for version in world.registry.all_keys(None, 1_000).await.unwrap().rows {
        if version.key.tenant == tenant {
            for version in version.versions {
                if let Ok(record) = version.provider_key_id.parse() {
                    lose_record(world, record).await;
                }
            }
        }
    }
    let keks = world
        .backend
        .list(&format!("kek/{tenant}/"), None, 100)
        .await;
    for name in keks.unwrap() {
        world.backend.delete(&name).await.unwrap();
    }
}

async fn lose_record(world: &World, record: RecordId) {
    for name in names(record) {
        world.backend.delete(&name).await.unwrap();
    }
}

pub fn names(record: RecordId) -> [ObjectName; 2] {
    let text = record.to_string();
    let name = format!("rec/{}/{text}", &text[text.len() - 2..]);
    [name.clone(), format!("{name}.outer")].map(|name| ObjectName::new(&name).unwrap())
}

/// The changes of a tenant's log, which have no gap and no number twice.
pub async fn log_of(world: &World, tenant: TenantId) -> Vec<Change> {
    let changes = world.registry.changes_after(0, 100_000).await.unwrap();
    let all = changes.into_iter();
    let its: Vec<Change> = all.filter(|it| it.tenant == Some(tenant)).collect();
    for (at, change) in its.iter().enumerate() {
        assert_eq!(change.change, i64::try_from(at).unwrap() + 1);
    }
    its
}

pub async fn got(world: &World, place: &TenantRef, at: &str) -> Option<Vec<u8>> {
    let system = initialize::system_caller(&world.node).unwrap();
    let got = secret::get(&world.node, &system, place, &name(at), None).await;
    got.ok().map(|got| got.value.expose().to_vec())
}

fn is_held(world: &World) -> bool {
    let subject = Subject::system("storage");
    condition::is_open(&world.node, &ConditionKind::SWEEP_HELD, &subject)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_lost_tenant_comes_back_row_for_row_and_nobody_else_is_touched() {
    for mut world in World::on_each_registry().await {
        let clinic = furnished(&world, "clinic").await;
        let lab = furnished(&world, "lab").await;
        let (at, text) = used(&world, &clinic, "charts").await;
        full(&world).await;
        // What comes after the full backup is in a segment.
        let (late, late_text) = used(&world, &clinic, "late").await;
        backup::segment(&world.node).await.unwrap();
        let before = rows(&world, clinic.id, false, false).await;
        assert!(before.len() >= 13, "{:?}", before.keys());
        let others = rows(&world, clinic.id, true, true).await;
        let logged = log_of(&world, clinic.id).await.len();

        lose(&world, clinic.id).await;
        world = world.restart().await;
        assert!(world.registry.tenant(clinic.id).await.unwrap().is_none());
        let by_name = TenantRef::Name(TenantName::new("clinic").unwrap());
        let wanted = WantedPart::of(by_name, Part::Tenant);
        let (report, records) = restored(&world, None, &wanted).await.unwrap();
        assert!(
            records.nowhere.is_empty() && records.brought > 0,
            "{records:?}"
        );
        assert_eq!(report.kept(), 0);
        assert!(is_held(&world));

        assert_eq!(rows(&world, clinic.id, false, false).await, before);
        assert_eq!(rows(&world, clinic.id, true, true).await, others);
        assert_eq!(opens(&world, &clinic, &at, &text).await, "charts");
        assert_eq!(opens(&world, &clinic, &late, &late_text).await, "late");
        assert_eq!(
            got(&world, &clinic.place, "db/password").await.unwrap(),
            b"opensesame"
        );
        // A change like any other: the next numbers of the tenant's own log, and in the journal.
        let log = log_of(&world, clinic.id).await;
        let made = u64::try_from(log.len() - logged).unwrap();
        assert_eq!(made, report.changes);
        let entries = world.entries().await;
        let told = |tenant: Option<TenantId>| {
            let restores = entries.iter().map(|it| &it.event);
            let restores = restores.filter(|it| it.action == Action::BackupRestorePart);
            restores.filter(|it| it.tenant == tenant).count()
        };
        assert_eq!(told(None), 2, "begun and done, in the system's log");
        assert_eq!(told(Some(clinic.id)) as u64, made);
        assert_eq!(told(Some(lab.id)), 0);
        // Nothing is given twice: neither numbers of versions nor row versions.
        let now = key::read(&world.node, &clinic.admin, &clinic.place, &at)
            .await
            .unwrap();
        assert!(now.key.latest_version > 1_000);

        // Once more: there is nothing left to do.
        let (again, records) = restored(&world, None, &wanted).await.unwrap();
        assert_eq!((again.written(), again.changes), (0, 0));
        assert_eq!((records.brought, records.mended), (0, 0));
        assert_eq!(rows(&world, clinic.id, false, false).await, before);
        // And another node, or the next start, sees it.
        world = world.restart().await;
        assert_eq!(opens(&world, &clinic, &at, &text).await, "charts");
        assert!(is_held(&world));
        let seen = storage::sweep::Seen::of(&storage::sweep::holds(&world.node)[0]);
        storage::sweep::confirm(&world.node, world.root(), seen, None)
            .await
            .unwrap();
        assert!(!is_held(&world));
    }
}

#[derive(Clone, Debug)]
pub enum Step {
    Create,
    Rotate(usize),
    Compromise(usize),
    Suspend(usize),
    RotateKek,
    Put(Vec<u8>),
    Delete,
    Token,
    Revoke(usize),
    Full,
    Segment,
}

pub fn step() -> impl Strategy<Value = Step> {
    let any_one = 0..6_usize;
    prop_oneof![
        4 => Just(Step::Create),
        5 => any_one.clone().prop_map(Step::Rotate),
        2 => any_one.clone().prop_map(Step::Compromise),
        2 => any_one.clone().prop_map(Step::Suspend),
        1 => Just(Step::RotateKek),
        4 => vec(any::<u8>(), 1..20).prop_map(Step::Put),
        2 => Just(Step::Delete),
        2 => Just(Step::Token),
        2 => any_one.prop_map(Step::Revoke),
        1 => Just(Step::Full),
        3 => Just(Step::Segment),
    ]
}

pub struct History {
    pub world: World,
    pub clinic: Tenancy,
    pub keys: Vec<KeyRef>,
    tokens: Vec<TokenId>,
    pub sealed: Vec<(usize, String, String)>,
    pub revoked: BTreeSet<TokenId>,
}

impl History {
    pub const fn new(world: World, clinic: Tenancy) -> Self {
        Self {
            world,
            clinic,
            keys: Vec::new(),
            tokens: Vec::new(),
            sealed: Vec::new(),
            revoked: BTreeSet::new(),
        }
    }

    pub async fn take(&mut self, step: &Step) {
        let (node, place) = (&self.world.node, &self.clinic.place);
        let operator = &self.clinic.operator;
        match step {
            Step::Create => {
                let called = format!("key-{}", self.keys.len());
                let (at, text) = used(&self.world, &self.clinic, &called).await;
                self.sealed.push((self.keys.len(), text, called));
                self.keys.push(at);
            }
            Step::Rotate(at) if *at < self.keys.len() => {
                let request = RotateRequest::default();
                if key::rotate(node, operator, place, &self.keys[*at], request)
                    .await
                    .is_ok()
                {
                    let story = Story {
                        world: &self.world,
                        tenancy: &self.clinic,
                        key: self.keys[*at].clone(),
                    };
                    if let Ok(text) = story.encrypt("rotated").await {
                        self.sealed.push((*at, text, "rotated".to_owned()));
                    }
                }
            }
            Step::Compromise(at) if *at < self.keys.len() => {
                let request = LifecycleRequest::default();
                let _ = key::compromise(node, operator, place, &self.keys[*at], request).await;
            }
            Step::Suspend(at) if *at < self.keys.len() => {
                let request = LifecycleRequest::default();
                let _ = key::suspend(node, operator, place, &self.keys[*at], request).await;
            }
            Step::RotateKek => {
                kek::rotate(node, self.world.root(), place, None)
                    .await
                    .unwrap();
                while kek::rewrap_slice(node).await.unwrap().is_some() {}
            }
            Step::Put(bytes) => {
                let put = secret::put(node, &self.clinic.admin, place, value("smtp", bytes), None);
                put.await.unwrap();
            }
            Step::Delete => {
                // What was never in a backup cannot be brought back by one.
                backup::segment(node).await.unwrap();
                let request = DeleteRequest::default();
                let _ =
                    secret::delete(node, &self.clinic.admin, place, &name("smtp"), request).await;
                clockwork::tick(node).await.unwrap();
            }
            Step::Token => {
                let member = format!("app-{}", self.tokens.len());
                let by = &self.clinic.admin;
                let text = self
                    .world
                    .member_token(by, place, &member, "crypto-user", None);
                let id = self.world.authenticated(&text.await).await.token().unwrap();
                self.tokens.push(id);
            }
            Step::Revoke(at) if *at < self.tokens.len() => {
                let id = self.tokens[*at];
                if token::revoke(node, &self.clinic.admin, place, id, None)
                    .await
                    .is_ok()
                {
                    self.revoked.insert(id);
                }
            }
            Step::Full => full(&self.world).await,
            Step::Segment => drop(backup::segment(node).await.unwrap()),
            _ => {}
        }
    }
}

/// The rows of the versions and tokens that say what holds for ever, taken apart from the others.
pub fn without_facts(mut rows: Rows, facts: &Rows) -> Rows {
    let ids: BTreeSet<String> = facts.values().flatten().map(|row| id_of(row)).collect();
    for table in ["key_versions", "tokens"] {
        if let Some(rows) = rows.get_mut(table) {
            rows.retain(|row| !ids.contains(&id_of(row)));
        }
    }
    rows
}

pub fn id_of(row: &str) -> String {
    let row: Value = serde_json::from_str(row).unwrap();
    row["id"].to_string()
}

/// Of all rows those that say what holds for ever, or is on hold until somebody resumes it.
pub fn facts(rows: &Rows) -> Rows {
    let mut facts = Rows::new();
    for (table, of) in [("key_versions", "compromised_at"), ("tokens", "revoked_at")] {
        let said = |row: &&String| {
            let row: Value = serde_json::from_str(row).unwrap();
            !row[of].is_null()
        };
        let on_hold = |row: &&String| {
            let row: Value = serde_json::from_str(row).unwrap();
            row["state"] == "inactive"
        };
        let all = rows.get(table).into_iter().flatten();
        let found = all.filter(|row| said(row) || on_hold(row)).cloned();
        facts.insert(table.to_owned(), found.collect());
    }
    facts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_tenant_lost_after_a_random_history_comes_back_as_any_second_had_it() {
    const STEPS: usize = 30;
    let mut runner = TestRunner::deterministic();
    for world in World::on_each_registry().await {
        let steps = vec(step(), STEPS..STEPS + 1).new_tree(&mut runner).unwrap();
        let steps = steps.current();
        let second = (0..STEPS).new_tree(&mut runner).unwrap().current();
        // Shown if it fails.
        println!("{steps:?}\nlooked at: {second}");
        let clinic = furnished(&world, "clinic").await;
        furnished(&world, "lab").await;
        full(&world).await;
        let mut history = History::new(world, clinic);
        let id = history.clinic.id;
        let (mut to, mut then, mut sealed) = (None, Rows::new(), Vec::new());
        for (at, step) in steps.iter().enumerate() {
            history.world.clock.advance_seconds(1);
            history.take(step).await;
            if at == second {
                to = Some(history.world.clock.now());
                then = rows(&history.world, id, false, false).await;
                sealed.clone_from(&history.sealed);
            }
        }
        history.world.clock.advance_seconds(1);
        backup::segment(&history.world.node).await.unwrap();
        let last = rows(&history.world, id, false, false).await;
        let others = rows(&history.world, id, true, true).await;
        lose(&history.world, id).await;
        let History {
            world,
            clinic,
            keys,
            revoked,
            ..
        } = history;
        let world = world.restart().await;
        let mut wanted = WantedPart::of(TenantRef::Id(id), Part::Tenant);
        // What orders took away since comes back only if that is asked for.
        wanted.replaces_newer = true;
        let (report, records) = restored(&world, to, &wanted).await.unwrap();
        assert!(records.nowhere.is_empty(), "{records:?} {report:?}");
        let now = rows(&world, id, false, false).await;
        let known = facts(&last);
        // Key-encryption keys that were made since stay: records lie under them.
        let keks = then["tenant_keks"].clone();
        assert!(now["tenant_keks"].is_superset(&keks));
        let mut compared = now.clone();
        compared.insert("tenant_keks".to_owned(), keks);
        let (compared, then) = (without_facts(compared, &known), without_facts(then, &known));
        for (table, rows) in &then {
            let none = BTreeSet::new();
            let found = compared.get(table).unwrap_or(&none);
            let differ: Vec<&String> = rows.symmetric_difference(found).collect();
            assert!(differ.is_empty(), "{table}, row for row: {differ:?}");
        }
        for (table, facts) in &known {
            let had: BTreeSet<String> = now[table].iter().map(|row| id_of(row)).collect();
            let held: Vec<&String> = facts.iter().filter(|it| had.contains(&id_of(it))).collect();
            assert!(held.iter().all(|row| now[table].contains(*row)), "{table}");
        }
        assert_eq!(rows(&world, id, true, true).await, others);
        log_of(&world, id).await;
        for id in revoked {
            let found = world.registry.token(id).await.unwrap();
            assert!(found.is_none_or(|token| token.revoked_at.is_some()));
        }
        for (at, text, plain) in sealed {
            let story = Story {
                world: &world,
                tenancy: &clinic,
                key: keys[at].clone(),
            };
            match story.decrypt(&text).await {
                Ok(opened) => assert_eq!(opened, plain),
                // Compromised, or on hold.
                refused => {
                    let code = code(refused);
                    assert!(["wrong_state", "forbidden"].contains(&code), "{code}");
                }
            }
        }
        let (again, _) = restored(&world, to, &wanted).await.unwrap();
        assert_eq!(again.written(), 0, "{again:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_restore_of_a_part_that_fails_at_any_write_is_taken_up_and_ends_the_same() {
    let mut world = World::new().await;
    let clinic = furnished(&world, "clinic").await;
    full(&world).await;
    let before = rows(&world, clinic.id, false, false).await;
    let wanted = WantedPart::of(clinic.place.clone(), Part::Tenant);
    // Each write of the vault, in each form.
    for form in FORMS {
        for sound in 0.. {
            lose(&world, clinic.id).await;
            world = world.restart().await;
            world.storage_faults.fail_after(sound, form);
            let failed = restored(&world, None, &wanted).await;
            if !world.storage_faults.mend() {
                break;
            }
            assert!(failed.is_err(), "{form:?} after {sound}");
            restored(&world, None, &wanted).await.unwrap();
            assert_eq!(rows(&world, clinic.id, false, false).await, before);
            // Before the vault is whole no row comes back that names what it lacks.
        }
    }
    // Each kind of row of the registry.
    for table in before.keys() {
        lose(&world, clinic.id).await;
        world = world.restart().await;
        world.sql(&format!(
            "CREATE TRIGGER stop BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'stop'); END;"
        ));
        let failed = restored(&world, None, &wanted).await;
        assert!(failed.is_err(), "{table}");
        world.sql("DROP TRIGGER stop;");
        restored(&world, None, &wanted).await.unwrap();
        assert_eq!(
            rows(&world, clinic.id, false, false).await,
            before,
            "{table}"
        );
    }
    log_of(&world, clinic.id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_what_holds_for_ever_is_not_taken_back_by_a_restore_of_a_part() {
    for world in World::on_each_registry().await {
        let clinic = furnished(&world, "clinic").await;
        let (node, operator, place) = (&world.node, &clinic.operator, &clinic.place);
        let (bad, text) = used(&world, &clinic, "bad").await;
        let fresh = Story::new(&world, &clinic, "fresh", Algorithm::Aes256GcmCommit, None).await;
        let member = world
            .member_token(&clinic.admin, place, "app", "crypto-user", None)
            .await;
        let member = world.authenticated(&member).await.token().unwrap();
        full(&world).await;
        let request = LifecycleRequest::default;
        key::compromise(node, operator, place, &bad, request())
            .await
            .unwrap();
        token::revoke(node, &clinic.admin, place, member, None)
            .await
            .unwrap();
        // A version that was never in use is destroyed at once.
        let gone = key::schedule_destruction(
            node,
            &clinic.admin,
            place,
            &fresh.key,
            request(),
            None,
            false,
        );
        gone.await.unwrap();
        world.clock.advance_seconds(31 * 24 * 3600);
        clockwork::tick(node).await.unwrap();
        clockwork::tick(node).await.unwrap();
        backup::segment(node).await.unwrap();

        let to = chain(&world, None)
            .await
            .0
            .signed
            .unwrap()
            .manifest
            .committed_at;
        let mut wanted = WantedPart::of(place.clone(), Part::Tenant);
        wanted.replaces_newer = true;
        let done = restored(&world, Some(to), &wanted).await;
        let report = done.unwrap().0;
        assert!(report.rows["key_versions"].forever >= 2, "{report:?}");
        assert_eq!(
            Story {
                world: &world,
                tenancy: &clinic,
                key: bad.clone()
            }
            .states()
            .await
            .0[0]
                .name(),
            "compromised"
        );
        let story = Story {
            world: &world,
            tenancy: &clinic,
            key: bad,
        };
        assert!(story.decrypt(&text).await.is_err());
        assert!(
            world
                .registry
                .token(member)
                .await
                .unwrap()
                .unwrap()
                .revoked_at
                .is_some()
        );
        wanted.part = Part::Key(fresh.key.clone());
        assert_eq!(
            refusal(restored(&world, Some(to), &wanted).await),
            Refusal::Destroyed
        );

        tenant::suspend(node, world.root(), place, None)
            .await
            .unwrap();
        tenant::shred(node, world.root(), place, "over".to_owned())
            .await
            .unwrap();
        wanted.part = Part::Tenant;
        assert_eq!(
            refusal(restored(&world, Some(to), &wanted).await),
            Refusal::Shredded
        );
        backup::segment(node).await.unwrap();
        // Not even when the row that says so is lost.
        lose(&world, clinic.id).await;
        assert_eq!(
            refusal(restored(&world, Some(to), &wanted).await),
            Refusal::Shredded
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_what_was_compromised_while_it_waited_or_put_on_hold_comes_back_so() {
    for world in World::on_each_registry().await {
        let clinic = furnished(&world, "clinic").await;
        let (node, operator, place) = (&world.node, &clinic.operator, &clinic.place);
        let (bad, text) = used(&world, &clinic, "bad").await;
        let (held, _) = used(&world, &clinic, "held").await;
        let request = LifecycleRequest::default;
        // A destruction waits for what does not protect any more.
        key::expire(node, operator, place, &bad, request())
            .await
            .unwrap();
        full(&world).await;
        let to = chain(&world, None).await.0.signed.unwrap().manifest;
        let to = Some(to.committed_at);
        world.clock.advance_seconds(1);
        let why = LifecycleRequest {
            reason: Some("over".to_owned()),
            ..request()
        };
        key::schedule_destruction(node, &clinic.admin, place, &bad, why, None, true)
            .await
            .unwrap();
        key::compromise(node, operator, place, &bad, request())
            .await
            .unwrap();
        key::suspend(node, operator, place, &held, request())
            .await
            .unwrap();
        tenant::suspend(node, world.root(), place, None)
            .await
            .unwrap();
        backup::segment(node).await.unwrap();

        lose(&world, clinic.id).await;
        let world = world.restart().await;
        let mut wanted = WantedPart::of(TenantRef::Id(clinic.id), Part::Tenant);
        wanted.replaces_newer = true;
        restored(&world, to, &wanted).await.unwrap();
        let found = world.registry.tenant(clinic.id).await.unwrap().unwrap();
        assert_eq!(found.state, TenantState::Suspended, "nobody resumed it");
        tenant::resume(&world.node, world.root(), &clinic.place, None)
            .await
            .unwrap();
        for (key, state) in [(bad.clone(), State::Compromised), (held, State::Inactive)] {
            let found = world.registry.key(clinic.id, &key).await.unwrap().unwrap();
            assert_eq!(found.versions[0].state, state);
        }
        let story = Story {
            world: &world,
            tenancy: &clinic,
            key: bad,
        };
        assert!(story.decrypt(&text).await.is_err(), "compromised");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_nothing_is_destroyed_or_taken_off_hold_by_going_back() {
    for world in World::on_each_registry().await {
        let clinic = furnished(&world, "clinic").await;
        let (node, operator, place) = (&world.node, &clinic.operator, &clinic.place);
        let (waits, _) = used(&world, &clinic, "waits").await;
        let (held, _) = used(&world, &clinic, "held").await;
        let request = LifecycleRequest::default;
        let schedule = async |days: i64| {
            let why = LifecycleRequest {
                reason: Some("over".to_owned()),
                ..request()
            };
            key::schedule_destruction(node, &clinic.admin, place, &waits, why, Some(days), true)
                .await
                .unwrap();
        };
        let version = async |key: &KeyRef, at: usize| {
            let found = world.registry.key(clinic.id, key).await.unwrap();
            found.unwrap().versions[at].clone()
        };
        key::expire(node, operator, place, &waits, request())
            .await
            .unwrap();
        schedule(7).await;
        key::rotate(node, operator, place, &held, RotateRequest::default())
            .await
            .unwrap();
        full(&world).await;
        let to = chain(&world, None).await.0.signed.unwrap().manifest;
        let to = Some(to.committed_at);
        world.clock.advance_seconds(1);
        key::cancel_destruction(node, &clinic.admin, place, &waits, request())
            .await
            .unwrap();
        schedule(30).await;
        key::roll_back(node, operator, place, &held, request())
            .await
            .unwrap();
        key::suspend(node, operator, place, &held, request())
            .await
            .unwrap();
        backup::segment(node).await.unwrap();
        let due = version(&waits, 0).await.destroy_at;
        let mut wanted = WantedPart::of(place.clone(), Part::Key(waits.clone()));
        wanted.replaces_newer = true;
        // Ten days later the first day is over.
        world.clock.advance_seconds(10 * 24 * 3600);
        let _ = restored(&world, to, &wanted).await;
        assert_eq!(version(&waits, 0).await.destroy_at, due);
        clockwork::tick(node).await.unwrap();
        assert_eq!(version(&waits, 0).await.state, State::PendingDestruction);
        wanted.part = Part::Key(held.clone());
        let _ = restored(&world, to, &wanted).await;
        assert_eq!(version(&held, 0).await.state, State::Inactive);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_comes_back_with_its_record_and_its_limits_spent() {
    for mut world in World::on_each_registry().await {
        let clinic = furnished(&world, "clinic").await;
        let limited = Story::new(&world, &clinic, "limited", Algorithm::Aes256Gcm, None).await;
        activate(&limited, &clinic.operator).await.unwrap();
        let text = limited.encrypt("before").await.unwrap();
        let key_at = limited.key.clone();
        full(&world).await;
        let now = limited.now().await;
        let record: RecordId = now.versions[0].provider_key_id.parse().unwrap();
        // The record is something else, and the rows are gone.
        let [at, _] = names(record);
        world
            .backend
            .write(&at, b"scribbled".to_vec())
            .await
            .unwrap();
        let id = if world.is_postgres() {
            format!("'{}'", now.key.id)
        } else {
            format!("X'{}'", now.key.id.uuid().simple())
        };
        let before = rows(&world, clinic.id, false, false).await;
        let defer = if world.is_postgres() {
            ""
        } else {
            "PRAGMA defer_foreign_keys = ON;"
        };
        world.sql(&format!(
            "BEGIN;{defer}DELETE FROM transitions WHERE key_id = {id};\
             DELETE FROM key_versions WHERE key_id = {id};DELETE FROM keys WHERE id = {id};COMMIT;"
        ));
        world = world.restart().await;
        let named = KeyRef::Name(KeyName::new("limited").unwrap());
        let wanted = WantedPart::of(clinic.place.clone(), Part::Key(named));
        let (report, records) = restored(&world, None, &wanted).await.unwrap();
        assert_eq!((records.mended, report.limits_spent), (1, 1));
        assert_eq!(rows(&world, clinic.id, false, false).await, before);
        let story = Story {
            world: &world,
            tenancy: &clinic,
            key: key_at,
        };
        assert_eq!(story.decrypt(&text).await.unwrap(), "before");
        assert_eq!(code(story.encrypt("after").await), "limit_reached");
        story.rotate(&clinic.operator).await.unwrap();
        assert!(story.now().await.key.latest_version > 1_000);
        story.encrypt("after").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_newer_stays_unless_it_is_said_and_a_rotation_is_taken_back_along_the_table() {
    for world in World::on_each_registry().await {
        let clinic = furnished(&world, "clinic").await;
        let (at, text) = used(&world, &clinic, "charts").await;
        full(&world).await;
        let story = Story {
            world: &world,
            tenancy: &clinic,
            key: at.clone(),
        };
        story.rotate(&clinic.operator).await.unwrap();
        let newer = story.encrypt("newer").await.unwrap();
        let to = chain(&world, None)
            .await
            .0
            .signed
            .unwrap()
            .manifest
            .committed_at;
        backup::segment(&world.node).await.unwrap();
        let mut wanted = WantedPart::of(clinic.place.clone(), Part::Key(at));
        let before = rows(&world, clinic.id, false, true).await;
        assert!(matches!(
            refusal(restored(&world, Some(to), &wanted).await),
            Refusal::OnlyNewer { kept: 2.. }
        ));
        assert_eq!(rows(&world, clinic.id, false, true).await, before);
        wanted.replaces_newer = true;
        restored(&world, Some(to), &wanted).await.unwrap();
        let (states, primary) = story.states().await;
        let states: Vec<&str> = states.iter().map(|state| state.name()).collect();
        assert_eq!((states, primary), (vec!["active", "rotated"], 1));
        // What either protected opens: nothing that was protected since is lost.
        assert_eq!(story.decrypt(&text).await.unwrap(), "charts");
        assert_eq!(story.decrypt(&newer).await.unwrap(), "newer");
        story.rotate(&clinic.operator).await.unwrap();
        assert_eq!(story.states().await.1, 3, "no number is given twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_deleted_by_mistake_comes_back_when_it_is_named() {
    for world in World::on_each_registry().await {
        let clinic = furnished(&world, "clinic").await;
        full(&world).await;
        let to = chain(&world, None)
            .await
            .0
            .signed
            .unwrap()
            .manifest
            .committed_at;
        let (node, place) = (&world.node, &clinic.place);
        let at = name("db/password");
        let request = DeleteRequest::default();
        secret::delete(node, &clinic.admin, place, &at, request)
            .await
            .unwrap();
        clockwork::tick(node).await.unwrap();
        assert_eq!(got(&world, place, "db/password").await, None);
        backup::segment(node).await.unwrap();
        let wanted = WantedPart::of(place.clone(), Part::Secret(at));
        let (_, records) = restored(&world, Some(to), &wanted).await.unwrap();
        assert_eq!(records.brought, 1);
        assert_eq!(
            got(&world, place, "db/password").await.unwrap(),
            b"opensesame"
        );
        let put = secret::put(
            node,
            &clinic.admin,
            place,
            value("db/password", b"new"),
            None,
        );
        assert_eq!(put.await.unwrap().value.version.version, 2, "numbers go on");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_orders_of_parts_are_refused_by_name_and_change_nothing() {
    let mut world = World::new().await;
    let clinic = furnished(&world, "clinic").await;
    full(&world).await;
    let before = rows(&world, clinic.id, false, true).await;
    let of = |tenant: &str, part: Part| {
        WantedPart::of(TenantRef::Name(TenantName::new(tenant).unwrap()), part)
    };
    let key_named = |text: &str| Part::Key(KeyRef::Name(KeyName::new(text).unwrap()));
    for (wanted, what) in [
        (of("nobody", Part::Tenant), "tenant"),
        (of("clinic", key_named("none")), "key"),
        (of("clinic", Part::Secret(name("none"))), "secret"),
    ] {
        let refused = refusal(restored(&world, None, &wanted).await);
        assert_eq!(refused, Refusal::NotThereThen { what });
    }
    let mut wanted = of("clinic", key_named("notes"));
    wanted.new_name = Some("other".to_owned());
    let refused = refusal(restored(&world, None, &wanted).await);
    assert_eq!(refused, Refusal::KeepsItsName { what: "key" });
    // Only who may: an administrator of the tenant may not.
    let (full, segments) = chain(&world, None).await;
    for by in [&clinic.admin, &clinic.operator, &clinic.auditor] {
        let wanted = of("clinic", Part::Tenant);
        let done = world
            .restore_part(by, &full, &segments, None, &wanted)
            .await;
        let Err(PartError::Refused(error)) = done else {
            panic!("{done:?}");
        };
        assert_eq!(error.code().as_str(), "forbidden");
    }
    assert_eq!(rows(&world, clinic.id, false, true).await, before);
    assert!(!is_held(&world));

    // A part of a tenant that is not there; a name that somebody else has by now.
    lose(&world, clinic.id).await;
    world = world.restart().await;
    let refused = refusal(restored(&world, None, &of("clinic", key_named("notes"))).await);
    assert_eq!(refused, Refusal::TenantMissing);
    let taken = world.tenant("clinic").await;
    let mut wanted = of("clinic", Part::Tenant);
    assert!(matches!(
        refusal(restored(&world, None, &wanted).await),
        Refusal::NameTaken { what: "tenant", .. }
    ));
    wanted.new_name = Some("clinic-of-old".to_owned());
    restored(&world, None, &wanted).await.unwrap();
    let found = world.registry.tenant(clinic.id).await.unwrap().unwrap();
    assert_eq!(found.name.as_str(), "clinic-of-old");
    assert_ne!(found.id, taken.id);
}
