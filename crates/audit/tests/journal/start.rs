//! What a start finds, refuses, and hands on.

use std::sync::Arc;

use keyward_audit::{Journal, JournalConfig, OpenError, SyncMode, Unlogged};
use keyward_core::port::audit_log::AuditLog;
use uuid::Uuid;

use crate::disk::Disk;
use crate::fixture::{
    DEPLOYMENT, Ledger, Noon, append, change, config, entries, event, open_dir, open_on, open_with,
};

#[tokio::test]
async fn revisions_without_an_entry_are_known_after_a_restart_even_out_of_order() {
    let disk = Disk::default();
    let small = JournalConfig {
        segment_bytes: 900,
        ..config()
    };
    let journal = open_with(&disk, small, Arc::default()).unwrap();
    assert_eq!(journal.unlogged(), &Unlogged::default());
    for revision in [1, 2, 5, 7, 6, 4] {
        journal.append(change(revision)).await.unwrap();
        append(&journal, &["between"; 3]).await;
    }
    assert!(
        disk.names().len() > 3,
        "the first revisions are in segments that no start reads"
    );
    drop(journal);
    let journal = open_with(&disk, small, Arc::default()).unwrap();
    assert_eq!(journal.highest_revision(), 7);
    let expected = Unlogged {
        missing: vec![3],
        after: 7,
    };
    assert_eq!(journal.unlogged(), &expected);
}

#[tokio::test]
async fn a_journal_shorter_than_what_was_counted_of_it_is_refused() {
    let disk = Disk::default();
    let journal = open_on(&disk).unwrap();
    append(&journal, &["a", "b"]).await;
    journal.close().await;
    assert!(matches!(
        open_with(&disk, config(), Ledger::at(3)),
        Err(OpenError::Shortened { last: 2, seen: 3 })
    ));
    assert!(open_with(&disk, config(), Ledger::at(2)).is_ok());
}

#[tokio::test]
async fn without_syncs_a_loss_is_recorded_and_its_numbers_are_not_given_again() {
    let disk = Disk::default();
    let written = JournalConfig {
        sync: SyncMode::Written,
        ..config()
    };
    let journal = open_with(&disk, written, Arc::default()).unwrap();
    append(&journal, &["a", "b"]).await;
    drop(journal);
    // Entries 3 to 5 were counted, and a power cut took them.
    let ledger = Ledger::at(5);
    let journal = open_with(&disk, written, Arc::clone(&ledger)).unwrap();
    assert_eq!(journal.append(event("c", None)).await, Ok(6));
    drop(journal);
    let expected = [
        (1, "a".to_owned()),
        (2, "b".to_owned()),
        (6, "c".to_owned()),
    ];
    for seen in [5, 0, 3] {
        let ledger = Ledger::at(seen);
        let journal = open_with(&disk, config(), Arc::clone(&ledger)).unwrap();
        assert_eq!(entries(&journal).await, expected);
        let replayed: Vec<_> = [1, 2, 6]
            .into_iter()
            .filter(|sequence| *sequence > seen)
            .collect();
        assert_eq!(ledger.seen(), replayed);
    }
}

#[tokio::test]
async fn another_deployments_journal_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    open_dir(dir.path(), SyncMode::Always).close().await;
    let other = Uuid::from_u128(1);
    let ledger = Arc::new(Ledger::default());
    let opened = Journal::open(
        dir.path(),
        config(),
        "node-a".into(),
        other,
        Arc::new(Noon),
        ledger,
    );
    assert!(matches!(opened, Err(OpenError::OtherDeployment { found }) if found == DEPLOYMENT));
}

#[tokio::test]
async fn a_renamed_node_goes_on_in_a_segment_that_says_so() {
    let disk = Disk::default();
    let journal = open_on(&disk).unwrap();
    append(&journal, &["a"]).await;
    drop(journal);
    let (clock, ledger) = (Arc::new(Noon), Arc::new(Ledger::default()));
    let io = Arc::new(disk.clone());
    let journal =
        Journal::open_with(io, config(), "node-b".into(), DEPLOYMENT, clock, ledger).unwrap();
    append(&journal, &["b"]).await;
    assert_eq!(entries(&journal).await.len(), 2);
    let last = disk.names().pop().unwrap();
    assert!(
        disk.file(&last)
            .windows(6)
            .any(|window| window == b"node-b")
    );
}

#[tokio::test]
async fn a_later_format_is_refused_by_name() {
    let disk = Disk::default();
    open_on(&disk).unwrap().close().await;
    let name = disk.names().remove(0);
    let mut bytes = disk.file(&name);
    bytes[5] = 3;
    let end = usize::from(u16::from_be_bytes([bytes[6], bytes[7]])) - 4;
    let crc = crc32fast::hash(&bytes[..end]).to_be_bytes();
    bytes[end..end + 4].copy_from_slice(&crc);
    disk.put(&name, &bytes);
    assert!(matches!(
        open_on(&disk),
        Err(OpenError::UnknownFormat {
            version: 3,
            known: 2
        })
    ));
}

#[tokio::test]
async fn files_that_are_no_segments_are_left_alone() {
    let disk = Disk::default();
    disk.put("lost+found", b"");
    disk.put("journal-1.kwj", b"a copy by hand");
    let journal = open_on(&disk).unwrap();
    append(&journal, &["a"]).await;
    assert_eq!(disk.names().len(), 3);
}

#[tokio::test]
async fn opening_and_closing_again_and_again_adds_nothing() {
    let disk = Disk::default();
    let journal = open_on(&disk).unwrap();
    append(&journal, &["a"]).await;
    journal.close().await;
    let size = disk.used();
    for _ in 0..5 {
        open_on(&disk).unwrap().close().await;
    }
    assert_eq!(disk.used(), size);
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("audit").join("journal");
    let journal = open_dir(&dir, SyncMode::Always);
    append(&journal, &["a"]).await;
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for file in dir.read_dir().unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}
