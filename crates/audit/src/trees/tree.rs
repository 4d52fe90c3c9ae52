//! Which trees there are, and which of them an entry belongs to.

use std::fmt;

use keyward_core::ids::TenantId;
use keyward_core::noun::action::Action;
use serde::Deserialize;
use uuid::Uuid;

/// One tree of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tree {
    /// What belongs to no tenant, the heads of all other trees among it.
    System,
    /// What changed something of a tenant's.
    Changes(TenantId),
    /// What was done in a tenant and changed nothing.
    Operations(TenantId),
}

impl Tree {
    /// Its name among its tenant's trees, and in the leaves of `heads`.
    pub fn kind(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Changes(_) => "changes",
            Self::Operations(_) => "operations",
        }
    }

    /// Whose it is; none: the deployment's.
    pub fn tenant(self) -> Option<TenantId> {
        match self {
            Self::System => None,
            Self::Changes(tenant) | Self::Operations(tenant) => Some(tenant),
        }
    }
}

/// The path of its files below the directory of all trees.
impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tenant) = self.tenant() {
            write!(f, "tenants/{}/", tenant.uuid().as_hyphenated())?;
        }
        f.write_str(self.kind())
    }
}

/// What of an entry says where it belongs.
#[derive(Deserialize)]
struct Marks<'a> {
    #[serde(borrow)]
    action: &'a str,
    change: Option<i64>,
    tenant: Option<Uuid>,
}

#[derive(Deserialize)]
struct OfHeads {
    details: HeadsNamed,
}

/// What an entry of heads says of itself.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct HeadsNamed {
    /// Which log it is: made once for a journal.
    pub(super) log: Uuid,
    /// The last entry of the journal that the heads cover.
    pub(super) through: u64,
}

/// Where an entry belongs.
#[derive(Clone, Copy)]
pub(super) enum Belongs {
    /// To this tree.
    To(Tree),
    /// To the system's tree, and it is one of heads.
    Heads(HeadsNamed),
}

/// Where an entry belongs; none if it is no entry.
pub(super) fn of(entry: &[u8]) -> Option<Belongs> {
    let marks: Marks<'_> = serde_json::from_slice(entry).ok()?;
    let tree = match marks.tenant.map(TenantId::from_uuid) {
        Some(tenant) if marks.change.is_some() => Tree::Changes(tenant),
        Some(tenant) => Tree::Operations(tenant),
        None if marks.action == Action::AuditHeads.name() => {
            let named: OfHeads = serde_json::from_slice(entry).ok()?;
            return Some(Belongs::Heads(named.details));
        }
        None => Tree::System,
    };
    Some(Belongs::To(tree))
}
