//! Invariants 2 and 13 on the real binary: whatever instants it is killed at, its transparency log has
//! everything that was answered, once and in order, and every commitment in it is true.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::disallowed_methods)] // the instants of the kills are the input of this test

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyward_audit::trees::{Forest, LogDirectory, Tree, leaf};
use keyward_audit::{Journal, JournalConfig};
use keyward_core::audit::{AuditEvent, Journaled};
use keyward_core::noun::action::Action;
use keyward_core::port::audit_log::JournalObserver;
use keyward_core::time::{Clock, Timestamp};
use keyward_ledger::{
    Handover, Hash, Head, MemoryTree, OpenedCheckpoint, VerifierKey, bundles, hash_tiles,
    succession,
};
use keyward_testkit::server::{Api, Launch};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::sync::Mutex;
use uuid::Uuid;

const CLIENTS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_a_server_killed_again_and_again_logs_everything_it_answered_once_and_in_order() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let launch =
        Launch::dev(env!("CARGO_BIN_EXE_keyward"), &data).with("KEYWARD_LOG_LEVEL", "error");
    let mut server = launch.start().await;
    let manager = server.api.member("demo", "manager", "tenant-admin").await;
    let user = server.api.member("demo", "app", "crypto-user").await;
    let new = json!({"name": "orders", "activate": true});
    let keys = "/v1/tenants/demo/keys";
    server.api.by(&manager).post(keys, new).await.ok();
    let answered = Arc::new(Mutex::new(BTreeSet::new()));
    let mut signed = Vec::new();
    let key: VerifierKey = {
        let found = file(&server.api, "key").await;
        let found: serde_json::Value = serde_json::from_slice(&found).unwrap();
        found["key"].as_str().unwrap().parse().unwrap()
    };
    let kills = kills();
    for round in 0..kills {
        let mut clients = tokio::task::JoinSet::new();
        for client in 0..CLIENTS {
            let (api, answered) = (server.api.by(&user), answered.clone());
            let id = format!("{round}-{client}");
            clients.spawn(async move { load(&id, &api, &answered).await });
        }
        // Short lives and some that are longer than the second after which heads are made.
        let instant = Duration::from_millis(3 + round * round * 7919 % 1500);
        tokio::time::sleep(instant).await;
        if round % 5 == 2 {
            // Whatever the kill leaves of the hand-over, the next life finishes.
            rotate(&server.api).await;
        }
        server.kill().await;
        clients.join_all().await;
        server = launch.start().await;
        if round % 3 == 0 {
            signed.push(file(&server.api, "checkpoint").await);
        }
    }
    let handovers = file(&server.api, "handovers").await;
    server.kill().await;
    let answered = answered.lock().await;
    assert!(answered.len() > 300, "{} answers", answered.len());
    let dir = data.join("audit");
    let journal = open(&dir).await;
    let [went_on, anew] = [dir.join("log"), place.path().join("anew")].map(|place| {
        let files = LogDirectory::new(&place).unwrap();
        let mut forest = Forest::open(files, journal.clone()).unwrap();
        while forest.grow().unwrap() {}
        forest.keep().unwrap();
        forest
    });
    let keys = succession(&key, &Handover::open_all(&handovers).unwrap());
    assert!(keys.len() > kills as usize / 10, "{} keys", keys.len());
    check_signed(&signed, &keys, &went_on);
    let (trees, heads) = check_heads(&journal);
    assert!(heads > kills as usize / 2, "{heads} heads");
    for (tree, entries) in &trees {
        let head = head_of(entries);
        for forest in [&went_on, &anew] {
            assert_eq!(forest.head(*tree), head, "{tree}");
        }
        for tile in hash_tiles(head.size).chain(bundles(head.size)) {
            let bytes = went_on.tile(*tree, tile).unwrap();
            assert!(bytes.is_some() && bytes == anew.tile(*tree, tile).unwrap());
        }
    }
    let logged: BTreeSet<String> = requests(&trees);
    let missing: Vec<&String> = answered.difference(&logged).collect();
    assert!(missing.is_empty(), "answered and not logged: {missing:?}");
    assert!(trees.values().any(|entries| entries.len() > 256));
    journal.close().await;
}

/// At how many instants it is killed: `KEYWARD_KILLS=500` for the whole of it.
fn kills() -> u64 {
    let wanted = std::env::var("KEYWARD_KILLS").ok();
    wanted.map_or(25, |wanted| wanted.parse().unwrap())
}

async fn rotate(api: &Api) {
    let body = json!({"overlap_hours": 0});
    let asked = api.ask(Method::POST, "/v1/audit/log/rotate-key", None, Some(&body));
    let answer = asked.await.unwrap();
    assert!(answer.status.is_success(), "{}", answer.body);
}

/// A file of the system's log, as soon as there is one: after many lives the log takes its time to be
/// read again.
async fn file(api: &Api, name: &str) -> Vec<u8> {
    // The server itself waits ten seconds each time.
    for _ in 0..30 {
        let asked = reqwest::Client::new()
            .get(format!("{}/v1/audit/log/{name}", api.address()))
            .bearer_auth(api.token())
            .send();
        let answer = asked.await.unwrap();
        if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
            let answer = answer.error_for_status().unwrap();
            return answer.bytes().await.unwrap().to_vec();
        }
    }
    panic!("{name} does not come");
}

