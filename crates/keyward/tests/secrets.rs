//! Invariant 1 on the real binary: known plaintexts, key bytes and tokens are looked for in
//! everything that the server leaves behind: data directory, log, metrics, errors, core dumps.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use keyward_core::noun::tenant::TenantKek;
use keyward_core::port::registry::Registry;
use keyward_core::port::storage::{RecordLedger, SecureStorage, StorageBackend, StorageError};
use keyward_core::time::{Clock, Timestamp};
use keyward_crypto::SecretBytes;
use keyward_crypto::exchange::{IMPORT_INFO, Recipient, WrapMethod, WrappingKey, import_binding};
use keyward_crypto::material::KeyMaterial;
use keyward_crypto::random::SystemRandom;
use keyward_crypto::record::{RecordKind, RecordLabel};
use keyward_store::{Config, SqlRegistry};
use keyward_testkit::server::{Api, Launch, Server};
use keyward_vault::{EmbeddedBackend, Vault};
use serde_json::json;

const PLAINTEXT: &str = "the-patient-in-room-4711-has-a-rare-blood-type";
const CONTEXT: &str = "context-value-that-is-nobodys-business-0815";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_nothing_secret_is_left_behind() {
    let place = tempfile::tempdir().unwrap();
    let launch = Launch::dev(env!("CARGO_BIN_EXE_keyward"), &place.path().join("data"))
        .with("KEYWARD_LOG_LEVEL", "trace");
    let server = launch.start().await;
    let mut secrets = use_everything(&server.api).await;
    secrets.extend(keep_and_delete(&server.api).await);
    let metrics = text_of(&server.api, "/metrics").await;
    let locked = metrics
        .lines()
        .find_map(|line| line.strip_prefix("keyward_locked_memory_used_bytes "))
        .unwrap();
    assert!(
        locked.parse::<f64>().unwrap() > 0.0,
        "keys are in locked memory"
    );
    let process = server.process();
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(
        core.split_whitespace().nth(4),
        Some("0"),
        "no core dumps: {core}"
    );
    abort(server, &launch).await;

    // Read before the vault is opened: what a thief would find.
    let mut files = Vec::new();
    collect(launch.data(), &mut files);
    assert!(files.len() > 4);
    let log = std::fs::read(launch.log_path()).unwrap();
    secrets.extend(key_bytes(launch.data()).await);
    assert!(secrets.len() >= 11, "there is something to look for");
    assert_clean("metrics", metrics.as_bytes(), &secrets);
    assert_clean("log", &log, &secrets);
    for (file, bytes) in files {
        // One file is meant to hold one of these, mode 0600.
        let own = file.file_name().is_some_and(|name| name == "dev-token");
        let looked_for: Vec<_> = secrets
            .iter()
            .filter(|(what, _)| !own || what != "the developer's token")
            .cloned()
            .collect();
        assert_clean(&file.display().to_string(), &bytes, &looked_for);
    }
}

/// Another process of the same user asks for the server's memory. Root may read everything, so
/// that for root's tests the user is nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i12_other_processes_of_the_same_user_cannot_read_its_memory() {
    let place = tempfile::tempdir().unwrap();
    let binary = place.path().join("keyward");
    std::fs::copy(env!("CARGO_BIN_EXE_keyward"), &binary).unwrap();
    let user = rustix::process::geteuid().is_root().then_some(65_534);
    if user.is_some() {
        std::os::unix::fs::chown(place.path(), user, user).unwrap();
        std::os::unix::fs::chown(&binary, user, user).unwrap();
    }
    let launch = Launch::dev(binary.to_str().unwrap(), &place.path().join("data"));
    let launch = user.into_iter().fold(launch, Launch::as_user);
    let server = launch.start().await;

    let memory = |process: u32| {
        let mut look = std::process::Command::new("head");
        look.args(["-c", "0"]).arg(format!("/proc/{process}/mem"));
        if let Some(user) = user {
            std::os::unix::process::CommandExt::uid(&mut look, user);
        }
        look.output().unwrap()
    };
    let refused = memory(server.process());
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("Permission denied"), "{said}");

    // A process that does nothing about it is an open book to its own user.
    let mut other = std::process::Command::new("sleep");
    other.arg("60");
    if let Some(user) = user {
        std::os::unix::process::CommandExt::uid(&mut other, user);
    }
    let mut other = other.spawn().unwrap();
    let read = memory(other.id());
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(
        read.status.success(),
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
    server.stop().await;
}

