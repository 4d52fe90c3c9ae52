//! A whole log checked: what is sound passes, and whatever is done to a file is found and located.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::LazyLock;

use keyward_ledger::{
    Algorithm, CheckError, CheckpointError, Fault, Files, Hash, Head, LogFault, Note, check_log,
    put_entry,
};
use proptest::prelude::*;

use crate::stage::{Log, Signer, entry, log_signer, signed, witness};

/// What a check names, as it is shown.
fn named(log: &Log) -> Vec<LogFault> {
    let key = log_signer().key;
    let checked = check_log(&mut log.clone(), &key, &[], None).unwrap();
    assert_eq!(checked.faults.more(), 0);
    checked.faults.named().to_vec()
}

fn at(path: &str, fault: Fault) -> LogFault {
    let path = path.to_owned();
    LogFault { path, fault }
}

#[test]
fn sound_logs_pass_whatever_their_size() {
    for size in [
        0, 1, 2, 255, 256, 257, 512, 1000, 65_535, 65_536, 65_537, 66_000,
    ] {
        let log = Log::of(size);
        assert_eq!(named(&log), [], "{size}");
    }
}

#[test]
fn a_log_with_the_files_of_its_earlier_checkpoints_passes() {
    let mut log = Log::default();
    let mut heads = Vec::new();
    for size in [0, 1, 100, 255, 256, 300, 700, 1030] {
        log.grow(size);
        heads.push(log.head());
        assert_eq!(named(&log), []);
    }
    let key = log_signer().key;
    for older in &heads {
        let checked = check_log(&mut log, &key, &[], Some(*older)).unwrap();
        assert!(checked.faults.none(), "{older:?}");
        assert_eq!(checked.unchecked, Vec::<String>::new());
    }
    for size in [1, 300, 1030, 5000] {
        let root = Hash::of_leaf(b"another");
        let checked = check_log(&mut log, &key, &[], Some(Head { size, root })).unwrap();
        let found = [at("checkpoint", Fault::OtherHistory { size })];
        assert_eq!(checked.faults.named(), found);
    }
    // Older parts that are altered are found; what is no log's, or not signed yet, is named.
    log.files.get_mut("tile/entries/000.p/100").unwrap()[7] ^= 1;
    log.files.insert("tile/entries/009".to_owned(), Vec::new());
    log.files.insert("notes.txt".to_owned(), Vec::new());
    let checked = check_log(&mut log, &key, &[], None).unwrap();
    let found = [at("tile/entries/000.p/100", Fault::OtherBeginning)];
    assert_eq!(checked.faults.named(), found);
    assert_eq!(checked.unchecked, ["notes.txt", "tile/entries/009"]);
}

#[test]
fn a_full_tile_stands_for_its_beginning() {
    let mut log = Log::of(700);
    let older = log.files["checkpoint"].clone();
    log.grow(1024);
    log.files.retain(|path, _| !path.contains(".p/"));
    log.files.insert("checkpoint".to_owned(), older);
    let path = "tile/1/000.p/2".to_owned();
    let hashes = Log::of(700).files[&path].clone();
    log.files.insert(path, hashes);
    let key = log_signer().key;
    let checked = check_log(&mut log, &key, &[], None).unwrap();
    assert!(checked.faults.none(), "{:?}", checked.faults.named());
    assert_eq!(checked.checkpoint.checkpoint.head().size, 700);
    assert_eq!(checked.unchecked.len(), 4, "{:?}", checked.unchecked);
}

