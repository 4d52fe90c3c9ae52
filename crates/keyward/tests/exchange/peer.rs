//! Python's `cryptography` as a process that answers.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Where `make test` puts it.
fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv/bin/python")
}

/// The process.
pub struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    pub fn start() -> Self {
        let program = python();
        let found = Command::new(&program)
            .args(["-c", "import cryptography.hazmat.primitives.hpke"])
            .status();
        assert!(
            found.is_ok_and(|status| status.success()),
            "Python's cryptography is missing: run `make prepare`, or python3 -m venv \
             target/tools/venv && target/tools/venv/bin/python -m pip install cryptography"
        );
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exchange/peer.py");
        let mut child = Command::new(program)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            input,
            output,
        }
    }

    pub fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.input, "{question}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| {
            panic!(
                "Python did not answer; what it says is above: {}",
                question["do"]
            )
        })
    }

    /// A fresh key: its formats, and its public half or its bytes.
    pub fn make(&mut self, algorithm: &str) -> Value {
        self.ask(&json!({"do": "make", "algorithm": algorithm}))
    }

    /// The public half, or the bytes, of a key in a container.
    pub fn read(&mut self, algorithm: &str, format: &str, data: &[u8]) -> Value {
        self.ask(&json!({
            "do": "read", "algorithm": algorithm, "format": format, "data": STANDARD.encode(data),
        }))
    }

    pub fn wrap(&mut self, method: &str, public: &Value, info: &str, data: &Value) -> Value {
        let question = json!({
            "do": "wrap", "method": method, "public": public, "info": info, "data": data,
        });
        self.ask(&question)["data"].clone()
    }

    /// Makes a key to receive with; its public half.
    pub fn receiver(&mut self, method: &str) -> Value {
        self.ask(&json!({"do": "receiver", "method": method}))["public"].clone()
    }

    pub fn unwrap(&mut self, method: &str, info: &str, data: &Value) -> Vec<u8> {
        let question = json!({"do": "unwrap", "method": method, "info": info, "data": data});
        let opened = self.ask(&question);
        STANDARD.decode(opened["data"].as_str().unwrap()).unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
