//! The migration of the storage to another backend, while the server serves.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::names::StorageMigrationPhase;
use crate::time::Time;

/// Where a migration of the storage stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorageMigration {
    /// Its phase.
    pub phase: StorageMigrationPhase,
    /// The source: its kind and its place.
    pub from: String,
    /// The target.
    pub to: String,
    /// Whether this server moves it. If not, it only knows of it by its file, and steers nothing.
    pub attached: bool,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Time>,
    /// Since when it is in its phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Whether the passes stand still.
    pub paused: bool,
    /// How many objects are looked at in a second, at most.
    #[schema(minimum = 0)]
    pub per_second: u64,
    /// Which pass this is since the server started, from 1; 0 before the first.
    #[schema(minimum = 0)]
    pub pass: u32,
    /// Objects looked at in this pass.
    #[schema(minimum = 0)]
    pub examined: u64,
    /// Objects made equal since the server started.
    #[schema(minimum = 0)]
    pub copied: u64,
    /// Objects that this pass has still to look at, about; absent while they are being counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub left: Option<u64>,
    /// Whether a whole pass found both sides equal since the server started.
    pub equal: bool,
    /// Names on which a side is behind, remembered to be made good.
    #[schema(minimum = 0)]
    pub behind: u64,
    /// Whether more are behind than could be remembered: a whole pass begins anew.
    pub behind_lost: bool,
    /// Whether the marks on both sides say what `phase` says.
    pub settled: bool,
    /// What the last pass saw that found nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<StorageMigrationProof>,
    /// The side that does not do its part, if one does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<StorageMigrationTrouble>,
}

/// What a whole pass saw that found nothing to do: the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorageMigrationProof {
    /// How many objects.
    #[schema(minimum = 0)]
    pub objects: u64,
    /// How many bytes in them.
    #[schema(minimum = 0)]
    pub size_bytes: u64,
    /// SHA-256 over every name and what is under it, in order, in hex.
    pub digest: String,
    /// When the pass ended.
    pub at: Time,
}

/// A side that does not do its part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorageMigrationTrouble {
    /// Since when.
    pub since: Time,
    /// When it was last seen.
    pub last_at: Time,
    /// What it said.
    pub cause: String,
}

/// Sets the pace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageMigrationRate {
    /// How many objects are looked at in a second, at most.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub per_second: u64,
    /// Why; the audit log keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub reason: Option<String>,
}
