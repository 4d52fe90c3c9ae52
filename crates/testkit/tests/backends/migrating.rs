//! Moving the vault between backends: while it is used, under faults, with crashes, around all six.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use keyward_core::noun::tenant::Digest;
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use keyward_core::time::Clock;
use keyward_crypto::digest::{Sha256, sha256};
use keyward_testkit::conformance::{self, Load, name};
use keyward_testkit::faulty::{FORMS, FaultyBackend, Form};
use keyward_testkit::stores;
use keyward_testkit::world::DrivenClock;
use keyward_vault::migration::{
    MigratingBackend, MigrationError, Phase, Survey, marked, standing_in, survey,
};
use keyward_vault::{EmbeddedBackend, FileBackend};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::postgres::{backend as postgres, settings};

type Backend = Arc<dyn StorageBackend>;
type Model = BTreeMap<ObjectName, Vec<u8>>;

/// What a survey of a model's contents must say.
fn survey_of(model: &Model) -> Survey {
    let mut digest = Sha256::new();
    for (name, bytes) in model {
        digest.update(name.as_str().as_bytes());
        digest.update(b"\n");
        digest.update(&sha256(bytes));
    }
    Survey {
        objects: model.len() as u64,
        size_bytes: model.values().map(|bytes| bytes.len() as u64).sum(),
        digest: Digest(digest.finish()),
    }
}

/// Two local backends, and where the migration stands.
struct Pair {
    folder: TempDir,
    from: Backend,
    to: Backend,
}

impl Pair {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let from = Arc::new(EmbeddedBackend::open(&folder.path().join("vault.db")).unwrap());
        let to = Arc::new(FileBackend::open(&folder.path().join("vault")).unwrap());
        Self { folder, from, to }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("storage-migration.json")
    }

    async fn begin(&self) -> Arc<MigratingBackend> {
        begin(&self.file(), &self.from, &self.to).await
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(DrivenClock::new())
}

async fn begin(file: &Path, from: &Backend, to: &Backend) -> Arc<MigratingBackend> {
    let names = ("the one", "the other");
    let (from, to) = (Arc::clone(from), Arc::clone(to));
    let planned = MigratingBackend::plan(file, names, from, to, clock()).await;
    let migration = planned.unwrap();
    migration.begin().await.unwrap();
    Arc::new(migration)
}

async fn resume(file: &Path, from: &Backend, to: &Backend) -> Arc<MigratingBackend> {
    let (from, to) = (Arc::clone(from), Arc::clone(to));
    let resumed = MigratingBackend::resume(file, from, to, clock()).await;
    Arc::new(resumed.unwrap().unwrap())
}

/// Steps until both sides are known to be equal.
async fn verified(migration: &Arc<MigratingBackend>, slice: usize) {
    while !migration.step(slice).await.unwrap().verified {}
}

async fn assert_equal(pair: &Pair, about: &str) {
    let (from, to) = (survey(&*pair.from).await, survey(&*pair.to).await);
    assert_eq!(from.unwrap(), to.unwrap(), "{about}");
}

async fn fill(backend: &dyn StorageBackend, count: usize) -> Model {
    let mut model = Model::new();
    let mut objects = Vec::new();
    for number in 0..count {
        let name = name(&format!("rec/{:02x}/first-{number}", number % 256));
        let bytes = vec![u8::try_from(number % 251).unwrap(); 100 + number % 300];
        model.insert(name.clone(), bytes.clone());
        objects.push((name, bytes));
    }
    for objects in objects.chunks(200) {
        backend.put_many(objects.to_vec()).await.unwrap();
    }
    model
}

/// The suite that every backend passes, on two that are one for the time being.
#[tokio::test(flavor = "multi_thread")]
async fn a_migrating_backend_conforms_in_every_phase() {
    let pair = Pair::new();
    let migration = pair.begin().await;
    let load = Load { acts: 6, seed: 3 };
    let backend = migration.backend();
    conformance::check(Arc::clone(&backend), load).await;
    conformance::check_under_faults(Arc::clone(&backend)).await;
    verified(&migration, 50).await;
    assert_equal(&pair, "quiet").await;
    migration.cut_over().await.unwrap();
    // The suite wants to find nothing.
    for name in backend.list("", None, 100_000).await.unwrap() {
        backend.delete(&name).await.unwrap();
    }
    conformance::check(Arc::clone(&backend), load).await;
    conformance::check_under_faults(backend).await;
    verified(&migration, 50).await;
    assert_equal(&pair, "quiet").await;
}

