//! Snapshots: what is read of one database is, in another of either kind, the same registry.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use keyward_core::change::Change;
use keyward_core::crypto_types::SecretBytes;
use keyward_core::names::{KeyName, PolicyName, SecretName};
use keyward_core::noun::action::Action;
use keyward_core::ops::key::{LifecycleRequest, NewKey, RotateRequest};
use keyward_core::ops::use_key::UseItem;
use keyward_core::ops::{binding, clockwork, key, policy, secret, tenant, use_key};
use keyward_core::port::registry::{KeyFilter, KeyRef, KeySort, Registry as _, RegistryError};
use keyward_core::port::snapshot::{
    RegistrySnapshot as _, SnapshotError, SnapshotSink, SnapshotSource,
};
use keyward_core::snapshot::{Coverage, SnapshotSummary};
use keyward_store::SqlRegistry;
use keyward_store::migrate::KNOWN;
use keyward_store::schema::tables;
use keyward_store::snapshot::tables::{TREATMENT, Treatment, columns};
use keyward_testkit::world::{RegistryKind, Tenancy, VaultKind, World as Node};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::world::{Place, World};

/// Keeps the text.
#[derive(Default)]
struct Text(String);

#[async_trait]
impl SnapshotSink for Text {
    async fn put(&mut self, lines: String) -> Result<(), SnapshotError> {
        self.0.push_str(&lines);
        Ok(())
    }
}

/// Gives it line by line.
struct Lines(std::vec::IntoIter<String>);

impl Lines {
    fn of(text: &str) -> Self {
        let lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        Self(lines.into_iter())
    }
}

#[async_trait]
impl SnapshotSource for Lines {
    async fn next(&mut self) -> Result<Option<String>, SnapshotError> {
        Ok(self.0.next())
    }
}

async fn exported(registry: &SqlRegistry, coverage: Coverage) -> (String, SnapshotSummary) {
    let mut text = Text::default();
    let summary = registry.export(coverage, &mut text).await.unwrap();
    (text.0, summary)
}

async fn import(registry: &SqlRegistry, text: &str) -> Result<SnapshotSummary, SnapshotError> {
    registry.import(&mut Lines::of(text)).await
}

/// Does something of everything, as chance will have it.
struct Script<'a> {
    node: &'a Node,
    dice: TestRunner,
    tenancies: Vec<Tenancy>,
    keys: Vec<(usize, KeyRef)>,
    next: usize,
}

impl<'a> Script<'a> {
    async fn new(node: &'a Node) -> Self {
        let mut script = Self {
            node,
            dice: TestRunner::deterministic(),
            tenancies: Vec::new(),
            keys: Vec::new(),
            next: 0,
        };
        for name in ["clinic", "pharmacy"] {
            script.tenancies.push(node.tenant(name).await);
        }
        script
    }

    fn throw<S: Strategy>(&mut self, strategy: S) -> S::Value {
        strategy.new_tree(&mut self.dice).unwrap().current()
    }

    fn text(&mut self) -> String {
        self.throw("[a-zäß€🔑'\"\\\\% ]{0,20}")
    }

    fn name(&mut self, stem: &str) -> String {
        self.next += 1;
        format!("{stem}-{}", self.next)
    }

    async fn act(&mut self) {
        let at = self.throw(0..self.tenancies.len());
        match self.throw(0..10_u8) {
            0..=3 => self.create_key(at).await,
            4 => self.rotate().await,
            5 => self.encrypt().await,
            6 => self.put_secret(at).await,
            7 => self.bind().await,
            8 => self.make_policy(at).await,
            _ => self.make_token(at).await,
        }
    }

