//! The queue before the writer: bounded, and fair between tenants (invariant 5).
//!
//! Every tenant has a lane. The writer takes one entry from each lane in turn, so that a flood in
//! one lane delays another tenant's entry by at most one of its own. Room is shared by the rule
//! of dynamic thresholds (Choudhury and Hahne, 1998): a lane may hold no more than what is still
//! free, so that one flood fills half of the queue and never all of it. Who finds no room waits,
//! in its lane's order; room that comes free is given to the lanes in turn.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use keyward_core::audit::AuditEvent;
use keyward_core::ids::TenantId;
use keyward_core::port::audit_log::AuditError;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::fault;
use crate::frame;
use crate::lull::Lull;
use crate::room::{Held, Limits};

/// Whose lane: a tenant's, or the system's own.
type LaneId = Option<TenantId>;

/// An entry on its way to the disk.
pub(crate) struct Pending {
    pub(crate) event: AuditEvent,
    pub(crate) payload: Vec<u8>,
    pub(crate) done: oneshot::Sender<Result<u64, AuditError>>,
}

impl Pending {
    fn size(&self) -> usize {
        frame::HEAD + self.payload.len()
    }
}

/// Who is to write an entry that is in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The thread, which was called.
    Thread,
    /// Who put it there.
    Caller,
}

/// What became of an entry that was offered.
pub(crate) enum Offer {
    /// It is in the queue.
    Taken(By),
    /// There is no room; a permit will come.
    Wait(Box<Pending>, oneshot::Receiver<Permit>),
    /// The journal cannot take it.
    Refused(AuditError),
}

/// Room for one entry. Given back if it is not used.
pub(crate) struct Permit {
    queue: Arc<Queue>,
    lane: LaneId,
    size: usize,
    used: bool,
}

#[derive(Default)]
struct Lane {
    queued: VecDeque<Pending>,
    waiting: VecDeque<(usize, oneshot::Sender<Permit>)>,
    /// Room in use: entries queued and permits given.
    held: Held,
}

#[derive(Default)]
struct State {
    lanes: HashMap<LaneId, Lane>,
    /// Lanes with something queued, in the order of their turns.
    turns: VecDeque<LaneId>,
    /// Lanes with someone waiting, in the order of their turns.
    waiting_turns: VecDeque<LaneId>,
    held: Held,
    fault: Option<AuditError>,
    closing: bool,
    /// An entry was refused because of the fault: time to look at the disk again.
    poked: bool,
    writer_sleeps: bool,
    /// The writer's thread was asked for.
    called: bool,
}

/// The queue.
pub(crate) struct Queue {
    limits: Limits,
    /// Whether those who queue an entry write it themselves, and call the thread only if they
    /// cannot.
    combining: AtomicBool,
    state: Mutex<State>,
    wake: Condvar,
    /// Whether there is neither a fault nor an end: what every request asks, without the lock.
    healthy: AtomicBool,
    /// Whether the writer lets a batch gather just now.
    gathering: AtomicBool,
    lull: OnceLock<Arc<Lull>>,
}

impl Queue {
    /// A queue that holds so much.
    pub(crate) fn new(limits: Limits, combining: bool) -> Self {
        Self {
            combining: AtomicBool::new(combining),
            // One entry of the largest size must fit, or nobody could ever pass.
            limits: Limits {
                entries: limits.entries.max(1),
                bytes: limits.bytes.max(frame::HEAD + frame::PAYLOAD_MAX),
            },
            state: Mutex::default(),
            wake: Condvar::new(),
            healthy: AtomicBool::new(true),
            gathering: AtomicBool::new(false),
            lull: OnceLock::new(),
        }
    }

    /// Offers an entry.
    pub(crate) fn offer(&self, pending: Pending) -> Offer {
        let (lane_id, size) = (pending.event.tenant, pending.size());
        let mut state = self.state.lock();
        let state = &mut *state;
        if let Some(error) = self.refusal(state) {
            return Offer::Refused(error);
        }
        let free = state.free(self.limits);
        let lane = state.lanes.entry(lane_id).or_default();
        if lane.waiting.is_empty() && lane.may_take(size, free) {
            lane.held.add(size);
            state.held.add(size);
            return Offer::Taken(self.enqueue(state, lane_id, pending));
        }
        let (give, permit) = oneshot::channel();
        if lane.waiting.is_empty() {
            state.waiting_turns.push_back(lane_id);
        }
        lane.waiting.push_back((size, give));
        Offer::Wait(Box::new(pending), permit)
    }

    /// Puts an entry where its permit says there is room.
    pub(crate) fn offer_with(
        &self,
        mut permit: Permit,
        pending: Pending,
    ) -> Result<By, AuditError> {
        let mut state = self.state.lock();
        if let Some(error) = self.refusal(&mut state) {
            drop(state);
            return Err(error);
        }
        permit.used = true;
        Ok(self.enqueue(&mut state, permit.lane, pending))
    }

