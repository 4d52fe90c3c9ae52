//! Recovery point zero on the real binary: kill -9 at random instants under load, the data directory
//! thrown away, and a restore from the backups alone holds every change that was answered. And a place
//! of backups that is full.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use keyward_testkit::server::{Answer, Api, Launch};
use keyward_testkit::world::{BACKUP_IDENTITY, BACKUP_RECIPIENT};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

const KEYWARD: &str = env!("CARGO_BIN_EXE_keyward");
/// Machines that are lost.
const DISASTERS: usize = 8;
const CLIENTS: usize = 6;
/// Tenants that are changed at once.
const TENANTS: [&str; 2] = ["demo", "bank"];

/// What clients were told.
#[derive(Default)]
struct Acknowledged {
    /// Keys by tenant and name, and the highest version each is known to have.
    keys: BTreeMap<(&'static str, String), i64>,
    /// Ciphertexts: tenant, key, text.
    ciphertexts: Vec<(&'static str, String, String)>,
    /// Values of secrets by tenant and name.
    secrets: BTreeMap<(&'static str, String), String>,
    /// Descriptions of tokens that were revoked.
    revoked: Vec<String>,
}

impl Acknowledged {
    fn was_a_load(&self) -> bool {
        let changes: i64 = self.keys.values().map(|version| version % 1_000).sum();
        changes > 60 && self.secrets.len() > 10 && self.revoked.len() > 5
    }
}

/// Tokens by tenant.
struct Tokens {
    manager: BTreeMap<&'static str, String>,
    user: BTreeMap<&'static str, String>,
    reader: BTreeMap<&'static str, String>,
}

fn launch(place: &Path, data: &str, backups: &Path) -> Launch {
    let recipients = place.join("recipients.txt");
    std::fs::write(&recipients, format!("{BACKUP_RECIPIENT}\n")).unwrap();
    private(&place.join("identity.txt"), BACKUP_IDENTITY.as_bytes());
    Launch::dev(KEYWARD, &place.join(data))
        .with("KEYWARD_LOG_LEVEL", "warn")
        .with("KEYWARD_BACKUP_DIRECTORY", backups.to_str().unwrap())
        .with(
            "KEYWARD_BACKUP_RECIPIENTS_FILE",
            recipients.to_str().unwrap(),
        )
        .with("KEYWARD_BACKUP_INTERVAL_HOURS", "0")
        .with("KEYWARD_BACKUP_SEGMENT_SECONDS", "0")
        .with("KEYWARD_BACKUP_CONTINUOUS", "before-answer")
        .with("KEYWARD_BACKUP_CONTINUOUS_SEGMENTS", "50")
}

/// On an empty machine, from the backups alone; the seal was kept elsewhere.
fn restore(place: &Path, from: &Path, seal: &[u8], data: &str) {
    let ended = Command::new(KEYWARD)
        .args(["backup", "restore", "--from"])
        .arg(from)
        .args(["--unverified-signer", "--identity", "identity.txt"])
        .args(["--data", data])
        .current_dir(place)
        .output()
        .unwrap();
    assert!(ended.status.success(), "{ended:?}");
    private(&place.join(data).join("seal.key"), seal);
}

fn private(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
    let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(path, own).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_whatever_was_answered_is_restored_from_the_backups_alone() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let backups = place.join("backups");
    let mut data = "data-0".to_owned();
    let mut server = launch(place, &data, &backups).start().await;
    let seal = std::fs::read(place.join(&data).join("seal.key")).unwrap();
    let bank = json!({"name": "bank"});
    server.api.post("/v1/tenants", bank).await.ok();
    let mut tokens = Tokens {
        manager: BTreeMap::new(),
        user: BTreeMap::new(),
        reader: BTreeMap::new(),
    };
    for tenant in TENANTS {
        let api = &server.api;
        let manager = api.member(tenant, "manager", "tenant-admin").await;
        let user = api.member(tenant, "app", "crypto-user").await;
        tokens.manager.insert(tenant, manager);
        tokens.user.insert(tenant, user);
        let reader = api.member(tenant, "reader", "secret-reader").await;
        tokens.reader.insert(tenant, reader);
    }
    let tokens = Arc::new(tokens);
    let told = Arc::new(Mutex::new(Acknowledged::default()));
    let mut random = Lcg(0x9e37_79b9_7f4a_7c15);
    for disaster in 0..DISASTERS {
        let mut clients = tokio::task::JoinSet::new();
        for client in 0..CLIENTS {
            let (api, tokens, told) = (server.api.clone(), tokens.clone(), told.clone());
            clients.spawn(async move { load(disaster, client, &api, &tokens, &told).await });
        }
        // The instant of the kill is the input of this test, not a wait for something.
        let instant = Duration::from_millis(100 + random.next() % 3_500);
        tokio::time::sleep(instant).await;
        // And at the last one there has been a load, however busy the machine is.
        let is_last = disaster + 1 == DISASTERS;
        let patience = tokio::time::Instant::now();
        while is_last && !told.lock().await.was_a_load() {
            assert!(patience.elapsed() < Duration::from_mins(5), "no load");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        server.kill().await;
        clients.join_all().await;

        // The machine is gone with everything on it.
        std::fs::remove_dir_all(place.join(&data)).unwrap();
        data = format!("data-{}", disaster + 1);
        restore(place, &backups, &seal, &data);
        server = launch(place, &data, &backups).start().await;
        check(&server.api, &tokens, &*told.lock().await).await;
    }
}

/// One client: makes a key, uses it, rotates it, puts secrets, makes and revokes tokens, until the server
/// goes away.
async fn load(
    disaster: usize,
    client: usize,
    api: &Api,
    tokens: &Tokens,
    told: &Mutex<Acknowledged>,
) -> Option<()> {
    let tenant = TENANTS[client % TENANTS.len()];
    let (manager, user) = (
        api.by(&tokens.manager[tenant]),
        api.by(&tokens.user[tenant]),
    );
    let place = format!("/v1/tenants/{tenant}");
    let name = format!("k{disaster}-{client}");
    let new = json!({"name": name, "activate": true});
    changed(&manager, Method::POST, &format!("{place}/keys"), &new).await?;
    told.lock().await.keys.insert((tenant, name.clone()), 1);
    for step in 0.. {
        let body = json!({"plaintext": "dGV4dA=="});
        let path = format!("{place}/keys/{name}/encrypt");
        let made = changed(&user, Method::POST, &path, &body).await?;
        let text = made["ciphertext"].as_str().unwrap().to_owned();
        let sealed = (tenant, name.clone(), text);
        told.lock().await.ciphertexts.push(sealed);
        let path = format!("{place}/keys/{name}/rotate");
        let rotated = changed(&manager, Method::POST, &path, &json!({})).await?;
        let version = latest(&rotated);
        let at = (tenant, name.clone());
        told.lock().await.keys.insert(at, version);
        let secret = format!("s{disaster}-{client}-{step}");
        let path = format!("{place}/secrets/{secret}");
        changed(&manager, Method::PUT, &path, &json!({"value": "dGV4dA=="})).await?;
        let at = (tenant, secret.clone());
        told.lock().await.secrets.insert(at, "dGV4dA==".to_owned());
        let new = json!({"principal": "app", "label": secret});
        let path = format!("{place}/tokens");
        let token = changed(&manager, Method::POST, &path, &new).await?;
        let id = token["token"]["id"].as_str().or(token["id"].as_str());
        let path = format!("{path}/{}/revoke", id.unwrap());
        changed(&manager, Method::POST, &path, &json!({})).await?;
        let text = token["text"].as_str().unwrap().to_owned();
        told.lock().await.revoked.push(text);
    }
    None
}

/// A request that was answered with success; nothing if no answer came.
async fn changed(api: &Api, method: Method, path: &str, body: &Value) -> Option<Value> {
    let answer = api.ask(method, path, None, Some(body)).await.ok()?;
    assert!(
        answer.status.is_success(),
        "{path}: {} {}",
        answer.status,
        answer.body
    );
    Some(answer.body)
}

fn latest(key: &Value) -> i64 {
    let versions = key["versions"].as_array().unwrap().iter();
    let numbers = versions.filter_map(|version| version["version"].as_i64());
    numbers.max().unwrap()
}

async fn check(api: &Api, tokens: &Tokens, told: &Acknowledged) {
    for ((tenant, name), version) in &told.keys {
        let path = format!("/v1/tenants/{tenant}/keys/{name}");
        let key = api.by(&tokens.manager[tenant]).get(&path).await.ok();
        assert!(latest(&key) >= *version, "{tenant}/{name} {version}: {key}");
    }
    for (tenant, name, text) in told.ciphertexts.iter().rev().take(200) {
        let path = format!("/v1/tenants/{tenant}/keys/{name}/decrypt");
        let body = json!({"ciphertext": text});
        let opened = api.by(&tokens.user[tenant]).post(&path, body).await;
        assert_eq!(opened.ok()["plaintext"], "dGV4dA==");
    }
    for ((tenant, name), value) in &told.secrets {
        let path = format!("/v1/tenants/{tenant}/secrets/{name}/value");
        let got = api.by(&tokens.reader[tenant]).get(&path).await.ok();
        assert_eq!(
            got["value"].as_str(),
            Some(value.as_str()),
            "{tenant}/{name}"
        );
    }
    for token in told.revoked.iter().rev().take(50) {
        let refused = api.by(token).get("/v1/tenants/demo/keys").await;
        assert_eq!(refused.status.as_u16(), 401, "a revoked token is revoked");
    }
}

/// A small file system of its own, gone with the test.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn new(place: &Path, size: &str) -> Self {
        std::fs::create_dir_all(place).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
            .arg(place)
            .status();
        assert!(
            mounted.is_ok_and(|status| status.success()),
            "this test mounts a small tmpfs: run the tests as root, or in `unshare --map-root-user --mount`"
        );
        Self(place.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that is just being killed may still hold a file.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

async fn make(api: &Api, name: &str) -> Answer {
    let new = json!({"name": name, "activate": true});
    api.post("/v1/tenants/demo/keys", new).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_place_of_backups_refuses_changes_by_name_and_recovers_by_itself() {
    let place = tempfile::tempdir().unwrap();
    let disk = SmallDisk::new(&place.path().join("disk"), "4m");
    let backups = disk.0.join("backups");
    let launch = launch(place.path(), "data", &backups)
        .with("KEYWARD_BACKUP_CONTINUOUS_TIMEOUT_SECONDS", "2");
    let server = launch.start().await;
    make(&server.api, "before").await.ok();
    let ballast = disk.0.join("ballast");
    std::fs::write(&ballast, vec![1_u8; 8 << 20]).unwrap_err();

    let refused = make(&server.api, "amid").await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (503, "not_in_backup")
    );
    let refused = make(&server.api, "later").await;
    let code = (refused.status.as_u16(), refused.code());
    assert_eq!(code, (503, "backup_unavailable"));
    let gone = server.api.get("/v1/tenants/demo/keys/later").await;
    assert_eq!(gone.status.as_u16(), 404, "nothing was made");
    let alerts = server.api.get("/v1/alerts?state=open").await.ok();
    assert!(alerts.to_string().contains("backup_behind"), "{alerts}");
    // Keys are used all the same, and nodes are ready for that.
    let path = "/v1/tenants/demo/keys/before/encrypt";
    let body = json!({"plaintext": "dGV4dA=="});
    server.api.post(path, body).await.ok();
    assert_eq!(server.api.get("/health/ready").await.status.as_u16(), 200);

    std::fs::remove_file(&ballast).unwrap();
    let mut well = false;
    for _ in 0..2_000 {
        if make(&server.api, "later").await.status.is_success() {
            well = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await; // Asks again, as a client does.
    }
    assert!(well, "it recovers when space returns");
    server.kill().await;
    let seal = std::fs::read(place.path().join("data/seal.key")).unwrap();
    std::fs::remove_dir_all(place.path().join("data")).unwrap();
    restore(place.path(), &backups, &seal, "again");
    let again = launch_again(place.path(), "again").start().await;
    for name in ["before", "amid", "later"] {
        let path = format!("/v1/tenants/demo/keys/{name}");
        again.api.get(&path).await.ok();
    }
}

fn launch_again(place: &Path, data: &str) -> Launch {
    Launch::dev(KEYWARD, &place.join(data)).with("KEYWARD_LOG_LEVEL", "error")
}

/// Numbers that are the same in every run.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.0 >> 33
    }
}
