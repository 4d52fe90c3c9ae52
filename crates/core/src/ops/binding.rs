//! Data bindings: which data a key protects.

use crate::caller::{Caller, Changed, Idempotency, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::BindingId;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::binding::DataBinding;
use crate::ops::commit::{Earlier, idempotency_key};
use crate::ops::gate::{Attempt, bounded, detail, ensure_active, key_resource, page_size};
use crate::port::registry::{KeyRef, Page};

/// What a new binding says.
#[derive(Clone, Debug)]
pub struct NewBinding {
    /// Where the data is.
    pub uri: String,
    /// What people call it.
    pub label: String,
    /// Who answers for it.
    pub owner: String,
}

/// Records that a key protects some data.
pub async fn create(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    new: NewBinding,
    idempotency: Option<&Idempotency>,
) -> Result<Changed<DataBinding>, OpError> {
    let attempt = Attempt::new(
        node,
        caller,
        Action::BindingCreate,
        node.tenant_id(tenant),
        key_resource(key),
    );
    attempt
        .change(async {
            let (found, hot, proof) = node
                .authorize_key(caller, Action::BindingCreate, tenant, key)
                .await?;
            ensure_active(&found)?;
            if new.uri.is_empty() {
                return Err(OpError::invalid("uri", "must not be empty"));
            }
            bounded("uri", &new.uri, 1024)?;
            bounded("label", &new.label, 256)?;
            bounded("owner", &new.owner, 256)?;
            let request = idempotency_key(caller, Some(found.id), "binding.create", idempotency)?;
            if let Earlier::Made(id) = node.earlier(request.as_ref()).await? {
                let made = node
                    .ports
                    .registry
                    .binding(found.id, BindingId::from_uuid(id))
                    .await?;
                let value = made.ok_or(OpError::NotFound {
                    what: "data binding",
                })?;
                return attempt.repeated(value).await;
            }
            let binding = DataBinding {
                id: BindingId::from_random(node.random_id()?),
                tenant: found.id,
                key: hot.id,
                uri: new.uri.clone(),
                label: new.label.clone(),
                owner: new.owner.clone(),
                created_at: node.now(),
                released_at: None,
                etag: 1,
            };
            let id = binding.id.uuid();
            let writes = vec![Write::insert(Row::DataBinding(binding.clone()))];
            let done = attempt
                .commit_once(proof, writes, request.map(|key| (key, id)), |event| {
                    event.resource.id = Some(hot.id.uuid());
                    detail(event, "binding", id.to_string());
                })
                .await?;
            Ok(done.map(|()| binding))
        })
        .await
}

/// Lists the data that a key protects or protected.
pub async fn list(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    after: Option<BindingId>,
    limit: Option<usize>,
) -> Result<Page<DataBinding>, OpError> {
    Attempt::new(
        node,
        caller,
        Action::BindingList,
        node.tenant_id(tenant),
        key_resource(key),
    )
    .read(async {
        let (found, hot, _) = node
            .authorize_key(caller, Action::BindingList, tenant, key)
            .await?;
        let limit = page_size(limit)?;
        Ok(node
            .ports
            .registry
            .bindings(found.id, hot.id, after, limit)
            .await?)
    })
    .await
}

/// Records that a key protects some data no more.
pub async fn release(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    id: BindingId,
    reason: Option<String>,
) -> Result<Changed<DataBinding>, OpError> {
    let attempt = Attempt::new(
        node,
        caller,
        Action::BindingRelease,
        node.tenant_id(tenant),
        key_resource(key),
    );
    attempt
        .change(async {
            let (found, hot, proof) = node
                .authorize_key(caller, Action::BindingRelease, tenant, key)
                .await?;
            bounded("reason", reason.as_deref().unwrap_or(""), 1024)?;
            let mut binding = node
                .ports
                .registry
                .binding(found.id, id)
                .await?
                .filter(|binding| binding.key == hot.id)
                .ok_or(OpError::NotFound {
                    what: "data binding",
                })?;
            let now = node.now();
            binding.released_at.get_or_insert(now);
            binding.etag += 1;
            let writes = vec![Write::update(Row::DataBinding(binding.clone()))];
            let done = attempt
                .commit(proof, writes, |event| {
                    event.resource.id = Some(hot.id.uuid());
                    event.reason = reason;
                    detail(event, "binding", id.to_string());
                })
                .await?;
            Ok(done.map(|()| binding))
        })
        .await
}
