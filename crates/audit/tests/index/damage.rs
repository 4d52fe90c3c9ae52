//! What becomes of the files changes no answer, and they are made again.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;

use keyward_audit::index::AuditIndex;
use keyward_core::audit::Journaled;
use keyward_core::port::audit_search::{CountBy, CountEvery, SearchFilter, WantedAction};

use crate::answers::counts;
use crate::naive;
use crate::stage::{Plain, Stage, grow, key, search, tenant};

const SIZE: u32 = 32;

/// Entries that differ in everything.
pub fn entries(count: usize) -> Vec<Plain> {
    let entry = |at: usize| {
        let small = |most: usize| at * 7 % most;
        (
            (at as i64 * 600, small(3) as u128, small(5), small(3)),
            (
                Some(small(4) as u128),
                Some(1 + small(3) as i64),
                vec![small(4) as u128],
            ),
            (
                Some(small(3) as u128),
                Some(small(3) as u8),
                (at % 20) as u8,
            ),
            (Some(small(5)), Some(small(3)), at.is_multiple_of(2)),
        )
    };
    (0..count).map(entry).collect()
}

/// Questions that between them read every part of a file.
fn questions() -> Vec<SearchFilter> {
    vec![
        SearchFilter::default(),
        SearchFilter {
            key: Some(key(1)),
            tenant: Some(Some(tenant(1))),
            ..SearchFilter::default()
        },
        SearchFilter {
            action: Some(WantedAction::Group("key".to_owned())),
            words: vec!["2026".to_owned()],
            ..SearchFilter::default()
        },
        SearchFilter {
            address: Some("192.0.2.1".to_owned()),
            node: Some("node-b".to_owned()),
            since: Some(crate::stage::event(&entries(20)[11]).time),
            ..SearchFilter::default()
        },
        SearchFilter {
            correlation_id: Some(crate::stage::event(&entries(20)[7]).correlation_id),
            ..SearchFilter::default()
        },
    ]
}

fn check(index: &AuditIndex, all: &[Journaled], what: &str) {
    for filter in questions() {
        assert_eq!(
            search(index, &filter, 9),
            naive::search(all, &filter),
            "{what}: {filter:?}"
        );
    }
    for by in CountBy::ALL {
        for filter in &questions()[..2] {
            let expected = naive::counts(all, filter, *by, CountEvery::Day);
            assert_eq!(
                counts(index, filter, *by, CountEvery::Day),
                expected,
                "{what}: {by}"
            );
        }
    }
}

/// A stage whose index has three files, and what its log holds.
async fn stage() -> (Stage, AuditIndex, Vec<Journaled>) {
    let stage = Stage::new();
    stage.log(&entries(110)).await;
    let index = stage.index(SIZE);
    grow(&index);
    assert_eq!(stage.names().len(), 3);
    let all = stage.all().await;
    check(&index, &all, "sound");
    (stage, index, all)
}

fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
}

#[tokio::test]
async fn a_changed_byte_anywhere_changes_no_answer() {
    let (stage, index, all) = stage().await;
    let files = stage.names();
    let length = fs::metadata(&files[1]).unwrap().len();
    let sound = fs::read(&files[1]).unwrap();
    // Every page of the file, and within it a byte that moves.
    for (round, page) in (0..length / 4096).enumerate() {
        for step in [0, 1531, 3061, 4093] {
            let at = page * 4096 + (step + 97 * round as u64) % 4096;
            flip(&files[1], at);
            check(&index, &all, &format!("byte {at}, running"));
            let again = stage.index(SIZE);
            check(&again, &all, &format!("byte {at}, before the first look"));
            grow(&again);
            check(&again, &all, &format!("byte {at}, started again"));
            // It may be one that nobody asked for; then it is put right here.
            fs::write(&files[1], &sound).unwrap();
            grow(&index);
        }
    }
}

#[tokio::test]
async fn a_file_that_was_found_damaged_is_made_again_the_same() {
    let (stage, index, all) = stage().await;
    let files = stage.names();
    let sound = fs::read(&files[0]).unwrap();
    flip(&files[0], 20);
    check(&index, &all, "altered");
    assert_eq!(index.blocks(), (2, 1), "it is not used any more");
    grow(&index);
    assert_eq!(index.blocks(), (3, 0));
    assert!(fs::read(&files[0]).unwrap() == sound);
    check(&index, &all, "made again");
}

