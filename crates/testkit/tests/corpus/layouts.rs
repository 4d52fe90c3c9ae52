//! How things lie: the vault in its SQLite file and in PostgreSQL, the registry as text, where a
//! migration stands.

use std::sync::Arc;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use keyward_core::port::snapshot::{RegistrySnapshot, SnapshotError, SnapshotSink, SnapshotSource};
use keyward_core::port::storage::{ObjectName, StorageBackend};
use keyward_core::snapshot::{Coverage, Part, SnapshotReader};
use keyward_crypto::SystemRandom;
use keyward_store::migrate::KNOWN;
use keyward_testkit::world::{RegistryKind, VaultKind, World};
use keyward_testkit::{postgres, stores};
use keyward_vault::migration::{Phase, standing_in};
use keyward_vault::{EmbeddedBackend, PostgresBackend, PostgresSettings};
use serde_json::json;

use crate::{corpus, load, may_add, save};

/// What lies in either vault.
const OBJECTS: [(&str, &str); 3] = [
    ("rec/ab/first", "00ff01"),
    ("rec/cd/empty", ""),
    ("root/current", "7b7d"),
];

fn objects() -> impl Iterator<Item = (ObjectName, Vec<u8>)> {
    OBJECTS.into_iter().map(|(name, bytes)| {
        let bytes = HEXLOWER.decode(bytes.as_bytes()).unwrap();
        (ObjectName::new(name).unwrap(), bytes)
    })
}

async fn holds_them(backend: &dyn StorageBackend) {
    backend.init().await.unwrap();
    let names = backend.list("", None, 10).await.unwrap();
    assert_eq!(names, objects().map(|(name, _)| name).collect::<Vec<_>>());
    for (name, bytes) in objects() {
        assert_eq!(backend.read(&name).await.unwrap(), Some(bytes));
    }
    let name = ObjectName::new("rec/ef/new").unwrap();
    backend.write(&name, b"later".to_vec()).await.unwrap();
}

#[tokio::test]
async fn a_vault_in_sqlite_is_read_and_written() {
    let file = corpus("embedded/1/vault.db");
    if may_add() && !file.exists() {
        let backend = EmbeddedBackend::open(&file).unwrap();
        backend.put_many(objects().collect()).await.unwrap();
        drop(backend);
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")
            .unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("vault.db");
    std::fs::copy(&file, &copy).unwrap();
    holds_them(&EmbeddedBackend::open(&copy).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_in_postgres_is_read_and_written() {
    let server = postgres::server().unwrap();
    let database = server.database().unwrap();
    let made = std::fs::read_to_string(corpus("postgres/1/vault.sql")).unwrap();
    server.run_sql(&database.name, &made).unwrap();
    let settings = PostgresSettings {
        url: database.url.clone().into(),
        schema: "keyward_vault".to_owned(),
        prefix: String::new(),
        connections_max: 2,
        patience: stores::PATIENCE,
    };
    holds_them(&PostgresBackend::new(settings, Arc::new(SystemRandom)).unwrap()).await;
}

#[test]
fn where_a_migration_stands_is_read() {
    let standing = standing_in(&corpus("migration/1/storage-migration.json"));
    let standing = standing.unwrap().unwrap();
    assert_eq!(standing.phase, Phase::CutOver);
    assert_eq!(standing.from, "file /srv/keyward/vault");
    assert_eq!(standing.to, "s3 https://s3.example.net/keys/keyward");
}

/// A registry as text, in memory.
struct Text(String, usize);

#[async_trait]
impl SnapshotSink for Text {
    async fn put(&mut self, lines: String) -> Result<(), SnapshotError> {
        self.0.push_str(&lines);
        Ok(())
    }
}

#[async_trait]
impl SnapshotSource for Text {
    async fn next(&mut self) -> Result<Option<String>, SnapshotError> {
        let rest = &self.0[self.1..];
        let end = rest.find('\n').map(|end| end + 1);
        let line = end.map(|end| rest[..end].to_owned());
        self.1 += end.unwrap_or(0);
        Ok(line)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_as_text_is_read_by_its_digests_and_imported_by_its_own_schema() {
    let (file, expected) = (
        corpus("snapshot/1/registry.jsonl"),
        "snapshot/1/expected.json",
    );
    if may_add() && !file.exists() {
        let world = World::new().await;
        world.tenant("clinic").await;
        let mut text = Text(String::new(), 0);
        let summary = world
            .registry
            .export(Coverage::Backup, &mut text)
            .await
            .unwrap();
        std::fs::write(&file, &text.0).unwrap();
        let told = json!({
            "schema": summary.header.schema, "revision": summary.header.revision,
            "rows": summary.rows, "digest": summary.digest,
        });
        save(expected, &told);
    }
    let told = load(expected);
    let mut source = Text(std::fs::read_to_string(&file).unwrap(), 0);
    let mut reader = SnapshotReader::begin(&mut source).await.unwrap();
    assert_eq!(told["revision"], reader.header().revision);
    let summary = loop {
        if let Part::End(summary) = reader.next().await.unwrap() {
            break summary;
        }
    };
    assert_eq!(told["rows"], summary.rows);
    assert_eq!(told["digest"], json!(summary.digest));

    let world = World::new().await;
    for kind in [RegistryKind::Sqlite, RegistryKind::Postgres] {
        let blank = world.blank(kind, VaultKind::Embedded).await;
        source.1 = 0;
        let imported = blank.registry.import(&mut source).await;
        if told["schema"] == KNOWN {
            assert_eq!(imported.unwrap(), summary);
        } else {
            let refused = imported.expect_err("of another schema").to_string();
            assert!(refused.contains(&told["schema"].to_string()), "{refused}");
        }
    }
}
