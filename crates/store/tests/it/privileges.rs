//! Least privileges on PostgreSQL: the runtime role can do all that the server does, and nothing
//! that it does not.

use keyward_core::change::{Row, Write};
use keyward_core::noun::key::UseLimit;
use keyward_core::noun::key_version::UsageTotals;
use keyward_core::port::registry::{KeyFilter, KeySort, Registry as _, Reservation, UsageDelta};
use keyward_core::port::upkeep::Upkeep as _;
use keyward_store::Config;
use keyward_store::grants::{RUNTIME_PRIVILEGES, grants};
use keyward_store::schema::tables;

use crate::make::START;
use crate::world::{Place, World};

/// A world whose registry runs as a role that owns nothing.
async fn least_privileged(role: &str) -> World {
    let Place::Postgres(database) = Place::postgres() else {
        unreachable!()
    };
    let place = Place::Postgres(database.clone());
    place.open().await.unwrap().close().await;
    place
        .sql(&format!(
            "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN"
        ))
        .await
        .unwrap();
    place.sql(&grants(role).unwrap()).await.unwrap();
    let config = Config {
        migrate: false,
        ..Config::new(database.url_as(role))
    };
    World::with(place, config).await
}

#[tokio::test]
async fn the_runtime_role_can_do_what_the_server_does() {
    let world = least_privileged("keyward_worker").await;
    let (registry, tenant) = (&world.registry, world.tenant());
    let mut made = world.make.key("invoices");
    made.key.tags.insert("env".to_owned(), "prod".to_owned());
    made.key.compliance_tags.insert("HIPAA".to_owned());
    world.commit(Some(tenant), made.writes()).await.unwrap();
    made.key.tags.clear();
    made.key.etag += 1;
    let update = vec![Write::update(Row::Key(Box::new(made.key.clone())))];
    world.commit(Some(tenant), update).await.unwrap();

    let policy = world.make.policy_row("quarterly");
    let insert = vec![Write::insert(Row::Policy(policy.clone()))];
    world.commit(Some(tenant), insert).await.unwrap();
    world
        .commit(Some(tenant), vec![Write::delete(Row::Policy(policy))])
        .await
        .unwrap();

    let totals = UsageTotals {
        protects: 1,
        ..UsageTotals::default()
    };
    let delta = UsageDelta {
        version: made.version.id,
        add: totals,
    };
    registry.add_usage("node-1", 1, vec![delta]).await.unwrap();
    registry.add_usage("node-1", 2, vec![delta]).await.unwrap();
    let limit = UseLimit {
        uses: 10,
        bytes: 10,
    };
    let wanted = Reservation { uses: 1, bytes: 1 };
    assert_eq!(
        registry
            .reserve_uses(made.version.id, limit, wanted)
            .await
            .unwrap(),
        wanted
    );
    let found = registry
        .search_keys(tenant, &KeyFilter::default(), KeySort::Name, None, 9)
        .await;
    assert_eq!(found.unwrap().rows.len(), 1);
    registry.advance_clock(START).await.unwrap();
    registry.forget_idempotency(START).await.unwrap();
    registry.deployment().await.unwrap();
    // Texts in the feed are sealed in their place, and nothing else of it changes.
    let change = registry.changes_after(0, 1).await.unwrap().remove(0);
    let rewritten = registry.rewrite_change(change.revision, &change.writes);
    rewritten.await.unwrap();
    registry.compact().await.unwrap();
    registry.empty_log().await.unwrap();
    assert_eq!(registry.changes_after(0, 1).await.unwrap(), [change]);
}

#[tokio::test]
async fn the_runtime_role_can_do_nothing_else() {
    let world = least_privileged("keyward_clerk").await;
    world
        .commit(Some(world.tenant()), world.make.key("invoices").writes())
        .await
        .unwrap();
    let refused = |error: sqlx::Error| {
        error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .as_deref()
            == Some("42501")
    };
    for statement in [
        "UPDATE changes SET event = '{}'",
        "DELETE FROM changes",
        "TRUNCATE changes",
        "UPDATE transitions SET reason = ''",
        "DELETE FROM transitions",
        "INSERT INTO schema_migrations VALUES (2, '', '', now())",
        "DROP TABLE keys",
        "ALTER TABLE keys DISABLE TRIGGER ALL",
        "CREATE TABLE mine (id INTEGER)",
        "INSERT INTO feed VALUES (2, 0, now(), now(), gen_random_uuid())",
        "DELETE FROM tenant_feed",
    ] {
        let as_role = format!("SET ROLE keyward_clerk; {statement}");
        let error = world.place.sql(&as_role).await.expect_err(statement);
        assert!(refused(error), "{statement}");
    }
}

#[test]
fn every_table_has_its_privileges_and_no_role_name_smuggles_more() {
    let granted: Vec<&str> = RUNTIME_PRIVILEGES.iter().map(|(table, _)| *table).collect();
    let mut tables: Vec<&str> = tables().map(|table| table.name).collect();
    let mut sorted = granted;
    sorted.sort_unstable();
    tables.sort_unstable();
    assert_eq!(sorted, tables);
    for bad in [
        "",
        "a\"; DROP TABLE keys; --",
        "1st",
        "Upper",
        &"x".repeat(64),
    ] {
        assert!(grants(bad).is_err(), "{bad}");
    }
}
