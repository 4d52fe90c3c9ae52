//! A background job: work that outlives a request.

use serde::{Deserialize, Serialize};

use crate::ids::{JobId, TenantId};
use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// What a job does.
    pub enum JobKind {
        /// Deletes the material of a version whose destruction is due.
        DestroyMaterial => "destroy_material",
        /// Deletes a shredded tenant's records.
        ShredTenant => "shred_tenant",
    }
}

text_enum! {
    /// Where a job stands.
    pub enum JobState {
        /// To be done.
        Queued => "queued",
        /// Being done.
        Running => "running",
        /// Done.
        Done => "done",
        /// Given up; the last error says why.
        Failed => "failed",
    }
}

/// A job as the registry holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Whose it is; none for the system's own.
    pub tenant: Option<TenantId>,
    /// What it does.
    pub kind: JobKind,
    /// Where it stands.
    pub state: JobState,
    /// What it acts on: the id of a version or a tenant.
    pub subject: uuid::Uuid,
    /// When it may begin.
    pub due_at: Timestamp,
    /// How often it was tried.
    pub attempts: i32,
    /// A stable code of what last went wrong.
    pub last_error: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Row version.
    pub etag: i64,
}
