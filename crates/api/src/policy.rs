//! Rotation policies.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::time::Time;

/// A rotation policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Policy {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Days from one rotation to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_interval_days: Option<i32>,
    /// How long a rotation can be undone, in seconds.
    pub rollback_window_seconds: i64,
    /// How long a replaced version still protects when asked for by number, in seconds.
    pub overlap_seconds: i64,
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

/// What a new policy is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPolicy {
    /// Its name, unique in the tenant.
    #[schema(min_length = 1, max_length = 128, pattern = "^[a-z0-9._-]{1,128}$")]
    pub name: String,
    /// Free text.
    #[serde(default)]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub description: String,
    /// Days from one rotation to the next; no rotation by itself if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3650)]
    pub rotation_interval_days: Option<i32>,
    /// How long a rotation can be undone, in seconds; a day if not said.
    #[serde(default = "day_in_seconds")]
    #[schema(minimum = 0, maximum = 7_776_000, default = 86400)]
    pub rollback_window_seconds: i64,
    /// How long a replaced version still protects when asked for by number, in seconds.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 7_776_000, default = 0)]
    pub overlap_seconds: i64,
}

const fn day_in_seconds() -> i64 {
    86_400
}

/// What is to change of a policy. What is left out stays; null removes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(clippy::option_option)] // outer: change it at all; inner: to something or to nothing
pub struct PolicyChange {
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub description: Option<String>,
    /// Days from one rotation to the next.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::page::three_way::deserialize"
    )]
    #[schema(value_type = Option<i32>, minimum = 1, maximum = 3650)]
    pub rotation_interval_days: Option<Option<i32>>,
    /// How long a rotation can be undone, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 7_776_000)]
    pub rollback_window_seconds: Option<i64>,
    /// How long a replaced version still protects when asked for by number, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 7_776_000)]
    pub overlap_seconds: Option<i64>,
}
