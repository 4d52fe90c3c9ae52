//! Tokens. Their text is shown once, when they are made.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::names::AuditPending;
use crate::time::Time;

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its id, which is part of its text.
    pub id: Uuid,
    /// The tenant of its principal; absent for the system's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<Uuid>,
    /// Who it stands for.
    pub principal_id: Uuid,
    /// What people call it.
    pub label: String,
    /// Which token made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Uuid>,
    /// When it was made.
    pub created_at: Time,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
    /// Row version.
    pub etag: i64,
}

/// What a new token is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// For whom: a principal's name or id.
    #[schema(min_length = 1, max_length = 128, pattern = "^[a-z0-9._-]{1,128}$")]
    pub principal: String,
    /// What people call it, so that a leaked one can be found.
    #[serde(default)]
    #[schema(
        max_length = 128,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub label: String,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// A token's text. Wiped when dropped and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(Zeroizing<String>);

impl TokenText {
    /// Takes over a text.
    pub const fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text. Named so that every reading of a secret can be searched for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText")
    }
}

impl Serialize for TokenText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TokenText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// A token just made, with its text: the only time it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedToken {
    /// The token.
    pub token: Token,
    /// What to send as `Authorization: Bearer …`.
    #[schema(value_type = String)]
    pub text: TokenText,
    /// The revision.
    #[schema(minimum = 0)]
    pub revision: i64,
    /// Set while the change is durable but its journal entry is still to be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditPending>,
}
