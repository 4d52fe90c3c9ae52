//! A process that is killed while it rotates the root key and wraps its seals anew, again and again:
//! the next one opens with every seal and finds everything.
//!
//! The process is this test's own binary, told by an environment variable what to do.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use keyward_core::port::seal::{SealControl, SealKeeping, SealKind, SealRenewal};

use crate::root::finish;
use crate::stage::{Stage, at, ids, prove_with};

/// Set for the process: where the deployment is.
const FOLDER: &str = "KEYWARD_TEST_ROTATE_FOLDER";
const ROUNDS: usize = 30;

/// The process. In an ordinary run it has nothing to do.
#[tokio::test]
#[allow(clippy::disallowed_methods)] // the environment is how parent and child talk
async fn the_process_that_rotates_until_it_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let rows = std::fs::read(folder.join("rows.json")).unwrap();
    let shares = std::fs::read_to_string(folder.join("shares")).unwrap();
    let shares: Vec<_> = shares
        .lines()
        .map(|line| zeroize::Zeroizing::new(line.to_owned()))
        .collect();
    let stage = Stage::found_in(folder, serde_json::from_slice(&rows).unwrap());
    let node = stage.node().await;
    let say = |what: &str| {
        let line = format!("did {what}\n");
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    };
    let [by_file] = ids(&node, SealKind::KeyFile)[..] else {
        panic!()
    };
    let [by_shares] = ids(&node, SealKind::Shares)[..] else {
        panic!()
    };
    loop {
        finish(&node).await;
        say("finish");
        node.begin_root_rotation(at(1)).await.unwrap();
        say("begin");
        prove_with(&node, by_shares, &shares[..2]).await;
        say("part");
        node.commit_root_rotation(at(2)).await.unwrap();
        say("commit");
        finish(&node).await;
        // To the other key file, and back the next time.
        node.renew_seal(by_file, SealRenewal::default(), at(3))
            .await
            .unwrap();
        say("rewrap");
    }
}

/// Runs the process until it has said so much, and kills it.
fn run_and_kill(folder: &Path, lines: usize) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "kill::the_process_that_rotates_until_it_is_killed",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    while seen < lines {
        let Some(line) = said.next() else {
            let output = child.wait_with_output().unwrap();
            panic!(
                "it ended early: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        };
        seen += usize::from(line.unwrap().contains("did "));
    }
    // SIGKILL: nothing of the process runs after it.
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_a_process_killed_while_it_rotates_leaves_every_seal_opening_everything() {
    let stage = Stage::new().await;
    let shares = {
        let node = stage.node().await;
        stage.add_shares(&node).await.1
    };
    let lines: Vec<&str> = shares.iter().map(|share| share.as_str()).collect();
    std::fs::write(stage.path("shares"), lines.join("\n")).unwrap();
    let rows = serde_json::to_vec(&stage.ledger.rows()).unwrap();
    std::fs::write(stage.path("rows.json"), rows).unwrap();
    let mut versions = 0;
    for round in 0..ROUNDS {
        let folder = stage.folder.clone();
        tokio::task::spawn_blocking(move || run_and_kill(&folder, 1 + round % 11))
            .await
            .unwrap();
        let node = stage.node().await;
        stage.all_there(&node).await;
        versions = versions.max(node.overview().unwrap().root_key_version);
        let by_shares = stage.sealed(&[]).await;
        for share in &shares[1..] {
            by_shares.submit_share(share).await.unwrap();
        }
        assert!(!by_shares.is_sealed());
        stage.all_there(&by_shares).await;
    }
    assert!(versions > 5, "only {versions} rotations");
}
