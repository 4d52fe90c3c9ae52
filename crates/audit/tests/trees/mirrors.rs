//! A mirror whose store fails, loses answers, deletes nothing or holds something else: whatever it does,
//! what lies there is a log that verifies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use keyward_audit::Journal;
use keyward_audit::mirror::{Mirror, MirrorError, MirrorPlace, Newest};
use keyward_audit::trees::{Forest, LogDirectory, Tree};
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use keyward_ledger::{
    Algorithm, CHECKPOINT_PATH, Checkpoint, Files, Head, KeyName, Note, VerifierKey, check_log,
};
use parking_lot::Mutex;
use uuid::Uuid;

use crate::stage::{journal, log, log_heads};

const NAME: &str = "log.example";
type Stored = BTreeMap<String, Vec<u8>>;

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap()
}

fn key(name: &str) -> VerifierKey {
    let public = pair().public_key().as_ref().try_into().unwrap();
    VerifierKey::new(KeyName::new(name).unwrap(), Algorithm::Ed25519, public)
}

fn origin(tree: Tree) -> String {
    match tree {
        Tree::System => NAME.to_owned(),
        tree => format!("{NAME}/{tree}"),
    }
}

fn signed(tree: Tree, head: Head) -> Note {
    let origin = origin(tree);
    let mut note = Checkpoint::new(&origin, head).unwrap().note().unwrap();
    let sign = |text: &[u8]| Ok::<_, ()>(pair().sign(text).as_ref().try_into().unwrap());
    note.sign(&key(&origin), sign).unwrap();
    note
}

/// One log of a store.
struct OneLog<'a>(&'a Stored, &'a str);

impl Files for OneLog<'_> {
    fn read(&mut self, path: &str, _most: usize) -> std::io::Result<Option<Vec<u8>>> {
        Ok(self.0.get(&format!("{}/{path}", self.1)).cloned())
    }

    fn list(&mut self) -> std::io::Result<Vec<String>> {
        let prefix = format!("{}/", self.1);
        let named = self.0.keys().filter_map(|path| path.strip_prefix(&prefix));
        Ok(named.map(ToOwned::to_owned).collect())
    }
}

/// What a store does at a change.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// From this change on nothing is done.
    Fails(u64),
    /// This one is done, and nobody hears of it; nothing afterwards.
    Silent(u64),
}

/// A store that has every log verified after each change.
struct Store {
    objects: Mutex<Stored>,
    changes: AtomicU64,
    fault: Mutex<Fault>,
    deletes: bool,
}

impl Store {
    fn new(objects: Stored, fault: Fault, deletes: bool) -> Arc<Self> {
        Arc::new(Self {
            objects: Mutex::new(objects),
            changes: AtomicU64::new(0),
            fault: Mutex::new(fault),
            deletes,
        })
    }

    fn change(
        &self,
        name: &ObjectName,
        work: impl FnOnce(&mut Stored) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let number = self.changes.fetch_add(1, Ordering::Relaxed);
        let lost = || StorageError::Unavailable {
            cause: "lost".to_owned(),
        };
        let fault = *self.fault.lock();
        if matches!(fault, Fault::Fails(at) if number >= at)
            || matches!(fault, Fault::Silent(at) if number > at)
        {
            return Err(lost());
        }
        let mut objects = self.objects.lock();
        work(&mut objects)?;
        let tree = name.as_str().split("/tile/").next().unwrap();
        let tree = tree
            .rsplit_once(CHECKPOINT_PATH)
            .map_or(tree, |(tree, _)| tree);
        verify(&objects, tree.trim_end_matches('/'));
        if fault == Fault::Silent(number) {
            return Err(lost());
        }
        Ok(())
    }
}

/// Checks a log if it has a checkpoint; how many entries it is of.
fn verify(objects: &Stored, tree: &str) -> u64 {
    if !objects.contains_key(&format!("{tree}/{CHECKPOINT_PATH}")) {
        return 0;
    }
    let name = match tree {
        "system" => NAME.to_owned(),
        tree => format!("{NAME}/{tree}"),
    };
    let key = key(&name);
    let checked = check_log(&mut OneLog(objects, tree), &key, &[], None);
    let checked = checked.unwrap_or_else(|error| panic!("{tree}: {error}"));
    assert!(checked.faults.none(), "{tree}: {:?}", checked.faults);
    checked.checkpoint.checkpoint.head().size
}

