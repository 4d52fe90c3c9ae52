//! A transparency log that grows from the journal: what a crash at any write leaves, and what it
//! refuses to go on from.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::sync::Mutex;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use keyward_audit::trees::{LogDirectory, LogFiles, TreeLog, TreeLogError};
use keyward_ledger::{Algorithm, Hash, Head, KeyName, MemoryTree, OpenedCheckpoint, VerifierKey};

type Error = TreeLogError<Infallible>;
type Stored = BTreeMap<String, Vec<u8>>;

/// Files in memory. The write with number `fails_at` fails, before or after it was done, and so do
/// all after it: the process is as good as dead.
#[derive(Default)]
struct Disk {
    files: Mutex<Stored>,
    writes: Mutex<u64>,
    fails_at: Option<(u64, bool)>,
}

/// The disk, as a log holds it.
struct Handle(Rc<Disk>);

impl LogFiles for Handle {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.files.lock().unwrap().get(path).cloned())
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut writes = self.0.writes.lock().unwrap();
        *writes += 1;
        let done = self
            .0
            .fails_at
            .is_none_or(|(at, done)| *writes < at || (done && *writes == at));
        if done {
            let mut files = self.0.files.lock().unwrap();
            files.insert(path.to_owned(), bytes.to_vec());
        }
        match self.0.fails_at {
            Some((at, _)) if *writes >= at => Err(io::ErrorKind::Other.into()),
            _ => Ok(()),
        }
    }
}

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap()
}

fn key() -> VerifierKey {
    let public = pair().public_key().as_ref().try_into().unwrap();
    VerifierKey::new(
        KeyName::new("log.example").unwrap(),
        Algorithm::Ed25519,
        public,
    )
}

#[expect(clippy::unnecessary_wraps, reason = "the form of a note's signer")]
fn sign(message: &[u8]) -> Result<[u8; 64], Infallible> {
    Ok(pair().sign(message).as_ref().try_into().unwrap())
}

/// The journal has other trees' entries in between: every third number is this one's.
fn entry(index: u64) -> (u64, Vec<u8>) {
    (3 * index + 1, format!("entry {index}").into_bytes())
}

/// Appends what the journal has from where the log is, up to this many entries.
fn follow<F: LogFiles>(log: &mut TreeLog<F>, size: u64) -> Result<(), Error> {
    for index in 0..size {
        let (sequence, entry) = entry(index);
        if sequence > log.sequence() {
            log.append(sequence, &entry)?;
        }
    }
    Ok(())
}

/// One life: opens, follows, and publishes at each of these sizes.
fn live(disk: &Rc<Disk>, sizes: &[u64]) -> Result<(), Error> {
    let mut log = TreeLog::open(Handle(Rc::clone(disk)), key())?;
    follow(&mut log, *sizes.first().unwrap())?;
    log.caught_up()?;
    for size in sizes {
        follow(&mut log, *size)?;
        log.publish(sign)?;
    }
    Ok(())
}

fn right(size: u64) -> Head {
    let leaves = (0..size).map(|index| Hash::of_leaf(&entry(index).1));
    let root = MemoryTree::new(leaves).root();
    Head { size, root }
}

fn published(disk: &Disk) -> Option<Head> {
    let files = disk.files.lock().unwrap();
    let key = key();
    let bytes = files.get("checkpoint")?;
    let opened = OpenedCheckpoint::open(bytes, &key, &[]).unwrap();
    Some(opened.checkpoint.head())
}

const SIZES: [u64; 5] = [0, 3, 256, 700, 1030];

#[test]
fn a_crash_at_any_write_leaves_what_the_next_life_makes_whole() {
    let whole = Rc::new(Disk::default());
    live(&whole, &SIZES).unwrap();
    let writes = *whole.writes.lock().unwrap();
    assert!(writes > 15);
    for at in 1..=writes {
        for done in [false, true] {
            let fails_at = Some((at, done));
            let dying = Rc::new(Disk {
                fails_at,
                ..Disk::default()
            });
            assert!(live(&dying, &SIZES).is_err());
            // Whatever was published by then is a beginning of the log.
            let before = published(&dying);
            if let Some(head) = before {
                assert_eq!(head, right(head.size));
            }
            let files = Mutex::new(dying.files.lock().unwrap().clone());
            let again = Rc::new(Disk {
                files,
                ..Disk::default()
            });
            live(&again, &[1030]).unwrap();
            assert_eq!(published(&again), Some(right(1030)));
            assert_eq!(
                *again.files.lock().unwrap(),
                *whole.files.lock().unwrap(),
                "{at} {done}"
            );
        }
    }
}

#[test]
fn what_was_signed_is_never_contradicted() {
    let disk = Rc::new(Disk::default());
    live(&disk, &[300, 700]).unwrap();
    let mut log = TreeLog::open::<Infallible>(Handle(Rc::clone(&disk)), key()).unwrap();
    assert_eq!(log.sequence(), entry(511).0);
    follow(&mut log, 699).unwrap();
    let shrunk = log.caught_up::<Infallible>();
    assert!(matches!(
        shrunk,
        Err(TreeLogError::Shrunk {
            signed: 700,
            found: 699
        })
    ));
    let refused = log.publish(sign);
    assert!(matches!(refused, Err(TreeLogError::Shrunk { .. })));
    let other: Result<(), Error> = log.append(entry(699).0, b"another");
    assert!(matches!(
        other,
        Err(TreeLogError::Contradiction { signed: 700 })
    ));
    assert_eq!(published(&disk), Some(right(700)));
}

#[test]
fn altered_or_missing_files_are_named() {
    let sound = Rc::new(Disk::default());
    live(&sound, &[700]).unwrap();
    let with = |change: &dyn Fn(&mut Stored)| {
        let mut files = sound.files.lock().unwrap().clone();
        change(&mut files);
        let files = Mutex::new(files);
        live(
            &Rc::new(Disk {
                files,
                ..Disk::default()
            }),
            &[1030],
        )
    };
    let gone = with(&|files| drop(files.remove("tile/0/001")));
    assert!(matches!(gone, Err(TreeLogError::Damaged { path }) if path == "tile/0/001"));
    let cut = with(&|files| files.get_mut("tile/0/000").unwrap().truncate(31));
    assert!(matches!(cut, Err(TreeLogError::Damaged { path }) if path == "tile/0/000"));
    let altered = with(&|files| files.get_mut("tile/0/000").unwrap()[5] ^= 1);
    assert!(matches!(
        altered,
        Err(TreeLogError::Contradiction { signed: 700 })
    ));
    for path in ["position", "signed"] {
        let nonsense = with(&|files| drop(files.insert(path.to_owned(), b"x".to_vec())));
        assert!(matches!(nonsense, Err(TreeLogError::Damaged { .. })));
    }
    // Without its position it is made anew from the whole journal, and is the same.
    with(&|files| drop(files.remove("position"))).unwrap();
    let other = with(&|files| {
        files.remove("position");
        files.get_mut("tile/entries/001").unwrap()[5] ^= 1;
    });
    assert!(matches!(other, Err(TreeLogError::Damaged { path }) if path == "tile/entries/001"));
}

#[test]
fn a_log_in_a_directory_goes_on_where_it_was() {
    let place = tempfile::tempdir().unwrap();
    for size in [10, 300, 1030] {
        let files = LogDirectory::new(&place.path().join("log")).unwrap();
        let mut log = TreeLog::open::<Infallible>(files, key()).unwrap();
        follow(&mut log, size).unwrap();
        assert_eq!(log.publish(sign).unwrap(), right(size));
    }
    assert!(place.path().join("log/tile/entries/003").is_file());
}
