//! Which registry revisions the journal has entries of. Knows nothing of what a revision changed.
//!
//! Changes commit in order of revision, but their entries may be appended in another order, so
//! that after a crash revision 9 can be missing although 10 is there. Remembering the holes lets
//! the caller append exactly what is missing, and nothing twice.

use std::collections::BTreeSet;

/// Holes remembered; the oldest are forgotten first. Changes under way at one time are far fewer.
pub(crate) const HOLES_MAX: usize = 1024;

/// The same where a journal is read for them that was made again, which may lack any number of the last ones.
pub(crate) const HOLES_OF_A_LOSS: usize = 1 << 22;

/// What is known of the revisions in the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Revisions {
    /// The highest one; 0 if there is none.
    pub(crate) highest: i64,
    /// Those below the highest that have no entry.
    pub(crate) missing: BTreeSet<i64>,
}

impl Revisions {
    /// Takes note of an entry that belongs to a revision.
    pub(crate) fn note(&mut self, revision: i64) {
        self.note_among(revision, HOLES_MAX);
    }

    /// The same with so many holes remembered.
    pub(crate) fn note_among(&mut self, revision: i64, holes: usize) {
        if revision > self.highest {
            let oldest = revision.saturating_sub_unsigned(holes as u64);
            let first = self.highest.saturating_add(1).max(oldest);
            self.missing.extend(first..revision);
            self.highest = revision;
            while self.missing.len() > holes {
                self.missing.pop_first();
            }
        } else {
            self.missing.remove(&revision);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_out_of_order_leave_holes_until_they_come() {
        let mut revisions = Revisions::default();
        for revision in [1, 2, 5, 4] {
            revisions.note(revision);
        }
        assert_eq!(revisions.highest, 5);
        assert_eq!(revisions.missing, BTreeSet::from([3]));
        revisions.note(3);
        assert!(revisions.missing.is_empty());
    }

    #[test]
    fn what_a_loss_left_may_be_more_than_is_remembered_otherwise() {
        let mut revisions = Revisions::default();
        revisions.note(5_000);
        for revision in [9_000, 20_000] {
            revisions.note_among(revision, HOLES_OF_A_LOSS);
        }
        let missing = HOLES_MAX + 3_999 + 10_999;
        assert_eq!(revisions.missing.len(), missing);
        assert_eq!(revisions.missing.first(), Some(&3_976));
    }

    #[test]
    fn the_memory_of_holes_is_bounded() {
        let mut revisions = Revisions::default();
        revisions.note(1_000_000);
        revisions.note(2_000_000);
        assert_eq!(revisions.missing.len(), HOLES_MAX);
        assert_eq!(revisions.missing.last(), Some(&1_999_999));
    }
}
