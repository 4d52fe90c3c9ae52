//! Where the journal's beginning was let go of, the index begins there too: nothing that is gone is found
//! or counted, also if the files of the index are of before.

use std::sync::Arc;

use keyward_audit::Oldest;
use keyward_audit::index::AuditIndex;
use keyward_audit::trees::{Forest, LogDirectory, Sweeping};
use keyward_core::port::audit_search::{CountBy, CountEvery, SearchFilter};
use keyward_core::time::Timestamp;

use crate::answers::counts;
use crate::damage::entries;
use crate::naive;
use crate::stage::{BEGAN, Stage, grow, search};

/// The trees with everything, and the last entries of the segments that can go.
fn sealed(stage: &Stage) -> (Forest<LogDirectory>, Vec<u64>) {
    let files = LogDirectory::new(&stage.files().with_file_name("log")).unwrap();
    let mut forest = Forest::open(files, Arc::clone(&stage.journal)).unwrap();
    while forest.grow().unwrap() {}
    forest.keep().unwrap();
    let mut sealer = stage.journal.sealer();
    while let Some(mut sealing) = sealer.begin(stage.journal.last()).unwrap() {
        while sealer.step(&mut sealing).unwrap() {}
    }
    let oldest = Oldest::new(Arc::clone(&stage.journal));
    let oldest = oldest.look(usize::MAX, u64::MAX).unwrap();
    (forest, oldest.iter().map(|it| it.last).collect())
}

fn let_go(stage: &Stage, forest: &mut Forest<LogDirectory>, first: u64) {
    let mut letting = forest.begin_letting_go(first);
    while forest.gather(&mut letting).unwrap() {}
    let noted = forest.noted(letting, Timestamp::from_micros(BEGAN));
    let noted = noted.unwrap();
    noted.write().unwrap();
    forest.let_go(noted).unwrap();
    stage.journal.finish_letting_go().unwrap();
    let mut sweeping = Sweeping::default();
    while forest.sweep(&mut sweeping).unwrap() {}
}

/// The index finds what reading all of what is left does.
async fn finds(stage: &Stage, index: &AuditIndex) {
    let (all, everything) = (stage.all().await, SearchFilter::default());
    for limit in [7, 1_000] {
        let found = search(index, &everything, limit);
        let newest_first: Vec<_> = all.iter().rev().cloned().collect();
        assert_eq!(found, newest_first);
    }
}

/// The same, and counts it.
async fn answers(stage: &Stage, index: &AuditIndex) {
    finds(stage, index).await;
    let (all, everything) = (stage.all().await, SearchFilter::default());
    for (by, every) in [
        (CountBy::Action, CountEvery::All),
        (CountBy::Tenant, CountEvery::Hour),
    ] {
        let expected = naive::counts(&all, &everything, by, every);
        assert_eq!(counts(index, &everything, by, every), expected);
    }
}

#[tokio::test]
async fn what_is_gone_is_neither_found_nor_counted_whatever_files_are_left() {
    // In blocks that are smaller than a segment, larger than some, and one for all.
    for size in [8, 64, 4_096] {
        let stage = Stage::new();
        for part in entries(300).chunks(20) {
            stage.log(part).await;
        }
        let index = stage.index(size);
        grow(&index);
        assert!(index.has_all_through(300));
        let (mut forest, ends) = sealed(&stage);
        assert!(ends.len() > 4, "{ends:?}");
        let first = ends[2] + 1;
        let_go(&stage, &mut forest, first);
        // Before the index is told.
        finds(&stage, &index).await;
        index.let_go().unwrap();
        answers(&stage, &index).await;
        grow(&index);
        answers(&stage, &index).await;
        assert!(index.has_all_through(300));
        let names = stage.names();
        // It was never told: the process died.
        drop(index);
        let_go(&stage, &mut forest, ends[3] + 1);
        drop(forest);
        let stage = stage.reopened().await;
        let index = stage.index(size);
        assert!(!index.has_all_through(300), "nothing is known of it yet");
        answers(&stage, &index).await;
        grow(&index);
        answers(&stage, &index).await;
        assert!(stage.names().len() <= names.len());
        assert_eq!(index.blocks().1, 0);
        stage.journal.close().await;
    }
}
