//! Registries of every schema, each with its vault, its seal and what was made with its keys: brought
//! up to today's schema, loaded, and everything opened. With the newest of them, its journal.

use std::path::Path;

use data_encoding::HEXLOWER;
use keyward_audit::{Journal, JournalConfig};
use keyward_core::caller::TenantRef;
use keyward_core::crypto_types::Algorithm;
use keyward_core::names::SecretName;
use keyward_core::node::UsageBook;
use keyward_core::ops::storage::scrub;
use keyward_core::ops::{initialize, kek, secret};
use keyward_core::port::audit_log::{AuditLog, TailQuery};
use keyward_core::port::registry::Registry as _;
use keyward_core::port::storage::{ObjectName, StorageBackend};
use keyward_crypto::digest::sha256;
use keyward_store::migrate::{KNOWN, MIGRATIONS};
use keyward_store::{Config, SqlRegistry};
use keyward_testkit::world::{DrivenClock, World};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::{copy, corpus, hex, load, may_add, save, text, uses};

/// What the first schema knew.
const FIRST: [Algorithm; 14] = [
    Algorithm::Aes256GcmCommit,
    Algorithm::Aes256Gcm,
    Algorithm::ChaCha20Poly1305,
    Algorithm::HmacSha256,
    Algorithm::HmacSha512,
    Algorithm::Rsa2048,
    Algorithm::Rsa3072,
    Algorithm::Rsa4096,
    Algorithm::EcdsaP256,
    Algorithm::EcdsaP384,
    Algorithm::Ed25519,
    Algorithm::MlKem768,
    Algorithm::MlDsa65,
    Algorithm::Aes256Kwp,
];
const FIRST_WAYS: [&str; 5] = ["encrypt", "wrap", "sign", "mac", "encapsulate"];

fn directory(schema: i64) -> String {
    format!("registry/{schema}")
}

/// A deployment with what a schema has a place for, left in that schema.
async fn make(schema: i64) {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let made = if schema == 1 {
        uses::make(&world, &clinic, &FIRST, &FIRST_WAYS).await
    } else if schema < KNOWN {
        let some = [
            Algorithm::Aes256GcmCommit,
            Algorithm::Xaes256Gcm,
            Algorithm::EcdsaP521,
        ];
        uses::make(&world, &clinic, &some, &uses::ALL).await
    } else {
        uses::make(&world, &clinic, Algorithm::ALL, &uses::ALL).await
    };
    let mut secrets = Vec::new();
    if schema >= 5 {
        let value = b"opensesame";
        let new = uses::value("db/password", value);
        let put = secret::put(&world.node, &clinic.admin, &clinic.place, new, None);
        put.await.unwrap();
        secrets.push(json!({ "name": "db/password", "value": HEXLOWER.encode(value) }));
    }
    if schema >= 4 {
        kek::rotate(&world.node, world.root(), &clinic.place, None)
            .await
            .unwrap();
        while kek::rewrap_slice(&world.node).await.unwrap().is_some() {}
    }
    let reader = world
        .member_token(&clinic.admin, &clinic.place, "reader", "crypto-user", None)
        .await;
    let mut objects = serde_json::Map::new();
    for name in world.backend.list("", None, 10_000).await.unwrap() {
        let bytes = world.backend.read(&name).await.unwrap().unwrap();
        objects.insert(name.as_str().to_owned(), HEXLOWER.encode(&bytes).into());
    }
    let folder = corpus(&directory(schema));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("registry.db");
    world.sql(&format!("VACUUM INTO '{}'", file.display()));
    let down =
        SqlRegistry::migrate_down(Config::new(format!("sqlite://{}", file.display())), schema);
    down.await.unwrap();
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = DELETE; PRAGMA page_size = 1024; VACUUM;")
        .unwrap();
    let key_file = std::fs::read(world.directory().join("seal.key")).unwrap();
    let told = json!({
        "schema": schema,
        "tenant": clinic.id.to_string(),
        "token": world.root_token(),
        "reader": reader,
        "key_file": HEXLOWER.encode(&key_file),
        "uses": made,
        "secrets": secrets,
        "vault": objects,
    });
    save(&format!("{}/deployment.json", directory(schema)), &told);
    if schema == KNOWN && !corpus("journal/1").exists() {
        leave_journal(&world).await;
    }
}

async fn leave_journal(world: &World) {
    let entries = world.entries().await;
    let digests: Vec<String> = entries
        .iter()
        .map(|entry| HEXLOWER.encode(&sha256(&serde_json::to_vec(&entry.event).unwrap())))
        .collect();
    let deployment = world.registry.deployment().await.unwrap();
    copy(&world.directory().join("audit"), &corpus("journal/1/audit"));
    let told = json!({ "deployment": deployment, "node": "node-1", "entries": digests });
    save("journal/1/expected.json", &told);
}

