//! A cursor that cannot be believed stops its sink, with words, and never has it skip anything.

use std::fs;

use keyward_core::sink_board::SinkState;
use keyward_sinks::Start;

use crate::files::to_file;
use crate::stage::{Stage, numbers};

/// A stage on which a sink has got to an entry.
async fn with_cursor_at(last: u64) -> Stage {
    let stage = Stage::new().await;
    stage.append(last).await;
    let mut running = stage.follow(&to_file(&stage.path("audit.jsonl")));
    running.has(last).await;
    running.end().await;
    stage
}

fn delivered(stage: &Stage) -> Vec<u64> {
    numbers(
        fs::read_to_string(stage.path("audit.jsonl"))
            .unwrap()
            .lines(),
    )
}

#[tokio::test]
async fn a_damaged_cursor_is_refused_until_it_is_mended() {
    let stage = with_cursor_at(4).await;
    let good = fs::read(stage.cursor()).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    fs::write(
        stage.cursor(),
        text.replace("\"sequence\":4", "\"sequence\":9"),
    )
    .unwrap();
    stage.append(2).await;
    let mut running = stage.follow(&to_file(&stage.path("audit.jsonl")));
    let why = running.refuses().await;
    assert!(
        why.contains("siem.cursor is damaged") && why.contains("`from`"),
        "{why}"
    );
    assert_eq!(delivered(&stage), [1, 2, 3, 4]);
    fs::write(stage.cursor(), good).unwrap();
    running.has(6).await;
    assert_eq!(running.now().state, SinkState::Following);
    running.end().await;
    assert_eq!(delivered(&stage), [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn an_older_journal_that_was_put_back_is_noticed() {
    let stage = with_cursor_at(40).await.with_another_journal().await;
    stage.append(10).await;
    let mut running = stage.follow(&to_file(&stage.path("audit.jsonl")));
    let why = running.refuses().await;
    assert!(
        why.contains("behind entry 40") && why.contains("ends with 10"),
        "{why}"
    );
    running.end().await;
    assert_eq!(delivered(&stage).len(), 40);
}

#[tokio::test]
async fn another_journal_is_noticed_also_when_it_is_long_enough() {
    let stage = with_cursor_at(5).await.with_another_journal().await;
    stage.append(50).await;
    let mut running = stage.follow(&to_file(&stage.path("audit.jsonl")));
    let why = running.refuses().await;
    assert!(why.contains("another journal"), "{why}");
    // As the words say: moved away, and told where to begin.
    running.end().await;
    fs::rename(stage.cursor(), stage.path("old.cursor")).unwrap();
    let mut settings = to_file(&stage.path("audit.jsonl"));
    settings.from = Start::After(48);
    let mut running = stage.follow(&settings);
    running.has(50).await;
    running.end().await;
    assert_eq!(delivered(&stage), [1, 2, 3, 4, 5, 49, 50]);
}

#[tokio::test]
async fn a_beginning_that_is_not_there_is_refused() {
    let stage = Stage::new().await;
    stage.append(3).await;
    let mut settings = to_file(&stage.path("audit.jsonl"));
    settings.from = Start::After(9);
    let mut running = stage.follow(&settings);
    let why = running.refuses().await;
    assert!(why.contains("the entry 9"), "{why}");
    stage.append(7).await;
    running.has(10).await;
    running.end().await;
    assert_eq!(delivered(&stage), [10]);
}

#[tokio::test]
async fn now_is_written_down_before_anything_is_read() {
    let stage = Stage::new().await;
    stage.append(3).await;
    let mut settings = to_file(&stage.path("audit.jsonl"));
    settings.from = Start::Now;
    let mut running = stage.follow(&settings);
    running.has(3).await;
    running.kill().await;
    stage.append(2).await;
    let mut running = stage.follow(&settings);
    running.has(5).await;
    running.end().await;
    assert_eq!(delivered(&stage), [4, 5]);
}
