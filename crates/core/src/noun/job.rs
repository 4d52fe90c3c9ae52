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
        /// Wraps a tenant's records under its newest key-encryption key.
        RewrapRecords => "rewrap_records",
        /// Reads and verifies everything that is stored, and looks for what nothing refers to.
        ScrubStorage => "scrub_storage",
        /// Makes a backup; its subject is the backup's id.
        CreateBackup => "create_backup",
        /// Seals or opens a tenant's free texts.
        SealText => "seal_text",
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

/// How far a job has come that goes through many things, in passes: one that changed something is
/// followed by another, until one finds nothing left to change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProgress {
    /// Which pass this is; the first is 1, and 0 says that none has begun.
    pub pass: i32,
    /// Looked at in this pass.
    pub examined: i64,
    /// Of these: what was still to be changed.
    pub found: i64,
    /// Of these: what could not be.
    pub failed: i64,
    /// Changed in all passes.
    pub changed: i64,
    /// Where this pass goes on.
    pub resume_after: Option<String>,
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
    /// What it acts on: the id of a version, a tenant or a backup.
    pub subject: uuid::Uuid,
    /// When it may begin.
    pub due_at: Timestamp,
    /// How often it was tried.
    pub attempts: i32,
    /// A stable code of what last went wrong.
    pub last_error: Option<String>,
    /// How far it has come.
    #[serde(default)]
    pub progress: JobProgress,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Row version.
    pub etag: i64,
}

impl Job {
    /// One that may begin at once.
    pub fn queued(
        id: JobId,
        tenant: Option<TenantId>,
        kind: JobKind,
        subject: uuid::Uuid,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            tenant,
            kind,
            state: JobState::Queued,
            subject,
            due_at: now,
            attempts: 0,
            last_error: None,
            progress: JobProgress::default(),
            created_at: now,
            updated_at: now,
            etag: 1,
        }
    }
}
