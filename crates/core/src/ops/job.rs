//! Background jobs, to be looked at.

use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::job::Job;
use crate::ops::gate::{Attempt, page_size, tenant_resource};

/// Lists jobs, newest first.
pub async fn list(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    limit: Option<usize>,
) -> Result<Vec<Job>, OpError> {
    Attempt::new(
        node,
        caller,
        Action::JobList,
        node.tenant_id(scope),
        tenant_resource(scope),
    )
    .read(async {
        let (tenant, _) = node.authorize_scope(caller, Action::JobList, scope)?;
        Ok(node.ports.registry.jobs(tenant, page_size(limit)?).await?)
    })
    .await
}
