//! A real OpenBao: Transit, in memory, with its file audit device, which writes before it answers
//! and does not sync.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::case::{BATCH, Case, Verb};
use crate::certificate::Certificate;
use crate::load::Asked;
use crate::server::{Served, ask, base64};

/// Its name in the tables.
pub const NAME: &str = "OpenBao, audit written";

/// The server beside.
pub struct OpenBao {
    pub server: Served,
    header: (String, String),
    /// Where it listens with TLS as well.
    over_tls: String,
}

/// Starts it on free ports, with a key for every verb.
pub fn start(place: &Path, certificate: &Certificate) -> OpenBao {
    let audit = place.join("openbao-audit.log");
    let configuration = place.join("openbao.hcl");
    let over_tls = format!("127.0.0.1:{}", free_port());
    let text = format!(
        "audit \"file\" \"bench\" {{\n  options = {{\n    file_path = \"{}\"\n  }}\n}}\n\
         listener \"tcp\" {{\n  address = \"{over_tls}\"\n  tls_min_version = \"tls13\"\n  \
         tls_cert_file = \"{}\"\n  tls_key_file = \"{}\"\n}}\n",
        audit.display(),
        certificate.chain.display(),
        certificate.key.display(),
    );
    std::fs::write(&configuration, text).expect("its configuration");
    let mut command = Command::new(binary());
    command
        .args([
            "server",
            "-dev",
            "-dev-no-store-token",
            "-dev-root-token-id=bench",
        ])
        .arg(format!("-dev-listen-address=127.0.0.1:{}", free_port()))
        .arg(format!("-config={}", configuration.display()))
        .stderr(Stdio::null());
    let server = Served::start(&mut command, |line| line.contains("Root Token"));
    let openbao = OpenBao {
        server,
        header: ("X-Vault-Token".to_owned(), "bench".to_owned()),
        over_tls: format!("https://{over_tls}"),
    };
    openbao.ask("sys/mounts/transit", &json!({"type": "transit"}));
    for (name, body) in [
        ("aes", json!({"type": "aes256-gcm96"})),
        ("hmac", json!({"type": "hmac", "key_size": 32})),
        ("ed25519", json!({"type": "ed25519"})),
        ("p256", json!({"type": "ecdsa-p256"})),
        ("rsa2048", json!({"type": "rsa-2048"})),
    ] {
        openbao.ask(&format!("transit/keys/{name}"), &body);
    }
    openbao
}

/// What `.ci/prepare bench` installed.
fn binary() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/openbao/bao");
    if !path.exists() {
        eprintln!("make bench compares with OpenBao; .ci/prepare bench installs it");
        std::process::exit(1);
    }
    path
}

/// A port that is free, and the one above, which OpenBao takes too.
fn free_port() -> u16 {
    loop {
        let one = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = one.local_addr().expect("its number").port();
        let above = port.checked_add(1);
        if above.is_some_and(|above| std::net::TcpListener::bind(("127.0.0.1", above)).is_ok()) {
            return port;
        }
    }
}

impl OpenBao {
    fn url(&self, path: &str) -> String {
        format!("{}/v1/{path}", self.server.address)
    }

    fn ask(&self, path: &str, body: &Value) -> Value {
        ask(&self.url(path), &self.header, body)
    }

    /// The request of a case, if it has such a verb.
    pub fn asked(&self, case: &Case) -> Option<Asked> {
        let message = base64(case.bytes);
        let plaintext = json!({"plaintext": message});
        let input = json!({"input": message});
        let (path, body) = match case.verb {
            Verb::Encrypt | Verb::EncryptTls => ("transit/encrypt/aes", plaintext),
            Verb::Decrypt => {
                let made = self.ask("transit/encrypt/aes", &plaintext);
                let body = json!({"ciphertext": made["data"]["ciphertext"]});
                ("transit/decrypt/aes", body)
            }
            Verb::Hmac => ("transit/hmac/hmac", input),
            Verb::SignEd25519 => ("transit/sign/ed25519", input),
            Verb::SignP256 => ("transit/sign/p256", input),
            Verb::SignRsa2048 => ("transit/sign/rsa2048", input),
            Verb::DataKey => ("transit/datakey/plaintext/aes", json!({})),
            Verb::EncryptBatch => (
                "transit/encrypt/aes",
                json!({"batch_input": vec![plaintext; BATCH]}),
            ),
            Verb::Create => ("transit/keys/NAME", json!({"type": "aes256-gcm96"})),
            Verb::CreateBatch => return None,
        };
        let url = if case.is_over_tls() {
            format!("{}/v1/{path}", self.over_tls)
        } else {
            self.url(path)
        };
        Some(Asked {
            headers: vec![self.header.clone()],
            named: case.verb == Verb::Create,
            ..Asked::post(url, body.to_string())
        })
    }
}
