//! The power goes at any instant, and a disk keeps of what was not synced whatever it likes: what
//! was acknowledged is there, in its place (invariants 2 and 3). A journal on a disk that does not
//! sync must fail the same check, or the check would prove nothing.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use keyward_audit::{JournalConfig, SyncMode};
use keyward_core::port::audit_log::AuditLog;

use crate::disk::{Dice, Disk, Failure};
use crate::fixture::{config, entries, event, open_with, tenant};

const SEEDS: u64 = 40;

fn small(sync: SyncMode) -> JournalConfig {
    JournalConfig {
        sync,
        segment_bytes: 4_000,
        ..config()
    }
}

/// Lives through several power cuts on one disk; tells what broke the promise, if anything did.
async fn live(disk: &Disk, seed: u64, sync: SyncMode, faults: bool) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let mut acknowledged = BTreeMap::new();
    for life in 0..5 {
        disk.cut_after(dice.below(120));
        if faults {
            let failure = [Failure::Before, Failure::After, Failure::Half][dice.below(3) as usize];
            disk.fail_after(dice.below(60), failure);
        }
        if let Ok(journal) = open_with(disk, small(sync), std::sync::Arc::default()) {
            for turn in 0..40 {
                if disk.is_down() {
                    break;
                }
                let names: Vec<_> = (0..=dice.below(8))
                    .map(|one| format!("s{seed}-l{life}-t{turn}-{one}"))
                    .collect();
                let appends = names.iter().map(|name| {
                    let of = tenant(u128::from(name.len() as u64 % 3));
                    journal.append(event(name, Some(of)))
                });
                for (name, appended) in names.iter().zip(join_all(appends).await) {
                    if let Ok(sequence) = appended
                        && let Some(other) = acknowledged.insert(sequence, name.clone())
                    {
                        return Err(format!("{sequence} was given to {other} and to {name}"));
                    }
                }
                if journal.fault().is_some() && !disk.is_down() {
                    journal.repaired().await;
                }
            }
        }
        disk.reboot(&mut dice);
        check(&disk.copy(), sync, &mut acknowledged)
            .await
            .map_err(|why| format!("life {life}: {why}"))?;
    }
    Ok(())
}

async fn check(
    disk: &Disk,
    sync: SyncMode,
    acknowledged: &mut BTreeMap<u64, String>,
) -> Result<(), String> {
    let journal = open_with(disk, small(sync), std::sync::Arc::default())
        .map_err(|error| format!("it does not open: {error}"))?;
    let found = entries(&journal).await;
    if !found
        .iter()
        .map(|(sequence, _)| *sequence)
        .eq(1..=found.len() as u64)
    {
        return Err(format!("there are gaps: {found:?}"));
    }
    if sync == SyncMode::Written {
        acknowledged.retain(|sequence, _| *sequence <= found.len() as u64);
    }
    for (sequence, name) in acknowledged.iter() {
        if !found.contains(&(*sequence, name.clone())) {
            return Err(format!(
                "{name} was acknowledged as {sequence} and is not there"
            ));
        }
    }
    Ok(())
}

async fn first_seed_that_fails(disk: impl Fn() -> Disk, faults: bool) -> Option<String> {
    for seed in 0..SEEDS {
        if let Err(why) = live(&disk(), seed, SyncMode::Always, faults).await {
            return Some(format!("seed {seed}: {why}"));
        }
    }
    None
}

#[tokio::test]
async fn i02_what_was_acknowledged_survives_power_cuts_at_any_instant() {
    assert_eq!(first_seed_that_fails(Disk::default, false).await, None);
}

#[tokio::test]
async fn i02_what_was_acknowledged_survives_power_cuts_after_failed_operations() {
    assert_eq!(first_seed_that_fails(Disk::default, true).await, None);
}

#[tokio::test]
async fn i02_a_journal_that_does_not_sync_its_files_fails_the_check() {
    assert!(
        first_seed_that_fails(Disk::that_ignores_sync, false)
            .await
            .is_some()
    );
}

#[tokio::test]
async fn i02_a_journal_that_does_not_sync_its_directory_fails_the_check() {
    assert!(
        first_seed_that_fails(Disk::that_ignores_sync_dir, false)
            .await
            .is_some()
    );
}

/// Entries may be lost, and that is all: what is left is whole, and the journal opens.
#[tokio::test]
async fn without_syncs_a_power_cut_costs_the_last_entries_and_nothing_else() {
    for seed in 0..SEEDS {
        let lived = live(&Disk::default(), seed, SyncMode::Written, false).await;
        assert_eq!(lived, Ok(()), "seed {seed}");
    }
}
