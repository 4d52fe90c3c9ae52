//! A witness signs what it will remember, whatever its disk does.

use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use keyward_audit::{WitnessError, WitnessMemory};
use keyward_ledger::{
    Algorithm, Checkpoint, Hash, Head, KeyName, MemoryTree, Note, Refusal, Submission, VerifierKey,
    prove_consistency,
};
use uuid::Uuid;

use crate::stage::{Disk, Handle, Stored};

const NAMES: (Uuid, Uuid) = (Uuid::from_u128(1), Uuid::from_u128(2));
const FILE: &str = "abcd";

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn public(seed: u8) -> [u8; 32] {
    pair(seed).public_key().as_ref().try_into().unwrap()
}

fn log() -> VerifierKey {
    let name = KeyName::new("log.example").unwrap();
    VerifierKey::new(name, Algorithm::Ed25519, public(1))
}

fn sign(seed: u8) -> impl FnOnce(&[u8]) -> Result<[u8; 64], std::convert::Infallible> {
    move |message| Ok(pair(seed).sign(message).as_ref().try_into().unwrap())
}

fn tree(size: u64, fork: &str) -> MemoryTree {
    MemoryTree::new((0..size).map(|at| Hash::of_leaf(format!("{at}{fork}").as_bytes())))
}

fn submission(old: u64, size: u64, fork: &str) -> Submission {
    let tree = tree(size, fork);
    let head = Head {
        size,
        root: tree.root(),
    };
    let mut note = Checkpoint::new("log.example", head)
        .unwrap()
        .note()
        .unwrap();
    note.sign(&log(), sign(1)).unwrap();
    Submission {
        old,
        proof: if old > 0 && old < size {
            prove_consistency(&tree, old, size).unwrap()
        } else {
            Vec::new()
        },
        checkpoint: note,
    }
}

type Memory = WitnessMemory<Handle>;

fn add(memory: &Memory, own: &VerifierKey, sent: &Submission) -> Result<String, WitnessError> {
    memory.add((FILE, &log()), sent, (own, 7), sign(2))
}

#[test]
fn i13_a_disk_that_fails_at_any_write_makes_no_witness_sign_two_histories() {
    for fails_at in 1..7 {
        for done in [false, true] {
            let disk = Disk::with(Stored::new());
            let memory = WitnessMemory::new(Handle(disk.clone()));
            let own = memory.begin(public(2), NAMES).unwrap();
            let stored = disk.stored();
            let failing = Disk::failing(fails_at, done);
            failing.files.lock().unwrap().extend(stored);
            let memory = WitnessMemory::new(Handle(failing.clone()));
            let mut signed = 0;
            for (old, size) in [(0, 3), (3, 4), (4, 9), (9, 300), (300, 301)] {
                if add(&memory, &own, &submission(old, size, "")).is_ok() {
                    signed = size;
                } else {
                    break;
                }
            }
            // The next life, on a disk that is mended.
            let after = Disk::with(failing.stored());
            let memory = WitnessMemory::new(Handle(after.clone()));
            assert_eq!(memory.identity().unwrap(), Some(own.clone()));
            let known = memory
                .last(FILE, &own)
                .unwrap()
                .map_or(0, |(head, _)| head.size);
            assert!(known >= signed, "{known} after {signed} was signed");
            let fork = add(&memory, &own, &submission(known, known + 5, "!"));
            if known > 0 {
                let refused = matches!(fork, Err(WitnessError::Refused(Refusal::NotConsistent)));
                assert!(refused, "{fork:?}");
                add(&memory, &own, &submission(known, known + 5, "")).unwrap();
            }
        }
    }
}

#[test]
fn a_memory_that_is_damaged_is_not_taken_for_none_and_proof_is_kept() {
    let disk = Disk::with(Stored::new());
    let memory = WitnessMemory::new(Handle(disk.clone()));
    assert_eq!(memory.identity().unwrap(), None);
    let own = memory.begin(public(2), NAMES).unwrap();
    let line = add(&memory, &own, &submission(0, 9, "")).unwrap();
    assert!(line.starts_with(&format!("— {} ", own.name())) && line.ends_with('\n'));
    assert!(!memory.has_evidence(FILE).unwrap());
    let forked = add(&memory, &own, &submission(9, 9, "!")).unwrap_err();
    assert!(matches!(forked, WitnessError::Refused(Refusal::OtherRoot)));
    assert!(memory.has_evidence(FILE).unwrap());
    let stored = disk.stored();
    let (path, _) = stored
        .iter()
        .find(|(path, _)| path.ends_with(".checkpoint"))
        .unwrap();
    let (_, note) = memory.last(FILE, &own).unwrap().unwrap();
    assert_eq!(Note::parse(stored[path].as_slice()).unwrap(), note);
    for at in 0..stored[path].len() {
        let mut changed = stored.clone();
        changed.get_mut(path).unwrap()[at] ^= 1;
        let memory = WitnessMemory::new(Handle(Disk::with(changed)));
        let found = memory.last(FILE, &own);
        // The log's own line is not what the memory rests on.
        let sound = matches!(&found, Ok(Some((head, _))) if head.size == 9);
        let refused = matches!(found, Err(WitnessError::Damaged { .. }));
        assert!(sound || refused, "byte {at}: {found:?}");
    }
    // Another key has no part in it.
    let other = VerifierKey::new(own.name().clone(), Algorithm::Cosignature, public(3));
    assert!(memory.last(FILE, &other).unwrap().is_none());
    let identity: Arc<Disk> = Disk::with(Stored::from([("identity".to_owned(), b"{}".to_vec())]));
    let damaged = WitnessMemory::new(Handle(identity)).identity();
    assert!(matches!(damaged, Err(WitnessError::Damaged { .. })));
}

