//! Keyward as a witness, asked by code that is not ours.

use std::path::Path;
use std::process::Command;

use keyward_ledger::{OpenedCheckpoint, VerifierKey};
use keyward_testkit::server::{Api, Launch};

use crate::stage::{alerts, keyward, said, until};
use crate::sumdb;

const SEED: &str = "7";

/// `keyward dev` as a witness of the log that Go makes.
fn witness(data: &Path) -> (Launch, VerifierKey) {
    let log = sumdb::done(sumdb::run(&["vkey", SEED], ""));
    let launch = Launch::dev(env!("CARGO_BIN_EXE_keyward"), data)
        .with("KEYWARD_AUDIT_WITNESS_FOR_GO_KEY", log.trim());
    (launch, log.trim().parse().unwrap())
}

/// The witness's key, once it is there.
async fn key_of(api: &Api) -> String {
    until("the key", || async {
        api.get("/v1/audit/witness-key").await.status == 200
    })
    .await;
    said(&keyward(api, &["audit", "witness", "key"]))
        .trim()
        .to_owned()
}

/// What Go hears when it sends a checkpoint: it verifies what comes back itself.
fn submit(api: &Api, key: &str, sizes: (u64, u64), seed: &str, fork: &str) -> String {
    let url = format!("{}/v1/witness", api.address());
    let (old, size) = (sizes.0.to_string(), sizes.1.to_string());
    let output = Command::new(sumdb::program())
        .args(["submit", &url, key, &old, &size, seed])
        .env("FORK", fork)
        .output()
        .unwrap();
    sumdb::done(output).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_a_log_that_others_wrote_is_cosigned_as_it_grows_and_never_otherwise() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let (launch, log) = witness(&data);
    let server = launch.start().await;
    let api = server.api.clone();
    let key = key_of(&api).await;
    let say = |sizes: (u64, u64)| submit(&api, &key, sizes, SEED, "");
    assert_eq!(say((0, 5)), "200 cosigned");
    assert_eq!(say((0, 9)), "409 5");
    assert_eq!(say((7, 9)), "409 5");
    assert_eq!(say((5, 9)), "200 cosigned");
    assert_eq!(say((9, 9)), "200 cosigned");
    assert!(say((10, 9)).starts_with("400"));
    assert!(submit(&api, &key, (9, 12), "8", "").starts_with("403"));
    assert!(submit(&api, &key, (9, 12), SEED, "!").starts_with("422"));
    assert!(submit(&api, &key, (9, 9), SEED, "!").starts_with("422"));
    let path = place.path().join("data/audit/witness-for");
    until("the alert", || async {
        let found = alerts(&api, "witnessed_log_forked").await;
        found.iter().any(|it| it["severity"] == "critical")
    })
    .await;
    by_hand(&api, &log, &key).await;
    // Reading the log is logged, and what was logged is committed to.
    let others = |entries: &[serde_json::Value]| {
        let of_reading =
            |it: &&serde_json::Value| it["action"] == "audit.read" || it["action"] == "audit.heads";
        entries.len() - entries.iter().filter(of_reading).count()
    };
    let before = others(&api.entries(0).await);
    assert_eq!(say((9, 300)), "200 cosigned");
    let grown = api.entries(0).await;
    let own = |action: &str| grown.iter().filter(|it| it["action"] == action).count();
    // Neither cosigning nor refusing is an entry: two who witness each other come to rest.
    assert!(own("audit.read") > 0);
    assert_eq!(others(&grown), before);
    server.kill().await;

    // What was cosigned is remembered over any crash, and the key with it.
    let server = launch.start().await;
    let api = server.api.clone();
    assert_eq!(key_of(&api).await, key);
    assert_eq!(submit(&api, &key, (0, 301), SEED, ""), "409 300");
    assert_eq!(submit(&api, &key, (300, 301), SEED, ""), "200 cosigned");
    let origin = sumdb_hash(&log);
    let proof = path.join(format!("{origin}.contradiction"));
    let both = std::fs::read_to_string(&proof).unwrap();
    assert_eq!(both.matches("keys.example/audit\n9\n").count(), 2);
    std::fs::remove_file(&proof).unwrap();
    until("the end of the alert", || async {
        alerts(&api, "witnessed_log_forked").await.is_empty()
    })
    .await;
    server.stop().await;

    // Without its memory it is another witness: the old key never signs again.
    std::fs::remove_dir_all(&path).unwrap();
    let server = launch.start().await;
    let other = key_of(&server.api).await;
    let publics = [&key, &other].map(|it| it.parse::<VerifierKey>().unwrap().public());
    assert_ne!(publics[0], publics[1]);
    assert_eq!(
        submit(&server.api, &other, (0, 4), SEED, ""),
        "200 cosigned"
    );
    server.stop().await;
}

/// What Go's program does not say: other logs, no log at all, too much, and what is shown to monitors.
async fn by_hand(api: &Api, log: &VerifierKey, key: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/v1/witness", api.address());
    let post = async |body: String| {
        let asked = client.post(format!("{url}/add-checkpoint")).body(body);
        asked.send().await.unwrap()
    };
    let other = "old 0\n\nother.example/log\n1\nAAAA\n\n— other.example/log AAAAAAAAAAA=\n";
    assert_eq!(post(other.to_owned()).await.status(), 404);
    for nonsense in [
        "",
        "old 01\n\n",
        "new 1\n\n",
        "old 1\nx\n\n",
        "old 1\n\nno note\n",
    ] {
        assert_eq!(
            post(nonsense.to_owned()).await.status(),
            400,
            "{nonsense:?}"
        );
    }
    // Refused before all of it was read: that connection is of no more use.
    let once = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = once.post(format!("{url}/add-checkpoint"));
    let refused = asked.body("x".repeat(65 * 1024)).send().await.unwrap();
    assert_eq!(refused.status(), 413);
    let shown = client.get(format!("{url}/{}/checkpoint", sumdb_hash(log)));
    let shown = shown.send().await.unwrap().bytes().await.unwrap();
    let keys = [key.parse::<VerifierKey>().unwrap()];
    let opened = OpenedCheckpoint::open(&shown, log, &keys).unwrap();
    assert_eq!(opened.checkpoint.head().size, 9);
    assert_eq!(opened.witnesses().count(), 1);
    let unknown = client.get(format!("{url}/{}/checkpoint", "0".repeat(64)));
    assert_eq!(unknown.send().await.unwrap().status(), 404);
    let conflict = format!("old 1\n\n{}", String::from_utf8_lossy(&shown));
    let conflict = post(conflict).await;
    assert_eq!(conflict.status(), 409);
    assert_eq!(conflict.headers()["content-type"], "text/x.tlog.size");
    assert_eq!(conflict.text().await.unwrap(), "9\n");
}

/// The SHA-256 of the log's name, as Go's witness and ours name it.
fn sumdb_hash(log: &VerifierKey) -> String {
    let digest = keyward_core::sha256(log.name().as_str().as_bytes());
    data_encoding::HEXLOWER.encode(&digest.0)
}
