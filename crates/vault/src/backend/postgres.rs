//! A schema of its own on PostgreSQL, pooled. Never the registry's tables: whoever holds both
//! databases' passwords should still have two to steal.
//!
//! Every change is one statement, or one transaction, and returns after a commit that the server
//! has synced: `synchronous_commit` is set for each connection and read back at [`init`], as is
//! `fsync`. Reads, lists, deletions and replacements are asked again when a connection breaks;
//! conditional changes are not, since the first one may have been made: its caller reads.
//!
//! [`init`]: StorageBackend::init

mod fault;

use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use keyward_crypto::Random;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, PgPool};
use zeroize::Zeroizing;

use self::fault::{Fault, fault};
use super::turns::{Turns, too_late};
use super::{Patience, check_size, misconfigured, unavailable};

/// The layout of the one table.
const SCHEMA_VERSION: i32 = 1;
/// Rows of one statement at most, so that a message stays far below PostgreSQL's gigabyte.
const ROWS_PER_STATEMENT: usize = 500;
/// Whoever prepares a schema holds this, so that two at once do not trip over each other. Nothing
/// rests on it: the second would only be told to try again.
const PREPARE_LOCK: i64 = 0x4b57_5654;

/// How to reach the database.
#[derive(Clone)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:port/database`.
    pub url: Zeroizing<String>,
    /// The schema that holds the vault's objects: lower-case letters, digits and `_`.
    pub schema: String,
    /// Comes before every name, so that several vaults can share a schema; may be empty.
    pub prefix: String,
    /// Connections at most.
    pub connections_max: u32,
    /// How long it is tried.
    pub patience: Patience,
}

/// Objects in a table.
pub struct PostgresBackend {
    pool: PgPool,
    schema: String,
    prefix: String,
    patience: Patience,
    random: Arc<dyn Random>,
}

impl PostgresBackend {
    /// Prepares the pool; connections are made when they are needed.
    ///
    /// # Errors
    /// [`StorageError::Misconfigured`]: the URL, the schema's name or the prefix is not well
    /// formed.
    pub fn new(settings: PostgresSettings, random: Arc<dyn Random>) -> Result<Self, StorageError> {
        if !is_schema_name(&settings.schema) {
            return Err(misconfigured(
                "the schema's name must be 1 to 63 of a-z, 0-9 and _, not public and not pg_…",
            ));
        }
        if !super::is_prefix(&settings.prefix) {
            return Err(misconfigured(super::PREFIX_FORM));
        }
        let options = PgConnectOptions::from_str(&settings.url)
            .map_err(|_| misconfigured("the database's URL is not well formed"))?
            .application_name("keyward-vault")
            // What is acknowledged is durable, whatever the server's own default (invariant 2).
            .options([
                ("synchronous_commit", "on"),
                ("search_path", settings.schema.as_str()),
            ])
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections_max.max(1))
            .acquire_timeout(settings.patience.total / 2)
            .test_before_acquire(true)
            .connect_lazy_with(options);
        Ok(Self {
            pool,
            schema: settings.schema,
            prefix: settings.prefix,
            patience: settings.patience,
            random,
        })
    }

    /// Closes the connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    fn stored_name(&self, name: &ObjectName) -> String {
        super::prefixed(&self.prefix, name.as_str())
    }

    /// Runs what may safely run twice, again if the first answer was lost.
    async fn repeat<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let mut turns = Turns::new(&self.patience, &*self.random);
        loop {
            match turns.take(attempt()).await {
                None => return Err(too_late()),
                Some(Ok(value)) => return Ok(value),
                Some(Err(error)) => match fault(&error) {
                    Fault {
                        error,
                        passing: true,
                    } => turns.again(error).await?,
                    Fault { error, .. } => return Err(error),
                },
            }
        }
    }

    /// Runs what must not run twice. Getting a connection is tried as often as anything.
    async fn once<T, F>(
        &self,
        change: impl FnOnce(sqlx::pool::PoolConnection<sqlx::Postgres>) -> F,
    ) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let connection = self.repeat(|| self.pool.acquire()).await?;
        let mut turn = Turns::new(&self.patience, &*self.random);
        let changed = turn.take(change(connection)).await.ok_or_else(too_late)?;
        changed.map_err(|error| fault(&error).error)
    }

    async fn replace(&self, name: String, bytes: &[u8]) -> Result<(), StorageError> {
        self.repeat(|| {
            sqlx::query(
                "INSERT INTO vault_objects (name, bytes) VALUES ($1, $2)
                 ON CONFLICT (name) DO UPDATE SET bytes = excluded.bytes",
            )
            .bind(&name)
            .bind(bytes)
            .execute(&self.pool)
        })
        .await
        .map(drop)
    }
}

#[async_trait]
impl StorageBackend for PostgresBackend {
    async fn init(&self) -> Result<(), StorageError> {
        self.repeat(|| prepare(&self.pool, &self.schema)).await?;
        let (version, synchronous, fsync, standby): (i32, String, String, bool) = self
            .repeat(|| {
                sqlx::query_as(
                    "SELECT (SELECT max(version) FROM vault_schema),
                     current_setting('synchronous_commit'), current_setting('fsync'),
                     pg_is_in_recovery()",
                )
                .fetch_one(&self.pool)
            })
            .await?;
        if version != SCHEMA_VERSION {
            return Err(misconfigured("the schema is of another release"));
        }
        if fsync != "on" || synchronous == "off" || synchronous == "local" && standby {
            return Err(misconfigured(
                "the server does not sync what it commits; set fsync = on",
            ));
        }
        if standby {
            return Err(misconfigured("the server is a standby; name the primary"));
        }
        Ok(())
    }

