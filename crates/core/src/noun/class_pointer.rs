//! The key that a tenant names as current for a class of data.

use serde::{Deserialize, Serialize};

use crate::ids::{KeyId, TenantId};
use crate::names::DataClass;
use crate::time::Timestamp;

/// A pointer from a class to a key, and the one it had before, so that a change can be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassPointer {
    /// Whose it is.
    pub tenant: TenantId,
    /// The class.
    pub class: DataClass,
    /// The current key.
    pub key: KeyId,
    /// The key before.
    pub previous_key: Option<KeyId>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Row version.
    pub etag: i64,
}