async fn left(told: &Value) -> World {
    let file = corpus(&directory(told["schema"].as_i64().unwrap())).join("registry.db");
    World::found(
        text(told, "token"),
        async |folder: &Path, vault: &dyn StorageBackend| {
            std::fs::copy(&file, folder.join("registry.db")).unwrap();
            write_key_file(&folder.join("seal.key"), &hex(told, "key_file"));
            for (name, bytes) in told["vault"].as_object().unwrap() {
                let bytes = HEXLOWER.decode(bytes.as_str().unwrap().as_bytes()).unwrap();
                vault
                    .write(&ObjectName::new(name).unwrap(), bytes)
                    .await
                    .unwrap();
            }
        },
    )
    .await
}

pub fn write_key_file(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.unwrap().write_all(bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_of_every_schema_is_brought_up_and_everything_in_it_opens() {
    for migration in MIGRATIONS {
        let schema = migration.version;
        let name = format!("{}/deployment.json", directory(schema));
        if may_add() && !corpus(&name).exists() {
            make(schema).await;
        }
        let told = load(&name);
        let world = left(&told).await;
        let place = TenantRef::Id(text(&told, "tenant").parse().unwrap());
        let reader = world.authenticated(text(&told, "reader")).await;
        for one in told["uses"].as_array().unwrap() {
            uses::open(&world, &reader, &place, one).await;
        }
        let system = initialize::system_caller(&world.node).unwrap();
        for one in told["secrets"].as_array().unwrap() {
            let name = SecretName::new(text(one, "name")).unwrap();
            let got = secret::get(&world.node, &system, &place, &name, None).await;
            assert_eq!(
                got.unwrap().value.expose(),
                hex(one, "value"),
                "schema {schema}"
            );
        }
        // Every record that the registry names is in the vault, and is the one that it names.
        scrub::start(&world.node, &system).await.unwrap();
        while scrub::slice(&world.node).await.unwrap().is_some() {}
        let job = world.registry.jobs(None, 1).await.unwrap().remove(0);
        assert_eq!(
            (job.progress.failed, job.progress.found),
            (0, 0),
            "schema {schema}"
        );
        assert!(job.progress.examined > 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_of_every_format_is_read() {
    let told = loop {
        // Left by the newest deployment, which another test makes.
        if !may_add() || corpus("journal/1/expected.json").exists() {
            break load("journal/1/expected.json");
        }
        tokio::task::yield_now().await;
    };
    if may_add() && !corpus("sealed-segment/1").exists() {
        leave_sealed(&told).await;
    }
    // As it was written, and sealed.
    for place in ["journal/1/audit", "sealed-segment/1/audit"] {
        let folder = tempfile::tempdir().unwrap();
        copy(&corpus(place), folder.path());
        is_as_told(
            &open_journal(folder.path(), &told, text(&told, "node")),
            &told,
        )
        .await;
    }
}

fn open_journal(place: &Path, told: &Value, node: &str) -> Journal {
    Journal::open(
        place,
        JournalConfig::default(),
        node.into(),
        text(told, "deployment").parse().unwrap(),
        Arc::new(DrivenClock::new()),
        Arc::new(UsageBook::new(0, 0)),
    )
    .unwrap()
}

/// The same journal, sealed: another name of the node ends its segment.
async fn leave_sealed(told: &Value) {
    let folder = tempfile::tempdir().unwrap();
    copy(&corpus("journal/1/audit"), folder.path());
    let journal = open_journal(folder.path(), told, "another");
    let mut sealer = journal.sealer();
    let mut sealing = sealer.begin(journal.last()).unwrap().unwrap();
    while sealer.step(&mut sealing).unwrap() {}
    journal.close().await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "kwj") {
            std::fs::remove_file(path).unwrap();
        }
    }
    copy(folder.path(), &corpus("sealed-segment/1/audit"));
}

async fn is_as_told(journal: &Journal, told: &Value) {
    let expected = told["entries"].as_array().unwrap();
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        let query = TailQuery {
            tenant: None,
            after: Some(seen.len() as u64),
            limit: 1_000,
        };
        let page = journal.tail(query).await.unwrap();
        assert!(
            !page.is_empty(),
            "entries are missing behind {}",
            seen.len()
        );
        for entry in page {
            let digest = sha256(&serde_json::to_vec(&entry.event).unwrap());
            seen.push(Value::from(HEXLOWER.encode(&digest)));
        }
    }
    assert_eq!(&seen, expected);
    assert!(seen.len() > 50);
}
