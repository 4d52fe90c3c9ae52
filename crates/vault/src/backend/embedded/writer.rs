//! The one thread that writes. It takes what is waiting, applies all of it in one transaction,
//! syncs once, and only then answers everybody: many callers, one sync (group commit).
//!
//! The queue before it is bounded: when it is full, callers wait. Whose turn it is among tenants
//! is decided before, where tenants are known ([`crate::vault`]).

use std::thread::JoinHandle;
use std::time::Duration;

use keyward_core::port::storage::{ObjectName, StorageError};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{BUSY_WAIT, Durability, PROBE_PREFIX, read_durability, sqlite_fault, unavailable};

/// Requests that may wait; beyond that callers do.
const QUEUE_LENGTH: usize = 4096;
/// Requests in one transaction at most, so that the first one does not wait without end.
const BATCH_REQUESTS_MAX: usize = 1024;
/// Bytes after which a transaction takes no further request.
const BATCH_SIZE_BYTES_MAX: usize = 8 << 20;
/// SQLite's largest page count, which stands for "no limit".
const PAGES_MAX: i64 = 4_294_967_294;

/// How long the log's readers are waited for when it is emptied.
const PURGE_WAIT: Duration = Duration::from_millis(50);

type Answer = Result<(), StorageError>;

/// What happens when an object is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// It is replaced.
    Replaced,
    /// The whole request is refused.
    Refused,
}

/// One change, applied wholly or not at all.
pub(super) enum Op {
    Put {
        objects: Vec<(ObjectName, Vec<u8>)>,
        existing: Existing,
    },
    Swap {
        name: ObjectName,
        expected: Vec<u8>,
        new: Vec<u8>,
    },
    Delete {
        name: ObjectName,
    },
}

enum Request {
    Change(Op, oneshot::Sender<Answer>),
    Durability(oneshot::Sender<Result<Durability, StorageError>>),
    LimitSize(Option<u64>, oneshot::Sender<Answer>),
}

/// The handle to the thread. Dropping it lets the thread finish what is queued, and waits for it.
pub(super) struct Writer {
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self, StorageError> {
        let (requests, queue) = mpsc::channel(QUEUE_LENGTH);
        let thread = std::thread::Builder::new()
            .name("vault-writer".to_owned())
            .spawn(move || run(&connection, queue))
            .map_err(|_| unavailable("the writer's thread could not be started"))?;
        Ok(Self {
            requests: Some(requests),
            thread: Some(thread),
        })
    }

    /// Hands over one change and waits until it is durable or refused.
    pub(super) async fn submit(&self, op: Op) -> Answer {
        self.ask(|reply| Request::Change(op, reply)).await
    }

    pub(super) async fn durability(&self) -> Result<Durability, StorageError> {
        self.ask(Request::Durability).await
    }

