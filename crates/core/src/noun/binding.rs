//! A data binding: a recorded relation between a key and the data it protects.

use serde::{Deserialize, Serialize};

use crate::ids::{BindingId, KeyId, TenantId};
use crate::time::Timestamp;

/// A binding as the registry holds it. Live until released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataBinding {
    /// Its id.
    pub id: BindingId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The key.
    pub key: KeyId,
    /// Where the data is, at most 1,024 characters.
    pub uri: String,
    /// What people call it, at most 256 characters.
    pub label: String,
    /// Who answers for the data, at most 256 characters.
    pub owner: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When the data was gone or re-encrypted elsewhere.
    pub released_at: Option<Timestamp>,
    /// Row version.
    pub etag: i64,
}
