//! What a run did, or would do: policy by policy, key by key.

use std::sync::Arc;

use super::due;
use super::plan::Due;
use crate::ids::KeyId;
use crate::names::{CorrelationId, KeyName};
use crate::noun::policy::{Policy, PolicyStatus};
use crate::noun::rotation::Rotation;
use crate::time::Timestamp;

/// What became of one key in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReport {
    /// Which.
    pub key: KeyId,
    /// Its name.
    pub name: KeyName,
    /// The date it was due.
    pub planned_at: Timestamp,
    /// What was done, or tried; none if it was not touched.
    pub rotation: Option<Rotation>,
    /// Why it was not touched.
    pub why: Option<&'static str>,
    /// Until when it waits: for another try, or for a window.
    pub until: Option<Timestamp>,
}

/// How a policy stands in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyStanding {
    /// It rotates its keys.
    Active,
    /// It is active, and has neither an interval nor a schedule.
    NoDates,
    /// It was suspended.
    Suspended,
    /// It was archived.
    Archived,
    /// Its windows leave nothing open: its keys are not rotated.
    Unfollowable,
}

impl PolicyStanding {
    pub(super) fn of(policy: &Policy) -> Self {
        match policy.status {
            PolicyStatus::Suspended => Self::Suspended,
            PolicyStatus::Archived => Self::Archived,
            PolicyStatus::Active if due::has_dates(policy) => Self::Active,
            PolicyStatus::Active => Self::NoDates,
        }
    }

    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::NoDates => "no_dates",
            Self::Suspended => "suspended",
            Self::Archived => "archived",
            Self::Unfollowable => "unfollowable",
        }
    }
}

/// What a run did for one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyReport {
    /// The policy.
    pub policy: Arc<Policy>,
    /// How it stands.
    pub standing: PolicyStanding,
    /// In a dry run: what would be rotated.
    pub due: Vec<KeyReport>,
    /// Rotated.
    pub rotated: Vec<KeyReport>,
    /// Tried in vain.
    pub failed: Vec<KeyReport>,
    /// Due, and not touched.
    pub skipped: Vec<KeyReport>,
}

/// What a run did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunReport {
    /// The correlation id of all its entries.
    pub run: CorrelationId,
    /// Whether it only looked.
    pub dry_run: bool,
    /// Policy by policy, by name.
    pub policies: Vec<PolicyReport>,
    /// Whether more is due than one run does.
    pub more: bool,
}

/// A key that was due, as a run tells of it.
pub(super) fn reported(
    due: &Due,
    rotation: Option<Rotation>,
    why: Option<&'static str>,
) -> KeyReport {
    KeyReport {
        key: due.key,
        name: due.name.clone(),
        planned_at: due.date.planned,
        until: rotation.as_ref().and_then(|row| row.retry_at),
        rotation,
        why,
    }
}
