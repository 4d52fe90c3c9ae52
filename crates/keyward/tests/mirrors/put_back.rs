//! Invariant 8: a whole disk that was put back is found out by a mirror, before anything is signed.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::stage::{alerts, beyond, launch, log_key, mirror, size, until, verify, work};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_disk_that_was_put_back_signs_nothing_that_its_mirror_would_contradict() {
    let place = tempfile::tempdir().unwrap();
    let (data, copied) = (place.path().join("data"), place.path().join("mirror"));
    let launch = launch(&data, &copied);
    let server = launch.start().await;
    let key = log_key(&server.api).await;
    beyond(&copied, 1).await;
    server.stop().await;
    let old = place.path().join("old");
    copy(&data, &old);
    let server = launch.start().await;
    work(&server.api, "later").await;
    let signed = crate::stage::signed(&old);
    let has = beyond(&copied, signed + 1).await;
    server.kill().await;
    let kept = std::fs::read(copied.join("system/checkpoint")).unwrap();

    // The whole disk as it was: journal, what was signed last and vault alike.
    std::fs::remove_dir_all(&data).unwrap();
    copy(&old, &data);
    let server = launch.start().await;
    let api = server.api.clone();
    until("the alerts", || async {
        let log = alerts(&api, "audit_log_behind").await;
        let is_told = log.iter().any(|it| {
            let detail = it["detail"].as_str().unwrap();
            it["severity"] == "critical" && detail.contains("the mirror one")
        });
        let mirrors = alerts(&api, "audit_mirror_behind").await;
        is_told && mirrors.iter().any(|it| it["severity"] == "critical")
    })
    .await;
    assert_eq!(mirror(&api).await["state"], "contradicting");
    // It stays one alert: nobody ends it each second.
    let told = alerts(&api, "audit_log_behind").await;
    let since = told[0]["since"].clone();
    assert!(since.is_string(), "{told:?}");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(alerts(&api, "audit_log_behind").await[0]["since"], since);
    // Work goes on and is logged, and none of it is signed under that name, nor comes into the mirror.
    work(&api, "another").await;
    sleep(Duration::from_secs(4)).await;
    assert_eq!(crate::stage::signed(&data), signed, "of {has}");
    let checkpoint = copied.join("system/checkpoint");
    assert_eq!(std::fs::read(&checkpoint).unwrap(), kept);
    server.stop().await;
    verify(&copied, &key);

    // The newer mirror taken away, a log under another name begins in a place of its own.
    for file in ["log-signed", "log"] {
        let file = data.join("audit").join(file);
        let _ = std::fs::remove_dir_all(&file).or_else(|_| std::fs::remove_file(&file));
    }
    let server = launch.start().await;
    let api = server.api.clone();
    until("the refusal", || async {
        mirror(&api).await["state"] == "refused"
    })
    .await;
    assert_eq!(std::fs::read(&checkpoint).unwrap(), kept, "another log's");
    server.stop().await;
    let other = place.path().join("other");
    let server = crate::stage::launch(&data, &other).start().await;
    beyond(&other, 1).await;
    let key = log_key(&server.api).await;
    let api = server.api.clone();
    until("the end of the alerts", || async {
        alerts(&api, "audit_log_behind").await.is_empty()
            && alerts(&api, "audit_mirror_behind").await.is_empty()
    })
    .await;
    server.stop().await;
    verify(&other, &key);
    assert!(size(&other.join("system/checkpoint")) > Some(1));
}

/// Also if the mirror is not there at first, as a disk that is mounted late; and if the log was handed over to
/// another key since, which the old disk has never heard of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_mirror_that_comes_late_or_has_another_key_is_believed_all_the_same() {
    let place = tempfile::tempdir().unwrap();
    let (data, copied) = (place.path().join("data"), place.path().join("mirror"));
    let launch = launch(&data, &copied);
    let server = launch.start().await;
    beyond(&copied, 1).await;
    server.stop().await;
    let old = place.path().join("old");
    copy(&data, &old);
    let server = launch.start().await;
    let rotate = json!({"overlap_hours": 0});
    let rotated = server.api.post("/v1/audit/log/rotate-key", rotate).await;
    rotated.ok();
    work(&server.api, "later").await;
    let signed = crate::stage::signed(&old);
    // Signed by the next key alone.
    let checkpoint = copied.join("system/checkpoint");
    until("the next key", || async {
        let text = std::fs::read_to_string(&checkpoint).unwrap_or_default();
        let signatures = text.lines().filter(|it| it.starts_with('\u{2014}')).count();
        signatures == 1
            && copied.join("system/handovers").exists()
            && size(&checkpoint) > Some(signed + 3)
    })
    .await;
    server.kill().await;

    std::fs::remove_dir_all(&data).unwrap();
    copy(&old, &data);
    let away = place.path().join("away");
    std::fs::rename(&copied, &away).unwrap();
    let server = launch.start().await;
    let api = server.api.clone();
    until("a failure", || async {
        mirror(&api).await["state"] == "failing"
    })
    .await;
    assert!(!copied.exists(), "what is not mounted is not made");
    std::fs::rename(&away, &copied).unwrap();
    until("the alert", || async {
        mirror(&api).await["state"] == "contradicting"
    })
    .await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(crate::stage::signed(&data), signed);
    server.stop().await;
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}
