//! Data bindings: which data a key protects.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::time::Time;

/// A recorded relation between a key and the data it protects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DataBinding {
    /// Its id.
    pub id: Uuid,
    /// The key.
    pub key_id: Uuid,
    /// Where the data is.
    pub uri: String,
    /// What people call it.
    pub label: String,
    /// Who answers for the data.
    pub owner: String,
    /// When it was registered.
    pub created_at: Time,
    /// When the data was gone or re-encrypted elsewhere; absent while the binding is live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Time>,
    /// Fields whose text is sealed and cannot be opened now; they are shown empty. A map's entry is
    /// `tags.ward`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sealed_fields: Vec<String>,
    /// Row version.
    pub etag: i64,
}

/// What a new binding is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBinding {
    /// Where the data is.
    #[schema(
        min_length = 1,
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub uri: String,
    /// What people call it.
    #[serde(default)]
    #[schema(
        max_length = 256,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub label: String,
    /// Who answers for the data.
    #[serde(default)]
    #[schema(
        max_length = 256,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub owner: String,
}
