//! The disk fails: callers are refused at once, nothing refused is in the log, and the journal
//! goes on by itself when the disk does.

use std::io::ErrorKind;
use std::sync::Arc;

use futures_util::FutureExt;
use keyward_audit::{Journal, SyncMode};
use keyward_core::port::audit_log::{AuditError, AuditLog};

use crate::disk::{Dice, Disk, Failure};
use crate::fixture::{append, config, entries, event, open_on, open_with};

fn unavailable(cause: &str) -> AuditError {
    AuditError::Unavailable {
        cause: cause.to_owned(),
    }
}

/// Appends some entries, trying again what was refused; answers what was acknowledged and how
/// many refusals there were.
async fn persist(journal: &Journal) -> (Vec<(u64, String)>, usize) {
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    let mut watch = journal.watch();
    for turn in 0..12 {
        loop {
            // What the journal does to its files by itself is nobody's meddling.
            assert_eq!(watch.look().unwrap(), None);
            let name = format!("e{turn}-{refused}");
            if let Ok(sequence) = journal.append(event(&name, None)).await {
                acknowledged.push((sequence, name));
                break;
            }
            refused += 1;
            journal.repaired().await;
        }
    }
    (acknowledged, refused)
}

/// Every operation of a story fails once: not done, done but reported failed, half done.
#[tokio::test]
async fn i03_any_operation_may_fail_in_any_way_and_the_log_holds_exactly_what_was_acknowledged() {
    let mut refusals = 0;
    let failures = [Failure::Before, Failure::After, Failure::Half];
    let ways = failures.map(|failure| {
        [SyncMode::Always, SyncMode::Written].map(|sync| {
            let small = keyward_audit::JournalConfig {
                sync,
                segment_bytes: 1_000,
                ..config()
            };
            (failure, small)
        })
    });
    for (failure, small) in ways.into_iter().flatten() {
        for at in 0.. {
            let disk = Disk::default();
            disk.fail_after(at, failure);
            let journal = match open_with(&disk, small, Arc::default()) {
                Ok(journal) => journal,
                Err(_) => open_with(&disk, small, Arc::default()).unwrap(),
            };
            let (acknowledged, refused) = persist(&journal).await;
            refusals += refused;
            let context = format!("operation {at}, {failure:?}, {:?}", small.sync);
            assert!(refused <= 1, "{context}");
            journal.close().await;
            let whole_story = disk.operations() <= at;
            disk.mend();
            for survivor in [disk.copy(), disk.copy()] {
                let again = open_with(&survivor, small, Arc::default()).unwrap();
                assert_eq!(entries(&again).await, acknowledged, "{context}");
                drop(again);
                survivor.reboot(&mut Dice::new(at));
            }
            if whole_story {
                break;
            }
        }
    }
    assert!(refusals > 100);
}

/// Appends until the disk is full; answers what was acknowledged.
async fn fill(journal: &Journal) -> Vec<(u64, String)> {
    let mut acknowledged = Vec::new();
    for turn in 0..20 {
        let name = format!("e{turn}");
        match journal.append(event(&name, None)).await {
            Ok(sequence) => acknowledged.push((sequence, name)),
            Err(error) => {
                assert_eq!(error, unavailable("the disk is full"));
                return acknowledged;
            }
        }
    }
    panic!("the disk never got full");
}

#[tokio::test]
async fn i03_a_full_disk_refuses_and_entries_are_taken_again_when_there_is_space() {
    let disk = Disk::default();
    disk.limit(2_000);
    let small = keyward_audit::JournalConfig {
        segment_bytes: 1_000,
        ..config()
    };
    let journal = open_with(&disk, small, Arc::default()).unwrap();
    let mut acknowledged = fill(&journal).await;
    let full = unavailable("the disk is full");
    assert_eq!(journal.fault(), Some(full.clone()));
    // Every refused caller is answered at once, without waiting for the disk.
    for _ in 0..100 {
        let refused = journal.append(event("refused", None)).now_or_never();
        assert_eq!(refused, Some(Err(full.clone())));
    }
    assert_eq!(entries(&journal).await, acknowledged, "reading goes on");
    disk.mend();
    let _ = journal.append(event("asks", None)).await;
    journal.repaired().await;
    assert_eq!(journal.fault(), None);
    let next = journal.append(event("again", None)).await.unwrap();
    assert_eq!(next, acknowledged.len() as u64 + 1);
    acknowledged.push((next, "again".to_owned()));
    assert_eq!(entries(&journal).await, acknowledged);
    journal.close().await;
    let again = open_with(&disk, small, Arc::default()).unwrap();
    assert_eq!(entries(&again).await, acknowledged);
}

