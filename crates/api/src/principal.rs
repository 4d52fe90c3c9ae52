//! Principals.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::names::PrincipalKind;
use crate::time::Time;

/// A person or service that acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Principal {
    /// Its id.
    pub id: Uuid,
    /// Its tenant; absent for the system's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<Uuid>,
    /// Its name.
    pub name: String,
    /// A person or a service.
    pub kind: PrincipalKind,
    /// Since when its tokens are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_at: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// Row version.
    pub etag: i64,
}

/// What a new principal is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPrincipal {
    /// Its name: not a UUID.
    #[schema(min_length = 1, max_length = 128, pattern = "^[a-z0-9._-]{1,128}$")]
    pub name: String,
    /// A person or a service.
    pub kind: PrincipalKind,
}
