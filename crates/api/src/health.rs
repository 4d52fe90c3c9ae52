//! Whether a node lives and serves.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The node lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Live {
    /// `live`.
    pub status: String,
}

/// The node serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// `ready`.
    pub status: String,
    /// The server's version.
    pub version: String,
}
