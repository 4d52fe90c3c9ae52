//! What a story plays in: an open registry on one of the databases, a clock that the story drives,
//! and a door for plain SQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use keyward_core::change::{Change, Commit, Write};
use keyward_core::ids::TenantId;
use keyward_core::port::registry::{Registry as _, RegistryError};
use keyward_core::time::{Clock, Timestamp};
use keyward_store::{Config, OpenError, SqlRegistry};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};

use crate::make::{self, Maker};

/// Runs one story on both databases.
macro_rules! both {
    ($(#[doc = $doc:literal])* async fn $name:ident($world:ident: World) $body:block) => {
        mod $name {
            #[allow(clippy::wildcard_imports)]
            use super::*;

            $(#[doc = $doc])*
            async fn story($world: $crate::world::World) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                story($crate::world::World::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                story($crate::world::World::postgres().await).await;
            }
        }
    };
}

/// A clock that moves when the story says so.
#[derive(Debug)]
pub struct DrivenClock(AtomicI64);

impl DrivenClock {
    pub fn starting() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(make::START.as_micros())))
    }

    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for DrivenClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Where the database is.
pub enum Place {
    Sqlite(tempfile::TempDir),
    Postgres(keyward_testkit::postgres::TestDatabase),
}

impl Place {
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub fn postgres() -> Self {
        let server = keyward_testkit::postgres::server().unwrap_or_else(|error| panic!("{error}"));
        Self::Postgres(server.database().unwrap_or_else(|error| panic!("{error}")))
    }

    /// One of each.
    pub fn both() -> [Self; 2] {
        [Self::sqlite(), Self::postgres()]
    }

    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(directory) => {
                format!("sqlite://{}/registry.db", directory.path().display())
            }
            Self::Postgres(database) => database.url.clone(),
        }
    }

    pub const fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    pub fn config(&self) -> Config {
        Config {
            // A machine that stands still for a while fails nobody.
            patience: Duration::from_mins(1),
            ..Config::new(self.url())
        }
    }

    pub async fn open(&self) -> Result<SqlRegistry, OpenError> {
        SqlRegistry::open(self.config(), DrivenClock::starting()).await
    }

    /// The steps of a plan: what an `EXPLAIN` says.
    pub async fn plan(&self, statement: &str) -> Result<Vec<String>, sqlx::Error> {
        let query = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
        match self {
            Self::Sqlite(_) => {
                let mut connection = SqliteConnection::connect(&self.url()).await?;
                let rows = query.fetch_all(&mut connection).await?;
                rows.iter().map(|row| row.try_get(3)).collect()
            }
            Self::Postgres(_) => {
                let mut connection = PgConnection::connect(&self.url()).await?;
                let rows = query.fetch_all(&mut connection).await?;
                rows.iter().map(|row| row.try_get(0)).collect()
            }
        }
    }

    /// Runs plain SQL past the registry; the first column of every row, as text.
    pub async fn sql(&self, statement: &str) -> Result<Vec<String>, sqlx::Error> {
        let query = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
        match self {
            Self::Sqlite(_) => {
                // A story may look before there is a database.
                let url = format!("{}?mode=rwc", self.url());
                let mut connection = SqliteConnection::connect(&url).await?;
                let rows = query.fetch_all(&mut connection).await?;
                connection.close().await?;
                Ok(rows
                    .iter()
                    .map(|row| row.try_get_unchecked(0).unwrap_or_default())
                    .collect())
            }
            Self::Postgres(_) => {
                let mut connection = PgConnection::connect(&self.url()).await?;
                let rows = query.fetch_all(&mut connection).await?;
                connection.close().await?;
                Ok(rows
                    .iter()
                    .map(|row| row.try_get_unchecked(0).unwrap_or_default())
                    .collect())
            }
        }
    }
}

/// An open registry with a tenant in it.
pub struct World {
    pub registry: Arc<SqlRegistry>,
    pub clock: Arc<DrivenClock>,
    pub place: Place,
    pub make: Maker,
}

impl World {
    pub async fn sqlite() -> Self {
        Self::at(Place::sqlite()).await
    }

    pub async fn postgres() -> Self {
        Self::at(Place::postgres()).await
    }

    pub async fn at(place: Place) -> Self {
        let config = place.config();
        Self::with(place, config).await
    }

    pub async fn with(place: Place, config: Config) -> Self {
        let clock = DrivenClock::starting();
        let registry = SqlRegistry::open(config, clock.clone()).await.unwrap();
        let world = Self {
            registry: Arc::new(registry),
            clock,
            place,
            make: Maker::default(),
        };
        let setup = world.make.setup();
        world.commit(None, setup).await.unwrap();
        world
    }

    /// A world whose registry has been filled already.
    pub async fn with_imported(place: Place) -> Self {
        let clock = DrivenClock::starting();
        let registry = SqlRegistry::open(place.config(), clock.clone()).await;
        Self {
            registry: Arc::new(registry.unwrap()),
            clock,
            place,
            make: Maker::default(),
        }
    }

    /// The tenant that every world begins with.
    pub fn tenant(&self) -> TenantId {
        self.make.tenant
    }

    pub async fn commit(
        &self,
        tenant: Option<TenantId>,
        writes: Vec<Write>,
    ) -> Result<Change, RegistryError> {
        self.registry.commit(Self::change(tenant, writes)).await
    }

    pub fn change(tenant: Option<TenantId>, writes: Vec<Write>) -> Commit {
        Commit {
            tenant,
            writes,
            event: make::event(tenant),
            idempotency: None,
            fence: None,
        }
    }
}
