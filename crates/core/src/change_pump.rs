//! Takes committed changes to the journal in order, whatever becomes of the requests that made
//! them, and tells each request when its change is logged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot;
use futures_util::future::join_all;
use futures_util::task::AtomicWaker;

use crate::audit::AuditEvent;
use crate::change::Change;
use crate::port::audit_log::{AuditError, AuditLog};

/// At most so many entries are handed to the journal before waiting for them.
const BATCH: usize = 1024;

/// The queue between registry and journal.
#[derive(Default)]
pub struct ChangePump {
    inner: Mutex<Inner>,
    wake: AtomicWaker,
    /// Held while draining: two at once would append the same entries twice.
    draining: futures_util::lock::Mutex<()>,
}

#[derive(Default)]
struct Inner {
    queue: BTreeMap<i64, AuditEvent>,
    waiting: BTreeMap<i64, oneshot::Sender<Result<(), AuditError>>>,
    behind: Option<AuditError>,
    closed: bool,
}

impl ChangePump {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes changes over, before the registry answers those who made them.
    pub fn push(&self, changes: &[Change]) {
        let mut inner = self.lock();
        inner.queue.extend(
            changes
                .iter()
                .map(|change| (change.revision, change.event.clone())),
        );
        drop(inner);
        self.wake.wake();
    }

    /// Why the journal lacks committed changes, if it does.
    pub fn behind(&self) -> Option<AuditError> {
        self.lock().behind.clone()
    }

    /// Waits until a change that was pushed is in the journal; an error means: not yet.
    pub async fn logged(&self, revision: i64) -> Result<(), AuditError> {
        let receiver = {
            let mut inner = self.lock();
            if !inner.queue.contains_key(&revision) {
                return Ok(());
            }
            if let Some(fault) = &inner.behind {
                return Err(fault.clone());
            }
            let (sender, receiver) = oneshot::channel();
            inner.waiting.insert(revision, sender);
            receiver
        };
        receiver.await.unwrap_or_else(|_| {
            Err(AuditError::Unavailable {
                cause: "the server is stopping".to_owned(),
            })
        })
    }

    /// Logs everything that is queued; what fails stays queued.
    pub async fn drain(&self, journal: &dyn AuditLog) -> Result<(), AuditError> {
        let _alone = self.draining.lock().await;
        loop {
            let batch: Vec<(i64, AuditEvent)> = self
                .lock()
                .queue
                .iter()
                .take(BATCH)
                .map(|(revision, event)| (*revision, event.clone()))
                .collect();
            if batch.is_empty() {
                self.lock().behind = None;
                return Ok(());
            }
            // Polled in order, so that they enter the journal in order and share its syncs.
            let appended =
                join_all(batch.iter().map(|(_, event)| journal.append(event.clone()))).await;
            let mut inner = self.lock();
            let mut fault = None;
            for ((revision, _), outcome) in batch.iter().zip(appended) {
                match outcome {
                    Ok(_) => {
                        inner.queue.remove(revision);
                        if let Some(waiter) = inner.waiting.remove(revision) {
                            let _ = waiter.send(Ok(()));
                        }
                    }
                    Err(error) => fault = Some(error),
                }
            }
            if let Some(fault) = fault {
                inner.behind = Some(fault.clone());
                for (_, waiter) in std::mem::take(&mut inner.waiting) {
                    let _ = waiter.send(Err(fault.clone()));
                }
                return Err(fault);
            }
        }
    }

    /// Runs until closed: drains whenever there is something new. While the journal is at fault
    /// it returns to its queue when [`Self::nudge`]d.
    pub async fn run(self: Arc<Self>, journal: Arc<dyn AuditLog>) {
        loop {
            let closed = std::future::poll_fn(|context| {
                self.wake.register(context.waker());
                let inner = self.lock();
                let ready = !inner.queue.is_empty() && inner.behind.is_none();
                if ready || inner.closed {
                    std::task::Poll::Ready(inner.closed)
                } else {
                    std::task::Poll::Pending
                }
            })
            .await;
            let drained = self.drain(&*journal).await;
            if closed {
                let _ = drained;
                return;
            }
        }
    }

    /// Tries again after a fault of the journal.
    pub fn nudge(&self) {
        self.lock().behind = None;
        self.wake.wake();
    }

    /// Lets [`Self::run`] end once the queue is empty.
    pub fn close(&self) {
        self.lock().closed = true;
        self.wake.wake();
    }
}
