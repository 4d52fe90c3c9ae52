//! A machine's clock that jumps: nothing is refused for it, and the log's order and times hold.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::stage::{Stage, move_in};

/// The library that changes what a program takes for the time.
fn library() -> PathBuf {
    let found = fs::read_dir("/usr/lib").unwrap().find_map(|entry| {
        let library = entry.unwrap().path().join("faketime/libfaketime.so.1");
        library.exists().then_some(library)
    });
    found.expect("this test needs libfaketime: apt-get install libfaketime")
}

/// From now on the clocks of all that runs on this stage are off by so much.
fn put_clock(stage: &Stage, off: &str) {
    stage.write("clock.next", off);
    fs::rename(stage.path("clock.next"), stage.path("clock")).unwrap();
}

/// When each thing was done with a key, in the log's order: one after the other.
fn times(stage: &Stage) -> Vec<String> {
    let all = stage.keyward("audit export --format jsonl");
    let lines = all.done();
    let entries = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    entries
        .filter(|entry| entry["resource"]["kind"] == "key")
        .map(|entry| entry["time"].as_str().unwrap().to_owned())
        .collect()
}

/// What people do with keys; each answered.
fn work(stage: &Stage, key: &str) {
    stage.keyward(&format!("key create {key}")).done();
    let hidden = stage
        .keyward_with(&format!("key encrypt {key}"), b"hello")
        .done();
    stage.keyward(&format!("key rotate {key}")).done();
    let shown = stage.keyward_with(&format!("key decrypt {key}"), hidden.trim().as_bytes());
    assert_eq!(shown.done().trim(), "hello");
}

#[test]
fn i13_a_clock_that_jumps_back_an_hour_harms_nothing_and_the_order_is_kept() {
    let mut stage = Stage::new();
    put_clock(&stage, "+0");
    let clock = stage.path("clock");
    stage.set("LD_PRELOAD", library().to_str().unwrap());
    stage.set("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap());
    stage.set("FAKETIME_NO_CACHE", "1");
    stage.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let dev = stage.dev();
    move_in(&mut stage, &dev);
    let log_key = stage.signed("audit key").done().trim().to_owned();
    work(&stage, "before");
    stage.signed("audit copy first").done();

    put_clock(&stage, "-3600");
    let off = stage
        .shell("date +%s")
        .done()
        .trim()
        .parse::<i64>()
        .unwrap();
    let on = stage.shell("unset LD_PRELOAD; date +%s").done();
    let late = on.trim().parse::<i64>().unwrap() - off;
    assert!(
        (3_590..3_700).contains(&late),
        "the clock was put back: {late}"
    );
    work(&stage, "behind");
    // In order, and after a crash.
    dev.server.stop();
    let dev = stage.dev();
    move_in(&mut stage, &dev);
    work(&stage, "stopped");
    dev.server.kill();
    let dev = stage.dev();
    move_in(&mut stage, &dev);
    work(&stage, "killed");
    // And the way back.
    put_clock(&stage, "+0");
    work(&stage, "again");

    let times = times(&stage);
    assert!(times.len() >= 20 && times.is_sorted(), "{times:#?}");
    stage.signed("audit copy second").done();
    let since = "--since first/checkpoint";
    stage
        .keyward(&format!("audit verify second --key {log_key} {since}"))
        .done();
    let alerts = stage.keyward("alert list --output json").done();
    assert!(!alerts.contains("audit_"), "{alerts}");
}
