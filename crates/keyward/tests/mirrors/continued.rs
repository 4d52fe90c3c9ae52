//! A node whose journal is lost goes on with its log from a mirror: one name, one history, nothing that was
//! given out contradicted.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use keyward_ledger::VerifierKey;
use keyward_testkit::server::{Api, Launch};
use serde_json::Value;
use tokio::time::sleep;

use crate::stage::{
    alerts, beyond, keyward, launch, log_key, mirror, said, size, until, verify, work,
};

/// Entries behind a loss have numbers from here on.
const BEHIND: u64 = 1_000_000_000_000;

/// A deployment with a mirror for which checkpoints wait.
struct Scene {
    place: tempfile::TempDir,
    data: PathBuf,
    copy: PathBuf,
    launch: Launch,
}

impl Scene {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let (data, copy) = (place.path().join("data"), place.path().join("mirror"));
        let launch = launch(&data, &copy).with("KEYWARD_AUDIT_MIRROR_ONE_BEFORE_GIVEN_OUT", "true");
        Self {
            place,
            data,
            copy,
            launch,
        }
    }

    fn lose(&self) {
        fs::remove_dir_all(self.data.join("audit")).unwrap();
    }

    fn words(&self, waits: bool, key: &str) -> Vec<String> {
        let sets = [
            format!("node.data_dir={}", self.data.display()),
            format!("audit_mirror.one.directory={}", self.copy.display()),
            format!("audit_mirror.one.before_given_out={waits}"),
            "log.level=error".to_owned(),
        ];
        let words = ["audit", "continue", "--from-mirror", "one", "--key", key];
        let sets = sets.into_iter().flat_map(|set| ["--set".to_owned(), set]);
        words
            .map(ToOwned::to_owned)
            .into_iter()
            .chain(sets)
            .collect()
    }

    /// Says `audit continue`, with more words.
    fn go_on(&self, waits: bool, key: &str, more: &[&str]) -> Output {
        let words = self.words(waits, key);
        let words = words.iter().map(String::as_str).chain(more.iter().copied());
        keyward(&words.collect::<Vec<&str>>())
    }
}

#[track_caller]
fn refused(output: &Output, why: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{errors}");
    assert!(errors.contains(why), "{errors}");
}

/// The checkpoint that is given out; none while there is none.
async fn published(api: &Api) -> Option<String> {
    let asked = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = asked.get(format!("{}/v1/audit/log/checkpoint", api.address()));
    let answer = asked.bearer_auth(api.token()).send().await.unwrap();
    if !answer.status().is_success() {
        return None;
    }
    Some(answer.text().await.unwrap())
}

fn size_of(checkpoint: &str) -> u64 {
    checkpoint.lines().nth(1).unwrap().parse().unwrap()
}

/// All entries by their numbers, without those that reading them leaves.
async fn entries(api: &Api) -> BTreeMap<u64, Value> {
    let all = api.entries(0).await.into_iter();
    all.map(|entry| (entry["sequence"].as_u64().unwrap(), entry))
        .collect()
}

/// The numbers of a tenant's changes, in the order of the journal.
fn changes(entries: &BTreeMap<u64, Value>) -> Vec<i64> {
    let tenants = entries.values().filter(|entry| {
        let tenant = &entry["tenant_id"];
        !tenant.is_null() && !entry["change"].is_null()
    });
    tenants
        .map(|entry| entry["change"].as_i64().unwrap())
        .collect()
}

