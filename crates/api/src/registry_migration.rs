//! The migration of the registry to another database, while the server serves.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::names::StorageMigrationPhase;
use crate::storage_migration::StorageMigrationTrouble;
use crate::time::Time;

/// Where a migration of the registry stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegistryMigration {
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
    /// Whether the side that follows is left alone.
    pub paused: bool,
    /// How many rows are carried over or compared in a second, at most.
    #[schema(minimum = 0)]
    pub per_second: u64,
    /// Rows carried over by the filling that is under way or was the last since the server started.
    #[schema(minimum = 0)]
    pub rows: u64,
    /// Changes brought to the side that follows since the server started.
    #[schema(minimum = 0)]
    pub changes: u64,
    /// How many changes that side was behind when it was last looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub behind: Option<u64>,
    /// Whether both sides were found to hold the same since the server started.
    pub equal: bool,
    /// Whether the marks on both sides say what `phase` says.
    pub settled: bool,
    /// What was found then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<RegistryMigrationProof>,
    /// The side that does not do its part, if one does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<StorageMigrationTrouble>,
}

/// What both sides held at one revision, each read whole by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegistryMigrationProof {
    /// At which revision.
    #[schema(minimum = 0)]
    pub revision: i64,
    /// How many rows.
    #[schema(minimum = 0)]
    pub rows: u64,
    /// SHA-256 over every row of every table, in order, in hex.
    pub digest: String,
    /// When it was found.
    pub at: Time,
}

/// Sets the pace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryMigrationRate {
    /// How many rows are carried over or compared in a second, at most.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub per_second: u64,
    /// Why; the audit log keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub reason: Option<String>,
}
