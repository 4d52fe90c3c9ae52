//! Uses of a tenant's keys counted, by the command: ordered, and shown wherever the log is read.

use std::fs;

use crate::stage::{Stage, with_dev};

/// Waits until what was counted is written.
fn written(stage: &Stage) -> String {
    for _ in 0..1_000 {
        let found = stage.keyward("--tenant demo audit search --action key.encrypt");
        assert_eq!(found.code, 0, "{found:?}");
        if found.out.contains(" times") {
            assert!(found.err.contains("may stand for many"), "{found:?}");
            return found.out;
        }
    }
    panic!("nothing was counted")
}

#[test]
fn uses_are_counted_on_order_and_every_command_that_reads_the_log_says_so() {
    let (stage, _dev) = with_dev();
    stage
        .keyward("tenant audit-detail demo counts")
        .refused(2, &["reason"]);
    stage
        .keyward("tenant audit-detail demo sometimes --reason x")
        .refused(2, &["sometimes"]);
    let shown = stage.keyward("tenant show demo").done();
    assert!(shown.contains("each"), "{shown}");
    let set = stage
        .keyward("tenant audit-detail demo counts --reason rate")
        .done();
    assert!(set.contains("counts since 2"), "{set}");
    stage.keyward("key create ward-1").done();
    for _ in 0..4 {
        stage.keyward_with("key encrypt ward-1", b"text").done();
    }
    // Back, so that it is written without waiting for the minute's end: also then it is said.
    stage
        .keyward("tenant audit-detail demo counts --reason again")
        .done();
    let tenant = stage.keyward("tenant show demo --output json").json();
    assert_eq!(tenant["audit_detail"], "counts");
    let reader = stage.keyward("--tenant demo audit count --by action --output json");
    assert_eq!(reader.json()["detail"][0]["audit_detail"], "counts");
    stage.keyward("tenant audit-detail demo each").done();
    written(&stage);

    for words in [
        "--tenant demo audit tail",
        "--tenant demo audit count --by action",
        "--tenant demo audit export --format csv",
        "--tenant demo audit custody ward-1",
        "--tenant demo audit export --format parquet --out log.parquet",
    ] {
        let read = stage.signed(words);
        assert_eq!(read.code, 0, "{read:?}");
        assert!(
            read.err.contains("entries may stand for many"),
            "{words}: {read:?}"
        );
    }
    let custody = stage.keyward("--tenant demo audit custody ward-1").done();
    assert!(custody.contains(" entries"), "{custody}");
    stage
        .signed("--tenant demo audit evidence --out bundle")
        .done();
    let manifest = fs::read_to_string(stage.path("bundle/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["detail"][0]["audit_detail"], "each");
    let key = stage.signed("audit key").done();
    stage
        .keyward(&format!("audit check bundle --key {}", key.trim()))
        .done();
}
