//! Which database the registry is in at present. It can be exchanged while the registry is used:
//! reads ask whichever is present, and every write that may land holds the place until it has ended,
//! so that whoever exchanges it waits for those under way and keeps new ones back.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock as Cell};

use keyward_core::change::{Commit, IdempotencyKey};
use keyward_core::ids::{TenantId, VersionId};
use keyward_core::port::registry::RegistryError;
use keyward_core::time::Timestamp;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::db::Database;
use crate::fault::unavailable;
use crate::snapshot::line;
use crate::value::Value;

/// A row that a commit's change does not show: which table's, and what names it, as in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Beside {
    pub(crate) table: &'static str,
    pub(crate) key: String,
}

impl Beside {
    pub(crate) fn usage(version: VersionId) -> Self {
        Self::of("key_usage", Value::Uuid(Some(version.uuid())))
    }

    pub(crate) fn reservation(version: VersionId) -> Self {
        Self::of("use_reservations", Value::Uuid(Some(version.uuid())))
    }

    pub(crate) fn watermark(node: &str) -> Self {
        Self::of("usage_watermarks", Value::Text(Some(node.to_owned())))
    }

    /// An outbox row whose rows are put into another form.
    pub(crate) fn change(revision: i64) -> Self {
        Self::of("changes", Value::Int(Some(revision)))
    }

    fn request(key: &IdempotencyKey) -> Self {
        let named = [
            Value::Uuid(Some(key.principal.uuid())),
            Value::Text(Some(key.route.to_owned())),
            Value::Text(Some(key.key.clone())),
            Value::Uuid(key.tenant.map(TenantId::uuid)),
        ];
        Self {
            table: "idempotency",
            key: line(&named),
        }
    }

    fn of(table: &'static str, key: Value) -> Self {
        Self {
            table,
            key: line(&[key]),
        }
    }

    /// What these commits write beside their changes.
    pub(crate) fn of_commits<'a>(commits: impl Iterator<Item = &'a Commit>) -> Vec<Self> {
        let requests = commits.filter_map(|commit| commit.idempotency.as_ref());
        requests.map(|(key, _)| Self::request(key)).collect()
    }
}

/// What was written beside the changes and has not been brought to the other side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) rows: BTreeSet<Beside>,
    /// Requests older than this were forgotten.
    pub(crate) forgotten: Option<Timestamp>,
    /// Rows of writes that ended in an error: whether they landed, and when, is not known. They are
    /// brought again and again until the sides are exchanged.
    pub(crate) doubtful: BTreeSet<Beside>,
}

impl Touched {
    fn absorb(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.doubtful.extend(other.doubtful);
        self.forgotten = self.forgotten.max(other.forgotten);
    }
}

/// The registry's present database.
pub(crate) struct Place {
    gate: Arc<RwLock<()>>,
    present: Cell<Database>,
    /// None while nobody follows.
    touched: Mutex<Option<Touched>>,
}

impl Place {
    pub(crate) fn new(database: Database) -> Arc<Self> {
        Arc::new(Self {
            gate: Arc::default(),
            present: Cell::new(database),
            touched: Mutex::default(),
        })
    }

