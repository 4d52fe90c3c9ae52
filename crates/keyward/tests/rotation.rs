//! Invariant 7 on the real binary: two nodes on one PostgreSQL, the one that rotates killed with kill -9 while
//! many keys are due. Each key is rotated exactly once for each of its dates.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use keyward_testkit::postgres::{self, TestDatabase};
use keyward_testkit::server::{Api, Launch, Server};
use serde_json::{Value, json};

const KEYS: usize = 80;
const ROUNDS: usize = 4;
/// The policy's interval and more: what was made so long ago is due.
const BACK: &str = "interval '2 days'";

/// So many clients, and so often the key is rotated while they work.
const CLIENTS: usize = 64;
const ROTATIONS: usize = 25;

struct Nodes {
    registry: TestDatabase,
    launches: [Launch; 2],
    running: Vec<Option<Server>>,
    manager: String,
}

impl Nodes {
    /// Two nodes of one deployment, with keys under a policy, none of them due.
    async fn new(place: &Path) -> Self {
        let server = postgres::server().unwrap_or_else(|error| panic!("{error}"));
        let database = || server.database().unwrap_or_else(|error| panic!("{error}"));
        let (registry, vault) = (database(), database());
        let launch = |name: &str| {
            Launch::dev(env!("CARGO_BIN_EXE_keyward"), &place.join(name))
                .with("KEYWARD_NODE_NAME", name)
                .with("KEYWARD_REGISTRY_URL", &registry.url)
                .with("KEYWARD_STORAGE_BACKEND", "postgres")
                .with("KEYWARD_STORAGE_POSTGRES_URL", &vault.url)
                .with("KEYWARD_ROTATION_CHECK_INTERVAL", "1")
                .with("KEYWARD_ROTATION_AT_ONCE", "1")
        };
        let launches = [launch("node-a"), launch("node-b")];
        let first = launches[0].start().await;
        // The second node opens by the same key file, and its developer has the same token.
        let beside = launches[1].data().to_owned();
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&beside)
            .unwrap();
        for file in ["seal.key", "dev-token"] {
            let copy = beside.join(file);
            std::fs::copy(launches[0].data().join(file), &copy).unwrap();
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&copy, private).unwrap();
        }
        let manager = first.api.member("demo", "manager", "tenant-admin").await;
        let by = first.api.by(&manager);
        let policy = json!({"name": "daily", "rotation_interval_days": 1});
        by.post("/v1/tenants/demo/policies", policy).await.ok();
        for number in 0..KEYS {
            let key = json!({
                "name": format!("due-{number}"),
                "rotation_policy": "daily",
                "activate": true,
            });
            by.post("/v1/tenants/demo/keys", key).await.ok();
        }
        let second = launches[1].start().await;
        Self {
            registry,
            launches,
            running: vec![Some(first), Some(second)],
            manager,
        }
    }

    fn sql(&self, statement: &str) {
        let server = postgres::server().unwrap_or_else(|error| panic!("{error}"));
        let done = server.run_sql(&self.registry.name, statement);
        done.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Any node that runs.
    fn api(&self) -> &Api {
        let mut running = self.running.iter().flatten();
        &running.next().expect("a node runs").api
    }

    /// Makes every key due, as if days had passed, and has the nodes look.
    async fn make_due(&self, round: usize) {
        self.sql(&format!(
            "UPDATE key_versions SET created_at = created_at - {BACK} WHERE key_id IN \
             (SELECT id FROM keys WHERE rotation_policy IS NOT NULL)"
        ));
        let change = json!({"description": format!("round {round}")});
        let path = "/v1/tenants/demo/policies/daily";
        let api = self.api().by(&self.manager);
        let touched = api
            .ask(reqwest::Method::PATCH, path, None, Some(&change))
            .await;
        touched.unwrap().ok();
    }

    /// Every rotation that there is.
    async fn history(&self) -> Vec<Value> {
        let api = self.api().by(&self.manager);
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/tenants/demo/rotation/history?limit=1000{cursor}");
            let page = api.get(&path).await.ok();
            rows.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return rows,
            }
        }
    }

    /// Waits until so many are done.
    async fn until_done(&self, count: usize) {
        let patience = tokio::time::Instant::now();
        loop {
            let rows = self.history().await;
            let done = rows.iter().filter(|row| row["outcome"] == "done").count();
            if done >= count {
                return;
            }
            let waited = patience.elapsed();
            assert!(
                waited < Duration::from_mins(3),
                "{done} of {count}: {:?}",
                rows.first()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Which node rotates.
    async fn active(&self) -> usize {
        let patience = tokio::time::Instant::now();
        loop {
            let status = self.api().get("/v1/rotation/status").await.ok();
            let holder = status["lease"]["holder"].as_str().unwrap_or_default();
            let is_over = status["lease"]["is_over"] != json!(false);
            if !is_over && !holder.is_empty() {
                return usize::from(holder.starts_with("node-b/"));
            }
            assert!(patience.elapsed() < Duration::from_mins(1), "{status}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn kill(&mut self, node: usize) {
        self.running[node].take().expect("it runs").kill().await;
        // The seconds until the lease is over are not what is tried here.
        self.sql("UPDATE leases SET expires_at = clock_timestamp()");
    }

    async fn start(&mut self, node: usize) {
        self.running[node] = Some(self.launches[node].start().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i07_the_active_node_is_killed_and_each_key_is_rotated_once_for_each_date() {
    let place = tempfile::tempdir().unwrap();
    let mut nodes = Nodes::new(place.path()).await;
    let mut killed = [0; 2];
    for round in 1..=ROUNDS {
        let before = (round - 1) * KEYS;
        nodes.make_due(round).await;
        nodes.until_done(before + 3).await;
        let active = nodes.active().await;
        nodes.kill(active).await;
        killed[active] += 1;
        // The other goes on where it was.
        nodes.until_done(round * KEYS).await;
        nodes.start(active).await;
    }
    let rows = nodes.history().await;
    assert_eq!(rows.len(), ROUNDS * KEYS, "killed {killed:?}");
    let dates: BTreeSet<String> = rows
        .iter()
        .map(|row| format!("{} {}", row["key_id"], row["planned_at"]))
        .collect();
    assert_eq!(dates.len(), rows.len(), "no date twice");
    let api = nodes.api().by(&nodes.manager);
    for number in 0..KEYS {
        let path = format!("/v1/tenants/demo/keys/due-{number}");
        let key = api.get(&path).await.ok();
        assert_eq!(key["primary_version"], ROUNDS + 1, "{key}");
        let versions = key["versions"].as_array().unwrap();
        assert_eq!(versions.len(), ROUNDS + 1, "{key}");
        let active = versions.iter().filter(|it| it["state"] == "active");
        assert_eq!(active.count(), 1, "{key}");
    }
    // Whoever was killed has its entries all the same. A node that starts also logs what others did meanwhile, under
    // the same revisions: each rotation has one, and no log has one twice.
    let mut rotations = BTreeSet::new();
    for server in nodes.running.iter().flatten() {
        let mut logged = server.api.entries(0).await;
        logged.retain(|entry| {
            entry["action"] == "key.rotate" && entry["details"]["actor"] == "system:scheduler"
        });
        let own: BTreeSet<i64> = logged
            .iter()
            .map(|entry| entry["revision"].as_i64().unwrap())
            .collect();
        assert_eq!(own.len(), logged.len(), "no entry twice");
        rotations.extend(own);
    }
    assert_eq!(rotations.len(), ROUNDS * KEYS);
}

const BUSY: &str = "/v1/tenants/demo/keys/busy";

/// A client's work: what it protects it reads again at once, and all of it at the end.
async fn work(api: Api, client: usize, stop: Arc<AtomicBool>) -> Vec<(Value, String)> {
    let [encrypt, decrypt] = ["encrypt", "decrypt"].map(|verb| format!("{BUSY}/{verb}"));
    let mut kept = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let plaintext = BASE64.encode(format!("{client}: {}", kept.len()));
        let sealed = api.post(&encrypt, json!({"plaintext": plaintext})).await;
        let ciphertext = sealed.ok()["ciphertext"].clone();
        let opened = api.post(&decrypt, json!({"ciphertext": ciphertext})).await;
        assert_eq!(opened.ok()["plaintext"], plaintext);
        kept.push((ciphertext, plaintext));
    }
    kept
}

/// While a key is rotated every 100 ms, nobody who uses it notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_clients_notice_nothing_of_a_key_rotated_ten_times_a_second() {
    let place = tempfile::tempdir().unwrap();
    let launch = Launch::dev(env!("CARGO_BIN_EXE_keyward"), place.path());
    let server = launch.start().await;
    let manager = server.api.member("demo", "manager", "tenant-admin").await;
    let user = server.api.member("demo", "user", "crypto-user").await;
    let by = server.api.by(&manager);
    let key = json!({"name": "busy", "activate": true});
    by.post("/v1/tenants/demo/keys", key).await.ok();
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(work(server.api.by(&user), client, stop.clone())))
        .collect();
    let mut every = tokio::time::interval(Duration::from_millis(100));
    for _ in 0..ROTATIONS {
        every.tick().await;
        by.post("/v1/tenants/demo/keys/busy/rotate", json!({}))
            .await
            .ok();
    }
    stop.store(true, Ordering::Relaxed);
    let mut used = BTreeSet::new();
    let api = server.api.by(&user);
    let mut last = Vec::new();
    for client in clients {
        let kept = client.await.unwrap();
        assert!(!kept.is_empty());
        last.extend(kept.first().cloned());
        last.extend(kept.last().cloned());
        for (ciphertext, _) in &kept {
            used.insert(
                ciphertext
                    .as_str()
                    .unwrap()
                    .split(':')
                    .nth(2)
                    .unwrap()
                    .to_owned(),
            );
        }
    }
    for (ciphertext, plaintext) in last {
        let path = "/v1/tenants/demo/keys/busy/decrypt";
        let opened = api.post(path, json!({"ciphertext": ciphertext})).await;
        assert_eq!(opened.ok()["plaintext"], plaintext);
    }
    let shown = by.get("/v1/tenants/demo/keys/busy").await.ok();
    assert_eq!(shown["primary_version"], json!(ROTATIONS + 1));
    assert!(
        used.len() > ROTATIONS / 2,
        "versions that protected: {used:?}"
    );
}
