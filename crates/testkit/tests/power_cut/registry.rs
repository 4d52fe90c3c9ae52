//! The registry on SQLite: every acknowledged commit is in the feed as it was answered, revisions
//! have no gap, and the tables hold what the feed says and nothing else.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use keyward_core::change::{Change, Commit, Row, Write};
use keyward_core::ids::TenantId;
use keyward_core::noun::key::Key;
use keyward_core::noun::key_version::KeyVersion;
use keyward_core::port::registry::{Registry as _, RegistryError};
use keyward_store::{Config, SqlRegistry};
use keyward_testkit::power_cut::{Dice, Omission, Violation, acknowledge};
use rusqlite::Connection;
use tokio::task::JoinSet;

use crate::rows::{self, HeldKey};
use crate::{Noon, Recording, TASKS, seed};

static REGISTRY: Recording = Recording::of("registry");

/// Commits that each task makes in each of two lives.
const COMMITS: usize = 15;

async fn open(root: &Path) -> Result<SqlRegistry, String> {
    let url = format!("sqlite://{}/registry.db", root.display());
    let registry = SqlRegistry::open(Config::new(url), Arc::new(Noon)).await;
    registry.map_err(|error| error.to_string())
}

/// A change as one number: what a task was answered, and what the feed must say later.
fn fingerprint(change: &Change) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{change:?}").hash(&mut hasher);
    hasher.finish()
}

/// One tenant's administrator, who makes keys and changes them.
struct Administrator {
    tenant: TenantId,
    name: String,
    keys: Vec<HeldKey>,
    dice: Dice,
}

impl Administrator {
    async fn new(registry: &SqlRegistry, task: usize) -> Self {
        let mut dice = Dice::new(seed() ^ (task as u64 + 1));
        let name = format!("tenant-{task}");
        let (tenant, writes) = rows::tenant(&name, &mut dice);
        let administrator = Self {
            tenant,
            name,
            keys: Vec::new(),
            dice,
        };
        administrator.commit(registry, None, writes).await.unwrap();
        administrator
    }

    async fn work(mut self, registry: Arc<SqlRegistry>, life: usize) -> Self {
        for number in 0..COMMITS {
            let dice = &mut self.dice;
            let held = dice.index(self.keys.len().max(1));
            let writes = match (dice.below(8), self.keys.get_mut(held)) {
                (0..3, Some(key)) => key.rotate(dice),
                (3, Some(key)) => key.hold_or_resume(dice),
                (4, Some(_)) => {
                    // A refusal, undone within a transaction that others share.
                    let (_, writes) = HeldKey::new(self.tenant, &self.name, dice);
                    let taken = [writes.clone(), writes].concat();
                    let refused = self.commit(&registry, Some(self.tenant), taken).await;
                    assert_eq!(refused, Err(RegistryError::Duplicate { table: "keys" }));
                    continue;
                }
                _ => {
                    let name = format!("{}-{life}-{number}", self.name);
                    let (key, writes) = HeldKey::new(self.tenant, &name, dice);
                    self.keys.push(key);
                    writes
                }
            };
            self.commit(&registry, Some(self.tenant), writes)
                .await
                .unwrap();
        }
        self
    }

    async fn commit(
        &self,
        registry: &SqlRegistry,
        tenant: Option<TenantId>,
        writes: Vec<Write>,
    ) -> Result<(), RegistryError> {
        let event = rows::event(&self.name, tenant);
        let change = registry
            .commit(Commit {
                tenant,
                writes,
                event,
                idempotency: None,
                fence: None,
            })
            .await?;
        acknowledge(&format!("{} {}", change.revision, fingerprint(&change))).unwrap();
        Ok(())
    }
}

pub async fn work(root: &Path) {
    let mut administrators = Vec::new();
    for life in 0..2 {
        let registry = Arc::new(open(root).await.unwrap());
        if life == 0 {
            for task in 0..TASKS {
                administrators.push(Administrator::new(&registry, task).await);
            }
        }
        let mut tasks = JoinSet::new();
        for administrator in administrators.drain(..) {
            tasks.spawn(administrator.work(registry.clone(), life));
        }
        while let Some(done) = tasks.join_next().await {
            administrators.push(done.unwrap());
        }
        registry.close().await;
    }
}

async fn check(root: &Path, acknowledged: &[&str]) -> Result<(), Violation> {
    let registry = open(root).await.map_err(Violation::DoesNotOpen)?;
    let looked = look(&registry, acknowledged).await;
    let sound = looked.and_then(|changes| check_tables(&root.join("registry.db"), &changes));
    registry.close().await;
    sound
}