    fn refusal(&self, state: &mut State) -> Option<AuditError> {
        if state.closing {
            return Some(fault::closed());
        }
        let error = state.fault.clone()?;
        if !state.poked {
            state.poked = true;
            self.wake.notify_all();
        }
        Some(error)
    }

    /// Who is to write it is decided here, under the lock, so that it cannot be nobody.
    fn enqueue(&self, state: &mut State, lane_id: LaneId, pending: Pending) -> By {
        let lane = state.lanes.entry(lane_id).or_default();
        if lane.queued.is_empty() {
            state.turns.push_back(lane_id);
        }
        lane.queued.push_back(pending);
        if self.combining.load(Ordering::Relaxed) {
            return By::Caller;
        }
        self.call_with(state);
        By::Thread
    }

    fn call_with(&self, state: &mut State) {
        state.called = true;
        if state.writer_sleeps {
            state.writer_sleeps = false;
            self.wake.notify_all();
        }
    }

    /// Asks for the writer's thread, even if nothing is queued.
    pub(crate) fn call(&self) {
        self.call_with(&mut self.state.lock());
    }

    /// From now on those who queue an entry write it themselves, or the thread does.
    pub(crate) fn set_combining(&self, combining: bool) {
        if self.combining.load(Ordering::Relaxed) != combining {
            self.combining.store(combining, Ordering::Relaxed);
        }
    }

    /// Whether nothing is queued.
    pub(crate) fn is_empty(&self) -> bool {
        self.state.lock().turns.is_empty()
    }

    /// Lets entries gather for so long, or until there is a lull or the journal closes.
    pub(crate) fn gather(&self, pause: Duration) {
        self.gathering.store(true, Ordering::SeqCst);
        // Who parks after this sees that a batch gathers; who parked before is seen here.
        if self.lull.get().is_none_or(|lull| !lull.is_now()) {
            let mut state = self.state.lock();
            let goes_on =
                |state: &mut State| !state.closing && self.gathering.load(Ordering::SeqCst);
            self.wake.wait_while_for(&mut state, goes_on, pause);
        }
        self.gathering.store(false, Ordering::SeqCst);
    }

    /// Nothing more is on its way.
    pub(crate) fn end_gathering(&self) {
        if self.gathering.swap(false, Ordering::SeqCst) {
            // With the lock, so that it cannot fall between the writer's look and its sleep.
            let _state = self.state.lock();
            self.wake.notify_all();
        }
    }

    /// Ends the gathering of batches whenever there is a lull. The first one counts.
    pub(crate) fn heed(self: &Arc<Self>, lull: &Arc<Lull>) {
        lull.ends_gathering_of(self);
        let _ = self.lull.set(Arc::clone(lull));
    }

