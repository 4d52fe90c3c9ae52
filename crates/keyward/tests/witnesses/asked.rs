//! Witnesses that Keyward asks.

use std::fs;
use std::path::Path;
use std::time::Duration;

use keyward_ledger::VerifierKey;
use keyward_testkit::server::Api;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::stage::{
    GoWitness, alerts, checkpoint, cosigned, keyward, launch, log_key, read, said, until,
    witnesses_of,
};
use crate::sumdb;

/// As long as the stage waits for anything.
const PATIENCE: Duration = Duration::from_mins(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_what_witnesses_that_others_wrote_have_signed_is_given_out_over_any_crash() {
    let place = tempfile::tempdir().unwrap();
    let one = GoWitness::start(&place.path().join("one"), 11).await;
    let two = GoWitness::start(&place.path().join("two"), 12).await;
    let data = place.path().join("data");
    let both = [("ONE", &*one.url, &one.key), ("TWO", &*two.url, &two.key)];
    let launch = launch(&data, &both, 2);
    let server = launch.start().await;
    let api = server.api.clone();
    let (log, keys) = (log_key(&api).await, [one.key.clone(), two.key.clone()]);
    // They do not know the log yet, and say so.
    until("two refusals", || async {
        let standing = witnesses_of(&api).await;
        let states = [0, 1].map(|it| standing["items"][it]["state"].clone());
        states == ["refused", "refused"]
    })
    .await;
    let standing = witnesses_of(&api).await;
    let trouble = standing["items"][0]["trouble"].as_str().unwrap();
    assert!(trouble.contains("does not know the log"), "{trouble}");
    one.trust(&log);
    two.trust(&log);
    let mut size = cosigned(&api, &log, &keys, 2, 1).await;
    verified(&api, place.path(), &log, &keys);
    let mut server = server;
    for _ in 0..5 {
        server.kill().await;
        server = launch.start().await;
        // What was given out is there at once, and then there is more.
        until("what counts", || async {
            checkpoint(&server.api).await.is_some()
        })
        .await;
        let (found, by) = read(&checkpoint(&server.api).await.unwrap(), &log, &keys);
        assert!(found >= size && by == 2, "{found} after {size}, by {by}");
        size = cosigned(&server.api, &log, &keys, 2, found + 1).await;
    }
    verified(&server.api, place.path(), &log, &keys);
    receipts(&server.api, place.path(), &log, &keys).await;
    server.stop().await;
}

/// A copy verifies, by our own command and by Go's packages, and demands both witnesses.
fn verified(api: &Api, place: &Path, log: &VerifierKey, keys: &[VerifierKey; 2]) {
    let copy = place.join("copy");
    let copy = copy.to_str().unwrap();
    said(&keyward(api, &["audit", "copy", copy]));
    let [log, one, two] = [log, &keys[0], &keys[1]].map(ToString::to_string);
    let verify = [
        "audit",
        "verify",
        copy,
        "--key",
        &log,
        "--witness",
        &one,
        "--witness",
        &two,
    ];
    said(&keyward(api, &verify));
    said(&keyward(api, &[&verify[..], &["--require", "2"]].concat()));
    let other = GoWitness::key_of(13).to_string();
    let strangers = [&verify[..7], &["--witness", &other]].concat();
    assert!(!keyward(api, &strangers).status.success());
    said(&keyward(
        api,
        &[&strangers[..], &["--require", "1"]].concat(),
    ));
    let short = keyward(api, &[&strangers[..], &["--require", "2"]].concat());
    let errors = String::from_utf8_lossy(&short.stderr);
    assert!(errors.contains("1 of the 2 witnesses"), "{errors}");
    sumdb::done(sumdb::run(&["verify-copy", copy, &log, &one, &two], "{}"));
}

/// A receipt of a tenant's entry leads to what both have signed.
async fn receipts(api: &Api, place: &Path, log: &VerifierKey, keys: &[VerifierKey; 2]) {
    let entries = api.get("/v1/tenants/demo/audit?limit=1").await.ok();
    let sequence = entries["items"][0]["sequence"].to_string();
    let entry = place.join("entry.json");
    let entry = entry.to_str().unwrap();
    let asked = [
        "--tenant",
        "demo",
        "audit",
        "receipt",
        &sequence,
        "--entry-out",
        entry,
    ];
    // The checkpoint that holds the entry may not have been signed by both yet.
    let began = Instant::now();
    let given = loop {
        let given = keyward(api, &asked);
        let errors = String::from_utf8_lossy(&given.stderr);
        let not_yet = ["503", "not_ready", "holds this yet"];
        let is_ready = !not_yet.iter().any(|text| errors.contains(text));
        if given.status.success() || is_ready || began.elapsed() > PATIENCE {
            break given;
        }
        sleep(Duration::from_millis(200)).await;
    };
    let receipt = place.join("receipt");
    fs::write(&receipt, said(&given)).unwrap();
    let receipt = receipt.to_str().unwrap();
    let [log, one, two] = [log, &keys[0], &keys[1]].map(ToString::to_string);
    let check = ["audit", "check", receipt, "--entry", entry, "--key", &log];
    let witnesses = ["--witness", &one, "--witness", &two];
    said(&keyward(api, &[&check[..], &witnesses].concat()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_is_gone_delays_nothing_and_is_an_alert() {
    // Takes connections and never says anything.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/w", silent.local_addr().unwrap());
    let place = tempfile::tempdir().unwrap();
    let good = GoWitness::start(&place.path().join("good"), 11).await;
    let other = GoWitness::start(&place.path().join("other"), 12).await;
    let data = place.path().join("data");
    let both = [("GONE", &*url, &other.key), ("GOOD", &*good.url, &good.key)];
    let launch = launch(&data, &both, 0).with("KEYWARD_AUDIT_WITNESS_WAIT_SECONDS", "2");
    let server = launch.start().await;
    let api = server.api.clone();
    let log = log_key(&api).await;
    good.trust(&log);
    let began = Instant::now();
    api.get("/v1/tenants").await.ok();
    assert!(began.elapsed() < Duration::from_mins(1));
    let keys = [good.key.clone(), other.key.clone()];
    // It is signed and given out, by the one that answers.
    let size = cosigned(&api, &log, &keys, 1, 1).await;
    let later = cosigned(&api, &log, &keys, 1, size + 1).await;
    assert!(later > size);
    until("the alert", || async {
        let found = alerts(&api, "audit_witness_behind").await;
        found
            .iter()
            .any(|it| it["subject"] == "node-1/witness/gone" && it["severity"] == "warning")
    })
    .await;
    assert!(alerts(&api, "audit_log_behind").await.is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_holds_another_history_is_a_critical_alert() {
    let place = tempfile::tempdir().unwrap();
    let witness = GoWitness::start(&place.path().join("one"), 11).await;
    let data = place.path().join("data");
    let launch = launch(&data, &[("ONE", &witness.url, &witness.key)], 1);
    let server = launch.start().await;
    let api = server.api.clone();
    let log = log_key(&api).await;
    witness.trust(&log);
    let keys = [witness.key.clone()];
    let size = cosigned(&api, &log, &keys, 1, 2).await;
    let other = sumdb::done(sumdb::run(&["vkey", "9"], ""));
    let other = keyward_ledger::Hash::of_leaf(other.as_bytes());
    let beside = place.path().join("tampered");
    until("the alert", || async {
        // The witness may have written since, and over it: until it has been noticed, once more.
        tamper(&witness.memory(), &beside, &other.to_string());
        let found = alerts(&api, "audit_witness_behind").await;
        let detail = |it: &serde_json::Value| it["detail"].as_str().unwrap().to_owned();
        found
            .iter()
            .any(|it| it["severity"] == "critical" && detail(it).contains("holds another history"))
    })
    .await;
    let shown = said(&keyward(&api, &["audit", "witness", "status"]));
    assert!(shown.contains("contradicting"), "{shown}");
    // What counted is still given out.
    let (found, by) = read(&checkpoint(&api).await.unwrap(), &log, &keys);
    assert!(found >= size && by == 1);
    fs::remove_file(witness.memory()).unwrap();
    cosigned(&api, &log, &keys, 1, found + 1).await;
    until("the end of the alert", || async {
        alerts(&api, "audit_witness_behind").await.is_empty()
    })
    .await;
    server.stop().await;
}

/// Makes a witness remember another root for the size that it knows. Its file is never there in part: the
/// witness reads it for each request, and ends when it cannot.
fn tamper(memory: &Path, beside: &Path, root: &str) {
    let found = fs::read_to_string(memory).unwrap_or_default();
    // While it writes, there may be nothing or half of it.
    let Some((size, before)) = found.split_once('\n') else {
        return;
    };
    if before.ends_with('\n') && before.trim() != root {
        fs::write(beside, format!("{size}\n{root}\n")).unwrap();
        fs::rename(beside, memory).unwrap();
    }
}
