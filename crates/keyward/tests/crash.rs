//! Invariant 2 on the real binary: kill -9 at 200 random instants under load. No acknowledged key,
//! rotation or audit entry is lost, nothing is half-made, and it is ready again within 3 seconds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::disallowed_methods)] // how soon it is ready again is measured by the real clock

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use keyward_testkit::server::{Api, Launch};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

const KILLS: usize = 200;
const CLIENTS: usize = 6;

/// What clients were told.
#[derive(Default)]
struct Acknowledged {
    /// Keys, and the highest version each is known to have.
    keys: BTreeMap<String, i64>,
    /// Ciphertexts: key, text.
    ciphertexts: Vec<(String, String)>,
    /// Requests of this round that were answered with success.
    requests: Vec<String>,
}

impl Acknowledged {
    /// Whether there is as much as there must be by then, to be enough in the end.
    fn was_a_load(&self, round: usize) -> bool {
        self.keys.len() * KILLS > 60 * round && self.ciphertexts.len() * KILLS > 240 * round
    }
}

struct Tokens {
    manager: String,
    user: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i02_two_hundred_kills_under_load_lose_nothing_that_was_acknowledged() {
    let place = tempfile::tempdir().unwrap();
    let launch = Launch::dev(env!("CARGO_BIN_EXE_keyward"), &place.path().join("data"))
        .with("KEYWARD_LOG_LEVEL", "error");
    let mut server = launch.start().await;
    let tokens = Arc::new(Tokens {
        manager: server.api.member("demo", "manager", "tenant-admin").await,
        user: server.api.member("demo", "app", "crypto-user").await,
    });
    let told = Arc::new(Mutex::new(Acknowledged::default()));
    let mut random = Lcg(0x2545_f491_4f6c_dd1d);
    let mut sequence = 0;
    let mut slowest = Duration::ZERO;
    let mut keks = BTreeSet::from([1]);
    for round in 0..KILLS {
        let mut clients = tokio::task::JoinSet::new();
        if round % 20 == 0 {
            // From here on a job is under way in many a kill: each start begins with a slice of it.
            let rotate = "/v1/tenants/demo/rotate-kek";
            let rotated = server.api.post(rotate, json!({})).await.ok();
            keks.insert(rotated["version"].as_i64().unwrap());
        }
        for client in 0..CLIENTS {
            let (api, tokens, told) = (server.api.clone(), tokens.clone(), told.clone());
            clients.spawn(async move { load(round, client, &api, &tokens, &told).await });
        }
        // The instant of the kill is the input of this test, not a wait for something.
        let instant = Duration::from_micros(2_000 + random.next() % 120_000);
        tokio::time::sleep(instant).await;
        // Some go on until there was a load, however busy the machine is.
        let patience = Instant::now();
        while round % 20 == 10 && !told.lock().await.was_a_load(round) {
            assert!(patience.elapsed() < Duration::from_mins(2), "no load");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.kill().await;
        clients.join_all().await;

        let began = Instant::now();
        server = launch.start().await;
        slowest = slowest.max(began.elapsed());
        let mut told = told.lock().await;
        let requests = std::mem::take(&mut told.requests);
        sequence = check_entries(round, &server.api, sequence, &requests).await;
        for (name, version) in told.keys.iter().rev().take(4) {
            check_key(&server.api.by(&tokens.manager), name, *version).await;
        }
        for (key, text) in told.ciphertexts.iter().rev().take(8) {
            check_ciphertext(&server.api.by(&tokens.user), key, text).await;
        }
    }
    let told = told.lock().await;
    assert!(
        told.keys.len() > 50 && told.ciphertexts.len() > 200,
        "the load was a load: {} keys, {} ciphertexts",
        told.keys.len(),
        told.ciphertexts.len()
    );
    for (name, version) in &told.keys {
        check_key(&server.api.by(&tokens.manager), name, *version).await;
    }
    for (key, text) in &told.ciphertexts {
        check_ciphertext(&server.api.by(&tokens.user), key, text).await;
    }
    check_keks(&server.api, &keks).await;
    // That it does not hang; how fast it is, on a machine with nothing else to do, a bench measures.
    assert!(
        slowest < Duration::from_mins(2),
        "ready again after {slowest:?}"
    );
}

/// One client: makes a key, uses it, rotates it, rolls it back, until the server goes away.
async fn load(
    round: usize,
    client: usize,
    api: &Api,
    tokens: &Tokens,
    told: &Mutex<Acknowledged>,
) -> Option<()> {
    let (manager, user) = (api.by(&tokens.manager), api.by(&tokens.user));
    let name = format!("k{round}-{client}");
    let keys = "/v1/tenants/demo/keys";
    let new = json!({"name": name, "activate": true});
    ask(
        &manager,
        keys,
        &format!("create-{round}-{client}"),
        &new,
        told,
    )
    .await?;
    told.lock().await.keys.insert(name.clone(), 1);
    for step in 0.. {
        let id = |verb: &str| format!("{verb}-{round}-{client}-{step}");
        let body = json!({"plaintext": "dGV4dA=="});
        let path = format!("{keys}/{name}/encrypt");
        let made = ask(&user, &path, &id("encrypt"), &body, told).await?;
        let text = made["ciphertext"].as_str().unwrap().to_owned();
        told.lock().await.ciphertexts.push((name.clone(), text));
        let verb = if step % 3 == 2 { "rollback" } else { "rotate" };
        let path = format!("{keys}/{name}/{verb}");
        let changed = ask(&manager, &path, &id(verb), &json!({}), told).await?;
        if verb == "rotate" {
            let version = version_of(&changed);
            told.lock().await.keys.insert(name.clone(), version);
        }
    }
    None
}

fn version_of(key: &Value) -> i64 {
    let versions = key["versions"]
        .as_array()
        .unwrap_or_else(|| panic!("no versions in {key}"));
    versions
        .iter()
        .filter_map(|version| version["version"].as_i64())
        .max()
        .unwrap()
}

/// A request; nothing if no answer came. What was answered with success is remembered.
async fn ask(
    api: &Api,
    path: &str,
    id: &str,
    body: &Value,
    told: &Mutex<Acknowledged>,
) -> Option<Value> {
    let answer = api
        .ask(Method::POST, path, Some(id), Some(body))
        .await
        .ok()?;
    assert!(
        answer.status.is_success(),
        "{path}: {} {}",
        answer.status,
        answer.body
    );
    told.lock().await.requests.push(id.to_owned());
    Some(answer.body)
}

/// Every acknowledged request has an entry that says ok, and the journal has no gap.
async fn check_entries(round: usize, api: &Api, after: u64, requests: &[String]) -> u64 {
    let entries = api.entries(after).await;
    let mut expected = after;
    let mut done = BTreeSet::new();
    for entry in &entries {
        expected += 1;
        assert_eq!(entry["sequence"].as_u64(), Some(expected), "round {round}");
        if entry["outcome"] == "ok" {
            done.insert(entry["correlation_id"].as_str().unwrap());
        }
    }
    for request in requests {
        assert!(
            done.contains(request.as_str()),
            "round {round}: {request} was answered, and is not in the log"
        );
    }
    expected
}

/// A key is there with at least the versions that were acknowledged, none of them half-made.
async fn check_key(api: &Api, name: &str, version: i64) {
    let key = api.get(&format!("/v1/tenants/demo/keys/{name}")).await.ok();
    assert!(version_of(&key) >= version, "{name}: {key}");
    let versions = key["versions"].as_array().unwrap();
    for (row, number) in versions.iter().zip(1_i64..) {
        assert_eq!(row["version"].as_i64(), Some(number), "{name}: {key}");
    }
    let primary = &key["primary_version"];
    let active: Vec<&Value> = versions
        .iter()
        .filter(|row| row["state"] == "active")
        .map(|row| &row["version"])
        .collect();
    assert_eq!(active, [primary], "{name}: {key}");
}

/// Every acknowledged key-encryption key is there, and no record was refused on the way to it.
async fn check_keks(api: &Api, expected: &BTreeSet<i64>) {
    let keks = api.get("/v1/tenants/demo/keks").await.ok();
    let versions = keks["items"].as_array().unwrap().iter();
    let versions: BTreeSet<i64> = versions.filter_map(|kek| kek["version"].as_i64()).collect();
    assert!(versions.is_superset(expected), "{versions:?}");
    let jobs = api.get("/v1/tenants/demo/jobs").await.ok();
    for job in jobs["items"].as_array().unwrap() {
        assert_ne!(job["state"], "failed", "{job}");
    }
}

async fn check_ciphertext(api: &Api, key: &str, text: &str) {
    let body = json!({"ciphertext": text});
    let path = format!("/v1/tenants/demo/keys/{key}/decrypt");
    let opened = api.post(&path, body).await.ok();
    assert_eq!(opened["plaintext"], "dGV4dA==");
}

/// Numbers that are the same in every run.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.0 >> 33
    }
}
