//! Restoring a backup for trial, where nothing of the live deployment is.

use async_trait::async_trait;
use keyward_crypto::secret::SecretBytes;
use serde::Serialize;
use uuid::Uuid;

use crate::ids::DrillId;
use crate::time::Timestamp;

/// What is to be tried.
pub struct DrillOrder {
    /// Its id.
    pub id: DrillId,
    /// The full backup, alone; the newest and its segments, if none is named.
    pub backup: Option<Uuid>,
    /// The public half of the key that must have signed it, as text.
    pub key: String,
    /// The private half: it signs the report.
    pub signing_key: SecretBytes,
    /// The text that opens the backup's parts; none if it is where the configuration says.
    pub identity: Option<SecretBytes>,
}

/// What a drill found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DrillReport {
    /// The full backup.
    pub backup: Option<Uuid>,
    /// How many segments followed on it.
    pub segments: u64,
    /// Which revision was restored.
    pub revision: Option<i64>,
    /// When that was committed.
    pub committed_at: Option<Timestamp>,
    /// Rows of the full backup's registry.
    pub rows: u64,
    /// Records of its vault.
    pub records: u64,
    /// Key-encryption keys that were opened.
    pub keks_opened: u64,
    /// Of how many of these a record was.
    pub records_opened: u64,
    /// By what the restored vault was unsealed.
    pub unsealed_by: Option<&'static str>,
    /// What is wrong; nothing if it passed.
    pub problems: Vec<String>,
    /// The server was sealed meanwhile: it says nothing, and is to be done again.
    #[serde(skip)]
    pub interrupted: bool,
}

/// Where backups are restored for trial.
#[async_trait]
pub trait Rehearsal: Send + Sync {
    /// Verifies a backup, restores it into an instance of its own, opens what it can, compares,
    /// leaves nothing of it behind, and files the signed report beside the backups. Whatever goes
    /// wrong is in the report.
    async fn rehearse(&self, order: DrillOrder) -> DrillReport;
}
