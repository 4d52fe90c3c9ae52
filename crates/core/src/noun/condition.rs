//! A condition: something that is not as it should be, and about what. Raised when it is first
//! seen, cleared when it is over; of each kind at most one is open about a subject.
//!
//! A kind is a stable name for machines. The list of kinds is open: a node shows what another, newer
//! one has raised.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::UnknownName;
use crate::ids::{ConditionId, TenantId};
use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// How bad it is.
    pub enum Severity {
        /// Good to know; nothing has to be done.
        Info => "info",
        /// Somebody should look, in time.
        Warning => "warning",
        /// Something is lost, in danger or out of service: somebody must act now.
        Critical => "critical",
    }
}

/// What kind of condition: `[a-z0-9_]{1,64}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ConditionKind(Cow<'static, str>);

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal;)+) => {
        impl ConditionKind {
            $($(#[$doc])* pub const $kind: Self = Self(Cow::Borrowed($name));)+

            /// The kinds that this program raises.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];
        }
    };
}

kinds! {
    /// The storage does not answer, or answers wrongly.
    STORAGE_UNAVAILABLE "storage_unavailable";
    /// The storage refuses our credentials, or they lack a right.
    STORAGE_DENIED "storage_denied";
    /// The storage asks for fewer requests.
    STORAGE_THROTTLED "storage_throttled";
    /// The storage takes no more bytes: a disk or a quota is full.
    STORAGE_FULL "storage_full";
    /// The storage takes no writes at all.
    STORAGE_READ_ONLY "storage_read_only";
    /// There is little room left.
    STORAGE_SPACE_LOW "storage_space_low";
    /// A side of a migration of the vault does not do its part.
    STORAGE_MIGRATION_FAILING "storage_migration_failing";
    /// A migration of the vault was cut over long ago and neither committed nor rolled back.
    STORAGE_MIGRATION_UNCOMMITTED "storage_migration_uncommitted";
    /// A side of a migration of the registry does not do its part.
    REGISTRY_MIGRATION_FAILING "registry_migration_failing";
    /// A migration of the registry was cut over long ago and neither committed nor rolled back.
    REGISTRY_MIGRATION_UNCOMMITTED "registry_migration_uncommitted";
    /// A stored record is not what the registry says it is.
    RECORD_DAMAGED "record_damaged";
    /// A stored record is not there.
    RECORD_MISSING "record_missing";
    /// The last check of the whole storage found records that are damaged or missing.
    STORAGE_CHECK_FAILED "storage_check_failed";
    /// The last check put records back that were damaged or missing.
    STORAGE_REPAIRED "storage_repaired";
    /// A replica or backup from which records would be put back cannot be used.
    REPAIR_SOURCE_UNUSABLE "repair_source_unusable";
    /// A seal that needs nobody did not open when it was last really tried.
    SEAL_UNAVAILABLE "seal_unavailable";
    /// The last try of a backup, or of a segment, ended in a failure.
    BACKUP_FAILED "backup_failed";
    /// No backup was made for twice the interval.
    BACKUP_LATE "backup_late";
    /// With continuous backups: what is changed here comes into no backup, and is refused or goes on so.
    BACKUP_BEHIND "backup_behind";
    /// The last backup lacks records that the vault had lost before.
    BACKUP_INCOMPLETE "backup_incomplete";
    /// The last backup holds far less than the one before.
    BACKUP_SHRANK "backup_shrank";
    /// Somebody else writes where this deployment's backups lie.
    BACKUP_PLACE_SHARED "backup_place_shared";
    /// A backup that retention does not keep could not be removed, or nothing is removed because the
    /// newest backups are damaged.
    BACKUP_NOT_REMOVED "backup_not_removed";
    /// The last drill failed: what it restored was not what was backed up.
    DRILL_FAILED "drill_failed";
    /// No drill was made for twice the interval.
    DRILL_LATE "drill_late";
    /// Nobody has looked for keys that are due for three intervals.
    ROTATION_BEHIND "rotation_behind";
    /// A key is due by its policy and was not rotated: trying again changes nothing, or has not for some time.
    ROTATION_FAILED "rotation_failed";
    /// A key comes to the end of its cryptoperiod, or has, and nothing gives it a new version before.
    KEY_EXPIRY "key_expiry";
    /// Nothing is swept up until somebody confirms that the registry is the right one.
    SWEEP_HELD "sweep_held";
    /// The storage refused to delete what nothing refers to.
    SWEEP_FAILED "sweep_failed";
    /// The transparency log does not follow the journal, or contradicts it.
    AUDIT_LOG_BEHIND "audit_log_behind";
    /// A file of the audit journal, or of the log made of it, was removed, replaced or changed.
    AUDIT_LOG_DAMAGED "audit_log_damaged";
    /// A sink of the audit log is far behind it, or cannot go on.
    AUDIT_SINK_BEHIND "audit_sink_behind";
    /// A witness of the audit log does not cosign, or holds another history; or too few do.
    AUDIT_WITNESS_BEHIND "audit_witness_behind";
    /// A mirror of the audit log is far behind it, or holds something else.
    AUDIT_MIRROR_BEHIND "audit_mirror_behind";
    /// What waits of addresses that came while the server was sealed cannot be opened, or the key to which they
    /// are sealed was replaced.
    AUDIT_ADDRESSES_DAMAGED "audit_addresses_damaged";
    /// The clock went ahead by more than a day: nothing of the log goes until somebody says that it is right.
    AUDIT_CLOCK_AHEAD "audit_clock_ahead";
    /// What may go of the log's beginning does not go.
    AUDIT_NOT_LET_GO "audit_not_let_go";
    /// Another deployment's log, of which this node is a witness, contradicts itself.
    WITNESSED_LOG_FORKED "witnessed_log_forked";
}

impl ConditionKind {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConditionKind {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let well_formed = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        well_formed
            .then(|| Self(Cow::Owned(text.to_owned())))
            .ok_or(UnknownName("kind of condition"))
    }
}

impl<'de> Deserialize<'de> for ConditionKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for ConditionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a condition is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    tenant: Option<TenantId>,
    name: String,
}