type Secrets = Vec<(String, Vec<u8>)>;

/// Uses keys in ways that succeed and in ways that fail, and returns what must not be found.
async fn use_everything(api: &Api) -> Secrets {
    let keys = "/v1/tenants/demo/keys";
    let context = json!({"note": CONTEXT});
    let plaintext = STANDARD.encode(PLAINTEXT);
    let body = json!({"plaintext": plaintext, "context": context});
    let made = api
        .post(&format!("{keys}/patient-records/encrypt"), body)
        .await
        .ok();
    let ciphertext = made["ciphertext"].as_str().unwrap().to_owned();
    let body = json!({"ciphertext": ciphertext, "context": context});
    let opened = api
        .post(&format!("{keys}/patient-records/decrypt"), body.clone())
        .await
        .ok();
    assert_eq!(opened["plaintext"], plaintext.as_str());
    let rewrapped = api
        .post(&format!("{keys}/patient-records/rewrap"), body)
        .await
        .ok();
    assert!(rewrapped["ciphertext"].is_string());
    let data_key = api
        .post(&format!("{keys}/patient-records/data-key"), json!({}))
        .await
        .ok();
    let made = api
        .post("/v1/tenants/demo/random", json!({"size_bytes": 32}))
        .await
        .ok();
    // Failures: secrets must not come back in errors either.
    for (path, body) in [
        (
            "patient-records/encrypt",
            json!({"plaintext": plaintext, "extra": PLAINTEXT}),
        ),
        ("patient-records/encrypt", json!({"plaintext": PLAINTEXT})),
        (
            "patient-records/decrypt",
            json!({"ciphertext": ciphertext, "context": {"note": "x"}}),
        ),
        ("release-signing/encrypt", json!({"plaintext": plaintext})),
        ("nowhere/encrypt", json!({"plaintext": plaintext})),
    ] {
        let refused = api.post(&format!("{keys}/{path}"), body).await;
        assert!(refused.status.is_client_error(), "{path} {}", refused.body);
        let text = refused.body.to_string();
        assert!(
            !text.contains(PLAINTEXT) && !text.contains(&plaintext),
            "{text}"
        );
    }
    let imported = import_and_export(api).await;
    let second = api.member("demo", "leaver", "crypto-user").await;
    let _ = api.by(&second).get("/v1/tenants/demo/keys").await;
    let wrong = format!("{}zz", &second[..second.len() - 2]);
    assert_eq!(api.by(&wrong).get(keys).await.code(), "unauthenticated");

    let mut secrets = vec![
        ("the plaintext".to_owned(), PLAINTEXT.as_bytes().to_vec()),
        ("the context".to_owned(), CONTEXT.as_bytes().to_vec()),
        ("the developer's token".to_owned(), secret_of(api.token())),
        ("another token".to_owned(), secret_of(&second)),
        ("a wrong token".to_owned(), secret_of(&wrong)),
        ("an imported key".to_owned(), imported),
    ];
    let random = made["bytes"].as_str().or_else(|| made["random"].as_str());
    for (what, text) in [
        ("a data key", data_key["plaintext"].as_str()),
        ("random bytes", random),
    ] {
        let text = text.unwrap_or_else(|| panic!("{what}: {data_key} {made}"));
        secrets.push((what.to_owned(), STANDARD.decode(text).unwrap()));
    }
    secrets
}

