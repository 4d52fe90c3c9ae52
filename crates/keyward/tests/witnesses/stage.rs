//! A server, a witness made of Go's packages, and what is asked of both.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use keyward_ledger::{CheckpointError, OpenedCheckpoint, VerifierKey};
use keyward_testkit::server::{Api, Launch};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::time::{Instant, sleep};

use crate::sumdb;

/// Nothing here takes so long, on any machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// A witness that shares no code with Keyward.
pub struct GoWitness {
    _child: Child,
    pub dir: PathBuf,
    pub url: String,
    pub key: VerifierKey,
}

impl GoWitness {
    /// One that knows no log yet.
    pub async fn start(dir: &Path, seed: u8) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let mut child = tokio::process::Command::new(sumdb::program())
            .arg("witness")
            .arg(dir)
            .args(["127.0.0.1:0", &seed.to_string()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        let (address, key) = line.split_once(' ').unwrap();
        Self {
            _child: child,
            dir: dir.to_owned(),
            url: format!("http://{address}/w"),
            key: key.parse().unwrap(),
        }
    }

    /// The key of one that may not be there at all.
    pub fn key_of(seed: u8) -> VerifierKey {
        let name = keyward_ledger::KeyName::new(&format!("witness-{seed}.example")).unwrap();
        VerifierKey::new(name, keyward_ledger::Algorithm::Cosignature, [seed; 32])
    }

    /// From now on it knows this log.
    pub fn trust(&self, log: &VerifierKey) {
        std::fs::write(self.dir.join("keys"), format!("{log}\n")).unwrap();
    }

    /// The file with what it knows of the only log that it knows.
    pub fn memory(&self) -> PathBuf {
        let files = std::fs::read_dir(&self.dir).unwrap();
        let mut files = files.map(|file| file.unwrap().path());
        files.find(|file| !file.ends_with("keys")).unwrap()
    }
}

/// `keyward dev` with these witnesses.
pub fn launch(data: &Path, witnesses: &[(&str, &str, &VerifierKey)], required: usize) -> Launch {
    let launch = Launch::dev(env!("CARGO_BIN_EXE_keyward"), data)
        .with("KEYWARD_AUDIT_WITNESSES_REQUIRED", &required.to_string());
    witnesses.iter().fold(launch, |launch, (name, url, key)| {
        let set = |launch: Launch, setting: &str, value: &str| {
            launch.with(&format!("KEYWARD_AUDIT_WITNESS_{name}_{setting}"), value)
        };
        let launch = set(launch, "URL", url);
        let launch = set(launch, "KEY", &key.to_string());
        let launch = set(launch, "ALLOW_PLAIN", "true");
        let launch = set(launch, "ALERT_SECONDS", "10");
        set(launch, "RETRY_SECONDS", "1")
    })
}

/// The log's key.
pub async fn log_key(api: &Api) -> VerifierKey {
    // A log that a busy server has not opened yet is unavailable.
    until("the log", || async {
        api.get("/v1/audit/log/key").await.status != 503
    })
    .await;
    let found = api.get("/v1/audit/log/key").await.ok();
    found["key"].as_str().unwrap().parse().unwrap()
}

/// The checkpoint as it is given out; none while there is none that counts.
pub async fn checkpoint(api: &Api) -> Option<Vec<u8>> {
    let asked = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = asked
        .get(format!("{}/v1/audit/log/checkpoint", api.address()))
        .bearer_auth(api.token())
        .send();
    let answer = asked.await.unwrap();
    if !answer.status().is_success() {
        return None;
    }
    Some(answer.bytes().await.unwrap().to_vec())
}

/// How many entries a checkpoint has, and how many of these witnesses have signed it; none of either while
/// what counts is older than this key of the log.
pub fn read(note: &[u8], log: &VerifierKey, witnesses: &[VerifierKey]) -> (u64, usize) {
    let opened = match OpenedCheckpoint::open(note, log, witnesses) {
        Err(CheckpointError::NotTheLogs { .. }) => return (0, 0),
        opened => opened.unwrap(),
    };
    let count = opened.witnesses().count();
    (opened.checkpoint.head().size, count)
}

/// What is signed now by so many of these witnesses.
pub async fn cosigned(
    api: &Api,
    log: &VerifierKey,
    witnesses: &[VerifierKey],
    count: usize,
    at_least: u64,
) -> u64 {
    let began = Instant::now();
    loop {
        if let Some(note) = checkpoint(api).await {
            let (size, by) = read(&note, log, witnesses);
            if by >= count && size >= at_least {
                return size;
            }
        }
        assert!(began.elapsed() < PATIENCE, "{}", witnesses_of(api).await);
        sleep(Duration::from_millis(50)).await;
    }
}

/// How the witnesses stand, as the API says.
pub async fn witnesses_of(api: &Api) -> Value {
    api.get("/v1/audit/witnesses").await.ok()
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

/// Runs a command against a server.
pub fn keyward(api: &Api, arguments: &[&str]) -> Output {
    let place = tempfile::tempdir().unwrap();
    let token = place.path().join("token");
    std::fs::write(&token, api.token()).unwrap();
    let mut mode = std::fs::metadata(&token).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o600);
    std::fs::set_permissions(&token, mode).unwrap();
    Command::new(env!("CARGO_BIN_EXE_keyward"))
        .args(arguments)
        .env("KEYWARD_ADDRESS", api.address())
        .env("KEYWARD_TOKEN_FILE", &token)
        .output()
        .unwrap()
}

/// What it said, if it succeeded.
#[track_caller]
pub fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}
