//! A journal with entries of several tenants, files that a power cut may tear, and the check of a
//! whole tree as a stranger would make it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use futures_util::future::join_all;
use keyward_audit::trees::{Forest, Heads, LogFiles, Tree, TreesError};
use keyward_audit::{Begins, Journal, JournalConfig, JournalIo, StdIo, SyncMode};
use keyward_core::audit::{Actor, AuditEvent, Journaled, LeafMark, Outcome, Resource};
use keyward_core::ids::TenantId;
use keyward_core::names::CorrelationId;
use keyward_core::noun::action::Action;
use keyward_core::port::audit_log::{AuditLog, JournalObserver};
use keyward_core::time::{Clock, Timestamp};
use keyward_ledger::{
    Algorithm, CHECKPOINT_PATH, Checkpoint, Files, Head, KeyName, VerifierKey, bundles, check_log,
    hash_tiles,
};
use uuid::Uuid;

pub type Stored = BTreeMap<String, Vec<u8>>;

/// Files in memory.
#[derive(Default)]
pub struct Disk {
    pub files: Mutex<Stored>,
    /// Put, and not settled.
    unsettled: Mutex<BTreeSet<String>>,
    writes: Mutex<u64>,
    /// From which write on everything fails, and whether that one was done.
    pub fails_at: Option<(u64, bool)>,
}

impl Disk {
    pub fn with(files: Stored) -> Arc<Self> {
        Arc::new(Self {
            files: Mutex::new(files),
            ..Self::default()
        })
    }

    pub fn failing(at: u64, done: bool) -> Arc<Self> {
        Arc::new(Self {
            fails_at: Some((at, done)),
            ..Self::default()
        })
    }

    /// The same with files that are there.
    pub fn failing_with(files: Stored, at: u64, done: bool) -> Arc<Self> {
        Arc::new(Self {
            files: Mutex::new(files),
            fails_at: Some((at, done)),
            ..Self::default()
        })
    }

    /// The same after the process died and the system lived: what was not settled still is not.
    pub fn revived(&self) -> Arc<Self> {
        Arc::new(Self {
            files: Mutex::new(self.stored()),
            unsettled: Mutex::new(self.unsettled.lock().unwrap().clone()),
            ..Self::default()
        })
    }

    pub fn writes(&self) -> u64 {
        *self.writes.lock().unwrap()
    }

    pub fn stored(&self) -> Stored {
        self.files.lock().unwrap().clone()
    }

    /// What a power cut leaves: of everything that was not settled all, nothing or a part, as the
    /// dice say.
    pub fn cut(&self, mut dice: u64) -> Stored {
        let mut files = self.stored();
        for path in self.unsettled.lock().unwrap().iter() {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            match (dice >> 33) % 4 {
                0 => drop(files.remove(path)),
                1 => files.get_mut(path).unwrap().clear(),
                2 => {
                    let bytes = files.get_mut(path).unwrap();
                    let half = bytes.len() / 2;
                    bytes[half..].fill(0);
                }
                _ => {}
            }
        }
        files
    }

    fn change(&self, change: impl FnOnce()) -> io::Result<()> {
        let mut writes = self.writes.lock().unwrap();
        *writes += 1;
        let (at, done) = self.fails_at.unwrap_or((u64::MAX, false));
        if *writes < at || (done && *writes == at) {
            change();
        }
        if *writes >= at {
            return Err(io::ErrorKind::Other.into());
        }
        Ok(())
    }
}

/// The disk, as trees hold it.
pub struct Handle(pub Arc<Disk>);

impl LogFiles for Handle {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.files.lock().unwrap().get(path).cloned())
    }

    fn put(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.change(|| {
            self.0.unsettled.lock().unwrap().insert(path.to_owned());
            let mut files = self.0.files.lock().unwrap();
            files.insert(path.to_owned(), bytes.to_vec());
        })
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.change(|| {
            self.0.files.lock().unwrap().remove(path);
        })
    }

    fn settle(&self) -> io::Result<()> {
        self.0.change(|| self.0.unsettled.lock().unwrap().clear())
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.change(|| {
            let mut files = self.0.files.lock().unwrap();
            files.insert(path.to_owned(), bytes.to_vec());
        })
    }
}

pub struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_795_000_000_000_000)
    }
}

/// Entries in these tests are many; what a sync keeps is shown by the journal's own tests.
pub fn journal(place: &Path) -> Arc<Journal> {
    journal_on(&StdIo::new(place).unwrap())
}

/// The same, synced or not.
pub fn synced_journal(place: &Path, sync: SyncMode) -> Arc<Journal> {
    let config = JournalConfig {
        sync,
        ..JournalConfig::default()
    };
    let (node, id) = ("node-a".into(), Uuid::from_u128(7));
    let opened = Journal::open(place, config, node, id, Arc::new(Noon), Arc::new(Nobody));
    Arc::new(opened.unwrap())
}

/// The same on any disk.
pub fn journal_on(io: &(impl JournalIo + Clone + 'static)) -> Arc<Journal> {
    let config = JournalConfig {
        begins: Begins::WhereNoted,
        sync: SyncMode::Written,
        segment_bytes: 64 * 1024,
        ..JournalConfig::default()
    };
    let (io, node, id) = (Arc::new(io.clone()), "node-a".into(), Uuid::from_u128(7));
    let opened = Journal::open_with(io, config, node, id, Arc::new(Noon), Arc::new(Nobody));
    Arc::new(opened.unwrap())
}

pub struct Nobody;

impl JournalObserver for Nobody {
    fn replay_after(&self) -> u64 {
        0
    }

    fn observe(&self, _: &[Journaled]) {}
}

pub fn tenant(number: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(number))
}

