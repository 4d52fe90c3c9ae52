//! Receipts: every entry that signed heads cover has one, and it proves that entry and no other.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use keyward_audit::trees::{CheckError, Forest, Tree, check};
use keyward_audit::{Access, Identity, JournalIo, SegmentFile, StdIo};
use keyward_ledger::{Algorithm, Checkpoint, KeyName, Note, Receipt, VerifierKey};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{Disk, Handle, Stored, journal, journal_on, log, log_heads, open, tenant};
use crate::thinning::{seal, thin};

struct Signer {
    pair: Ed25519KeyPair,
    key: VerifierKey,
}

impl Signer {
    fn new() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        let name = KeyName::new("example.org/log").unwrap();
        let key = VerifierKey::new(name, Algorithm::Ed25519, public);
        Self { pair, key }
    }

    /// The checkpoint of the system's tree as it is now.
    fn sign(&self, forest: &Forest<Handle>) -> (Note, u64) {
        let head = forest.head(Tree::System);
        let checkpoint = Checkpoint::new(self.key.name().as_str(), head).unwrap();
        let mut note = checkpoint.note().unwrap();
        let sign = |text: &[u8]| Ok::<_, ()>(self.pair.sign(text).as_ref().try_into().unwrap());
        note.sign(&self.key, sign).unwrap();
        (note, head.size)
    }
}

/// The entry with a sequence number, and a receipt for it if there is one.
fn receipt(
    forest: &Forest<Handle>,
    (note, size): &(Note, u64),
    sequence: u64,
) -> (Vec<u8>, Option<Receipt>) {
    let found = forest.find(sequence).unwrap().unwrap();
    let index = forest.index_of(&found).unwrap().unwrap();
    let made = match found.tree {
        Tree::System => forest.receipt_in_system(index, note, *size),
        tree => forest.receipt_in(tree, index, note, *size),
    };
    (found.bytes, made.unwrap())
}

/// The first entry of a tree.
fn first(forest: &Forest<Handle>, is_it: impl Fn(Tree) -> bool) -> u64 {
    let tree = |sequence| forest.find(sequence).unwrap().unwrap().tree;
    (1..=forest.sequence())
        .find(|sequence| is_it(tree(*sequence)))
        .unwrap()
}

#[tokio::test]
async fn i13_every_entry_that_is_covered_has_a_receipt_and_it_is_for_no_other() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    let signer = Signer::new();
    let mut forest = open(&Disk::with(Stored::new()), &journal).unwrap();
    log(&journal, 0..1_000).await;
    while forest.grow().unwrap() {}
    // Nothing commits to a tenant's entries yet.
    let before = signer.sign(&forest);
    let of_tenant = first(&forest, |tree| tree == Tree::Operations(tenant(1)));
    let of_system = first(&forest, |tree| tree == Tree::System);
    assert!(receipt(&forest, &before, of_tenant).1.is_none());
    assert!(receipt(&forest, &before, of_system).1.is_some());
    let heads = forest.heads(Uuid::from_u128(1)).unwrap();
    log_heads(&journal, heads).await;
    log(&journal, 1_000..1_060).await;
    while forest.grow().unwrap() {}
    // A checkpoint from before the heads proves nothing by them.
    assert!(receipt(&forest, &before, of_tenant).1.is_none());
    let signed = signer.sign(&forest);
    let mut entries: Vec<Vec<u8>> = Vec::new();
    for sequence in 1..=1_061_u64 {
        let (entry, made) = receipt(&forest, &signed, sequence);
        let tenant = serde_json::from_slice::<Value>(&entry).unwrap()["tenant"].is_string();
        let Some(made) = made else {
            assert!(sequence > 1_000 && tenant, "{sequence} has no receipt");
            continue;
        };
        assert!(sequence <= 1_001 || !tenant, "{sequence} is not covered");
        // As text, as it is given out.
        let made: Receipt = made.to_string().parse().unwrap();
        let proved = check(&made, &entry, &signer.key, &[]).unwrap();
        assert_eq!(proved.tree.is_some(), tenant);
        assert_eq!(proved.opened.checkpoint.head().size, signed.1);
        if let Some(other) = entries.last() {
            assert!(check(&made, other, &signer.key, &[]).is_err());
        }
        assert!(check(&made, &entry, &Signer::new().key, &[]).is_err());
        entries.push(entry);
    }
    assert!(forest.find(0).unwrap().is_none());
    assert!(forest.find(1_062).unwrap().is_none());
    journal.close().await;
}

