//! A token as the registry holds it: its digest, never its secret.

use serde::{Deserialize, Serialize};

use crate::ids::{PrincipalId, TenantId, TokenId};
use crate::noun::tenant::Digest;
use crate::time::Timestamp;

/// A token by which a principal is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its id, which is part of its text.
    pub id: TokenId,
    /// The tenant of its principal; none for the system's own.
    pub tenant: Option<TenantId>,
    /// Who it stands for.
    pub principal: PrincipalId,
    /// SHA-256 of its secret, which has 256 random bits.
    pub digest: Digest,
    /// What people call it, so that a leaked one can be found; at most 128 characters.
    pub label: String,
    /// Who made it; none for the first token of a deployment.
    pub created_by: Option<TokenId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// Row version.
    pub etag: i64,
}
