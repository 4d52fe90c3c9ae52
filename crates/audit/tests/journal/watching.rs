//! Somebody touches the journal's files while it is used: noticed at the next look, and named.

use std::fs;
use std::path::{Path, PathBuf};

use keyward_audit::{Journal, JournalConfig, StdIo, Touched};

use crate::fixture::{append, config, open_with};

/// A journal of several segments, the last of which has entries.
async fn segments(place: &Path) -> (Journal, Vec<PathBuf>) {
    let small = JournalConfig {
        segment_bytes: 1_500,
        ..config()
    };
    let journal = open_with(
        &StdIo::new(place).unwrap(),
        small,
        std::sync::Arc::default(),
    )
    .unwrap();
    let mut watch = journal.watch();
    for turn in 0..30 {
        append(&journal, &[&format!("e{turn}")]).await;
        assert_eq!(watch.look().unwrap(), None);
    }
    let files = fs::read_dir(place).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 3, "{files:?}");
    (journal, files)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn i03_i13_a_file_that_was_removed_is_noticed_whichever_it_is() {
    for at in [0, 1, usize::MAX] {
        let place = tempfile::tempdir().unwrap();
        let (journal, files) = segments(place.path()).await;
        let mut watch = journal.watch();
        assert_eq!(watch.look().unwrap(), None);
        let path = files.get(at).unwrap_or(files.last().unwrap());
        fs::remove_file(path).unwrap();
        let found = watch.look().unwrap();
        assert_eq!(found, Some(Touched::Gone { name: name(path) }));
        // Also by who never saw it.
        assert_eq!(journal.watch().look().unwrap(), found);
        assert!(found.unwrap().to_string().contains("was removed"));
        journal.close().await;
    }
}

#[tokio::test]
async fn i03_i13_a_file_that_was_replaced_by_its_own_copy_is_noticed() {
    for at in [0, usize::MAX] {
        let place = tempfile::tempdir().unwrap();
        let (journal, files) = segments(place.path()).await;
        let mut watch = journal.watch();
        assert_eq!(watch.look().unwrap(), None);
        let path = files.get(at).unwrap_or(files.last().unwrap());
        let copy = place.path().join("copy");
        fs::copy(path, &copy).unwrap();
        fs::rename(&copy, path).unwrap();
        let replaced = Touched::Replaced { name: name(path) };
        assert_eq!(watch.look().unwrap(), Some(replaced));
        journal.close().await;
    }
}

#[tokio::test]
async fn i03_i13_a_finished_file_that_was_written_to_is_noticed() {
    let place = tempfile::tempdir().unwrap();
    let (journal, files) = segments(place.path()).await;
    let mut watch = journal.watch();
    assert_eq!(watch.look().unwrap(), None);
    let file = fs::OpenOptions::new().write(true).open(&files[1]).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length - 1).unwrap();
    let changed = Touched::Changed {
        name: name(&files[1]),
    };
    assert_eq!(watch.look().unwrap(), Some(changed));
    journal.close().await;
}
