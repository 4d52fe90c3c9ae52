//! The checkpoints that witnesses are asked about, and who has signed each. All are asked about the same
//! one, so that there is one that many have signed.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use keyward_core::time::Timestamp;
use keyward_ledger::{Note, NoteSignature, VerifierKey};

use super::{Cosigned, Signed};

/// How many are remembered for those who are slow.
const ROUNDS_MAX: usize = 32;

struct Round {
    signed: Arc<Signed>,
    began: Timestamp,
    note: Note,
    by: BTreeSet<String>,
}

/// The last rounds.
pub(super) struct Rounds {
    required: usize,
    recent: VecDeque<Round>,
    /// How many entries the newest checkpoint of this log has that counts.
    counted: u64,
}

impl Rounds {
    pub(super) const fn new(required: usize) -> Self {
        Self {
            required,
            recent: VecDeque::new(),
            counted: 0,
        }
    }

    /// How many must sign.
    pub(super) const fn required(&self) -> usize {
        self.required
    }

    /// How many entries the newest checkpoint has that counts.
    pub(super) const fn counted(&self) -> u64 {
        self.counted
    }

    /// Begins with another checkpoint. Those of a log of another name, or under another key, are over.
    pub(super) fn begin(&mut self, signed: Arc<Signed>, now: Timestamp) {
        if self
            .recent
            .back()
            .is_some_and(|it| it.signed.log != signed.log)
        {
            self.recent.clear();
            self.counted = 0;
        }
        if self.recent.len() >= ROUNDS_MAX {
            self.recent.pop_front();
        }
        if self.required == 0 {
            self.counted = signed.head.size;
        }
        self.recent.push_back(Round {
            note: signed.note.clone(),
            began: now,
            by: BTreeSet::new(),
            signed,
        });
    }

    /// This one counted before, in an earlier life.
    pub(super) fn resume(&mut self, size: u64) {
        self.counted = self.counted.max(size);
    }

    /// Adds a signature; what the checkpoint is with it. None if nobody asks about it any more.
    pub(super) fn attach(
        &mut self,
        signed: &Signed,
        (witness, key): (&str, &VerifierKey),
        signature: &NoteSignature,
    ) -> Option<Cosigned> {
        let round = self.recent.iter_mut().find(|it| *it.signed == *signed)?;
        round.note.attach(signature, key).ok()?;
        round.by.insert(witness.to_owned());
        let counts = round.by.len() >= self.required;
        if counts {
            self.counted = self.counted.max(signed.head.size);
        }
        Some(Cosigned {
            signed: round.signed.clone(),
            note: round.note.clone(),
            counts,
        })
    }

    /// Since when a checkpoint has been waiting to count; none if the newest one does.
    pub(super) fn waiting_since(&self) -> Option<Timestamp> {
        let waiting = |it: &&Round| it.signed.head.size > self.counted;
        self.recent.iter().find(waiting).map(|it| it.began)
    }
}
