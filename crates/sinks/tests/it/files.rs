//! Into files: whole lines, once where nothing was killed, never with a gap.

use std::fs;
use std::io::Write;
use std::path::Path;

use keyward_core::audit::Outcome;
use keyward_core::audit::format::Format;
use keyward_core::noun::action::Action;
use keyward_core::sink_board::{SinkState, SinkStatus};
use keyward_sinks::{FileSettings, Filter, SinkSettings, Start, Target};
use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;

use crate::stage::{Stage, assert_whole, numbers, settings};

pub fn to_file(path: &Path) -> SinkSettings {
    settings(Target::File(FileSettings {
        path: path.to_owned(),
        group_readable: false,
        rotate_bytes: 0,
        rotate_hours: 0,
        keep: 0,
    }))
}

fn in_file(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    numbers(text.lines())
}

#[tokio::test]
async fn a_sink_that_was_ended_goes_on_where_it_was() {
    let stage = Stage::new().await;
    let file = stage.path("audit.jsonl");
    for round in 1..=3 {
        stage.append(150).await;
        let mut running = stage.follow(&to_file(&file));
        running.has(round * 150).await;
        running.end().await;
    }
    assert_eq!(in_file(&file), (1..=450).collect::<Vec<u64>>());
}

#[tokio::test]
async fn what_is_logged_while_it_follows_comes_too() {
    let stage = Stage::new().await;
    let file = stage.path("audit.jsonl");
    let mut running = stage.follow(&to_file(&file));
    for round in 1..=5 {
        stage.append(7).await;
        let status = running.has(round * 7).await;
        assert_eq!(status.failures, 0);
    }
    running.until(|status| status.waiting_since.is_none()).await;
    running.end().await;
    assert_eq!(in_file(&file), (1..=35).collect::<Vec<u64>>());
}

#[tokio::test]
async fn killed_between_write_and_cursor_it_repeats_and_leaves_nothing_out() {
    let stage = Stage::new().await;
    let file = stage.path("audit.jsonl");
    let mut last = 0;
    for round in 0..20 {
        stage.append(30).await;
        last += 30;
        // A runtime of its own: what it began to write ends with it, as a process's does.
        let runtime = Runtime::new().unwrap();
        let mut running = stage.follow_on(runtime.handle(), &to_file(&file));
        // Before anything, in the middle, and behind everything.
        running.has((last - 30) + round % 4 * 10).await;
        running.kill().await;
        spawn_blocking(move || drop(runtime)).await.unwrap();
        // Killed in the middle of a line.
        if round % 3 == 0 {
            let mut torn = fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(&file)
                .unwrap();
            torn.write_all(b"{\"sequence\":99999,\"ti").unwrap();
        }
    }
    let mut running = stage.follow(&to_file(&file));
    running.has(last).await;
    running.end().await;
    assert_whole(&in_file(&file), last);
}