impl Subject {
    /// Longest name, in characters; what is longer is cut.
    pub const NAME_MAX: usize = 256;

    /// Something of the deployment's.
    pub fn system(name: &str) -> Self {
        Self::new(None, name)
    }

    /// Something of a tenant's.
    pub fn of_tenant(tenant: TenantId, name: &str) -> Self {
        Self::new(Some(tenant), name)
    }

    /// Something of a tenant's, or of the deployment's. A name without a secret.
    pub fn new(tenant: Option<TenantId>, name: &str) -> Self {
        let name = if name.is_empty() { "-" } else { name };
        Self {
            tenant,
            name: cut(name, Self::NAME_MAX),
        }
    }

    /// Whose; none for the deployment's own.
    pub const fn tenant(&self) -> Option<TenantId> {
        self.tenant
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A condition as the registry holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Its id, in order of time.
    pub id: ConditionId,
    /// Whose; none for the deployment's own.
    pub tenant: Option<TenantId>,
    /// What kind.
    pub kind: ConditionKind,
    /// What it is about.
    pub subject: String,
    /// How bad it is.
    pub severity: Severity,
    /// In words, without secrets.
    pub detail: String,
    /// When it was first seen.
    pub since: Timestamp,
    /// When it was last seen. Written at most every quarter of an hour.
    pub last_seen_at: Timestamp,
    /// When it was over.
    pub cleared_at: Option<Timestamp>,
    /// Row version.
    pub etag: i64,
}

impl Condition {
    /// Longest detail, in characters; what is longer is cut.
    pub const DETAIL_MAX: usize = 1024;

    /// One that is seen for the first time.
    pub fn new(
        id: ConditionId,
        kind: ConditionKind,
        subject: &Subject,
        severity: Severity,
        detail: &str,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            tenant: subject.tenant,
            kind,
            subject: subject.name.clone(),
            severity,
            detail: cut(detail, Self::DETAIL_MAX),
            since: now,
            last_seen_at: now,
            cleared_at: None,
            etag: 1,
        }
    }

    /// What it is about.
    pub fn about(&self) -> Subject {
        Subject::new(self.tenant, &self.subject)
    }

    /// The same, seen again.
    #[must_use]
    pub fn seen_again(&self, severity: Severity, detail: &str, now: Timestamp) -> Self {
        Self {
            severity,
            detail: cut(detail, Self::DETAIL_MAX),
            last_seen_at: now.max(self.since),
            ..self.clone()
        }
    }

    /// The same, over.
    #[must_use]
    pub fn over(&self, now: Timestamp) -> Self {
        Self {
            cleared_at: Some(now.max(self.since)),
            ..self.clone()
        }
    }
}

/// At most so many characters, none of which could disturb a terminal or a log.
fn cut(text: &str, characters_max: usize) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(visible).take(characters_max).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_well_formed_name_of_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for kind in ConditionKind::ALL {
            assert_eq!(&kind.as_str().parse::<ConditionKind>().unwrap(), kind);
            assert!(seen.insert(kind), "{kind}");
        }
        for wrong in ["", "Storage", "a b", "a-b"] {
            assert!(wrong.parse::<ConditionKind>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let subject = Subject::system(&"ü".repeat(300));
        assert_eq!(subject.name().chars().count(), Subject::NAME_MAX);
        assert_eq!(Subject::system("a\nb\u{1b}").name(), "a b ");
        assert_eq!(Subject::system("").name(), "-");
    }
}
