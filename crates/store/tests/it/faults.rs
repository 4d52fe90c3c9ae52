//! A database that cannot be used says so in a few words, and is used again when it can be.

use keyward_core::port::registry::{Registry as _, RegistryError};
use keyward_core::port::storage::StorageError;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use crate::world::{Place, World};

fn unavailable<T: std::fmt::Debug>(outcome: Result<T, RegistryError>) -> String {
    match outcome {
        Err(RegistryError::Unavailable { cause }) => cause,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_file_is_busy_and_then_free_again() {
    let place = Place::sqlite();
    let mut config = place.config();
    config.patience = std::time::Duration::from_secs(5);
    let world = World::with(place, config).await;
    let mut other = SqliteConnection::connect(&world.place.url()).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    let made = world.make.key("invoices");
    let refused = world.commit(Some(world.tenant()), made.writes()).await;
    assert_eq!(unavailable(refused), "the database is busy");
    // Reading goes on meanwhile.
    assert_eq!(world.registry.revision().await.unwrap(), 1);
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    let change = world
        .commit(Some(world.tenant()), made.writes())
        .await
        .unwrap();
    assert_eq!(change.revision, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_are_made_anew() {
    let world = World::postgres().await;
    let made = world.make.key("invoices");
    world
        .commit(Some(world.tenant()), made.writes())
        .await
        .unwrap();
    world
        .place
        .sql(
            "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await
        .unwrap();
    // Each connection that was lost is noticed once, by whoever uses it next.
    let mut failures = 0;
    while let Err(error) = world.commit(None, vec![]).await {
        assert_eq!(unavailable::<()>(Err(error)), "the connection was lost");
        failures += 1;
        assert!(failures <= 8);
    }
    while let Err(error) = world.registry.health().await {
        assert_eq!(unavailable::<()>(Err(error)), "the connection was lost");
        failures += 1;
        assert!(failures <= 16);
    }
    let feed = world.registry.changes_after(0, 100).await.unwrap();
    assert_eq!(feed.len() as i64, world.registry.revision().await.unwrap());
}

/// Two nodes on one database: their transactions collide, and nobody is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_number_their_commits_as_one() {
    let world = World::postgres().await;
    let second = world.place.open().await.unwrap();
    let commits = (0..60).map(|number| {
        let writes = world.make.key(&format!("key-{number}")).writes();
        let commit = World::change(Some(world.tenant()), writes);
        let node = if number % 2 == 0 {
            world.registry.as_ref()
        } else {
            &second
        };
        node.commit(commit)
    });
    let mut revisions: Vec<i64> = futures_util::future::join_all(commits)
        .await
        .into_iter()
        .map(|outcome| outcome.unwrap().revision)
        .collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (2..62).collect::<Vec<i64>>());
    let feed = world.registry.changes_after(1, 100).await.unwrap();
    assert!(
        feed.iter()
            .enumerate()
            .all(|(at, change)| change.change == at as i64 + 1)
    );
    assert!(feed.is_sorted_by_key(|change| change.committed_at));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_between_nodes_is_resolved_without_losing_a_commit() {
    let world = World::postgres().await;
    let made = world.make.key("invoices");
    world
        .commit(Some(world.tenant()), made.writes())
        .await
        .unwrap();
    // Somebody holds the tenant's counter and then wants the key, in the wrong order.
    let mut other = PgConnection::connect(&world.place.url()).await.unwrap();
    let hold = "BEGIN; SET LOCAL deadlock_timeout = '60s'; \
                SELECT n FROM tenant_feed WHERE tenant_id IS NOT NULL FOR UPDATE";
    sqlx::raw_sql(hold).execute(&mut other).await.unwrap();
    let mut key = made.key.clone();
    key.etag += 1;
    "changed".clone_into(&mut key.purpose);
    let update = vec![keyward_core::change::Write::update(
        keyward_core::change::Row::Key(Box::new(key)),
    )];
    let commit = world.commit(Some(world.tenant()), update);
    let intruder = async {
        // The commit waits for the counter, holding the key's row; then we ask for that.
        loop {
            let waiting = "SELECT count(*)::text FROM pg_stat_activity \
                           WHERE datname = current_database() AND wait_event_type = 'Lock'";
            if world.place.sql(waiting).await.unwrap() != ["0"] {
                break;
            }
        }
        sqlx::raw_sql("UPDATE keys SET description = 'theirs'")
            .execute(&mut other)
            .await
            .unwrap();
        sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(commit, intruder);
    assert_eq!(outcome.unwrap().revision, 3);
}

both! {
    async fn the_ledger_names_the_registry_when_it_is_the_registry(world: World) {
        assert_eq!(world.registry.as_ref().tenant_keks_of(&world).await.unwrap().len(), 1);
        world.registry.close().await;
        let refused = world.registry.as_ref().tenant_keks_of(&world).await;
        let cause = "the registry: the registry is closed".to_owned();
        assert_eq!(refused.err(), Some(StorageError::Unavailable { cause }));
    }
}

/// The ledger's method has the same name as the registry's.
trait LedgerOf {
    async fn tenant_keks_of(
        &self,
        world: &World,
    ) -> Result<Vec<keyward_core::noun::tenant::TenantKek>, StorageError>;
}

impl LedgerOf for keyward_store::SqlRegistry {
    async fn tenant_keks_of(
        &self,
        world: &World,
    ) -> Result<Vec<keyward_core::noun::tenant::TenantKek>, StorageError> {
        keyward_core::port::storage::RecordLedger::tenant_keks(self, world.tenant()).await
    }
}
