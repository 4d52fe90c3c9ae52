//! Checkpoints that wait for mirrors: what is given out is in each of those that are named, so that whoever
//! continues the log from one of them contradicts nothing that anybody was shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyward_sinks::witness::Signed;
use parking_lot::Mutex;

use super::Published;

/// What mirrors hold for which checkpoints wait.
pub(super) struct Waiting {
    held: Mutex<BTreeMap<String, Held>>,
}

/// What is known of one of them in this life.
#[derive(Default)]
struct Held {
    /// Whether it has said what it holds.
    is_met: bool,
    /// The newest checkpoint of this life that it holds.
    signed: Option<Arc<Signed>>,
}

impl Waiting {
    /// For these mirrors.
    pub(super) fn for_mirrors(names: impl IntoIterator<Item = String>) -> Self {
        let held = names
            .into_iter()
            .map(|name| (name, Held::default()))
            .collect();
        Self {
            held: Mutex::new(held),
        }
    }

    /// Whether anything waits.
    pub(super) fn is_any(&self) -> bool {
        !self.held.lock().is_empty()
    }

    fn met(&self, mirror: &str) {
        if let Some(held) = self.held.lock().get_mut(mirror) {
            held.is_met = true;
        }
    }

    /// Whether each of them has said in this life what it holds.
    fn all_met(&self) -> bool {
        self.held.lock().values().all(|held| held.is_met)
    }

    /// A mirror holds this. The newest checkpoint that all of them hold now; none if one holds none, or is
    /// none for which checkpoints wait.
    fn holds(&self, mirror: &str, signed: Arc<Signed>) -> Option<Arc<Signed>> {
        let mut held = self.held.lock();
        let slot = &mut held.get_mut(mirror)?.signed;
        let is_older = slot
            .as_ref()
            .is_some_and(|had| had.log == signed.log && had.head.size > signed.head.size);
        if !is_older {
            *slot = Some(signed);
        }
        let all: Option<Vec<_>> = held.values().map(|held| held.signed.clone()).collect();
        all?.into_iter().min_by_key(|signed| signed.head.size)
    }
}

impl Published {
    /// Checkpoints are given out when these mirrors hold them.
    pub fn waiting_for(mut self, mirrors: impl IntoIterator<Item = String>) -> Self {
        self.waiting = Waiting::for_mirrors(mirrors);
        self
    }

    /// A mirror holds this checkpoint, and all that it covers.
    pub fn mirrored(&self, mirror: &str, signed: Signed) {
        if let Some(all_hold) = self.waiting.holds(mirror, Arc::new(signed)) {
            self.give_out(all_hold);
        }
    }

    /// A mirror was asked for the first time, and holds the system's tree up to so many entries: if that is
    /// what was signed last, that is given out.
    pub fn met(&self, mirror: &str, size: u64) {
        self.waiting.met(mirror);
        let newest = self.newest.borrow().clone();
        if let Some(newest) = newest.filter(|newest| newest.head.size == size)
            && let Some(all_hold) = self.waiting.holds(mirror, newest)
        {
            self.give_out(all_hold);
        }
    }

    /// From now on this is the newest that others may see. What they see of the same entries already may have
    /// more signatures.
    fn give_out(&self, signed: Arc<Signed>) {
        let is_new = |seen: &Option<Arc<Signed>>| {
            let is_same = |seen: &Arc<Signed>| seen.log == signed.log && seen.head == signed.head;
            !seen.as_ref().is_some_and(is_same)
        };
        if self.required == 0 {
            let mut now = self.now.lock();
            if is_new(&now.counted) {
                now.counted = Some(signed.clone());
            }
        }
        self.shown.send_if_modified(|shown| {
            let is_new = is_new(shown);
            if is_new {
                *shown = Some(signed.clone());
            }
            is_new
        });
        self.signed.send_modify(|times| *times += 1);
    }

    /// Whether witnesses need not have said what they know before anything new is signed: what is signed is
    /// shown to nobody until mirrors hold it, and they have said that nothing else is theirs.
    pub(super) fn needs_no_witness_first(&self) -> bool {
        self.waiting.is_any() && self.waiting.all_met()
    }
}
