//! A server with mirrors, and what is asked of both.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use keyward_testkit::server::{Api, Launch};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// Nothing here takes so long, on any machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// `keyward dev` with a mirror `one` in a directory.
pub fn launch(data: &Path, mirror: &Path) -> Launch {
    // Whoever sets a mirror up makes its directory; some tests put something else there.
    let _ = std::fs::create_dir_all(mirror);
    let launch = Launch::dev(env!("CARGO_BIN_EXE_keyward"), data);
    with_mirror(launch, "DIRECTORY", mirror)
}

/// The same with another setting of where it lies.
pub fn with_mirror(launch: Launch, setting: &str, place: &Path) -> Launch {
    launch
        .with(
            &format!("KEYWARD_AUDIT_MIRROR_ONE_{setting}"),
            place.to_str().unwrap(),
        )
        .with("KEYWARD_AUDIT_MIRROR_ONE_EVERY_SECONDS", "1")
        .with("KEYWARD_AUDIT_MIRROR_ONE_RETRY_SECONDS", "1")
        .with("KEYWARD_AUDIT_MIRROR_ONE_ALERT_SECONDS", "10")
}

/// The log's key.
pub async fn log_key(api: &Api) -> String {
    // A log that a busy server has not opened yet is unavailable.
    until("the log", || async {
        api.get("/v1/audit/log/key").await.status != 503
    })
    .await;
    let found = api.get("/v1/audit/log/key").await.ok();
    found["key"].as_str().unwrap().to_owned()
}

/// How the mirror stands, as the API says.
pub async fn mirror(api: &Api) -> Value {
    let found = api.get("/v1/audit/mirrors").await.ok();
    found["items"][0].clone()
}

/// Open alerts of a kind.
pub async fn alerts(api: &Api, kind: &str) -> Vec<Value> {
    let path = format!("/v1/alerts?state=open&kind={kind}");
    let found = api.get(&path).await.ok();
    found["items"].as_array().unwrap().clone()
}

/// Waits for what other programs do: they tell nobody.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "{what}: not in time");
        sleep(Duration::from_millis(50)).await;
    }
}

/// The size in a checkpoint's file; none if it is not there.
pub fn size(checkpoint: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(checkpoint).ok()?;
    text.lines().nth(1)?.parse().ok()
}

/// Waits until the mirror in a directory has more entries of the system's log than so many.
pub async fn beyond(mirror: &Path, entries: u64) -> u64 {
    let file = mirror.join("system/checkpoint");
    until("the mirror", || async { size(&file) > Some(entries) }).await;
    size(&file).unwrap()
}

/// Waits until the mirror has the logs of the sample tenant too: its uses are in one, its changes in another.
pub async fn has_three(mirror: &Path) {
    until("three logs", || async { logs(mirror).len() >= 3 }).await;
}

/// How many entries were signed last.
pub fn signed(data: &Path) -> u64 {
    let signed = std::fs::read_to_string(data.join("audit/log-signed")).unwrap();
    let signed: serde_json::Value = serde_json::from_str(&signed).unwrap();
    signed["size"].as_u64().unwrap()
}

/// Makes a key in the sample tenant, and a few uses of it.
pub async fn work(api: &Api, name: &str) {
    let manager = api
        .member("demo", &format!("{name}-m"), "tenant-admin")
        .await;
    let user = api
        .member("demo", &format!("{name}-u"), "crypto-user")
        .await;
    let new = json!({"name": name, "activate": true});
    api.by(&manager)
        .post("/v1/tenants/demo/keys", new)
        .await
        .ok();
    let encrypt = format!("/v1/tenants/demo/keys/{name}/encrypt");
    for _ in 0..3 {
        let text = json!({"plaintext": "aGVsbG8="});
        api.by(&user).post(&encrypt, text).await.ok();
    }
}

/// The directories of all logs in a mirror.
pub fn logs(mirror: &Path) -> Vec<PathBuf> {
    let mut found = vec![mirror.join("system")];
    for tenant in std::fs::read_dir(mirror.join("tenants"))
        .into_iter()
        .flatten()
    {
        let tenant = tenant.unwrap().path();
        let both = ["changes", "operations"].map(|log| tenant.join(log));
        found.extend(
            both.into_iter()
                .filter(|log| log.join("checkpoint").exists()),
        );
    }
    found
}

/// Verifies every log in a mirror, the system's by this key; how many.
#[track_caller]
pub fn verify(mirror: &Path, key: &str) -> usize {
    let logs = logs(mirror);
    for log in &logs {
        let own = std::fs::read_to_string(log.join("key")).unwrap();
        let key = if log.ends_with("system") {
            key
        } else {
            own.trim()
        };
        let log = log.to_str().unwrap();
        said(&keyward(&["audit", "verify", log, "--key", key]));
    }
    logs.len()
}

/// Runs a command without a server.
pub fn keyward(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_keyward"))
        .args(arguments)
        .output()
        .unwrap()
}

/// What it said, if it succeeded.
#[track_caller]
pub fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{errors}{text}");
    text.into_owned()
}
