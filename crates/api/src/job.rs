//! Background jobs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::names::{JobKind, JobState};
use crate::time::Time;

/// Work that outlives a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its id.
    pub id: Uuid,
    /// Whose it is; absent for the system's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<Uuid>,
    /// What it does.
    pub kind: JobKind,
    /// Where it stands.
    pub state: JobState,
    /// What it acts on: the id of a version or a tenant.
    pub subject_id: Uuid,
    /// When it may begin.
    pub due_at: Time,
    /// How often it was tried.
    #[schema(minimum = 0)]
    pub attempts: i32,
    /// A stable code of what last went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// How far it has come, if it goes through many things.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<JobProgress>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

/// How far a job has come that goes through many things, in passes. A pass that found something is
/// followed by another; the job is done after one that found nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobProgress {
    /// Which pass this is.
    #[schema(minimum = 1)]
    pub pass: i32,
    /// Looked at in this pass.
    #[schema(minimum = 0)]
    pub examined: i64,
    /// Of these: what was still to be changed.
    #[schema(minimum = 0)]
    pub found: i64,
    /// Of these: what could not be.
    #[schema(minimum = 0)]
    pub failed: i64,
    /// Changed in all passes.
    #[schema(minimum = 0)]
    pub changed: i64,
}