#[tokio::test]
async fn i13_what_is_given_out_proves_its_entries_while_later_heads_wait() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    let signer = Signer::new();
    let mut forest = open(&Disk::with(Stored::new()), &journal).unwrap();
    log(&journal, 0..300).await;
    while forest.grow().unwrap() {}
    let heads = forest.heads(Uuid::from_u128(1)).unwrap();
    log_heads(&journal, heads).await;
    while forest.grow().unwrap() {}
    let given_out = signer.sign(&forest);
    let is_of_tenant = |tree: Tree| tree == Tree::Operations(tenant(1));
    let old = first(&forest, is_of_tenant);
    let committed = forest.committed(Tree::Operations(tenant(1)), given_out.1);
    // An outage: rounds of heads that no given out checkpoint holds.
    let mut waiting = Vec::new();
    for round in 1..4 {
        log(&journal, round * 300..(round + 1) * 300).await;
        while forest.grow().unwrap() {}
        forest.keep_heads(given_out.1);
        let heads = forest.heads(Uuid::from_u128(1)).unwrap();
        log_heads(&journal, heads).await;
        while forest.grow().unwrap() {}
        let (entry, made) = receipt(&forest, &given_out, old);
        let made = made.unwrap();
        check(&made, &entry, &signer.key, &[]).unwrap();
        let now = forest.committed(Tree::Operations(tenant(1)), given_out.1);
        assert_eq!(now, committed, "{round}");
        waiting.push(signer.sign(&forest));
    }
    let tree = |sequence| forest.find(sequence).unwrap().unwrap().tree;
    let new = (320..1_000).find(|it| is_of_tenant(tree(*it))).unwrap();
    assert!(receipt(&forest, &given_out, new).1.is_none());
    // What was waited for first is given out: of those behind it heads were made already.
    let (entry, made) = receipt(&forest, &waiting[0], new);
    check(&made.unwrap(), &entry, &signer.key, &[]).unwrap();
}

#[tokio::test]
async fn i13_a_receipt_in_which_anything_was_changed_proves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    let signer = Signer::new();
    let mut forest = open(&Disk::with(Stored::new()), &journal).unwrap();
    log(&journal, 0..900).await;
    while forest.grow().unwrap() {}
    let heads = forest.heads(Uuid::from_u128(1)).unwrap();
    log_heads(&journal, heads).await;
    while forest.grow().unwrap() {}
    let signed = signer.sign(&forest);
    let of_tenant = first(&forest, |tree| tree == Tree::Operations(tenant(1)));
    let of_system = first(&forest, |tree| tree == Tree::System);
    let (entry, made) = receipt(&forest, &signed, of_tenant);
    let made = made.unwrap();
    let checks = |receipt: &Receipt| check(receipt, &entry, &signer.key, &[]).is_ok();
    assert!(checks(&made));
    let way: Value = serde_json::from_slice(made.extra.as_ref().unwrap()).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut way = way.clone();
        change(&mut way);
        Receipt {
            extra: Some(serde_json::to_vec(&way).unwrap()),
            ..made.clone()
        }
    };
    assert!(checks(&with(&|_| {})));
    let other = keyward_ledger::Hash::of_leaf(b"other").to_string();
    let changes: [&dyn Fn(&mut Value); 9] = [
        &|way| way["index"] = json!(way["index"].as_u64().unwrap() ^ 1),
        &|way| way["size"] = json!(way["size"].as_u64().unwrap() + 1),
        &|way| way["root"] = json!(other),
        &|way| way["path"][0] = json!(other),
        &|way| drop(way["path"].as_array_mut().unwrap().pop()),
        &|way| way["head"] = json!(way["head"].as_u64().unwrap() ^ 1),
        &|way| way["head_path"][0] = json!(other),
        &|way| {
            let heads = way["heads"].as_str().unwrap();
            way["heads"] = json!(heads.replace("\"trees\":", "\"trees\": "));
        },
        &|way| way["more"] = json!(1),
    ];
    for (number, change) in changes.iter().enumerate() {
        assert!(!checks(&with(change)), "change {number}");
    }
    // The entry of another tenant, the rest as it is.
    let moved = String::from_utf8(entry.clone()).unwrap();
    let moved = moved.replace("000000000001", "000000000002");
    assert!(check(&made, moved.as_bytes(), &signer.key, &[]).is_err());
    // Without the way, the receipt is one for the entry of heads.
    let bare = Receipt {
        extra: None,
        ..made.clone()
    };
    assert!(!checks(&bare));
    let heads = way["heads"].as_str().unwrap().as_bytes();
    assert!(check(&bare, heads, &signer.key, &[]).is_ok());
    // What belongs to no tenant is in no tenant's tree.
    let (system, _) = receipt(&forest, &signed, of_system);
    let refused = check(&made, &system, &signer.key, &[]).unwrap_err();
    assert_eq!(refused, CheckError::Entry);
    journal.close().await;
}

