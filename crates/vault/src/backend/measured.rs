//! A backend that is watched: what is asked of it, how long that takes, and what goes wrong. A few
//! relaxed counters beside each operation; nothing waits and nothing is locked while all is well.

mod meter;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use keyward_core::ids::RecordId;
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use keyward_core::port::storage_care::{
    Space, StorageCare, StorageOperation, StorageReport, StorageState, StoredObject,
};
use keyward_core::time::{Clock, Timestamp};
use parking_lot::Mutex;
use tokio::time::Instant;

use self::meter::Meter;
use super::{io_fault, unavailable};
use crate::object_names;

/// A probe that is not answered by then is one that failed.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// A backend and how it does.
pub struct MeasuredBackend {
    inner: Arc<dyn StorageBackend>,
    name: &'static str,
    /// A folder or file on the disk that holds the bytes, if one does.
    disk: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    meters: [Meter; StorageOperation::ALL.len()],
    /// By reading and listing, by writing, by deleting: one may go on while the other does not.
    faults: [Fault; 3],
    last_asked_at: AtomicI64,
    looking_at_disk: Arc<tokio::sync::Mutex<()>>,
    deadline: Duration,
}

/// How operations of a kind went last.
#[derive(Default)]
struct Fault {
    /// The state's place in `StorageState::ALL`; 0 is healthy.
    state: AtomicU8,
    cause: Mutex<Option<String>>,
}

impl MeasuredBackend {
    /// Watches a backend, which is called so.
    pub fn new(inner: Arc<dyn StorageBackend>, name: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            name,
            disk: None,
            clock,
            meters: std::array::from_fn(|_| Meter::default()),
            faults: Default::default(),
            last_asked_at: AtomicI64::new(i64::MIN),
            looking_at_disk: Arc::default(),
            deadline: ANSWER_DEADLINE,
        }
    }

    /// Measures the room on the disk on which this folder is.
    #[must_use]
    pub fn on_disk(self, folder: &Path) -> Self {
        Self {
            disk: Some(folder.to_owned()),
            ..self
        }
    }

    /// A probe or a look at the disk that takes longer than this counts as one that failed.
    #[must_use]
    pub fn answering_within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, StorageError>> + Send,
    ) -> Result<T, StorageError> {
        let done = tokio::time::timeout(self.deadline, work).await;
        done.unwrap_or_else(|_| {
            let seconds = self.deadline.as_secs();
            Err(unavailable(format!("it did not answer within {seconds} s")))
        })
    }

    async fn measured<T>(
        &self,
        operation: StorageOperation,
        work: impl Future<Output = Result<T, StorageError>> + Send,
    ) -> Result<T, StorageError> {
        let began = Instant::now();
        let done = work.await;
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let now = self.clock.now();
        self.last_asked_at.store(now.as_micros(), Ordering::Relaxed);
        let fault = match operation {
            StorageOperation::Read | StorageOperation::List => &self.faults[0],
            StorageOperation::Write => &self.faults[1],
            StorageOperation::Delete => &self.faults[2],
        };
        let error = done.as_ref().err();
        let state = error.and_then(StorageState::of);
        self.meters[operation as usize].note(micros, state, now);
        fault.note(state, error);
        done
    }
}

impl Fault {
    fn note(&self, state: Option<StorageState>, error: Option<&StorageError>) {
        let code = state.map_or(0, |state| state as u8);
        if code == 0 && self.state.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut cause = self.cause.lock();
        self.state.store(code, Ordering::Relaxed);
        *cause = error.filter(|_| code > 0).map(ToString::to_string);
    }

    fn state(&self) -> StorageState {
        let code = usize::from(self.state.load(Ordering::Relaxed));
        let known = StorageState::ALL.get(code).copied();
        known.unwrap_or(StorageState::Down)
    }
}

#[async_trait]
impl StorageCare for MeasuredBackend {
    fn report(&self) -> StorageReport {
        let worst = self.faults.iter().max_by_key(|fault| fault.state());
        let asked_at = self.last_asked_at.load(Ordering::Relaxed);
        let operations = StorageOperation::ALL.iter().copied();
        StorageReport {
            backend: self.name,
            state: worst.map_or(StorageState::Healthy, Fault::state),
            cause: worst.and_then(|fault| fault.cause.lock().clone()),
            last_asked_at: (asked_at != i64::MIN).then(|| Timestamp::from_micros(asked_at)),
            operations: operations
                .map(|operation| self.meters[operation as usize].report(operation))
                .collect(),
        }
    }

