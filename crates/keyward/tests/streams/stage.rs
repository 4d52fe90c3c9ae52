//! A server with a sink, somebody who works on it, and what is to be shown in the end.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyward_testkit::server::{Api, Launch, Server};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Nothing here takes so long, on any machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// `keyward dev` with a sink named `siem`, which wants everything: so its numbers have no gaps.
pub fn launch(data: &Path, settings: &[(&str, &str)]) -> Launch {
    let binary = env!("CARGO_BIN_EXE_keyward");
    let launch = Launch::dev(binary, data).with("KEYWARD_AUDIT_SINK_SIEM_HEADS", "true");
    settings.iter().fold(launch, |launch, (key, value)| {
        launch.with(&format!("KEYWARD_AUDIT_SINK_SIEM_{key}"), value)
    })
}

/// Requests that were answered, by their correlation ids.
pub type Answered = Arc<Mutex<BTreeSet<String>>>;

/// Makes a key and somebody who may use it.
pub async fn user(server: &Server) -> Api {
    let manager = server.api.member("demo", "manager", "tenant-admin").await;
    let token = server.api.member("demo", "app", "crypto-user").await;
    let new = json!({"name": "orders", "activate": true});
    server
        .api
        .by(&manager)
        .post("/v1/tenants/demo/keys", new)
        .await
        .ok();
    server.api.by(&token)
}

/// Works with a few hands until so many requests are answered, or the server goes away.
pub async fn work(api: &Api, round: usize, requests: usize, answered: &Answered) {
    let mut hands = JoinSet::new();
    for hand in 0..4 {
        let (api, answered) = (api.clone(), answered.clone());
        hands.spawn(async move {
            for step in 0..requests / 4 {
                let id = format!("r{round}-{hand}-{step}");
                let body = json!({"plaintext": "dGV4dA=="});
                let path = "/v1/tenants/demo/keys/orders/encrypt";
                let asked = api.ask(Method::POST, path, Some(&id), Some(&body)).await;
                let Ok(answer) = asked else { return };
                assert!(answer.status.is_success(), "{}", answer.body);
                answered.lock().await.insert(id);
            }
        });
    }
    hands.join_all().await;
}

/// Works, and kills the server in the middle of it.
pub async fn work_and_kill(server: Server, api: &Api, round: usize, answered: &Answered) {
    let before = answered.lock().await.len();
    let (api, theirs) = (api.clone(), answered.clone());
    let working = tokio::spawn(async move { work(&api, round, 1_000_000, &theirs).await });
    until("work", || async {
        answered.lock().await.len() > before + 150
    })
    .await;
    server.kill().await;
    working.await.unwrap();
}

/// How the sink stands, as the API says.
pub async fn standing(api: &Api) -> Value {
    api.get("/v1/audit/sinks").await.ok()["items"][0].clone()
}

/// Waits for what other programs do: they tell nobody.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "{what}: not in time");
        sleep(Duration::from_millis(50)).await;
    }
}

/// The entries are in order and without a gap for whoever drops what he has seen, and everything that
/// was answered is among them.
#[track_caller]
pub fn assert_arrived<'a>(lines: impl IntoIterator<Item = &'a str>, answered: &BTreeSet<String>) {
    let mut seen = 0;
    let mut requests = BTreeSet::new();
    for line in lines {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("torn: {line}"));
        let sequence = entry["sequence"].as_u64().unwrap();
        assert!(sequence <= seen + 1, "{sequence} came after {seen}");
        seen = seen.max(sequence);
        requests.insert(entry["correlation_id"].as_str().unwrap().to_owned());
    }
    let missing: Vec<&String> = answered.difference(&requests).collect();
    assert!(
        missing.is_empty(),
        "answered, and not in the stream: {missing:?}"
    );
    assert!(answered.len() > 100, "{} answers", answered.len());
}

/// Whether everything that was answered is there.
pub async fn has_all(answered: &Answered, text: &str) -> bool {
    let wanted = answered.lock().await;
    let found: BTreeSet<&str> = text
        .split("\"correlation_id\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    wanted.iter().all(|id| found.contains(id.as_str()))
}