/// Who changes things while they move: makes, replaces, swaps and deletes names of his own, and
/// reads what he wrote.
async fn writer(
    number: u64,
    backend: Backend,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
) -> Model {
    let mut model = Model::new();
    let mut count = 0_u64;
    while !stop.load(Ordering::Relaxed) || count < 8 {
        count += 1;
        let at = name(&format!("rec/{:02x}/w{number}-{}", count % 10, count % 10));
        let bytes = format!("{number} wrote {count}").into_bytes();
        match (model.get(&at).cloned(), count % 3) {
            (None, _) => backend.write_if_absent(&at, bytes.clone()).await.unwrap(),
            (Some(_), 0) => backend.delete(&at).await.unwrap(),
            (Some(old), 1) => backend
                .compare_and_swap(&at, &old, bytes.clone())
                .await
                .unwrap(),
            (Some(_), _) => backend.write(&at, bytes.clone()).await.unwrap(),
        }
        if model.contains_key(&at) && count.is_multiple_of(3) {
            model.remove(&at);
        } else {
            model.insert(at.clone(), bytes);
        }
        assert_eq!(backend.read(&at).await.unwrap(), model.get(&at).cloned());
        done.fetch_add(1, Ordering::Relaxed);
    }
    model
}

/// How many records go around: `KEYWARD_MIGRATE_RECORDS=100000` for the whole of it.
fn records() -> usize {
    #[expect(
        clippy::disallowed_methods,
        reason = "how much a test does is asked of its environment"
    )]
    let wanted = std::env::var("KEYWARD_MIGRATE_RECORDS").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(100)
}

/// File → SQLite → PostgreSQL → S3 → Azure → GCS → file, with writes going on.
#[tokio::test(flavor = "multi_thread")]
async fn i02_around_all_six_with_writes_going_on_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file);
    let database = keyward_testkit::postgres::server()
        .unwrap()
        .database()
        .unwrap();
    let stops: Vec<(&str, Backend)> = vec![
        ("file", Arc::new(FileBackend::open(&path("first")).unwrap())),
        (
            "sqlite",
            Arc::new(EmbeddedBackend::open(&path("vault.db")).unwrap()),
        ),
        ("postgres", postgres(settings(&database.url, ""))),
        ("s3", stores::fresh_backend(stores::s3()).await),
        ("azure", stores::fresh_backend(stores::azure()).await),
        ("gcs", stores::fresh_backend(stores::gcs()).await),
        (
            "file again",
            Arc::new(FileBackend::open(&path("last")).unwrap()),
        ),
    ];
    for (_, backend) in &stops {
        backend.init().await.unwrap();
    }
    let mut model = fill(&*stops[0].1, records()).await;
    for (hop, pair) in stops.windows(2).enumerate() {
        let ((from_name, from), (to_name, to)) = (&pair[0], &pair[1]);
        let begun = tokio::time::Instant::now();
        let migration = begin(&path(&format!("hop-{hop}.json")), from, to).await;
        let (stop, done) = (Arc::default(), Arc::new(AtomicU64::new(0)));
        let mut writers = JoinSet::new();
        for number in 0..4 {
            let backend = migration.backend();
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            writers.spawn(writer(number + 10 * hop as u64, backend, stop, done));
        }
        verified(&migration, 500).await;
        migration.cut_over().await.unwrap();
        verified(&migration, 500).await;
        migration.commit().await.unwrap();
        stop.store(true, Ordering::Relaxed);
        while let Some(written) = writers.join_next().await {
            model.extend(written.unwrap());
        }
        let found = survey(&**to).await.unwrap();
        assert_eq!(found, survey_of(&model), "{from_name} to {to_name}");
        migration.erase().await.unwrap();
        assert_eq!(
            from.list("", None, 10).await.unwrap(),
            [],
            "{from_name} is left empty"
        );
        #[expect(
            clippy::print_stdout,
            reason = "the result of a run by hand is read there"
        )]
        {
            println!(
                "{from_name} to {to_name}: {} objects in {:.1?}, {} changes meanwhile, digest {}",
                found.objects,
                begun.elapsed(),
                done.load(Ordering::Relaxed),
                found.digest
            );
        }
    }
}

