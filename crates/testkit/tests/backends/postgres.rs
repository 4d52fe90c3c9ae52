//! PostgreSQL: the suite, and what only a database can do to us.

use std::sync::Arc;

use keyward_core::port::storage::{StorageBackend, StorageError};
use keyward_crypto::SystemRandom;
use keyward_testkit::conformance::{self, Load, name};
use keyward_testkit::postgres::{TestDatabase, server};
use keyward_testkit::stores::PATIENCE;
use keyward_vault::{PostgresBackend, PostgresSettings};

pub fn settings(url: &str, prefix: &str) -> PostgresSettings {
    PostgresSettings {
        url: url.to_owned().into(),
        schema: "keyward_vault".to_owned(),
        prefix: prefix.to_owned(),
        connections_max: 8,
        patience: PATIENCE,
    }
}

pub fn backend(settings: PostgresSettings) -> Arc<PostgresBackend> {
    Arc::new(PostgresBackend::new(settings, Arc::new(SystemRandom)).unwrap())
}

fn database() -> TestDatabase {
    server().unwrap().database().unwrap()
}

fn sql(database: &TestDatabase, statements: &str) -> String {
    server()
        .unwrap()
        .run_sql(&database.name, statements)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_postgres_backend_conforms() {
    let database = database();
    let plain: Arc<dyn StorageBackend> = backend(settings(&database.url, ""));
    conformance::check(Arc::clone(&plain), Load { acts: 12, seed: 1 }).await;
    conformance::check_under_faults(plain).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_vaults_with_prefixes_of_their_own_do_not_meet() {
    let database = database();
    let one = backend(settings(&database.url, "one"));
    let two = backend(settings(&database.url, "one/two"));
    conformance::check(one.clone(), Load::default()).await;
    assert_eq!(two.list("", None, 10).await, Ok(Vec::new()));
    two.write_if_absent(&name("first/a"), b"two".to_vec())
        .await
        .unwrap();
    assert_eq!(two.list("", None, 10).await, Ok(vec![name("first/a")]));
    let stored = sql(
        &database,
        "SELECT count(*) FROM keyward_vault.vault_objects WHERE name = 'one/two/first/a'",
    );
    assert_eq!(stored, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_nodes_may_prepare_the_schema_at_once() {
    let database = database();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let node = backend(settings(&database.url, ""));
        running.spawn(async move { node.init().await });
    }
    while let Some(finished) = running.join_next().await {
        finished.unwrap().unwrap();
    }
    let objects = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
    assert_eq!(sql(&database, objects), "2", "two tables, in one schema");
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_every_connection_commits_synced_whatever_the_servers_default() {
    let database = database();
    sql(
        &database,
        &format!(
            "ALTER DATABASE {} SET synchronous_commit = off",
            database.name
        ),
    );
    let vault = backend(settings(&database.url, ""));
    vault.init().await.unwrap();
    vault.write(&name("a"), b"x".to_vec()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_database_are_told_apart() {
    let database = database();
    let vault = backend(settings(&database.url, ""));
    // Before init.
    let missing = vault.read(&name("a")).await;
    assert!(
        matches!(missing, Err(StorageError::Misconfigured { .. })),
        "{missing:?}"
    );
    vault.init().await.unwrap();
    vault.write(&name("a"), b"kept".to_vec()).await.unwrap();
    // A user who may only read.
    sql(
        &database,
        "CREATE ROLE vault_reader LOGIN; GRANT USAGE ON SCHEMA keyward_vault TO vault_reader;
         GRANT SELECT ON ALL TABLES IN SCHEMA keyward_vault TO vault_reader",
    );
    let reader = backend(settings(&database.url_as("vault_reader"), ""));
    reader.init().await.unwrap();
    assert_eq!(reader.read(&name("a")).await, Ok(Some(b"kept".to_vec())));
    let denied = reader.write(&name("a"), b"changed".to_vec()).await;
    assert!(
        matches!(denied, Err(StorageError::Denied { .. })),
        "{denied:?}"
    );
    // A read-only database.
    sql(
        &database,
        &format!(
            "ALTER DATABASE {} SET default_transaction_read_only = on",
            database.name
        ),
    );
    let late = backend(settings(&database.url, ""));
    let refused = late.write(&name("a"), b"changed".to_vec()).await;
    assert!(
        matches!(refused, Err(StorageError::NotWritable { .. })),
        "{refused:?}"
    );
    assert_eq!(late.read(&name("a")).await, Ok(Some(b"kept".to_vec())));
    // Nobody there.
    let nowhere = PostgresSettings {
        patience: keyward_vault::Patience {
            total: std::time::Duration::from_millis(300),
            ..PATIENCE
        },
        ..settings("postgres://postgres@127.0.0.1:1/none", "")
    };
    let down = backend(nowhere).read(&name("a")).await;
    assert!(
        matches!(down, Err(StorageError::Unavailable { .. })),
        "{down:?}"
    );
    // A schema that is not ours to use.
    for schema in ["public", "pg_own", "Upper", "a b", "", "a;drop"] {
        let settings = PostgresSettings {
            schema: schema.to_owned(),
            ..settings(&database.url, "")
        };
        assert!(
            PostgresBackend::new(settings, Arc::new(SystemRandom)).is_err(),
            "{schema}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_is_replaced_and_nobody_notices() {
    let database = database();
    let vault = backend(settings(&database.url, ""));
    vault.init().await.unwrap();
    vault.write(&name("a"), b"kept".to_vec()).await.unwrap();
    for _ in 0..3 {
        sql(
            &database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name = 'keyward-vault' AND datname = current_database()",
        );
        assert_eq!(vault.read(&name("a")).await, Ok(Some(b"kept".to_vec())));
        vault.write(&name("b"), b"new".to_vec()).await.unwrap();
        vault
            .compare_and_swap(&name("b"), b"new", b"newer".to_vec())
            .await
            .unwrap();
    }
}
