//! The keys that sign the node's log, and the note by which one hands it over to the next.

use keyward_core::error::OpError;
use keyward_core::node::Node;
use keyward_core::ops::log::{self, CheckpointKey, FormerKey};
use keyward_core::time::Timestamp;
use keyward_ledger::{Algorithm, Handover, Note, VerifierKey};

/// The keys, as long as the node is unsealed.
pub struct LogKeys {
    /// The one that signs.
    pub current: CheckpointKey,
    /// The one before, if it may still be needed.
    former: Option<FormerKey>,
}

impl LogKeys {
    /// Reads them: the present one, and the one that signed last if that is another one.
    pub async fn read(node: &Node, signed_last: Option<&VerifierKey>) -> Result<Self, OpError> {
        let (current, overlapping) = log::checkpoint_keys(node).await?;
        let last = signed_last.map(VerifierKey::public);
        let former = match (last.filter(|last| *last != current.public()), overlapping) {
            (Some(last), overlapping) => match overlapping {
                Some(former) if former.key.public() == last => Some(former),
                // It signs the checkpoint that holds the hand-over, and no other.
                _ => Some(FormerKey {
                    key: log::checkpoint_key_of(node, last).await?,
                    until: Timestamp::from_micros(0),
                }),
            },
            (None, overlapping) => overlapping,
        };
        Ok(Self { current, former })
    }

    /// The key before, as long as it signs too; `is_first` if what is signed holds the hand-over.
    pub fn former(&self, now: Timestamp, is_first: bool) -> Option<&CheckpointKey> {
        let former = self.former.as_ref();
        let former = former.filter(|former| is_first || now < former.until);
        former.map(|former| &former.key)
    }

    /// The key before, if it is this one.
    pub fn former_with(&self, public: [u8; 32]) -> Option<&CheckpointKey> {
        let former = self.former.as_ref().map(|former| &former.key);
        former.filter(|former| former.public() == public)
    }

    /// The key before, if a note has its signature.
    pub fn former_on(&self, note: &Note) -> Option<&CheckpointKey> {
        let former = self.former.as_ref().map(|former| &former.key);
        former.filter(|former| {
            note.signatures().iter().any(|signature| {
                let public = former.public();
                let key = VerifierKey::new(signature.name().clone(), Algorithm::Ed25519, public);
                key.id() == signature.key_id()
            })
        })
    }

    /// The hand-over from the key that signed last, signed by both; none if that key is not there.
    pub fn hand_over(&self, from: &VerifierKey) -> Option<Note> {
        let former = self.former_with(from.public())?;
        let to = self.verifier_key(from);
        let handover = Handover::new(from.clone(), to.clone()).ok()?;
        let mut note = handover.note().ok()?;
        note.sign(from, |text| former.sign(text)).ok()?;
        note.sign(&to, |text| self.current.sign(text)).ok()?;
        Some(note)
    }

    /// The present key's public half, under the name of the one that signed last.
    pub fn verifier_key(&self, before: &VerifierKey) -> VerifierKey {
        let name = before.name().clone();
        VerifierKey::new(name, Algorithm::Ed25519, self.current.public())
    }
}
