//! A person or service that acts.

use serde::{Deserialize, Serialize};

use crate::ids::{PrincipalId, TenantId};
use crate::names::PrincipalName;
use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// What kind of actor a principal is.
    pub enum PrincipalKind {
        /// A human being.
        Person => "person",
        /// A program.
        Service => "service",
    }
}

/// A principal as the registry holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Its id.
    pub id: PrincipalId,
    /// The tenant it belongs to; none for the system's own.
    pub tenant: Option<TenantId>,
    /// Its name, unique in the tenant.
    pub name: PrincipalName,
    /// A person or a service.
    pub kind: PrincipalKind,
    /// Once disabled, its tokens are refused.
    pub disabled_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Row version.
    pub etag: i64,
}
