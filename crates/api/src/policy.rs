//! Rotation policies.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::names::{PolicyStatus, ScheduleMove};
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
    /// Whether it rotates its keys.
    pub status: PolicyStatus,
    /// Days from one rotation of a key to its next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_interval_days: Option<i32>,
    /// The calendar of its keys, counted from when the policy was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<RotationSchedule>,
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
    /// Days from one rotation of a key to its next. Without it and without a schedule, nothing is rotated by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3650)]
    pub rotation_interval_days: Option<i32>,
    /// The calendar of its keys; not together with an interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<RotationSchedule>,
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
    /// `suspended`: its keys are not rotated for a while. `archived`: it is given to no key and not changed any more.
    /// `active`: resumed; what fell due meanwhile is done, once for each key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<PolicyStatus>,
    /// Days from one rotation of a key to its next.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::page::three_way::deserialize"
    )]
    #[schema(value_type = Option<i32>, minimum = 1, maximum = 3650)]
    pub rotation_interval_days: Option<Option<i32>>,
    /// The calendar of its keys, as a whole.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::page::three_way::deserialize"
    )]
    #[schema(value_type = Option<RotationSchedule>)]
    pub schedule: Option<Option<RotationSchedule>>,
    /// How long a rotation can be undone, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 7_776_000)]
    pub rollback_window_seconds: Option<i64>,
    /// How long a replaced version still protects when asked for by number, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 7_776_000)]
    pub overlap_seconds: Option<i64>,
    /// Why; the audit log keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: Option<String>,
}

/// When the keys of a policy are due. The rules: docs/rotation-calendar.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotationSchedule {
    /// What plans the dates.
    pub trigger: ScheduleTrigger,
    /// A name of the IANA time zone database: whose wall clock.
    #[serde(default = "utc")]
    #[schema(max_length = 64, default = "UTC")]
    pub zone: String,
    /// Keys are spread over so many seconds after a date: at most a week, and what lies between two dates.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 604_800, default = 0)]
    pub jitter_seconds: u32,
    /// Nothing is rotated inside these: `Mon-Fri 09:00-17:00`, `daily 22:00-06:00`, `12-20/01-05`,
    /// `2027-03-01T00:00/2027-03-08T12:00`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 32)]
    pub blackouts: Vec<String>,
    /// Where there are some, nothing is rotated outside these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 32)]
    pub maintenance: Vec<String>,
}

/// What plans the dates of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ScheduleTrigger {
    /// Once a period, counted from when the policy was made.
    Every {
        /// An ISO 8601 duration of an hour to ten years, like `P90D`.
        #[schema(max_length = 64)]
        period: String,
        /// A time of day, like `02:00`; only with whole days, weeks, months or years.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(max_length = 5)]
        at: Option<String>,
    },
    /// At the times that an expression names.
    Cron {
        /// Five fields as in crontab(5), of one minute only, like `0 2 * * MON`.
        #[schema(max_length = 128)]
        expression: String,
    },
}

fn utc() -> String {
    "UTC".to_owned()
}

/// How many dates are to be foretold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PreviewQuery {
    /// So many; 20 if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 100)]
    pub count: Option<usize>,
}

/// The dates that a policy will have, if nothing changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyPreview {
    /// The policy's name.
    pub policy: String,
    /// Its status: if it is not active, the dates are those that it would have.
    pub status: PolicyStatus,
    /// The next dates, the first one first. Before the present: what is overdue.
    pub dates: Vec<PreviewDate>,
    /// So many keys were looked at.
    pub key_count: usize,
    /// Whether it has more keys than were looked at: 20,000 dates of single keys are foretold at once.
    pub more_keys: bool,
    /// So many keys follow it and are not rotated by themselves: stopped, expired, to be destroyed, public only.
    pub hindered_key_count: usize,
}

/// A date to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PreviewDate {
    /// The date by the calendar alone.
    pub planned_at: Time,
    /// When its first key is rotated: after windows and jitter.
    pub from: Time,
    /// When its last key is.
    pub until: Time,
    /// What moved it, beside the jitter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_by: Option<ScheduleMove>,
    /// How many keys it touches.
    pub key_count: usize,
    /// The names of the first hundred of them.
    pub keys: Vec<String>,
}

/// Ready-made policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyTemplates {
    /// By name.
    pub templates: Vec<PolicyTemplate>,
}

/// A policy to begin with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyTemplate {
    /// Its name.
    pub name: String,
    /// What a policy made of it says of itself.
    pub description: String,
    /// For which keys.
    pub suits: String,
    /// Days from one rotation of a key to its next.
    pub rotation_interval_days: i32,
    /// How long a rotation can be undone, in seconds.
    pub rollback_window_seconds: i64,
    /// How long a replaced version still protects when asked for by number, in seconds.
    pub overlap_seconds: i64,
    /// Where the number is from.
    pub source: String,
}
