//! A process that is killed in the middle of its work has lost nothing that it acknowledged.
#![expect(
    clippy::disallowed_methods,
    reason = "the child is told where to work by its environment"
)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use keyward_audit::SyncMode;
use keyward_core::port::audit_log::AuditLog;

use crate::fixture::{entries, event, open_dir};

const DIR: &str = "KEYWARD_TEST_JOURNAL_DIR";
const ROUND: &str = "KEYWARD_TEST_JOURNAL_ROUND";
const ROUNDS: usize = 20;

/// The child: does nothing unless the story below started it.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let (Some(dir), Ok(round)) = (std::env::var_os(DIR), std::env::var(ROUND)) else {
        return;
    };
    let sync = if round.len() % 2 == 0 {
        SyncMode::Always
    } else {
        SyncMode::Written
    };
    let journal = Arc::new(open_dir(dir.as_ref(), sync));
    let callers = (0..16).map(|caller| {
        let (journal, round) = (Arc::clone(&journal), round.clone());
        tokio::spawn(async move {
            for turn in 0_u64.. {
                let name = format!("r{round}-c{caller}-t{turn}");
                let sequence = journal.append(event(&name, None)).await.unwrap();
                // One write for a line, so that a line that arrives is a whole one.
                let line = format!("\nacknowledged {sequence} {name} .\n");
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        })
    });
    futures_util::future::join_all(callers).await;
}

fn parse(line: &str) -> Option<(u64, String)> {
    let words: Vec<_> = line.split(' ').collect();
    match words[..] {
        ["acknowledged", sequence, name, "."] => Some((sequence.parse().ok()?, name.to_owned())),
        _ => None,
    }
}

#[tokio::test]
async fn i02_what_was_acknowledged_survives_kill_9_at_any_instant() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child", "--nocapture"])
            .env(DIR, dir.path())
            // Its length alternates between the two modes.
            .env(ROUND, format!("{round:0width$}", width = 4 + round % 2))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let some = 1 + round * 37 % 200;
        acknowledged.extend(lines.by_ref().filter_map(|line| parse(&line)).take(some));
        child.kill().unwrap();
        acknowledged.extend(lines.filter_map(|line| parse(&line)));
        child.wait().unwrap();
        assert!(acknowledged.len() > round);
    }
    let journal = open_dir(dir.path(), SyncMode::Always);
    let found = entries(&journal).await;
    assert!(
        found
            .iter()
            .map(|(sequence, _)| *sequence)
            .eq(1..=found.len() as u64)
    );
    for (sequence, name) in acknowledged {
        assert_eq!(found[sequence as usize - 1], (sequence, name));
    }
}