/// Waits until all that is signed is in the mirror.
async fn mirrored(api: &Api) {
    until("all of it", || async {
        let it = mirror(api).await;
        it["state"] == "following" && it["behind_entries"] == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_lost_nodes_log_goes_on_under_its_name_and_every_old_proof_holds() {
    let scene = Scene::new();
    let server = scene.launch.start().await;
    let key = log_key(&server.api).await;
    work(&server.api, "orders").await;
    beyond(&scene.copy, 5).await;
    mirrored(&server.api).await;
    let before = entries(&server.api).await;
    let (number, _) = before
        .iter()
        .find(|(_, it)| it["action"] == "key.create")
        .unwrap();
    let path = format!("/v1/audit/receipts/{number}");
    let receipt = server.api.get(&path).await.ok();
    let since = scene.place.path().join("since");
    let given_out = published(&server.api).await.unwrap();
    fs::write(&since, &given_out).unwrap();
    assert!(size(&scene.copy.join("system/checkpoint")) >= Some(size_of(&given_out)));
    server.kill().await;
    let since_text = since.to_str().unwrap();

    refused(
        &scene.go_on(true, &key, &[]),
        "nothing is written over a log",
    );
    scene.lose();
    refused(&scene.go_on(false, &key, &[]), "--may-contradict");
    let own: VerifierKey = key.parse().unwrap();
    let other = VerifierKey::new(own.name().clone(), own.algorithm(), [7; 32]);
    let not_signed = "compare the key with the one";
    refused(&scene.go_on(true, &other.to_string(), &[]), not_signed);
    altered_is_refused(&scene, &key);
    assert!(!scene.data.join("audit/log-signed").exists());
    killed_at_any_time(&scene, &key).await;
    let done = scene.go_on(true, &key, &["--since", since_text]);
    said(&done);
    refused(
        &scene.go_on(true, &key, &[]),
        "nothing is written over a log",
    );

    let server = scene.launch.start().await;
    assert_eq!(log_key(&server.api).await, key);
    work(&server.api, "more").await;
    beyond(&scene.copy, size_of(&given_out) + 5).await;
    mirrored(&server.api).await;
    let after = entries(&server.api).await;
    let continued = after
        .values()
        .find(|it| it["action"] == "audit.continue")
        .unwrap();
    let through = continued["details"]["through"].as_u64().unwrap();
    assert_eq!(continued["sequence"].as_u64(), Some(BEHIND + 1));
    assert!(through >= *number);
    for (number, entry) in before.range(..=through) {
        assert_eq!(after.get(number), Some(entry), "{number}");
    }
    let mut all = changes(&after);
    all.sort_unstable();
    let count = all.len();
    all.dedup();
    assert_eq!(all.len(), count, "no change twice");
    // What was proved is proved, and is proved again.
    let (proof, entry) = (
        scene.place.path().join("proof"),
        scene.place.path().join("entry"),
    );
    for found in [receipt, server.api.get(&path).await.ok()] {
        fs::write(&proof, found["receipt"].as_str().unwrap()).unwrap();
        fs::write(&entry, found["entry"].as_str().unwrap()).unwrap();
        let words = ["audit", "check", proof.to_str().unwrap(), "--entry"];
        let words = [&words[..], &[entry.to_str().unwrap(), "--key", &key]].concat();
        said(&keyward(&words));
    }
    let found = server
        .api
        .get("/v1/audit/search?action=key.create")
        .await
        .ok();
    let found: Vec<u64> = found["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["sequence"].as_u64().unwrap())
        .collect();
    assert!(
        found.contains(number) && found.iter().any(|it| *it > BEHIND),
        "{found:?}"
    );
    for kind in [
        "audit_log_behind",
        "audit_mirror_behind",
        "audit_log_damaged",
    ] {
        // A busy machine may have had one for a while.
        let api = &server.api;
        until(kind, || async { alerts(api, kind).await.is_empty() }).await;
    }
    server.stop().await;
    assert!(verify(&scene.copy, &key) >= 3);
    let log = scene.copy.join("system");
    let words = [
        "audit",
        "verify",
        log.to_str().unwrap(),
        "--key",
        &key,
        "--since",
        since_text,
    ];
    said(&keyward(&words));
    // And once more, with what is there now.
    scene.lose();
    said(&scene.go_on(true, &key, &[]));
    let server = scene.launch.start().await;
    assert_eq!(log_key(&server.api).await, key);
    let had = size(&scene.copy.join("system/checkpoint")).unwrap();
    beyond(&scene.copy, had).await;
    server.stop().await;
    assert!(verify(&scene.copy, &key) >= 3);
}

/// One byte of any file, and nothing counts.
fn altered_is_refused(scene: &Scene, key: &str) {
    let tenant = fs::read_dir(scene.copy.join("tenants")).unwrap().next();
    let tenant = tenant.unwrap().unwrap().path();
    let bundle = |log: PathBuf| {
        let folder = log.join("tile/entries/000.p");
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        files.sort_by_key(|file| {
            file.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .parse::<u32>()
                .unwrap()
        });
        files.pop().unwrap()
    };
    let changes = tenant.join("changes");
    for file in [
        scene.copy.join("system/checkpoint"),
        bundle(scene.copy.join("system")),
        bundle(changes.clone()),
        changes.join("checkpoint"),
    ] {
        let good = fs::read(&file).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(&file, bad).unwrap();
        let output = scene.go_on(true, key, &[]);
        assert!(!output.status.success(), "{}", file.display());
        assert!(!scene.data.join("audit/log-signed").exists());
        fs::write(&file, good).unwrap();
    }
}

/// Whatever ends it, no server begins another log, and it can be said again.
async fn killed_at_any_time(scene: &Scene, key: &str) {
    for round in 0..8 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_keyward"))
            .args(scene.words(true, key))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        sleep(Duration::from_millis(round * 25)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let audit = scene.data.join("audit");
        if audit.join("continuing").exists() {
            let words = [
                "dev",
                "--listen",
                "127.0.0.1:0",
                "--data",
                scene.data.to_str().unwrap(),
            ];
            refused(&keyward(&words), "keyward audit continue");
        }
        if audit.join("log-signed").exists() {
            // It was quicker: once more from nothing.
            scene.lose();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_nothing_is_given_out_that_a_mirror_for_which_it_waits_does_not_hold() {
    let scene = Scene::new();
    let server = scene.launch.start().await;
    let api = server.api.clone();
    let key = log_key(&api).await;
    work(&api, "orders").await;
    beyond(&scene.copy, 5).await;
    mirrored(&api).await;
    let away = scene.place.path().join("away");
    fs::rename(&scene.copy, &away).unwrap();
    // It does not answer. Operations do, and what is signed since is nobody's to see.
    work(&api, "lost").await;
    until("the alert", || async {
        !alerts(&api, "audit_mirror_behind").await.is_empty()
    })
    .await;
    work(&api, "lost-too").await;
    let signed = crate::stage::signed(&scene.data);
    let given_out = published(&api).await.unwrap();
    let held = size(&away.join("system/checkpoint")).unwrap();
    assert!(
        size_of(&given_out) <= held && held < signed,
        "{given_out} {held} {signed}"
    );
    let before = entries(&api).await;
    let highest = *before.last_key_value().unwrap().0;
    server.kill().await;
    // Nor after a start.
    let server = scene.launch.start().await;
    assert_eq!(published(&server.api).await, None);
    server.kill().await;

    fs::rename(&away, &scene.copy).unwrap();
    scene.lose();
    let since = scene.place.path().join("since");
    fs::write(&since, &given_out).unwrap();
    said(&scene.go_on(true, &key, &["--since", since.to_str().unwrap()]));
    let server = scene.launch.start().await;
    let api = server.api.clone();
    beyond(&scene.copy, held).await;
    mirrored(&api).await;
    let after = entries(&api).await;
    let is_lost = |it: &Value| it["resource"]["name"] == "lost";
    let made = |all: &BTreeMap<u64, Value>| -> Vec<(u64, i64)> {
        let made = all
            .iter()
            .filter(|(_, it)| it["action"] == "key.create" && is_lost(it));
        made.map(|(number, it)| (*number, it["change"].as_i64().unwrap()))
            .collect()
    };
    // The change is there again, under its change number and a number that nothing had.
    let ([(old, change)], [(new, again)]) = (&made(&before)[..], &made(&after)[..]) else {
        panic!("{:?} {:?}", made(&before), made(&after));
    };
    assert_eq!(change, again);
    assert!(*new > BEHIND && !after.contains_key(old), "{old} {new}");
    assert!(after.range(highest..BEHIND).next().is_none());
    let manager = api.member("demo", "reader", "crypto-user").await;
    let text = serde_json::json!({"plaintext": "aGVsbG8="});
    api.by(&manager)
        .post("/v1/tenants/demo/keys/lost/encrypt", text)
        .await
        .ok();
    server.stop().await;
    assert!(verify(&scene.copy, &key) >= 3);
}