/// A directory that counts how often sealed segments are read.
#[derive(Clone)]
struct Counting {
    io: StdIo,
    reads: Arc<AtomicU64>,
}

impl JournalIo for Counting {
    fn list(&self) -> io::Result<Vec<String>> {
        self.io.list()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        self.io.create(name)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn SegmentFile>> {
        let file = self.io.open(name, access)?;
        Ok(match name.rsplit('.').next() {
            Some("kws") => Box::new(Counted(file, self.reads.clone())),
            _ => file,
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.io.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.io.rename(from, to)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.io.sync_dir()
    }

    fn identity(&self, name: &str) -> io::Result<Identity> {
        self.io.identity(name)
    }
}

struct Counted(Box<dyn SegmentFile>, Arc<AtomicU64>);

impl SegmentFile for Counted {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.read_at(offset, into)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync()
    }
}

#[tokio::test]
async fn a_receipt_of_an_old_entry_is_the_same_and_nothing_sealed_is_searched_for_it() {
    let place = tempfile::tempdir().unwrap();
    let reads = Arc::new(AtomicU64::new(0));
    let io = StdIo::new(place.path()).unwrap();
    let journal = journal_on(&Counting {
        io,
        reads: reads.clone(),
    });
    let signer = Signer::new();
    let disk = Disk::with(Stored::new());
    let mut forest = open(&disk, &journal).unwrap();
    for from in (0..5_000).step_by(100) {
        log(&journal, from..from + 100).await;
    }
    while forest.grow().unwrap() {}
    let heads = forest.heads(Uuid::from_u128(1)).unwrap();
    log_heads(&journal, heads).await;
    while forest.grow().unwrap() {}
    forest.keep().unwrap();
    let signed = signer.sign(&forest);
    let given = |sequence| {
        let (entry, made) = receipt(&forest, &signed, sequence);
        (entry, made.unwrap().to_string())
    };
    let sequences: Vec<u64> = (1..=5_000).step_by(41).collect();
    let before: Vec<_> = sequences.iter().map(|sequence| given(*sequence)).collect();
    seal(&journal);
    thin(&forest).unwrap();
    let first = format!("{}/tile/0/000", Tree::Operations(tenant(1)));
    assert!(!disk.stored().contains_key(&first));
    let now = || reads.load(Ordering::Relaxed);
    let begun = now();
    for (sequence, before) in sequences.iter().zip(before) {
        let found = forest.find(*sequence).unwrap().unwrap();
        let until = now();
        assert!(forest.index_of(&found).unwrap().is_some());
        assert_eq!(now(), until, "{sequence}");
        assert_eq!(given(*sequence), before);
    }
    assert!(now() > begun, "the entries themselves are sealed");
    journal.close().await;
}
