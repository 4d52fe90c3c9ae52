//! How often each version was used: counted from journal entries as they become durable, so that
//! counting after a crash is reading the journal again (the normal path is the recovery path).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::audit::counted::{Allowance, began_with, last_of};
use crate::audit::{AuditEvent, Journaled};
use crate::ids::VersionId;
use crate::noun::action::Action;
use crate::noun::key_version::UsageTotals;
use crate::port::audit_log::JournalObserver;
use crate::port::registry::UsageDelta;
use crate::time::Timestamp;

/// Counters not yet flushed, and which changes the journal has seen.
pub struct UsageBook {
    start_after: u64,
    replay_after: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    deltas: HashMap<VersionId, UsageTotals>,
    sequence: u64,
    /// Every change up to here is in the journal.
    logged_to: i64,
    /// Changes beyond that are in the journal too.
    logged_beyond: BTreeSet<i64>,
    /// Entries that began a count which no entry has ended yet.
    begun: BTreeMap<u64, Begun>,
    /// Whether uses are counted on this node, or ever were: then it is kept from where on.
    counts: bool,
    /// Whether what was observed says that a lost journal was made again.
    was_continued: bool,
}

/// A count that an entry began, as the journal has it.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) event: AuditEvent,
    pub(crate) allowance: Allowance,
}

impl Inner {
    /// Up to which entry no count is open.
    fn counts_to(&self) -> Option<u64> {
        let first = self.begun.keys().next();
        let to = first.map_or(self.sequence, |first| first.saturating_sub(1));
        self.counts.then_some(to)
    }

    /// Notes which counts an entry begins or ends.
    fn follow_counts(&mut self, entry: &Journaled) {
        if let Some(allowance) = Allowance::of(&entry.event) {
            self.counts = true;
            let event = entry.event.clone();
            self.begun
                .insert(entry.sequence, Begun { event, allowance });
        }
        if let Some(began) = began_with(&entry.event) {
            self.begun.remove(&began);
        }
    }

    /// Takes in what follows without a gap.
    fn go_on(&mut self) {
        while self.logged_beyond.first() == Some(&(self.logged_to + 1)) {
            self.logged_beyond.pop_first();
            self.logged_to += 1;
        }
    }
}

/// What a flush writes: counters, and how far journal and change feed are accounted for.
pub struct Snapshot {
    /// What to add.
    pub deltas: Vec<UsageDelta>,
    /// Journal entries up to here are counted.
    pub sequence: u64,
    /// Changes up to here are in the journal.
    pub logged_to: i64,
    /// Every count that an entry up to here began has ended; none where uses were never counted.
    pub counts_to: Option<u64>,
}

impl UsageBook {
    /// Begins after what was flushed: journal entries up to `sequence`, changes up to `logged_to`.
    pub fn new(sequence: u64, logged_to: i64) -> Self {
        Self {
            start_after: sequence,
            replay_after: sequence,
            inner: Mutex::new(Inner {
                sequence,
                logged_to,
                ..Inner::default()
            }),
        }
    }

    /// Counts that were begun are looked for from an earlier entry on; 0 where uses were never counted.
    #[must_use]
    pub fn with_counts_after(mut self, sequence: u64) -> Self {
        if sequence > 0 {
            self.replay_after = self.replay_after.min(sequence);
            self.lock().counts = true;
        }
        self
    }

    /// Counts that were begun and not ended. At a start, those that the last run did not write down.
    pub(crate) fn begun(&self) -> Vec<(u64, Begun)> {
        let inner = self.lock();
        inner
            .begun
            .iter()
            .map(|(at, it)| (*at, it.clone()))
            .collect()
    }

    /// Nothing followed the entries that began these.
    pub(crate) fn nothing_followed(&self, began_with: &HashSet<u64>) {
        self.lock().begun.retain(|at, _| !began_with.contains(at));
    }

