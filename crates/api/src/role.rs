//! Roles, and who holds them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::names::Permission;
use crate::time::Time;

/// What its holder may do, and may let others do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Role {
    /// Its id.
    pub id: Uuid,
    /// Its tenant; absent for built-in roles, which exist everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<Uuid>,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The actions its holder may perform.
    pub permissions: Vec<Permission>,
    /// The actions its holder may give to others besides its own.
    pub delegable: Vec<Permission>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// Row version, as in `ETag`.
    pub etag: i64,
}

/// What a new role is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRole {
    /// Its name: not a UUID, not a built-in role's.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9._-]{1,64}$")]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub description: String,
    /// The actions its holder may perform; none that its author lacks.
    pub permissions: Vec<Permission>,
    /// The actions its holder may give to others besides its own.
    #[serde(default)]
    pub delegable: Vec<Permission>,
}

/// What is to change of a role. What is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleChange {
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub description: Option<String>,
    /// The actions its holder may perform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<Permission>>,
    /// The actions its holder may give to others besides its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegable: Option<Vec<Permission>>,
}

/// The keys to which an assignment is narrowed. A key matches if any of the three does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Restriction {
    /// Keys by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub keys: Vec<String>,
    /// Keys by data class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub classes: Vec<String>,
    /// Keys by tag, name and value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// The keys to which an assignment is narrowed, as it is shown: open to fields to come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AssignedRestriction {
    /// Keys by name.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Keys by data class.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Keys by tag, name and value.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A role given to a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoleAssignment {
    /// Its id.
    pub id: Uuid,
    /// Where it holds; absent means the whole deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<Uuid>,
    /// Who holds it.
    pub principal_id: Uuid,
    /// Which role.
    pub role_id: Uuid,
    /// To which keys it is narrowed; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restriction: Option<AssignedRestriction>,
    /// When it was given.
    pub created_at: Time,
    /// Row version.
    pub etag: i64,
}

/// A role to be given to a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAssignment {
    /// To whom: a principal's name or id.
    #[schema(min_length = 1, max_length = 128, pattern = "^[a-z0-9._-]{1,128}$")]
    pub principal: String,
    /// Which role, by name.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9._-]{1,64}$")]
    pub role: String,
    /// For which keys only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restriction: Option<Restriction>,
}
