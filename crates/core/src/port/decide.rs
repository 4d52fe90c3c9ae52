//! The access decision: may this caller do this to that?

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::{KeyId, TenantId};
use crate::names::{DataClass, KeyName};
use crate::noun::action::{Action, ActionSet};
use crate::noun::role::Restriction;

/// What a caller holds: one role in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Where it holds; none means everywhere.
    pub tenant: Option<TenantId>,
    /// What it allows.
    pub permissions: ActionSet,
    /// What it lets others be given.
    pub delegable: ActionSet,
    /// To which keys it is narrowed.
    pub restriction: Option<Restriction>,
}

/// What an action is about to touch.
#[derive(Clone, Debug)]
pub enum Target {
    /// The deployment.
    System,
    /// A tenant.
    Tenant(TenantId),
    /// A key, with what restrictions look at.
    Key(Arc<KeyFacts>),
}

/// What a restriction may look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    /// Whose key.
    pub tenant: TenantId,
    /// Which.
    pub key: KeyId,
    /// Its name.
    pub name: KeyName,
    /// Its class.
    pub class: Option<DataClass>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Allowed.
    Allow,
    /// Refused; the caller may know that the thing exists.
    Deny,
    /// Refused; the caller must not learn whether the thing exists (invariant 5).
    DenyInvisible,
}

/// Who decides. Pure and quick: everything it needs is in the arguments.
pub trait Decide: Send + Sync {
    /// Whether a caller with these grants may perform the action on the target.
    fn decide(&self, grants: &[Grant], action: Action, target: &Target) -> Decision;
}