/// What is done to the vault in the stories of faults and crashes.
#[derive(Clone, Debug)]
enum Act {
    Step,
    Write(usize),
    Create(usize),
    Swap(usize),
    Delete(usize),
    PutMany(usize),
    CutOver,
    Commit,
}

const SCRIPT: [Act; 20] = [
    Act::Step,
    Act::Write(0),
    Act::Delete(1),
    Act::Step,
    Act::Create(30),
    Act::Swap(2),
    Act::PutMany(40),
    Act::Step,
    Act::Delete(9),
    Act::Step,
    Act::Step,
    Act::Delete(30),
    Act::CutOver,
    Act::Swap(3),
    Act::Delete(4),
    Act::PutMany(50),
    Act::Write(31),
    Act::Step,
    Act::Step,
    Act::Commit,
];

fn first(number: usize) -> ObjectName {
    name(&format!("rec/{number:02x}/first-{number}"))
}

/// What a name may hold by now: one thing if the last answer was clear.
type Possible = BTreeMap<ObjectName, Vec<Option<Vec<u8>>>>;

struct Story {
    pair: Pair,
    from: Arc<FaultyBackend>,
    to: Arc<FaultyBackend>,
    possible: Possible,
}

impl Story {
    async fn new() -> Self {
        let pair = Pair::new();
        let model = fill(&*pair.from, 12).await;
        Self {
            from: Arc::new(FaultyBackend::new(Arc::clone(&pair.from))),
            to: Arc::new(FaultyBackend::new(Arc::clone(&pair.to))),
            pair,
            possible: model
                .into_iter()
                .map(|(name, bytes)| (name, vec![Some(bytes)]))
                .collect(),
        }
    }

    fn sides(&self) -> (Backend, Backend) {
        (
            Arc::clone(&self.from) as Backend,
            Arc::clone(&self.to) as Backend,
        )
    }

    async fn take_up(&self) -> Arc<MigratingBackend> {
        let (from, to) = self.sides();
        let file = self.pair.file();
        if standing_in(&file).unwrap().is_some() {
            return resume(&file, &from, &to).await;
        }
        begin(&file, &from, &to).await
    }

    /// Does an act; what was told decides what may be there.
    async fn act(&mut self, migration: &Arc<MigratingBackend>, act: &Act) {
        let backend = migration.backend();
        let new = format!("{act:?}").into_bytes();
        let (names, after, told) = match act {
            Act::Step => return drop(migration.step(5).await),
            Act::CutOver => return drop(migration.cut_over().await),
            Act::Commit => return drop(migration.commit().await),
            Act::Write(n) => {
                let told = backend.write(&first(*n), new.clone()).await;
                (vec![first(*n)], Some(new), told)
            }
            Act::Create(n) => {
                let told = backend.write_if_absent(&first(*n), new.clone()).await;
                (vec![first(*n)], Some(new), told)
            }
            Act::Swap(n) => {
                let old = backend.read(&first(*n)).await.unwrap().unwrap();
                let told = backend
                    .compare_and_swap(&first(*n), &old, new.clone())
                    .await;
                (vec![first(*n)], Some(new), told)
            }
            Act::Delete(n) => (vec![first(*n)], None, backend.delete(&first(*n)).await),
            Act::PutMany(n) => {
                let names: Vec<_> = (0..4).map(|more| first(n + more)).collect();
                let objects = names.iter().map(|name| (name.clone(), new.clone()));
                let told = backend.put_many(objects.collect()).await;
                (names, Some(new), told)
            }
        };
        for name in names {
            let possible = self.possible.entry(name).or_insert_with(|| vec![None]);
            match &told {
                Ok(()) => *possible = vec![after.clone()],
                Err(_) => possible.push(after.clone()),
            }
        }
    }

