//! A drill: a backup restored for trial, and what became of it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::DrillId;
use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// Where a drill stands.
    pub enum DrillState {
        /// Ordered, or under way.
        Queued => "queued",
        /// What was restored is what was backed up, and opens.
        Passed => "passed",
        /// It is not, or does not, or could not be restored.
        Failed => "failed",
    }
}

/// A drill as the registry holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    /// Its id, in order of time.
    pub id: DrillId,
    /// Where it stands.
    pub state: DrillState,
    /// The full backup: the one that was asked for, if one was; in the end the one that was taken.
    pub backup: Option<Uuid>,
    /// When it was ordered.
    pub ordered_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Which revision was restored.
    pub revision: Option<i64>,
    /// When that was committed.
    pub committed_at: Option<Timestamp>,
    /// How many segments followed on the full backup.
    pub segments: i64,
    /// Rows of the full backup's registry.
    pub rows_seen: i64,
    /// Records of the full backup's vault.
    pub records_seen: i64,
    /// Key-encryption keys that were opened.
    pub keks_opened: i64,
    /// Of how many of these a record was.
    pub records_opened: i64,
    /// What is wrong, in words.
    pub problem: Option<String>,
    /// Row version.
    pub etag: i64,
}

impl Drill {
    /// Longest problem, in characters; what is longer is cut.
    pub const PROBLEM_MAX: usize = 1024;

    /// One that is ordered now.
    pub const fn queued(id: DrillId, backup: Option<Uuid>, now: Timestamp) -> Self {
        Self {
            id,
            state: DrillState::Queued,
            backup,
            ordered_at: now,
            ended_at: None,
            revision: None,
            committed_at: None,
            segments: 0,
            rows_seen: 0,
            records_seen: 0,
            keks_opened: 0,
            records_opened: 0,
            problem: None,
            etag: 1,
        }
    }
}
