//! Reading back: forward, the last ones, one tenant's, and waiting for more.

use std::sync::Arc;

use futures_util::FutureExt;
use keyward_audit::{Journal, JournalConfig};
use keyward_core::port::audit_log::{AuditLog, TailQuery};

use crate::disk::Disk;
use crate::fixture::{append, config, event, named, open_on, open_with, tenant};

const ENTRIES: u64 = 2_000;

/// Entries in many segments and many places to start from; every third is the system's own, the
/// others belong to tenants 1 and 2.
async fn filled(disk: &Disk) -> Journal {
    let segments = JournalConfig {
        segment_bytes: 200_000,
        ..config()
    };
    let journal = open_with(disk, segments, Arc::default()).unwrap();
    for number in 1..=ENTRIES {
        let of = number % 3;
        let mut entry = event(
            &format!("e{number}"),
            (of > 0).then(|| tenant(u128::from(of))),
        );
        entry.reason = Some("x".repeat(200));
        journal.append(entry).await.unwrap();
    }
    assert!(disk.names().len() > 3);
    journal
}

async fn numbers(journal: &Journal, query: TailQuery) -> Vec<u64> {
    let found = named(journal.tail(query).await.unwrap());
    for (sequence, name) in &found {
        assert_eq!(name, &format!("e{sequence}"));
    }
    found.into_iter().map(|(sequence, _)| sequence).collect()
}

#[tokio::test]
async fn pages_forward_and_back_hold_exactly_what_a_scan_would() {
    let disk = Disk::default();
    let before = filled(&disk).await;
    before.close().await;
    // Once with the writer's own notes of where to start, once with none.
    let after = open_on(&disk).unwrap();
    for journal in [before, after] {
        for filter in [
            None,
            Some(None),
            Some(Some(tenant(1))),
            Some(Some(tenant(7))),
        ] {
            let all: Vec<u64> = (1..=ENTRIES)
                .filter(|number| match filter {
                    None => true,
                    Some(None) => number % 3 == 0,
                    Some(Some(of)) => of == tenant(u128::from(number % 3)) && number % 3 > 0,
                })
                .collect();
            for limit in [1, 7, 300, 10_000] {
                let last = TailQuery {
                    tenant: filter,
                    after: None,
                    limit,
                };
                let start = all.len().saturating_sub(limit);
                assert_eq!(numbers(&journal, last).await, all[start..]);
                for after in [0, 1, 499, 1_234, ENTRIES - 1, ENTRIES, u64::MAX] {
                    let page = TailQuery {
                        tenant: filter,
                        after: Some(after),
                        limit,
                    };
                    let expected: Vec<_> = all
                        .iter()
                        .copied()
                        .filter(|number| *number > after)
                        .take(limit)
                        .collect();
                    assert_eq!(numbers(&journal, page).await, expected);
                }
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_asked_for_and_nothing_is_there() {
    let journal = open_on(&Disk::default()).unwrap();
    for after in [None, Some(0), Some(5)] {
        for limit in [0, 5] {
            let query = TailQuery {
                tenant: None,
                after,
                limit,
            };
            assert!(numbers(&journal, query).await.is_empty());
        }
    }
}

#[tokio::test]
async fn who_waits_for_more_is_told_when_it_is_durable_and_not_before() {
    let disk = Disk::default();
    let journal = open_on(&disk).unwrap();
    append(&journal, &["e1"]).await;
    assert_eq!(
        journal.changed(0).now_or_never(),
        Some(()),
        "it is there already"
    );
    disk.hold();
    let mut waiting = Box::pin(journal.changed(1));
    let mut appending = Box::pin(journal.append(event("e2", None)));
    assert!((&mut waiting).now_or_never().is_none());
    assert!((&mut appending).now_or_never().is_none());
    disk.wait_until_held();
    assert!((&mut waiting).now_or_never().is_none());
    let query = TailQuery {
        tenant: None,
        after: Some(0),
        limit: 9,
    };
    assert_eq!(
        numbers(&journal, query).await,
        [1],
        "what is not durable is not shown"
    );
    disk.release();
    waiting.await;
    assert_eq!(appending.await, Ok(2));
}