#[tokio::test]
async fn a_file_that_is_cut_gone_emptied_or_anothers_changes_no_answer() {
    let (stage, index, all) = stage().await;
    let files = stage.names();
    let sound = fs::read(&files[1]).unwrap();
    let other = fs::read(&files[0]).unwrap();
    let half = sound[..sound.len() / 2].to_vec();
    let torn = [half.clone(), vec![0; sound.len() - half.len()]].concat();
    let later = [b"KWX1\x00\x02".to_vec(), sound[6..].to_vec()].concat();
    for (what, bytes) in [
        ("cut", half),
        ("torn", torn),
        ("empty", Vec::new()),
        ("another block's", other),
        ("of a later version", later),
    ] {
        fs::write(&files[1], &bytes).unwrap();
        check(&index, &all, what);
        let again = stage.index(SIZE);
        grow(&again);
        check(&again, &all, what);
        grow(&again);
        let made = fs::read(&files[1]).unwrap();
        assert!(made == sound, "{what}: made again");
        grow(&index);
    }
    fs::remove_file(&files[2]).unwrap();
    check(&index, &all, "gone");
    grow(&index);
    assert_eq!(stage.names().len(), 3);
    fs::remove_dir_all(stage.files()).unwrap();
    check(&index, &all, "all gone");
    grow(&index);
    check(&index, &all, "made anew");
    assert_eq!(stage.names(), files);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_for_a_while_is_kept() {
    let (stage, index, all) = stage().await;
    let files = stage.names();
    let aside = files[1].with_extension("aside");
    let which = fs::metadata(&files[1]).unwrap().ino();
    fs::rename(&files[1], &aside).unwrap();
    // What leads to itself cannot be opened, and that says nothing of what is in it.
    symlink(&files[1], &files[1]).unwrap();
    check(&index, &all, "cannot be read");
    let again = stage.index(SIZE);
    grow(&again);
    assert_eq!(again.blocks(), (2, 1), "neither believed nor made again");
    check(&again, &all, "could not be read at the start");
    fs::rename(&aside, &files[1]).unwrap();
    grow(&again);
    for index in [&index, &again] {
        assert_eq!(index.blocks(), (3, 0));
        check(index, &all, "can be read again");
    }
    assert_eq!(fs::metadata(&files[1]).unwrap().ino(), which);
}

#[tokio::test]
async fn files_of_another_journal_are_not_believed() {
    let (stage, _, all) = stage().await;
    let (others, _, _) = {
        let others = Stage::new();
        let mut different = entries(110);
        different.reverse();
        others.log(&different).await;
        let index = others.index(SIZE);
        grow(&index);
        let all = others.all().await;
        (others, index, all)
    };
    for (ours, theirs) in stage.names().iter().zip(others.names()) {
        fs::copy(theirs, ours).unwrap();
    }
    let again = stage.index(SIZE);
    grow(&again);
    check(&again, &all, "another journal's");
}

#[tokio::test]
async fn files_of_blocks_of_another_size_are_not_believed() {
    let (stage, _, all) = stage().await;
    let again = stage.index(16);
    grow(&again);
    check(&again, &all, "another size");
}

#[tokio::test]
async fn where_no_file_can_be_written_everything_is_found_all_the_same() {
    let stage = Stage::new();
    stage.log(&entries(110)).await;
    // A file where the directory should be.
    fs::write(stage.files(), "in the way").unwrap();
    let index = stage.index(SIZE);
    let mut refusals = 0;
    loop {
        match index.grow() {
            Ok(true) => {}
            Ok(false) => break,
            Err(_) => refusals += 1,
        }
    }
    assert_eq!((refusals, index.blocks()), (3, (0, 3)));
    let all = stage.all().await;
    check(&index, &all, "no files");
    fs::remove_file(stage.files()).unwrap();
    index.try_again();
    grow(&index);
    assert_eq!(index.blocks(), (3, 0));
    check(&index, &all, "made when there was a place");
}
