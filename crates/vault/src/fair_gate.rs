//! The gate before the backend's writer: tenants take turns, so that one with ten thousand waiting
//! writes delays another's single write by one round, not by ten thousand (invariant 5).
//!
//! The gate sits here rather than in a backend because only here the tenant of a write is known:
//! a record's name does not tell it. So it holds for every backend.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use keyward_core::ids::TenantId;
use keyward_core::port::storage::StorageError;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Bounds of a [`FairGate`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct GateLimits {
    /// Objects that may be on their way to the backend at once: two rounds of group commit.
    pub(crate) objects_in_flight_max: usize,
    /// Writes of one tenant that may wait; one more is refused.
    pub(crate) waiting_per_tenant_max: usize,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self {
            objects_in_flight_max: 512,
            waiting_per_tenant_max: 16_384,
        }
    }
}

/// Lets writes through in turns of tenants.
pub(crate) struct FairGate {
    limits: GateLimits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    in_flight: usize,
    /// Tenants that wait, in the order of their turns. Each is here once.
    turns: VecDeque<TenantId>,
    waiting: HashMap<TenantId, VecDeque<Waiter>>,
}

struct Waiter {
    cost: usize,
    admit: oneshot::Sender<Turn>,
}

/// The right to write; the next ones are let in when it is dropped.
pub(crate) struct Turn {
    gate: Arc<FairGate>,
    cost: usize,
}

impl FairGate {
    pub(crate) fn new(limits: GateLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            state: Mutex::new(State::default()),
        })
    }

    /// Waits for a turn to write `objects` objects for a tenant.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        tenant: TenantId,
        objects: usize,
    ) -> Result<Turn, StorageError> {
        // A write larger than the gate passes when it is alone.
        let cost = objects.clamp(1, self.limits.objects_in_flight_max);
        let admitted = {
            let mut state = self.state.lock();
            if state.turns.is_empty() && self.has_room(&state, cost) {
                state.in_flight += cost;
                return Ok(Turn {
                    gate: Arc::clone(self),
                    cost,
                });
            }
            self.wait(&mut state, tenant, cost)?
        };
        admitted.await.map_err(|_| StorageError::Unavailable {
            cause: "the gate is closed".to_owned(),
        })
    }

    fn wait(
        &self,
        state: &mut State,
        tenant: TenantId,
        cost: usize,
    ) -> Result<oneshot::Receiver<Turn>, StorageError> {
        let (admit, admitted) = oneshot::channel();
        let lane = state.waiting.entry(tenant).or_default();
        if lane.len() >= self.limits.waiting_per_tenant_max {
            let cause = "too many writes of this tenant are waiting".to_owned();
            return Err(StorageError::Unavailable { cause });
        }
        lane.push_back(Waiter { cost, admit });
        if lane.len() == 1 {
            state.turns.push_back(tenant);
        }
        Ok(admitted)
    }

    fn has_room(&self, state: &State, cost: usize) -> bool {
        state.in_flight + cost <= self.limits.objects_in_flight_max
    }

    /// Takes those who may pass now out of the queue: one of each tenant per round.
    fn admit(&self, state: &mut State) -> Vec<Waiter> {
        let mut admitted = Vec::new();
        while let Some(tenant) = state.turns.front().copied() {
            let Some(lane) = state.waiting.get_mut(&tenant) else {
                state.turns.pop_front();
                continue;
            };
            let cost = lane.front().map_or(0, |waiter| waiter.cost);
            if state.in_flight + cost > self.limits.objects_in_flight_max {
                break;
            }
            state.turns.pop_front();
            if let Some(waiter) = lane.pop_front() {
                state.in_flight += waiter.cost;
                admitted.push(waiter);
            }
            if lane.is_empty() {
                state.waiting.remove(&tenant);
            } else {
                state.turns.push_back(tenant);
            }
        }
        admitted
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut freed = std::mem::take(&mut self.cost);
        // In a loop, not by dropping the turns of waiters that went away: there may be thousands.
        while freed > 0 {
            let admitted = {
                let mut state = self.gate.state.lock();
                state.in_flight -= freed;
                self.gate.admit(&mut state)
            };
            freed = 0;
            for waiter in admitted {
                let turn = Self {
                    gate: Arc::clone(&self.gate),
                    cost: waiter.cost,
                };
                if let Err(mut unwanted) = waiter.admit.send(turn) {
                    freed += std::mem::take(&mut unwanted.cost);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn tenant(number: u8) -> TenantId {
        TenantId::from_random([number; 16])
    }

    fn gate(objects: usize, waiting: usize) -> Arc<FairGate> {
        FairGate::new(GateLimits {
            objects_in_flight_max: objects,
            waiting_per_tenant_max: waiting,
        })
    }

    /// Who is let in, in order, when each leaves at once.
    async fn order_of_entry(gate: &Arc<FairGate>, queue: &[u8]) -> Vec<u8> {
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = gate.enter(tenant(99), 1).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for &number in queue {
            let (gate, order) = (Arc::clone(gate), Arc::clone(&order));
            // Entered here, in order; only the waiting is the task's.
            let mut entered = Box::pin(async move {
                let turn = gate.enter(tenant(number), 1).await.unwrap();
                order.lock().push(number);
                drop(turn);
            });
            assert!(futures_poll_once(&mut entered).await.is_none());
            tasks.spawn(entered);
        }
        drop(first);
        while tasks.join_next().await.is_some() {}
        let order = order.lock();
        order.clone()
    }

    async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match future.as_mut().poll(context) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }

    #[tokio::test]
    async fn i05_a_tenant_with_many_writes_does_not_hold_up_another() {
        let order = order_of_entry(&gate(1, 100), &[1, 1, 1, 1, 1, 2, 3]).await;
        assert_eq!(order, [1, 2, 3, 1, 1, 1, 1]);
    }

    #[tokio::test]
    async fn a_waiter_that_goes_away_gives_its_turn_back() {
        let gate = gate(1, 100);
        let first = gate.enter(tenant(1), 1).await.unwrap();
        let mut gone = Box::pin(gate.enter(tenant(2), 1));
        assert!(futures_poll_once(&mut gone).await.is_none());
        let mut stays = Box::pin(gate.enter(tenant(3), 1));
        assert!(futures_poll_once(&mut stays).await.is_none());
        drop(gone);
        drop(first);
        assert!(stays.await.is_ok());
        assert_eq!(gate.state.lock().in_flight, 0);
    }

    #[tokio::test]
    async fn a_tenant_may_not_queue_without_end_and_a_large_write_passes_alone() {
        let gate = gate(4, 1);
        let large = gate.enter(tenant(1), 1000).await.unwrap();
        let mut waits = Box::pin(gate.enter(tenant(1), 1));
        assert!(futures_poll_once(&mut waits).await.is_none());
        assert!(gate.enter(tenant(1), 1).await.is_err());
        drop(large);
        assert!(waits.await.is_ok());
    }
}
