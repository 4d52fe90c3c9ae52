//! What mirrors are given of the log, and whether they let anything new be signed.

use std::sync::Arc;

use keyward_audit::mirror::Newest;
use keyward_core::port::transparency::Tree;
use keyward_ledger::{Handover, Head, Note, VerifierKey};
use keyward_sinks::witness::{Gate, Signed};
use tokio::sync::watch;

use super::{Published, origin_of, signed};

impl Published {
    /// Whether anything new may be signed, for mirrors to say.
    pub const fn mirrors_gate(&self) -> &watch::Sender<Gate> {
        &self.mirrors
    }

    /// Whether anything new may be signed: when neither witnesses nor mirrors say otherwise.
    pub fn may_sign(&self) -> Gate {
        let gate = self.gate.borrow().clone();
        if matches!(gate, Gate::Ahead { .. }) {
            return gate;
        }
        match self.mirrors.borrow().clone() {
            Gate::Open if gate == Gate::Asking && self.needs_no_witness_first() => Gate::Open,
            Gate::Open => gate,
            shut => shut,
        }
    }

    /// What is to be in a mirror now; none while the log is not open or nothing was signed in this life,
    /// and for a moment while heads of all trees are made. A mirror for which checkpoints wait takes what was
    /// signed last, others what is given out.
    pub fn to_mirror(&self, is_waited_for: bool) -> Option<Newest> {
        let newest = self.newest.borrow().clone()?;
        let now = self.now.lock();
        let (trees, counted) = (now.trees.clone()?, now.counted.clone());
        let handovers = now.handovers.clone();
        drop(now);
        // Of a log of another name nothing is carried on.
        let counted = counted.filter(|counted| counted.log.name() == newest.log.name());
        // With what witnesses signed of it, if they have signed that very one.
        let is_newest = |counted: &Arc<Signed>| counted.head == newest.head;
        let counted = match counted.filter(|it| !is_waited_for || is_newest(it)) {
            None if is_waited_for => Some(newest.clone()),
            counted => counted,
        };
        let committed = match &counted {
            Some(counted) if newest.head.size >= counted.head.size => {
                trees.lock().all_committed(counted.head.size)
            }
            _ => None,
        };
        Some(Newest {
            keys: keys(&newest.log, &handovers),
            log: newest.log.clone(),
            signed: newest.head,
            counted: counted
                .filter(|_| committed.is_some())
                .map(|counted| (counted.head, counted.note.clone())),
            committed: committed.unwrap_or_default(),
            handovers,
            trees,
        })
    }

    /// A tenant's tree as it stood, signed; none while the node is sealed, or between two keys.
    pub fn sign_tenants(&self, tree: Tree, head: Head) -> Option<Note> {
        let newest = self.newest.borrow().clone()?;
        let keys = self.keys()?;
        if keys.current.public() != newest.log.public() {
            return None;
        }
        let origin = origin_of(newest.log.name().as_str(), tree);
        signed(&origin, head, &keys.current, keys.former_on(&newest.note)).ok()
    }
}

/// All keys that have signed a log: those of its hand-overs, which this server has kept itself.
fn keys(log: &VerifierKey, handovers: &str) -> Vec<VerifierKey> {
    let handovers = Handover::open_all(handovers.as_bytes()).unwrap_or_default();
    let former = handovers.iter().rev().flat_map(|it| [it.to(), it.from()]);
    let mut keys = vec![log.clone()];
    for key in former {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    keys
}
