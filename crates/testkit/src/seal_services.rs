//! Services that hold seals, for tests: a real OpenBao with its Transit engine, and SoftHSM with a
//! token of its own.
#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc)] // a test without its service ends

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::daemon::{self, Daemon, DaemonError};
use crate::door;

/// The key that holds the seal, in either service.
pub const KEY: &str = "keyward";
/// The PIN of the token.
pub const PIN: &str = "5678";
/// The label of the token.
pub const TOKEN: &str = "seals";
/// Where Debian puts the module.
pub const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// A running OpenBao, with everything in its memory: gone when this is dropped.
#[derive(Debug)]
pub struct OpenBao {
    /// `http://127.0.0.1:port`.
    pub address: String,
    _daemon: Daemon,
}

impl OpenBao {
    /// The token for everything.
    pub const TOKEN: &'static str = "test";

    /// Starts one, with Transit and a key in it.
    pub async fn start() -> Self {
        let started = Self::daemon().unwrap_or_else(|error| panic!("{error}"));
        started
            .ask("sys/mounts/transit", &json!({"type": "transit"}))
            .await;
        started
            .ask(
                &format!("transit/keys/{KEY}"),
                &json!({"type": "aes256-gcm96"}),
            )
            .await;
        started
    }

    fn daemon() -> Result<Self, DaemonError> {
        let directory = daemon::directory("keyward-openbao-")?;
        // It takes the one above too.
        let [port, _] = daemon::free_ports();
        let arguments = [
            "server".to_owned(),
            "-dev".to_owned(),
            "-dev-no-store-token".to_owned(),
            format!("-dev-root-token-id={}", Self::TOKEN),
            format!("-dev-listen-address=127.0.0.1:{port}"),
        ];
        let program = daemon::tool("openbao/bao");
        let daemon = Daemon::start(&program, &arguments, &directory, &[], "Root Token")?;
        Ok(Self {
            address: format!("http://127.0.0.1:{port}"),
            _daemon: daemon,
        })
    }

    /// Makes the next version of the key.
    pub async fn rotate_key(&self) {
        self.ask(&format!("transit/keys/{KEY}/rotate"), &json!({}))
            .await;
    }

    /// Whether something is there at a path.
    pub async fn has(&self, path: &str) -> bool {
        let asked = door::client()
            .get(format!("{}/v1/{path}", self.address))
            .header("x-vault-token", Self::TOKEN)
            .send()
            .await
            .expect("OpenBao answers");
        asked.status().is_success()
    }

    async fn ask(&self, path: &str, body: &Value) {
        let asked = door::client()
            .post(format!("{}/v1/{path}", self.address))
            .header("x-vault-token", Self::TOKEN)
            .body(body.to_string())
            .send()
            .await
            .expect("OpenBao answers");
        assert!(asked.status().is_success(), "{path}: {}", asked.status());
    }
}

/// A token of SoftHSM in a directory. A process that is to use it needs `SOFTHSM2_CONF`.
#[derive(Debug)]
pub struct SoftHsm {
    directory: PathBuf,
}

impl SoftHsm {
    /// Makes the token with its key.
    pub fn make(directory: &Path) -> Self {
        let made = Self {
            directory: directory.to_owned(),
        };
        std::fs::create_dir_all(made.tokens()).expect("a directory");
        let text = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            made.tokens().display()
        );
        std::fs::write(made.configuration(), text).expect("its configuration");
        made.run(&[
            "--init-token",
            "--free",
            "--label",
            TOKEN,
            "--so-pin",
            "1234",
            "--pin",
            PIN,
        ]);
        made.add_key(KEY, "01", [0x42; 32]);
        made
    }

    /// The value of `SOFTHSM2_CONF`.
    pub fn configuration(&self) -> PathBuf {
        self.directory.join("softhsm2.conf")
    }

    /// Puts an AES key into the token.
    pub fn add_key(&self, label: &str, id: &str, key: [u8; 32]) {
        let file = self.directory.join("aes.key");
        std::fs::write(&file, key).expect("a file");
        let path = file.to_str().expect("a path of text");
        self.run(&[
            "--import", path, "--aes", "--token", TOKEN, "--label", label, "--id", id, "--pin", PIN,
        ]);
        std::fs::remove_file(file).expect("it goes");
    }

    /// Takes the token away, with everything in it.
    pub fn remove(&self) {
        std::fs::remove_dir_all(self.tokens()).expect("it goes");
        std::fs::create_dir_all(self.tokens()).expect("an empty slot");
    }

    fn tokens(&self) -> PathBuf {
        self.directory.join("tokens")
    }

    fn run(&self, arguments: &[&str]) {
        let done = Command::new("softhsm2-util")
            .args(arguments)
            .env("SOFTHSM2_CONF", self.configuration())
            .output()
            .unwrap_or_else(|_| panic!("these tests need softhsm2; run: .ci/prepare"));
        assert!(done.status.success(), "{arguments:?}: {done:?}");
    }
}
