//! Physical deletions in the vault wait while a backup copies what its snapshot of the registry names.
//! Deletions do not wait for each other.
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
    is_held: bool,
    drained: Option<oneshot::Sender<()>>,
}

/// A deletion may go on as long as this lives.
pub(crate) struct Passage(DeletionGate);

/// Deletions wait as long as this lives.
pub(crate) struct Hold(DeletionGate);

impl DeletionGate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a deletion begin; none while they are held: it is for later then.
    pub(crate) fn pass(&self) -> Option<Passage> {
        let mut state = self.state();
        if state.is_held {
            return None;
        }
        state.under_way += 1;
        Some(Passage(self.clone()))
    }

    /// Holds deletions, once those under way are done; none if somebody holds them already.
    pub(crate) async fn hold(&self) -> Option<Hold> {
        let drained = {
            let mut state = self.state();
            if state.is_held {
                return None;
            }
            state.is_held = true;
            if state.under_way == 0 {
                None
            } else {
                let (done, drained) = oneshot::channel();
                state.drained = Some(done);
                Some(drained)
            }
        };
        // From here the hold ends with this value, also if the caller goes away while waiting.
        let hold = Hold(self.clone());
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
        if state.under_way == 0
            && let Some(done) = state.drained.take()
        {
            let _ = done.send(());
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_held = false;
        state.drained = None;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_hold_waits_for_deletions_under_way_and_keeps_new_ones_out() {
        let gate = DeletionGate::default();
        let (first, second) = (gate.pass().unwrap(), gate.pass().unwrap());
        let mut holding = Box::pin(gate.hold());
        assert!((&mut holding).now_or_never().is_none());
        assert!(gate.pass().is_none());
        drop(first);
        assert!((&mut holding).now_or_never().is_none());
        drop(second);
        let hold = (&mut holding).now_or_never().unwrap().unwrap();
        assert!(gate.pass().is_none());
        assert!(gate.hold().now_or_never().unwrap().is_none());
        drop(hold);
        assert!(gate.pass().is_some());
    }

    #[test]
    fn whoever_stops_waiting_for_a_hold_holds_nothing() {
        let gate = DeletionGate::default();
        let passage = gate.pass().unwrap();
        let mut holding = Box::pin(gate.hold());
        assert!((&mut holding).now_or_never().is_none());
        drop(holding);
        assert!(gate.pass().is_some());
        drop(passage);
    }
}