pub fn event(name: &str, tenant: Option<TenantId>, change: Option<i64>) -> AuditEvent {
    AuditEvent {
        time: Noon.now(),
        node: "node-a".into(),
        tenant,
        actor: Actor::system(),
        action: Action::KeyEncrypt,
        resource: Resource {
            kind: "key".into(),
            ..Resource::default()
        },
        outcome: Outcome::Ok,
        reason: None,
        correlation_id: CorrelationId::new(name).unwrap(),
        details: BTreeMap::new(),
        used: Vec::new(),
        revision: change,
        change,
        signature: None,
        leaf: LeafMark::default(),
    }
}

/// Entries from number `first` on: most of one tenant, some of others, some of the system.
pub async fn log(journal: &Journal, numbers: std::ops::Range<u64>) {
    let events = numbers.map(|number| {
        let (tenant, change) = match number % 8 {
            0 => (None, None),
            1 => (None, Some(number as i64)),
            2 => (Some(tenant(1)), Some(number as i64)),
            3 => (Some(tenant(2 + u128::from(number) / 100)), None),
            _ => (Some(tenant(1)), None),
        };
        journal.append(event(&format!("entry-{number}"), tenant, change))
    });
    // A hundred at a time: a batch is never cut by the end of a segment, and who waits for all of them at
    // once gets as many or as few segments as the machine's speed makes of them.
    let mut events = events.peekable();
    while events.peek().is_some() {
        for appended in join_all(events.by_ref().take(100)).await {
            appended.unwrap();
        }
    }
}

pub fn open(disk: &Arc<Disk>, journal: &Arc<Journal>) -> Result<Forest<Handle>, TreesError> {
    Forest::open(Handle(Arc::clone(disk)), Arc::clone(journal))
}

/// Opens the trees, takes all that the journal has, and keeps it.
pub fn grown(disk: &Arc<Disk>, journal: &Arc<Journal>) -> Result<Forest<Handle>, TreesError> {
    let mut forest = open(disk, journal)?;
    while forest.grow()? {}
    forest.keep()?;
    Ok(forest)
}

/// What the journal says that each tree has.
pub fn expected(journal: &Journal) -> BTreeMap<Tree, Vec<Vec<u8>>> {
    let mut trees: BTreeMap<Tree, Vec<Vec<u8>>> = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = journal.written(after, 1024 * 1024).unwrap();
        let Some(last) = page.last() else {
            return trees;
        };
        after = last.sequence;
        for entry in page {
            let event: AuditEvent = serde_json::from_slice(&entry.bytes).unwrap();
            let tree = match (event.tenant, event.change) {
                (None, _) => Tree::System,
                (Some(tenant), Some(_)) => Tree::Changes(tenant),
                (Some(tenant), None) => Tree::Operations(tenant),
            };
            trees.entry(tree).or_default().push(entry.bytes);
        }
    }
}

struct InMemory(Stored);

impl Files for InMemory {
    fn read(&mut self, path: &str, _most: usize) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.get(path).cloned())
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.0.keys().cloned().collect())
    }
}

/// A tree's files as they would be served, with a checkpoint of this head.
fn served(forest: &Forest<Handle>, tree: Tree, head: Head, key: &VerifierKey) -> Stored {
    let mut files = Stored::new();
    for tile in hash_tiles(head.size).chain(bundles(head.size)) {
        let bytes = forest.tile(tree, tile).unwrap();
        files.insert(tile.to_string(), bytes.expect("a tile that the tree has"));
    }
    let mut note = Checkpoint::new(key.name().as_str(), head)
        .unwrap()
        .note()
        .unwrap();
    let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
    let sign = |bytes: &[u8]| Ok::<_, io::Error>(pair.sign(bytes).as_ref().try_into().unwrap());
    note.sign(key, sign).unwrap();
    files.insert(CHECKPOINT_PATH.to_owned(), note.to_string().into_bytes());
    files
}

/// Checks every tree as a stranger would, byte by byte, against what the journal has.
pub fn check(forest: &Forest<Handle>, journal: &Journal) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
    let public = pair.public_key().as_ref().try_into().unwrap();
    let name = KeyName::new("log.example").unwrap();
    let key = VerifierKey::new(name, Algorithm::Ed25519, public);
    for (tree, entries) in expected(journal) {
        let leaves = entries
            .iter()
            .map(|entry| keyward_ledger::Hash::of_leaf(entry));
        let root = keyward_ledger::MemoryTree::new(leaves).root();
        let head = Head {
            size: entries.len() as u64,
            root,
        };
        assert_eq!(forest.head(tree), head, "{tree}");
        let files = served(forest, tree, head, &key);
        let checked = check_log(&mut InMemory(files), &key, &[], None);
        let checked = checked.unwrap_or_else(|error| panic!("{tree}: {error}"));
        assert!(checked.faults.none(), "{tree}: {:?}", checked.faults);
        assert_eq!(checked.checkpoint.checkpoint.head(), head, "{tree}");
        assert_eq!(checked.unchecked, Vec::<String>::new());
    }
}

/// Logs heads, as a server does.
pub async fn log_heads(journal: &Journal, heads: Heads) {
    let mut entry = event("heads", None, None);
    entry.action = Action::AuditHeads;
    entry
        .details
        .insert("log".into(), heads.log.to_string().into());
    entry.details.insert("through".into(), heads.through.into());
    entry.details.insert("trees".into(), heads.trees.into());
    entry
        .details
        .insert("root".into(), heads.root.to_string().into());
    journal.append(entry).await.unwrap();
}
