//! A server as a child process: started, read until it is ready, asked once, killed.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use serde_json::Value;

/// A server that runs until this is dropped.
pub struct Served {
    child: Child,
    pub address: String,
    pub lines: Vec<String>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    /// Starts it and reads what it prints until a line that is `enough`.
    pub fn start(command: &mut Command, enough: impl Fn(&str) -> bool) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let output = child.stdout.take().expect("its output");
        Self::ready(child, output, enough)
    }

    /// The same for a server that says in its log where it listens.
    pub fn start_logging(command: &mut Command, enough: impl Fn(&str) -> bool) -> Self {
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let output = child.stderr.take().expect("its log");
        Self::ready(child, output, enough)
    }

    fn ready(
        child: Child,
        output: impl Read + Send + 'static,
        enough: impl Fn(&str) -> bool,
    ) -> Self {
        let mut lines = Vec::new();
        let mut reader = BufReader::new(output).lines();
        for line in reader.by_ref() {
            let line = line.expect("text");
            let done = enough(&line);
            lines.push(line);
            if done {
                break;
            }
        }
        // Whatever it says later is read, so that it never waits for a full pipe.
        std::thread::spawn(move || reader.for_each(drop));
        let address = lines
            .iter()
            .find_map(|line| word(line, "http://").or_else(|| word(line, "https://")))
            .expect("an address");
        Self {
            child,
            address,
            lines,
        }
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

/// The word of a line that begins so.
pub fn word(line: &str, begins: &str) -> Option<String> {
    let from = &line[line.find(begins)?..];
    let end = from
        .find(|c: char| c.is_whitespace() || c == '"')
        .unwrap_or(from.len());
    Some(from[..end].trim_end_matches(['/', '.', ',']).to_owned())
}

/// A message of so many bytes.
pub fn base64(bytes: usize) -> String {
    base64::engine::general_purpose::STANDARD.encode(vec![0x5a; bytes])
}

/// Asks once and returns the answer.
pub fn ask(url: &str, header: &(String, String), body: &Value) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let answer = client()
            .post(url)
            .header(&header.0, &header.1)
            .json(body)
            .send()
            .await
            .unwrap_or_else(|error| panic!("{url}: {error}"));
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{url}: {status}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    })
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::new()
}
