//! The key-encryption key of what belongs to no tenant: made when the first such secret is put.

use crate::caller::Caller;
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::TenantId;
use crate::node::Node;
use crate::noun::action::Action;
use crate::ops::gate::{Attempt, resource};

/// Makes the key unless it is there. Of several who make one at once, one makes it count; the others'
/// stay behind, unused.
pub(super) async fn ensure(node: &Node) -> Result<(), OpError> {
    let registry = &node.ports.registry;
    if !registry.tenant_keks(TenantId::SYSTEM).await?.is_empty() {
        return Ok(());
    }
    let hierarchy = &node.ports.hierarchy;
    let kek = hierarchy
        .create_tenant_kek(TenantId::SYSTEM, node.now())
        .await?;
    let caller = Caller::system(node.own_correlation_id()?);
    let action = Action::SystemKeyCreate;
    let named = resource("deployment", Some(node.settings.deployment), None);
    let attempt = Attempt::new(node, &caller, action, None, named);
    let proof = node.authorize_system(&caller, action)?;
    let writes = vec![Write::insert(Row::TenantKek(kek))];
    match attempt.commit(proof, writes, |_| ()).await {
        Ok(_) | Err(OpError::AlreadyExists { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
