//! Whether a node lives and serves.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The node lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Live {
    /// `live`.
    pub status: String,
    /// How many conditions are open.
    pub conditions: OpenConditions,
}

/// How many conditions are open, by severity: what they are is listed as alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenConditions {
    /// Good to know.
    pub info: usize,
    /// Somebody should look, in time.
    pub warning: usize,
    /// Somebody must act now.
    pub critical: usize,
    /// What this node saw and the registry could not take yet.
    pub unrecorded: usize,
}

/// The node serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// `ready`.
    pub status: String,
    /// The server's version.
    pub version: String,
    /// How many conditions are open.
    pub conditions: OpenConditions,
}
