//! The index follows the journal, and makes only what is missing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use keyward_core::port::audit_log::AuditLog;
use keyward_core::port::audit_search::{CountBy, CountEvery, SearchFilter, SearchQuery};

use crate::answers::counts;
use crate::damage::entries;
use crate::naive;
use crate::stage::{Stage, event, grow, search};

#[tokio::test]
async fn after_a_start_only_what_is_missing_is_made() {
    let stage = Stage::new();
    stage.log(&entries(100)).await;
    grow(&stage.index(16));
    let files = stage.names();
    assert_eq!(files.len(), 6);
    let when = |at: usize| std::fs::metadata(&files[at]).unwrap().modified().unwrap();
    // An hour ago: what is made now is of another time, however coarse times are.
    for (at, name) in files.iter().enumerate() {
        let file = std::fs::File::options().write(true).open(name).unwrap();
        file.set_modified(when(at) - Duration::from_hours(1))
            .unwrap();
    }
    let made: Vec<SystemTime> = (0..6).map(when).collect();
    std::fs::remove_file(&files[2]).unwrap();
    let stage = stage.reopened().await;
    let index = stage.index(16);
    grow(&index);
    assert_eq!(index.blocks(), (6, 0));
    for at in [0, 1, 3, 4, 5] {
        assert_eq!(when(at), made[at], "{:?} was left as it was", files[at]);
    }
    assert_ne!(when(2), made[2]);
}

#[tokio::test]
async fn which_entry_is_in_which_file_follows_from_the_journal_alone() {
    let stage = Stage::new();
    let index = stage.index(16);
    for part in entries(100).chunks(7) {
        stage.log(part).await;
        index.grow().unwrap();
    }
    grow(&index);
    let read = |stage: &Stage| -> Vec<Vec<u8>> {
        let names = stage.names();
        names
            .iter()
            .map(|name| std::fs::read(name).unwrap())
            .collect()
    };
    let followed = read(&stage);
    assert_eq!(followed.len(), 6);
    std::fs::remove_dir_all(stage.files()).unwrap();
    grow(&stage.index(16));
    assert!(
        read(&stage) == followed,
        "made at once or entry by entry: the same bytes"
    );
}

#[tokio::test]
async fn numbers_that_a_loss_left_out_are_nothing_that_is_found() {
    let stage = Stage::new();
    stage.log(&entries(20)).await;
    let index = stage.index(8);
    grow(&index);
    drop(index);
    // 21 to 45 are lost, and with them whole blocks.
    let stage = stage.reopened_after(45).await;
    let index = stage.index(8);
    stage.log(&entries(30)).await;
    let all = stage.all().await;
    assert_eq!(all[20].sequence, 46);
    let everything = SearchFilter::default();
    for _ in 0..2 {
        assert_eq!(
            search(&index, &everything, 7),
            naive::search(&all, &everything)
        );
        let counted = counts(&index, &everything, CountBy::Key, CountEvery::Hour);
        let expected = naive::counts(&all, &everything, CountBy::Key, CountEvery::Hour);
        assert_eq!(counted, expected);
        grow(&index);
    }
    let index = stage.index(8);
    grow(&index);
    assert_eq!(
        search(&index, &everything, 7),
        naive::search(&all, &everything)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_the_question_is_found_while_the_journal_grows() {
    let stage = Stage::new();
    let index = Arc::new(stage.index(16));
    let ended = Arc::new(AtomicBool::new(false));
    let (growing, until) = (index.clone(), ended.clone());
    let grower = tokio::task::spawn_blocking(move || {
        while !until.load(Ordering::Relaxed) {
            growing.grow().unwrap();
        }
    });
    for entry in &entries(200) {
        let sequence = stage.journal.append(event(entry)).await.unwrap();
        let query = SearchQuery {
            filter: SearchFilter::default(),
            before: None,
            limit: 1,
        };
        let page = index.search(&query).unwrap();
        assert_eq!(page.entries[0].sequence, sequence);
        let all = counts(&index, &query.filter, CountBy::All, CountEvery::All);
        assert_eq!(all.values().sum::<u64>(), sequence);
    }
    ended.store(true, Ordering::Relaxed);
    grower.await.unwrap();
    let all = stage.all().await;
    let everything = SearchFilter::default();
    assert_eq!(
        search(&index, &everything, 50),
        naive::search(&all, &everything)
    );
}