/// Puts secrets, reads them, fails in every way with them, and deletes some of them: no value is
/// found, neither of what is kept nor of what is gone.
async fn keep_and_delete(api: &Api) -> Secrets {
    let at = "/v1/tenants/demo/secrets";
    let kept = "a-password-that-is-kept-4711-0815";
    let gone = "a-password-that-is-gone-4711-0815";
    let replaced = "a-password-that-was-replaced-4711";
    let refused = "a-password-that-was-refused-4711";
    let put = async |name: &str, text: &str, more: serde_json::Value| {
        let mut body = json!({"value": STANDARD.encode(text), "keep": 1});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let path = format!("{at}/{name}");
        let asked = api
            .ask(reqwest::Method::PUT, &path, None, Some(&body))
            .await;
        asked.expect("an answer")
    };
    put("kept", replaced, json!({})).await.ok();
    put("kept", kept, json!({})).await.ok();
    put("gone", gone, json!({})).await.ok();
    let value = api.get(&format!("{at}/gone/value")).await.ok();
    assert_eq!(value["value"], STANDARD.encode(gone).as_str());
    for more in [
        json!({"expected_version": 0}),
        json!({"expected_version": 9}),
        json!({"keep": 0}),
        json!({"colour": refused}),
        json!({"value": refused}),
    ] {
        let answer = put("kept", refused, more).await;
        assert!(answer.status.is_client_error(), "{}", answer.body);
        assert!(!answer.body.to_string().contains(refused));
    }
    let path = format!("{at}/gone");
    let deleted = api.ask(reqwest::Method::DELETE, &path, None, None).await;
    deleted.expect("an answer").ok();
    let kept_now = api.get(&format!("{at}/kept/value")).await.ok();
    assert_eq!(kept_now["version"], 2);
    [kept, gone, replaced, refused]
        .map(|text| {
            (
                format!("the secret `{}`", &text[..23]),
                text.as_bytes().to_vec(),
            )
        })
        .to_vec()
}

/// Takes a key in, tries once more with what is refused, and gives it out again.
async fn import_and_export(api: &Api) -> Vec<u8> {
    let tenant = "/v1/tenants/demo";
    let bytes = SecretBytes::copy_from(b"0123-a key that came in-9876-asdf");
    let bytes = SecretBytes::copy_from(&bytes.expose()[..32]);
    for (name, algorithm) in [("refused", "ed25519"), ("brought", "aes-256-gcm-commit")] {
        let under = api.post(&format!("{tenant}/import-keys"), json!({})).await;
        let under = under.ok();
        let der = STANDARD.decode(under["der"].as_str().unwrap()).unwrap();
        let recipient = Recipient::read(WrapMethod::HpkeXWing, &der).unwrap();
        let binding = import_binding(under["id"].as_str().unwrap().parse().unwrap());
        let wrapped = recipient
            .wrap(IMPORT_INFO, binding.as_bytes(), &bytes, &SystemRandom)
            .unwrap();
        let body = json!({
            "key": {
                "name": name, "algorithm": algorithm, "activate": true,
                "restrictions": {"exportable": true},
            },
            "material": {
                "import_key_id": under["id"],
                "format": if name == "refused" { "jwk" } else { "raw" },
                "wrapped": STANDARD.encode(wrapped),
            },
        });
        let answer = api.post(&format!("{tenant}/keys/import"), body).await;
        assert_eq!(
            answer.status.is_success(),
            name == "brought",
            "{}",
            answer.body
        );
    }
    let path = format!("{tenant}/keys/brought/encrypt");
    let used = api.post(&path, json!({"plaintext": "aGk="})).await;
    used.ok();
    let receiver = WrappingKey::generate(WrapMethod::HpkeXWing, &SystemRandom).unwrap();
    let role = json!({"name": "exporter", "permissions": ["key.export"]});
    api.post(&format!("{tenant}/roles"), role).await.ok();
    let courier = api.by(&api.member("demo", "courier", "exporter").await);
    let body = json!({
        "method": "hpke-x-wing", "format": "raw",
        "recipient": STANDARD.encode(receiver.public()),
    });
    let path = format!("{tenant}/keys/brought/export");
    courier.post(&path, body).await.ok();
    bytes.expose().to_vec()
}

