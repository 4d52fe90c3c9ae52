//! How grave an entry is, for forms that must say so. What was done decides, and how it ended.

use crate::audit::{AuditEvent, Outcome};
use crate::noun::action::{Action, Effect};

/// From what is seen a thousand times a second to what wakes somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Everyday.
    Informational,
    /// A change.
    Low,
    /// Something left the server, was refused or taken away: worth a look.
    Medium,
    /// Something was lost, compromised, or failed.
    High,
}

/// What is done seldom, and never by the way.
const GRAVE: &[Action] = &[
    Action::KeyCompromise,
    Action::KeyEmergencyRotate,
    Action::KeyDestroy,
    Action::TenantShred,
    Action::BackupRestore,
    Action::BackupRestorePart,
];

/// What takes something away, or opens a way.
const NOTABLE: &[Action] = &[
    Action::AlertRaise,
    Action::AuthenticationRefused,
    Action::KeyForceDestruction,
    Action::KeyRevoke,
    Action::KeyScheduleDestruction,
    Action::KeySuspend,
    Action::PrincipalDisable,
    Action::RoleAssign,
    Action::RoleCreate,
    Action::RoleUnassign,
    Action::RoleUpdate,
    Action::RootKeyRotate,
    Action::SealAdd,
    Action::SealRemove,
    Action::SealRewrap,
    Action::StorageRepair,
    Action::SystemSeal,
    Action::SystemUnseal,
    Action::TenantSuspend,
    Action::TokenCreate,
    Action::TokenRevoke,
];

impl Severity {
    pub(super) fn of(event: &AuditEvent) -> Self {
        let done = if GRAVE.contains(&event.action) {
            Self::High
        } else if NOTABLE.contains(&event.action) || event.action.effect() == Effect::Release {
            Self::Medium
        } else if matches!(event.action.effect(), Effect::Change | Effect::Record) {
            Self::Low
        } else {
            Self::Informational
        };
        match event.outcome {
            Outcome::Ok => done,
            Outcome::Refused => done.max(Self::Medium),
            // A ciphertext that does not open, or a list, is everyday; a change that fails is not.
            Outcome::Failed => match event.action.effect() {
                Effect::Change | Effect::Record => Self::High,
                _ => done.max(Self::Medium),
            },
        }
    }

    /// On the scale of CEF and LEEF, 0 or 1 to 10.
    pub(super) const fn of_ten(self) -> u8 {
        match self {
            Self::Informational => 1,
            Self::Low => 3,
            Self::Medium => 5,
            Self::High => 8,
        }
    }

    /// The `severity_id` of OCSF, and its caption.
    pub(super) const fn ocsf(self) -> (u8, &'static str) {
        match self {
            Self::Informational => (1, "Informational"),
            Self::Low => (2, "Low"),
            Self::Medium => (3, "Medium"),
            Self::High => (4, "High"),
        }
    }
}