/// Whatever was signed in whichever life is one log under one name, each is the beginning of the next,
/// and no key signs after it has handed the log over.
fn check_signed(signed: &[Vec<u8>], keys: &[VerifierKey], forest: &Forest<LogDirectory>) {
    let (mut last, mut first) = (0, 0);
    for note in signed {
        let opened = |key: &VerifierKey| OpenedCheckpoint::open(note, key, &[]).is_ok();
        let by = keys.iter().rposition(opened).unwrap();
        assert!(by >= first, "signed by key {by} after key {first}");
        first = by;
        let opened = OpenedCheckpoint::open(note, &keys[by], &[]).unwrap();
        let Head { size, root } = opened.checkpoint.head();
        assert!(size > last, "{size} entries after {last}");
        assert_eq!(forest.root_at(Tree::System, size).unwrap(), root);
        last = size;
    }
    assert!(signed.len() > 5);
}

/// Encrypts until the server goes away.
async fn load(client: &str, api: &Api, answered: &Mutex<BTreeSet<String>>) -> Option<()> {
    let path = "/v1/tenants/demo/keys/orders/encrypt";
    let body = json!({"plaintext": "dGV4dA=="});
    for step in 0.. {
        let id = format!("encrypt-{client}-{step}");
        let answer = api.ask(Method::POST, path, Some(&id), Some(&body)).await;
        let answer = answer.ok()?;
        assert!(answer.status.is_success(), "{}", answer.body);
        answered.lock().await.insert(id);
    }
    None
}

type Entries = BTreeMap<Tree, Vec<Vec<u8>>>;

/// Replays the journal, and makes every commitment to heads anew. Answers what each tree has, and how
/// many commitments there were.
fn check_heads(journal: &Journal) -> (Entries, usize) {
    let all = journal.written(0, usize::MAX).unwrap();
    let all: Vec<(u64, AuditEvent, Vec<u8>)> = all
        .into_iter()
        .map(|entry| {
            let event = serde_json::from_slice(&entry.bytes).unwrap();
            (entry.sequence, event, entry.bytes)
        })
        .collect();
    let of_heads = |event: &AuditEvent| event.action == Action::AuditHeads;
    let heads: Vec<(u64, AuditEvent)> = all
        .iter()
        .filter(|(_, event, _)| of_heads(event))
        .map(|(_, event, _)| (event.details["through"].as_u64().unwrap(), event.clone()))
        .collect();
    assert!(
        heads.is_sorted_by(|(one, _), (next, _)| one <= next),
        "what was committed to never shrinks"
    );
    let logs: BTreeSet<&str> = heads
        .iter()
        .map(|(_, event)| event.details["log"].as_str().unwrap())
        .collect();
    assert_eq!(logs.len(), 1, "one journal is one log");
    let log: Uuid = logs.first().unwrap().parse().unwrap();
    let count = heads.len();
    let mut heads = heads.into_iter().peekable();
    let mut order: Vec<Tree> = Vec::new();
    let mut trees = Entries::new();
    for (sequence, event, bytes) in all {
        let tree = match (event.tenant, event.change) {
            (None, _) => Tree::System,
            (Some(tenant), Some(_)) => Tree::Changes(tenant),
            (Some(tenant), None) => Tree::Operations(tenant),
        };
        if tree != Tree::System && !order.contains(&tree) {
            order.push(tree);
        }
        trees.entry(tree).or_default().push(bytes);
        while let Some((_, made)) = heads.next_if(|(through, _)| *through == sequence) {
            let leaves = order.iter().map(|tree| {
                let text = leaf(log, *tree, head_of(&trees[tree]));
                Hash::of_leaf(text.as_bytes())
            });
            let root = MemoryTree::new(leaves).root().to_string();
            assert_eq!(made.details["root"], root, "through {sequence}");
            assert_eq!(made.details["trees"], order.len());
        }
    }
    assert!(heads.next().is_none());
    (trees, count)
}

fn head_of(entries: &[Vec<u8>]) -> Head {
    let leaves = entries.iter().map(|entry| Hash::of_leaf(entry));
    Head {
        size: entries.len() as u64,
        root: MemoryTree::new(leaves).root(),
    }
}

/// The requests that are logged as done.
fn requests(trees: &Entries) -> BTreeSet<String> {
    let events = trees.values().flatten();
    let events = events.map(|entry| serde_json::from_slice::<AuditEvent>(entry).unwrap());
    let done = events.filter(|event| event.outcome == keyward_core::audit::Outcome::Ok);
    done.map(|event| event.correlation_id.to_string()).collect()
}

struct Stands;

impl Clock for Stands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_795_000_000_000_000)
    }
}

impl JournalObserver for Stands {
    fn replay_after(&self) -> u64 {
        0
    }

    fn observe(&self, _: &[Journaled]) {}
}

/// Opens what a killed server left, as the next one would.
async fn open(dir: &Path) -> Arc<Journal> {
    let first = std::fs::read(dir.join("journal-00000000000000000001.kwj")).unwrap();
    let deployment = Uuid::from_slice(&first[32..48]).unwrap();
    let dir = dir.to_owned();
    let opened = tokio::task::spawn_blocking(move || {
        let (clock, observer) = (Arc::new(Stands), Arc::new(Stands));
        let config = JournalConfig::default();
        Journal::open(&dir, config, "checker".into(), deployment, clock, observer)
    });
    Arc::new(opened.await.unwrap().unwrap())
}
