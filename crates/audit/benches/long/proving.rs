//! Receipts, and whole logs checked as a stranger would.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::KeyPair;
use keyward_audit::Journal;
use keyward_audit::trees::{Forest, LogDirectory, Tree, check};
use keyward_core::audit::{Actor, AuditEvent, LeafMark, Outcome, Resource};
use keyward_core::names::CorrelationId;
use keyward_core::noun::action::Action;
use keyward_core::port::audit_log::AuditLog;
use keyward_core::time::Timestamp;
use keyward_ledger::{
    Algorithm, CHECKPOINT_PATH, Checkpoint, Files, Head, KeyName, Note, VerifierKey, bundles,
    check_log, hash_tiles,
};
use uuid::Uuid;

use crate::entries::{BEGAN, TENANTS, dice, tenant};
use crate::writing::pair;
use crate::{millis, per_second};

const RECEIPTS: u64 = 1_001;

/// Makes receipts of entries anywhere in the log, and checks them.
pub async fn receipts(journal: &Journal, forest: &mut Forest<LogDirectory>, entries: u64) {
    log_heads(journal, forest).await;
    let head = forest.head(Tree::System);
    let (key, note) = (key(), signed(head));
    let (mut making, mut checking) = (Vec::new(), Vec::new());
    for round in 0..RECEIPTS {
        let begun = Instant::now();
        let found = forest.find(1 + dice(round) % entries).unwrap().unwrap();
        let index = forest.index_of(&found).unwrap().unwrap();
        let receipt = forest.receipt_in(found.tree, index, &note, head.size);
        let receipt = receipt.unwrap().unwrap();
        making.push(millis(begun.elapsed()));
        let begun = Instant::now();
        let proved = check(&receipt, &found.bytes, &key, &[]).unwrap();
        checking.push(millis(begun.elapsed()));
        assert_eq!((proved.tree, proved.index), (Some(found.tree), index));
    }
    println!("\n| receipts of any entry | median ms | 99 of 100 ms |\n|---|---:|---:|");
    for (what, mut took) in [("made", making), ("checked", checking)] {
        took.sort_unstable_by(f64::total_cmp);
        let of = |hundredths: usize| took[(took.len() - 1) * hundredths / 100];
        println!("| {what} | {:.2} | {:.2} |", of(50), of(99));
    }
}

/// Logs what all trees are, as a server does each second.
async fn log_heads(journal: &Journal, forest: &mut Forest<LogDirectory>) {
    let heads = forest.heads(Uuid::from_u128(9)).expect("heads");
    let details = [
        ("log", heads.log.to_string().into()),
        ("through", heads.through.into()),
        ("trees", heads.trees.into()),
        ("root", heads.root.to_string().into()),
    ];
    let entry = AuditEvent {
        time: Timestamp::from_micros(BEGAN),
        node: "node-a".into(),
        tenant: None,
        actor: Actor::system(),
        action: Action::AuditHeads,
        resource: Resource::default(),
        outcome: Outcome::Ok,
        reason: None,
        correlation_id: CorrelationId::new("heads").unwrap(),
        details: BTreeMap::from(details.map(|(name, value)| (name.to_owned(), value))),
        used: Vec::new(),
        revision: None,
        change: None,
        signature: None,
        leaf: LeafMark::default(),
    };
    journal.append(entry).await.unwrap();
    while forest.grow().unwrap() {}
}

fn key() -> VerifierKey {
    let public = pair().public_key().as_ref().try_into().unwrap();
    let name = KeyName::new("log.example").unwrap();
    VerifierKey::new(name, Algorithm::Ed25519, public)
}

fn signed(head: Head) -> Note {
    let (key, pair) = (key(), pair());
    let checkpoint = Checkpoint::new(key.name().as_str(), head).unwrap();
    let mut note = checkpoint.note().unwrap();
    let sign = |bytes: &[u8]| Ok::<_, io::Error>(pair.sign(bytes).as_ref().try_into().unwrap());
    note.sign(&key, sign).unwrap();
    note
}

/// A copy of a log.
struct Copy<'a>(&'a Path);

impl Files for Copy<'_> {
    fn read(&mut self, path: &str, _most: usize) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.0.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// Copies the log of each tenant in turn, and checks everything in the copy from its key alone.
pub fn verify_all(forest: &Forest<LogDirectory>, place: &Path) {
    let [mut copying, mut checking] = [Duration::ZERO; 2];
    let mut entries = 0;
    for number in 0..TENANTS {
        let tree = Tree::Operations(tenant(number));
        let head = forest.head(tree);
        let begun = Instant::now();
        for tile in hash_tiles(head.size).chain(bundles(head.size)) {
            let path = place.join(tile.to_string());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, forest.tile(tree, tile).unwrap().unwrap()).unwrap();
        }
        std::fs::write(place.join(CHECKPOINT_PATH), signed(head).to_string()).unwrap();
        copying += begun.elapsed();
        let begun = Instant::now();
        let key = key();
        let checked = check_log(&mut Copy(place), &key, &[], None).unwrap();
        assert!(checked.faults.none(), "{tree}");
        checking += begun.elapsed();
        entries += head.size;
        std::fs::remove_dir_all(place).unwrap();
    }
    println!();
    for (what, took) in [
        ("copied from sealed segments", copying),
        ("verified", checking),
    ] {
        let (seconds, rate) = (took.as_secs_f64(), per_second(entries, took) * 60.0);
        println!("{what}: {entries} entries in {seconds:.1} s, {rate:.0} a minute");
    }
}