/// The feed against what was promised, and the keys against the feed.
async fn look(registry: &SqlRegistry, acknowledged: &[&str]) -> Result<Vec<Change>, Violation> {
    let failed = |error: RegistryError| Violation::HalfMade(error.to_string());
    let changes = registry.changes_after(0, 10_000).await.map_err(failed)?;
    for told in acknowledged {
        let (revision, expected) = told.split_once(' ').unwrap();
        let index = revision.parse::<usize>().unwrap() - 1;
        let found = changes
            .get(index)
            .map(|change| fingerprint(change).to_string());
        if found.as_deref() != Some(expected) {
            return Err(Violation::Lost(format!(
                "revision {revision} of {}",
                changes.len()
            )));
        }
    }
    let revisions = changes.iter().map(|change| change.revision);
    let last = registry.revision().await.map_err(failed)?;
    if !revisions.eq(1..=last) {
        return Err(Violation::HalfMade("revisions have a gap".to_owned()));
    }
    let keys = registry.all_keys(None, 10_000).await.map_err(failed)?;
    let found = keys
        .rows
        .into_iter()
        .map(|row| (row.key, row.versions))
        .collect::<Vec<_>>();
    if found != keys_by_feed(&changes) {
        return Err(Violation::HalfMade(
            "keys are not what the feed says".to_owned(),
        ));
    }
    // Ids of its own, not those that some administrator was dealt.
    let (_, writes) = rows::tenant("after", &mut Dice::new(!seed() ^ last as u64));
    let event = rows::event("after", None);
    let next = Commit {
        tenant: None,
        writes,
        event,
        idempotency: None,
        fence: None,
    };
    let next = registry.commit(next).await.map_err(failed)?;
    if next.revision != last + 1 {
        return Err(Violation::HalfMade(
            "the next revision is not the next".to_owned(),
        ));
    }
    Ok(changes)
}

/// Every key with its versions, in order of id, as the last change of each left it.
fn keys_by_feed(changes: &[Change]) -> Vec<(Key, Vec<KeyVersion>)> {
    let mut keys = BTreeMap::new();
    let mut versions: BTreeMap<_, BTreeMap<i64, KeyVersion>> = BTreeMap::new();
    for write in changes.iter().flat_map(|change| &change.writes) {
        match &write.row {
            Row::Key(key) => {
                keys.insert(key.id, (**key).clone());
            }
            Row::KeyVersion(version) => {
                let of_key = versions.entry(version.key).or_default();
                of_key.insert(version.version, (**version).clone());
            }
            _ => {}
        }
    }
    let versions_of = |id| {
        versions
            .get(id)
            .into_iter()
            .flat_map(BTreeMap::values)
            .cloned()
    };
    keys.iter()
        .map(|(id, key)| (key.clone(), versions_of(id).collect()))
        .collect()
}

/// What SQLite says of its own file, and whether every row has its change and the reverse.
fn check_tables(file: &Path, changes: &[Change]) -> Result<(), Violation> {
    let database = Connection::open(file).unwrap();
    let ask = |query: &str| -> Result<String, Violation> {
        let answer = database.query_row(query, [], |row| row.get::<_, rusqlite::types::Value>(0));
        match answer {
            Ok(rusqlite::types::Value::Text(text)) => Ok(text),
            Ok(other) => Ok(format!("{other:?}")),
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok("none".to_owned()),
            Err(error) => Err(Violation::HalfMade(error.to_string())),
        }
    };
    let count = |table: &str| ask(&format!("SELECT CAST(count(*) AS TEXT) FROM {table}"));
    let inserted = |is: fn(&Row) -> bool| {
        let writes = changes.iter().flat_map(|change| &change.writes);
        writes.filter(|write| is(&write.row)).count()
    };
    // The tenant made by this check is in the tables and not among the changes.
    let expected = [
        (
            "transitions",
            inserted(|row| matches!(row, Row::Transition(_))),
        ),
        ("tenants", inserted(|row| matches!(row, Row::Tenant(_))) + 1),
        (
            "tenant_keks",
            inserted(|row| matches!(row, Row::TenantKek(_))) + 1,
        ),
        ("changes", changes.len() + 1),
    ];
    for (table, rows) in expected {
        if count(table)? != rows.to_string() {
            return Err(Violation::HalfMade(format!("{table} has not {rows} rows")));
        }
    }
    match (
        &*ask("PRAGMA integrity_check")?,
        &*ask("PRAGMA foreign_key_check")?,
    ) {
        ("ok", "none") => Ok(()),
        (integrity, foreign) => Err(Violation::HalfMade(format!(
            "integrity: {integrity}; foreign keys: {foreign}"
        ))),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i02_registry_db_keeps_what_was_acknowledged_through_power_cuts() {
    REGISTRY.survives(check).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_db_whose_log_is_not_synced_fails_the_check() {
    REGISTRY
        .fails_without(
            Omission::SyncsOf("registry.db-wal"),
            Violation::is_loss,
            check,
        )
        .await;
}

/// A file that is damaged has lost everything: what the log held was thought to be in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_db_that_is_not_synced_itself_fails_the_check() {
    REGISTRY
        .fails_without(Omission::SyncsOf("registry.db"), |_| true, check)
        .await;
}
