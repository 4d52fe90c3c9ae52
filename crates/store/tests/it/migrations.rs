//! The schema's way up and down, and what an older or newer program says to it.

use futures_util::future::join_all;
use keyward_core::change::{Row, Write};
use keyward_core::ids::TenantId;
use keyward_core::noun::job::JobKind;
use keyward_core::noun::policy::PolicyStatus;
use keyward_core::noun::secret::SecretState;
use keyward_core::noun::tenant::TextState;
use keyward_core::port::registry::Registry as _;
use keyward_crypto::Algorithm;
use keyward_store::migrate::{KNOWN, MIGRATIONS};
use keyward_store::{Config, Mark, OpenError, SchemaError, SqlRegistry};

use crate::make::NewKey;
use crate::world::{DrivenClock, Place, World};

/// Every object that the database has, but for the databases' own.
async fn objects(place: &Place) -> Vec<String> {
    let statement = if place.is_sqlite() {
        "SELECT type || ' ' || name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1"
    } else {
        "SELECT 'relation ' || relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
         WHERE nspname = 'public' \
         UNION SELECT 'type ' || typname FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace \
         WHERE nspname = 'public' ORDER BY 1"
    };
    place.sql(statement).await.unwrap()
}

#[tokio::test]
async fn up_and_down_leave_nothing_behind() {
    for place in Place::both() {
        assert!(objects(&place).await.is_empty());
        let registry = place.open().await.unwrap();
        assert_eq!(registry.schema_version().await.unwrap(), KNOWN);
        let deployment = registry.deployment().await.unwrap();
        assert_eq!(deployment.get_version_num(), 4);
        registry.close().await;
        let made = objects(&place).await;
        assert!(made.len() > 25);

        SqlRegistry::migrate_down(place.config(), 0).await.unwrap();
        assert_eq!(objects(&place).await, Vec::<String>::new());

        let again = place.open().await.unwrap();
        assert_ne!(again.deployment().await.unwrap(), deployment);
        again.close().await;
        assert_eq!(objects(&place).await, made);
    }
}

