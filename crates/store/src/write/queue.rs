//! The queue before the writer. Each tenant has a lane of its own, and the writer takes one commit
//! from each lane in turn, so that a tenant who floods the registry waits for itself (invariant 5).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyward_core::change::{Change, Commit};
use keyward_core::ids::TenantId;
use keyward_core::port::registry::RegistryError;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use crate::fault::unavailable;

/// A lane: a tenant's, or the system's own.
type Lane = Option<TenantId>;

/// A commit that waits, and where its outcome goes.
pub(crate) struct Waiting {
    pub(crate) commit: Commit,
    pub(crate) answer: oneshot::Sender<Result<Change, RegistryError>>,
    /// Its place in the lane, given back when it is answered.
    _place: Option<OwnedSemaphorePermit>,
}

#[derive(Default)]
struct Lanes {
    waiting: HashMap<Lane, VecDeque<Waiting>>,
    /// Lanes in which something waits, in the order in which they are served next.
    turns: VecDeque<Lane>,
    places: HashMap<Lane, Arc<Semaphore>>,
    closed: bool,
}

/// A bounded queue, fair between tenants.
pub(crate) struct FairQueue {
    lanes: Mutex<Lanes>,
    arrived: Notify,
    places_in_lane: usize,
}

impl FairQueue {
    pub(crate) fn new(places_in_lane: usize) -> Self {
        Self { lanes: Mutex::default(), arrived: Notify::new(), places_in_lane }
    }

    /// No step below can leave the lanes half changed, so a poisoned lock is as good as any.
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place in the tenant's lane, then for the outcome.
    pub(crate) async fn submit(&self, commit: Commit) -> Result<Change, RegistryError> {
        let lane = commit.tenant;
        let places = {
            let mut lanes = self.lanes();
            let fresh = || Arc::new(Semaphore::new(self.places_in_lane));
            Arc::clone(lanes.places.entry(lane).or_insert_with(fresh))
        };
        // The semaphore is never closed: a place always comes.
        let place = places.acquire_owned().await.ok();
        let (answer, outcome) = oneshot::channel();
        {
            let mut lanes = self.lanes();
            if lanes.closed {
                return Err(unavailable("the registry is closed"));
            }
            let waiting = lanes.waiting.entry(lane).or_default();
            let first = waiting.is_empty();
            waiting.push_back(Waiting { commit, answer, _place: place });
            if first {
                lanes.turns.push_back(lane);
            }
        }
        self.arrived.notify_one();
        outcome.await.unwrap_or_else(|_| Err(unavailable("the registry's writer ended")))
    }

    /// What the writer does next: at most `most` commits, one of each lane in turn. None when the
    /// queue is closed and empty.
    pub(crate) async fn next(&self, most: usize) -> Option<Vec<Waiting>> {
        loop {
            {
                let mut lanes = self.lanes();
                let batch = lanes.take(most);
                if !batch.is_empty() {
                    return Some(batch);
                }
                if lanes.closed {
                    return None;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// Takes no more commits; those that wait are still written.
    pub(crate) fn close(&self) {
        self.lanes().closed = true;
        self.arrived.notify_one();
    }
}

impl Lanes {
    fn take(&mut self, most: usize) -> Vec<Waiting> {
        let mut batch = Vec::new();
        while batch.len() < most {
            let Some(lane) = self.turns.pop_front() else { break };
            let Some(waiting) = self.waiting.get_mut(&lane) else { continue };
            batch.extend(waiting.pop_front());
            if waiting.is_empty() {
                self.waiting.remove(&lane);
            } else {
                self.turns.push_back(lane);
            }
        }
        batch
    }
}
