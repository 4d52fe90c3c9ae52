//! What a server keeps of its journal: a finished segment is sealed while it serves, and everything that
//! reads the log goes on as before; whoever touches the sealed file is noticed.

use std::fs;

use crate::stage::{Stage, move_in, with_dev};

const WRITTEN: &str = "data/audit/journal-00000000000000000001.kwj";
const SEALED: &str = "data/audit/journal-00000000000000000001.kws";

/// Uses the server until something is so: some hundreds of commands at most.
fn until(stage: &Stage, so: impl Fn() -> bool) {
    let mut turns = 0..5_000;
    assert!(turns.any(|_| {
        stage.keyward("key list").done();
        so()
    }));
}

#[test]
fn i02_i13_a_servers_finished_segment_is_sealed_and_the_log_is_what_it_was() {
    let (mut stage, dev) = with_dev();
    for turn in 0..300 {
        stage.keyward(&format!("key show orders-{turn}"));
    }
    dev.server.stop();
    let before = fs::read(stage.path(WRITTEN)).unwrap();
    let full = stage.shell("find data/audit/log -path '*/tile/entries/*' -type f");
    let full: Vec<String> = full.done().lines().map(str::to_owned).collect();
    assert!(!full.is_empty());
    // A node that was renamed begins a new segment.
    let renamed = ("KEYWARD_NODE_NAME".to_owned(), "node-b".to_owned());
    stage.environment.extend([renamed]);
    let dev = stage.dev();
    move_in(&mut stage, &dev);
    until(&stage, || !stage.path(WRITTEN).exists());
    let sealed = fs::metadata(stage.path(SEALED)).unwrap().len();
    assert!(
        sealed * 4 < before.len() as u64,
        "{sealed} of {}",
        before.len()
    );
    // Its tiles of leaves are gone too, and are given out all the same.
    until(&stage, || {
        !full.iter().any(|file| stage.path(file).exists())
    });
    let key = stage.signed("audit key").done();
    let key = key.trim();
    stage.signed("audit copy copy").done();
    let verify = format!("audit verify copy --key {key}");
    let report = stage.keyward(&format!("{verify} --output json")).json();
    assert_eq!(report["sound"], true);
    let first = stage.keyward("--tenant system audit search --action system.init --output json");
    let first = first.json()["items"][0]["sequence"].as_u64().unwrap();
    assert!(first < 10, "{first}");
    let receipt = format!("--tenant system audit receipt {first}");
    stage.signed(&receipt).done();
    dev.server.stop();

    // It starts on it as on any other, and watches it.
    let dev = stage.dev();
    move_in(&mut stage, &dev);
    stage.signed(&receipt).done();
    let mut bytes = fs::read(stage.path(SEALED)).unwrap();
    bytes.push(0);
    fs::write(stage.path(SEALED), bytes).unwrap();
    let refused = (0..5_000)
        .map(|_| stage.keyward("key list"))
        .find(|ended| ended.code != 0)
        .unwrap();
    assert!(refused.err.contains("audit_unavailable"), "{refused:?}");
    assert!(refused.err.contains("00001.kws was changed"), "{refused:?}");
    drop(dev);
}
