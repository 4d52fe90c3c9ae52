//! The storage beneath the vault: how it does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::names::{StorageOperation, StorageState};
use crate::time::Time;

/// How the storage is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorageHealth {
    /// Which backend.
    pub backend: String,
    /// What it can do now.
    pub state: StorageState,
    /// What it said last when it did not do its part; absent while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// When this node last asked it anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_asked_at: Option<Time>,
    /// How much room there is; absent where the backend cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<StorageSpace>,
    /// What this node asked of it since it started.
    pub operations: Vec<StorageOperationHealth>,
    /// The checks of everything that is stored.
    pub check: StorageCheck,
    /// What is stored and named by no row of the registry.
    pub strays: StorageStrays,
}

/// Room for bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorageSpace {
    /// What this server may still write.
    #[schema(minimum = 0)]
    pub free_bytes: u64,
    /// All there is.
    #[schema(minimum = 0)]
    pub total_bytes: u64,
}

/// How one kind of operation goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorageOperationHealth {
    /// Which.
    pub operation: StorageOperation,
    /// How many there were.
    #[schema(minimum = 0)]
    pub count: u64,
    /// How many of them failed, by what that says of the storage.
    pub errors: BTreeMap<String, u64>,
    /// Half of those of the last minutes took at most so long; absent if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub p50_micros: Option<u64>,
    /// 99 of 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub p99_micros: Option<u64>,
    /// When the storage last did its part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_at: Option<Time>,
}

/// The checks of everything that is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorageCheck {
    /// The one that is under way or waits to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<StoragePass>,
    /// The last that came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<StoragePass>,
    /// Every record that is older was verified at this time or later; absent if that never was so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_since: Option<Time>,
}

/// One check of everything that is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoragePass {
    /// Its job.
    pub job_id: Uuid,
    /// When it began.
    pub began_at: Time,
    /// When it ended, or last came further.
    pub updated_at: Time,
    /// Records read and verified.
    #[schema(minimum = 0)]
    pub records: i64,
    /// Of these: damaged or missing. Each is an alert.
    #[schema(minimum = 0)]
    pub findings: i64,
    /// Damaged or missing, and put back from a replica or a backup; not among the findings.
    #[serde(default)]
    #[schema(minimum = 0)]
    pub repaired: i64,
    /// Objects that no row of the registry names.
    #[schema(minimum = 0)]
    pub strays: i64,
}

/// What is stored and named by no row of the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorageStrays {
    /// All that are known.
    #[schema(minimum = 0)]
    pub found: u64,
    /// Of these: in quarantine, to be deleted when they were there for 30 days.
    #[schema(minimum = 0)]
    pub quarantined: u64,
    /// Whether nothing is swept up until somebody confirms that this is as it should be.
    pub held: bool,
    /// Why, one by one; each is confirmed on its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<SweepHold>,
}

/// Why nothing is swept up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SweepHold {
    /// The alert's id.
    pub alert_id: Uuid,
    /// Changes with what the alert says.
    #[schema(minimum = 1)]
    pub etag: i64,
    /// `storage`: doubt about the registry; `strays`: too much that no row names.
    pub subject: String,
    /// In words.
    pub detail: String,
    /// Since when.
    pub since: Time,
}

/// Confirms one reason, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmSweep {
    /// The alert's id.
    pub alert_id: Uuid,
    /// The alert's `etag` as it was seen: if it says something else by now, nothing is confirmed.
    #[schema(minimum = 1)]
    pub etag: i64,
    /// Why; the audit log keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub reason: Option<String>,
}
