//! The node's signatures over what it acknowledged: whatever is altered behind its back before a checkpoint
//! holds it is found, and named.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use keyward_audit::trees::{Forest, TreesError};
use keyward_audit::{BatchKey, Journal, SyncMode};

use crate::stage::{Disk, Handle, Stored, grown, log, open, synced_journal};

fn key(seed: u8) -> BatchKey {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let public = pair.public_key().as_ref().try_into().unwrap();
    BatchKey::new(public, move |text| pair.sign(text).as_ref().try_into().ok())
}

fn taken(disk: &Arc<Disk>, journal: &Arc<Journal>) -> Result<Forest<Handle>, TreesError> {
    let mut forest = open(disk, journal)?;
    while forest.grow()? {}
    Ok(forest)
}

/// The only segment of a journal, and its bytes.
fn segment(place: &Path) -> (PathBuf, Vec<u8>) {
    let mut names: Vec<PathBuf> = fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "kwj"))
        .collect();
    names.sort();
    let path = names.pop().unwrap();
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

/// Where the frames of a segment are: offset, size, kind.
fn frames(bytes: &[u8]) -> Vec<(usize, usize, u8)> {
    let mut at = usize::from(u16::from_be_bytes([bytes[6], bytes[7]]));
    let mut found = Vec::new();
    while let Some(length) = bytes.get(at..at + 4) {
        let size = 8 + u32::from_be_bytes(length.try_into().unwrap()) as usize;
        if size == 8 {
            break;
        }
        found.push((at, size, bytes[at + 8]));
        at += size;
    }
    found
}

/// Makes a frame's CRC right again.
fn mend(bytes: &mut [u8], (at, size, _): (usize, usize, u8)) {
    let crc = crc32fast::hash(&bytes[at + 8..at + size]);
    bytes[at + 4..at + 8].copy_from_slice(&crc.to_be_bytes());
}

/// A journal of five batches, three entries each, all signed but the first.
async fn signed(place: &Path) -> Arc<Journal> {
    let journal = synced_journal(place, SyncMode::Always);
    log(&journal, 0..3).await;
    journal.sign_by(Some(key(1)));
    for batch in 1..5 {
        log(&journal, batch * 3..batch * 3 + 3).await;
    }
    journal
}

#[tokio::test]
async fn all_that_is_acknowledged_is_signed_and_what_was_not_is_with_the_next() {
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::with(Stored::new());
    let journal = synced_journal(place.path(), SyncMode::Always);
    log(&journal, 0..5).await;
    let mut forest = taken(&disk, &journal).unwrap();
    assert!(!forest.is_signed(), "nobody has signed it");
    assert_eq!(journal.signatures(0, 5).unwrap(), []);
    // At once, without another entry.
    journal.sign_by(Some(key(1)));
    let first = journal.signatures(0, 5).unwrap();
    assert_eq!((first[0].after, first[0].sequence), (0, 5));
    assert!(!forest.grow().unwrap());
    assert!(forest.is_signed());
    let public = key(1).public();
    assert_eq!(forest.strangers(), [public]);
    forest.confirm(public);
    assert_eq!(forest.strangers(), [[0; 32]; 0]);

    // Every batch, whatever is in it; none twice.
    log(&journal, 5..400).await;
    while forest.grow().unwrap() {}
    assert!(forest.is_signed());
    let all = journal.signatures(0, 400).unwrap();
    let mut after = 0;
    for signature in &all {
        assert_eq!(signature.after, after);
        after = signature.sequence;
    }
    assert_eq!(after, 400);
    journal.sign_by(Some(key(1)));
    assert_eq!(journal.signatures(0, 400).unwrap(), all);

    // Sealed, and unsealed by another key after a start.
    journal.sign_by(None);
    log(&journal, 400..410).await;
    while forest.grow().unwrap() {}
    assert!(!forest.is_signed());
    forest.keep().unwrap();
    drop(forest);
    journal.close().await;
    let journal = synced_journal(place.path(), SyncMode::Always);
    journal.sign_by(Some(key(2)));
    log(&journal, 410..420).await;
    // Some of what the next signature covers was taken before.
    let forest = taken(&disk, &journal).unwrap();
    assert!(forest.is_signed());
    assert_eq!(forest.strangers(), [key(2).public()]);
    let last = journal.signatures(400, 420).unwrap();
    assert_eq!((last[0].after, last[0].sequence), (400, 410));
}