#[test]
fn each_fault_is_named_with_its_place() {
    let sound = Log::of(1000);
    let change = |path: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut log = sound.clone();
        change(log.files.get_mut(path).unwrap());
        named(&log)
    };
    let flip = |at: usize| move |bytes: &mut Vec<u8>| bytes[at] ^= 1;

    // The second entry of the third bundle is number 513: behind an empty one of two bytes.
    let found = change("tile/entries/002", &flip(6));
    let entry = |index, others| Fault::Entry { index, others };
    assert_eq!(found, [at("tile/entries/002", entry(513, 0))]);
    assert_eq!(
        found[0].to_string(),
        "tile/entries/002: entry 513 is not the one that was logged"
    );
    let found = change("tile/0/001", &flip(32 * 17 + 31));
    let hash = |at, others| Fault::Hash { at, others };
    assert_eq!(found, [at("tile/0/001", hash(17, 0))]);
    let found = change("tile/1/000.p/3", &flip(32 * 2));
    assert_eq!(found, [at("tile/1/000.p/3", hash(2, 0))]);
    let last = 1000 - 3 * 256;
    let partial = format!("tile/0/003.p/{last}");
    assert_eq!(change(&partial, &flip(32 * 5)), [at(&partial, hash(5, 0))]);
    let found = change(&partial, &|bytes| bytes.truncate(40));
    let length = Fault::Length {
        found: 40,
        expected: 32 * last,
    };
    assert_eq!(found, [at(&partial, length)]);
    let found = change("tile/entries/000", &|bytes| bytes.truncate(2));
    assert!(matches!(
        found[..],
        [LogFault {
            fault: Fault::Bundle { first: 0, .. },
            ..
        }]
    ));

    let mut without = sound.clone();
    without.files.remove("tile/0/002");
    assert_eq!(named(&without), [at("tile/0/002", Fault::Missing)]);
    without.files.remove("tile/entries/002");
    let both = [
        at("tile/entries/002", Fault::Missing),
        at("tile/0/002", Fault::Missing),
    ];
    assert_eq!(named(&without), both);
}

#[test]
fn entries_that_change_places_are_found() {
    let sound = Log::of(1000);
    let mut swapped = sound.clone();
    let mut bundle = Vec::new();
    for index in [1, 0].into_iter().chain(2..256) {
        put_entry(&mut bundle, &entry(index)).unwrap();
    }
    swapped.files.insert("tile/entries/000".to_owned(), bundle);
    let fault = Fault::Entry {
        index: 0,
        others: 1,
    };
    assert_eq!(named(&swapped), [at("tile/entries/000", fault)]);
}

#[test]
fn entries_replaced_together_with_their_hashes_are_found_by_the_tiles_above() {
    let mut forged = Log::of(1000);
    let mut bundle = Vec::new();
    let mut hashes = Vec::new();
    for index in 256..512 {
        let entry = if index == 300 {
            b"another".to_vec()
        } else {
            entry(index)
        };
        hashes.extend_from_slice(Hash::of_leaf(&entry).as_bytes());
        put_entry(&mut bundle, &entry).unwrap();
    }
    forged.files.insert("tile/entries/001".to_owned(), bundle);
    forged.files.insert("tile/0/001".to_owned(), hashes);
    let whole = |path| at(path, Fault::Whole { first: 256 });
    assert_eq!(named(&forged), [whole("tile/entries/001")]);
}

#[test]
fn a_signed_checkpoint_of_another_tree_is_told_from_altered_files() {
    let mut forked = Log::of(1000);
    let other = Head {
        root: Hash::of_leaf(b"another"),
        ..forked.head()
    };
    let note = signed(other, &log_signer()).to_string();
    forked
        .files
        .insert("checkpoint".to_owned(), note.into_bytes());
    assert_eq!(named(&forked), [at("checkpoint", Fault::OtherTree)]);
    let mut both = forked.clone();
    both.files.get_mut("tile/entries/002").unwrap()[6] ^= 1;
    let fault = Fault::Contradiction { index: 513 };
    assert_eq!(named(&both), [at("tile/entries/002", fault)]);
}

#[test]
fn a_checkpoint_that_cannot_be_believed_is_an_error_of_its_own() {
    let key = log_signer().key;
    let check = |log: &Log| check_log(&mut log.clone(), &key, &[], None).map(|_| ());
    let mut log = Log::of(10);
    let other = Signer::new("keys.example/audit", Algorithm::Ed25519, 8);
    let forged = signed(log.head(), &other).to_string();
    log.files
        .insert("checkpoint".to_owned(), forged.into_bytes());
    let refused = check(&log);
    assert!(matches!(
        refused,
        Err(CheckError::Checkpoint(CheckpointError::Note(_)))
    ));
    log.files.remove("checkpoint");
    assert!(matches!(check(&log), Err(CheckError::NoCheckpoint)));
}

