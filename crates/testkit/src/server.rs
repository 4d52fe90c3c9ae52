//! The real binary in a directory of its own: started, asked over HTTP, killed, started again.
#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc)] // a server that cannot be started ends its test

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::daemon;

/// A running server.
pub struct Server {
    child: Child,
    /// What it printed, line by line, until it was ready.
    pub greeting: Vec<String>,
    /// How to reach it.
    pub api: Api,
}

/// How to start one.
#[derive(Clone)]
pub struct Launch {
    binary: PathBuf,
    data: PathBuf,
    environment: Vec<(String, String)>,
    user: Option<u32>,
    address: String,
}

impl Launch {
    /// `keyward dev` on a directory.
    pub fn dev(binary: &str, data: &Path) -> Self {
        let environment = vec![("KEYWARD_LOG_LEVEL".to_owned(), "info".to_owned())];
        Self {
            binary: binary.into(),
            data: data.to_owned(),
            environment,
            user: None,
            address: "127.0.0.1:0".to_owned(),
        }
    }

    /// As another user, which takes root.
    #[must_use]
    pub fn as_user(mut self, user: u32) -> Self {
        self.user = Some(user);
        self
    }

    /// At a port of its own, which it has again after each start.
    #[must_use]
    pub fn at_fixed_port(mut self) -> Self {
        let [port] = daemon::free_ports();
        self.address = format!("127.0.0.1:{port}");
        self
    }

    /// Where it listens, if it has a port of its own.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// With one setting more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where it keeps everything.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Starts it and waits until it says that it is ready. Its log goes to `<data>.log`.
    pub async fn start(&self) -> Server {
        let log_path = self.log_path();
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log_path)
            .expect("a log file");
        let mut command = Command::new(&self.binary);
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        let mut child = command
            .args(["dev", "--listen", &self.address, "--data"])
            .arg(&self.data)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut greeting = Vec::new();
        while let Some(line) = lines.next_line().await.expect("text") {
            let last = line.contains("Ctrl-C");
            greeting.push(line);
            if last {
                break;
            }
        }
        let log = std::fs::read_to_string(&log_path).unwrap_or_default();
        let said = |begins| greeting.iter().find_map(|line| word(line, begins));
        let address =
            said("http://").unwrap_or_else(|| panic!("no address in {greeting:?}\n{log}"));
        let token = std::fs::read_to_string(self.data.join("dev-token")).expect("a token");
        // Nothing more is printed, but the pipe stays open as long as somebody may read it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let api = Api::new(&address, token.trim());
        Server {
            child,
            greeting,
            api,
        }
    }

    /// Where its log goes.
    pub fn log_path(&self) -> PathBuf {
        let mut name = self.data.file_name().unwrap_or_default().to_owned();
        name.push(".log");
        self.data.with_file_name(name)
    }
}

/// The first word of a line that begins so.
fn word(line: &str, begins: &str) -> Option<String> {
    let from = &line[line.find(begins)?..];
    from.split_whitespace()
        .next()
        .map(|word| word.trim_end_matches('/').to_owned())
}

impl Server {
    /// kill -9, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// SIGTERM, and how it ended.
    pub async fn stop(mut self) -> std::process::ExitStatus {
        let id = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .expect("it runs");
        let process = rustix::process::Pid::from_raw(id).expect("a process");
        rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("a signal");
        self.child.wait().await.expect("it ends")
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id().expect("it runs")
    }
}

/// The API of a server, as JSON.
#[derive(Clone)]
pub struct Api {
    client: reqwest::Client,
    address: Arc<str>,
    token: Arc<str>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body; null if there was none.
    pub body: Value,
    /// Where its entry stands in the log, if the caller was told.
    pub audit_index: Option<String>,
}

impl Answer {
    /// The stable code of a problem.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("")
    }

    /// The body of a success.
    pub fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.body);
        self.body
    }
}

impl Api {
    /// A server at an address, by a token.
    pub fn new(address: &str, token: &str) -> Self {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        // A second test of this process finds it installed.
        let _ = provider.install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        Self {
            client,
            address: address.into(),
            token: token.into(),
        }
    }

    /// The same server by another token.
    #[must_use]
    pub fn by(&self, token: &str) -> Self {
        Self {
            token: token.into(),
            ..self.clone()
        }
    }

    /// The same by the same token, from another address of this machine (127.0.0.0/8).
    #[must_use]
    pub fn coming_from(&self, address: std::net::IpAddr) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .local_address(address)
            .build()
            .expect("a client");
        Self {
            client,
            ..self.clone()
        }
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The token's text.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Asks; an error means that no whole answer came.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        correlation_id: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.address))
            .bearer_auth(&self.token);
        if let Some(id) = correlation_id {
            request = request.header("X-Correlation-Id", id);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let index = response.headers().get("X-Audit-Index");
        let audit_index = index.map(|index| index.to_str().expect("a text").to_owned());
        let bytes = response.bytes().await?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Answer {
            status,
            body,
            audit_index,
        })
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None, None)
            .await
            .expect("an answer")
    }

    /// POST.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, None, Some(&body))
            .await
            .expect("an answer")
    }

    /// Makes a principal with a role and gives its token.
    pub async fn member(&self, tenant: &str, name: &str, role: &str) -> String {
        let place = format!("/v1/tenants/{tenant}");
        let new = json!({"name": name, "kind": "service"});
        self.post(&format!("{place}/principals"), new).await.ok();
        let new = json!({"principal": name, "role": role});
        self.post(&format!("{place}/assignments"), new).await.ok();
        let new = json!({"principal": name, "label": name});
        let made = self.post(&format!("{place}/tokens"), new).await.ok();
        made["text"].as_str().expect("a token's text").to_owned()
    }

    /// The whole audit log, in order.
    pub async fn entries(&self, after: u64) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let from = all
                .last()
                .map_or(after, |entry| entry["sequence"].as_u64().expect("a number"));
            let page = self
                .get(&format!("/v1/audit?after={from}&limit=1000"))
                .await
                .ok();
            let entries = page["items"].as_array().expect("entries");
            // Reading the log is logged: a page of nothing but that is the end.
            let read = |entry: &Value| entry["action"] == "audit.read";
            let end = entries.iter().all(read);
            all.extend(entries.iter().cloned());
            if end {
                return all;
            }
        }
    }
}
