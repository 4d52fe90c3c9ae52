//! Principals: made, listed, disabled.

use crate::caller::{Caller, Changed, Idempotency, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::PrincipalId;
use crate::names::PrincipalName;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::principal::{Principal, PrincipalKind};
use crate::ops::commit::{Earlier, idempotency_key};
use crate::ops::gate::{Attempt, bounded, page_size, resource, tenant_resource};
use crate::ops::token::PrincipalRef;
use crate::port::registry::Page;

/// What a new principal is to be.
#[derive(Clone, Debug)]
pub struct NewPrincipal {
    /// Its name.
    pub name: PrincipalName,
    /// A person or a service.
    pub kind: PrincipalKind,
}

/// Makes a principal. It may do nothing until it is given a role.
pub async fn create(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    new: NewPrincipal,
    idempotency: Option<&Idempotency>,
) -> Result<Changed<Principal>, OpError> {
    // Never by name: an entry cannot be altered, and the name may be a person's.
    let named = resource("principal", None, None);
    let attempt = Attempt::new(
        node,
        caller,
        Action::PrincipalCreate,
        node.tenant_id(scope),
        named,
    );
    attempt
        .change(async {
            let (tenant, proof) = node.authorize_scope(caller, Action::PrincipalCreate, scope)?;
            let request = idempotency_key(caller, tenant, "principal.create", idempotency)?;
            if let Earlier::Made(id) = node.earlier(request.as_ref()).await? {
                let made = PrincipalRef::Id(PrincipalId::from_uuid(id));
                let value = node.find_principal(tenant, &made).await?;
                return attempt.repeated(value).await;
            }
            let now = node.now();
            let principal = Principal {
                id: PrincipalId::from_random(node.random_id()?),
                tenant,
                name: new.name.clone(),
                kind: new.kind,
                disabled_at: None,
                created_at: now,
                updated_at: now,
                etag: 1,
            };
            let id = principal.id.uuid();
            let writes = vec![Write::insert(Row::Principal(principal.clone()))];
            let done = attempt
                .commit_once(proof, writes, request.map(|key| (key, id)), |event| {
                    event.resource.id = Some(id);
                })
                .await?;
            Ok(done.map(|()| principal))
        })
        .await
}

/// Lists principals.
pub async fn list(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    after: Option<&PrincipalName>,
    limit: Option<usize>,
) -> Result<Page<Principal>, OpError> {
    Attempt::new(
        node,
        caller,
        Action::PrincipalList,
        node.tenant_id(scope),
        tenant_resource(scope),
    )
    .read(async {
        let (tenant, _) = node.authorize_scope(caller, Action::PrincipalList, scope)?;
        Ok(node
            .ports
            .registry
            .principals(tenant, after, page_size(limit)?)
            .await?)
    })
    .await
}

/// Disables a principal: from here its tokens are refused.
pub async fn disable(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    principal: &PrincipalRef,
    reason: Option<String>,
) -> Result<Changed<Principal>, OpError> {
    let id = match principal {
        PrincipalRef::Id(id) => Some(id.uuid()),
        PrincipalRef::Name(_) => None,
    };
    let named = resource("principal", id, None);
    let attempt = Attempt::new(
        node,
        caller,
        Action::PrincipalDisable,
        node.tenant_id(scope),
        named,
    );
    attempt
        .change(async {
            let (tenant, proof) = node.authorize_scope(caller, Action::PrincipalDisable, scope)?;
            bounded("reason", reason.as_deref().unwrap_or(""), 1024)?;
            let mut row = node.find_principal(tenant, principal).await?;
            let now = node.now();
            row.disabled_at.get_or_insert(now);
            row.updated_at = now;
            row.etag += 1;
            let writes = vec![Write::update(Row::Principal(row.clone()))];
            let done = attempt
                .commit(proof, writes, |event| {
                    event.resource.id = Some(row.id.uuid());
                    event.reason = reason;
                })
                .await?;
            Ok(done.map(|()| row))
        })
        .await
}