#[test]
fn witnesses_that_signed_are_told() {
    let mut log = Log::of(10);
    let witness = witness();
    let mut note = Note::parse(&log.files["checkpoint"]).unwrap();
    note.cosign(&witness.key, 77, |message| witness.sign(message))
        .unwrap();
    log.files
        .insert("checkpoint".to_owned(), note.to_string().into_bytes());
    let (key, witnesses) = (log_signer().key, [witness.key]);
    let checked = check_log(&mut log, &key, &witnesses, None).unwrap();
    let times = checked.checkpoint.witnesses().map(|(_, time)| time);
    assert_eq!(times.collect::<Vec<u64>>(), [77]);
}

#[test]
fn what_cannot_be_shown_any_more_is_said_to_be_so() {
    let sound = Log::of(300);
    let mut gone = sound.clone();
    gone.files.remove("tile/0/001.p/44");
    gone.files.get_mut("tile/entries/001.p/44").unwrap()[6] ^= 1;
    let unproven = Fault::Unproven { first: 256 };
    let both = [
        at("tile/0/001.p/44", Fault::Missing),
        at("tile/entries/001.p/44", unproven.clone()),
    ];
    assert_eq!(named(&gone), both);
    let mut gone = sound.clone();
    gone.files.remove("tile/entries/001.p/44");
    gone.files.get_mut("tile/0/001.p/44").unwrap()[6] ^= 1;
    let both = [
        at("tile/entries/001.p/44", Fault::Missing),
        at("tile/0/001.p/44", unproven),
    ];
    assert_eq!(named(&gone), both);
}

#[test]
fn a_checkpoint_that_claims_more_than_there_is_ends_the_check() {
    let mut log = Log::of(300);
    for size in [1 << 20, u64::MAX] {
        let root = Hash::of_leaf(b"another");
        let note = signed(Head { size, root }, &log_signer()).to_string();
        log.files.insert("checkpoint".to_owned(), note.into_bytes());
        let key = log_signer().key;
        let checked = check_log(&mut log, &key, &[], None).unwrap();
        assert!(checked.faults.stopped());
        assert_eq!(checked.faults.named().len(), 1000);
        // The partial file of the smaller tree stands where a full one should be.
        let first = at("tile/entries/001", Fault::Missing);
        assert_eq!(checked.faults.named()[0], first);
    }
}

#[test]
fn a_log_whose_files_cannot_be_listed_is_not_called_sound() {
    struct Unlisted(Log);
    impl Files for Unlisted {
        fn read(&mut self, path: &str, most: usize) -> io::Result<Option<Vec<u8>>> {
            match path {
                "tile/0/000" => Err(ErrorKind::PermissionDenied.into()),
                path => self.0.read(path, most),
            }
        }

        fn list(&mut self) -> io::Result<Vec<String>> {
            Err(ErrorKind::PermissionDenied.into())
        }
    }
    let key = log_signer().key;
    let mut log = Unlisted(Log::of(300));
    let checked = check_log(&mut log, &key, &[], None).unwrap();
    let unreadable = |path| at(path, Fault::Unreadable(ErrorKind::PermissionDenied));
    let found = [unreadable("tile/0/000"), unreadable("tile")];
    assert_eq!(checked.faults.named(), found);
}

/// One thing done to one file, or to two.
#[derive(Clone, Debug)]
enum Harm {
    Flip(prop::sample::Index, prop::sample::Index, u8),
    Delete(prop::sample::Index),
    Cut(prop::sample::Index, prop::sample::Index),
    Extend(prop::sample::Index, u8),
    Swap(prop::sample::Index, prop::sample::Index),
}

