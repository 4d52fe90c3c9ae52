//! A secret: a named value that people keep here, in versions. Its values are in the vault, never in
//! the registry, which knows where they are and what may be shown of them.
//!
//! A deleted secret keeps its row: whoever puts a value under its name again goes on with its
//! version numbers, so that no number and no row version ever means two values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{RecordId, SecretId, SecretVersionId, TenantId, TokenId};
use crate::names::{CorrelationId, SecretName};
use crate::noun::tenant::Digest;
use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// Whether a secret is there.
    pub enum SecretState {
        /// It is.
        Stored => "stored",
        /// It is not; its name can be used again.
        Deleted => "deleted",
    }
}

/// A secret as the registry holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its id.
    pub id: SecretId,
    /// Whose it is; none for the system's own.
    pub tenant: Option<TenantId>,
    /// Its name, unique in its tenant.
    pub name: SecretName,
    /// Whether it is there.
    pub state: SecretState,
    /// Free text, not secret, at most 1,024 characters.
    pub description: String,
    /// Names and values of the owner's choice, not secret.
    pub labels: BTreeMap<String, String>,
    /// How many versions are kept, 1 to 100.
    pub keep: i32,
    /// The highest version number ever used: the current version, unless that was deleted.
    pub latest_version: i64,
    /// Which token made it.
    pub created_by: Option<TokenId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Row version.
    pub etag: i64,
}

/// One version of a secret: where the vault keeps its value, and which record is the right one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretVersion {
    /// Its id.
    pub id: SecretVersionId,
    /// Whose it is; none for the system's own.
    pub tenant: Option<TenantId>,
    /// Of which secret.
    pub secret: SecretId,
    /// Its number, from 1.
    pub version: i64,
    /// The vault's record.
    pub record: RecordId,
    /// The ledger's word for the right record.
    pub record_digest: Digest,
    /// Since when it is deleted and on its way out of the vault; the row goes with the value.
    pub destroying_at: Option<Timestamp>,
    /// Which token put it.
    pub created_by: Option<TokenId>,
    /// The request that put it.
    pub correlation_id: CorrelationId,
    /// When it was put.
    pub created_at: Timestamp,
    /// Row version.
    pub etag: i64,
}
