//! Tenants.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::job::Job;
use crate::names::{AuditDetail, TenantState, TextState};
use crate::time::Time;

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tenant {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub state: TenantState,
    /// Free text.
    pub description: String,
    /// Whether its free texts are sealed.
    pub text_state: TextState,
    /// How finely the audit log tells of uses of its keys.
    pub audit_detail: AuditDetail,
    /// Since when; absent while that was never changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_detail_since: Option<Time>,
    /// Which principal changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_detail_by: Option<Uuid>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// Fields whose text is sealed and cannot be opened now; they are shown empty. A map's entry is
    /// `tags.ward`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sealed_fields: Vec<String>,
    /// Row version, as in `ETag`.
    pub etag: i64,
}

/// What a new tenant is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// Its name: not `system`, not a UUID.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9._-]{1,64}$")]
    pub name: String,
    /// Free text.
    #[serde(default)]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub description: String,
    /// Whether its free texts are sealed under its own key from the beginning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub seal_text: bool,
}

/// Why a change is made; the audit log keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: Option<String>,
}

/// How finely the audit log is to tell of uses of a tenant's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetAuditDetail {
    /// Each operation as an entry, or counts of them.
    pub audit_detail: AuditDetail,
    /// Why; the audit log keeps it. Whoever has them counted must say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: Option<String>,
}

/// The order to shred a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Shred {
    /// Why; the audit log keeps it.
    #[schema(
        min_length = 1,
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: String,
}

/// A version of a tenant's key-encryption key. The key itself is in the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Kek {
    /// 1 for the first.
    #[schema(minimum = 1)]
    pub version: i64,
    /// When it was made.
    pub created_at: Time,
}

/// The versions of a tenant's key-encryption key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Keks {
    /// Those that are not destroyed, newest first. New records go under the first.
    pub items: Vec<Kek>,
}

/// How a tenant's free texts stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TextStatus {
    /// How what is written is kept, and whether what was there before is like it.
    pub state: TextState,
    /// The last job that sealed or opened texts, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
}
