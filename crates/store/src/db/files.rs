//! What stays of rows in a database's files after they were deleted or replaced.

use keyward_core::port::registry::RegistryError;
use sqlx::pool::PoolConnection;
use sqlx::{Row, Sqlite, SqlitePool};

use super::{Database, Pools};
use crate::fault::Fault;

type Writer = PoolConnection<Sqlite>;

fn failed(error: sqlx::Error) -> RegistryError {
    Fault::from(error).on("registry")
}

impl Database {
    /// Gives up what deleted and replaced rows left behind. In SQLite: words that are no longer in the
    /// text index, pages and parts of pages that are free, and the write-ahead log; it needs as much
    /// memory as the file is long, and writers wait. PostgreSQL's dead rows are left to its vacuum,
    /// which takes a right that the server does not have.
    pub(crate) async fn compact(&self) -> Result<(), RegistryError> {
        let Some(mut writer) = self.lite_writer().await? else {
            return Ok(());
        };
        for text in [
            "INSERT INTO key_text (key_text) VALUES ('optimize')",
            "VACUUM",
        ] {
            let done = sqlx::raw_sql(text).execute(&mut *writer).await;
            done.map_err(failed)?;
        }
        empty(&mut writer).await
    }

    /// Empties the write-ahead log, where what rows said before stands until it is written over. Writers
    /// wait as for any checkpoint, and no reader is waited for: while one reads from the log, this is
    /// refused. In PostgreSQL nothing is done: it recycles its own.
    pub(crate) async fn empty_log(&self) -> Result<(), RegistryError> {
        let Some(mut writer) = self.lite_writer().await? else {
            return Ok(());
        };
        let patience = number(&mut writer, "PRAGMA busy_timeout", 0).await?;
        set_patience(&mut writer, 0).await?;
        let done = empty(&mut writer).await;
        set_patience(&mut writer, patience).await?;
        done
    }

    async fn lite_writer(&self) -> Result<Option<Writer>, RegistryError> {
        let Pools::Lite { writer, .. } = &self.pools else {
            return Ok(None);
        };
        let writer: &SqlitePool = writer;
        writer.acquire().await.map(Some).map_err(failed)
    }
}

/// In milliseconds.
async fn set_patience(writer: &mut Writer, patience: i64) -> Result<(), RegistryError> {
    let text = format!("PRAGMA busy_timeout = {patience}");
    let text = sqlx::AssertSqlSafe(text);
    let done = sqlx::raw_sql(text).execute(&mut **writer).await;
    done.map(drop).map_err(failed)
}

async fn number(
    writer: &mut Writer,
    text: &'static str,
    column: usize,
) -> Result<i64, RegistryError> {
    let row = sqlx::query(text).fetch_one(&mut **writer).await;
    let row = row.map_err(failed)?;
    row.try_get(column).map_err(failed)
}

/// <https://www.sqlite.org/pragma.html#pragma_wal_checkpoint>: the first column says whether it was kept
/// from it.
async fn empty(writer: &mut Writer) -> Result<(), RegistryError> {
    if number(writer, "PRAGMA wal_checkpoint(TRUNCATE)", 0).await? == 0 {
        return Ok(());
    }
    Err(RegistryError::Unavailable {
        cause: "a long reader keeps the write-ahead log from being emptied".to_owned(),
    })
}