    async fn create_key(&mut self, at: usize) {
        let mut new = NewKey::named(KeyName::new(&self.name("key")).unwrap());
        new.description = self.text();
        new.owner = self.text();
        "records of patients".clone_into(&mut new.purpose);
        new.activate = self.throw(any::<bool>());
        for number in 0..self.throw(0..3_u8) {
            new.tags.insert(format!("tag-{number}"), self.text());
            new.compliance_tags.insert(format!("rule-{number}"));
            new.authorized_services.insert(format!("service-{number}"));
        }
        let Tenancy { admin, place, .. } = &self.tenancies[at];
        let made = key::create(&self.node.node, admin, place, new, None).await;
        self.keys.push((at, KeyRef::Id(made.unwrap().value.key.id)));
    }

    fn some_key(&mut self) -> Option<(usize, KeyRef)> {
        (!self.keys.is_empty()).then(|| self.throw(select(self.keys.clone())))
    }

    async fn rotate(&mut self) {
        if let Some((at, key)) = self.some_key() {
            let Tenancy {
                operator, place, ..
            } = &self.tenancies[at];
            let node = &self.node.node;
            let request = LifecycleRequest::default();
            // Refused where the key is in another state; then nothing happens.
            let _ = key::activate(node, operator, place, &key, request).await;
            let request = RotateRequest::default();
            let _ = key::rotate(node, operator, place, &key, request).await;
        }
    }

    async fn encrypt(&mut self) {
        if let Some((at, key)) = self.some_key() {
            let Tenancy { user, place, .. } = &self.tenancies[at];
            let item = UseItem::Encrypt {
                plaintext: SecretBytes::new(b"0 negative".to_vec()),
                context: BTreeMap::new(),
                oaep: None,
                version: None,
            };
            let node = &self.node.node;
            let done = use_key::perform_one(node, user, place, &key, Action::KeyEncrypt, item);
            let _ = done.await;
            clockwork::flush_usage(node).await.unwrap();
        }
    }

    async fn put_secret(&mut self, at: usize) {
        let name = SecretName::new(&format!("secret-{}", self.throw(0..3_u8))).unwrap();
        let value = SecretBytes::new(self.name("value").into_bytes());
        let new = secret::NewValue {
            name,
            value,
            description: Some(self.text()),
            labels: Some(BTreeMap::from([("a".to_owned(), self.text())])),
            keep: Some(2),
            expected_version: None,
            if_match: None,
        };
        let Tenancy { admin, place, .. } = &self.tenancies[at];
        let put = secret::put(&self.node.node, admin, place, new, None).await;
        put.unwrap();
    }

    async fn bind(&mut self) {
        if let Some((at, key)) = self.some_key() {
            let new = binding::NewBinding {
                uri: "db://patients".to_owned(),
                label: self.text(),
                owner: self.text(),
            };
            let Tenancy {
                operator, place, ..
            } = &self.tenancies[at];
            let made = binding::create(&self.node.node, operator, place, &key, new, None).await;
            made.unwrap();
        }
    }

    async fn make_policy(&mut self, at: usize) {
        let new = policy::NewPolicy {
            name: PolicyName::new(&self.name("policy")).unwrap(),
            description: self.text(),
            rotation_interval_days: self.throw(select(vec![None, Some(90)])),
            schedule: None,
            rollback_window_seconds: 60,
            overlap_seconds: 0,
        };
        let Tenancy { admin, place, .. } = &self.tenancies[at];
        let made = policy::create(&self.node.node, admin, place, new, None).await;
        made.unwrap();
    }

    async fn make_token(&mut self, at: usize) {
        let name = self.name("member");
        let Tenancy { admin, place, .. } = &self.tenancies[at];
        self.node.member(admin, place, &name, "auditor", None).await;
    }
}

/// A deployment in which much has happened.
async fn lived_in(kind: RegistryKind) -> Node {
    let node = Node::on(kind, VaultKind::Embedded).await;
    let mut script = Script::new(&node).await;
    for _ in 0..60 {
        script.act().await;
    }
    node
}

