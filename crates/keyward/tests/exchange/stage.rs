//! A server, somebody who may import, and somebody who may export.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyward_api::names::Algorithm;
use keyward_testkit::server::{Answer, Api, Launch, Server};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A server with its tenant `demo`.
pub struct Stage {
    pub server: Server,
    pub courier: Api,
    place: TempDir,
}

pub const KEYS: &str = "/v1/tenants/demo/keys";

impl Stage {
    pub async fn open() -> Self {
        let place = tempfile::tempdir().unwrap();
        let launch = Launch::dev(env!("CARGO_BIN_EXE_keyward"), &place.path().join("data"))
            .with("KEYWARD_LOG_LEVEL", "warn");
        let server = launch.start().await;
        let role = json!({"name": "exporter", "permissions": ["key.export"]});
        server.api.post("/v1/tenants/demo/roles", role).await.ok();
        let token = server.api.member("demo", "courier", "exporter").await;
        Self {
            courier: server.api.by(&token),
            server,
            place,
        }
    }

    pub fn api(&self) -> &Api {
        &self.server.api
    }

    /// A place for files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A wrapping key.
    pub async fn import_key(&self, method: &str) -> Value {
        let new = json!({"method": method});
        self.api()
            .post("/v1/tenants/demo/import-keys", new)
            .await
            .ok()
    }

    /// Takes a wrapped key in; what is declared is as little as the algorithm lets be.
    pub async fn import(
        &self,
        name: &str,
        algorithm: &str,
        under: &Value,
        format: &str,
        wrapped: &Value,
    ) -> Answer {
        let body = json!({
            "key": {
                "name": name, "algorithm": algorithm, "activate": true,
                "restrictions": {"exportable": true},
            },
            "material": {"import_key_id": under["id"], "format": format, "wrapped": wrapped},
            "prior_use": {"uses": 0, "bytes": 0},
        });
        self.api().post(&format!("{KEYS}/import"), body).await
    }

    /// Makes an exportable key here.
    pub async fn create(&self, name: &str, algorithm: &str) {
        let new = json!({
            "name": name, "algorithm": algorithm, "activate": true,
            "restrictions": {"exportable": true},
        });
        self.api().post(KEYS, new).await.ok();
    }

    pub async fn export(&self, name: &str, method: &str, to: &Value, format: &str) -> Answer {
        let body = json!({"method": method, "recipient": to, "format": format});
        self.courier
            .post(&format!("{KEYS}/{name}/export"), body)
            .await
    }

    /// The public half as the server shows it.
    pub async fn public(&self, name: &str) -> Value {
        let path = format!("{KEYS}/{name}/public-key");
        self.api().get(&path).await.ok()["der"].clone()
    }
}

/// What HPKE binds to an exported key.
pub fn export_info(exported: &Value) -> String {
    let key = exported["key_id"].as_str().unwrap();
    format!("keyward/export/1:{key}.{}", exported["version"])
}

/// What HPKE binds to a key that is imported.
pub fn import_info(under: &Value) -> String {
    format!("keyward/import/1:{}", under["id"].as_str().unwrap())
}

pub fn is_symmetric(algorithm: &str) -> bool {
    ["aes", "xaes", "chacha", "hmac"]
        .iter()
        .any(|family| algorithm.starts_with(family))
}

/// Every algorithm, but those whose keys the other side does not know.
pub fn algorithms(except: &[&'static str]) -> Vec<&'static str> {
    let mut all = Algorithm::ALL.to_vec();
    all.retain(|algorithm| !except.contains(algorithm));
    all
}

pub fn decoded(text: &Value) -> Vec<u8> {
    STANDARD.decode(text.as_str().unwrap()).unwrap()
}
