//! Backups of the whole deployment.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::names::DrillState;
use crate::time::Time;

/// A complete backup, as its signed manifest tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Backup {
    /// Its id, in order of time.
    pub id: Uuid,
    /// What it is: `full`, or `segment`: what changed since another one.
    pub kind: String,
    /// The registry's revision that it holds.
    #[schema(minimum = 0)]
    pub revision: i64,
    /// When that revision was committed: what a restore brings back.
    pub committed_at: Time,
    /// When it began.
    pub begun_at: Time,
    /// When it was complete.
    pub completed_at: Time,
    /// The program that made it.
    pub software: String,
    /// How many parts it has.
    pub parts: u64,
    /// How many bytes they have, sealed.
    pub bytes: u64,
    /// Rows of the registry.
    pub rows: u64,
    /// Records of the vault.
    pub records: u64,
    /// Records that the vault had lost before: they are not in it.
    pub lost: u64,
    /// To whom it is sealed.
    pub recipients: Vec<String>,
    /// The public half of the key that signed it.
    pub signed_by: String,
    /// In a list, where rules of retention are configured: what it is kept for (`newest`, `hourly`,
    /// `daily`, `weekly`, `monthly`, `window`). Nothing: it goes with the next pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_for: Option<Vec<String>>,
}

/// Complete backups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Backups {
    /// Newest first.
    pub items: Vec<Backup>,
}

/// The key that signs this deployment's backups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupKey {
    /// Its public half: base64 of `SubjectPublicKeyInfo` DER (Ed25519). Keep it where no backup is:
    /// with it, backups can be verified anywhere.
    pub public_key: String,
}

/// Which backups are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionRules {
    /// Of so many hours in which there is a full backup, the newest.
    pub hourly: u32,
    /// Of so many days.
    pub daily: u32,
    /// Of so many weeks.
    pub weekly: u32,
    /// Of so many months.
    pub monthly: u32,
    /// Any second of the last so many can be restored.
    #[schema(minimum = 0)]
    pub window_seconds: i64,
}

/// A backup or segment that goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outlived {
    /// Its id.
    pub id: Uuid,
    /// `full` or `segment`.
    pub kind: String,
    /// What it would restore.
    pub committed_at: Time,
    /// How many bytes it has, sealed.
    pub bytes: u64,
}

/// What lies there and is none of the deployment's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedBackup {
    /// Its id.
    pub id: Uuid,
    /// Why it does not count.
    pub why: String,
}

/// What retention would do now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionPlan {
    /// The rules; without any everything is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<RetentionRules>,
    /// Full backups that are kept.
    pub fulls_kept: u64,
    /// Segments that are kept.
    pub segments_kept: u64,
    /// What goes, oldest first.
    pub goes: Vec<Outlived>,
    /// What is half removed: no backups any more. It goes with the next pass.
    pub half_removed: Vec<Uuid>,
    /// What the deployment did not sign. It is never removed.
    pub refused: Vec<RefusedBackup>,
    /// Why nothing is removed for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
}

/// What was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pruned {
    /// How many backups and segments.
    pub removed: u64,
    /// How many are still to be removed: ask again.
    pub left: u64,
}

/// Which backup is to be tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDrill {
    /// A full backup, alone; without it, the newest and the segments that follow on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Uuid>,
    /// Why; the audit log keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub reason: Option<String>,
}

/// A backup restored for trial, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drill {
    /// Its id: the report beside the backups is `drills/<id>`.
    pub id: Uuid,
    /// Whether it passed.
    pub state: DrillState,
    /// The full backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Uuid>,
    /// When it was ordered.
    pub ordered_at: Time,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// Which revision was restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// When that was committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed_at: Option<Time>,
    /// How many segments followed on the full backup.
    pub segments: i64,
    /// Rows of the full backup's registry.
    pub rows: i64,
    /// Records of its vault.
    pub records: i64,
    /// Key-encryption keys that were opened.
    pub keks_opened: i64,
    /// Of how many of these a record was opened.
    pub records_opened: i64,
    /// What is wrong, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Drills.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drills {
    /// Newest first, at most 100.
    pub items: Vec<Drill>,
}
