//! A few read-only connections, each used by one blocking thread at a time. They see what was
//! committed before they began and never wait for the writer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyward_core::port::storage::StorageError;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::{BUSY_WAIT, sqlite_fault, unavailable};

/// Reads that run at once; the rest wait their turn.
const CONNECTIONS: usize = 4;

pub(super) struct Readers {
    pool: Arc<Pool>,
    turns: Arc<Semaphore>,
}

struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        let pool = Pool {
            path: path.to_owned(),
            idle: Mutex::new(Vec::new()),
        };
        Self {
            pool: Arc::new(pool),
            turns: Arc::new(Semaphore::new(CONNECTIONS)),
        }
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|_| unavailable("the backend is closed"))?;
        let pool = Arc::clone(&self.pool);
        let read = move || {
            let _turn = turn;
            let connection = pool.take()?;
            let answer = query(&connection);
            // A connection that failed is not used again.
            if answer.is_ok() {
                pool.idle.lock().push(connection);
            }
            answer
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(answer) => answer.map_err(|error| sqlite_fault(&error)),
            Err(_) => Err(unavailable("a reader stopped")),
        }
    }
}

impl Pool {
    fn take(&self) -> rusqlite::Result<Connection> {
        if let Some(connection) = self.idle.lock().pop() {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_WAIT)?;
        connection.pragma_update(None, "trusted_schema", 0)?;
        Ok(connection)
    }
}
