//! `/v1/tenants/{tenant}/audit-detail`: how finely the audit log tells of uses of a tenant's keys.

use keyward_api::audit::AuditDetailNote;
use keyward_api::page::Changed;
use keyward_api::tenant::{SetAuditDetail, Tenant};
use keyward_core::caller::TenantRef;
use keyward_core::ops;
use utoipa::openapi::HttpMethod::Post;

use super::Route;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::Input;
use crate::problem::Failure;
use crate::reference::parse;
use crate::view::access as view;
use crate::view::rest::detail_note;

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/audit-detail",
            "set_audit_detail",
            "tenants",
            "Has uses of a tenant's keys logged one by one, or counted",
        )
        .takes::<SetAuditDetail>()
        .changes()
        .answers_tagged::<Changed<Tenant>>("The tenant. It holds from this answer on.")
        .to(set),
    ]
}

async fn set(call: Call, input: Input<SetAuditDetail>) -> Answer {
    let SetAuditDetail {
        audit_detail,
        reason,
    } = input.value;
    let wanted = parse("audit_detail", audit_detail.as_str())?;
    let (node, caller) = (call.node(), call.caller());
    let done = ops::audit_detail::set(node, caller, &call.tenant()?, wanted, reason).await?;
    let etag = done.value.etag;
    answer::tagged(&answer::changed(done, view::tenant), etag)
}

/// What is to be said with everything that is given out of the log.
pub(super) fn notes(
    call: &Call,
    scope: Option<&TenantRef>,
) -> Result<Vec<AuditDetailNote>, Failure> {
    let notes = ops::log::detail_notes(call.node(), call.caller(), scope)?;
    Ok(notes.into_iter().map(detail_note).collect())
}
