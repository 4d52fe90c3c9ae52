//! The power goes, or the disk fails, at any instant while segments are sealed: every segment is there,
//! in one file that is whole, and sealing goes on.

use std::sync::Arc;

use crate::disk::{Dice, Disk, Failure};
use crate::fixture::{Ledger, open_with};
use crate::sealing::{is_of_kind, open, seal, small, written};

/// How many operations sealing takes, two segments of it and a part of the third at most.
fn operations(disk: &Disk) -> u64 {
    let disk = disk.copy();
    let journal = open(&disk);
    let before = disk.operations();
    seal(&journal).unwrap();
    (disk.operations() - before).min(90)
}

#[tokio::test]
async fn i02_a_power_cut_at_any_instant_of_sealing_leaves_every_segment_whole() {
    let disk = Disk::default();
    let before = written(&disk).await;
    for cut in 0..operations(&disk) {
        for seed in 0..4 {
            let disk = disk.copy();
            let journal = open(&disk);
            disk.cut_after(cut);
            assert!(seal(&journal).is_err(), "cut {cut}");
            drop(journal);
            disk.reboot(&mut Dice::new(seed * 10_000 + cut));
            let journal = open_with(&disk, small(), Ledger::at(30)).unwrap();
            let found = journal.written(0, usize::MAX).unwrap();
            assert_eq!(found, before, "cut {cut}, seed {seed}");
            seal(&journal).unwrap();
            let found = journal.written(0, usize::MAX).unwrap();
            assert_eq!(found, before, "cut {cut}, seed {seed}");
            let names = disk.names();
            assert!(
                !names.iter().any(|name| is_of_kind(name, "new")),
                "{names:?}"
            );
            let unsealed = names.iter().filter(|name| is_of_kind(name, "kwj"));
            assert_eq!(unsealed.count(), 1, "cut {cut}, seed {seed}: {names:?}");
        }
    }
}

#[tokio::test]
async fn a_disk_that_fails_at_any_act_of_sealing_costs_a_try() {
    let disk = Disk::default();
    let before = written(&disk).await;
    for failing in 0..operations(&disk) {
        for failure in [Failure::Before, Failure::After, Failure::Half] {
            let disk = disk.copy();
            let journal = open(&disk);
            let mut watch = journal.watch();
            assert_eq!(watch.look().unwrap(), None);
            disk.fail_after(failing, failure);
            let first_try = seal(&journal);
            assert_eq!(watch.look().unwrap(), None, "{failing} {failure:?}");
            // The same process tries again.
            let told = first_try.map_err(|error| error.to_string());
            seal(&journal)
                .unwrap_or_else(|error| panic!("{failing} {failure:?}: {error}, {told:?}"));
            assert_eq!(watch.look().unwrap(), None, "{failing} {failure:?}");
            assert_eq!(journal.written(0, usize::MAX).unwrap(), before);
            let unsealed = disk
                .names()
                .iter()
                .filter(|name| is_of_kind(name, "kwj"))
                .count();
            assert_eq!(unsealed, 1, "{failing} {failure:?}");
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_what_was_made_leaves_no_trace() {
    let disk = Disk::default();
    let before = written(&disk).await;
    let names = disk.names();
    let mut refused = 0;
    for room in (0..2_000).step_by(100) {
        let disk = disk.copy();
        let journal = open(&disk);
        disk.limit(disk.used() + room);
        if let Err(error) = seal(&journal) {
            assert!(error.is_full(), "{room}: {error}");
            let left = disk.names();
            assert!(!left.iter().any(|name| is_of_kind(name, "new")), "{left:?}");
            refused += 1;
        }
        assert_eq!(journal.written(0, usize::MAX).unwrap(), before);
        // When there is room again the same process goes on.
        disk.mend();
        seal(&journal).unwrap();
        assert_eq!(journal.written(0, usize::MAX).unwrap(), before);
        assert_eq!(disk.names().len(), names.len());
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn a_start_behind_a_sealed_segment_begins_a_new_one() {
    let disk = Disk::default();
    let before = written(&disk).await;
    let journal = open(&disk);
    seal(&journal).unwrap();
    journal.close().await;
    // The making of the one behind was interrupted, or it is lost with all that was in it.
    let last = disk
        .names()
        .into_iter()
        .find(|name| is_of_kind(name, "kwj"));
    disk.delete(&last.unwrap());
    let left = before
        .iter()
        .map(|entry| entry.place.segment)
        .max()
        .unwrap()
        - 1;
    assert!(
        open_with(&disk, small(), Ledger::at(30)).is_err(),
        "it is known to be lost"
    );
    let journal = open_with(&disk, small(), Arc::default()).unwrap();
    assert_eq!(journal.last(), left);
    let found = journal.written(0, usize::MAX).unwrap();
    assert_eq!(found, before[..left as usize]);
    crate::fixture::append(&journal, &["new"]).await;
    assert_eq!(journal.last(), left + 1);
    journal.close().await;
}
