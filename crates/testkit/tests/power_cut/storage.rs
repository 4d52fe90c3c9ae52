//! The vault's two backends: what was put is there, what was deleted is gone, and of what was
//! being done all or nothing is there (object by object in the file backend).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use keyward_core::port::storage::{ObjectName, StorageBackend};
use keyward_testkit::power_cut::{Dice, Omission, Violation, acknowledge};
use keyward_vault::{EmbeddedBackend, FileBackend};
use tokio::task::JoinSet;

use crate::{Recording, TASKS, seed};

static EMBEDDED: Recording = Recording::of("embedded");
static FILES: Recording = Recording::of("files");

/// Changes that each task makes, one after another.
const CHANGES: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Embedded,
    Files,
}

/// Objects that are there, by name.
type Objects = BTreeMap<String, Vec<u8>>;

/// One call of the backend.
#[derive(Clone, Debug)]
enum Change {
    Write(String, Vec<u8>),
    WriteIfAbsent(String, Vec<u8>),
    PutMany(Vec<(String, Vec<u8>)>),
    Swap(String, Vec<u8>, Vec<u8>),
    Delete(String),
}

impl Change {
    /// A task's changes of its own objects.
    fn all_of(task: usize) -> &'static [Self] {
        static CHANGES: LazyLock<Vec<Vec<Change>>> =
            LazyLock::new(|| (0..TASKS).map(Change::made_up).collect());
        &CHANGES[task]
    }

    /// The same from the same seed, in whichever process.
    fn made_up(task: usize) -> Vec<Self> {
        let mut dice = Dice::new(seed() ^ (task as u64 + 1));
        let mut objects = Objects::new();
        let mut changes = Vec::with_capacity(CHANGES);
        for number in 0..CHANGES {
            let name = |part: &str| format!("rec/{task}/{number}{part}");
            let held = objects
                .keys()
                .nth(dice.index(objects.len().max(1)))
                .cloned();
            let change = match (dice.below(10), held) {
                (0 | 1, Some(held)) => Self::Delete(held),
                (2 | 3, Some(held)) => Self::Write(held, bytes(&mut dice)),
                (4, Some(held)) => {
                    let before = objects[&held].clone();
                    Self::Swap(held, before, bytes(&mut dice))
                }
                (5 | 6, _) => {
                    let many = ["a", "b", "c"].map(|part| (name(part), bytes(&mut dice)));
                    Self::PutMany(many.to_vec())
                }
                (7, _) => Self::Write(name(""), bytes(&mut dice)),
                _ => Self::WriteIfAbsent(name(""), bytes(&mut dice)),
            };
            change.apply(&mut objects);
            changes.push(change);
        }
        changes
    }

    fn apply(&self, objects: &mut Objects) {
        match self {
            Self::Write(name, new) | Self::WriteIfAbsent(name, new) | Self::Swap(name, _, new) => {
                objects.insert(name.clone(), new.clone());
            }
            Self::PutMany(many) => objects.extend(many.iter().cloned()),
            Self::Delete(name) => {
                objects.remove(name);
            }
        }
    }

    async fn make(self, backend: &dyn StorageBackend) {
        let made = match self {
            Self::Write(name, bytes) => backend.write(&object(&name), bytes).await,
            Self::WriteIfAbsent(name, bytes) => {
                backend.write_if_absent(&object(&name), bytes).await
            }
            Self::PutMany(many) => {
                let many = many.into_iter().map(|(name, bytes)| (object(&name), bytes));
                backend.put_many(many.collect()).await
            }
            Self::Swap(name, expected, new) => {
                backend
                    .compare_and_swap(&object(&name), &expected, new)
                    .await
            }
            Self::Delete(name) => backend.delete(&object(&name)).await,
        };
        made.unwrap();
    }
}

/// From a few bytes to several pages.
fn bytes(dice: &mut Dice) -> Vec<u8> {
    let length = if dice.once_in(4) { 9_000 } else { 400 };
    (0..=dice.below(length))
        .map(|_| dice.below(256) as u8)
        .collect()
}

fn object(name: &str) -> ObjectName {
    ObjectName::new(name).unwrap()
}

fn open(kind: Kind, root: &Path) -> Result<Arc<dyn StorageBackend>, String> {
    let opened: Result<Arc<dyn StorageBackend>, _> = match kind {
        Kind::Embedded => EmbeddedBackend::open(&root.join("vault.db")).map(|it| Arc::new(it) as _),
        Kind::Files => FileBackend::open(&root.join("vault")).map(|it| Arc::new(it) as _),
    };
    opened.map_err(|error| error.to_string())
}