    /// Step by step as the port's own probe, so that each step counts where it belongs. A step that
    /// does not come back in time counts as one that failed.
    async fn probe(&self) -> Result<(), StorageError> {
        let name = ObjectName::new("probe/watch").ok_or_else(|| unavailable("no name"))?;
        let write = self.in_time(self.inner.write(&name, b"probe".to_vec()));
        self.measured(StorageOperation::Write, write).await?;
        let read = self.in_time(self.inner.read(&name));
        let found = self.measured(StorageOperation::Read, read).await;
        let delete = self.in_time(self.inner.delete(&name));
        self.measured(StorageOperation::Delete, delete).await?;
        match found?.as_deref() {
            Some(b"probe") | None => Ok(()),
            Some(_) => Err(unavailable("what was written was not read back")),
        }
    }

    /// While one look hangs there is no other: each would take a thread of its own.
    async fn space(&self) -> Result<Option<Space>, StorageError> {
        let Some(disk) = self.disk.clone() else {
            return Ok(None);
        };
        let Ok(alone) = self.looking_at_disk.clone().try_lock_owned() else {
            return Err(unavailable("the disk does not answer"));
        };
        let asked = tokio::task::spawn_blocking(move || {
            let found = rustix::fs::statvfs(&disk);
            drop(alone);
            found
        });
        let asked = self.in_time(async {
            asked
                .await
                .map_err(|_| unavailable("a file operation stopped"))
        });
        let answered = asked.await.inspect_err(|error| {
            self.faults[0].note(StorageState::of(error), Some(error));
        })?;
        let found = answered.map_err(|error| io_fault(&error.into()))?;
        Ok(Some(Space {
            free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
            total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
        }))
    }

    async fn records(
        &self,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Vec<StoredObject>, StorageError> {
        // Key-encryption keys come before records, as their names do.
        let mut names = Vec::new();
        if after.is_none_or(|after| after.as_str() < object_names::RECORDS) {
            names = self.list(object_names::KEKS, after, limit).await?;
        }
        if names.len() < limit {
            let after = after.filter(|after| after.as_str() >= object_names::RECORDS);
            let wanted = limit - names.len();
            names.extend(self.list(object_names::RECORDS, after, wanted).await?);
        }
        let object = |name: ObjectName| StoredObject {
            record: object_names::record_of(&name),
            name,
        };
        Ok(names.into_iter().map(object).collect())
    }

    fn record_of(&self, name: &ObjectName) -> Option<RecordId> {
        object_names::record_of(name)
    }

    async fn remove(&self, name: &ObjectName) -> Result<(), StorageError> {
        if object_names::record_of(name).is_none() {
            return Err(unavailable("only a record can be removed"));
        }
        self.delete(name).await?;
        match self.read(name).await? {
            None => Ok(()),
            Some(_) => Err(unavailable("the backend still returns what was deleted")),
        }
    }
}

#[async_trait]
impl StorageBackend for MeasuredBackend {
    async fn init(&self) -> Result<(), StorageError> {
        self.inner.init().await
    }

    async fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, StorageError> {
        let work = self.inner.read(name);
        self.measured(StorageOperation::Read, work).await
    }

    async fn write(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), StorageError> {
        let work = self.inner.write(name, bytes);
        self.measured(StorageOperation::Write, work).await
    }

    async fn write_if_absent(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), StorageError> {
        let work = self.inner.write_if_absent(name, bytes);
        self.measured(StorageOperation::Write, work).await
    }

    async fn put_many(&self, objects: Vec<(ObjectName, Vec<u8>)>) -> Result<(), StorageError> {
        let work = self.inner.put_many(objects);
        self.measured(StorageOperation::Write, work).await
    }

    async fn compare_and_swap(
        &self,
        name: &ObjectName,
        expected: &[u8],
        new: Vec<u8>,
    ) -> Result<(), StorageError> {
        let work = self.inner.compare_and_swap(name, expected, new);
        self.measured(StorageOperation::Write, work).await
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), StorageError> {
        let work = self.inner.delete(name);
        self.measured(StorageOperation::Delete, work).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Vec<ObjectName>, StorageError> {
        let work = self.inner.list(prefix, after, limit);
        self.measured(StorageOperation::List, work).await
    }

    async fn health(&self) -> Result<(), StorageError> {
        self.inner.health().await
    }
}