    /// The thread waits for work. False if nothing more will come.
    pub(crate) fn wait(&self) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.called || (state.closing && !state.turns.is_empty()) {
                state.called = false;
                state.writer_sleeps = false;
                return true;
            }
            if state.closing {
                return false;
            }
            state.writer_sleeps = true;
            self.wake.wait(&mut state);
        }
    }

    /// Takes as much as `batch` allows, one entry from each lane in turn.
    pub(crate) fn take(self: &Arc<Self>, batch: Limits) -> Vec<Pending> {
        let mut state = self.state.lock();
        // Whoever takes looks afterwards whether there is more.
        state.called = false;
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(lane_id) = state.turns.pop_front() {
            let Some(lane) = state.lanes.get_mut(&lane_id) else {
                continue;
            };
            let Some(size) = lane.queued.front().map(Pending::size) else {
                continue;
            };
            if !taken.is_empty() && (taken.len() >= batch.entries || bytes + size > batch.bytes) {
                state.turns.push_front(lane_id);
                break;
            }
            taken.extend(lane.queued.pop_front());
            bytes += size;
            lane.held.remove(size);
            let (more, idle) = (!lane.queued.is_empty(), lane.is_idle());
            state.held.remove(size);
            if more {
                state.turns.push_back(lane_id);
            } else if idle {
                state.lanes.remove(&lane_id);
            }
        }
        let permits = self.grant(&mut state);
        drop(state);
        give(permits);
        taken
    }

    /// Gives free room to those who wait, one of each lane in turn.
    fn grant(self: &Arc<Self>, state: &mut State) -> Vec<(oneshot::Sender<Permit>, Permit)> {
        let mut permits = Vec::new();
        let mut without_room = 0;
        while without_room < state.waiting_turns.len() {
            let Some(lane_id) = state.waiting_turns.pop_front() else {
                break;
            };
            let free = state.free(self.limits);
            let Some(lane) = state.lanes.get_mut(&lane_id) else {
                continue;
            };
            let Some((size, _)) = lane.waiting.front() else {
                continue;
            };
            let size = *size;
            if !lane.may_take(size, free) {
                without_room += 1;
                state.waiting_turns.push_back(lane_id);
                continue;
            }
            without_room = 0;
            let give = lane.waiting.pop_front();
            if !lane.waiting.is_empty() {
                state.waiting_turns.push_back(lane_id);
            }
            lane.held.add(size);
            state.held.add(size);
            let permit = Permit {
                queue: Arc::clone(self),
                lane: lane_id,
                size,
                used: false,
            };
            permits.extend(give.map(|(_, give)| (give, permit)));
        }
        permits
    }

    fn give_back(self: &Arc<Self>, lane_id: LaneId, size: usize) {
        let mut state = self.state.lock();
        state.held.remove(size);
        if let Some(lane) = state.lanes.get_mut(&lane_id) {
            lane.held.remove(size);
            if lane.is_idle() {
                state.lanes.remove(&lane_id);
            }
        }
        let permits = self.grant(&mut state);
        drop(state);
        give(permits);
    }

    /// Refuses everything from now on, and what is queued or waiting now.
    pub(crate) fn break_down(&self, error: &AuditError) {
        let mut state = self.state.lock();
        state.fault = Some(error.clone());
        self.healthy.store(false, Ordering::Release);
        state.poked = false;
        let pending = state.empty();
        drop(state);
        for one in pending {
            let _ = one.done.send(Err(error.clone()));
        }
    }

    /// Takes entries again.
    pub(crate) fn repaired(&self) {
        let mut state = self.state.lock();
        state.fault = None;
        self.healthy.store(!state.closing, Ordering::Release);
    }

    /// Why entries are refused now, if they are.
    pub(crate) fn fault(&self) -> Option<AuditError> {
        if self.healthy.load(Ordering::Acquire) {
            return None;
        }
        let state = self.state.lock();
        state
            .fault
            .clone()
            .or_else(|| state.closing.then(fault::closed))
    }

    /// Takes no more entries; what is queued is still written, who waits for room is refused.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        self.healthy.store(false, Ordering::Release);
        let waiting = state.turn_away();
        self.wake.notify_all();
        drop(state);
        drop(waiting);
    }

    /// The writer has ended: nothing will be written any more.
    pub(crate) fn end(&self) {
        let closing = self.state.lock().closing;
        let error = if closing {
            fault::closed()
        } else {
            fault::stopped()
        };
        self.break_down(&error);
        self.close();
    }

    /// Waits before the disk is looked at again: `least` in any case, then until `most` has
    /// passed or an entry was refused. False if the journal closes meanwhile.
    pub(crate) fn pause(&self, least: Duration, most: Duration) -> bool {
        let mut state = self.state.lock();
        let closing = |state: &mut State| !state.closing;
        self.wake.wait_while_for(&mut state, closing, least);
        let quiet = |state: &mut State| !state.closing && !state.poked;
        self.wake
            .wait_while_for(&mut state, quiet, most.saturating_sub(least));
        state.poked = false;
        !state.closing
    }
}

impl State {
    fn free(&self, limits: Limits) -> Held {
        Held {
            entries: limits.entries.saturating_sub(self.held.entries),
            bytes: limits.bytes.saturating_sub(self.held.bytes),
        }
    }

    /// Takes everything queued out, and turns away who waits.
    fn empty(&mut self) -> Vec<Pending> {
        drop(self.turn_away());
        self.turns.clear();
        let mut pending = Vec::new();
        for lane in self.lanes.values_mut() {
            for one in lane.queued.drain(..) {
                lane.held.remove(one.size());
                self.held.remove(one.size());
                pending.push(one);
            }
        }
        self.lanes.retain(|_, lane| !lane.is_idle());
        pending
    }

    fn turn_away(&mut self) -> Vec<(usize, oneshot::Sender<Permit>)> {
        self.waiting_turns.clear();
        let lanes = self.lanes.values_mut();
        let waiting = lanes
            .flat_map(|lane| std::mem::take(&mut lane.waiting))
            .collect();
        self.lanes.retain(|_, lane| !lane.is_idle());
        waiting
    }
}

impl Lane {
    fn may_take(&self, size: usize, free: Held) -> bool {
        self.held.entries < free.entries
            && size <= free.bytes
            && (self.held.entries == 0 || self.held.bytes + size <= free.bytes)
    }

    fn is_idle(&self) -> bool {
        self.queued.is_empty() && self.waiting.is_empty() && self.held.entries == 0
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.used {
            self.queue.give_back(self.lane, self.size);
        }
    }
}

/// Hands permits over, outside of the lock: one that nobody takes gives its room back.
fn give(permits: Vec<(oneshot::Sender<Permit>, Permit)>) {
    for (give, permit) in permits {
        let _ = give.send(permit);
    }
}
