//! Invariant 8: a whole disk that was put back is found out by a witness, before anything is signed.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::stage::{GoWitness, alerts, checkpoint, cosigned, launch, log_key, read, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_disk_that_was_put_back_signs_nothing_that_its_witness_would_contradict() {
    put_back(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_nor_while_two_keys_sign_and_the_witness_knows_the_earlier_one() {
    put_back(true).await;
}

async fn put_back(is_rotated: bool) {
    let place = tempfile::tempdir().unwrap();
    let witness = GoWitness::start(&place.path().join("one"), 11).await;
    let data = place.path().join("data");
    let launch = launch(&data, &[("ONE", &witness.url, &witness.key)], 0);
    let server = launch.start().await;
    let log = log_key(&server.api).await;
    witness.trust(&log);
    let keys = [witness.key.clone()];
    let size = cosigned(&server.api, &log, &keys, 1, 2).await;
    if is_rotated {
        let rotate = "/v1/audit/log/rotate-key";
        server.api.post(rotate, json!({})).await.ok();
        until("the hand-over", || async {
            log_key(&server.api).await != log
        })
        .await;
        cosigned(&server.api, &log, &keys, 1, size + 1).await;
    }
    server.stop().await;
    let old = place.path().join("old");
    copy(&data, &old);
    let server = launch.start().await;
    let manager = server.api.member("demo", "later", "tenant-admin").await;
    let new = json!({"name": "later", "activate": true});
    let api = server.api.by(&manager);
    api.post("/v1/tenants/demo/keys", new).await.ok();
    let signed = std::fs::read_to_string(old.join("audit/log-signed")).unwrap();
    let signed: serde_json::Value = serde_json::from_str(&signed).unwrap();
    let signed = signed["size"].as_u64().unwrap();
    let known = cosigned(&server.api, &log, &keys, 1, signed + 1).await;
    server.kill().await;

    // The whole disk as it was: journal, what was signed last and vault alike.
    std::fs::remove_dir_all(&data).unwrap();
    copy(&old, &data);
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
    let (first, _) = read(&checkpoint(&api).await.unwrap(), &log, &keys);
    assert_eq!(first, signed, "of {known}");
    // Work goes on and is logged, and none of it is signed under that name.
    let member = api.member("demo", "another", "tenant-admin").await;
    let new = json!({"name": "another", "activate": true});
    let keys_of = "/v1/tenants/demo/keys";
    api.by(&member).post(keys_of, new).await.ok();
    sleep(Duration::from_secs(4)).await;
    let (then, _) = read(&checkpoint(&api).await.unwrap(), &log, &keys);
    assert_eq!(then, first);
    until("the witness's alert", || async {
        let found = alerts(&api, "audit_witness_behind").await;
        found.iter().any(|it| it["severity"] == "critical")
    })
    .await;
    server.stop().await;

    // A log under another name begins, which contradicts nobody.
    for file in ["log-signed", "log"] {
        let file = data.join("audit").join(file);
        let _ = std::fs::remove_dir_all(&file).or_else(|_| std::fs::remove_file(&file));
    }
    let server = launch.start().await;
    let other = log_key(&server.api).await;
    assert_ne!(other.name(), log.name());
    witness.trust(&other);
    cosigned(&server.api, &other, &keys, 1, 1).await;
    until("the end of the alerts", || async {
        alerts(&server.api, "audit_log_behind").await.is_empty()
            && alerts(&server.api, "audit_witness_behind").await.is_empty()
    })
    .await;
    server.stop().await;
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}
