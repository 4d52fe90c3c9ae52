//! Opening the database that is to follow. Before anything is written to it: it is not the registry's
//! own, and its schema is this program's, or may become that.

use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;

use keyward_core::port::registry::RegistryError;
use keyward_core::port::snapshot::SnapshotError;
use keyward_core::time::Timestamp;
use tokio::time::timeout;

use super::{FollowError, Follower, on};
use crate::config::{Config, OpenError};
use crate::db::{Database, Dialect};
use crate::migrate::{self, KNOWN};
use crate::read::feed;
use crate::registry::SqlRegistry;
use crate::value::Value;

/// How long connections may take to close; a side that does not answer is left.
const CLOSING: Duration = Duration::from_secs(5);

impl Follower {
    /// Opens the other database and brings its schema up to date, if it is empty or holds this
    /// deployment. What is written beside the changes is noted from now on.
    ///
    /// # Errors
    /// As of [`SqlRegistry::open`], though marks are not looked at; [`FollowError::Lead`] if it is the
    /// registry's own database, and [`FollowError::Taken`] if it is somebody else's. Nothing was
    /// changed in either then.
    pub async fn attach(
        registry: Arc<SqlRegistry>,
        config: &Config,
        now: Timestamp,
    ) -> Result<Self, FollowError> {
        let side = Database::open(config).await?;
        let lead = registry.place.present();
        if let Err(error) = prepare(&lead, &side, now).await {
            close(&side).await;
            return Err(error);
        }
        registry.place.note();
        Ok(Self {
            registry,
            side,
            surveyed: false,
        })
    }

    /// Follows no longer, and closes every connection to the other database, if it answers.
    pub async fn close(self) {
        close(&self.side).await;
    }
}

async fn close(side: &Database) {
    // What is dropped is closed too, though nobody says goodbye.
    let _ = timeout(CLOSING, side.close()).await;
}

async fn prepare(lead: &Database, side: &Database, now: Timestamp) -> Result<(), FollowError> {
    ensure_another(lead, side).await?;
    let found = migrate::check(side).await.map_err(OpenError::from)?;
    if found == KNOWN {
        // Whose it is, is looked at in its own schema.
        return Ok(());
    }
    if found == 0 {
        ensure_no_tables(side).await?;
    } else {
        ensure_ours(lead, side, found).await?;
    }
    let migrated = migrate::up(side, now).await;
    Ok(migrated.map_err(OpenError::from)?)
}

/// Refuses a side that is the registry's database itself, by whatever name: compared with itself it
/// would always be equal.
pub(super) async fn ensure_another(lead: &Database, side: &Database) -> Result<(), FollowError> {
    let is_same = match (lead.dialect(), side.dialect()) {
        (Dialect::Sqlite, Dialect::Sqlite) => file(lead).await? == file(side).await?,
        (Dialect::Postgres, Dialect::Postgres) => share_locks(lead, side).await?,
        _ => false,
    };
    if is_same {
        return Err(FollowError::Lead);
    }
    Ok(())
}

/// Which file it is: its device and its number there.
async fn file(database: &Database) -> Result<(u64, u64), FollowError> {
    let text = "SELECT file FROM pragma_database_list WHERE name = 'main'";
    let path = database.row(text, vec![], |cells| cells.text("file")).await;
    let path = path.map_err(SnapshotError::Registry)?.unwrap_or_default();
    let found = std::fs::metadata(path).map_err(|error| RegistryError::Unavailable {
        cause: format!("the database's file cannot be looked at: {}", error.kind()),
    });
    let found = found.map_err(SnapshotError::Registry)?;
    Ok((found.dev(), found.ino()))
}

/// Whether an advisory lock of the one is one of the other. Such locks are each database's own
/// (<https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS>), need no right, and
/// tell a database from its copy, which identifiers do not.
async fn share_locks(lead: &Database, side: &Database) -> Result<bool, FollowError> {
    // This program's own word: nobody else takes that lock.
    let word = || vec![Value::Text(Some(lead.called().to_owned()))];
    let mut here = lead.begin_reading().await.map_err(on("feed"))?;
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    let locked = here.rows(lock, word(), |_| Ok(())).await;
    locked.map_err(on("feed"))?;
    let mut there = side.begin_reading().await.map_err(on("feed"))?;
    let attempt = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS free";
    let free = there.rows(attempt, word(), |cells| cells.flag("free"));
    let free = free.await.map_err(on("feed"))?;
    there.rollback().await;
    here.rollback().await;
    Ok(free.first() != Some(&true))
}

/// Without a schema of ours it must be nobody else's. What belongs to an extension is nobody's.
async fn ensure_no_tables(side: &Database) -> Result<(), FollowError> {
    let text = match side.dialect() {
        Dialect::Sqlite => {
            "SELECT count(*) AS count FROM sqlite_master WHERE type IN ('table', 'view') \
             AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> 'schema_migrations'"
        }
        Dialect::Postgres => {
            "SELECT count(*) AS count FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'f', 'v', 'm') \
             AND c.relname <> 'schema_migrations' AND NOT EXISTS (SELECT 1 FROM pg_depend d \
             WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"
        }
    };
    let tables = side.row(text, vec![], |cells| cells.int("count")).await;
    match tables.map_err(SnapshotError::Registry)? {
        Some(0) => Ok(()),
        count => {
            let count = count.unwrap_or_default();
            let why = format!("it has {count} tables that are not a registry's");
            Err(FollowError::Taken { why })
        }
    }
}

/// An older schema is brought up to date only if nothing is in it, or what is in it is ours.
async fn ensure_ours(lead: &Database, side: &Database, found: i64) -> Result<(), FollowError> {
    let registry = SnapshotError::Registry;
    let own = feed::deployment(lead).await.map_err(registry)?;
    if feed::deployment(side).await.map_err(registry)? == own {
        return Ok(());
    }
    let text = "SELECT n + (SELECT count(*) FROM tenants) AS count FROM feed WHERE one = 1";
    let rows = side.row(text, vec![], |cells| cells.int("count")).await;
    if rows.map_err(registry)? == Some(0) {
        return Ok(());
    }
    let why = format!("it holds another deployment, in schema {found}");
    Err(FollowError::Taken { why })
}