#[tokio::test]
async fn rotation_loses_nothing_and_each_file_has_its_head() {
    let stage = Stage::new().await;
    let file = stage.path("audit.csv");
    let mut small = to_file(&file);
    small.format = Format::Csv;
    small.pace.entries = 10;
    let Target::File(target) = &mut small.target else {
        panic!("a file");
    };
    target.rotate_bytes = 5_000;
    stage.append(200).await;
    let mut running = stage.follow(&small);
    running.has(200).await;
    running.end().await;
    let mut files: Vec<_> = fs::read_dir(stage.dir.path())
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("audit.csv"))
        .collect();
    files.sort();
    files.rotate_left(1);
    assert!(files.len() > 3, "{files:?}");
    let mut all = Vec::new();
    for path in files {
        let text = fs::read_to_string(path).unwrap();
        let (head, lines) = text.split_once('\n').unwrap();
        assert!(head.starts_with("sequence,"));
        let first = |line: &str| line.split(',').next().unwrap().parse::<u64>().unwrap();
        all.extend(lines.lines().map(first));
    }
    assert_eq!(all, (1..=200).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_begun_anew() {
    let stage = Stage::new().await;
    let file = stage.path("audit.jsonl");
    let mut running = stage.follow(&to_file(&file));
    stage.append(5).await;
    running.has(5).await;
    fs::rename(&file, stage.path("moved")).unwrap();
    stage.append(5).await;
    running.has(10).await;
    running.end().await;
    assert_eq!(in_file(&stage.path("moved")), [1, 2, 3, 4, 5]);
    assert_eq!(in_file(&file), [6, 7, 8, 9, 10]);
}

#[tokio::test]
async fn a_sink_begins_where_it_was_told_and_gets_what_it_wants() {
    let stage = Stage::new().await;
    for action in [Action::KeyCreate, Action::AuditHeads, Action::KeyEncrypt] {
        for outcome in [Outcome::Ok, Outcome::Refused] {
            stage.append_one(action, outcome).await;
        }
    }
    let filter = Filter {
        outcomes: vec![Outcome::Refused],
        ..Filter::default()
    };
    let kinds = [
        (Start::Beginning, Filter::default(), vec![1, 2, 5, 6, 7]),
        (Start::After(4), Filter::default(), vec![5, 6, 7]),
        (Start::Now, Filter::default(), vec![7]),
        (Start::Beginning, filter, vec![2, 6]),
    ];
    let mut all = Vec::new();
    for (place, (from, filter, wanted)) in kinds.into_iter().enumerate() {
        let file = stage.path(&format!("{place}.jsonl"));
        let mut settings = to_file(&file);
        settings.name = format!("sink-{place}");
        (settings.from, settings.filter) = (from, filter);
        let mut running = stage.follow(&settings);
        running.has(6).await;
        all.push((running, file, wanted));
    }
    stage.append(1).await;
    for (mut running, file, wanted) in all {
        running.has(7).await;
        running.end().await;
        assert_eq!(in_file(&file), wanted, "{}", file.display());
    }
}

#[tokio::test]
async fn a_directory_that_is_gone_is_waited_for() {
    let stage = Stage::new().await;
    let mut running = stage.follow(&to_file(&stage.path("audit.jsonl")));
    stage.append(3).await;
    running.has(3).await;
    running.end().await;
    let dir = stage.path("gone");
    let mut running = stage.follow(&{
        let mut settings = to_file(&dir.join("audit.jsonl"));
        settings.name = "other".to_owned();
        settings
    });
    let status = running.until(|status| status.failures > 2).await;
    assert!(status.trouble.unwrap().contains("audit.jsonl"));
    assert!(status.waiting_since.is_some());
    fs::create_dir(&dir).unwrap();
    running.has(3).await;
    assert_eq!(running.now().trouble, None);
    running.end().await;
    assert_eq!(in_file(&dir.join("audit.jsonl")), [1, 2, 3]);
}

#[tokio::test]
async fn a_cursor_that_cannot_be_written_is_trouble_and_delivers_nothing_twice() {
    let stage = Stage::new().await;
    let file = stage.path("audit.jsonl");
    let mut running = stage.follow(&to_file(&file));
    stage.append(3).await;
    running.has(3).await;
    // What it is written to first.
    let in_the_way = stage.cursor().with_extension("cursor.new");
    fs::create_dir(&in_the_way).unwrap();
    stage.append(3).await;
    let failing = |status: &SinkStatus| status.state == SinkState::Failing;
    let status = running.until(failing).await;
    assert!(status.trouble.unwrap().contains("siem.cursor"));
    stage.append(3).await;
    let status = running.has(9).await;
    assert!(failing(&status) && status.failing_since.is_some());
    let again = running
        .until(|it| it.failures > status.failures && it.waiting_since.is_none())
        .await;
    assert_eq!(again.failing_since, status.failing_since);
    fs::remove_dir(&in_the_way).unwrap();
    running.until(|status| status.trouble.is_none()).await;
    running.end().await;
    assert_eq!(in_file(&file), (1..=9).collect::<Vec<u64>>());
}
