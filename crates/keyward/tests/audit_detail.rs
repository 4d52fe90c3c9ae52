//! Counted uses of keys on the real binary: kill -9 under load. Who used which key is never lost; the log and
//! the counters say of each key at least what was acknowledged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keyward_testkit::server::{Api, Launch};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::{Mutex, Semaphore};

const KILLS: u32 = 12;
const CLIENTS: usize = 4;
/// A round that takes longer has failed.
const PATIENCE: Duration = Duration::from_mins(2);
const KEYS: &str = "/v1/tenants/demo/keys";

/// How many encryptions with each key were acknowledged.
type Acknowledged = Arc<Mutex<BTreeMap<String, i64>>>;

/// So many have to be acknowledged in a round before the kill: from some that are all entries to some of
/// which most are counted.
const fn enough(round: u32) -> u32 {
    20 + 30 * round
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i02_kills_under_load_lose_no_more_than_the_log_says() {
    let place = tempfile::tempdir().unwrap();
    let launch = Launch::dev(env!("CARGO_BIN_EXE_keyward"), &place.path().join("data"))
        .with("KEYWARD_LOG_LEVEL", "error");
    let mut server = launch.start().await;
    let order = json!({ "audit_detail": "counts", "reason": "the rate" });
    let path = "/v1/tenants/demo/audit-detail";
    server.api.post(path, order).await.ok();
    let mut users = Vec::new();
    for client in 0..CLIENTS {
        let name = format!("app-{client}");
        users.push(server.api.member("demo", &name, "crypto-user").await);
    }
    let told = Acknowledged::default();
    for round in 0..KILLS {
        for client in 0..CLIENTS {
            let new = json!({ "name": format!("k{round}-{client}"), "activate": true });
            server.api.post(KEYS, new).await.ok();
        }
        let (mut clients, done) = (tokio::task::JoinSet::new(), Arc::new(Semaphore::new(0)));
        for (client, token) in users.iter().enumerate() {
            let (api, told) = (server.api.by(token), told.clone());
            clients.spawn(load(api, format!("k{round}-{client}"), told, done.clone()));
        }
        let reached = done.acquire_many(enough(round));
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        assert!(reached.expect("the load goes on").is_ok());
        server.kill().await;
        clients.join_all().await;
        server = launch.start().await;
        let told = told.lock().await;
        for client in 0..CLIENTS {
            check(&server.api, &format!("k{round}-{client}"), &told).await;
        }
    }
    // Nothing that was said before is said again or taken back.
    let told = told.lock().await;
    for name in told.keys() {
        check(&server.api, name, &told).await;
    }
}

/// Encrypts until the server goes away.
async fn load(api: Api, key: String, told: Acknowledged, done: Arc<Semaphore>) {
    let body = json!({ "plaintext": "dGV4dA==" });
    let path = format!("{KEYS}/{key}/encrypt");
    while let Ok(answer) = api.ask(Method::POST, &path, None, Some(&body)).await {
        assert!(answer.status.is_success(), "{}", answer.body);
        *told.lock().await.entry(key.clone()).or_default() += 1;
        done.add_permits(1);
    }
}

/// What the log and the counters say of a key is at least what was acknowledged.
async fn check(api: &Api, key: &str, told: &BTreeMap<String, i64>) {
    let acknowledged = told.get(key).copied().unwrap_or(0);
    let path = format!("/v1/tenants/demo/audit/search?key={key}&action=key.encrypt&limit=500");
    let found = api.get(&path).await.ok();
    let entries = found["items"].as_array().unwrap();
    let (mut sum, mut lost) = (0, 0);
    for entry in entries {
        let number = |name: &str| entry["details"][name].as_i64();
        assert!(entry["actor"]["principal_id"].is_string(), "{entry}");
        assert_eq!(entry["outcome"], "ok");
        lost += i64::from(number("count_at_most").is_some());
        sum += number("count").or(number("count_at_most")).unwrap_or(1);
    }
    assert!(sum >= acknowledged, "{key}: {sum} of {acknowledged}");
    // One principal, one version: one count was open when it was killed, and a few had ended in the second
    // before.
    assert!(lost <= 6, "{key}: {entries:?}");
    if acknowledged > 0 {
        assert!(!entries.is_empty(), "{key}: who used it is never lost");
    }
    let usage = api.get(&format!("{KEYS}/{key}/usage")).await.ok();
    let protects: i64 = protects(&usage);
    assert!(protects >= acknowledged, "{key}: {usage} of {acknowledged}");
    assert_eq!(protects, sum, "{key}: the counters are the log's");
}

fn protects(usage: &Value) -> i64 {
    let versions = usage["items"].as_array().unwrap();
    versions
        .iter()
        .filter_map(|it| it["protects"].as_i64())
        .sum()
}