#[test]
fn every_table_is_in_a_snapshot_or_said_not_to_be() {
    let treated: Vec<&str> = TREATMENT.iter().map(|(name, _)| *name).collect();
    let distinct: BTreeSet<&str> = treated.iter().copied().collect();
    assert_eq!(treated.len(), distinct.len());
    let all: BTreeSet<&str> = tables().map(|table| table.name).collect();
    assert_eq!(
        distinct, all,
        "say in snapshot/tables.rs what becomes of it"
    );
    for (name, treatment) in TREATMENT {
        if let Treatment::Left { why } | Treatment::WholeOnly { why, .. } = treatment {
            assert!(!why.is_empty(), "{name}");
        }
    }
    let page = include_str!("../../../../docs/formats/registry-snapshot.md");
    for (name, _) in TREATMENT {
        assert!(
            page.contains(&format!("| `{name}` |")),
            "{name} is not in the page"
        );
    }
}

/// A column that is not carried over follows from others.
#[test]
fn every_column_of_a_covered_table_is_carried_over() {
    let described: BTreeMap<&str, BTreeSet<&str>> = tables()
        .map(|table| (table.name, table.fields.iter().map(|it| it.name).collect()))
        .collect();
    let mut left = BTreeSet::new();
    for (table, columns) in columns(Coverage::Whole) {
        let carried: BTreeSet<&str> = columns.into_iter().collect();
        assert!(carried.is_subset(&described[table]), "{table}");
        left.extend(described[table].difference(&carried).map(|it| (table, *it)));
    }
    let derived = [
        ("feed", "clock_high"),
        ("feed", "moved_to"),
        ("keys", "primary_expires_at"),
        ("keys", "primary_state"),
        ("keys", "search_text"),
        ("keys", "seq"),
    ];
    assert_eq!(left, BTreeSet::from(derived));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_either_database_to_the_other_and_back_nothing_differs() {
    for kind in [RegistryKind::Sqlite, RegistryKind::Postgres] {
        let node = lived_in(kind).await;
        for coverage in [Coverage::Backup, Coverage::Whole] {
            let (text, summary) = exported(&node.registry, coverage).await;
            assert!(summary.rows > 200, "{}", summary.rows);
            let mut text = text;
            for place in Place::both() {
                let registry = place.open().await.unwrap();
                assert_eq!(import(&registry, &text).await.unwrap(), summary);
                let (again, seen) = exported(&registry, coverage).await;
                assert_eq!(seen, summary);
                assert!(again == text, "the very same lines");
                text = again;
                registry.close().await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_imported_is_a_registry_like_any_other() {
    let node = lived_in(RegistryKind::Sqlite).await;
    let (text, summary) = exported(&node.registry, Coverage::Whole).await;
    for place in Place::both() {
        let registry = place.open().await.unwrap();
        import(&registry, &text).await.unwrap();
        assert_eq!(registry.revision().await.unwrap(), summary.header.revision);
        let deployment = node.registry.deployment().await.unwrap();
        assert_eq!(registry.deployment().await.unwrap(), deployment);
        let tenants = node.registry.tenants(None, 10).await.unwrap();
        assert_eq!(registry.tenants(None, 10).await.unwrap(), tenants);
        for tenant in &tenants.rows {
            for filter in filters() {
                let search = async |registry: &SqlRegistry| {
                    let sort = KeySort::Name;
                    registry
                        .search_keys(tenant.id, &filter, sort, None, 100)
                        .await
                        .unwrap()
                };
                assert_eq!(
                    search(&registry).await,
                    search(&node.registry).await,
                    "{filter:?}"
                );
            }
        }
        let changes = node.registry.changes_after(0, 10_000).await.unwrap();
        assert_eq!(registry.changes_after(0, 10_000).await.unwrap(), changes);
        registry.close().await;
        // It goes on where it was: the next revision, the next change number, the next row version.
        let world = World::with_imported(place).await;
        let mut row = tenants.rows[0].clone();
        row.etag += 1;
        let write =
            keyward_core::change::Write::update(keyward_core::change::Row::Tenant(row.clone()));
        let change = world.commit(Some(row.id), vec![write]).await.unwrap();
        assert_eq!(change.revision, summary.header.revision + 1);
        let before = changes.iter().filter(|it| it.tenant == Some(row.id));
        assert_eq!(change.change, before.map(|it| it.change).max().unwrap() + 1);
        assert!(change.committed_at >= summary.header.committed_at);
    }
}

fn filters() -> Vec<KeyFilter> {
    let all = KeyFilter::default;
    vec![
        all(),
        KeyFilter {
            text: Some("of pat".to_owned()),
            ..all()
        },
        KeyFilter {
            tag: Some(("tag-1".to_owned(), None)),
            ..all()
        },
        KeyFilter {
            compliance_tag: Some("rule-0".to_owned()),
            ..all()
        },
        KeyFilter {
            authorized_service: Some("service-1".to_owned()),
            ..all()
        },
        KeyFilter {
            state: Some(keyward_core::noun::state::State::Active),
            ..all()
        },
    ]
}

/// Point in time: a snapshot, and the changes since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_and_the_changes_since_are_the_registry_as_it_is() {
    for kind in [RegistryKind::Sqlite, RegistryKind::Postgres] {
        let node = Node::on(kind, VaultKind::Embedded).await;
        let mut script = Script::new(&node).await;
        for _ in 0..15 {
            script.act().await;
        }
        let (text, _) = exported(&node.registry, Coverage::Backup).await;
        let places = Place::both();
        let mut copies = Vec::new();
        for place in &places {
            let copy = place.open().await.unwrap();
            import(&copy, &text).await.unwrap();
            copies.push(copy);
        }
        for round in 0..8 {
            for _ in 0..5 {
                script.act().await;
            }
            if round == 4 {
                suspend_and_resume(&node).await;
            }
            let (_, now) = exported(&node.registry, Coverage::Backup).await;
            for copy in &copies {
                let reached = copy.revision().await.unwrap();
                let changes = node.registry.changes_after(reached, 10_000).await.unwrap();
                let changes = as_lines_and_back(&changes);
                assert_eq!(
                    copy.apply_changes(&changes).await.unwrap(),
                    now.header.revision
                );
                // Once more changes nothing.
                assert_eq!(
                    copy.apply_changes(&changes).await.unwrap(),
                    now.header.revision
                );
                assert_eq!(
                    exported(copy, Coverage::Backup).await.1,
                    now,
                    "round {round}"
                );
            }
        }
    }
}

async fn suspend_and_resume(node: &Node) {
    let place = &node.tenant("elsewhere").await.place;
    tenant::suspend(&node.node, node.root(), place, None)
        .await
        .unwrap();
    tenant::resume(&node.node, node.root(), place, None)
        .await
        .unwrap();
}

/// A change segment is a line of JSON for each change.
fn as_lines_and_back(changes: &[Change]) -> Vec<Change> {
    let lines: Vec<String> = changes
        .iter()
        .map(|change| serde_json::to_string(change).unwrap())
        .collect();
    let back: Vec<Change> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(back, changes);
    back
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hole_in_the_changes_and_a_strange_one_are_refused_and_nothing_is_applied() {
    let node = Node::new().await;
    let (text, summary) = exported(&node.registry, Coverage::Backup).await;
    node.tenant("clinic").await;
    let changes = node
        .registry
        .changes_after(summary.header.revision, 100)
        .await
        .unwrap();
    for place in Place::both() {
        let copy = place.open().await.unwrap();
        let at = import(&copy, &text).await.unwrap();
        let hole = [&changes[..2], &changes[3..]].concat();
        let expected = SnapshotError::Gap {
            reached: at.header.revision + 2,
            found: at.header.revision + 4,
        };
        assert_eq!(copy.apply_changes(&hole).await, Err(expected));
        let mut strange = changes.clone();
        strange[1].change += 1;
        let refused = copy.apply_changes(&strange).await.unwrap_err();
        let table = "tenant_feed";
        let cause = RegistryError::Conflict { table };
        let revision = strange[1].revision;
        assert_eq!(refused, SnapshotError::Unfit { revision, cause });
        assert_eq!(exported(&copy, Coverage::Backup).await.1, at);
    }
}

/// While others write, a snapshot is of one revision: a copy brought forward to it is the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_taken_under_load_is_of_one_revision() {
    for kind in [RegistryKind::Sqlite, RegistryKind::Postgres] {
        let node = Node::on(kind, VaultKind::Embedded).await;
        let (text, _) = exported(&node.registry, Coverage::Backup).await;
        let copy = Place::sqlite();
        let copied = copy.open().await.unwrap();
        import(&copied, &text).await.unwrap();
        let tenancy = node.tenant("clinic").await;
        let writing = async {
            for number in 0..40 {
                let new = NewKey::named(KeyName::new(&format!("k-{number}")).unwrap());
                let place = &tenancy.place;
                key::create(&node.node, &tenancy.admin, place, new, None)
                    .await
                    .unwrap();
            }
        };
        let reading = async {
            let mut seen = Vec::new();
            for _ in 0..6 {
                seen.push(exported(&node.registry, Coverage::Backup).await.1);
            }
            seen
        };
        let ((), seen) = futures_util::join!(writing, reading);
        let changes = node.registry.changes_after(0, 10_000).await.unwrap();
        for summary in seen {
            let to = usize::try_from(summary.header.revision).unwrap();
            copied.apply_changes(&changes[..to]).await.unwrap();
            assert_eq!(exported(&copied, Coverage::Backup).await.1, summary);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_holds_something_is_not_written_over() {
    let node = lived_in(RegistryKind::Sqlite).await;
    let (text, _) = exported(&node.registry, Coverage::Whole).await;
    for place in Place::both() {
        let world = World::at(place).await;
        let (_, before) = exported(&world.registry, Coverage::Whole).await;
        let refused = import(&world.registry, &text).await;
        assert_eq!(refused, Err(SnapshotError::NotEmpty { table: "tenants" }));
        assert_eq!(exported(&world.registry, Coverage::Whole).await.1, before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_altered_or_cut_snapshot_is_refused_and_leaves_nothing() {
    let node = Node::new().await;
    node.tenant("clinic").await;
    let (text, _) = exported(&node.registry, Coverage::Backup).await;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for place in Place::both() {
        let registry = place.open().await.unwrap();
        let (_, empty) = exported(&registry, Coverage::Whole).await;
        for at in 0..lines.len() {
            let cut: String = lines[..at].concat();
            assert!(
                import(&registry, &cut).await.is_err(),
                "cut before line {at}"
            );
            let without = [&lines[..at], &lines[at + 1..]].concat().concat();
            assert!(
                import(&registry, &without).await.is_err(),
                "without line {at}"
            );
            let mut altered: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
            let last = altered[at]
                .rfind(|c: char| c.is_ascii_alphanumeric())
                .unwrap();
            let other = if altered[at].as_bytes()[last] == b'7' {
                "8"
            } else {
                "7"
            };
            altered[at].replace_range(last..=last, other);
            assert!(
                import(&registry, &altered.concat()).await.is_err(),
                "line {at} altered"
            );
        }
        let twice = format!("{text}{}", lines[0]);
        assert!(import(&registry, &twice).await.is_err());
        assert_eq!(exported(&registry, Coverage::Whole).await.1, empty);
        // And the whole one is taken.
        import(&registry, &text).await.unwrap();
    }
}

#[tokio::test]
async fn a_snapshot_of_another_schema_is_refused_by_name() {
    let place = Place::sqlite();
    let registry = place.open().await.unwrap();
    let (text, _) = exported(&registry, Coverage::Backup).await;
    let older = text.replacen(&format!("\"schema\":{KNOWN}"), "\"schema\":1", 1);
    let expected = SnapshotError::Schema {
        found: 1,
        known: KNOWN,
    };
    assert_eq!(import(&registry, &older).await, Err(expected));
    let newer = text.replacen("{\"snapshot\":1", "{\"snapshot\":2", 1);
    assert!(matches!(
        import(&registry, &newer).await,
        Err(SnapshotError::Malformed { line: 1, .. })
    ));
}
