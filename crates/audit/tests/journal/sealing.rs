//! Sealed segments: what was written is read as it was, whoever touches a sealed file is noticed, and
//! whatever is wrong in one is found.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use keyward_audit::{Journal, JournalConfig, SealError, Sealer, StdIo, Touched, Written};
use keyward_core::port::audit_log::{AuditError, AuditLog, TailQuery};

use crate::disk::Disk;
use crate::fixture::{Ledger, append, config, entries, event, named, open_with, tenant};

pub fn small() -> JournalConfig {
    JournalConfig {
        segment_bytes: 1_500,
        ..config()
    }
}

pub fn open(disk: &Disk) -> Journal {
    open_with(disk, small(), Arc::default()).unwrap()
}

/// Thirty entries in several segments, a mark between them.
pub async fn written(disk: &Disk) -> Vec<Written> {
    for life in 0..2 {
        let journal = open(disk);
        for turn in 0..15 {
            let of = (turn % 3 == 0).then(|| tenant(7));
            let name = format!("e{life}-{turn}");
            journal.append(event(&name, of)).await.unwrap();
        }
        journal.close().await;
    }
    let journal = open(disk);
    let found = journal.written(0, usize::MAX).unwrap();
    journal.close().await;
    found
}

/// Seals one segment; whether there was one.
pub fn seal_one(sealer: &mut Sealer, covered: u64) -> Result<bool, SealError> {
    let Some(mut sealing) = sealer.begin(covered)? else {
        return Ok(false);
    };
    while sealer.step(&mut sealing)? {}
    Ok(true)
}

/// Seals all that can be; how many.
pub fn seal(journal: &Journal) -> Result<usize, SealError> {
    let mut sealer = journal.sealer();
    let mut sealed = 0;
    while seal_one(&mut sealer, journal.last())? {
        sealed += 1;
    }
    Ok(sealed)
}

/// Whether a file's name ends with a dot and this.
pub fn is_of_kind(name: &str, kind: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, found)| found == kind)
}

fn of_kind(disk: &Disk, kind: &str) -> Vec<String> {
    let names = disk.names().into_iter();
    names.filter(|name| is_of_kind(name, kind)).collect()
}

#[tokio::test]
async fn i02_entries_of_sealed_segments_are_read_as_they_were_written() {
    let disk = Disk::default();
    let before = written(&disk).await;
    let segments = of_kind(&disk, "kwj").len();
    for life in 0..2 {
        let journal = open(&disk);
        let sealed = seal(&journal).unwrap();
        assert_eq!(sealed, if life == 0 { segments - 1 } else { 0 });
        assert_eq!(of_kind(&disk, "kwj").len(), 1, "{:?}", disk.names());
        assert_eq!(of_kind(&disk, "kws").len(), segments - 1);
        // Places too are what they were.
        assert_eq!(journal.written(0, usize::MAX).unwrap(), before);
        let places: Vec<_> = before.iter().map(|entry| entry.place).collect();
        let bytes: Vec<_> = before.iter().map(|entry| entry.bytes.clone()).collect();
        assert_eq!(journal.at(&places).unwrap(), bytes);
        for after in 0..before.len() {
            let rest = journal.written(after as u64, usize::MAX).unwrap();
            assert_eq!(rest, before[after..]);
        }
        // And so are the last ones, of all and of a tenant.
        for limit in 1..=before.len() {
            let query = |of| TailQuery {
                tenant: of,
                after: None,
                limit,
            };
            let last = named(journal.tail(query(None)).await.unwrap());
            let all = entries(&journal).await;
            assert_eq!(last, all[all.len() - limit..]);
            let of = journal.tail(query(Some(Some(tenant(7))))).await.unwrap();
            assert_eq!(of.len(), limit.min(10));
        }
        journal.close().await;
    }
}

