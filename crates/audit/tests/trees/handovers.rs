//! The hand-overs that are kept beside a log.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use keyward_audit::trees::{Handovers, TreesError};
use keyward_ledger::{Algorithm, Handover, KeyName, Note, VerifierKey};

use crate::stage::{Disk, Handle, Stored};

fn key(name: &str, seed: u8) -> (VerifierKey, Ed25519KeyPair) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let public = pair.public_key().as_ref().try_into().unwrap();
    let name = KeyName::new(name).unwrap();
    (VerifierKey::new(name, Algorithm::Ed25519, public), pair)
}

/// The hand-over of a log from one key to another, by their seeds.
fn note(log: &str, from: u8, to: u8) -> Note {
    let keys = [key(log, from), key(log, to)];
    let handover = Handover::new(keys[0].0.clone(), keys[1].0.clone()).unwrap();
    let mut note = handover.note().unwrap();
    for (key, pair) in &keys {
        let sign = |text: &[u8]| pair.sign(text).as_ref().try_into();
        note.sign(key, sign).unwrap();
    }
    note
}

fn open(disk: &std::sync::Arc<Disk>) -> Result<Handovers<Handle>, TreesError> {
    Handovers::open(Handle(disk.clone()))
}

fn led(handovers: &Handovers<Handle>, log: &str) -> Vec<(VerifierKey, VerifierKey)> {
    let read = Handover::open_all(handovers.text(log).as_bytes()).unwrap();
    let keys = read.iter().map(|it| (it.from().clone(), it.to().clone()));
    keys.collect()
}

#[test]
fn i13_what_was_handed_over_is_kept_and_what_was_never_finished_leads_nobody_astray() {
    let disk = Disk::with(Stored::new());
    let mut kept = open(&disk).unwrap();
    assert_eq!(kept.text("log"), "");
    let pair = |from: u8, to: u8| (key("log", from).0, key("log", to).0);
    kept.add(note("log", 1, 2)).unwrap();
    kept.add(note("log", 2, 3)).unwrap();
    kept.add(note("other", 1, 9)).unwrap();
    // Nothing was signed by 3 when another key came after it.
    kept.add(note("log", 2, 4)).unwrap();
    let again = open(&disk.revived()).unwrap();
    assert_eq!(led(&again, "log"), [pair(1, 2), pair(2, 4)]);
    assert_eq!(led(&again, "other").len(), 1);
    assert_eq!(again.text("log"), kept.text("log"));
    let (from, to) = pair(1, 2);
    assert_eq!(again.find(&from, &to), Some(&note("log", 1, 2)));
    assert_eq!(again.find(&to, &from), None);

    // One that only one has signed is none.
    let mut half = Handover::new(from.clone(), to).unwrap().note().unwrap();
    let (_, signer) = key("log", 1);
    half.sign(&from, |text| signer.sign(text).as_ref().try_into())
        .unwrap();
    assert!(kept.add(half).is_err());
    assert_eq!(kept.text("log"), again.text("log"));
}

#[test]
fn a_write_that_fails_adds_nothing_and_a_damaged_file_is_refused() {
    for done in [false, true] {
        let disk = Disk::failing(2, done);
        let mut kept = open(&disk).unwrap();
        kept.add(note("log", 1, 2)).unwrap();
        assert!(kept.add(note("log", 2, 3)).is_err());
        assert_eq!(led(&kept, "log").len(), 1);
        let found = open(&disk.revived()).unwrap();
        assert_eq!(led(&found, "log").len(), if done { 2 } else { 1 });
    }
    let disk = Disk::with(Stored::new());
    open(&disk).unwrap().add(note("log", 1, 2)).unwrap();
    let (path, whole) = disk.stored().pop_first().unwrap();
    for length in 1..whole.len() {
        let cut = Disk::with([(path.clone(), whole[..length].to_vec())].into());
        assert!(open(&cut).is_err(), "{length}");
    }
}