    /// The database to read from.
    pub(crate) fn present(&self) -> Database {
        // Nothing is done while it is locked that could leave it half changed.
        self.present
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The database to write to, for as long as the hold lives. Waits while the sides are exchanged.
    pub(crate) async fn hold(self: &Arc<Self>, rows: Vec<Beside>) -> Hold {
        let gate = Arc::clone(&self.gate).read_owned().await;
        Hold {
            database: self.present(),
            place: Arc::clone(self),
            rows,
            forgets: None,
            ended_well: false,
            _gate: gate,
        }
    }

    /// Writes past the writer, to the end. `rows` are those that no change shows.
    pub(crate) async fn write<T, F>(
        self: &Arc<Self>,
        rows: Vec<Beside>,
        write: impl FnOnce(Database) -> F,
    ) -> Result<T, RegistryError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, RegistryError>> + Send + 'static,
    {
        self.hold(rows).await.write(write).await
    }

    /// Waits for every write under way and keeps new ones back, for as long as it is kept.
    pub(crate) async fn still(self: &Arc<Self>) -> Stillness {
        let gate = Arc::clone(&self.gate).write_owned().await;
        Stillness {
            place: Arc::clone(self),
            _gate: gate,
        }
    }

    fn touched(&self) -> MutexGuard<'_, Option<Touched>> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to note what is written beside the changes.
    pub(crate) fn note(&self) {
        self.touched().get_or_insert_default();
    }

    /// Nobody follows any more.
    pub(crate) fn note_nothing(&self) {
        *self.touched() = None;
    }

    /// What is noted, to be brought to the other side. What is not confirmed is noted again.
    pub(crate) fn take(self: &Arc<Self>) -> Taken {
        let mut touched = self.touched();
        let taken = touched.as_mut().map(|touched| {
            let doubtful = touched.doubtful.clone();
            let taken = std::mem::take(touched);
            touched.doubtful = doubtful;
            taken
        });
        Taken {
            place: Arc::clone(self),
            touched: taken.unwrap_or_default(),
        }
    }

    /// Notes rows that were found to differ.
    pub(crate) fn note_rows(&self, rows: impl IntoIterator<Item = Beside>) {
        if let Some(touched) = self.touched().as_mut() {
            touched.rows.extend(rows);
        }
    }
}

/// Leave to write, until it is dropped.
pub(crate) struct Hold {
    database: Database,
    place: Arc<Place>,
    rows: Vec<Beside>,
    forgets: Option<Timestamp>,
    ended_well: bool,
    _gate: OwnedRwLockReadGuard<()>,
}

impl Hold {
    pub(crate) const fn database(&self) -> &Database {
        &self.database
    }

    /// Requests older than this are forgotten by what is written.
    pub(crate) const fn forgetting(mut self, before: Timestamp) -> Self {
        self.forgets = Some(before);
        self
    }

    /// Writes, to the end: a caller who goes away half-way leaves nothing that may land after the place
    /// was given free.
    pub(crate) async fn write<T, F>(
        mut self,
        write: impl FnOnce(Database) -> F,
    ) -> Result<T, RegistryError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, RegistryError>> + Send + 'static,
    {
        let write = write(self.database.clone());
        let written = tokio::spawn(async move {
            let written = write.await;
            if written.is_ok() {
                self.ended_well();
            }
            written
        });
        let lost = |_| Err(unavailable("the write ended before it was answered"));
        written.await.unwrap_or_else(lost)
    }

    /// It is certain whether the write landed.
    pub(crate) const fn ended_well(&mut self) {
        self.ended_well = true;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(touched) = self.place.touched().as_mut() {
            let rows = std::mem::take(&mut self.rows);
            if !self.ended_well {
                touched.doubtful.extend(rows.iter().cloned());
            }
            touched.rows.extend(rows);
            touched.forgotten = touched.forgotten.max(self.forgets);
        }
    }
}

/// Nothing is written while this is kept.
pub(crate) struct Stillness {
    place: Arc<Place>,
    _gate: OwnedRwLockWriteGuard<()>,
}

impl Stillness {
    /// Puts another database into the place; the one that was there. What was noted of it has been
    /// brought to the other.
    pub(crate) fn exchange(&self, with: Database) -> Database {
        let mut present = self
            .place
            .present
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(touched) = self.place.touched().as_mut() {
            *touched = Touched::default();
        }
        std::mem::replace(&mut present, with)
    }
}

/// What was noted. Dropped without [`Taken::brought`], it is noted again.
pub(crate) struct Taken {
    place: Arc<Place>,
    touched: Touched,
}

impl Taken {
    pub(crate) const fn touched(&self) -> &Touched {
        &self.touched
    }

    /// Where it was noted.
    pub(crate) fn place(&self) -> Arc<Place> {
        Arc::clone(&self.place)
    }

    /// It is on the other side, durably.
    pub(crate) fn brought(mut self) {
        self.touched = Touched::default();
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(noted) = self.place.touched().as_mut() {
            noted.absorb(std::mem::take(&mut self.touched));
        }
    }
}