#[tokio::test]
async fn nothing_is_sealed_before_all_of_it_is_covered() {
    let disk = Disk::default();
    let entries = written(&disk).await;
    let journal = open(&disk);
    let second = entries.iter().find(|entry| entry.place.segment > 1);
    let second = second.unwrap().sequence;
    let mut sealer = journal.sealer();
    assert!(!seal_one(&mut sealer, second - 2).unwrap());
    assert!(seal_one(&mut sealer, second - 1).unwrap());
    assert!(!seal_one(&mut sealer, second - 1).unwrap());
    // The journal goes on meanwhile, and what it then finishes is sealed in its turn.
    append(&journal, &["x1", "x2", "x3", "x4", "x5", "x6", "x7"]).await;
    seal(&journal).unwrap();
    let found = journal.written(0, usize::MAX).unwrap();
    assert_eq!(found[..entries.len()], entries);
    assert_eq!(found.len(), entries.len() + 7);
    journal.close().await;
}

#[tokio::test]
async fn i13_any_change_of_a_sealed_file_is_found_and_its_segment_is_named() {
    let disk = Disk::default();
    let before = written(&disk).await;
    let journal = open(&disk);
    seal(&journal).unwrap();
    journal.close().await;
    let name = of_kind(&disk, "kws")[1].clone();
    let bytes = disk.file(&name);
    let of = before.iter().map(|entry| entry.place.segment);
    let first = of.filter(|first| *first > 1).min().unwrap();
    let last = before.iter().filter(|entry| entry.place.segment == first);
    let last = last.map(|entry| entry.sequence).max().unwrap();
    let mut altered = Vec::new();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        altered.push(flipped);
        altered.push(bytes[..at].to_vec());
    }
    altered.push([bytes.as_slice(), b"\0"].concat());
    for (case, altered) in altered.into_iter().enumerate() {
        let disk = disk.copy();
        disk.put(&name, &altered);
        // Never a torn write that a start would cut away.
        let opened = open_with(&disk, small(), Ledger::at(30));
        let journal = opened.unwrap();
        let read = journal.written(first - 1, usize::MAX);
        match read {
            Err(AuditError::Damaged { sequence }) => {
                assert!(
                    (first..=last).contains(&sequence),
                    "case {case}: {sequence}"
                );
            }
            // Another format, says what changed its number.
            Err(AuditError::Unavailable { .. }) if case / 2 < 6 => {}
            other => panic!("case {case}: {other:?}"),
        }
        assert_eq!(disk.file(&name), altered);
        // What is before it can be read all the same.
        let before_it = journal.written(0, 1).unwrap();
        assert_eq!(before_it, before[..1]);
        journal.close().await;
    }
}

#[tokio::test]
async fn damage_within_a_large_segment_is_found_where_it_is() {
    let place = tempfile::tempdir().unwrap();
    let large = JournalConfig {
        segment_bytes: 2_000_000,
        ..config()
    };
    let journal = open_with(&StdIo::new(place.path()).unwrap(), large, Arc::default()).unwrap();
    for from in (0..12_000).step_by(1_000) {
        let turns = from..from + 1_000;
        let appends = turns.map(|turn| journal.append(event(&format!("e{turn}"), None)));
        futures_util::future::join_all(appends).await;
    }
    let before = journal.written(0, usize::MAX).unwrap();
    assert!(seal(&journal).unwrap() > 0);
    assert_eq!(journal.written(0, usize::MAX).unwrap(), before);
    let path = place.path().join("journal-00000000000000000001.kws");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let read = journal.written(0, usize::MAX);
    let Err(AuditError::Damaged { sequence }) = read else {
        panic!("{read:?}");
    };
    assert!(sequence > 1, "blocks before the damaged one can be read");
    let readable = journal.written(0, 1_000).unwrap();
    assert_eq!(readable, before[..readable.len()]);
    let last_ones = TailQuery {
        tenant: None,
        after: None,
        limit: 1,
    };
    assert_eq!(journal.tail(last_ones).await.unwrap().len(), 1);
    journal.close().await;
}

fn on_files(place: &Path) -> Journal {
    open_with(&StdIo::new(place).unwrap(), small(), Arc::default()).unwrap()
}