/// All tasks make their changes at once; half-way everything is closed and opened again.
pub async fn work(kind: Kind, root: &Path) {
    for half in 0..2 {
        let backend = open(kind, root).unwrap();
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let backend = backend.clone();
            tasks.spawn(async move {
                let changes = Change::all_of(task).iter();
                for change in changes.skip(half * CHANGES / 2).take(CHANGES / 2) {
                    change.clone().make(&*backend).await;
                    acknowledge(&task.to_string()).unwrap();
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    }
}

/// What a task's objects may be after a cut: as acknowledged, and with one more change, which
/// may have been under way.
fn acceptable(task: usize, acknowledged: usize) -> (Objects, Objects) {
    let mut told = Objects::new();
    let mut changes = Change::all_of(task).iter();
    for change in changes.by_ref().take(acknowledged) {
        change.apply(&mut told);
    }
    let mut done = told.clone();
    if let Some(change) = changes.next() {
        change.apply(&mut done);
    }
    (told, done)
}

async fn check(kind: Kind, root: &Path, acknowledged: &[&str]) -> Result<(), Violation> {
    // Nothing was promised before the first acknowledgement, not even that there is a file.
    let backend = open(kind, root).map_err(Violation::DoesNotOpen)?;
    let failed = |error: keyward_core::port::storage::StorageError| {
        Violation::DoesNotOpen(error.to_string())
    };
    for task in 0..TASKS {
        let prefix = format!("rec/{task}/");
        let mut found = Objects::new();
        for name in backend
            .list(&prefix, None, usize::MAX >> 1)
            .await
            .map_err(failed)?
        {
            let bytes = backend.read(&name).await.map_err(failed)?;
            found.insert(name.as_str().to_owned(), bytes.unwrap_or_default());
        }
        let count = acknowledged
            .iter()
            .filter(|told| **told == task.to_string())
            .count();
        compare(kind, &found, &acceptable(task, count))?;
    }
    if kind == Kind::Embedded {
        let database = rusqlite::Connection::open(root.join("vault.db")).unwrap();
        let integrity: String = database
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .map_err(|error| Violation::HalfMade(error.to_string()))?;
        if integrity != "ok" {
            return Err(Violation::HalfMade(integrity));
        }
    }
    backend
        .write(&object("rec/after"), b"the power is back".to_vec())
        .await
        .map_err(failed)
}

fn compare(
    kind: Kind,
    found: &Objects,
    (told, done): &(Objects, Objects),
) -> Result<(), Violation> {
    for name in found.keys().chain(told.keys()) {
        let one = found.get(name);
        if one != told.get(name) && one != done.get(name) {
            let size = |bytes: Option<&Vec<u8>>| bytes.map(Vec::len);
            let why = format!(
                "{name} has {:?} bytes, promised were {:?}",
                size(one),
                size(told.get(name))
            );
            return Err(match told.get(name) {
                Some(_) => Violation::Lost(why),
                None => Violation::HalfMade(why),
            });
        }
    }
    if kind == Kind::Embedded && found != told && found != done {
        return Err(Violation::HalfMade(
            "one request was done in part".to_owned(),
        ));
    }
    Ok(())
}

#[tokio::test]
async fn i02_vault_db_keeps_what_was_acknowledged_through_power_cuts() {
    EMBEDDED
        .survives(async |root, told| check(Kind::Embedded, root, told).await)
        .await;
}

#[tokio::test]
async fn a_vault_db_whose_log_is_not_synced_fails_the_check() {
    let omission = Omission::SyncsOf("vault.db-wal");
    let check = async |root: &Path, told: &[&str]| check(Kind::Embedded, root, told).await;
    EMBEDDED
        .fails_without(omission, Violation::is_loss, check)
        .await;
}

#[tokio::test]
async fn a_vault_db_that_is_not_synced_itself_fails_the_check() {
    let omission = Omission::SyncsOf("vault.db");
    let check = async |root: &Path, told: &[&str]| check(Kind::Embedded, root, told).await;
    EMBEDDED
        .fails_without(omission, Violation::is_loss, check)
        .await;
}

#[tokio::test]
async fn i02_the_file_backend_keeps_what_was_acknowledged_through_power_cuts() {
    FILES
        .survives(async |root, told| check(Kind::Files, root, told).await)
        .await;
}

#[tokio::test]
async fn a_file_backend_that_does_not_sync_files_fails_the_check() {
    let check = async |root: &Path, told: &[&str]| check(Kind::Files, root, told).await;
    FILES
        .fails_without(Omission::FileSyncs, Violation::is_loss, check)
        .await;
}

#[tokio::test]
async fn a_file_backend_that_does_not_sync_directories_fails_the_check() {
    let check = async |root: &Path, told: &[&str]| check(Kind::Files, root, told).await;
    FILES
        .fails_without(Omission::DirectorySyncs, Violation::is_loss, check)
        .await;
}