    async fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, StorageError> {
        let name = self.stored_name(name);
        self.repeat(|| {
            sqlx::query_scalar("SELECT bytes FROM vault_objects WHERE name = $1")
                .bind(&name)
                .fetch_optional(&self.pool)
        })
        .await
    }

    async fn write(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), StorageError> {
        check_size(&bytes)?;
        self.replace(self.stored_name(name), &bytes).await
    }

    async fn write_if_absent(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), StorageError> {
        self.put_many(vec![(name.clone(), bytes)]).await
    }

    async fn put_many(&self, objects: Vec<(ObjectName, Vec<u8>)>) -> Result<(), StorageError> {
        let mut rows: Vec<(String, Vec<u8>)> = Vec::with_capacity(objects.len());
        for (name, bytes) in objects {
            check_size(&bytes)?;
            rows.push((self.stored_name(&name), bytes));
        }
        if rows.is_empty() {
            return Ok(());
        }
        // In one order everywhere: two who write the same names wait for each other, not in a ring.
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        let is_new = self
            .once(async |mut connection| insert_all(&mut connection, rows).await)
            .await?;
        is_new.then_some(()).ok_or(StorageError::AlreadyExists)
    }

    async fn compare_and_swap(
        &self,
        name: &ObjectName,
        expected: &[u8],
        new: Vec<u8>,
    ) -> Result<(), StorageError> {
        check_size(&new)?;
        let name = self.stored_name(name);
        let changed = self
            .once(async |mut connection| {
                sqlx::query("UPDATE vault_objects SET bytes = $3 WHERE name = $1 AND bytes = $2")
                    .bind(&name)
                    .bind(expected)
                    .bind(&new)
                    .execute(&mut *connection)
                    .await
            })
            .await?;
        match changed.rows_affected() {
            1 => Ok(()),
            _ => Err(StorageError::Conflict),
        }
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), StorageError> {
        let name = self.stored_name(name);
        self.repeat(|| {
            sqlx::query("DELETE FROM vault_objects WHERE name = $1")
                .bind(&name)
                .execute(&self.pool)
        })
        .await
        .map(drop)
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Vec<ObjectName>, StorageError> {
        let from = super::prefixed(&self.prefix, prefix);
        // Names are ASCII without control characters: DEL is above all of them.
        let to = format!("{from}\u{7f}");
        let after = after.map(|name| self.stored_name(name)).unwrap_or_default();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let names: Vec<String> = self
            .repeat(|| {
                sqlx::query_scalar(
                    "SELECT name FROM vault_objects
                     WHERE name >= $1 AND name < $2 AND name > $3 ORDER BY name LIMIT $4",
                )
                .bind(&from)
                .bind(&to)
                .bind(&after)
                .bind(limit)
                .fetch_all(&self.pool)
            })
            .await?;
        names
            .iter()
            .map(|name| {
                super::without_prefix(&self.prefix, name)
                    .and_then(ObjectName::new)
                    .ok_or_else(|| unavailable("a stored name is damaged"))
            })
            .collect()
    }

    async fn health(&self) -> Result<(), StorageError> {
        let name = super::probe_name(&*self.random)?;
        super::probe(self, &name).await
    }
}

/// Makes schema and tables, unless they are there: then no right to make them is needed.
async fn prepare(pool: &PgPool, schema: &str) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let is_there: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM information_schema.tables
         WHERE table_schema = $1 AND table_name = 'vault_schema')",
    )
    .bind(schema)
    .fetch_one(&mut *transaction)
    .await?;
    if is_there {
        return Ok(());
    }
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(PREPARE_LOCK)
        .execute(&mut *transaction)
        .await?;
    // The name was checked: letters, digits and `_` only.
    let make = AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {schema}"));
    sqlx::query(make).execute(&mut *transaction).await?;
    for statement in [
        // Sorted by bytes, whatever the database's own order is. Sealed bytes do not compress.
        "CREATE TABLE IF NOT EXISTS vault_objects (
            name text COLLATE \"C\" PRIMARY KEY,
            bytes bytea NOT NULL
        )",
        "ALTER TABLE vault_objects ALTER COLUMN bytes SET STORAGE EXTERNAL",
        "CREATE TABLE IF NOT EXISTS vault_schema (version integer PRIMARY KEY)",
    ] {
        sqlx::query(statement).execute(&mut *transaction).await?;
    }
    sqlx::query("INSERT INTO vault_schema (version) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(SCHEMA_VERSION)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// Inserts all rows or, if one of the names is taken, none; false then.
async fn insert_all(
    connection: &mut sqlx::PgConnection,
    rows: Vec<(String, Vec<u8>)>,
) -> Result<bool, sqlx::Error> {
    let expected = rows.len() as u64;
    let mut transaction = sqlx::Connection::begin(connection).await?;
    let mut inserted = 0;
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let (names, values): (Vec<String>, Vec<Vec<u8>>) =
            rows.by_ref().take(ROWS_PER_STATEMENT).unzip();
        inserted += sqlx::query(
            "INSERT INTO vault_objects (name, bytes) SELECT * FROM unnest($1::text[], $2::bytea[])
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(names)
        .bind(values)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    }
    if inserted == expected {
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    Ok(inserted == expected)
}

/// Whether a name needs no quoting and is nobody else's.
fn is_schema_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=63).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.starts_with("pg_")
        && !["public", "information_schema"].contains(&name)
}
