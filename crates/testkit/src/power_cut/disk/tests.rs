#![allow(clippy::unwrap_used)]

use super::*;
use crate::power_cut::history::{Acknowledgement, Event};
use crate::power_cut::strace::Span;

const A: FileId = FileId(0);

/// A history of effects, each over before the next; `a` is the name of the only file.
fn history(effects: Vec<Effect>) -> History {
    let events = (0_u64..)
        .zip(effects)
        .map(|(line, effect)| {
            let span = Span {
                began: 2 * line,
                ended: Some(2 * line + 1),
            };
            Event { span, effect }
        })
        .collect();
    let first = Acknowledgement {
        at: 0,
        text: String::new(),
    };
    History {
        events,
        acknowledgements: vec![first],
        files: vec!["a".into()],
        end: 1000,
    }
}

fn name() -> Effect {
    Effect::AddName("a".into(), A)
}

fn write(bytes: &[u8]) -> Effect {
    Effect::Write(A, 0, bytes.to_vec())
}

fn root() -> Effect {
    Effect::SyncDirectory(PathBuf::new())
}

fn left(history: &History, omission: Omission, instant: u64, fate: Fate) -> Image {
    let mut disk = Disk::new(history, omission);
    disk.advance_to(instant);
    disk.after_power_cut(fate, &mut Dice::new(1))
}

/// What is left of `a` when nothing unsynced is.
fn certain(history: &History, instant: u64) -> Option<Vec<u8>> {
    left(history, Omission::Nothing, instant, Fate::ALL_LOST)
        .files
        .remove(Path::new("a"))
}

#[test]
fn a_file_needs_its_own_sync_and_its_directorys() {
    let both = history(vec![name(), write(b"x"), Effect::SyncFile(A), root()]);
    assert_eq!(certain(&both, 6), None, "its name is not durable yet");
    assert_eq!(certain(&both, 8), Some(b"x".to_vec()));
    let nameless = history(vec![name(), write(b"x"), Effect::SyncFile(A)]);
    assert_eq!(certain(&nameless, 100), None);
    let empty = history(vec![name(), write(b"x"), root()]);
    assert_eq!(certain(&empty, 100), Some(Vec::new()));
}

#[test]
fn a_sync_covers_what_had_ended_when_it_began() {
    let mut overlapping = history(vec![
        name(),
        root(),
        write(b"1"),
        write(b"2"),
        Effect::SyncFile(A),
    ]);
    // The second write ends while the sync is under way.
    overlapping.events[3].span = Span {
        began: 6,
        ended: Some(21),
    };
    overlapping.events[4].span = Span {
        began: 20,
        ended: Some(31),
    };
    assert_eq!(
        certain(&overlapping, 31),
        Some(Vec::new()),
        "the sync has not ended"
    );
    assert_eq!(certain(&overlapping, 32), Some(b"1".to_vec()));
}

#[test]
fn what_is_under_way_may_have_happened() {
    let mut begun = history(vec![name(), root(), write(b"1")]);
    begun.events[2].span.ended = None;
    assert_eq!(certain(&begun, 100), Some(Vec::new()));
    let kept = (0..50).any(|seed| {
        let mut dice = Dice::new(seed);
        let mut disk = Disk::new(&begun, Omission::Nothing);
        disk.advance_to(100);
        let image = disk.after_power_cut(Fate::roll(&mut dice), &mut dice);
        image.files[Path::new("a")] == b"1"
    });
    assert!(kept);
}

#[test]
fn a_rename_is_kept_or_lost_as_one() {
    let rename = Effect::Rename("a".into(), "b".into(), A);
    let renamed = history(vec![name(), root(), rename]);
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let mut dice = Dice::new(seed);
        let mut disk = Disk::new(&renamed, Omission::Nothing);
        disk.advance_to(100);
        let image = disk.after_power_cut(Fate::roll(&mut dice), &mut dice);
        seen.insert(image.files.into_keys().collect::<Vec<_>>());
    }
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        [[PathBuf::from("a")], [PathBuf::from("b")]]
    );
}

#[test]
fn what_is_in_a_directory_without_a_durable_name_is_lost() {
    let inside = vec![
        Effect::MakeDirectory("sub".into()),
        Effect::AddName("sub/a".into(), A),
        Effect::SyncFile(A),
        Effect::SyncDirectory("sub".into()),
        root(),
    ];
    let inside = history(inside);
    assert_eq!(
        left(&inside, Omission::Nothing, 8, Fate::ALL_LOST),
        Image::default()
    );
    let image = left(&inside, Omission::Nothing, 100, Fate::ALL_LOST);
    assert_eq!(image.directories, [PathBuf::from("sub")]);
    assert!(image.files.contains_key(Path::new("sub/a")));
}

#[test]
fn a_directory_that_is_synced_keeps_one_end_of_a_rename_into_it() {
    let moved = history(vec![
        Effect::MakeDirectory("sub".into()),
        name(),
        root(),
        Effect::Rename("a".into(), "sub/a".into(), A),
        Effect::SyncDirectory("sub".into()),
    ]);
    let names = |instant| {
        let image = left(&moved, Omission::Nothing, instant, Fate::ALL_LOST);
        image.files.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(names(8), [PathBuf::from("a")]);
    assert_eq!(names(100), [PathBuf::from("a"), PathBuf::from("sub/a")]);
}

#[test]
fn syncs_that_are_left_out_make_nothing_durable() {
    let both = history(vec![name(), write(b"x"), Effect::SyncFile(A), root()]);
    let after = |omission| left(&both, omission, 100, Fate::ALL_LOST).files;
    let file = |bytes: &[u8]| BTreeMap::from([(PathBuf::from("a"), bytes.to_vec())]);
    assert_eq!(after(Omission::Nothing), file(b"x"));
    assert_eq!(after(Omission::FileSyncs), file(b""));
    assert_eq!(after(Omission::SyncsOf("a")), file(b""));
    assert_eq!(after(Omission::SyncsOf("b")), file(b"x"));
    assert_eq!(after(Omission::DirectorySyncs), BTreeMap::new());
}

#[test]
fn syncs_before_the_first_promise_are_never_left_out() {
    let mut both = history(vec![name(), write(b"x"), Effect::SyncFile(A), root()]);
    both.acknowledgements[0].at = 7;
    let image = left(&both, Omission::FileSyncs, 100, Fate::ALL_LOST);
    assert_eq!(image.files[Path::new("a")], b"x");
}
