//! What of the journal its node has signed, as far as the trees have it: between the answer and the
//! checkpoint nobody alters an entry unseen.

use keyward_ledger::Hash;

use crate::journal::Journal;
use crate::signature::{BatchSignature, Unsigned};
use crate::trees::TreesError;

/// The signatures over the entries that the trees take.
pub(super) struct Batches {
    /// What was taken since the last signature.
    unsigned: Unsigned,
    /// The last entry that a signature covers; none before the first signature was met.
    covered: Option<u64>,
    /// Whose signatures were met, of whom nobody has said yet that they are the node's.
    strangers: Vec<[u8; 32]>,
    known: Vec<[u8; 32]>,
}

impl Batches {
    /// Begins behind an entry.
    pub(super) fn after(sequence: u64) -> Self {
        Self {
            unsigned: Unsigned::after(sequence),
            covered: None,
            strangers: Vec::new(),
            known: Vec::new(),
        }
    }

    /// The next entry.
    pub(super) fn append(&mut self, leaf: Hash) {
        self.unsigned.append(leaf);
    }

    /// Whether everything is signed.
    pub(super) fn is_complete(&self) -> bool {
        self.unsigned.is_empty()
    }

    /// Keys that signed, and that nobody has confirmed.
    pub(super) fn strangers(&self) -> &[[u8; 32]] {
        &self.strangers
    }

    /// This key is the node's own.
    pub(super) fn confirm(&mut self, public: [u8; 32]) {
        self.strangers.retain(|stranger| *stranger != public);
        self.known.push(public);
    }

    /// A signature over entries that were taken: whether they are what was signed.
    pub(super) fn check(
        &mut self,
        signature: &BatchSignature,
        journal: &Journal,
    ) -> Result<(), TreesError> {
        let BatchSignature {
            after, sequence, ..
        } = *signature;
        if self.covered.is_some_and(|covered| sequence <= covered) {
            return Ok(());
        }
        let is_next = after == self.unsigned.after;
        // Some of what it covers was let go of: that stands in the trees, under what was signed since.
        let reaches_back = !is_next && after + 1 < journal.beginning();
        let root = if reaches_back {
            signature.root
        } else if is_next {
            self.unsigned.root()
        } else {
            // The trees went on in the middle of it, or it is the first in a journal that had none.
            journal.unsigned(after, sequence)?.root()
        };
        let leaves_none_out = is_next || self.covered.is_none_or(|covered| after <= covered);
        if root != signature.root || !leaves_none_out || !journal.is_genuine(signature) {
            let first = after + 1;
            return Err(TreesError::NotSigned { first, sequence });
        }
        let public = signature.public;
        if !self.known.contains(&public) && !self.strangers.contains(&public) {
            self.strangers.push(public);
        }
        self.covered = Some(sequence);
        self.unsigned = Unsigned::after(sequence);
        Ok(())
    }
}
