//! Mirrors that are gone, hang, or hold something else.

use std::fs;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::stage::{alerts, beyond, launch, log_key, mirror, signed, until, verify, work};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_that_is_gone_keeps_nobody_waiting_and_is_caught_up_when_it_is_back() {
    let place = tempfile::tempdir().unwrap();
    let (data, copy) = (place.path().join("data"), place.path().join("mirror"));
    // A file where a directory should be: nothing can be read or written below it.
    fs::write(&copy, "not a directory").unwrap();
    let launch = launch(&data, &copy.join("in"));
    let server = launch.start().await;
    let api = server.api.clone();
    work(&api, "one").await;
    let key = log_key(&api).await;
    until("the alert", || async {
        let it = mirror(&api).await;
        let found = alerts(&api, "audit_mirror_behind").await;
        it["state"] == "failing"
            && it["behind_entries"].as_u64() > Some(0)
            && found.iter().any(|it| it["severity"] == "warning")
    })
    .await;
    let metrics = metrics(&api).await;
    assert!(metrics.contains("keyward_audit_mirror_state{mirror=\"one\",state=\"failing\"} 1"));
    assert!(metrics.contains("keyward_audit_mirror_behind_seconds{mirror=\"one\"}"));
    // Nobody waits.
    let began = Instant::now();
    work(&api, "two").await;
    assert!(began.elapsed() < Duration::from_mins(2));
    fs::remove_file(&copy).unwrap();
    fs::create_dir_all(copy.join("in")).unwrap();
    beyond(&copy.join("in"), 1).await;
    until("the end of the alert", || async {
        alerts(&api, "audit_mirror_behind").await.is_empty()
    })
    .await;
    server.stop().await;
    verify(&copy.join("in"), &key);
}

async fn metrics(api: &keyward_testkit::server::Api) -> String {
    let asked = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = asked
        .get(format!("{}/metrics", api.address()))
        .bearer_auth(api.token());
    asked.send().await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_altered_in_a_mirror_is_named_and_left_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    let (data, copy) = (place.path().join("data"), place.path().join("mirror"));
    let launch = launch(&data, &copy);
    let server = launch.start().await;
    beyond(&copy, 1).await;
    server.stop().await;
    // Somebody puts a checkpoint there that the log never signed.
    let checkpoint = copy.join("system/checkpoint");
    let text = fs::read_to_string(&checkpoint).unwrap();
    let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    lines[1] = "1000000".to_owned();
    let forged = lines.join("\n") + "\n";
    fs::write(&checkpoint, &forged).unwrap();
    let server = launch.start().await;
    let api = server.api.clone();
    until("the alert", || async {
        let found = alerts(&api, "audit_mirror_behind").await;
        found.iter().any(|it| {
            let detail = it["detail"].as_str().unwrap();
            it["severity"] == "critical" && detail.contains("system/checkpoint")
        })
    })
    .await;
    // What nobody signed is no reason not to sign, and nothing is written over it.
    assert!(alerts(&api, "audit_log_behind").await.is_empty());
    work(&api, "more").await;
    assert_eq!(fs::read_to_string(&checkpoint).unwrap(), forged);
    assert_eq!(mirror(&api).await["state"], "contradicting");
    fs::write(&checkpoint, &text).unwrap();
    until("the end of the alert", || async {
        alerts(&api, "audit_mirror_behind").await.is_empty()
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_hangs_keeps_neither_operations_nor_the_end_of_the_server_waiting() {
    let place = tempfile::tempdir().unwrap();
    let (data, copy) = (place.path().join("data"), place.path().join("mirror"));
    let launch = launch(&data, &copy).with("KEYWARD_AUDIT_MIRROR_WAIT_SECONDS", "1");
    let server = launch.start().await;
    beyond(&copy, 1).await;
    server.stop().await;
    // Whoever opens a pipe to read it waits for one who writes.
    let pipe = copy.join("system/key");
    fs::remove_file(&pipe).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let before = signed(&data);
    let server = launch.start().await;
    work(&server.api, "one").await;
    // The log is signed all the same, when the time to wait is up.
    until("a signature", || async { signed(&data) > before }).await;
    let state = mirror(&server.api).await["state"].clone();
    assert!(state == "asking" || state == "failing", "{state}");
    let ended = timeout(Duration::from_mins(3), server.stop()).await;
    assert!(ended.unwrap().success());
}
