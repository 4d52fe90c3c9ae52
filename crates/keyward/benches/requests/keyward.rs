//! `keyward dev`, with a key for every verb.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::case::{BATCH, Case, Verb};
use crate::certificate::Certificate;
use crate::load::Asked;
use crate::server::{Served, ask, base64, word};

/// The server under test.
pub struct Keyward {
    pub server: Served,
    header: (String, String),
}

/// Starts it with the audit synced `always`, or `written` as others do.
pub fn start(data: &Path, sync: &str) -> Keyward {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command
        .args(["dev", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .env("KEYWARD_AUDIT_SYNC", sync)
        .env("KEYWARD_LOG_LEVEL", "warn")
        .stderr(Stdio::null());
    let server = Served::start(&mut command, |line| line.contains("audit tail"));
    let token = server
        .lines
        .iter()
        .find_map(|line| word(line, "kw_"))
        .expect("a token");
    let keyward = Keyward {
        server,
        header: ("Authorization".to_owned(), format!("Bearer {token}")),
    };
    for (name, algorithm) in [("p256", "ecdsa-p256"), ("rsa2048", "rsa-2048")] {
        let key = json!({"name": name, "algorithm": algorithm, "activate": true});
        keyward.ask("keys", &key);
    }
    keyward
}

/// Starts it again on what [`start`] left, over TLS.
pub fn start_over_tls(data: &Path, sync: &str, certificate: &Certificate) -> Keyward {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .env("KEYWARD_AUDIT_SYNC", sync)
        .env("KEYWARD_SEAL_KEY_FILE", data.join("seal.key"))
        .env("KEYWARD_LISTEN_TLS", "files")
        .env("KEYWARD_LISTEN_TLS_CERT_FILE", &certificate.chain)
        .env("KEYWARD_LISTEN_TLS_KEY_FILE", &certificate.key)
        .env("KEYWARD_LOG_FORMAT", "json")
        .env("KEYWARD_LOG_LEVEL", "warn,keyward::server=info");
    let server = Served::start_logging(&mut command, |line| line.contains("https://"));
    let token = std::fs::read_to_string(data.join("dev-token")).expect("a token");
    Keyward {
        server,
        header: (
            "Authorization".to_owned(),
            format!("Bearer {}", token.trim()),
        ),
    }
}

impl Keyward {
    fn url(&self, path: &str) -> String {
        format!("{}/v1/tenants/demo/{path}", self.server.address)
    }

    fn ask(&self, path: &str, body: &Value) -> Value {
        ask(&self.url(path), &self.header, body)
    }

    /// The request of a case.
    pub fn asked(&self, case: &Case) -> Asked {
        let message = base64(case.bytes);
        let plaintext = json!({"plaintext": message});
        let signed = json!({"message": message});
        let key = |name: String| json!({"name": name, "algorithm": "aes-256-gcm-commit", "activate": true});
        let (path, body) = match case.verb {
            Verb::Encrypt | Verb::EncryptTls => ("keys/patient-records/encrypt", plaintext),
            Verb::Decrypt => {
                let made = self.ask("keys/patient-records/encrypt", &plaintext);
                let body = json!({"ciphertext": made["ciphertext"]});
                ("keys/patient-records/decrypt", body)
            }
            Verb::Hmac => ("keys/session-mac/mac", signed),
            Verb::SignEd25519 => ("keys/release-signing/sign", signed),
            Verb::SignP256 => ("keys/p256/sign", signed),
            Verb::SignRsa2048 => ("keys/rsa2048/sign", signed),
            Verb::DataKey => ("keys/patient-records/data-key", json!({"size_bytes": 32})),
            Verb::EncryptBatch => (
                "keys/patient-records/encrypt/batch",
                json!({"items": vec![plaintext; BATCH]}),
            ),
            Verb::Create => ("keys", key("NAME".to_owned())),
            Verb::CreateBatch => {
                let keys: Vec<Value> = (0..BATCH).map(|i| key(format!("NAME-{i}"))).collect();
                ("keys/batch", json!({"items": keys}))
            }
        };
        Asked {
            headers: vec![self.header.clone()],
            named: matches!(case.verb, Verb::Create | Verb::CreateBatch),
            ..Asked::post(self.url(path), body.to_string())
        }
    }
}
