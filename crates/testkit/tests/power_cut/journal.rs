//! The journal: every acknowledged entry is in its place, and no number is missing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyward_audit::{Journal, JournalConfig, OpenError};
use keyward_core::audit::{AuditEvent, Journaled, NodeSignature};
use keyward_core::port::audit_log::{AuditLog, JournalObserver, TailQuery};
use keyward_testkit::power_cut::{Omission, Violation, acknowledge};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{Noon, Recording, TASKS, rows};

static JOURNAL: Recording = Recording::of("journal");

/// Entries that each task appends in each of two lives.
const ENTRIES: usize = 20;

/// Counts nothing.
struct Nobody;

impl JournalObserver for Nobody {
    fn replay_after(&self) -> u64 {
        0
    }

    fn observe(&self, _entries: &[Journaled]) {}
}

fn open(root: &Path) -> Result<Journal, OpenError> {
    let config = JournalConfig {
        segment_bytes: 8_000,
        probe_least: Duration::ZERO,
        probe_most: Duration::from_hours(1),
        ..JournalConfig::default()
    };
    let deployment = Uuid::from_u128(0x7d44_8840_9dc0_41d1_b245_5ffd_ce74_fad2);
    let directory = root.join("audit");
    Journal::open(
        &directory,
        config,
        "node-1".into(),
        deployment,
        Arc::new(Noon),
        Arc::new(Nobody),
    )
}

pub async fn work(root: &Path) {
    for life in 0..2 {
        let journal = Arc::new(open(root).unwrap());
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let journal = journal.clone();
            tasks.spawn(async move {
                for number in 0..ENTRIES {
                    let name = format!("{life}-{task}-{number}");
                    let sequence = journal.append(rows::event(&name, None)).await.unwrap();
                    acknowledge(&format!("{sequence} {name}")).unwrap();
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        journal.close().await;
    }
}

async fn check(root: &Path, acknowledged: &[&str]) -> Result<(), Violation> {
    let journal = open(root).map_err(|error| Violation::DoesNotOpen(error.to_string()))?;
    let query = TailQuery {
        tenant: None,
        after: Some(0),
        limit: usize::MAX,
    };
    let found = journal.tail(query).await;
    let found = found.map_err(|error| Violation::HalfMade(error.to_string()))?;
    let sequences = found.iter().map(|entry| entry.sequence);
    if !sequences.eq(1..=found.len() as u64) {
        return Err(Violation::HalfMade("there are gaps".to_owned()));
    }
    for told in acknowledged {
        let (sequence, name) = told.split_once(' ').unwrap();
        let index = sequence.parse::<usize>().unwrap() - 1;
        // What nobody's key signs says so.
        let expected = AuditEvent {
            signature: Some(NodeSignature::NONE),
            ..rows::event(name, None)
        };
        let same = |entry: &Journaled| entry.event == expected;
        if !found.get(index).is_some_and(same) {
            return Err(Violation::Lost(format!("entry {told}")));
        }
    }
    let next = journal.append(rows::event("after", None)).await;
    journal.close().await;
    match next {
        Ok(sequence) if sequence == found.len() as u64 + 1 => Ok(()),
        other => Err(Violation::HalfMade(format!("the next entry: {other:?}"))),
    }
}

#[tokio::test]
async fn i02_the_journal_keeps_what_was_acknowledged_through_power_cuts() {
    JOURNAL.survives(check).await;
}

#[tokio::test]
async fn a_journal_that_does_not_sync_files_fails_the_check() {
    JOURNAL
        .fails_without(Omission::FileSyncs, Violation::is_loss, check)
        .await;
}

#[tokio::test]
async fn a_journal_that_does_not_sync_directories_fails_the_check() {
    JOURNAL
        .fails_without(Omission::DirectorySyncs, Violation::is_loss, check)
        .await;
}
