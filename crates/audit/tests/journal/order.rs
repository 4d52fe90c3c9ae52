//! Many callers, one order.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::join_all;
use keyward_audit::{JournalConfig, SyncMode};
use keyward_core::port::audit_log::{AuditError, AuditLog};

use crate::disk::Disk;
use crate::fixture::{
    Ledger, append, config, entries, event, open_dir, open_on, open_with, tenant,
};

#[tokio::test(flavor = "multi_thread")]
async fn i03_sixty_four_callers_get_distinct_places_without_gaps_and_all_are_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Arc::new(open_dir(dir.path(), SyncMode::Always));
    let callers = (0..64).map(|caller| {
        let journal = Arc::clone(&journal);
        tokio::spawn(async move {
            let mut got = Vec::new();
            for turn in 0..20 {
                let name = format!("c{caller}-{turn}");
                let entry = event(&name, Some(tenant(caller % 7)));
                got.push((journal.append(entry).await.unwrap(), name));
            }
            assert!(got.is_sorted(), "a caller's own entries are in its order");
            got
        })
    });
    let mut acknowledged: Vec<_> = join_all(callers)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    acknowledged.sort();
    assert!(
        acknowledged
            .iter()
            .map(|(sequence, _)| *sequence)
            .eq(1..=64 * 20)
    );
    assert_eq!(entries(&journal).await, acknowledged);
    journal.close().await;
    let again = open_dir(dir.path(), SyncMode::Always);
    assert_eq!(entries(&again).await, acknowledged);
}

#[tokio::test]
async fn segments_are_rotated_and_read_as_one() {
    let disk = Disk::default();
    let small = JournalConfig {
        segment_bytes: 2_000,
        ..config()
    };
    let journal = open_with(&disk, small, Arc::default()).unwrap();
    for turn in 0..100 {
        journal
            .append(event(&format!("e{turn}"), None))
            .await
            .unwrap();
    }
    assert!(disk.names().len() > 5, "{:?}", disk.names());
    let expected: Vec<_> = (0..100)
        .map(|turn| (turn + 1, format!("e{turn}")))
        .collect();
    assert_eq!(entries(&journal).await, expected);
    journal.close().await;
    assert_eq!(
        entries(&open_with(&disk, small, Arc::default()).unwrap()).await,
        expected
    );
}

#[tokio::test]
async fn the_observer_sees_each_entry_once_and_in_order_across_crashes() {
    let disk = Disk::default();
    let ledger = Arc::new(Ledger::default());
    let small = JournalConfig {
        segment_bytes: 1_000,
        ..config()
    };
    for life in 0..6_u64 {
        let journal = open_with(&disk, small, Arc::clone(&ledger)).unwrap();
        assert!(
            ledger.seen().into_iter().eq(1..=life * 10),
            "after start {life}"
        );
        append(&journal, &["a"; 5]).await;
        if life % 3 != 1 {
            ledger.keep();
        }
        append(&journal, &["b"; 5]).await;
        drop(journal);
        assert!(ledger.seen().into_iter().eq(1..=life * 10 + 10));
        ledger.crash();
    }
}

#[tokio::test]
async fn an_entry_is_observed_before_its_caller_is_answered() {
    let ledger = Arc::new(Ledger::default());
    let journal = open_with(&Disk::default(), config(), Arc::clone(&ledger)).unwrap();
    for turn in 1..=20 {
        assert_eq!(journal.append(event("e", None)).await.unwrap(), turn);
        assert_eq!(ledger.seen().last(), Some(&turn));
    }
}

#[tokio::test]
async fn entries_beyond_the_limit_are_refused_and_those_at_it_are_taken() {
    let journal = open_on(&Disk::default()).unwrap();
    let sized = |size: usize| {
        let mut large = event("large", None);
        large.reason = Some("x".repeat(size));
        large
    };
    let Err(AuditError::EntryTooLarge { size, max }) = journal.append(sized(17_000)).await else {
        panic!("taken");
    };
    let fits = 17_000 - (size - max);
    assert_eq!(journal.append(sized(fits)).await, Ok(1));
    assert!(journal.append(sized(fits + 1)).await.is_err());
    assert_eq!(entries(&journal).await.len(), 1);
}

#[tokio::test]
async fn closing_writes_what_was_queued_and_refuses_the_rest() {
    let disk = Disk::default();
    let journal = open_on(&disk).unwrap();
    disk.hold();
    let mut queued = Box::pin(join_all(
        (0..10).map(|turn| journal.append(event(&format!("e{turn}"), None))),
    ));
    assert!((&mut queued).now_or_never().is_none());
    let mut closing = Box::pin(journal.close());
    assert!((&mut closing).now_or_never().is_none());
    let refused = journal.append(event("late", None)).await;
    assert!(matches!(refused, Err(AuditError::Unavailable { .. })));
    disk.release();
    closing.await;
    assert!(queued.await.into_iter().map(Result::unwrap).eq(1..=10));
    assert_eq!(entries(&journal).await.len(), 10);
}
