//! How finely the log tells of a tenant's uses of keys: set, by whom and since when
//! (docs/audit-detail.md).

use crate::caller::{Caller, Changed, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::tenant::{AuditDetail, Tenant, TenantState};
use crate::ops::gate::{Attempt, bounded, detail, tenant_resource};

/// Has a tenant's uses of keys logged one by one, or counted. Who has less of them told must say why.
/// Ordered again it changes nothing.
pub async fn set(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    wanted: AuditDetail,
    reason: Option<String>,
) -> Result<Changed<Tenant>, OpError> {
    let action = Action::TenantSetAuditDetail;
    let named = tenant_resource(tenant);
    let mut attempt = Attempt::new(node, caller, action, node.tenant_id(tenant), named);
    attempt.resource.id = attempt.tenant.map(crate::ids::TenantId::uuid);
    attempt
        .change(async {
            let (found, proof) = node.authorize_tenant(caller, action, tenant)?;
            let why = reason.as_deref().unwrap_or("");
            bounded("reason", why, 1024)?;
            if wanted == AuditDetail::Counts && why.trim().is_empty() {
                return Err(OpError::invalid("reason", "must say why"));
            }
            let row = node.ports.registry.tenant(found.id).await?;
            let mut row = row.ok_or(OpError::NotFound { what: "tenant" })?;
            if row.state == TenantState::Shredded {
                return Err(OpError::TenantTransition {
                    state: row.state.name(),
                });
            }
            if row.audit_detail == wanted {
                return attempt.repeated(row).await;
            }
            let now = node.now();
            let before = std::mem::replace(&mut row.audit_detail, wanted);
            row.audit_detail_since = Some(now);
            row.audit_detail_by = caller.principal;
            row.updated_at = now;
            row.etag += 1;
            let writes = vec![Write::update(Row::Tenant(row.clone()))];
            let done = attempt
                .commit(proof, writes, |event| {
                    event.reason = reason;
                    detail(event, "audit_detail", wanted.name());
                    detail(event, "before", before.name());
                })
                .await?;
            Ok(done.map(|()| row))
        })
        .await
}
