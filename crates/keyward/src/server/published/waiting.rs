//! Checkpoints that wait for mirrors: what is given out is in each of those that are named, so that whoever
//! continues the log from one of them contradicts nothing that anybody was shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyward_sinks::witness::{Gate, Signed};
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
        all_hold(&held)
    }

    /// The newest checkpoint that all of them hold.
    fn all_hold(&self) -> Option<Arc<Signed>> {
        all_hold(&self.held.lock())
    }
}

fn all_hold(held: &BTreeMap<String, Held>) -> Option<Arc<Signed>> {
    let all: Option<Vec<_>> = held.values().map(|held| held.signed.clone()).collect();
    all?.into_iter().min_by_key(|signed| signed.head.size)
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
        let newest = self.newest.borrow().clone();
        if let Some(newest) = newest.filter(|newest| newest.head.size == size)
            && let Some(all_hold) = self.waiting.holds(mirror, newest)
        {
            // It was signed in an earlier life, and is not new, whatever witnesses say.
            self.count(&all_hold);
            self.show(&all_hold);
        }
        // Behind that: what can be shown already needs nothing newer.
        self.waiting.met(mirror);
    }

    /// What mirrors hold is given out, if it was held back until witnesses had answered.
    pub(super) fn give_out_held(&self) {
        if let Some(all_hold) = self.waiting.all_hold() {
            self.give_out(all_hold);
        }
    }

    /// From now on this is the newest that others may see. Before witnesses have answered, or when one has
    /// more, they are shown a first one at most, and nobody else sees it.
    fn give_out(&self, signed: Arc<Signed>) {
        let is_open = *self.gate.borrow() == Gate::Open;
        if is_open {
            self.count(&signed);
        }
        if is_open || self.shown.borrow().is_none() {
            self.show(&signed);
        }
    }

    /// This counts, unless witnesses have to sign it first. What is given out of the same entries already
    /// may have more signatures.
    fn count(&self, signed: &Arc<Signed>) {
        if self.required > 0 {
            return;
        }
        {
            let mut now = self.now.lock();
            if !is_other(now.counted.as_ref(), signed) {
                return;
            }
            now.counted = Some(signed.clone());
        }
        self.signed.send_modify(|times| *times += 1);
    }

    /// Witnesses may see this.
    fn show(&self, signed: &Arc<Signed>) {
        let is_new = self.shown.send_if_modified(|shown| {
            let is_new = is_other(shown.as_ref(), signed);
            if is_new {
                *shown = Some(signed.clone());
            }
            is_new
        });
        if is_new {
            self.signed.send_modify(|times| *times += 1);
        }
    }

    /// Whether witnesses need not have said what they know before anything new is signed: a mirror that lacks
    /// what was signed last takes nothing before something new is, and without it witnesses could be shown
    /// nothing. What is signed then nobody else sees before they have answered.
    pub(super) fn needs_no_witness_first(&self) -> bool {
        self.waiting.is_any() && self.waiting.all_met() && self.shown.borrow().is_none()
    }
}

fn is_other(seen: Option<&Arc<Signed>>, signed: &Signed) -> bool {
    !seen.is_some_and(|seen| seen.log == signed.log && seen.head == signed.head)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use keyward_ledger::{Algorithm, Checkpoint, Hash, Head, KeyName, VerifierKey};

    use super::*;

    fn signed(size: u64) -> Signed {
        let head = Head {
            size,
            root: Hash::of_leaf(&size.to_be_bytes()),
        };
        let note = Checkpoint::new("log", head).unwrap().note().unwrap();
        let name = KeyName::new("log").unwrap();
        let log = VerifierKey::new(name, Algorithm::Ed25519, [7; 32]);
        Signed { head, note, log }
    }

    fn started(last: u64) -> Published {
        let published = Published::new(0, Gate::Asking, Gate::Open).waiting_for(["a".to_owned()]);
        published.newest.send_replace(Some(Arc::new(signed(last))));
        published
    }

    fn counted(published: &Published) -> Option<u64> {
        published.now.lock().counted.as_ref().map(|it| it.head.size)
    }

    fn shown(published: &Published) -> Option<u64> {
        published.shown.borrow().as_ref().map(|it| it.head.size)
    }

    #[test]
    fn i08_nothing_new_is_signed_before_witnesses_answer_if_the_mirror_has_what_was_signed_last() {
        let published = started(5);
        assert_eq!(published.may_sign(), Gate::Asking);
        published.met("a", 5);
        assert_eq!((counted(&published), shown(&published)), (Some(5), Some(5)));
        assert_eq!(published.may_sign(), Gate::Asking);
        published.gate().send_replace(Gate::Open);
        assert_eq!(published.may_sign(), Gate::Open);
    }

    #[test]
    fn i08_what_is_new_is_shown_to_witnesses_alone_until_they_have_answered() {
        let published = started(5);
        // The mirror lacks what was signed last: only something new can be shown to witnesses.
        published.met("a", 3);
        assert_eq!((counted(&published), shown(&published)), (None, None));
        assert_eq!(published.may_sign(), Gate::Open);
        published.mirrored("a", signed(6));
        assert_eq!((counted(&published), shown(&published)), (None, Some(6)));
        assert_eq!(published.may_sign(), Gate::Asking);
        published.mirrored("a", signed(7));
        assert_eq!((counted(&published), shown(&published)), (None, Some(6)));
        let size = 9;
        let witness = "w".to_owned();
        published.gate().send_replace(Gate::Ahead { witness, size });
        published.give_out_held();
        assert_eq!((counted(&published), shown(&published)), (None, Some(6)));
        published.gate().send_replace(Gate::Open);
        published.give_out_held();
        assert_eq!((counted(&published), shown(&published)), (Some(7), Some(7)));
    }
}