#[test]
fn what_is_sent_again_is_answered_as_before_and_wears_nothing_out() {
    let disk = Disk::with(Stored::new());
    let memory = WitnessMemory::new(Handle(disk.clone()));
    let own = memory.begin(public(2), NAMES).unwrap();
    add(&memory, &own, &submission(0, 5, "")).unwrap();
    let line = add(&memory, &own, &submission(5, 9, "")).unwrap();
    let (writes, stored) = (disk.writes(), disk.stored());
    for _ in 0..3 {
        // The clock has gone on, and the key is not even asked.
        let sign = |_: &[u8]| Err("asked to sign");
        let again = submission(9, 9, "");
        let again = memory.add((FILE, &log()), &again, (&own, 8), sign);
        assert_eq!(again.unwrap(), line);
        // What would be refused before is refused still.
        let stale = add(&memory, &own, &submission(5, 9, ""));
        let known = Refusal::OtherSize { known: 9 };
        assert!(matches!(stale, Err(WitnessError::Refused(refusal)) if refusal == known));
        assert!(memory.last(FILE, &own).unwrap().is_some());
    }
    assert_eq!((disk.writes(), disk.stored()), (writes, stored));
    // What an earlier life left is made durable once before it is answered with.
    let memory = WitnessMemory::new(Handle(disk.clone()));
    for _ in 0..3 {
        assert_eq!(add(&memory, &own, &submission(9, 9, "")).unwrap(), line);
        assert_eq!(disk.writes(), writes + 2);
    }
    let writes = disk.writes();
    // Many signatures are much work, which nobody is given who does not need it.
    let mut many = submission(9, 10, "");
    for _ in 0..8 {
        many.checkpoint.sign(&log(), sign(1)).unwrap();
    }
    let refused = add(&memory, &own, &many);
    let too_many = Refusal::TooManySignatures;
    assert!(matches!(refused, Err(WitnessError::Refused(refusal)) if refusal == too_many));
    assert_eq!(disk.writes(), writes);
}

#[test]
fn i13_a_memory_of_which_a_file_is_lost_does_not_begin_at_nothing() {
    let disk = Disk::with(Stored::new());
    let memory = WitnessMemory::new(Handle(disk.clone()));
    let own = memory.begin(public(2), NAMES).unwrap();
    add(&memory, &own, &submission(0, 9, "")).unwrap();
    let whole = disk.stored();
    let path = whole.keys().find(|path| path.ends_with(".checkpoint"));
    let path = path.unwrap().clone();
    let without = |files: &Stored, gone: &str| {
        let mut files = files.clone();
        files.remove(gone).unwrap();
        Disk::with(files)
    };
    let is_refused = |disk: &Arc<Disk>| {
        let memory = WitnessMemory::new(Handle(disk.clone()));
        let shown = memory.last(FILE, &own);
        let forked = add(&memory, &own, &submission(0, 9, "!"));
        matches!(shown, Err(WitnessError::Damaged { path: found }) if found == path)
            && matches!(forked, Err(WitnessError::Damaged { path: found }) if found == path)
    };
    assert!(is_refused(&without(&whole, &path)));
    // A log that was never cosigned begins all the same.
    let other = ("other", &log());
    let first = memory.add(other, &submission(0, 3, ""), (&own, 7), sign(2));
    first.unwrap();
    // A memory that was made before this was written down is taken stock of.
    let before = without(&whole, "logs");
    let memory = WitnessMemory::new(Handle(before.clone()));
    memory.take_stock(&own, [FILE, "never"]).unwrap();
    assert!(is_refused(&without(&before.stored(), &path)));
    let memory = WitnessMemory::new(Handle(before.clone()));
    assert!(memory.last("never", &own).unwrap().is_none());
    // What names them is not taken for nothing either.
    let torn = Disk::with(Stored::from([("logs".to_owned(), b"{}".to_vec())]));
    let memory = WitnessMemory::new(Handle(torn));
    let refused = add(&memory, &own, &submission(0, 9, ""));
    assert!(matches!(refused, Err(WitnessError::Damaged { .. })));
}
