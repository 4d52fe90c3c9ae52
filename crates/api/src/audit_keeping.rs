//! For how long the audit log is kept, legal holds, and letting go of the log's beginning.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::time::Time;

/// For how many days entries are kept, by class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditDays {
    /// What changed keys, access or the deployment, or let a secret out.
    pub changes: u16,
    /// Uses of keys.
    pub uses: u16,
    /// What was read.
    pub reads: u16,
    /// Requests without a valid token.
    pub authentication: u16,
}

/// For how long a tenant's entries are kept, or everybody's at least.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditRetention {
    /// What holds.
    pub days: AuditDays,
    /// What holds of everybody at least.
    pub deployment: AuditDays,
    /// Whether the log lets go of anything at all; if not, everything is kept.
    pub lets_go: bool,
    /// When something longer was said here last; absent if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Which principal said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Uuid>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What is to be kept for longer. Classes that are not named stay as they are; none can be kept for less.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetAuditRetention {
    /// Days for changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 92, maximum = 36500)]
    pub changes: Option<u16>,
    /// Days for uses of keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 92, maximum = 36500)]
    pub uses: Option<u16>,
    /// Days for what was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 92, maximum = 36500)]
    pub reads: Option<u16>,
    /// Days for requests without a valid token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 92, maximum = 36500)]
    pub authentication: Option<u16>,
    /// Why; the audit log keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: Option<String>,
}

/// A legal hold: while it stands, nothing of the tenant's log goes, or nothing at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LegalHold {
    /// Its id.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// Why it was placed.
    pub reason: String,
    /// When.
    pub since: Time,
    /// By which principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Uuid>,
    /// When it was released; absent while it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Time>,
    /// By which principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_by: Option<Uuid>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_reason: Option<String>,
    /// Row version.
    pub etag: i64,
}

/// A legal hold that is to be placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLegalHold {
    /// What it is called: a case, a matter.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    pub name: String,
    /// Why; it stays with the hold, and the audit log keeps it.
    #[schema(
        min_length = 1,
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: String,
}

/// The order to release a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseLegalHold {
    /// Why; it stays with the hold, and the audit log keeps it.
    #[schema(
        min_length = 1,
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: String,
}

/// So many entries that may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditGoing {
    /// Whose; absent for those that belong to no tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Uuid>,
    /// Of which class: `changes`, `uses`, `reads` or `authentication`.
    pub class: String,
    /// How many.
    pub entries: u64,
}

/// The first of what stays, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditStays {
    /// The number of its first entry.
    pub first: u64,
    /// Of its last one.
    pub last: u64,
    /// Everything that keeps it, in words.
    pub why: Vec<String>,
}

/// What of the log's beginning may go now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditOutlook {
    /// The first entry that is there.
    pub first: u64,
    /// The last entry that may go; absent if none may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<u64>,
    /// Where it may end, the earliest first: the last entries of segments.
    pub ends: Vec<u64>,
    /// So many entries may go.
    pub entries: u64,
    /// So many bytes of the disk are freed by it, about.
    pub bytes: u64,
    /// Whose.
    pub going: Vec<AuditGoing>,
    /// What keeps the rest; absent if nothing else is old enough to be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays: Option<AuditStays>,
    /// Why nothing would go if it were ordered now; absent if it would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// The order to let go of the log's beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PruneAudit {
    /// The last entry that is to go: one of `ends` of what may.
    #[schema(minimum = 1)]
    pub through: u64,
    /// Why; the audit log keeps it.
    #[schema(
        min_length = 1,
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: String,
    /// The server's clock went ahead by more than a day, and is right.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clock_is_right: bool,
}

/// What was let go of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditPruned {
    /// The first entry that is there now.
    pub first: u64,
    /// The last entry that went.
    pub through: u64,
    /// The revision of the order; 0 if it had been ordered before.
    pub revision: i64,
}