fn harm() -> impl Strategy<Value = Harm> {
    let file = any::<prop::sample::Index>;
    prop_oneof![
        4 => (file(), file(), 0u8..8).prop_map(|(file, at, bit)| Harm::Flip(file, at, bit)),
        1 => file().prop_map(Harm::Delete),
        1 => (file(), file()).prop_map(|(file, at)| Harm::Cut(file, at)),
        1 => (file(), any::<u8>()).prop_map(|(file, byte)| Harm::Extend(file, byte)),
        1 => (file(), file()).prop_map(|(one, other)| Harm::Swap(one, other)),
    ]
}

/// Does it; answers the files that are not what they were.
fn inflict(harm: &Harm, files: &mut BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let before = files.clone();
    let paths: Vec<String> = files.keys().cloned().collect();
    let path = |index: &prop::sample::Index| index.get(&paths).clone();
    match harm {
        Harm::Flip(file, place, bit) => {
            let bytes = files.get_mut(&path(file)).unwrap();
            // Nothing is left of it after a cut at its beginning.
            let place = place.index(bytes.len().max(1));
            bytes
                .iter_mut()
                .skip(place)
                .take(1)
                .for_each(|byte| *byte ^= 1 << bit);
        }
        Harm::Delete(file) => {
            files.remove(&path(file));
        }
        Harm::Cut(file, place) => {
            let bytes = files.get_mut(&path(file)).unwrap();
            let length = place.index(bytes.len().max(1));
            bytes.truncate(length);
        }
        Harm::Extend(file, byte) => files.get_mut(&path(file)).unwrap().push(*byte),
        Harm::Swap(one, other) => {
            let (one, other) = (path(one), path(other));
            let moved = files[&one].clone();
            let moved = files.insert(other, moved).unwrap();
            files.insert(one, moved);
        }
    }
    let changed = |path: &String| files.get(path) != before.get(path);
    paths.into_iter().filter(changed).collect()
}

/// Checks a log that was harmed: what was done must be found, and nothing else named.
fn found_and_located(log: &mut Log, harm: &Harm) -> Result<(), TestCaseError> {
    let harmed = inflict(harm, &mut log.files);
    let key = log_signer().key;
    match check_log(log, &key, &[], None) {
        // The signed checkpoint itself.
        Err(_) => prop_assert!(harmed.iter().any(|path| path == "checkpoint"), "{harmed:?}"),
        Ok(checked) => {
            let faults = checked.faults.named();
            let mut places: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
            places.sort_unstable();
            places.dedup();
            prop_assert_eq!(places, harmed);
        }
    }
    Ok(())
}

/// A log with full tiles on two levels, and partial ones on three.
static LARGE: LazyLock<Log> = LazyLock::new(|| Log::of(66_000));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn i13_whatever_is_done_to_a_file_is_found_and_located(
        size in prop::sample::select(vec![1u64, 5, 256, 300, 777]),
        harm in harm(),
    ) {
        found_and_located(&mut Log::of(size), &harm)?;
    }

    #[test]
    fn i13_whatever_is_done_to_two_files_is_found(
        size in prop::sample::select(vec![1u64, 5, 256, 300, 777]),
        harms in (harm(), harm()),
    ) {
        let mut log = Log::of(size);
        let before = log.files.clone();
        inflict(&harms.0, &mut log.files);
        inflict(&harms.1, &mut log.files);
        let harmed = log.files != before;
        let key = log_signer().key;
        if let Ok(checked) = check_log(&mut log, &key, &[], None) {
            prop_assert_eq!(!checked.faults.none(), harmed);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn i13_whatever_is_done_to_a_file_of_a_large_log_is_found_and_located(
        harm in harm(),
        upper in any::<bool>(),
        flip in (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u8..8),
    ) {
        let mut log = LARGE.clone();
        if upper {
            // One of the few files above the leaves.
            let above = ["tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1"];
            let path = *flip.0.get(&above);
            let bytes = log.files.get_mut(path).unwrap();
            let place = flip.1.index(bytes.len());
            bytes[place] ^= 1 << flip.2;
            let others = 0;
            let at_hash = (place / Hash::SIZE) as u64;
            prop_assert_eq!(named(&log), [at(path, Fault::Hash { at: at_hash, others })]);
        } else {
            found_and_located(&mut log, &harm)?;
        }
    }
}
