//! Rotation by policy: what is due, what was rotated, and which node does it.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::names::{RotationOutcome, RotationTrigger};
use crate::time::Time;

/// What is to be rotated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotationOrder {
    /// By one policy alone, by its name; by all of the tenant's if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128, pattern = "^[a-z0-9._-]{1,128}$")]
    pub policy: Option<String>,
    /// Only say what would be rotated. Asks for `rotation.read` instead of `rotation.run`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// What a run did, policy by policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotationRun {
    /// The correlation id of all its entries in the audit log.
    pub run: String,
    /// Whether it only looked.
    pub dry_run: bool,
    /// Policy by policy, by name.
    pub policies: Vec<RotatedPolicy>,
    /// Whether more is due than one run does: order the next.
    pub more: bool,
}

/// What a run did for one policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotatedPolicy {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// `active`; `no_dates` if it makes no key due; `suspended` or `archived`; `unfollowable` if its windows leave
    /// nothing open.
    pub status: String,
    /// In a dry run: what would be rotated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub due: Vec<RotatedKey>,
    /// Rotated.
    pub rotated: Vec<RotatedKey>,
    /// Tried in vain.
    pub failed: Vec<RotatedKey>,
    /// Due, and not touched: why is said of each.
    pub skipped: Vec<RotatedKey>,
}

/// What became of one key in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotatedKey {
    /// Which.
    pub key_id: Uuid,
    /// Its name.
    pub name: String,
    /// The date it was due.
    pub planned_at: Time,
    /// The version that it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_version: Option<i64>,
    /// The code of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// From when on the scheduler tries again by itself: after a failure, or when its policy's windows open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Time>,
    /// Why it was not touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A rotation that a policy asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rotation {
    /// Its id, in order of the first try.
    pub id: Uuid,
    /// Which key.
    pub key_id: Uuid,
    /// Which policy asked for it.
    pub policy_id: Uuid,
    /// The policy's row version then.
    pub policy_etag: i64,
    /// What had it done.
    pub trigger: RotationTrigger,
    /// The date by the policy. A key is rotated once for each.
    pub planned_at: Time,
    /// The run that tried it last: the correlation id of all its entries in the audit log.
    pub run: String,
    /// The scheduler's fencing token then; none for a run that somebody ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
    /// When the last try began.
    pub started_at: Time,
    /// When it ended.
    pub finished_at: Time,
    /// What became of it.
    pub outcome: RotationOutcome,
    /// How often it was tried.
    pub attempts: i64,
    /// The code of the last try's error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// From when on it is tried again by itself; if a failed one has none, when the key changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Time>,
    /// The version that protected before.
    pub from_version: i64,
    /// The version that it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_version: Option<i64>,
}

/// Which rotations are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RotationQuery {
    /// Of this key: its name, id or ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 256)]
    pub key: Option<String>,
    /// Of this policy, by its name; not with a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 128, pattern = "^[a-z0-9._-]{1,128}$")]
    pub policy: Option<String>,
    /// Where the page begins: `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 512)]
    pub cursor: Option<String>,
    /// At most so many; 100 if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}

/// Which key is to be explained.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RotationExplainQuery {
    /// Its name, id or ARN. Must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 256)]
    pub key: Option<String>,
}

/// Why a key is due by its policy, or is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotationExplanation {
    /// The key.
    pub key_id: Uuid,
    /// Its name.
    pub name: String,
    /// The policy that it follows, by name; none if it follows none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// When it was last rotated, or made.
    pub last_rotation_at: Time,
    /// Its next date, behind or ahead; none if its policy has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_at: Option<Time>,
    /// From when on that is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Time>,
    /// Whether that has come.
    pub is_due: bool,
    /// When its policy's windows open next, if they are closed now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<Time>,
    /// What keeps it from being rotated by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hindrance: Option<String>,
    /// What became of that date so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<Rotation>,
    /// Which node rotates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<RotationLease>,
}

/// Which node rotates, as the database has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotationLease {
    /// The node's name, and what tells this start of it from every other.
    pub holder: String,
    /// The fencing token: one more each time the role is taken.
    pub epoch: i64,
    /// When it was taken, by the database's time.
    pub taken_at: Time,
    /// Until when it is held, by the database's time.
    pub expires_at: Time,
    /// Whether that has passed: nobody rotates at this moment.
    pub is_over: bool,
    /// When a holder last looked for what is due, and did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worked_at: Option<Time>,
}

/// How rotation by policy stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotationStatus {
    /// Whether the node that answers takes part.
    pub enabled: bool,
    /// Whether it is the one that rotates.
    pub is_active: bool,
    /// Which node rotates, or did last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<RotationLease>,
    /// How often it is looked for what is due, in seconds.
    pub check_interval_seconds: i64,
    /// When the node that answers looked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Time>,
    /// When the next key is due or tried again, as it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Time>,
    /// How its last run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<RotationLastRun>,
    /// Keys that it has rotated since it began.
    pub rotated: u64,
    /// Tries of it that failed since then.
    pub failed: u64,
}

/// How a run of the scheduler ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotationLastRun {
    /// The correlation id of all its entries in the audit log.
    pub run: String,
    /// When it began.
    pub started_at: Time,
    /// When it ended.
    pub ended_at: Time,
    /// Keys it rotated.
    pub rotated: usize,
    /// Keys it could not rotate.
    pub failed: usize,
    /// Keys that are due and are not rotated yet.
    pub backlog: usize,
    /// For how many seconds the oldest of them has been due.
    pub lag_seconds: i64,
    /// The code of the error that ended it before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