#[tokio::test]
async fn i13_an_entry_that_was_altered_before_a_checkpoint_held_it_is_named() {
    let place = tempfile::tempdir().unwrap();
    let journal = signed(place.path()).await;
    let disk = || Disk::with(Stored::new());
    assert!(taken(&disk(), &journal).unwrap().is_signed());
    let (path, bytes) = segment(place.path());
    let all = frames(&bytes);
    let (mut altered, mut sequence) = (0, 0);
    for (number, frame) in all.iter().enumerate() {
        let (at, size, kind) = *frame;
        let mut changed = bytes.clone();
        // A digit in what it says, another one; the frame is whole.
        let digits = at + 21..at + size;
        let digit = digits
            .rev()
            .find(|at| changed[*at].is_ascii_digit())
            .unwrap();
        changed[digit] = if changed[digit] == b'7' { b'8' } else { b'7' };
        mend(&mut changed, *frame);
        fs::write(&path, &changed).unwrap();
        sequence += u64::from(kind == 1);
        let found = taken(&disk(), &journal).err();
        let Some(TreesError::NotSigned {
            first,
            sequence: last,
        }) = found
        else {
            panic!("frame {number} of {}: {found:?}", all.len());
        };
        assert!(
            (first..=last).contains(&sequence),
            "{first} to {last}: {sequence}"
        );
        altered += 1;
    }
    assert!(altered >= 19, "{altered}");
    // A signature that is taken out leaves what it covered without one.
    let (at, size, _) = *all.iter().rev().filter(|it| it.2 == 3).nth(1).unwrap();
    let mut changed = bytes.clone();
    changed.drain(at..at + size);
    changed.extend(vec![0; size]);
    fs::write(&path, &changed).unwrap();
    assert!(matches!(
        taken(&disk(), &journal),
        Err(TreesError::NotSigned { .. })
    ));
    fs::write(&path, &bytes).unwrap();
    assert!(taken(&disk(), &journal).unwrap().is_signed());
}

/// What somebody else's key signed is not the node's: who opens the trees is told whose it is.
#[tokio::test]
async fn a_signature_of_a_strangers_is_told() {
    let place = tempfile::tempdir().unwrap();
    let journal = signed(place.path()).await;
    journal.sign_by(Some(key(9)));
    log(&journal, 15..18).await;
    let mut forest = taken(&Disk::with(Stored::new()), &journal).unwrap();
    assert_eq!(forest.strangers(), [key(1).public(), key(9).public()]);
    forest.confirm(key(1).public());
    assert_eq!(forest.strangers(), [key(9).public()]);
}

/// A signature that is damaged is no torn write when something was written behind it.
#[tokio::test]
async fn i02_a_damaged_signature_does_not_take_what_was_acknowledged_with_it() {
    let place = tempfile::tempdir().unwrap();
    signed(place.path()).await.close().await;
    let (path, bytes) = segment(place.path());
    let all = frames(&bytes);
    let signatures: Vec<_> = all.iter().filter(|it| it.2 == 3).collect();
    let (last, earlier) = signatures.split_last().unwrap();
    for (at, size, _) in earlier {
        let mut changed = bytes.clone();
        changed[at + size / 2] ^= 1;
        fs::write(&path, &changed).unwrap();
        let place = place.path().to_owned();
        let opened = std::panic::catch_unwind(|| synced_journal(&place, SyncMode::Always));
        assert!(opened.is_err(), "the start refuses it");
        assert_eq!(fs::read(&path).unwrap(), changed, "and leaves it as it is");
    }
    // Torn at any byte: the entries before it stay, and are signed again. (Behind it is the mark.)
    for cut in (last.0..last.0 + last.1).step_by(9) {
        fs::write(&path, &bytes[..cut]).unwrap();
        let journal = synced_journal(place.path(), SyncMode::Always);
        assert_eq!(journal.last(), 15);
        journal.sign_by(Some(key(1)));
        let forest = grown(&Disk::with(Stored::new()), &journal).unwrap();
        assert!(forest.is_signed());
        drop(forest);
        journal.close().await;
    }
}
