//! An object of the vault to which no row of the registry refers: what a crash between the vault's
//! write and the registry's transaction leaves behind. It is not removed at once, since a registry
//! that lost rows makes good records look like strays.

use serde::{Deserialize, Serialize};

use crate::port::storage::ObjectName;
use crate::time::Timestamp;

/// A stray as the registry holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrayRecord {
    /// Its name in the storage.
    pub name: ObjectName,
    /// When it was first found without a reference.
    pub found_at: Timestamp,
    /// Since when it is in quarantine: found again, still without one.
    pub quarantined_at: Option<Timestamp>,
    /// Row version.
    pub etag: i64,
    /// When somebody confirmed that it may go, being one of many.
    #[serde(default)]
    pub confirmed_at: Option<Timestamp>,
    /// When the log was told that it is being deleted.
    #[serde(default)]
    pub deleting_at: Option<Timestamp>,
}

impl StrayRecord {
    /// One that is found for the first time.
    pub const fn found(name: ObjectName, now: Timestamp) -> Self {
        Self {
            name,
            found_at: now,
            quarantined_at: None,
            etag: 1,
            confirmed_at: None,
            deleting_at: None,
        }
    }
}
