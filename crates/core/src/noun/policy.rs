//! A rotation policy: when its keys are rotated, by a number of days or by a calendar, and whether at all now.

use serde::{Deserialize, Serialize};

use crate::ids::{PolicyId, TenantId};
use crate::names::PolicyName;
use crate::rotation::Schedule;
use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// Whether a policy rotates its keys.
    #[derive(Default)]
    pub enum PolicyStatus {
        /// It does.
        #[default]
        Active => "active",
        /// Not now. What falls due meanwhile is done once it is resumed, once for each key.
        Suspended => "suspended",
        /// Not any more: no key gets it, and nothing of it changes, until it is resumed.
        Archived => "archived",
    }
}

impl PolicyStatus {
    /// What is done to a policy that becomes it.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Active => "be resumed",
            Self::Suspended => "be suspended",
            Self::Archived => "be archived",
        }
    }

    /// Whether it may become the other: the one table of it.
    pub const fn may_become(self, other: Self) -> bool {
        match (self, other) {
            (Self::Active, Self::Suspended | Self::Archived)
            | (Self::Suspended, Self::Active | Self::Archived)
            | (Self::Archived, Self::Active) => true,
            (Self::Active, Self::Active)
            | (Self::Suspended, Self::Suspended)
            | (Self::Archived, Self::Suspended | Self::Archived) => false,
        }
    }
}

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
    /// Whether it rotates its keys.
    #[serde(default)]
    pub status: PolicyStatus,
    /// Days from one rotation of a key to its next. Not together with a schedule.
    pub rotation_interval_days: Option<i32>,
    /// The calendar of its keys, counted from when the policy was made. Not together with an interval.
    #[serde(default)]
    pub schedule: Option<Schedule>,
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
