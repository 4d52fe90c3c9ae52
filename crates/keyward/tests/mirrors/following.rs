//! A mirror in a directory follows the log, through restarts and kills, and verifies as it is.

use std::fs;
use std::path::Path;

use crate::stage::{
    beyond, has_three, keyward, launch, log_key, mirror, said, size, until, verify, work,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_what_lies_in_a_mirror_is_a_log_that_verifies_through_kills_and_a_new_key() {
    let place = tempfile::tempdir().unwrap();
    let (data, copy) = (place.path().join("data"), place.path().join("mirror"));
    let launch = launch(&data, &copy);
    let mut server = launch.start().await;
    let key = log_key(&server.api).await;
    let mut before = 0;
    for round in 0..3 {
        work(&server.api, &format!("key-{round}")).await;
        if round == 1 {
            let rotate = "/v1/audit/log/rotate-key";
            server.api.post(rotate, serde_json::json!({})).await.ok();
        }
        before = beyond(&copy, before).await;
        has_three(&copy).await;
        server.kill().await;
        // Whatever instant that was: by the key that was given out first.
        assert!(verify(&copy, &key) >= 3);
        let since = place.path().join(format!("checkpoint-{round}"));
        fs::copy(copy.join("system/checkpoint"), &since).unwrap();
        server = launch.start().await;
    }
    beyond(&copy, before).await;
    let api = server.api.clone();
    until("all of it", || async {
        let it = mirror(&api).await;
        it["state"] == "following" && it["behind_entries"] == 0
    })
    .await;
    server.stop().await;
    assert!(verify(&copy, &key) >= 3);
    let log = copy.join("system");
    for round in 0..3 {
        let since = place.path().join(format!("checkpoint-{round}"));
        let words = [
            "audit",
            "verify",
            log.to_str().unwrap(),
            "--key",
            &key,
            "--since",
        ];
        said(&keyward(&[&words[..], &[since.to_str().unwrap()]].concat()));
    }
    assert!(partial(&log) <= 3 * 4, "partial tiles go");
}

/// How many partial tiles there are.
fn partial(log: &Path) -> usize {
    let mut count = 0;
    let mut left = vec![log.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_dir() {
                left.push(entry.path());
            } else if entry.path().to_str().unwrap().contains(".p/") {
                count += 1;
            }
        }
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_is_copied_by_the_name_that_the_configuration_gives_it() {
    let place = tempfile::tempdir().unwrap();
    let (data, copy) = (place.path().join("data"), place.path().join("mirror"));
    let server = launch(&data, &copy).start().await;
    let key = log_key(&server.api).await;
    work(&server.api, "orders").await;
    let has = beyond(&copy, 3).await;
    has_three(&copy).await;
    let taken = place.path().join("taken");
    let set = format!("audit_mirror.one.directory={}", copy.display());
    let words = ["audit", "copy", "--from-mirror", "one", "--set", &set];
    let words = [&words[..], &[taken.to_str().unwrap()]].concat();
    // While the server goes on.
    said(&keyward(&words));
    assert!(verify(&taken, &key) >= 3);
    assert!(size(&taken.join("system/checkpoint")) >= Some(has));
    server.stop().await;
    let said = said(&keyward(&words));
    assert!(said.contains("files, "), "{said}");
    assert!(verify(&taken, &key) >= 3);
    let refused = keyward(&["audit", "copy", "--from-mirror", "two", "--set", &set, "x"]);
    let refused = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.contains("has no mirror two"), "{refused}");
}
