//! Connections: one writer and many readers on SQLite, one pool on PostgreSQL, and one way to run
//! a statement on either. Knows no table.

mod files;

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use keyward_core::port::registry::RegistryError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, PgPool, Postgres, Sqlite, SqlitePool};

use crate::called;
use crate::config::{Config, OpenError, StatementObserver};
use crate::fault::{self, Fault};
use crate::row::Cells;
use crate::value::{Value, lite, pg};

/// Statements kept prepared on each connection; more than the code has.
const STATEMENTS_KEPT: usize = 512;

/// The writer's cache of pages, in KiB and therefore negative: 16 MiB, not SQLite's 2. Every row has
/// its place in some twenty indexes.
const WRITER_CACHE: &str = "-16384";
/// The log is moved into the file when it has so many pages (32 MiB), not SQLite's thousand: a
/// hundred keys fill those, and the pages that the next hundred change are much the same.
const CHECKPOINT_PAGES: &str = "8192";

#[derive(Clone)]
enum Pools {
    Lite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Pg(PgPool),
}

/// Which SQL is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// An open database.
#[derive(Clone)]
pub(crate) struct Database {
    pools: Pools,
    observer: Option<Arc<dyn StatementObserver>>,
    /// What PostgreSQL calls this program's connections and no other's.
    called: Arc<str>,
}

impl Database {
    pub(crate) async fn open(config: &Config) -> Result<Self, OpenError> {
        let called = called::own_name();
        let pools = if config.url.starts_with("sqlite:") {
            open_sqlite(config).await?
        } else if config.url.starts_with("postgres:") || config.url.starts_with("postgresql:") {
            open_postgres(config, &called).await?
        } else {
            return Err(OpenError::Url);
        };
        Ok(Self {
            pools,
            observer: config.observer.clone(),
            called: called.into(),
        })
    }

    /// What others see of this program's connections, in PostgreSQL.
    pub(crate) fn called(&self) -> &str {
        &self.called
    }

    pub(crate) const fn dialect(&self) -> Dialect {
        match self.pools {
            Pools::Lite { .. } => Dialect::Sqlite,
            Pools::Pg(_) => Dialect::Postgres,
        }
    }

    pub(crate) async fn close(&self) {
        match &self.pools {
            Pools::Lite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Pg(pool) => pool.close().await,
        }
    }

    /// Every row of a query, outside any transaction: one statement, one snapshot.
    pub(crate) async fn rows<T>(
        &self,
        text: impl Into<Cow<'static, str>>,
        values: Vec<Value>,
        mut read: impl FnMut(&mut Cells<'_>) -> Result<T, RegistryError>,
    ) -> Result<Vec<T>, RegistryError> {
        let text = text.into();
        observe(self.observer.as_ref(), &text, &values);
        match &self.pools {
            Pools::Lite { readers, .. } => {
                let arguments = lite(values).map_err(|_| damaged_argument())?;
                let rows = sqlx::query_with(AssertSqlSafe(text), arguments)
                    .fetch_all(readers)
                    .await
                    .map_err(read_error)?;
                rows.iter().map(|row| read(&mut Cells::lite(row))).collect()
            }
            Pools::Pg(pool) => {
                let arguments = pg(values).map_err(|_| damaged_argument())?;
                let rows = sqlx::query_with(AssertSqlSafe(text), arguments)
                    .fetch_all(pool)
                    .await
                    .map_err(read_error)?;
                rows.iter().map(|row| read(&mut Cells::pg(row))).collect()
            }
        }
    }

    /// The first row of a query, if it has one.
    pub(crate) async fn row<T>(
        &self,
        text: impl Into<Cow<'static, str>>,
        values: Vec<Value>,
        read: impl FnMut(&mut Cells<'_>) -> Result<T, RegistryError>,
    ) -> Result<Option<T>, RegistryError> {
        Ok(self.rows(text, values, read).await?.into_iter().next())
    }

    /// Begins a transaction that will write. On SQLite there is one at a time.
    pub(crate) async fn begin(&self) -> Result<Transaction, Fault> {
        let connection = match &self.pools {
            Pools::Lite { writer, .. } => Connection::Lite(writer.acquire().await?),
            Pools::Pg(pool) => Connection::Pg(pool.acquire().await?),
        };
        self.begun(connection, begin(self.dialect())).await
    }

    /// Begins a transaction that reads everything as it was at its first statement.
    pub(crate) async fn begin_reading(&self) -> Result<Transaction, Fault> {
        match &self.pools {
            Pools::Lite { readers, .. } => {
                let connection = Connection::Lite(readers.acquire().await?);
                self.begun(connection, "BEGIN").await
            }
            Pools::Pg(pool) => {
                let connection = Connection::Pg(pool.acquire().await?);
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                self.begun(connection, begin).await
            }
        }
    }

    async fn begun(
        &self,
        connection: Connection,
        begin: &'static str,
    ) -> Result<Transaction, Fault> {
        let mut transaction = Transaction {
            dialect: self.dialect(),
            connection: Some(connection),
            observer: self.observer.clone(),
        };
        transaction.command(begin).await?;
        Ok(transaction)
    }
}

const fn begin(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "BEGIN IMMEDIATE",
        Dialect::Postgres => "BEGIN",
    }
}

/// A statement that takes each parameter once and in order, and what it binds.
pub(crate) type Bound = (&'static str, Vec<Value>);

/// Whether the same statements come together again, so that they are worth keeping prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Together {
    Often,
    Seldom,
}

enum Connection {
    Lite(PoolConnection<Sqlite>),
    Pg(PoolConnection<Postgres>),
}

/// A transaction. Dropped before [`Transaction::commit`] or [`Transaction::rollback`], it takes its
/// connection with it: a connection in an unknown state never goes back to the pool.
pub(crate) struct Transaction {
    dialect: Dialect,
    connection: Option<Connection>,
    observer: Option<Arc<dyn StatementObserver>>,
}

impl Transaction {
    /// Which SQL it speaks.
    pub(crate) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Runs text without parameters; several statements at once are allowed.
    pub(crate) async fn command(
        &mut self,
        text: impl Into<Cow<'static, str>>,
    ) -> Result<(), Fault> {
        let text = sqlx::raw_sql(AssertSqlSafe(text.into()));
        match &mut self.connection {
            Some(Connection::Lite(connection)) => text.execute(&mut **connection).await.map(drop),
            Some(Connection::Pg(connection)) => text.execute(&mut **connection).await.map(drop),
            None => Err(sqlx::Error::PoolClosed),
        }
        .map_err(Fault::from)
    }

