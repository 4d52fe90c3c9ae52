//! Damage is told from a torn write, and named by its sequence number.

use keyward_audit::{JournalConfig, OpenError};
use keyward_core::port::audit_log::{AuditError, AuditLog, TailQuery};
use std::sync::Arc;

use crate::disk::Disk;
use crate::fixture::{append, config, entries, event, open_on, open_with};

/// A closed journal of entries `e1` … `e9`, and where each frame starts.
async fn nine() -> (Disk, String, Vec<u8>, Vec<usize>) {
    let disk = Disk::default();
    let journal = open_on(&disk).unwrap();
    append(
        &journal,
        &["e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9"],
    )
    .await;
    journal.close().await;
    let name = disk.names().remove(0);
    let bytes = disk.file(&name);
    let mut starts = vec![usize::from(u16::from_be_bytes([bytes[6], bytes[7]]))];
    for _ in 0..10 {
        let at = starts[starts.len() - 1];
        let length = u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        starts.push(at + 8 + length as usize);
    }
    assert_eq!(starts[10], bytes.len(), "nine entries and a mark");
    (disk, name, bytes, starts)
}

fn damaged_at(disk: &Disk) -> Option<u64> {
    match open_on(disk) {
        Ok(_) => None,
        Err(OpenError::Damaged { sequence }) => Some(sequence),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn i13_a_flipped_bit_in_a_closed_journal_is_named_wherever_it_is() {
    let (disk, name, bytes, starts) = nine().await;
    for (number, frame) in starts.windows(2).take(9).enumerate() {
        for at in frame[0]..frame[1] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            disk.put(&name, &flipped);
            assert_eq!(damaged_at(&disk), Some(number as u64 + 1), "byte {at}");
        }
    }
}

#[tokio::test]
async fn i13_an_entry_that_was_removed_exchanged_or_repeated_is_named() {
    let (disk, name, bytes, starts) = nine().await;
    let frame = |number: usize| &bytes[starts[number - 1]..starts[number]];
    let forge = |order: &[usize]| {
        let mut forged = bytes[..starts[0]].to_vec();
        for number in order {
            forged.extend_from_slice(frame(*number));
        }
        forged
    };
    for (order, sequence) in [
        (&[1, 2, 4, 5, 6, 7, 8, 9][..], 3),
        (&[1, 3, 2, 4, 5, 6, 7, 8, 9], 2),
        (&[1, 2, 3, 3, 4, 5, 6, 7, 8, 9], 4),
        (&[2, 3, 4, 5, 6, 7, 8, 9], 1),
    ] {
        disk.put(&name, &forge(order));
        assert_eq!(damaged_at(&disk), Some(sequence), "{order:?}");
    }
}

#[tokio::test]
async fn a_write_that_was_cut_short_is_dropped_and_the_journal_goes_on() {
    let (_, name, bytes, starts) = nine().await;
    for cut in starts[8]..starts[9] {
        let disk = Disk::default();
        disk.put(&name, &bytes[..cut]);
        let journal = open_on(&disk).unwrap();
        assert_eq!(journal.last(), 8, "cut at {cut}");
        append(&journal, &["e9 again".replace(' ', "-").as_str()]).await;
        assert_eq!(
            entries(&journal).await.last().unwrap(),
            &(9, "e9-again".to_owned())
        );
    }
}

#[tokio::test]
async fn a_torn_write_with_zeros_or_garbage_behind_it_is_dropped() {
    let (_, name, bytes, starts) = nine().await;
    for rest in [
        vec![0; 5_000],
        vec![0xa5; 5_000],
        [vec![0; 700], vec![1; 700]].concat(),
    ] {
        let disk = Disk::default();
        disk.put(&name, &[&bytes[..starts[8]], &rest[..]].concat());
        assert_eq!(open_on(&disk).unwrap().last(), 8);
    }
}

#[tokio::test]
async fn damage_in_an_older_segment_is_named_when_it_is_read() {
    let disk = Disk::default();
    let small = JournalConfig {
        segment_bytes: 1_000,
        ..config()
    };
    let journal = open_with(&disk, small, Arc::default()).unwrap();
    for turn in 1..=20 {
        journal
            .append(event(&format!("e{turn}"), None))
            .await
            .unwrap();
    }
    let name = disk.names().remove(1);
    let first: u64 = name["journal-".len()..name.len() - 4].parse().unwrap();
    let mut bytes = disk.file(&name);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    disk.put(&name, &bytes);
    let query = |after| TailQuery {
        tenant: None,
        after,
        limit: 100,
    };
    for after in [Some(0), None] {
        let Err(AuditError::Damaged { sequence }) = journal.tail(query(after)).await else {
            panic!("not noticed");
        };
        assert!(
            (first..first + 5).contains(&sequence),
            "{sequence} is in the segment of {first}"
        );
    }
    disk.delete(&name);
    let gone = Err(AuditError::Damaged { sequence: first });
    assert_eq!(journal.tail(query(Some(0))).await, gone);
    drop(journal);
    // The next start does not read it, but who reads on from there is told.
    let journal = open_with(&disk, small, crate::fixture::Ledger::at(20)).unwrap();
    assert_eq!(journal.tail(query(Some(0))).await, gone);
    assert!(matches!(
        open_with(&disk, small, Arc::default()),
        Err(OpenError::Damaged { sequence }) if sequence == first
    ));
}

#[tokio::test]
async fn a_header_that_was_altered_is_damage_and_one_that_was_never_finished_is_not() {
    let (disk, name, bytes, starts) = nine().await;
    let mut flipped = bytes.clone();
    flipped[10] ^= 1;
    disk.put(&name, &flipped);
    assert_eq!(damaged_at(&disk), Some(1));
    disk.put(&name, &bytes);
    for cut in [0, 3, 8, starts[0] - 1] {
        let unfinished = "journal-00000000000000000010.kwj";
        disk.put(unfinished, &bytes[..cut]);
        let journal = open_on(&disk).unwrap();
        assert_eq!(journal.last(), 9);
        assert_eq!(disk.names(), [name.as_str()]);
    }
}
