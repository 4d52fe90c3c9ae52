//! Roles, their assignments, and the restrictions that narrow an assignment to some keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{AssignmentId, PrincipalId, RoleId, TenantId};
use crate::names::{DataClass, KeyName, RoleName};
use crate::noun::action::ActionSet;
use crate::time::Timestamp;

/// A role: what its holder may do, and what its holder may let others do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// The tenant it belongs to; none for built-in roles, which exist everywhere.
    pub tenant: Option<TenantId>,
    /// Its name.
    pub name: RoleName,
    /// What it is for.
    pub description: String,
    /// The actions its holder may perform.
    pub permissions: ActionSet,
    /// The actions its holder may give to others besides its own.
    pub delegable: ActionSet,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Row version.
    pub etag: i64,
}

/// A role given to a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleAssignment {
    /// Its id.
    pub id: AssignmentId,
    /// Where it holds; none means the whole deployment.
    pub tenant: Option<TenantId>,
    /// Who holds it.
    pub principal: PrincipalId,
    /// Which role.
    pub role: RoleId,
    /// To which keys it is narrowed; none means all.
    pub restriction: Option<Restriction>,
    /// When it was given.
    pub created_at: Timestamp,
    /// Row version.
    pub etag: i64,
}

/// The keys to which an assignment is narrowed: those named, those of a class, or those that carry
/// one of the tags. A key matches if any of the three does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restriction {
    /// Keys by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyName>,
    /// Keys by data class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<DataClass>,
    /// Keys by tag, name and value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl Restriction {
    /// Whether a key with this name, class and these tags is among those meant.
    pub fn covers(
        &self,
        name: &KeyName,
        class: Option<&DataClass>,
        tags: &BTreeMap<String, String>,
    ) -> bool {
        self.keys.contains(name)
            || class.is_some_and(|class| self.classes.contains(class))
            || self
                .tags
                .iter()
                .any(|(tag, value)| tags.get(tag) == Some(value))
    }
}