    /// Runs a statement; how many rows it touched.
    pub(crate) async fn execute(
        &mut self,
        text: impl Into<Cow<'static, str>>,
        values: Vec<Value>,
    ) -> Result<u64, Fault> {
        let text = text.into();
        observe(self.observer.as_ref(), &text, &values);
        match &mut self.connection {
            Some(Connection::Lite(connection)) => {
                let arguments = lite(values).map_err(|_| Fault::Constraint)?;
                sqlx::query_with(AssertSqlSafe(text), arguments)
                    .execute(&mut **connection)
                    .await
                    .map(|done| done.rows_affected())
            }
            Some(Connection::Pg(connection)) => {
                let arguments = pg(values).map_err(|_| Fault::Constraint)?;
                sqlx::query_with(AssertSqlSafe(text), arguments)
                    .execute(&mut **connection)
                    .await
                    .map(|done| done.rows_affected())
            }
            None => Err(sqlx::Error::PoolClosed),
        }
        .map_err(Fault::from)
    }

    /// Runs a statement; the rows it returns.
    pub(crate) async fn rows<T>(
        &mut self,
        text: impl Into<Cow<'static, str>>,
        values: Vec<Value>,
        read: impl Fn(&mut Cells<'_>) -> Result<T, RegistryError>,
    ) -> Result<Vec<T>, Fault> {
        let text = text.into();
        observe(self.observer.as_ref(), &text, &values);
        match &mut self.connection {
            Some(Connection::Lite(connection)) => {
                let arguments = lite(values).map_err(|_| Fault::Constraint)?;
                let rows = sqlx::query_with(AssertSqlSafe(text), arguments)
                    .fetch_all(&mut **connection)
                    .await?;
                rows.iter()
                    .map(|row| read(&mut Cells::lite(row)).map_err(Fault::from))
                    .collect()
            }
            Some(Connection::Pg(connection)) => {
                let arguments = pg(values).map_err(|_| Fault::Constraint)?;
                let rows = sqlx::query_with(AssertSqlSafe(text), arguments)
                    .fetch_all(&mut **connection)
                    .await?;
                rows.iter()
                    .map(|row| read(&mut Cells::pg(row)).map_err(Fault::from))
                    .collect()
            }
            None => Err(sqlx::Error::PoolClosed.into()),
        }
    }

    /// Runs statements one after the other; what all of them return. SQLite gets them as one text:
    /// each visit to its thread and back is two changes of thread, which cost as much as inserting
    /// a row. PostgreSQL takes one statement at a time. On SQLite the parameters must be plain `?`.
    pub(crate) async fn all<T>(
        &mut self,
        statements: Vec<Bound>,
        together: Together,
        read: impl Fn(&mut Cells<'_>) -> Result<T, RegistryError>,
    ) -> Result<Vec<T>, Fault> {
        if self.dialect == Dialect::Postgres {
            let mut rows = Vec::new();
            for (text, values) in statements {
                rows.extend(self.rows(text, values, &read).await?);
            }
            return Ok(rows);
        }
        let Some(Connection::Lite(connection)) = &mut self.connection else {
            return Err(sqlx::Error::PoolClosed.into());
        };
        let mut text = String::with_capacity(statements.iter().map(|(it, _)| it.len() + 1).sum());
        let mut bound = Vec::with_capacity(statements.iter().map(|(_, it)| it.len()).sum());
        for (statement, values) in statements {
            debug_assert!(!statement.contains('$'), "{statement}");
            observe(self.observer.as_ref(), statement, &values);
            text.push_str(statement);
            text.push(';');
            bound.extend(values);
        }
        let arguments = lite(bound).map_err(|_| Fault::Constraint)?;
        let rows = sqlx::query_with(AssertSqlSafe(text), arguments)
            .persistent(together == Together::Often)
            .fetch_all(&mut **connection)
            .await?;
        rows.iter()
            .map(|row| read(&mut Cells::lite(row)).map_err(Fault::from))
            .collect()
    }

    /// Runs statements that return nothing, as [`Self::all`] does.
    pub(crate) async fn execute_all(
        &mut self,
        statements: Vec<Bound>,
        together: Together,
    ) -> Result<(), Fault> {
        self.all(statements, together, |_| Ok(())).await.map(drop)
    }

    /// Makes it durable.
    pub(crate) async fn commit(mut self) -> Result<(), Fault> {
        self.command("COMMIT").await?;
        self.connection.take();
        Ok(())
    }

    /// Undoes it and begins anew.
    pub(crate) async fn restart(&mut self) -> Result<(), Fault> {
        self.command("ROLLBACK").await?;
        self.command(begin(self.dialect)).await
    }

    /// Undoes it and returns the connection, if the connection still answers.
    pub(crate) async fn rollback(mut self) {
        if self.command("ROLLBACK").await.is_ok() {
            self.connection.take();
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        match self.connection.take() {
            Some(Connection::Lite(connection)) => drop(connection.detach()),
            Some(Connection::Pg(connection)) => drop(connection.detach()),
            None => {}
        }
    }
}

fn observe(observer: Option<&Arc<dyn StatementObserver>>, text: &str, values: &[Value]) {
    if let Some(observer) = observer {
        observer.observe(text, values);
    }
}

fn read_error(error: sqlx::Error) -> RegistryError {
    Fault::from(error).on("registry")
}

const fn damaged_argument() -> RegistryError {
    RegistryError::Constraint { table: "registry" }
}

async fn open_sqlite(config: &Config) -> Result<Pools, OpenError> {
    // Readers and the writer would each see a memory of their own.
    if config.url.contains("memory") && !config.url.starts_with("sqlite:///") {
        return Err(OpenError::Url);
    }
    let options = SqliteConnectOptions::from_str(&config.url)
        .map_err(|_| OpenError::Url)?
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(config.patience)
        .statement_cache_capacity(STATEMENTS_KEPT)
        .row_buffer_size(1_024)
        .pragma("temp_store", "memory")
        // What a burst of writes left of the log file is given back at the next checkpoint.
        .pragma("journal_size_limit", "67108864")
        .disable_statement_logging();
    let writing = options
        .clone()
        .create_if_missing(true)
        .pragma("cache_size", WRITER_CACHE)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        // What a row said before is overwritten with zeroes: <https://www.sqlite.org/pragma.html#pragma_secure_delete>.
        .pragma("secure_delete", "on");
    let writer = open_writer(config, writing).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(config.connections)
        .acquire_timeout(config.patience)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.pragma("query_only", "on"));
    Ok(Pools::Lite { writer, readers })
}

/// Opens the one writing connection. SQLite does not run its busy handler while it turns a new
/// file's journal into a write-ahead log (<https://www.sqlite.org/c3ref/busy_handler.html>: a wait
/// that might be a deadlock is refused at once), so that of several openers all but one may be
/// turned away: they ask again, within the same patience.
async fn open_writer(
    config: &Config,
    options: SqliteConnectOptions,
) -> Result<SqlitePool, OpenError> {
    let mut waited = Duration::ZERO;
    let mut pause = Duration::from_millis(2);
    loop {
        let opened = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await;
        match opened {
            Err(error) if fault::is_sqlite_busy(&error) && waited < config.patience => {
                tokio::time::sleep(pause).await;
                waited += pause;
                pause = (pause * 2).min(Duration::from_millis(100));
            }
            opened => return opened.map_err(open_error),
        }
    }
}

async fn open_postgres(config: &Config, called: &str) -> Result<Pools, OpenError> {
    let patience_ms = config.patience.as_millis().to_string();
    let options = PgConnectOptions::from_str(&config.url)
        .map_err(|_| OpenError::Url)?
        .application_name(called)
        // What is acknowledged is durable, whatever the server's own default (invariant 2).
        .options([
            ("synchronous_commit", "on"),
            ("lock_timeout", patience_ms.as_str()),
        ])
        .statement_cache_capacity(STATEMENTS_KEPT)
        .disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(config.connections.max(2))
        .acquire_timeout(config.patience)
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .map_err(open_error)?;
    Ok(Pools::Pg(pool))
}

fn open_error(error: sqlx::Error) -> OpenError {
    let cause = match Fault::from(error).on("registry") {
        RegistryError::Unavailable { cause } => cause,
        _ => "the database refused the connection".to_owned(),
    };
    OpenError::Unavailable { cause }
}
