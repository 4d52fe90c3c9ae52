//! One tenant's flood is its own problem (invariant 5). Time plays no part: what counts is the
//! order in which the writer takes entries.

use futures_util::FutureExt;
use keyward_audit::{Journal, JournalConfig};
use keyward_core::port::audit_log::AuditLog;
use std::sync::Arc;

use crate::disk::Disk;
use crate::fixture::{config, event, open_with, tenant};

fn small_queue(disk: &Disk) -> Journal {
    let small = JournalConfig {
        queue_entries: 100,
        ..config()
    };
    open_with(disk, small, Arc::default()).unwrap()
}

#[tokio::test]
async fn i05_a_flood_in_one_tenant_delays_another_tenants_entry_by_one() {
    let disk = Disk::default();
    let journal = small_queue(&disk);
    disk.hold();
    let append = |number: u128| Box::pin(journal.append(event("e", Some(tenant(number)))));
    let mut first = append(1);
    assert!((&mut first).now_or_never().is_none());
    disk.wait_until_held();
    // While the first entry syncs, one tenant offers far more than the queue holds…
    let mut flood: Vec<_> = (0..1_000).map(|_| append(1)).collect();
    for entry in &mut flood {
        assert!(entry.now_or_never().is_none());
    }
    // …and then two others come with one entry each.
    let (mut second, mut third) = (append(2), append(3));
    assert!((&mut second).now_or_never().is_none());
    assert!((&mut third).now_or_never().is_none());
    disk.release();
    assert_eq!(first.await, Ok(1));
    assert_eq!(second.await, Ok(3));
    assert_eq!(third.await, Ok(4));
    for entry in flood {
        entry.await.unwrap();
    }
    assert_eq!(journal.last(), 1_003);
}

#[tokio::test]
async fn i05_tenants_that_flood_together_are_served_in_turn() {
    let disk = Disk::default();
    let journal = small_queue(&disk);
    disk.hold();
    let append = |number: u128| Box::pin(journal.append(event("e", Some(tenant(number)))));
    let mut first = append(9);
    assert!((&mut first).now_or_never().is_none());
    disk.wait_until_held();
    let mut floods: Vec<Vec<_>> = (1..=3)
        .map(|number| (0..50).map(|_| append(number)).collect())
        .collect();
    for entry in floods.iter_mut().flatten() {
        assert!(entry.now_or_never().is_none());
    }
    disk.release();
    first.await.unwrap();
    let mut order = Vec::new();
    for (number, flood) in floods.into_iter().enumerate() {
        for entry in flood {
            order.push((entry.await.unwrap(), number));
        }
    }
    order.sort_unstable();
    // Half of the queue is the first one's, a quarter the second's, an eighth the third's: until
    // the least of them runs dry they alternate strictly.
    let starts: Vec<_> = order.iter().take(36).map(|(_, number)| *number).collect();
    assert!(starts.chunks(3).all(|turn| turn == [0, 1, 2]), "{starts:?}");
}

#[tokio::test]
async fn a_caller_that_gives_up_waiting_for_room_leaves_nothing_behind() {
    let disk = Disk::default();
    let journal = small_queue(&disk);
    disk.hold();
    let append = |name: &str| Box::pin(journal.append(event(name, Some(tenant(1)))));
    let mut first = append("first");
    assert!((&mut first).now_or_never().is_none());
    disk.wait_until_held();
    let mut queued: Vec<_> = (0..50).map(|_| append("queued")).collect();
    let mut waiting: Vec<_> = (0..200).map(|_| append("waiting")).collect();
    for entry in queued.iter_mut().chain(&mut waiting) {
        assert!(entry.now_or_never().is_none());
    }
    drop(waiting);
    let mut last = append("last");
    assert!((&mut last).now_or_never().is_none());
    disk.release();
    assert_eq!(last.await, Ok(52));
    assert_eq!(first.await, Ok(1));
    for entry in queued {
        entry.await.unwrap();
    }
    assert_eq!(journal.last(), 52);
    // All room is free again: a whole lane fits at once.
    disk.hold();
    let mut again: Vec<_> = (0..50).map(|_| append("again")).collect();
    for entry in &mut again {
        assert!(entry.now_or_never().is_none());
    }
    disk.release();
    for entry in again {
        entry.await.unwrap();
    }
}