    pub(super) async fn limit_size(&self, size_bytes_max: Option<u64>) -> Answer {
        self.ask(|reply| Request::LimitSize(size_bytes_max, reply))
            .await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, StorageError>>) -> Request,
    ) -> Result<T, StorageError> {
        let stopped = || unavailable("the writer has stopped");
        let requests = self.requests.as_ref().ok_or_else(stopped)?;
        let (reply, answer) = oneshot::channel();
        requests.send(request(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests.take();
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has told its callers already.
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, mut queue: mpsc::Receiver<Request>) {
    while let Some(first) = queue.blocking_recv() {
        let mut batch = Batch::default();
        batch.take(first, connection);
        while batch.has_room() {
            match queue.try_recv() {
                Ok(next) => batch.take(next, connection),
                Err(_) => break,
            }
        }
        batch.commit(connection);
    }
}

/// Changes that share a transaction.
#[derive(Default)]
struct Batch {
    changes: Vec<(Op, oneshot::Sender<Answer>)>,
    size_bytes: usize,
}

impl Batch {
    /// Adds a change; answers anything else at once.
    fn take(&mut self, request: Request, connection: &Connection) {
        match request {
            Request::Change(op, reply) => {
                self.size_bytes += op.size_bytes();
                self.changes.push((op, reply));
            }
            Request::Durability(reply) => {
                let answer = read_durability(connection).map_err(|error| sqlite_fault(&error));
                let _ = reply.send(answer);
            }
            Request::LimitSize(limit, reply) => {
                let answer = limit_pages(connection, limit).map_err(|error| sqlite_fault(&error));
                let _ = reply.send(answer);
            }
        }
    }

    fn has_room(&self) -> bool {
        self.changes.len() < BATCH_REQUESTS_MAX && self.size_bytes < BATCH_SIZE_BYTES_MAX
    }

    /// Applies every change and syncs; then, and only then, answers. A fault of the disk undoes
    /// all of them and every caller hears of it.
    fn commit(self, connection: &Connection) {
        if self.changes.is_empty() {
            return;
        }
        let answers = match self.apply_all(connection) {
            Ok(answers) => answers,
            Err(error) => {
                // After some errors SQLite has rolled back by itself.
                if !connection.is_autocommit() {
                    let _ = connection.execute_batch("ROLLBACK");
                }
                let fault = sqlite_fault(&error);
                tracing::warn!(cause = %fault, changes = self.changes.len(), "vault.db: not written");
                self.changes.iter().map(|_| Err(fault.clone())).collect()
            }
        };
        if self.changes.iter().any(|(op, _)| op.shreds()) {
            purge_log(connection);
        }
        for ((_, reply), answer) in self.changes.into_iter().zip(answers) {
            // A caller that went away does not need the answer.
            let _ = reply.send(answer);
        }
    }

    fn apply_all(&self, connection: &Connection) -> rusqlite::Result<Vec<Answer>> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let answers: rusqlite::Result<Vec<Answer>> = self
            .changes
            .iter()
            .map(|(op, _)| op.apply(connection))
            .collect();
        let answers = answers?;
        connection.execute_batch("COMMIT")?;
        Ok(answers)
    }
}

impl Op {
    fn size_bytes(&self) -> usize {
        match self {
            Self::Put { objects, .. } => objects.iter().map(|(_, bytes)| bytes.len()).sum(),
            Self::Swap { new, .. } => new.len(),
            Self::Delete { .. } => 0,
        }
    }

    /// Whether something secret is gone afterwards and its copy in the log should go as well.
    fn shreds(&self) -> bool {
        matches!(self, Self::Delete { name } if !name.as_str().starts_with(PROBE_PREFIX))
    }

    /// The outer result is the disk's, the inner one the caller's.
    fn apply(&self, connection: &Connection) -> rusqlite::Result<Answer> {
        match self {
            Self::Put {
                objects,
                existing: Existing::Replaced,
            } => {
                let mut statement = connection.prepare_cached(
                    "INSERT INTO objects (name, bytes) VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET bytes = excluded.bytes",
                )?;
                for (name, bytes) in objects {
                    statement.execute((name.as_str(), bytes))?;
                }
                Ok(Ok(()))
            }
            Self::Put {
                objects,
                existing: Existing::Refused,
            } => insert_all(connection, objects),
            Self::Swap {
                name,
                expected,
                new,
            } => {
                let changed = connection
                    .prepare_cached("UPDATE objects SET bytes = ?3 WHERE name = ?1 AND bytes = ?2")?
                    .execute((name.as_str(), expected, new))?;
                Ok(if changed == 1 {
                    Ok(())
                } else {
                    Err(StorageError::Conflict)
                })
            }
            Self::Delete { name } => {
                connection
                    .prepare_cached("DELETE FROM objects WHERE name = ?1")?
                    .execute([name.as_str()])?;
                Ok(Ok(()))
            }
        }
    }
}

/// Inserts all objects or none.
fn insert_all(
    connection: &Connection,
    objects: &[(ObjectName, Vec<u8>)],
) -> rusqlite::Result<Answer> {
    let nested = objects.len() > 1;
    if nested {
        connection.execute_batch("SAVEPOINT request")?;
    }
    let mut statement = connection.prepare_cached(
        "INSERT INTO objects (name, bytes) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
    )?;
    for (name, bytes) in objects {
        if statement.execute((name.as_str(), bytes))? == 0 {
            if nested {
                connection.execute_batch("ROLLBACK TO request; RELEASE request")?;
            }
            return Ok(Err(StorageError::AlreadyExists));
        }
    }
    if nested {
        connection.execute_batch("RELEASE request")?;
    }
    Ok(Ok(()))
}

/// `secure_delete` zeroes what was deleted in the file; older copies of the page are still in the
/// log. Moving the log into the file and truncating it removes them as well. A reader may hold it
/// back; then the next deletion or the automatic checkpoint does it, and nobody waits for it.
fn purge_log(connection: &Connection) {
    let purge = || -> rusqlite::Result<i64> {
        connection.busy_timeout(PURGE_WAIT)?;
        let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        connection.busy_timeout(BUSY_WAIT)?;
        Ok(busy)
    };
    let purged = purge();
    if !matches!(purged, Ok(0)) {
        tracing::debug!("vault.db: the log is in use and will be emptied later");
    }
}

fn limit_pages(connection: &Connection, size_bytes_max: Option<u64>) -> rusqlite::Result<()> {
    let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = size_bytes_max.map_or(PAGES_MAX, |bytes| {
        (i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1)).clamp(1, PAGES_MAX)
    });
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    type Waiting = oneshot::Receiver<Answer>;

    fn connection(folder: &tempfile::TempDir) -> Connection {
        let path = folder.path().join("vault.db");
        super::super::create_private(&path).unwrap();
        super::super::open_writer(&path).unwrap()
    }

    fn insert(texts: &[&str]) -> Op {
        let object = |text: &&str| (ObjectName::new(text).unwrap(), text.as_bytes().to_vec());
        Op::Put {
            objects: texts.iter().map(object).collect(),
            existing: Existing::Refused,
        }
    }

    fn batch(connection: &Connection, ops: impl IntoIterator<Item = Op>) -> (Batch, Vec<Waiting>) {
        let mut batch = Batch::default();
        let mut waiting = Vec::new();
        for op in ops {
            let (reply, answer) = oneshot::channel();
            batch.take(Request::Change(op, reply), connection);
            waiting.push(answer);
        }
        (batch, waiting)
    }

    fn count(connection: &Connection) -> i64 {
        connection
            .query_row("SELECT count(*) FROM objects", [], |row| row.get(0))
            .unwrap()
    }

    /// Pages in the log since it was last emptied: at least one for each commit.
    fn log_pages(connection: &Connection) -> i64 {
        connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))
            .unwrap()
    }

    #[test]
    fn a_hundred_callers_share_one_commit() {
        let folder = tempfile::tempdir().unwrap();
        let connection = connection(&folder);
        purge_log(&connection);
        let names: Vec<String> = (0..100).map(|n| format!("a/{n}")).collect();
        let (batch, waiting) = batch(&connection, names.iter().map(|name| insert(&[name])));
        batch.commit(&connection);
        for mut answer in waiting {
            assert_eq!(answer.try_recv().unwrap(), Ok(()));
        }
        assert_eq!(count(&connection), 100);
        assert!(
            log_pages(&connection) < 20,
            "one commit writes each page once"
        );
    }

    #[test]
    fn one_callers_conflict_is_not_anothers() {
        let folder = tempfile::tempdir().unwrap();
        let connection = connection(&folder);
        let ops = [
            insert(&["a"]),
            insert(&["b", "c", "a", "d"]),
            insert(&["e", "f"]),
        ];
        let (batch, waiting) = batch(&connection, ops);
        batch.commit(&connection);
        let answers: Vec<Answer> = waiting
            .into_iter()
            .map(|mut answer| answer.try_recv().unwrap())
            .collect();
        assert_eq!(answers, [Ok(()), Err(StorageError::AlreadyExists), Ok(())]);
        assert_eq!(
            count(&connection),
            3,
            "a, e and f: the refused request left nothing"
        );
    }

    #[test]
    fn nobody_hears_success_when_the_commit_fails() {
        let folder = tempfile::tempdir().unwrap();
        let connection = connection(&folder);
        limit_pages(&connection, Some(8192)).unwrap();
        let large = (ObjectName::new("large").unwrap(), vec![1; 1 << 20]);
        let too_large = Op::Put {
            objects: vec![large],
            existing: Existing::Replaced,
        };
        let (failing, waiting) = batch(&connection, [insert(&["a"]), too_large, insert(&["b"])]);
        failing.commit(&connection);
        for mut answer in waiting {
            let answer = answer.try_recv().unwrap();
            assert!(matches!(answer, Err(StorageError::NotWritable { .. })));
        }
        assert_eq!(count(&connection), 0);
        limit_pages(&connection, None).unwrap();
        let (next, mut waiting) = batch(&connection, [insert(&["a"])]);
        next.commit(&connection);
        assert_eq!(waiting.remove(0).try_recv().unwrap(), Ok(()));
    }
}
