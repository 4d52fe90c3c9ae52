//! What this node knows of conditions: those that the registry holds open, and what it has seen
//! since and not written yet. Nothing seen is lost while the registry cannot be written: it stays
//! here, is counted and shown, and is written when it can be.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::change::{Change, Row, WriteKind};
use crate::ids::ConditionId;
use crate::noun::condition::{Condition, ConditionKind, Severity, Subject};
use crate::time::Timestamp;

/// A condition that is seen again and again is written again at most so often.
const SEEN_AGAIN_SECONDS: i64 = 900;

type Place = (ConditionKind, Subject);

#[derive(Default)]
struct Held {
    /// The open row of the registry.
    stored: Option<Condition>,
    /// What is to be written: as it was last seen, or as it ended.
    unwritten: Option<Condition>,
    /// The id that what was last seen gets if the stored row is over by the time it is written.
    spare: Option<ConditionId>,
}

impl Held {
    /// Whether it is open now, as far as this node has seen.
    fn open(&self) -> Option<&Condition> {
        let latest = self.unwritten.as_ref().or(self.stored.as_ref())?;
        latest.cleared_at.is_none().then_some(latest)
    }

    /// The row as it shall be.
    fn next(&self) -> Option<Condition> {
        let seen = self.unwritten.clone()?;
        Some(match &self.stored {
            // What another node wrote meanwhile is what is replaced.
            Some(stored) => Condition {
                id: stored.id,
                since: stored.since,
                etag: stored.etag + 1,
                ..seen
            },
            None => Condition { etag: 1, ..seen },
        })
    }

    /// The stored row is over. What was seen of it and is not written goes on as another one: a row
    /// that is over is never opened again.
    fn end(&mut self, over: ConditionId) {
        self.stored = None;
        let spare = self.spare.filter(|spare| *spare != over);
        self.unwritten = self.unwritten.take().and_then(|seen| match spare {
            Some(id) if id == seen.id => Some(seen),
            Some(id) if seen.cleared_at.is_none() => Some(Condition {
                id,
                since: seen.last_seen_at,
                etag: 1,
                ..seen
            }),
            // It is over already, or was written as it was seen and ended after that.
            _ => None,
        });
    }

    fn is_idle(&self) -> bool {
        self.stored.is_none() && self.unwritten.is_none()
    }
}

/// Something that is to be written: the row to be inserted, or to replace the stored one.
pub(crate) struct Unwritten {
    /// The row as it shall be.
    pub(crate) row: Condition,
    /// Whether the registry holds no row of it yet.
    pub(crate) is_new: bool,
    seen: Condition,
}

/// The conditions of a node.
#[derive(Default)]
pub(crate) struct ConditionBoard {
    held: Mutex<BTreeMap<Place, Held>>,
}

impl ConditionBoard {
    fn held(&self) -> MutexGuard<'_, BTreeMap<Place, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over an open row at start.
    pub(crate) fn load(&self, row: Condition) {
        let place = (row.kind.clone(), row.about());
        self.held().entry(place).or_default().stored = Some(row);
    }

    /// Takes over the open rows of a registry that is not what it was. What was seen and not written
    /// stays to be written.
    pub(crate) fn reload(&self, rows: Vec<Condition>) {
        self.held().retain(|_, at| {
            at.stored = None;
            at.unwritten.is_some()
        });
        for row in rows {
            self.load(row);
        }
    }

    /// Takes over what was committed, by this node or another.
    pub(crate) fn follow(&self, change: &Change) {
        for write in &change.writes {
            let Row::Condition(row) = &write.row else {
                continue;
            };
            let place = (row.kind.clone(), row.about());
            let mut held = self.held();
            let at = held.entry(place.clone()).or_default();
            let is_open = row.cleared_at.is_none() && write.kind != WriteKind::Delete;
            if is_open {
                at.stored = Some(row.clone());
            } else if at.stored.as_ref().is_some_and(|it| it.id == row.id) {
                at.end(row.id);
            }
            if at.is_idle() {
                held.remove(&place);
            }
        }
    }

