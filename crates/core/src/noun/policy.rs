//! A rotation policy. Stored and assigned today; the scheduler that acts on it comes later.

use serde::{Deserialize, Serialize};

use crate::ids::{PolicyId, TenantId};
use crate::names::PolicyName;
use crate::time::Timestamp;

/// A policy as the registry holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its id.
    pub id: PolicyId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name, unique in the tenant.
    pub name: PolicyName,
    /// Free text, at most 1,024 characters.
    pub description: String,
    /// Days from one rotation to the next.
    pub rotation_interval_days: Option<i32>,
    /// How long a rotation can be undone, in seconds.
    pub rollback_window_seconds: i64,
    /// How long a replaced version still protects when asked for by number, in seconds.
    pub overlap_seconds: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Row version.
    pub etag: i64,
}
