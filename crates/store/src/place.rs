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
    /// Whether there were more than are kept: some are not here, and have to be looked for.
    lost: bool,
}

/// So many rows are noted; each takes some hundred bytes.
const NOTED_MAX: usize = 100_000;

impl Touched {
    fn absorb(&mut self, other: Self) {
        self.forgotten = self.forgotten.max(other.forgotten);
        self.lost |= other.lost;
        self.doubtful.extend(other.doubtful);
        self.rows.extend(other.rows);
        self.bound();
    }

    /// Keeps within bounds what grows while nothing is brought.
    fn bound(&mut self) {
        if self.rows.len() > NOTED_MAX {
            self.rows.clear();
            self.lost = true;
        }
        if self.doubtful.len() > NOTED_MAX {
            let before = self.doubtful.len();
            // They may land after a survey: only those are dropped whose tables are compared once more
            // before the sides are exchanged. Of the others there are as many as versions and changes.
            let is_compared = |row: &Beside| LAST_LOOK.contains(&row.table);
            self.doubtful.retain(|row| !is_compared(row));
            self.lost |= self.doubtful.len() < before;
        }
    }
}

/// The tables that are compared once more while nobody may write, before the sides are exchanged: small,
/// or they decide what may still be done.
pub(crate) const LAST_LOOK: [&str; 5] = [
    "use_reservations",
    "usage_watermarks",
    "idempotency",
    "tenant_feed",
    "feed",
];

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

    /// Whether rows were written that are noted no longer.
    pub(crate) fn has_lost(&self) -> bool {
        self.touched().as_ref().is_some_and(|touched| touched.lost)
    }

    /// Every row that differs is looked for from now on.
    pub(crate) fn seek(&self) {
        if let Some(touched) = self.touched().as_mut() {
            touched.lost = false;
        }
    }

    /// At most so many rows of what is noted, and all that is in doubt, to be brought to the other side.
    /// What is not confirmed is noted again.
    pub(crate) fn take(self: &Arc<Self>, limit: usize) -> Taken {
        let mut noted = self.touched();
        let mut taken = Touched::default();
        let mut left = 0;
        if let Some(noted) = noted.as_mut() {
            let popped = std::iter::from_fn(|| noted.rows.pop_first());
            taken.rows.extend(popped.take(limit));
            taken.doubtful.clone_from(&noted.doubtful);
            taken.forgotten = noted.forgotten.take();
            left = noted.rows.len();
        }
        Taken {
            place: Arc::clone(self),
            touched: taken,
            left,
        }
    }

    /// Notes rows that were found to differ.
    pub(crate) fn note_rows(&self, rows: impl IntoIterator<Item = Beside>) {
        if let Some(touched) = self.touched().as_mut() {
            touched.rows.extend(rows);
            touched.bound();
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
            touched.bound();
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
    left: usize,
}

impl Taken {
    pub(crate) const fn touched(&self) -> &Touched {
        &self.touched
    }

    /// How many rows were noted beside these.
    pub(crate) const fn left(&self) -> usize {
        self.left
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
