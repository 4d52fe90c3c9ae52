//! Of which tenants the log does not tell each operation, or did not always: to be shown with whatever is
//! given out of it.

use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::ids::{PrincipalId, TenantId};
use crate::node::Node;
use crate::noun::tenant::AuditDetail;
use crate::time::Timestamp;

/// So many tenants are named where the whole log is read.
const NAMED_MAX: usize = 100;

/// How finely the log tells of a tenant's uses of keys, where that was ever changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailNote {
    /// Whose.
    pub tenant: TenantId,
    /// How.
    pub detail: AuditDetail,
    /// Since when.
    pub since: Timestamp,
    /// Who said so.
    pub by: Option<PrincipalId>,
}

/// What is to be said of the detail of what the caller may read: of a tenant, or of up to 100 where the whole
/// log is read. No entry: it goes with an answer that is one.
pub fn detail_notes(
    node: &Node,
    caller: &Caller,
    scope: Option<&TenantRef>,
) -> Result<Vec<DetailNote>, OpError> {
    let attempt = super::attempt(node, caller, scope);
    let of = super::query(&attempt, scope, None, None)?.tenant;
    let hot = &node.memory.hot;
    let mut told = match of {
        Some(of) => of.and_then(|id| hot.tenant(id)).into_iter().collect(),
        None => hot.tenants_where(|tenant| tenant.audit_detail_since.is_some()),
    };
    told.truncate(NAMED_MAX);
    let notes = told.iter().filter_map(|tenant| {
        Some(DetailNote {
            tenant: tenant.id,
            detail: tenant.audit_detail,
            since: tenant.audit_detail_since?,
            by: tenant.audit_detail_by,
        })
    });
    Ok(notes.collect())
}
