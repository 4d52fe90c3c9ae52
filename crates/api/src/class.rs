//! Classes of data and the key that is current for each.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::key::Key;
use crate::time::Time;

/// Which key is current for a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClassPointer {
    /// The class.
    pub class: String,
    /// The current key.
    pub key_id: Uuid,
    /// The key before, to which it can be reverted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_key_id: Option<Uuid>,
    /// When it last changed.
    pub updated_at: Time,
    /// Row version, as in `ETag`.
    pub etag: i64,
}

/// A class with its current key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClassKey {
    /// The pointer.
    #[serde(flatten)]
    pub pointer: ClassPointer,
    /// The key.
    pub key: Key,
}

/// Which key is to be current for a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassAssignment {
    /// The key by name, id or ARN; it must be of the class.
    #[schema(
        min_length = 1,
        max_length = 256,
        pattern = "^(?:[a-z0-9._-]{1,128}|arn:keyward:[0-9a-f-]{36}:[0-9a-f-]{36}:key/[0-9a-f-]{36})$"
    )]
    pub key: String,
    /// Why; the audit log keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: Option<String>,
}