#[tokio::test]
async fn opening_again_changes_nothing() {
    for place in Place::both() {
        let registry = place.open().await.unwrap();
        let deployment = registry.deployment().await.unwrap();
        registry.close().await;
        let again = place.open().await.unwrap();
        assert_eq!(again.deployment().await.unwrap(), deployment);
        assert_eq!(again.revision().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_by_name() {
    for place in Place::both() {
        place.open().await.unwrap().close().await;
        let now = if place.is_sqlite() { "0" } else { "now()" };
        let newer = format!("INSERT INTO schema_migrations VALUES (999, 'later', 'x', {now})");
        place.sql(&newer).await.unwrap();
        let refused = place.open().await.err().unwrap();
        let expected = SchemaError::Newer {
            found: 999,
            known: KNOWN,
        };
        assert_eq!(refused, OpenError::Schema(expected.clone()));
        assert!(refused.to_string().contains("999"), "{refused}");
        let down = SqlRegistry::migrate_down(place.config(), 0).await;
        assert_eq!(down, Err(OpenError::Schema(expected)));
    }
}

#[tokio::test]
async fn a_migration_of_another_text_is_refused() {
    for place in Place::both() {
        place.open().await.unwrap().close().await;
        place
            .sql("UPDATE schema_migrations SET checksum = 'other'")
            .await
            .unwrap();
        let refused = place.open().await.err();
        assert_eq!(
            refused,
            Some(OpenError::Schema(SchemaError::Altered { version: 1 }))
        );
    }
}

#[tokio::test]
async fn who_may_not_migrate_says_what_is_missing() {
    for place in Place::both() {
        let config = Config {
            migrate: false,
            ..place.config()
        };
        let refused = SqlRegistry::open(config, DrivenClock::starting())
            .await
            .err();
        let older = SchemaError::Older {
            found: 0,
            known: KNOWN,
        };
        assert_eq!(refused, Some(OpenError::Schema(older)));
        assert!(objects(&place).await.is_empty());
    }
}

#[tokio::test]
async fn there_is_no_way_down_to_what_never_was() {
    for place in Place::both() {
        place.open().await.unwrap().close().await;
        let refused = SqlRegistry::migrate_down(place.config(), KNOWN + 1).await;
        let expected = SchemaError::NoSuchVersion {
            version: KNOWN + 1,
            found: KNOWN,
        };
        assert_eq!(refused, Err(OpenError::Schema(expected)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_migrators_at_once_make_one_schema() {
    for place in Place::both() {
        let opened = join_all((0..6).map(|_| place.open())).await;
        for registry in &opened {
            let registry = registry.as_ref().unwrap();
            assert_eq!(registry.schema_version().await.unwrap(), KNOWN);
        }
        let recorded = place
            .sql("SELECT name FROM schema_migrations ORDER BY version")
            .await
            .unwrap();
        let known: Vec<&str> = MIGRATIONS.iter().map(|it| it.name).collect();
        assert_eq!(recorded, known);
    }
}

#[tokio::test]
async fn a_url_of_no_known_kind_is_refused_without_being_repeated() {
    for url in [
        "mysql://secret@host/db",
        "",
        "sqlite::memory:",
        "postgres://:secret@[bad",
    ] {
        let refused = SqlRegistry::open(Config::new(url), DrivenClock::starting()).await;
        let error = refused.err().unwrap();
        assert_eq!(error, OpenError::Url, "{url}");
        assert!(!format!("{error} {error:?}").contains("secret"));
        assert!(!format!("{:?}", Config::new(url)).contains("secret"));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_to_be() {
    // Port 1 is privileged and nobody listens there.
    let config = Config::new("postgres://u:secret@127.0.0.1:1/db");
    let error = SqlRegistry::open(config, DrivenClock::starting())
        .await
        .err()
        .unwrap();
    assert!(matches!(error, OpenError::Unavailable { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("secret"));
}

/// Every algorithm can be stored; the spine's schema, which cannot name them all, is not gone back
/// to while one of the others is there, and nothing is touched by the attempt.
#[tokio::test]
async fn going_back_never_loses_a_key() {
    for place in Place::both() {
        let world = World::at(place).await;
        for algorithm in Algorithm::ALL {
            let writes = key_of(&world, *algorithm).writes();
            world.commit(Some(world.tenant()), writes).await.unwrap();
        }
        world.registry.close().await;

        let down = |to| SqlRegistry::migrate_down(world.place.config(), to);
        let later = Algorithm::ALL
            .iter()
            .filter(|algorithm| algorithm.info().code > Algorithm::Aes256Kwp.info().code)
            .count();
        let refused = |version, what, count| {
            let count = i64::try_from(count).unwrap();
            Err(OpenError::Schema(SchemaError::WouldLose {
                version,
                what,
                count,
            }))
        };
        assert_eq!(down(1).await, refused(2, "keys of later algorithms", later));
        assert_eq!(count(&world.place, "keys").await, Algorithm::ALL.len());
        let versions = count(&world.place, "schema_migrations").await;
        assert_eq!(versions, MIGRATIONS.len(), "not even half-way");

        // Nor does anybody forget where keys came from.
        let imported =
            "UPDATE key_versions SET import_method = 'public-key', import_format = 'spki'";
        world.place.sql(imported).await.unwrap();
        let all = Algorithm::ALL.len();
        assert_eq!(
            down(2).await,
            refused(3, "key versions that were imported", all)
        );
        assert_eq!(count(&world.place, "key_versions").await, all);
    }
}

/// Nor is a secret lost, nor a value forgotten before it is destroyed; the key of what belongs to no
/// tenant goes with the schema that has a place for it.
#[tokio::test]
async fn going_back_never_loses_a_secret() {
    for place in Place::both() {
        let world = World::at(place).await;
        let mut secret = world.make.secret_row(None, "smtp/password");
        let version = world.make.secret_version_row(&secret);
        let kek = world.make.kek_row(TenantId::SYSTEM, 1);
        let writes = vec![
            Write::insert(Row::TenantKek(kek)),
            Write::insert(Row::Secret(secret.clone())),
            Write::insert(Row::SecretVersion(version.clone())),
        ];
        world.commit(None, writes).await.unwrap();
        let refused = |what| {
            Err(OpenError::Schema(SchemaError::WouldLose {
                version: 5,
                what,
                count: 1,
            }))
        };
        let down = || SqlRegistry::migrate_down(world.place.config(), 4);
        assert_eq!(down().await, refused("secrets"));

        secret.state = SecretState::Deleted;
        secret.etag = 2;
        let writes = vec![Write::update(Row::Secret(secret))];
        world.commit(None, writes).await.unwrap();
        let left = "values of deleted secrets that are still to be destroyed";
        assert_eq!(down().await, refused(left));

        let writes = vec![Write::delete(Row::SecretVersion(version))];
        world.commit(None, writes).await.unwrap();
        let keks = count(&world.place, "tenant_keks").await;
        world.registry.close().await;
        down().await.unwrap();
        assert_eq!(count(&world.place, "tenant_keks").await, keks - 1);
        let again = world.place.open().await.unwrap();
        assert_eq!(again.schema_version().await.unwrap(), KNOWN);
        again.close().await;
    }
}

/// Nor is a text left that nothing below could open.
#[tokio::test]
async fn going_back_never_loses_a_sealed_text() {
    for place in Place::both() {
        let world = World::at(place).await;
        let mut tenant = world.make.tenant_row("sealed");
        tenant.text_state = TextState::Sealed;
        let writes = vec![Write::insert(Row::Tenant(tenant.clone()))];
        world.commit(None, writes).await.unwrap();
        let down = || SqlRegistry::migrate_down(world.place.config(), 7);
        let refused = SchemaError::WouldLose {
            version: 12,
            what: "tenants whose texts are sealed",
            count: 1,
        };
        assert_eq!(down().await, Err(OpenError::Schema(refused)));
        tenant.text_state = TextState::Clear;
        tenant.etag += 1;
        let writes = vec![Write::update(Row::Tenant(tenant))];
        world.commit(None, writes).await.unwrap();
        world.registry.close().await;
        down().await.unwrap();
        let again = world.place.open().await.unwrap();
        assert_eq!(again.schema_version().await.unwrap(), KNOWN);
        again.close().await;
    }
}

/// Nor is anything forgotten that somebody should look at.
#[tokio::test]
async fn going_back_never_loses_an_open_condition() {
    for place in Place::both() {
        let world = World::at(place).await;
        let mut condition = world.make.condition_row(None, "vault");
        let mut job = world.make.job_row(None);
        job.kind = JobKind::ScrubStorage;
        let writes = vec![
            Write::insert(Row::Condition(condition.clone())),
            Write::insert(Row::Job(job)),
        ];
        world.commit(None, writes).await.unwrap();
        let down = || SqlRegistry::migrate_down(world.place.config(), 5);
        let refused = Err(OpenError::Schema(SchemaError::WouldLose {
            version: 6,
            what: "conditions that are open",
            count: 1,
        }));
        assert_eq!(down().await, refused);

        condition.cleared_at = Some(condition.since);
        condition.etag = 2;
        let writes = vec![Write::update(Row::Condition(condition))];
        world.commit(None, writes).await.unwrap();
        world.registry.close().await;
        down().await.unwrap();
        assert_eq!(count(&world.place, "jobs").await, 0);
        let again = world.place.open().await.unwrap();
        assert_eq!(again.schema_version().await.unwrap(), KNOWN);
        again.close().await;
    }
}

/// A database that a migration left says so to whoever opens it, and goes on saying so.
#[tokio::test]
async fn a_database_that_was_left_is_refused_by_name() {
    for place in Place::both() {
        let world = World::at(place).await;
        assert_eq!(world.registry.mark().await.unwrap(), None);
        let there = "postgres://db:5432/keyward";
        let to = there.to_owned();
        let left = Mark::Left { to: to.clone() };
        world.registry.set_mark(Some(&left)).await.unwrap();
        world.registry.close().await;
        let refused = world.place.open().await.err();
        assert_eq!(refused, Some(OpenError::Moved { to }));
        let refused = Err(OpenError::Schema(SchemaError::WouldLose {
            version: 10,
            what: "mark that it has moved to another database",
            count: 1,
        }));
        let config = world.place.config();
        assert_eq!(SqlRegistry::migrate_down(config.clone(), 7).await, refused);
        let config = Config {
            even_if_moved: true,
            ..config
        };
        let registry = SqlRegistry::open(config, DrivenClock::starting())
            .await
            .unwrap();
        assert_eq!(registry.mark().await.unwrap(), Some(left));
        registry.set_mark(None).await.unwrap();
        registry.close().await;
        world.place.open().await.unwrap().close().await;
    }
}

/// The version before would rotate what is suspended, and forget a calendar.
#[tokio::test]
async fn going_back_neither_rotates_what_is_suspended_nor_forgets_a_calendar() {
    for place in Place::both() {
        let world = World::at(place).await;
        let mut policy = world.make.policy_row("quarterly");
        policy.status = PolicyStatus::Suspended;
        let writes = vec![Write::insert(Row::Policy(policy.clone()))];
        world.commit(Some(world.tenant()), writes).await.unwrap();
        let refused = Err(OpenError::Schema(SchemaError::WouldLose {
            version: 16,
            what: "policies that are suspended or archived, or have a schedule",
            count: 1,
        }));
        world.registry.close().await;
        let config = world.place.config();
        assert_eq!(SqlRegistry::migrate_down(config.clone(), 15).await, refused);
        let registry = world.place.open().await.unwrap();
        let kept = registry.policy(policy.tenant, policy.id).await.unwrap();
        assert_eq!(kept, Some(policy.clone()));
        policy.status = PolicyStatus::Active;
        policy.etag += 1;
        let writes = vec![Write::update(Row::Policy(policy.clone()))];
        let commit = World::change(Some(world.tenant()), writes);
        registry.commit(commit).await.unwrap();
        registry.close().await;
        SqlRegistry::migrate_down(config, 15).await.unwrap();
        let registry = world.place.open().await.unwrap();
        let kept = registry.policy(policy.tenant, policy.id).await.unwrap();
        assert_eq!(kept, Some(policy));
        registry.close().await;
    }
}

/// A registry with a tenant is not emptied; one without any is.
#[tokio::test]
async fn going_back_never_loses_a_tenant() {
    for place in Place::both() {
        let world = World::at(place).await;
        world.registry.close().await;
        let refused = SqlRegistry::migrate_down(world.place.config(), 0).await;
        let lost = matches!(
            refused,
            Err(OpenError::Schema(SchemaError::WouldLose { version: 1, .. }))
        );
        assert!(lost, "{refused:?}");
        assert!(count(&world.place, "tenants").await > 0);
    }
}

async fn count(place: &Place, table: &str) -> usize {
    let statement = format!("SELECT CAST(count(*) AS TEXT) FROM {table}");
    let rows = place.sql(&statement).await.unwrap();
    rows[0].parse().unwrap()
}

fn key_of(world: &World, algorithm: Algorithm) -> NewKey {
    let mut made = world.make.key(algorithm.name());
    made.key.algorithm = algorithm;
    made.version.algorithm = algorithm;
    made
}
