//! How often each version was used: counted from journal entries as they become durable, so that
//! counting after a crash is reading the journal again (the normal path is the recovery path).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::audit::counted::{Allowance, began_with, ended_to, last_of};
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
    /// The last entry that was observed; 0 before there was one.
    observed: u64,
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
    /// Whether changes that it lost have still to be logged again.
    gives_again: bool,
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
        self.observed = self.observed.max(entry.sequence);
        if let Some(ended) = ended_to(&entry.event) {
            // What this entry begins is not among them, whatever it says.
            self.begun = self.begun.split_off(&ended.saturating_add(1));
        }
        // One is made when all counts are written, the other when what was lost is told.
        if matches!(entry.event.action, Action::SystemStop | Action::SystemStart) {
            self.begun.clear();
        }
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

    /// Up to which entry no count is open, as an entry that is made now can say it. It is never beyond what
    /// was observed: what is on its way to the journal may begin one.
    pub(crate) fn ended_to(&self) -> u64 {
        let inner = self.lock();
        let first = inner.begun.keys().next();
        first.map_or(inner.observed, |first| first.saturating_sub(1))
    }

    /// Every count that was begun is written, and nothing is counted any more.
    pub(crate) fn all_have_ended(&self) {
        self.lock().begun.clear();
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
    /// flush waits, so that a restart reads those entries again. Nor before the changes that a journal lost
    /// are in it again: a restart has to find that it was made again.
    pub fn take(&self) -> Option<Snapshot> {
        let mut inner = self.lock();
        if inner.gives_again || !inner.logged_beyond.is_empty() {
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
        inner.gives_again = true;
        inner.go_on();
    }

    /// Every change up to here that the outbox has is in the journal. An outbox may lack some: what was
    /// restored of a part of a deployment has no changes of the rest.
    pub fn all_logged_to(&self, revision: i64) {
        let mut inner = self.lock();
        inner.gives_again = false;
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
#[allow(clippy::unwrap_used)]
mod tests {
    use std::borrow::Cow;

    use serde_json::{Value, json};

    use super::*;
    use crate::audit::{Actor, LeafMark, Outcome, Resource};
    use crate::names::CorrelationId;

    fn entry(sequence: u64, action: Action, details: &[(&str, Value)]) -> Journaled {
        let details = details.iter();
        Journaled {
            as_logged: None,
            sequence,
            event: AuditEvent {
                time: Timestamp::from_micros(1_800_000_000_000_000),
                node: "node-1".into(),
                tenant: None,
                actor: Actor::system(),
                action,
                resource: Resource {
                    kind: Cow::Borrowed("key"),
                    ..Resource::default()
                },
                outcome: Outcome::Ok,
                reason: None,
                correlation_id: CorrelationId::new("req-7").unwrap(),
                details: details
                    .map(|(name, it)| ((*name).to_owned(), it.clone()))
                    .collect(),
                used: Vec::new(),
                revision: None,
                change: None,
                signature: None,
                leaf: LeafMark::default(),
            },
        }
    }

    fn begins(sequence: u64, ended_to: u64) -> Journaled {
        let allowed = Allowance {
            operations: 16,
            bytes: 65_536,
            until: Timestamp::from_micros(1_800_000_060_000_000),
        };
        let details = [
            ("counting", allowed.detail()),
            ("ended_to", json!(ended_to)),
        ];
        entry(sequence, Action::KeyEncrypt, &details)
    }

    fn ends(sequence: u64, began_with: u64, ended_to: u64) -> Journaled {
        let details = [
            ("began_with", json!(began_with)),
            ("ended_to", json!(ended_to)),
        ];
        entry(sequence, Action::KeyEncrypt, &details)
    }

    fn open(book: &UsageBook) -> Vec<u64> {
        book.begun().into_iter().map(|(at, _)| at).collect()
    }

    #[test]
    fn the_journal_says_of_which_counts_nothing_followed() {
        let book = UsageBook::new(0, 0);
        assert_eq!(book.ended_to(), 0, "nothing is known yet");
        book.observe(&[begins(3, 0), begins(4, 0), begins(5, 0)]);
        assert_eq!(book.ended_to(), 2);
        book.nothing_followed(&HashSet::from([3]));
        assert_eq!((book.ended_to(), open(&book)), (3, vec![4, 5]));
        let entries = [begins(6, 3), ends(7, 4, 3)];
        book.observe(&entries);
        assert_eq!((book.ended_to(), open(&book)), (4, vec![5, 6]));
        // Read again, from the beginning, by somebody who was told nothing else.
        let again = UsageBook::new(0, 0);
        again.observe(&[begins(3, 0), begins(4, 0), begins(5, 0)]);
        again.observe(&entries);
        assert_eq!(open(&again), [5, 6]);
        again.observe(&[begins(8, 6)]);
        assert_eq!(open(&again), [8], "what it begins itself stays");
        // An entry that is no count says nothing of them, whatever it has under that name.
        again.observe(&[entry(9, Action::KeyEncrypt, &[("ended_to", json!(8))])]);
        assert_eq!(open(&again), [8]);
    }

    #[test]
    fn whoever_ended_in_order_left_no_count_open() {
        for action in [Action::SystemStop, Action::SystemStart] {
            let book = UsageBook::new(0, 0);
            book.observe(&[begins(3, 0), entry(4, action, &[]), begins(5, 0)]);
            assert_eq!(open(&book), [5]);
        }
        // A request that went away before its entry was durable leaves one that nobody counts after.
        let book = UsageBook::new(0, 0);
        book.observe(&[begins(3, 0)]);
        book.all_have_ended();
        assert_eq!(open(&book), [] as [u64; 0]);
        assert_eq!(book.take().unwrap().counts_to, Some(3));
    }

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

    #[test]
    fn nothing_is_flushed_before_what_a_journal_lost_is_logged_again() {
        let book = UsageBook::new(7, 100);
        book.go_back_for(&[], 40);
        // A start that fails flushes what it has, and the next one begins with it.
        assert!(book.take().is_none());
        book.all_logged_to(120);
        let taken = book.take().map(|it| (it.sequence, it.logged_to));
        assert_eq!(taken, Some((7, 120)));
    }
}
