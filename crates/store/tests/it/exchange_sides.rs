//! What may be attached to follow a registry: another database, that is nobody else's.

use std::sync::Arc;
use std::time::Duration;

use keyward_core::port::registry::Registry as _;
use keyward_core::time::Clock as _;
use keyward_store::follow::{FollowError, Follower};
use keyward_store::{Mark, SqlRegistry};

use crate::make::START;
use crate::world::{Place, World};

async fn attach(world: &World, place: &Place) -> Result<Follower, FollowError> {
    let registry = Arc::clone(&world.registry);
    Follower::attach(registry, &place.config(), world.clock.now()).await
}

fn unpaced(_rows: u64) -> std::future::Ready<()> {
    std::future::ready(())
}

/// Also after the sides were exchanged, when it is the other one that must not follow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_registrys_own_database_does_not_follow_it() {
    for [here, there] in [
        [Place::sqlite(), Place::sqlite()],
        [Place::postgres(), Place::postgres()],
    ] {
        let world = World::at(here).await;
        let refused = attach(&world, &world.place).await.err();
        assert_eq!(refused, Some(FollowError::Lead));
        let mut follower = attach(&world, &there).await.unwrap();
        let from = "the source".to_owned();
        let filling = Mark::Filling { from, since: START };
        follower.fill(&filling, unpaced).await.unwrap();
        let to = "the target".to_owned();
        let patience = Duration::from_secs(30);
        let turned = follower.turn(patience, &Mark::Left { to }, || Ok(())).await;
        turned.unwrap();
        follower.close().await;
        let refused = attach(&world, &there).await.err();
        assert_eq!(refused, Some(FollowError::Lead));
        attach(&world, &world.place).await.unwrap().close().await;
        world.registry.close().await;
    }
}

/// Nothing of ours is written to it, and an older schema of somebody else's stays as old.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_of_somebody_elses_is_left_as_it_is() {
    for [here, there] in [
        [Place::postgres(), Place::sqlite()],
        [Place::sqlite(), Place::postgres()],
    ] {
        let world = World::at(here).await;
        there
            .sql("CREATE TABLE invoices (n INTEGER)")
            .await
            .unwrap();
        let refused = attach(&world, &there).await.err();
        assert!(
            matches!(refused, Some(FollowError::Taken { .. })),
            "{refused:?}"
        );
        assert!(
            there
                .sql("SELECT version FROM schema_migrations")
                .await
                .is_err()
        );
        there.sql("DROP TABLE invoices").await.unwrap();
        // A registry of an earlier release: another deployment's with something in it, then an empty one.
        there.open().await.unwrap().close().await;
        SqlRegistry::migrate_down(there.config(), 11).await.unwrap();
        there.sql("UPDATE feed SET n = 3").await.unwrap();
        let refused = attach(&world, &there).await.err();
        assert!(
            matches!(refused, Some(FollowError::Taken { .. })),
            "{refused:?}"
        );
        let newest = "SELECT CAST(MAX(version) AS TEXT) FROM schema_migrations";
        assert_eq!(there.sql(newest).await.unwrap(), ["11"]);
        there.sql("UPDATE feed SET n = 0").await.unwrap();
        let attached = attach(&world, &there).await;
        attached.unwrap().close().await;
        assert_ne!(there.sql(newest).await.unwrap(), ["11"]);
        assert!(world.registry.revision().await.is_ok());
    }
}