    /// Something is seen. Whether there is something to be written.
    pub(crate) fn raise(
        &self,
        id: ConditionId,
        kind: ConditionKind,
        subject: &Subject,
        severity: Severity,
        detail: &str,
        now: Timestamp,
    ) -> bool {
        let mut held = self.held();
        let at = held.entry((kind.clone(), subject.clone())).or_default();
        let Some(open) = at.open() else {
            at.spare = Some(id);
            // One that ended and was not written yet goes on, if the registry still has it open.
            at.unwritten = Some(match &at.stored {
                Some(stored) => stored.seen_again(severity, detail, now),
                None => Condition::new(id, kind, subject, severity, detail, now),
            });
            return true;
        };
        // What a person confirms is what it says: another word is news.
        let is_reworded = open.kind == ConditionKind::SWEEP_HELD && open.detail != detail;
        let is_news = open.severity != severity
            || is_reworded
            || now.seconds_since(open.last_seen_at) >= SEEN_AGAIN_SECONDS
            || at.unwritten.is_some();
        if is_news {
            at.unwritten = Some(open.seen_again(severity, detail, now));
            at.spare = Some(id);
        }
        is_news
    }

    /// Something is over, if it was seen. Whether there is something to be written.
    pub(crate) fn clear(&self, kind: &ConditionKind, subject: &Subject, now: Timestamp) -> bool {
        let mut held = self.held();
        let Some(at) = held.get_mut(&(kind.clone(), subject.clone())) else {
            return false;
        };
        let Some(open) = at.open() else {
            return at.unwritten.is_some();
        };
        at.unwritten = Some(open.over(now));
        true
    }

    /// Everything that is to be written.
    pub(crate) fn unwritten(&self) -> Vec<Unwritten> {
        let held = self.held();
        let wanted = held.values().filter_map(|at| {
            Some(Unwritten {
                row: at.next()?,
                is_new: at.stored.is_none(),
                seen: at.unwritten.clone()?,
            })
        });
        wanted.collect()
    }

    /// It is written. What was seen since stays to be written.
    pub(crate) fn written(&self, done: &Unwritten) {
        let place = (done.row.kind.clone(), done.row.about());
        let mut held = self.held();
        let Some(at) = held.get_mut(&place) else {
            return;
        };
        if at.unwritten.as_ref() == Some(&done.seen) {
            at.unwritten = None;
        }
        if at.is_idle() {
            held.remove(&place);
        }
    }

    /// Those that are open now as far as this node has seen; whether the registry has them.
    pub(crate) fn open(&self) -> Vec<(Condition, bool)> {
        let held = self.held();
        let open = held
            .values()
            .filter_map(|at| Some((at.open()?.clone(), at.stored.is_some())));
        open.collect()
    }

    /// Whether one is open.
    pub(crate) fn is_open(&self, kind: &ConditionKind, subject: &Subject) -> bool {
        let held = self.held();
        held.get(&(kind.clone(), subject.clone()))
            .is_some_and(|at| at.open().is_some())
    }

    /// Those of a kind that are open now, as they are or will be written, and whether they are.
    pub(crate) fn open_of(&self, kind: &ConditionKind) -> Vec<(Condition, bool)> {
        let held = self.held();
        let of_kind = held.iter().filter(|((of, _), _)| of == kind);
        let open = of_kind.filter_map(|(_, at)| {
            let is_written = at.unwritten.is_none();
            let row = if is_written {
                at.stored.clone()?
            } else {
                at.next()?
            };
            row.cleared_at.is_none().then_some((row, is_written))
        });
        open.collect()
    }

    /// How many of the deployment's or anybody's are open, by kind and severity.
    pub(crate) fn counts(&self) -> BTreeMap<(ConditionKind, Severity), usize> {
        let mut counts = BTreeMap::new();
        for ((kind, _), at) in &*self.held() {
            if let Some(open) = at.open() {
                *counts.entry((kind.clone(), open.severity)).or_default() += 1;
            }
        }
        counts
    }

    /// How many are not written yet.
    pub(crate) fn unwritten_count(&self) -> usize {
        let held = self.held();
        held.values().filter(|at| at.unwritten.is_some()).count()
    }
}
