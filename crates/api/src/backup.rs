//! Backups of the whole deployment.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

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
