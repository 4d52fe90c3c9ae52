//! A backend whose changes fail when a test says so, in each form: it did not happen; it happened
//! and was reported as failed; of many objects the first half happened. Reading is disturbed in an
//! outage, which lasts until it is ended, and once after a change in the forms that say so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};

/// How a change fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Nothing happened.
    Before,
    /// It happened.
    After,
    /// Of a change of many objects the first half happened; of one object, nothing.
    Half,
    /// It happened and was reported so; the next reading fails.
    Unread,
    /// It happened and was reported as failed; the next reading fails.
    LostUnread,
    /// It was reported as done, and did not happen.
    Swallowed,
    /// It was reported as done, and something else was written.
    Altered,
}

/// Every form of a storage that lies about what it wrote.
pub const LIES: [Form; 2] = [Form::Swallowed, Form::Altered];

/// Every form that leaves reading alone.
pub const FORMS: [Form; 3] = [Form::Before, Form::After, Form::Half];

/// A backend that fails as planned.
pub struct FaultyBackend {
    inner: Arc<dyn StorageBackend>,
    plan: Mutex<Option<(usize, Form)>>,
    outage: Mutex<Option<Outage>>,
    /// Whether the next reading fails.
    blind: AtomicBool,
    is_silent: AtomicBool,
}

/// What everything is answered with for a while.
struct Outage {
    error: StorageError,
    of_reads: bool,
}

impl FaultyBackend {
    /// Sound until a failure is planned.
    pub fn new(inner: Arc<dyn StorageBackend>) -> Self {
        Self {
            inner,
            plan: Mutex::new(None),
            outage: Mutex::new(None),
            blind: AtomicBool::new(false),
            is_silent: AtomicBool::new(false),
        }
    }

    /// From now on every change is answered with an error, and every reading too if asked for.
    /// Nothing of it happens.
    pub fn begin_outage(&self, error: StorageError, of_reads: bool) {
        *self.broken() = Some(Outage { error, of_reads });
    }

    /// The outage is over.
    pub fn end_outage(&self) {
        *self.broken() = None;
    }

    /// From now on nothing is answered at all, and nothing happens.
    pub fn fall_silent(&self) {
        self.is_silent.store(true, Ordering::SeqCst);
    }

    async fn answer(&self) {
        if self.is_silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    fn broken(&self) -> std::sync::MutexGuard<'_, Option<Outage>> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_read(&self) -> Result<(), StorageError> {
        if self.blind.swap(false, Ordering::SeqCst) {
            return Err(injected());
        }
        match &*self.broken() {
            Some(outage) if outage.of_reads => Err(outage.error.clone()),
            _ => Ok(()),
        }
    }

    fn may_change(&self) -> Result<(), StorageError> {
        let broken = self.broken();
        let error = broken.as_ref().map(|outage| outage.error.clone());
        error.map_or(Ok(()), Err)
    }

    /// The change after `sound` more fails.
    pub fn fail_after(&self, sound: usize, form: Form) {
        *self.lock() = Some((sound, form));
    }

    /// Nothing fails any more. Whether the planned failure happened.
    pub fn mend(&self) -> bool {
        self.blind.store(false, Ordering::SeqCst);
        self.lock().take().is_none()
    }

    fn fails(&self) -> Option<Form> {
        let mut plan = self.lock();
        match &mut *plan {
            Some((0, form)) => {
                let form = *form;
                *plan = None;
                Some(form)
            }
            Some((sound, _)) => {
                *sound -= 1;
                None
            }
            None => None,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(usize, Form)>> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn change(
        &self,
        change: impl Future<Output = Result<(), StorageError>> + Send,
    ) -> Result<(), StorageError> {
        self.answer().await;
        self.may_change()?;
        match self.fails() {
            None => change.await,
            Some(Form::After) => {
                change.await?;
                Err(injected())
            }
            Some(Form::Before | Form::Half) => Err(injected()),
            // One object's bytes went into the future whole: what is altered here is that there are none.
            Some(Form::Swallowed | Form::Altered) => Ok(()),
            Some(form @ (Form::Unread | Form::LostUnread)) => {
                change.await?;
                self.blind.store(true, Ordering::SeqCst);
                match form {
                    Form::Unread => Ok(()),
                    _ => Err(injected()),
                }
            }
        }
    }
}

fn injected() -> StorageError {
    StorageError::Unavailable {
        cause: "injected".to_owned(),
    }
}

#[async_trait]
impl StorageBackend for FaultyBackend {
    async fn init(&self) -> Result<(), StorageError> {
        self.inner.init().await
    }

    async fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, StorageError> {
        self.answer().await;
        self.may_read()?;
        self.inner.read(name).await
    }

    async fn write(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), StorageError> {
        self.change(self.inner.write(name, bytes)).await
    }

    async fn write_if_absent(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), StorageError> {
        self.change(self.inner.write_if_absent(name, bytes)).await
    }

    async fn put_many(&self, mut objects: Vec<(ObjectName, Vec<u8>)>) -> Result<(), StorageError> {
        self.answer().await;
        self.may_change()?;
        let form = self.fails();
        if form == Some(Form::Before) {
            return Err(injected());
        }
        match form {
            Some(Form::Half) => objects.truncate(objects.len() / 2),
            Some(Form::Swallowed) => return Ok(()),
            Some(Form::Altered) => {
                for last in objects.iter_mut().filter_map(|(_, bytes)| bytes.last_mut()) {
                    *last ^= 1;
                }
            }
            _ => {}
        }
        self.inner.put_many(objects).await?;
        if matches!(form, Some(Form::Unread | Form::LostUnread)) {
            self.blind.store(true, Ordering::SeqCst);
        }
        match form {
            None | Some(Form::Unread | Form::Altered) => Ok(()),
            Some(_) => Err(injected()),
        }
    }

    async fn compare_and_swap(
        &self,
        name: &ObjectName,
        expected: &[u8],
        new: Vec<u8>,
    ) -> Result<(), StorageError> {
        self.change(self.inner.compare_and_swap(name, expected, new))
            .await
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), StorageError> {
        self.change(self.inner.delete(name)).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Vec<ObjectName>, StorageError> {
        self.answer().await;
        self.may_read()?;
        self.inner.list(prefix, after, limit).await
    }

    async fn health(&self) -> Result<(), StorageError> {
        self.answer().await;
        self.may_change()?;
        self.inner.health().await
    }
}
