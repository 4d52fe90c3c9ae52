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
        Self {
            lanes: Mutex::default(),
            arrived: Notify::new(),
            places_in_lane,
        }
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
            waiting.push_back(Waiting {
                commit,
                answer,
                _place: place,
            });
            if first {
                lanes.turns.push_back(lane);
            }
        }
        self.arrived.notify_one();
        outcome
            .await
            .unwrap_or_else(|_| Err(unavailable("the registry's writer ended")))
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
            let Some(lane) = self.turns.pop_front() else {
                break;
            };
            let Some(waiting) = self.waiting.get_mut(&lane) else {
                continue;
            };
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use keyward_core::audit::{Actor, AuditEvent, LeafMark, Outcome, Resource};
    use keyward_core::names::CorrelationId;
    use keyward_core::noun::action::Action;
    use keyward_core::time::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn commit(tenant: u128, number: i64) -> Commit {
        let tenant = TenantId::from_uuid(Uuid::from_u128(tenant));
        let resource = Resource {
            version: Some(number),
            ..Resource::default()
        };
        Commit {
            tenant: Some(tenant),
            writes: Vec::new(),
            event: AuditEvent {
                time: Timestamp::default(),
                node: "node-1".into(),
                tenant: Some(tenant),
                actor: Actor::system(),
                action: Action::KeyCreate,
                resource,
                outcome: Outcome::Ok,
                reason: None,
                correlation_id: CorrelationId::new("request-1").unwrap(),
                details: BTreeMap::new(),
                used: Vec::new(),
                revision: None,
                change: None,
                signature: None,
                leaf: LeafMark::default(),
            },
            idempotency: None,
            fence: None,
        }
    }

    /// Tenant and number of each commit, in the order in which the writer gets them.
    fn order(batch: &[Waiting]) -> Vec<(u128, i64)> {
        let told = |waiting: &Waiting| {
            let tenant = waiting.commit.tenant.unwrap().uuid().as_u128();
            (tenant, waiting.commit.event.resource.version.unwrap())
        };
        batch.iter().map(told).collect()
    }

    /// Invariant 5: a tenant who floods the queue waits behind itself, not before the others.
    #[tokio::test]
    async fn i05_a_flood_of_one_tenant_leaves_the_others_their_turn() {
        let queue = Arc::new(FairQueue::new(1_000));
        let submit = |tenant, number| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { queue.submit(commit(tenant, number)).await })
        };
        for number in 0..500 {
            submit(1, number);
        }
        submit(2, 0);
        submit(3, 0);
        submit(2, 1);
        // On this one-threaded runtime everything submitted runs before the last task spawned.
        tokio::spawn(async {}).await.unwrap();

        let batch = queue.next(6).await.unwrap();
        assert_eq!(
            order(&batch),
            [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2)]
        );
        let rest = queue.next(1_000).await.unwrap();
        let expected: Vec<(u128, i64)> = (3..500).map(|number| (1, number)).collect();
        assert_eq!(order(&rest), expected);
    }

    #[tokio::test]
    async fn a_full_lane_lets_in_who_waits_when_a_place_is_free() {
        let queue = Arc::new(FairQueue::new(2));
        for number in 0..5 {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { queue.submit(commit(1, number)).await });
        }
        tokio::spawn(async {}).await.unwrap();
        let mut seen = Vec::new();
        for _ in 0..3 {
            let batch = queue.next(10).await.unwrap();
            assert!(batch.len() <= 2);
            seen.extend(order(&batch));
            drop(batch);
            tokio::spawn(async {}).await.unwrap();
        }
        assert_eq!(seen.len(), 5);
    }

    #[tokio::test]
    async fn a_closed_queue_gives_out_what_it_has_and_takes_no_more() {
        let queue = Arc::new(FairQueue::new(10));
        let waiting = {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { queue.submit(commit(1, 1)).await })
        };
        tokio::spawn(async {}).await.unwrap();
        queue.close();
        let refused = queue.submit(commit(1, 2)).await;
        assert!(matches!(refused, Err(RegistryError::Unavailable { .. })));
        assert_eq!(queue.next(10).await.unwrap().len(), 1);
        assert!(queue.next(10).await.is_none());
        // Whoever was never answered is told so.
        assert!(matches!(
            waiting.await.unwrap(),
            Err(RegistryError::Unavailable { .. })
        ));
    }
}