#[async_trait]
impl StorageBackend for Store {
    async fn init(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.objects.lock().get(name.as_str()).cloned())
    }

    async fn write(&self, name: &ObjectName, _bytes: Vec<u8>) -> Result<(), StorageError> {
        panic!("{name:?} would be written whatever is there")
    }

    async fn write_if_absent(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), StorageError> {
        self.change(name, |objects| {
            if objects.contains_key(name.as_str()) {
                return Err(StorageError::AlreadyExists);
            }
            objects.insert(name.as_str().to_owned(), bytes);
            Ok(())
        })
    }

    async fn put_many(&self, _: Vec<(ObjectName, Vec<u8>)>) -> Result<(), StorageError> {
        panic!("one at a time")
    }

    async fn compare_and_swap(
        &self,
        name: &ObjectName,
        expected: &[u8],
        new: Vec<u8>,
    ) -> Result<(), StorageError> {
        self.change(name, |objects| match objects.get_mut(name.as_str()) {
            Some(found) if found == expected => {
                *found = new;
                Ok(())
            }
            _ => Err(StorageError::Conflict),
        })
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), StorageError> {
        assert!(name.as_str().contains(".p/"), "{name:?} is for good");
        self.change(name, |objects| {
            if !self.deletes {
                let cause = "locked".to_owned();
                return Err(StorageError::Denied { cause });
            }
            objects.remove(name.as_str());
            Ok(())
        })
    }

    async fn list(
        &self,
        _: &str,
        _: Option<&ObjectName>,
        _: usize,
    ) -> Result<Vec<ObjectName>, StorageError> {
        panic!("nothing is listed: the mirror says itself how far it is")
    }

    async fn health(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

/// A log that grows.
struct Log {
    journal: Arc<Journal>,
    trees: Arc<Mutex<Forest<LogDirectory>>>,
    reached: u64,
    _place: tempfile::TempDir,
}

impl Log {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let journal = journal(place.path());
        let files = LogDirectory::new(&place.path().join("log")).unwrap();
        let trees = Forest::open(files, journal.clone()).unwrap();
        Self {
            journal,
            trees: Arc::new(Mutex::new(trees)),
            reached: 0,
            _place: place,
        }
    }

    /// Logs up to so many entries, and commits to all trees; what is to be mirrored then.
    async fn to(&mut self, entries: u64) -> Newest {
        log(&self.journal, self.reached..entries).await;
        self.reached = entries;
        let grow = || while self.trees.lock().grow().unwrap() {};
        grow();
        let heads = self.trees.lock().heads(Uuid::from_u128(1)).unwrap();
        log_heads(&self.journal, heads).await;
        grow();
        let head = self.trees.lock().head(Tree::System);
        Newest {
            log: key(NAME),
            keys: vec![key(NAME)],
            signed: head,
            counted: Some((head, signed(Tree::System, head))),
            committed: self.trees.lock().all_committed(head.size).unwrap(),
            handovers: String::new(),
            trees: self.trees.clone(),
        }
    }
}

fn mirror(store: &Arc<Store>) -> Mirror {
    let sign = |tree, head| Some(signed(tree, head));
    Mirror::new(MirrorPlace::store(store.clone()), Arc::new(sign))
}

/// Every log is there, up to what was committed to.
fn whole(store: &Store, newest: &Newest) {
    let objects = store.objects.lock();
    let (head, _) = newest.counted.as_ref().unwrap();
    assert_eq!(verify(&objects, "system"), head.size);
    for (tree, head) in &newest.committed {
        assert_eq!(verify(&objects, &tree.to_string()), head.size, "{tree}");
    }
}

#[tokio::test]
async fn i13_every_log_in_a_mirror_verifies_after_every_single_change_to_it() {
    let mut counts = Vec::new();
    for deletes in [true, false] {
        let store = Store::new(Stored::new(), Fault::None, deletes);
        let (mut log, mut mirror) = (Log::new(), mirror(&store));
        let mut trees = 0;
        for entries in [1, 40, 41, 300, 301, 900, 2600, 2601, 2602] {
            let newest = log.to(entries).await;
            assert!(mirror.reached(&newest).has_news);
            mirror.bring(&newest).await.unwrap();
            whole(&store, &newest);
            let reached = mirror.reached(&newest);
            assert_eq!((reached.behind, reached.has_news), (0, false));
            trees = 1 + newest.committed.len();
        }
        let objects = store.objects.lock();
        let partial = objects.keys().filter(|path| path.contains(".p/"));
        counts.push((partial.count(), trees * 2 * 4));
    }
    // Of the last two checkpoints of each tree, three levels and the numbers; or of all that there ever were.
    let [(left, most), (kept, _)] = counts[..] else {
        panic!("{counts:?}")
    };
    assert!(left <= most && left < kept, "{counts:?}");
}

