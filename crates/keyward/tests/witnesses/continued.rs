//! Invariant 8: a lost node's log that goes on from a mirror is the one that its witness knows, or nothing of it is
//! signed.

use std::path::Path;
use std::process::Command;

use keyward_testkit::server::Launch;

use crate::stage::{GoWitness, alerts, cosigned, launch, log_key, until};

fn with_mirror(launch: Launch, copy: &Path, waits: bool) -> Launch {
    std::fs::create_dir_all(copy).unwrap();
    launch
        .with("KEYWARD_AUDIT_MIRROR_ONE_DIRECTORY", copy.to_str().unwrap())
        .with("KEYWARD_AUDIT_MIRROR_ONE_EVERY_SECONDS", "1")
        .with(
            "KEYWARD_AUDIT_MIRROR_ONE_BEFORE_GIVEN_OUT",
            &waits.to_string(),
        )
}

/// The node's journal is gone, and its log goes on from the mirror.
fn lose_and_go_on(data: &Path, copy: &Path, key: &str, more: &[&str]) {
    std::fs::remove_dir_all(data.join("audit")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_keyward"))
        .args(["audit", "continue", "--from-mirror", "one", "--key", key])
        .args(["--set", &format!("node.data_dir={}", data.display())])
        .args([
            "--set",
            &format!("audit_mirror.one.directory={}", copy.display()),
        ])
        .args([
            "--set",
            &format!("audit_mirror.one.before_given_out={}", more.is_empty()),
        ])
        .args(more)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_witness_goes_on_with_a_log_that_goes_on_from_a_mirror() {
    let place = tempfile::tempdir().unwrap();
    let witness = GoWitness::start(&place.path().join("one"), 11).await;
    let (data, copy) = (place.path().join("data"), place.path().join("mirror"));
    let launch = launch(&data, &[("ONE", &witness.url, &witness.key)], 1);
    let launch = with_mirror(launch, &copy, true);
    let server = launch.start().await;
    let log = log_key(&server.api).await;
    witness.trust(&log);
    let keys = [witness.key.clone()];
    cosigned(&server.api, &log, &keys, 1, 2).await;
    server.api.member("demo", "later", "tenant-admin").await;
    let known = cosigned(&server.api, &log, &keys, 1, 5).await;
    server.kill().await;
    lose_and_go_on(&data, &copy, &log.to_string(), &[]);
    let server = launch.start().await;
    assert_eq!(log_key(&server.api).await, log);
    server.api.member("demo", "after", "tenant-admin").await;
    cosigned(&server.api, &log, &keys, 1, known + 3).await;
    assert!(alerts(&server.api, "audit_log_behind").await.is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_mirror_that_is_behind_a_witness_is_found_out_before_anything_is_signed() {
    let place = tempfile::tempdir().unwrap();
    let witness = GoWitness::start(&place.path().join("one"), 12).await;
    let (data, copy) = (place.path().join("data"), place.path().join("mirror"));
    let launch = launch(&data, &[("ONE", &witness.url, &witness.key)], 0);
    let launch = with_mirror(launch, &copy, false);
    let server = launch.start().await;
    let log = log_key(&server.api).await;
    witness.trust(&log);
    let keys = [witness.key.clone()];
    cosigned(&server.api, &log, &keys, 1, 2).await;
    let checkpoint = copy.join("system/checkpoint");
    until("the mirror", || async { checkpoint.exists() }).await;
    let away = place.path().join("away");
    std::fs::rename(&copy, &away).unwrap();
    let size = |text: &str| -> u64 { text.lines().nth(1).unwrap().parse().unwrap() };
    let held = size(&std::fs::read_to_string(away.join("system/checkpoint")).unwrap());
    server.api.member("demo", "later", "tenant-admin").await;
    cosigned(&server.api, &log, &keys, 1, held + 3).await;
    server.kill().await;
    std::fs::rename(&away, &copy).unwrap();
    lose_and_go_on(&data, &copy, &log.to_string(), &["--may-contradict"]);
    let server = launch.start().await;
    let api = server.api.clone();
    until("the alert", || async {
        let found = alerts(&api, "audit_log_behind").await;
        found.iter().any(|it| {
            let detail = it["detail"].as_str().unwrap();
            it["severity"] == "critical" && detail.contains("has cosigned")
        })
    })
    .await;
    let signed = std::fs::read_to_string(data.join("audit/log-signed")).unwrap();
    let signed: serde_json::Value = serde_json::from_str(&signed).unwrap();
    assert_eq!(signed["size"], held);
    server.stop().await;
}
