//! What a node remembers of the rotations by policy: whether it is the one that acts, and how its last run ended.
//! Nothing is decided by it but when to look again: what is due is always found anew in the registry.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::change::{Change, Row, Write};
use crate::names::CorrelationId;
use crate::port::lease::Fence;
use crate::time::Timestamp;

/// How a run of the scheduler ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRun {
    /// The correlation id of all its entries.
    pub run: CorrelationId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Keys it rotated.
    pub rotated: usize,
    /// Keys it could not rotate.
    pub failed: usize,
    /// Keys that are due and are not rotated yet.
    pub backlog: usize,
    /// For how many seconds the oldest of them has been due.
    pub lag_seconds: i64,
    /// The code of the error that ended it before its time.
    pub error: Option<String>,
}

/// What has been counted since the node began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RotationTotals {
    /// Runs of this node's scheduler.
    pub runs: u64,
    /// Keys that were rotated, by the scheduler or by a run that somebody ordered.
    pub rotated: u64,
    /// Tries that failed.
    pub failed: u64,
}

#[derive(Default)]
pub(crate) struct Standing {
    /// What tells this start of the node from every other.
    pub(crate) holder: Option<String>,
    /// The lease, while the node has it.
    pub(crate) held: Option<Fence>,
    pub(crate) last_run: Option<LastRun>,
    /// When it was last looked for what is due, run or not.
    pub(crate) checked_at: Option<Timestamp>,
    /// When all keys were looked through for those that expire.
    pub(crate) expiry_looked_at: Option<Timestamp>,
    /// When the next key is due or tried again, as far as the last look tells.
    pub(crate) next_at: Option<Timestamp>,
    /// Up to which revision nothing but the clock makes anything due.
    pub(crate) seen_to: Option<i64>,
    /// Somebody changed what is due, or the last run left something.
    pub(crate) again: bool,
    pub(crate) totals: RotationTotals,
}

#[derive(Default)]
pub(crate) struct RotationBoard {
    standing: Mutex<Standing>,
    /// One run of the scheduler at a time.
    pub(crate) running: futures_util::lock::Mutex<()>,
}

impl RotationBoard {
    /// Takes note of what may make keys due at once: a policy that was changed.
    pub(crate) fn follow(&self, change: &Change) {
        let is_policy = |write: &Write| matches!(write.row, Row::Policy(_));
        if change.writes.iter().any(is_policy) {
            self.look().again = true;
        }
    }

    pub(crate) fn look(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