    /// A crash, a start, and everything to its end. Nothing acknowledged is lost, nothing deleted
    /// is back, and both sides were the same when they parted.
    async fn crash_and_finish(self, about: &str) {
        self.from.mend();
        self.to.mend();
        let migration = self.take_up().await;
        let phase = migration.standing().phase;
        if phase == Phase::Copying {
            verified(&migration, 7).await;
            migration.cut_over().await.unwrap();
        }
        if phase != Phase::Committed {
            verified(&migration, 7).await;
            assert_equal(&self.pair, about).await;
            migration.commit().await.unwrap();
        }
        for (name, possible) in &self.possible {
            let found = self.pair.to.read(name).await.unwrap();
            assert!(possible.contains(&found), "{about}: {name:?} is {found:?}");
        }
        for name in self.pair.to.list("rec/", None, 1000).await.unwrap() {
            assert!(self.possible.contains_key(&name), "{about}: {name:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_a_crash_after_any_act_loses_nothing() {
    for survived in 0..=SCRIPT.len() {
        let mut story = Story::new().await;
        let migration = story.take_up().await;
        for act in &SCRIPT[..survived] {
            story.act(&migration, act).await;
        }
        drop(migration);
        story
            .crash_and_finish(&format!("after {survived} acts"))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_a_failing_write_on_either_side_loses_nothing() {
    for on_target in [false, true] {
        for form in FORMS {
            for sound in 0.. {
                let mut story = Story::new().await;
                let migration = story.take_up().await;
                let faulty = if on_target { &story.to } else { &story.from };
                faulty.fail_after(sound, form);
                for act in &SCRIPT {
                    story.act(&migration, act).await;
                }
                let faulty = if on_target { &story.to } else { &story.from };
                let happened = faulty.mend();
                let about = format!("target {on_target}, {form:?}, {sound}");
                // With a crash after it, and without.
                if sound % 2 == 0 {
                    drop(migration);
                }
                story.crash_and_finish(&about).await;
                if !happened {
                    break;
                }
            }
        }
    }
}

/// The service does not feel a target that is down; destroying alone waits for both.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_fails_keeps_nobody_from_writing_and_destroys_nothing_by_halves() {
    let story = Story::new().await;
    let migration = story.take_up().await;
    verified(&migration, 100).await;
    let backend = migration.backend();
    story.to.fail_after(0, Form::Before);
    backend.write(&first(0), b"new".to_vec()).await.unwrap();
    story.to.fail_after(0, Form::Before);
    assert!(matches!(
        migration.cut_over().await,
        Err(MigrationError::Storage(_))
    ));
    assert_eq!(migration.standing().phase, Phase::Copying);
    assert_eq!(
        backend.read(&first(0)).await.unwrap().as_deref(),
        Some(&b"new"[..])
    );
    story.to.fail_after(0, Form::Before);
    let told = backend.delete(&first(1)).await;
    assert!(matches!(told, Err(StorageError::Unavailable { .. })));
    assert!(backend.read(&first(1)).await.unwrap().is_some());
    backend.delete(&first(1)).await.unwrap();
    verified(&migration, 100).await;
    migration.cut_over().await.unwrap();
    for side in [&story.pair.from, &story.pair.to] {
        assert_eq!(
            side.read(&first(0)).await.unwrap().as_deref(),
            Some(&b"new"[..])
        );
        assert_eq!(side.read(&first(1)).await.unwrap(), None);
    }
}

/// Whoever goes away half-way leaves no difference that nobody knows of.
#[tokio::test(flavor = "multi_thread")]
async fn callers_who_go_away_half_way_leave_the_sides_equal() {
    let pair = Pair::new();
    fill(&*pair.from, 40).await;
    let migration = pair.begin().await;
    verified(&migration, 100).await;
    let backend = migration.backend();
    for round in 0..200_usize {
        let backend = Arc::clone(&backend);
        let asking = tokio::spawn(async move {
            let bytes = format!("round {round}").into_bytes();
            backend.write(&first(round % 12), bytes).await
        });
        for _ in 0..round % 4 {
            tokio::task::yield_now().await;
        }
        asking.abort();
    }
    // A turn waits for what is under way.
    migration.cut_over().await.unwrap();
    assert_equal(&pair, "after the turn").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn back_again_after_the_cut_over_with_all_that_was_written_since() {
    let pair = Pair::new();
    let mut model = fill(&*pair.from, 60).await;
    let migration = pair.begin().await;
    assert!(matches!(
        migration.cut_over().await,
        Err(MigrationError::NotVerified)
    ));
    verified(&migration, 10).await;
    migration.cut_over().await.unwrap();
    assert!(matches!(
        migration.cut_over().await,
        Err(MigrationError::Phase { .. })
    ));
    let backend = migration.backend();
    backend.write(&first(3), b"since".to_vec()).await.unwrap();
    backend.delete(&first(4)).await.unwrap();
    model.insert(first(3), b"since".to_vec());
    model.remove(&first(4));
    // A start knows of no proof any more.
    drop((backend, migration));
    let migration = resume(&pair.file(), &pair.from, &pair.to).await;
    assert!(matches!(
        migration.roll_back().await,
        Err(MigrationError::NotVerified)
    ));
    verified(&migration, 10).await;
    migration.roll_back().await.unwrap();
    assert_eq!(survey(&*pair.from).await.unwrap(), survey_of(&model));
    assert!(matches!(
        migration.step(10).await,
        Err(MigrationError::Phase { .. })
    ));
    assert_eq!(marked(&*pair.from).await.unwrap(), None);
    assert!(
        marked(&*pair.to)
            .await
            .unwrap()
            .unwrap()
            .contains("the one")
    );
    assert_eq!(migration.erase().await.unwrap(), model.len() as u64);
    assert_eq!(pair.to.list("", None, 10).await.unwrap(), []);
}

/// There and back again, as often as somebody likes, while others write.
#[tokio::test(flavor = "multi_thread")]
async fn i02_cut_over_and_rolled_back_with_writes_going_on_nothing_is_lost() {
    let pair = Pair::new();
    let mut model = fill(&*pair.from, 60).await;
    for round in 0..3_u64 {
        let migration = pair.begin().await;
        let (stop, done) = (Arc::default(), Arc::new(AtomicU64::new(0)));
        let mut writers = JoinSet::new();
        for number in 0..4 {
            let backend = migration.backend();
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            writers.spawn(writer(number + 10 * round, backend, stop, done));
        }
        verified(&migration, 20).await;
        migration.cut_over().await.unwrap();
        migration.verify_anew().await;
        assert!(matches!(
            migration.roll_back().await,
            Err(MigrationError::NotVerified)
        ));
        verified(&migration, 20).await;
        migration.roll_back().await.unwrap();
        stop.store(true, Ordering::Relaxed);
        while let Some(written) = writers.join_next().await {
            model.extend(written.unwrap());
        }
        let found = survey(&*pair.from).await.unwrap();
        assert_eq!(found, survey_of(&model), "round {round}");
        migration.erase().await.unwrap();
        std::fs::remove_file(pair.file()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_holds_something_is_refused_and_left_alone() {
    let pair = Pair::new();
    fill(&*pair.from, 3).await;
    pair.to
        .write(&name("root/current"), b"another".to_vec())
        .await
        .unwrap();
    let names = ("a", "b");
    let (from, to) = (Arc::clone(&pair.from), Arc::clone(&pair.to));
    let refused = MigratingBackend::plan(&pair.file(), names, from, to, clock()).await;
    assert!(matches!(
        refused.err(),
        Some(MigrationError::NotEmpty { .. })
    ));
    assert!(standing_in(&pair.file()).unwrap().is_none());
    assert_eq!(survey(&*pair.to).await.unwrap().objects, 1);
}

/// A data directory that was put back from a copy says that the source leads, after the target did; or
/// that the target does, after the way back.
#[tokio::test(flavor = "multi_thread")]
async fn i02_a_file_that_is_older_than_the_marks_turns_nothing_back() {
    let pair = Pair::new();
    fill(&*pair.from, 12).await;
    let migration = pair.begin().await;
    verified(&migration, 10).await;
    let resumed = async || {
        let (from, to) = (Arc::clone(&pair.from), Arc::clone(&pair.to));
        let file = pair.file();
        let resumed = MigratingBackend::resume(&file, from, to, clock()).await;
        resumed.err()
    };
    let copying = std::fs::read(pair.file()).unwrap();
    migration.cut_over().await.unwrap();
    let cut_over = std::fs::read(pair.file()).unwrap();
    let backend = migration.backend();
    backend.write(&first(3), b"since".to_vec()).await.unwrap();
    std::fs::write(pair.file(), copying).unwrap();
    let phase = Phase::Copying;
    let refused = resumed().await;
    assert!(
        matches!(&refused, Some(MigrationError::Contradicted { phase: found, mark })
            if *found == phase && mark.contains("has moved to the other")),
        "{refused:?}"
    );
    std::fs::write(pair.file(), &cut_over).unwrap();
    verified(&migration, 10).await;
    migration.roll_back().await.unwrap();
    backend.write(&first(4), b"later".to_vec()).await.unwrap();
    std::fs::write(pair.file(), cut_over).unwrap();
    let refused = resumed().await;
    assert!(
        matches!(&refused, Some(MigrationError::Contradicted { mark, .. })
            if mark.contains("was left again for")),
        "{refused:?}"
    );
    for (name, bytes) in [(first(3), b"since"), (first(4), b"later")] {
        let found = pair.from.read(&name).await.unwrap();
        assert_eq!(found.as_deref(), Some(&bytes[..]), "{name:?}");
    }
}

/// After a commit nothing is marked. A copy of the source and of the file from before it must not take
/// the vault that went on for a target.
#[tokio::test(flavor = "multi_thread")]
async fn i02_a_source_put_back_with_its_file_after_the_commit_fills_nothing() {
    let pair = Pair::new();
    fill(&*pair.from, 12).await;
    let migration = pair.begin().await;
    verified(&migration, 10).await;
    let copying = std::fs::read(pair.file()).unwrap();
    migration.cut_over().await.unwrap();
    migration.commit().await.unwrap();
    pair.to.write(&first(3), b"since".to_vec()).await.unwrap();
    pair.to.write(&first(99), b"new".to_vec()).await.unwrap();
    pair.from.delete(&name("migration/standing")).await.unwrap();
    std::fs::write(pair.file(), copying).unwrap();
    let before = survey(&*pair.to).await.unwrap();
    let resumed = resume(&pair.file(), &pair.from, &pair.to).await;
    for _ in 0..3 {
        let refused = resumed.step(100).await;
        assert!(
            matches!(&refused, Err(MigrationError::Contradicted { mark, .. })
                if mark == "no mark, and a vault"),
            "{refused:?}"
        );
    }
    assert!(
        resumed.conducted().report().trouble.is_some(),
        "it is told of"
    );
    assert_eq!(survey(&*pair.to).await.unwrap(), before);
    assert_eq!(marked(&*pair.to).await.unwrap(), None);
}

/// A volume that is not mounted is an empty backend: nothing is made equal to it.
#[tokio::test(flavor = "multi_thread")]
async fn i02_a_side_that_leads_and_holds_no_vault_empties_nothing() {
    let pair = Pair::new();
    fill(&*pair.from, 12).await;
    let root = name("root/current");
    pair.from.write(&root, b"manifest".to_vec()).await.unwrap();
    let migration = pair.begin().await;
    verified(&migration, 10).await;
    migration.cut_over().await.unwrap();
    let before = survey(&*pair.from).await.unwrap();
    let unmounted = tempfile::tempdir().unwrap();
    let unmounted: Backend = Arc::new(FileBackend::open(unmounted.path()).unwrap());
    unmounted.init().await.unwrap();
    let resumed = resume(&pair.file(), &pair.from, &unmounted).await;
    for _ in 0..3 {
        let refused = resumed.step(100).await;
        assert!(
            matches!(
                &refused,
                Err(MigrationError::Storage(StorageError::Misconfigured { .. }))
            ),
            "{refused:?}"
        );
    }
    resumed.roll_back().await.unwrap_err();
    assert_eq!(survey(&*pair.from).await.unwrap(), before);
}

fn down() -> StorageError {
    StorageError::Unavailable {
        cause: "it is down".to_owned(),
    }
}

/// A turn is a turn while the side that was left is down; its mark follows when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_failed_at_a_turn_is_put_right_by_a_later_step() {
    let story = Story::new().await;
    let migration = story.take_up().await;
    verified(&migration, 100).await;
    story.from.begin_outage(down(), true);
    migration.cut_over().await.unwrap();
    assert_eq!(migration.standing().phase, Phase::CutOver);
    assert_eq!(marked(&*story.pair.to).await.unwrap(), None);
    assert_eq!(marked(&*story.pair.from).await.unwrap(), None);
    migration.step(10).await.unwrap_err();
    story.from.end_outage();
    migration.step(10).await.unwrap();
    let mark = marked(&*story.pair.from).await.unwrap().unwrap();
    assert!(mark.contains("has moved to the other"), "{mark}");
}

/// A start needs the side that leads, and so does a commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_follows_and_is_down_keeps_no_server_from_starting() {
    let story = Story::new().await;
    let migration = story.take_up().await;
    verified(&migration, 100).await;
    drop(migration);
    story.to.begin_outage(down(), true);
    let migration = story.take_up().await;
    let backend = migration.backend();
    backend.write(&first(0), b"new".to_vec()).await.unwrap();
    migration.step(10).await.unwrap_err();
    story.to.end_outage();
    verified(&migration, 10).await;
    assert_equal(&story.pair, "back again").await;
    migration.cut_over().await.unwrap();
    drop((backend, migration));

    story.from.begin_outage(down(), true);
    let migration = story.take_up().await;
    let backend = migration.backend();
    backend.write(&first(1), b"newer".to_vec()).await.unwrap();
    migration.commit().await.unwrap();
    assert!(matches!(
        migration.erase().await,
        Err(MigrationError::Storage(_))
    ));
    story.from.end_outage();
    assert!(migration.erase().await.unwrap() > 0);
    let kept = backend.read(&first(1)).await.unwrap();
    assert_eq!(kept.as_deref(), Some(&b"newer"[..]));
}

/// Two vaults in one schema, one without a prefix: what is another's is not moved, not waited for and
/// not erased, even where it is at the beginning of every list.
#[tokio::test(flavor = "multi_thread")]
async fn i02_a_vault_that_shares_its_schema_moves_alone_and_is_erased_alone() {
    let database = keyward_testkit::postgres::server()
        .unwrap()
        .database()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let side = |prefix| -> Backend { postgres(settings(&database.url, prefix)) };
    let (ours, others, moved) = (side(""), side("b"), side("c/d"));
    ours.init().await.unwrap();
    let model = fill(&*ours, 40).await;
    let theirs = fill(&*others, 600).await;
    ours.write(&name("probe/1"), b"ours".to_vec())
        .await
        .unwrap();
    others
        .write(&name("probe/1"), b"theirs".to_vec())
        .await
        .unwrap();
    let last: Backend = Arc::new(FileBackend::open(&folder.path().join("last")).unwrap());
    for (hop, (from, to)) in [(&ours, &moved), (&moved, &last)].into_iter().enumerate() {
        let migration = begin(&folder.path().join(format!("{hop}.json")), from, to).await;
        for _ in 0..8 {
            migration.step(30).await.unwrap();
        }
        assert!(migration.is_verified(), "a second pass finds nothing to do");
        migration.cut_over().await.unwrap();
        migration.commit().await.unwrap();
        assert_eq!(survey(&**to).await.unwrap(), survey_of(&model));
        migration.erase().await.unwrap();
        assert_eq!(survey(&**from).await.unwrap().objects, 0);
        assert_eq!(survey(&*others).await.unwrap(), survey_of(&theirs));
        assert!(others.read(&name("probe/1")).await.unwrap().is_some());
    }
    assert_eq!(ours.list("probe/", None, 10).await.unwrap(), []);
    // Into the place of which another vault has a part.
    let file = folder.path().join("back.json");
    let begun = MigratingBackend::plan(&file, ("last", "first"), last, ours, clock());
    assert!(matches!(
        begun.await.err(),
        Some(MigrationError::NotEmpty { .. })
    ));
}

/// What was erased is not in the files any more: not in pages, not in the log.
#[tokio::test(flavor = "multi_thread")]
async fn i01_nothing_that_was_moved_away_is_found_in_what_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file);
    std::fs::create_dir(path("left")).unwrap();
    let sqlite: Backend = Arc::new(EmbeddedBackend::open(&path("left/vault.db")).unwrap());
    let files: Backend = Arc::new(FileBackend::open(&path("left/files")).unwrap());
    let marker = b"a marker that is in every record";
    for (at, left) in [sqlite, files].into_iter().enumerate() {
        for number in 0..300_usize {
            let mut bytes = marker.repeat(1 + number % 9);
            bytes.extend(number.to_be_bytes());
            left.write(&first(number), bytes).await.unwrap();
        }
        let to: Backend = Arc::new(FileBackend::open(&path(&format!("kept-{at}"))).unwrap());
        let migration = begin(&path(&format!("{at}.json")), &left, &to).await;
        verified(&migration, 100).await;
        migration.cut_over().await.unwrap();
        migration.commit().await.unwrap();
        assert_eq!(migration.erase().await.unwrap(), 300);
        assert_eq!(survey(&*to).await.unwrap().objects, 300);
    }
    let found = files_with(&path("left"), marker);
    assert_eq!(found, Vec::<PathBuf>::new());
    assert!(
        !files_with(&path("kept-0"), marker).is_empty(),
        "the scan finds what is there"
    );
}

fn files_with(folder: &Path, marker: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, marker));
        } else if std::fs::read(&path)
            .unwrap()
            .windows(marker.len())
            .any(|window| window == marker)
        {
            found.push(path);
        }
    }
    found
}
