//! A rotation that a policy asked for: which date of which key, and what became of it. Rows are written in the
//! transaction that rotates, so that what is here happened, and what happened is here.

use serde::{Deserialize, Serialize};

use crate::ids::{KeyId, PolicyId, RotationId, TenantId};
use crate::names::CorrelationId;
use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// What had it done.
    pub enum RotationTrigger {
        /// The scheduler, because it was due.
        Schedule => "schedule",
        /// Somebody who had everything done that was due.
        Run => "run",
    }
}

text_enum! {
    /// What became of it.
    pub enum RotationOutcome {
        /// The key has a new version.
        Done => "done",
        /// It has not; the version before protects as it did.
        Failed => "failed",
    }
}

/// A rotation as the registry holds it. One for each key and date: a failed one becomes `done` when a later try
/// succeeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// Its id, in order of the first try.
    pub id: RotationId,
    /// Whose key.
    pub tenant: TenantId,
    /// Which key.
    pub key: KeyId,
    /// Which policy asked for it.
    pub policy: PolicyId,
    /// The policy's row version then.
    pub policy_etag: i64,
    /// What had it done, the last time it was tried.
    pub trigger: RotationTrigger,
    /// The date by the policy. A key is rotated once for each.
    pub planned_at: Timestamp,
    /// The run that tried it last: the correlation id of all its entries.
    pub run: CorrelationId,
    /// The scheduler's fencing token then; none for a run that somebody ordered.
    pub epoch: Option<i64>,
    /// When the last try began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What became of it.
    pub outcome: RotationOutcome,
    /// How often it was tried.
    pub attempts: i64,
    /// The code of the last try's error, if it failed.
    pub error: Option<String>,
    /// From when on it is tried again by itself; none if trying again would change nothing until the key does.
    pub retry_at: Option<Timestamp>,
    /// The key's row version at the last try.
    pub key_etag: i64,
    /// The version that protected before.
    pub from_version: i64,
    /// The version that it made.
    pub to_version: Option<i64>,
    /// Row version.
    pub etag: i64,
}
