//! Physical deletions in the vault wait while a backup copies what its snapshot of the registry names.
//! Deletions do not wait for each other. A segment holds them too, for the moments in which it copies.
//!
//! It holds for this process. A record that goes missing all the same is noticed by the backup, which
//! begins again from a newer snapshot.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot;

/// Lets deletions pass, or holds them back.
#[derive(Clone, Default)]
pub(crate) struct DeletionGate(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    under_way: usize,
    /// By a backup of everything: deletions are for later.
    is_held: bool,
    /// By a segment, for moments: deletions wait for its end.
    is_held_briefly: bool,
    drained: Vec<oneshot::Sender<()>>,
    waiting: Vec<oneshot::Sender<Passage>>,
}

/// A deletion may go on as long as this lives.
pub(crate) struct Passage(DeletionGate);

/// Deletions wait as long as this lives.
pub(crate) struct Hold {
    gate: DeletionGate,
    is_brief: bool,
}

impl DeletionGate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a deletion begin; none while a backup of everything holds them: it is for later then.
    /// Behind a segment it waits for its turn, which comes before the next segment's: however many
    /// segments are made, deletions go on.
    pub(crate) async fn pass(&self) -> Option<Passage> {
        let turn = {
            let mut state = self.state();
            if state.is_held {
                return None;
            }
            if !state.is_held_briefly {
                state.under_way += 1;
                return Some(Passage(self.clone()));
            }
            let (sender, turn) = oneshot::channel();
            state.waiting.push(sender);
            turn
        };
        turn.await.ok()
    }

    /// Holds deletions, once those under way are done; none if a backup of everything holds them.
    pub(crate) async fn hold(&self) -> Option<Hold> {
        self.hold_for(false).await
    }

    /// Holds deletions for moments, also beside a backup of everything; none if another segment does.
    pub(crate) async fn hold_briefly(&self) -> Option<Hold> {
        self.hold_for(true).await
    }

    async fn hold_for(&self, is_brief: bool) -> Option<Hold> {
        let drained = {
            let mut state = self.state();
            let held = if is_brief {
                &mut state.is_held_briefly
            } else {
                &mut state.is_held
            };
            if std::mem::replace(held, true) {
                return None;
            }
            if state.under_way == 0 {
                None
            } else {
                let (done, drained) = oneshot::channel();
                state.drained.push(done);
                Some(drained)
            }
        };
        // From here the hold ends with this value, also if the caller goes away while waiting.
        let hold = Hold {
            gate: self.clone(),
            is_brief,
        };
        if let Some(drained) = drained {
            // The sender goes with the last deletion, whatever became of it.
            let _ = drained.await;
        }
        Some(hold)
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.under_way -= 1;
        if state.under_way == 0 {
            for done in state.drained.drain(..) {
                let _ = done.send(());
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let turns = {
            let mut state = self.gate.state();
            if !self.is_brief {
                state.is_held = false;
                return;
            }
            state.is_held_briefly = false;
            let turns = std::mem::take(&mut state.waiting);
            if state.is_held {
                // For later: a backup of everything has begun meanwhile.
                return;
            }
            state.under_way += turns.len();
            turns
        };
        for turn in turns {
            // Who has gone away drops its passage here.
            let _ = turn.send(Passage(self.gate.clone()));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn passed(gate: &DeletionGate) -> Option<Passage> {
        gate.pass().now_or_never().unwrap()
    }

    #[test]
    fn behind_a_segment_deletions_come_before_the_next_one() {
        let gate = DeletionGate::default();
        let hold = gate.hold_briefly().now_or_never().unwrap().unwrap();
        assert!(gate.hold_briefly().now_or_never().unwrap().is_none());
        let (mut first, mut gone) = (Box::pin(gate.pass()), Box::pin(gate.pass()));
        assert!((&mut first).now_or_never().is_none());
        assert!((&mut gone).now_or_never().is_none());
        drop(gone);
        drop(hold);
        let mut next = Box::pin(gate.hold_briefly());
        assert!((&mut next).now_or_never().is_none());
        let passage = first.now_or_never().unwrap().unwrap();
        assert!((&mut next).now_or_never().is_none());
        drop(passage);
        assert!(next.now_or_never().unwrap().is_some());
        assert!(passed(&gate).is_some());
    }

    #[test]
    fn a_segment_is_made_beside_a_backup_of_everything_and_deletions_wait_for_that() {
        let gate = DeletionGate::default();
        let brief = gate.hold_briefly().now_or_never().unwrap().unwrap();
        let mut turn = Box::pin(gate.pass());
        assert!((&mut turn).now_or_never().is_none());
        let whole = gate.hold().now_or_never().unwrap().unwrap();
        drop(brief);
        assert!(turn.now_or_never().unwrap().is_none());
        drop(gate.hold_briefly().now_or_never().unwrap().unwrap());
        assert!(passed(&gate).is_none());
        drop(whole);
        assert!(passed(&gate).is_some());
    }

    #[test]
    fn a_hold_waits_for_deletions_under_way_and_keeps_new_ones_out() {
        let gate = DeletionGate::default();
        let (first, second) = (passed(&gate).unwrap(), passed(&gate).unwrap());
        let mut holding = Box::pin(gate.hold());
        assert!((&mut holding).now_or_never().is_none());
        assert!(passed(&gate).is_none());
        drop(first);
        assert!((&mut holding).now_or_never().is_none());
        drop(second);
        let hold = (&mut holding).now_or_never().unwrap().unwrap();
        assert!(passed(&gate).is_none());
        assert!(gate.hold().now_or_never().unwrap().is_none());
        drop(hold);
        assert!(passed(&gate).is_some());
    }

    #[test]
    fn whoever_stops_waiting_for_a_hold_holds_nothing() {
        let gate = DeletionGate::default();
        let passage = passed(&gate).unwrap();
        let mut holding = Box::pin(gate.hold());
        assert!((&mut holding).now_or_never().is_none());
        drop(holding);
        assert!(passed(&gate).is_some());
        drop(passage);
    }
}