    /// Nothing followed entries that nobody counts after, and after which nothing may be counted any more:
    /// whoever had begun them went away before.
    pub(crate) fn forget_begun_before(&self, instant: Timestamp, known: &HashSet<u64>) {
        let is_over = |it: &Begun| it.allowance.until < instant;
        let mut inner = self.lock();
        inner
            .begun
            .retain(|at, it| known.contains(at) || !is_over(it));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Counters are plain numbers: a panic elsewhere cannot leave them half-made.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the counters for a flush. None while changes are in the journal out of order: the
    /// flush waits, so that a restart reads those entries again.
    pub fn take(&self) -> Option<Snapshot> {
        let mut inner = self.lock();
        if !inner.logged_beyond.is_empty() {
            return None;
        }
        let deltas = std::mem::take(&mut inner.deltas)
            .into_iter()
            .map(|(version, add)| UsageDelta { version, add })
            .collect();
        Some(Snapshot {
            deltas,
            sequence: inner.sequence,
            logged_to: inner.logged_to,
            counts_to: inner.counts_to(),
        })
    }

    /// Puts back what a failed flush had taken.
    pub fn put_back(&self, snapshot: Snapshot) {
        let mut inner = self.lock();
        for UsageDelta { version, add } in snapshot.deltas {
            merge(inner.deltas.entry(version).or_default(), add);
        }
    }

    /// What is counted of a version beyond what was flushed.
    pub fn pending(&self, version: VersionId) -> UsageTotals {
        self.lock()
            .deltas
            .get(&version)
            .copied()
            .unwrap_or_default()
    }

    /// Whether a change is in the journal.
    pub fn is_logged(&self, revision: i64) -> bool {
        let inner = self.lock();
        revision <= inner.logged_to || inner.logged_beyond.contains(&revision)
    }

    /// The highest revision that is in the journal.
    pub fn highest_logged(&self) -> i64 {
        let inner = self.lock();
        let beyond = inner.logged_beyond.last().copied().unwrap_or(0);
        beyond.max(inner.logged_to)
    }

    /// Later revisions are of another history: given again, they are not in the journal.
    pub fn go_back_to(&self, revision: i64) {
        let mut inner = self.lock();
        inner.logged_to = inner.logged_to.min(revision);
        inner.logged_beyond.retain(|beyond| *beyond <= revision);
    }

    /// Whether a lost journal was made again since the last flush.
    pub fn was_continued(&self) -> bool {
        self.lock().was_continued
    }

    /// The journal has not what it had when it was counted: these changes are not in it, and none above
    /// `after`. They are given again.
    pub fn go_back_for(&self, missing: &[i64], after: i64) {
        let mut inner = self.lock();
        let first = missing.first().map_or(after, |first| first - 1);
        let from = inner.logged_to.min(first.min(after));
        let missing: BTreeSet<i64> = missing.iter().copied().collect();
        inner.logged_to = from;
        inner.logged_beyond = (from + 1..=after)
            .filter(|revision| !missing.contains(revision))
            .collect();
        inner.go_on();
    }

    /// Every change up to here that the outbox has is in the journal. An outbox may lack some: what was
    /// restored of a part of a deployment has no changes of the rest.
    pub fn all_logged_to(&self, revision: i64) {
        let mut inner = self.lock();
        inner.logged_to = inner.logged_to.max(revision);
        let logged_to = inner.logged_to;
        inner.logged_beyond.retain(|beyond| *beyond > logged_to);
        inner.go_on();
    }

    /// Every change up to here is in the journal.
    pub fn logged_to(&self) -> i64 {
        self.lock().logged_to
    }
}

/// Adds counters; the later last use stays.
pub fn merge(into: &mut UsageTotals, add: UsageTotals) {
    into.protects += add.protects;
    into.processes += add.processes;
    into.bytes_protected += add.bytes_protected;
    into.last_used_at = into.last_used_at.max(add.last_used_at);
}

impl JournalObserver for UsageBook {
    fn replay_after(&self) -> u64 {
        self.replay_after
    }

    fn kept_to(&self) -> u64 {
        self.start_after
    }

    fn observe(&self, entries: &[Journaled]) {
        let mut inner = self.lock();
        for entry in entries {
            inner.follow_counts(entry);
            inner.was_continued |= entry.event.action == Action::AuditContinue;
            // What was flushed is not counted again.
            if entry.sequence <= self.start_after {
                continue;
            }
            inner.sequence = inner.sequence.max(entry.sequence);
            let last_used_at = Some(last_of(&entry.event));
            for used in &entry.event.used {
                let add = UsageTotals {
                    protects: used.protects,
                    processes: used.processes,
                    bytes_protected: used.bytes,
                    last_used_at,
                };
                merge(inner.deltas.entry(used.version).or_default(), add);
            }
            if let Some(revision) = entry.event.revision.filter(|r| *r > inner.logged_to) {
                inner.logged_beyond.insert(revision);
                inner.go_on();
            }
        }
    }
}

/// Adds what is pending to what was flushed, per version number.
pub fn add_pending(
    flushed: &mut BTreeMap<i64, UsageTotals>,
    versions: impl Iterator<Item = (i64, VersionId)>,
    book: &UsageBook,
) {
    for (number, id) in versions {
        merge(flushed.entry(number).or_default(), book.pending(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_that_a_journal_lost_are_given_again_and_no_others() {
        // The registry counted up to 100; the journal that was made again has up to 98, without 95 and 97.
        let book = UsageBook::new(7, 100);
        assert!(!book.was_continued());
        book.go_back_for(&[95, 97], 98);
        let logged: Vec<i64> = (90..102).filter(|it| book.is_logged(*it)).collect();
        assert_eq!(logged, [90, 91, 92, 93, 94, 96, 98]);
        assert_eq!((book.logged_to(), book.highest_logged()), (94, 98));
        assert!(
            book.take().is_none(),
            "nothing is flushed before they are there"
        );
        // Holes of before it was counted are none that anybody lost.
        let book = UsageBook::new(7, 100);
        book.go_back_for(&[], 120);
        assert_eq!(book.logged_to(), 120);
        let book = UsageBook::new(7, 100);
        book.go_back_for(&[], 40);
        assert_eq!(book.logged_to(), 40);
    }
}