#[tokio::test]
async fn i13_a_mirror_goes_on_after_a_fault_at_any_change_whether_it_was_done_or_not() {
    let mut log = Log::new();
    let first = log.to(200).await;
    let before = Store::new(Stored::new(), Fault::None, true);
    mirror(&before).bring(&first).await.unwrap();
    let before = before.objects.lock().clone();
    let newest = log.to(1100).await;
    for at in 0.. {
        let mut has_failed = false;
        for fault in [Fault::Fails(at), Fault::Silent(at)] {
            let store = Store::new(before.clone(), fault, true);
            let mut here = mirror(&store);
            has_failed |= here.bring(&newest).await.is_err();
            *store.fault.lock() = Fault::None;
            if at % 2 == 0 {
                // Another life, which knows nothing.
                here = mirror(&store);
            }
            let mut tries = 0;
            while let Err(error) = here.bring(&newest).await {
                // An answer that was lost is found out by asking again.
                assert_eq!(error, MirrorError::Contended, "{at}");
                here.forget();
                tries += 1;
                assert!(tries < 3, "{at}");
            }
            whole(&store, &newest);
        }
        if !has_failed {
            assert!(at > 50);
            return;
        }
    }
}

#[tokio::test]
async fn what_is_there_already_and_is_something_else_is_named_and_left_alone() {
    let mut log = Log::new();
    let newest = log.to(900).await;
    let large = newest.committed.iter().find(|(_, head)| head.size >= 256);
    let tree = large.unwrap().0;
    let path = format!("{tree}/tile/entries/000");
    let other = Stored::from([(path.clone(), b"other".to_vec())]);
    let store = Store::new(other, Fault::None, true);
    let mut here = mirror(&store);
    let error = here.bring(&newest).await.unwrap_err();
    assert_eq!(error, MirrorError::Altered { path: path.clone() });
    let objects = store.objects.lock();
    assert_eq!(objects[&path], b"other");
    assert!(!objects.contains_key(&format!("{tree}/{CHECKPOINT_PATH}")));
    // The others' logs are there all the same.
    assert_eq!(verify(&objects, "system"), newest.signed.size);
    assert!(
        objects
            .keys()
            .filter(|path| path.ends_with(CHECKPOINT_PATH))
            .count()
            > 2
    );
}

#[tokio::test]
async fn i08_a_mirror_of_another_log_or_of_another_history_is_not_written_to() {
    let mut log = Log::new();
    let newest = log.to(50).await;
    let untouched = async |objects: Stored| {
        let store = Store::new(objects.clone(), Fault::None, true);
        let error = mirror(&store).bring(&newest).await.unwrap_err();
        let mut now = store.objects.lock().clone();
        if !objects.contains_key("system/key") {
            now.remove("system/key");
        }
        assert!(now == objects, "{error}");
        error
    };
    let place = "system/key".to_owned();
    let others = Stored::from([(place, format!("{}\n", key("other.example")).into_bytes())]);
    let found = "other.example".to_owned();
    assert_eq!(untouched(others).await, MirrorError::OtherLog { found });

    // It has more than was signed here; or as much, and something else.
    let path = format!("system/{CHECKPOINT_PATH}");
    let here = newest.signed;
    for size in [here.size + 1, here.size] {
        let root = keyward_ledger::Hash::of_leaf(b"another history");
        let note = signed(Tree::System, Head { size, root });
        let ahead = Stored::from([(path.clone(), note.to_string().into_bytes())]);
        let expected = MirrorError::Contradicts {
            path: path.clone(),
            size,
        };
        assert_eq!(untouched(ahead).await, expected);
    }
    // Whoever can write there, but has not the key, says nothing of the log.
    let mut forged = signed(Tree::System, here).to_string().into_bytes();
    let last = forged.len() - 10;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    let path = path.clone();
    let forged = Stored::from([(path.clone(), forged)]);
    assert_eq!(untouched(forged).await, MirrorError::Unsigned { path });
}