#[tokio::test]
async fn i13_sealing_is_no_alarm_and_whoever_touches_a_sealed_file_is() {
    type Touch = fn(&Path, &Path);
    let name = "journal-00000000000000000001.kws".to_owned();
    let written = "journal-00000000000000000001.kwj".to_owned();
    let stories: [(Touch, Touched); 4] = [
        (
            |_, sealed| fs::remove_file(sealed).unwrap(),
            Touched::Gone { name: name.clone() },
        ),
        (
            |place, sealed| {
                fs::copy(sealed, place.join("copy")).unwrap();
                fs::rename(place.join("copy"), sealed).unwrap();
            },
            Touched::Replaced { name: name.clone() },
        ),
        (
            |_, sealed| {
                let mut bytes = fs::read(sealed).unwrap();
                bytes.push(0);
                fs::write(sealed, bytes).unwrap();
            },
            Touched::Changed { name },
        ),
        (
            |place, sealed| {
                let written = place.join("journal-00000000000000000001.kwj");
                fs::copy(sealed, written).unwrap();
            },
            Touched::Replaced { name: written },
        ),
    ];
    for (touch, expected) in stories {
        for looked in [true, false] {
            let place = tempfile::tempdir().unwrap();
            let journal = on_files(place.path());
            let mut watch = journal.watch();
            for turn in 0..15 {
                append(&journal, &[&format!("e{turn}")]).await;
                assert_eq!(watch.look().unwrap(), None);
            }
            let mut sealer = journal.sealer();
            let mut sealing = sealer.begin(journal.last()).unwrap().unwrap();
            while sealer.step(&mut sealing).unwrap() {
                assert_eq!(watch.look().unwrap(), None);
            }
            let planted =
                matches!(&expected, Touched::Replaced { name } if is_of_kind(name, "kwj"));
            // What was sealed is known also to who does not look before it is touched; a file that is
            // put back where one was is known to be another once the sealed one was seen.
            if looked || planted {
                assert_eq!(watch.look().unwrap(), None);
            }
            touch(
                place.path(),
                &place.path().join("journal-00000000000000000001.kws"),
            );
            assert_eq!(watch.look().unwrap(), Some(expected.clone()));
            journal.close().await;
        }
    }
}

#[tokio::test]
async fn i13_two_files_of_one_segment_that_differ_both_stay() {
    let disk = Disk::default();
    written(&disk).await;
    let (before, name) = (disk.copy(), "journal-00000000000000000001.kwj");
    let journal = open(&disk);
    let segments = seal(&journal).unwrap();
    journal.close().await;
    let mut other = before.file(name);
    let at = other.windows(4).position(|four| four == b"e0-0").unwrap();
    other[at..at + 4].copy_from_slice(b"e9-9");
    disk.put(name, &other);
    let journal = open_with(&disk, small(), Ledger::at(30)).unwrap();
    let mut sealer = journal.sealer();
    let refused = seal_one(&mut sealer, 30).unwrap_err();
    assert!(matches!(refused, SealError::Differ { .. }), "{refused}");
    assert!(disk.names().contains(&name.to_owned()));
    // It is not tried again and again, and no other waits for it.
    assert!(!seal_one(&mut sealer, 30).unwrap());
    journal.close().await;
    // Of the two the damaged one is named.
    let (damaged, sealed) = (disk.copy(), "journal-00000000000000000001.kws");
    damaged.put(name, &before.file(name));
    let mut bytes = disk.file(sealed);
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    damaged.put(sealed, &bytes);
    let journal = open(&damaged);
    let refused = seal(&journal).unwrap_err().to_string();
    assert!(refused.contains(sealed), "{refused}");
    journal.close().await;
    // The right one is compared, and goes.
    disk.put(name, &before.file(name));
    let journal = open(&disk);
    assert_eq!(seal(&journal).unwrap(), 1);
    assert_eq!(of_kind(&disk, "kws").len(), segments);
    assert!(!disk.names().contains(&name.to_owned()));
    journal.close().await;
}

#[tokio::test]
async fn a_damaged_segment_is_not_sealed_and_stays_as_it_is() {
    let disk = Disk::default();
    written(&disk).await;
    let name = "journal-00000000000000000001.kwj";
    let mut bytes = disk.file(name);
    let at = bytes.len() - 30;
    bytes[at] ^= 1;
    disk.put(name, &bytes);
    let journal = open_with(&disk, small(), Ledger::at(30)).unwrap();
    let refused = seal(&journal).unwrap_err();
    assert!(matches!(refused, SealError::Damaged { .. }), "{refused}");
    assert_eq!(disk.file(name), bytes);
    assert!(
        !disk
            .names()
            .contains(&"journal-00000000000000000001.kws".to_owned())
    );
    journal.close().await;
}
