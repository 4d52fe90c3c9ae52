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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use keyward_ledger::{Algorithm, Checkpoint, Hash, Head, KeyName};

    use super::*;

    fn key(name: &str, algorithm: Algorithm, seed: u8) -> (VerifierKey, Ed25519KeyPair) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        let name = KeyName::new(name).unwrap();
        (VerifierKey::new(name, algorithm, public), pair)
    }

    fn signed(size: u64) -> Arc<Signed> {
        let (log, pair) = key("log.example", Algorithm::Ed25519, 1);
        let root = Hash::of_leaf(&size.to_be_bytes());
        let head = Head { size, root };
        let mut note = Checkpoint::new("log.example", head)
            .unwrap()
            .note()
            .unwrap();
        let sign = |text: &[u8]| Ok::<_, ()>(pair.sign(text).as_ref().try_into().unwrap());
        note.sign(&log, sign).unwrap();
        Arc::new(Signed { head, note, log })
    }

    fn add(rounds: &mut Rounds, signed: &Signed, name: &str, seed: u8) -> Option<Cosigned> {
        let (key, pair) = key(name, Algorithm::Cosignature, seed);
        let mut note = signed.note.clone();
        let sign = |text: &[u8]| Ok::<_, ()>(pair.sign(text).as_ref().try_into().unwrap());
        note.cosign(&key, 7, sign).unwrap();
        rounds.attach(signed, (name, &key), note.signatures().last().unwrap())
    }

    #[test]
    fn a_checkpoint_counts_when_as_many_have_signed_that_very_one() {
        let at = Timestamp::from_micros;
        let mut rounds = Rounds::new(2);
        let (five, six) = (signed(5), signed(6));
        rounds.begin(five.clone(), at(50));
        assert!(!add(&mut rounds, &five, "a", 2).unwrap().counts);
        assert!(
            !add(&mut rounds, &five, "a", 2).unwrap().counts,
            "once is once"
        );
        rounds.begin(six.clone(), at(60));
        assert!(!add(&mut rounds, &six, "b", 3).unwrap().counts);
        assert_eq!(
            (rounds.counted(), rounds.waiting_since()),
            (0, Some(at(50)))
        );
        // The slow one comes back to what it was asked about.
        let cosigned = add(&mut rounds, &five, "b", 3).unwrap();
        assert!(cosigned.counts && cosigned.note.signatures().len() == 3);
        assert_eq!(
            (rounds.counted(), rounds.waiting_since()),
            (5, Some(at(60)))
        );
        assert!(add(&mut rounds, &six, "a", 2).unwrap().counts);
        assert_eq!((rounds.counted(), rounds.waiting_since()), (6, None));
        assert!(add(&mut rounds, &signed(7), "a", 2).is_none());
    }
}