#[tokio::test]
async fn a_disk_with_space_for_a_header_only_is_still_full() {
    let disk = Disk::default();
    disk.limit(2_000);
    let journal = open_on(&disk).unwrap();
    assert!(
        fill(&journal).await.len() > 3,
        "what cannot be reserved is used to the end"
    );
    disk.limit(disk.used() + 10_000);
    let _ = journal.append(event("asks", None)).await;
    assert!(journal.fault().is_some());
    disk.mend();
    let _ = journal.append(event("asks", None)).await;
    journal.repaired().await;
    append(&journal, &["more"]).await;
}

#[tokio::test]
async fn each_kind_of_fault_is_told_without_a_path() {
    for (kind, cause) in [
        (ErrorKind::StorageFull, "the disk is full"),
        (ErrorKind::QuotaExceeded, "the disk quota is used up"),
        (
            ErrorKind::ReadOnlyFilesystem,
            "the file system is read-only",
        ),
    ] {
        let disk = Disk::default();
        let journal = open_on(&disk).unwrap();
        disk.break_with(kind);
        assert_eq!(
            journal.append(event("e", None)).await,
            Err(unavailable(cause))
        );
    }
}

#[tokio::test]
async fn a_fault_refuses_those_who_wait_and_closing_does_not_hang() {
    let disk = Disk::default();
    let journal = open_on(&disk).unwrap();
    disk.hold();
    let mut first = Box::pin(journal.append(event("first", None)));
    assert!((&mut first).now_or_never().is_none());
    disk.wait_until_held();
    let mut queued: Vec<_> = (0..20)
        .map(|_| Box::pin(journal.append(event("queued", None))))
        .collect();
    for entry in &mut queued {
        assert!(entry.now_or_never().is_none());
    }
    disk.break_with(ErrorKind::ReadOnlyFilesystem);
    disk.release();
    assert!(first.await.is_err());
    for entry in queued {
        assert!(entry.await.is_err());
    }
    journal.close().await;
    assert_eq!(journal.fault(), Some(unavailable("it is closed")));
    disk.mend();
    // What was being written when the disk went may be there: it could not be taken back. What
    // was only queued is not.
    assert!(entries(&open_on(&disk).unwrap()).await.len() <= 1);
}

#[tokio::test]
async fn damage_found_while_mending_is_named_and_keeps_the_journal_from_going_on() {
    let disk = Disk::default();
    let journal = open_on(&disk).unwrap();
    append(&journal, &["a", "b", "c"]).await;
    let name = disk.names().remove(0);
    let mut bytes = disk.file(&name);
    let at = bytes
        .windows(10)
        .position(|window| window.starts_with(b"\"b\""))
        .unwrap();
    bytes[at + 1] ^= 1;
    disk.put(&name, &bytes);
    disk.fail_after(0, Failure::Half);
    assert!(journal.append(event("d", None)).await.is_err());
    let damaged = AuditError::Damaged { sequence: 2 };
    let mut told = journal.append(event("d", None)).await;
    while matches!(told, Err(AuditError::Unavailable { .. })) {
        tokio::task::yield_now().await;
        told = journal.append(event("d", None)).await;
    }
    assert_eq!(told, Err(damaged.clone()));
    assert_eq!(journal.fault(), Some(damaged));
}

#[tokio::test]
async fn an_observer_that_panics_ends_the_service_and_hangs_nobody() {
    struct Panics;
    impl keyward_core::port::audit_log::JournalObserver for Panics {
        fn replay_after(&self) -> u64 {
            0
        }
        fn observe(&self, _entries: &[keyward_core::audit::Journaled]) {
            panic!("an observer's mistake");
        }
    }
    for sync in [SyncMode::Always, SyncMode::Written] {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(
            dir.path(),
            keyward_audit::JournalConfig { sync, ..config() },
            "n".into(),
            crate::fixture::DEPLOYMENT,
            Arc::new(crate::fixture::Noon),
            Arc::new(Panics),
        )
        .unwrap();
        assert!(journal.append(event("e", None)).await.is_err());
        journal.close().await;
        assert!(journal.append(event("e", None)).await.is_err());
        drop(journal);
        // What was written before is there: the caller was not told, and nothing is lost.
        let again = crate::fixture::open_dir(dir.path(), SyncMode::Always);
        assert_eq!(entries(&again).await.len(), 1);
    }
}