/// The part of a token that is secret.
fn secret_of(token: &str) -> Vec<u8> {
    token.rsplit('_').next().unwrap().as_bytes()[..52].to_vec()
}

async fn text_of(api: &Api, path: &str) -> String {
    let url = format!("{}{path}", api.address());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client
        .get(url)
        .bearer_auth(api.token())
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success());
    answer.text().await.unwrap()
}

/// Asks for a core dump, and looks that there is none.
async fn abort(server: Server, launch: &Launch) {
    let process = i32::try_from(server.process()).unwrap();
    let process = rustix::process::Pid::from_raw(process).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::ABORT).unwrap();
    server.kill().await;
    let around = [
        launch.data().to_owned(),
        PathBuf::from("."),
        launch.data().parent().unwrap().into(),
    ];
    for directory in around {
        for entry in std::fs::read_dir(directory).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            assert!(!name.starts_with("core"), "a core dump: {name}");
        }
    }
}

/// Opens the vault as its owner could, for the bytes of every key.
async fn key_bytes(data: &Path) -> Secrets {
    let clock: Arc<dyn Clock> = Arc::new(Still);
    let url = format!("sqlite://{}", data.join("registry.db").display());
    let registry = Arc::new(SqlRegistry::open(Config::new(url), clock).await.unwrap());
    let backend: Arc<dyn StorageBackend> =
        Arc::new(EmbeddedBackend::open(&data.join("vault.db")).unwrap());
    let ledger: Arc<dyn RecordLedger> = Arc::new(Ledger(registry.clone()));
    let vault = Vault::open(backend, ledger, Arc::new(SystemRandom))
        .await
        .unwrap();
    vault.unseal_with_key_file(&data.join("seal.key")).unwrap();
    let mut secrets = Secrets::new();
    for key in registry.all_keys(None, 100).await.unwrap().rows {
        for version in key.versions {
            let label = RecordLabel {
                kind: RecordKind::KeyMaterial,
                record_id: version.provider_key_id.parse().unwrap(),
                tenant: key.key.tenant.uuid(),
                key_id: key.key.id.uuid(),
                version: u32::try_from(version.version).unwrap(),
                algorithm: key.key.algorithm.name().to_owned(),
                usage: key.key.usages.bits().into(),
            };
            let opened = vault
                .open(&label, version.record_digest.as_ref())
                .await
                .unwrap();
            let material = KeyMaterial::decode(key.key.algorithm, &opened.payload).unwrap();
            let what = format!("the bytes of {}", key.key.name);
            secrets.push((what, material.secret().expose().to_vec()));
        }
    }
    secrets
}

/// The registry as a ledger.
struct Ledger(Arc<SqlRegistry>);

#[async_trait::async_trait]
impl RecordLedger for Ledger {
    async fn tenant_keks(
        &self,
        tenant: keyward_core::ids::TenantId,
    ) -> Result<Vec<TenantKek>, StorageError> {
        Ok(Registry::tenant_keks(&*self.0, tenant).await.unwrap())
    }

    async fn live_keks(
        &self,
        after: Option<keyward_core::ids::RecordId>,
        limit: usize,
    ) -> Result<Vec<TenantKek>, StorageError> {
        RecordLedger::live_keks(&*self.0, after, limit).await
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(4_000_000_000_000_000)
    }
}

fn assert_clean(place: &str, bytes: &[u8], secrets: &[(String, Vec<u8>)]) {
    for (what, secret) in secrets {
        assert!(secret.len() >= 16, "{what} is long enough to look for");
        let hex = data_encoding::HEXLOWER.encode(secret);
        let spellings = [
            secret.clone(),
            STANDARD
                .encode(secret)
                .trim_end_matches('=')
                .as_bytes()
                .to_vec(),
            URL_SAFE_NO_PAD.encode(secret).into_bytes(),
            hex.into_bytes(),
        ];
        for spelling in spellings {
            let found = bytes
                .windows(spelling.len())
                .any(|window| window == spelling);
            assert!(!found, "{what} stands in {place}");
        }
    }
}

fn collect(directory: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            files.push((path, bytes));
        }
    }
}
