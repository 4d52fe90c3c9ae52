//! Who writes: the journal's thread where entries are synced, the callers where they are not.

use std::collections::BTreeSet;
use std::sync::Arc;

use keyward_audit::{Journal, JournalConfig, SyncMode};
use keyward_core::audit::Journaled;
use keyward_core::port::audit_log::{AuditLog, JournalObserver};
use parking_lot::Mutex;

use crate::fixture::{DEPLOYMENT, Noon, config, entries, event, tenant};

/// Notes on which threads entries were written.
#[derive(Default)]
struct Threads(Mutex<Vec<Option<String>>>);

impl JournalObserver for Threads {
    fn replay_after(&self) -> u64 {
        0
    }

    fn observe(&self, entries: &[Journaled]) {
        let name = std::thread::current().name().map(str::to_owned);
        self.0.lock().extend(entries.iter().map(|_| name.clone()));
    }
}

fn open(dir: &std::path::Path, config: JournalConfig, threads: &Arc<Threads>) -> Journal {
    let (clock, threads) = (Arc::new(Noon), threads.clone());
    Journal::open(dir, config, "node-a".into(), DEPLOYMENT, clock, threads).unwrap()
}

#[tokio::test]
async fn entries_are_written_by_the_thread_that_syncs_or_else_by_who_appends() {
    let own = std::thread::current().name().map(str::to_owned);
    let writers = [
        (SyncMode::Always, Some("audit-journal".to_owned())),
        (SyncMode::Written, own),
    ];
    for (sync, expected) in writers {
        let dir = tempfile::tempdir().unwrap();
        let threads = Arc::new(Threads::default());
        let journal = open(dir.path(), JournalConfig { sync, ..config() }, &threads);
        for _ in 0..3 {
            journal.append(event("e", None)).await.unwrap();
        }
        assert_eq!(*threads.0.lock(), vec![expected; 3], "{sync:?}");
    }
}

/// Callers who write, the thread that makes new segments for them, and those who wait for room, all
/// at once: nobody is forgotten, and every entry has one place.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn i03_callers_that_write_for_each_other_forget_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let threads = Arc::new(Threads::default());
    let small = JournalConfig {
        sync: SyncMode::Written,
        segment_bytes: 256 * 1024,
        queue_entries: 16,
        ..config()
    };
    let journal = Arc::new(open(dir.path(), small, &threads));
    let callers = (0..32_u128).map(|caller| {
        let journal = Arc::clone(&journal);
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for turn in 0..200 {
                let name = format!("{caller}-{turn}");
                let entry = event(&name, Some(tenant(caller % 3)));
                acknowledged.push((journal.append(entry).await.unwrap(), name));
            }
            acknowledged
        })
    });
    let mut acknowledged = BTreeSet::new();
    for caller in callers.collect::<Vec<_>>() {
        acknowledged.extend(caller.await.unwrap());
    }
    let stored: BTreeSet<_> = entries(&journal).await.into_iter().collect();
    assert_eq!(stored.len(), 32 * 200);
    assert_eq!(stored, acknowledged);
    let writers: BTreeSet<_> = threads.0.lock().iter().cloned().collect();
    assert!(writers.contains(&Some("audit-journal".to_owned())));
    assert!(writers.len() > 1, "{writers:?}");
    journal.close().await;
}
