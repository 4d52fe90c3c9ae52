//! A tenant's texts sealed by the command, and looked for in everything that is left.

use std::path::Path;

use crate::stage::{Stage, with_dev};

/// How the texts stand, once the job has ended.
fn settled(stage: &Stage) -> serde_json::Value {
    for _ in 0..1_000 {
        let status = stage
            .keyward("tenant seal-text status demo --output json")
            .json();
        if status["job"]["state"] == "done" || status["job"]["state"] == "failed" {
            return status;
        }
    }
    panic!("the job never ended");
}

fn is_below(folder: &Path, text: &[u8]) -> bool {
    // The server goes on: what is gone meanwhile has nothing in it.
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.into_iter().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_below(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(text.len()).any(|part| part == text)
    })
}

#[test]
fn texts_are_sealed_by_the_command_and_found_by_the_whole_owner() {
    let (stage, _dev) = with_dev();
    stage
        .keyward("key create ward-7 --owner Grace-Hopper --tag team=Oncology-ward --description Oncology-ward")
        .done();
    assert!(is_below(&stage.path("data"), b"Oncology-ward"));
    let shown = stage
        .keyward("tenant seal-text on demo --reason privacy")
        .done();
    assert!(shown.contains("sealing"), "{shown}");
    let status = settled(&stage);
    assert_eq!(status["state"], "sealed");
    assert_eq!(status["job"]["kind"], "seal_text");
    for text in [&b"Oncology-ward"[..], b"Grace-Hopper"] {
        assert!(!is_below(&stage.path("data"), text));
    }
    let key = stage.keyward("key show ward-7 --output json").json();
    assert_eq!(key["tags"]["team"], "Oncology-ward");
    let found = stage
        .keyward("key list --owner Grace-Hopper --output json")
        .json();
    assert_eq!(found[0]["name"], "ward-7");
    stage
        .keyward("tenant seal-text sideways demo")
        .refused(2, &["sideways"]);
    stage
        .keyward("tenant create sealed --seal-text --description Oncology-ward")
        .done();
    assert!(!is_below(&stage.path("data"), b"Oncology-ward"));
    let shown = stage.keyward("tenant show sealed").done();
    assert!(
        shown.contains("Oncology-ward") && shown.contains("sealed"),
        "{shown}"
    );
}
