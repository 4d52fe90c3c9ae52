//! Where an entry stands is told when it is written, and is where the trees then have it.

use std::sync::Arc;

use futures_util::future::join_all;
use keyward_audit::Journal;
use keyward_audit::trees::{Forest, Tree};
use keyward_core::audit::{Leaf, LeafMark, LeafSlot, LogKind};
use keyward_core::ids::TenantId;
use keyward_core::port::audit_log::AuditLog;

use crate::stage::{Disk, Handle, Stored, event, grown, journal, log, open, tenant};

type Told = (String, Option<TenantId>, LeafSlot);

/// Appends entries of several tenants; who asked for each, and where its place is put.
async fn told(journal: &Journal, numbers: std::ops::Range<u64>) -> Vec<Told> {
    let appended = numbers.map(|number| {
        let (tenant, change) = match number % 5 {
            0 => (None, None),
            1 => (Some(tenant(1)), Some(number as i64)),
            2 => (Some(tenant(u128::from(number))), None),
            _ => (Some(tenant(1)), None),
        };
        let (name, slot) = (format!("asked-{number}"), LeafSlot::default());
        let mut entry = event(&name, tenant, change);
        entry.leaf = LeafMark::to(slot.clone());
        async move {
            journal.append(entry).await.unwrap();
            (name, tenant, slot)
        }
    });
    join_all(appended).await
}

/// How many of these were told a place; each of these places has that very entry.
fn assert_true(forest: &Forest<Handle>, told: &[Told]) -> usize {
    let mut count = 0;
    for (name, tenant, slot) in told {
        let Some(Leaf { log, index }) = slot.get() else {
            continue;
        };
        let tree = match (tenant, log) {
            (None, LogKind::System) => Tree::System,
            (Some(tenant), LogKind::Changes) => Tree::Changes(*tenant),
            (Some(tenant), LogKind::Operations) => Tree::Operations(*tenant),
            wrong => panic!("{name}: {wrong:?}"),
        };
        let entry = forest.at(tree, index).unwrap().expect("an entry");
        let entry = String::from_utf8(entry).unwrap();
        assert!(entry.contains(&format!("\"{name}\"")), "{name}: {entry}");
        count += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn the_place_that_is_told_has_that_entry() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    let disk = Disk::with(Stored::new());
    // Some that the trees have, some that they do not have when the counting begins.
    log(&journal, 0..700).await;
    let forest = grown(&disk, &journal).unwrap();
    let before = told(&journal, 0..300).await;
    forest.numbering()().unwrap();
    let after = told(&journal, 300..900).await;
    let forest = grown(&disk, &journal).unwrap();
    assert_eq!(assert_true(&forest, &before), 0, "nobody had counted yet");
    assert_eq!(assert_true(&forest, &after), 600);
    let size = forest.head(Tree::System).size;
    assert_eq!(forest.at(Tree::System, size).unwrap(), None);
    assert!(!forest.may_have(Tree::System, size));

    // The same after a start.
    drop((forest, before));
    journal.close().await;
    let journal = crate::stage::journal(place.path());
    let forest = open(&disk, &journal).unwrap();
    forest.numbering()().unwrap();
    let again = told(&journal, 900..1_000).await;
    let forest = grown(&disk, &journal).unwrap();
    assert_eq!(assert_true(&forest, &again), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn counting_begins_while_entries_are_written() {
    for _ in 0..20 {
        let place = tempfile::tempdir().unwrap();
        let journal = journal(place.path());
        let disk = Disk::with(Stored::new());
        let writing: Vec<_> = (0..4)
            .map(|number| {
                let journal = Arc::clone(&journal);
                tokio::spawn(async move {
                    let from = number * 1_000;
                    told(&journal, from..from + 200).await
                })
            })
            .collect();
        let forest = open(&disk, &journal).unwrap();
        forest.numbering()().unwrap();
        let all: Vec<Told> = join_all(writing)
            .await
            .into_iter()
            .flat_map(Result::unwrap)
            .collect();
        let forest = grown(&disk, &journal).unwrap();
        assert_true(&forest, &all);
    }
}
