//! The current key of a class of data.

use crate::caller::{Caller, Changed, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::names::DataClass;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::class_pointer::ClassPointer;
use crate::noun::state::State;
use crate::ops::gate::{Attempt, bounded, detail, ensure_active, resource, tenant_resource};
use crate::ops::role::ensure_match;
use crate::port::registry::{KeyRef, KeyWithVersions};
use crate::time::Timestamp;

fn class_resource(class: &DataClass) -> crate::audit::Resource {
    resource("class", None, Some(class.as_str()))
}

/// Shows the pointer of a class and the key it names.
pub async fn read(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    class: &DataClass,
) -> Result<(ClassPointer, KeyWithVersions), OpError> {
    Attempt::new(
        node,
        caller,
        Action::ClassRead,
        node.tenant_id(tenant),
        class_resource(class),
    )
    .read(async {
        let (found, _) = node.authorize_tenant(caller, Action::ClassRead, tenant)?;
        let pointer = node
            .ports
            .registry
            .class_pointer(found.id, class)
            .await?
            .ok_or(OpError::NotFound {
                what: "current key for this class",
            })?;
        let key = KeyRef::Id(pointer.key);
        let (_, hot, _) = node
            .authorize_key(caller, Action::KeyRead, tenant, &key)
            .await?;
        Ok((pointer, node.fetch_key(&hot).await?))
    })
    .await
}

/// Lists the classes that have a current key.
pub async fn list(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
) -> Result<Vec<ClassPointer>, OpError> {
    Attempt::new(
        node,
        caller,
        Action::ClassRead,
        node.tenant_id(tenant),
        tenant_resource(tenant),
    )
    .read(async {
        let (found, _) = node.authorize_tenant(caller, Action::ClassRead, tenant)?;
        Ok(node.ports.registry.class_pointers(found.id).await?)
    })
    .await
}

/// Names the current key of a class. The key must be of that class, and its primary version must
/// be able to protect now.
pub async fn assign(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    class: &DataClass,
    key: &KeyRef,
    reason: Option<String>,
    if_match: Option<i64>,
) -> Result<Changed<ClassPointer>, OpError> {
    let attempt = Attempt::new(
        node,
        caller,
        Action::ClassAssign,
        node.tenant_id(tenant),
        class_resource(class),
    );
    attempt
        .change(async {
            let (found, proof) = node.authorize_tenant(caller, Action::ClassAssign, tenant)?;
            ensure_active(&found)?;
            bounded("reason", reason.as_deref().unwrap_or(""), 1024)?;
            let hot = node
                .memory
                .hot
                .key(found.id, key)
                .ok_or(OpError::NotFound { what: "key" })?;
            let current = node.fetch_key(&hot).await?;
            if current.key.data_class.as_ref() != Some(class) {
                return Err(OpError::invalid("key", "is not of this data class"));
            }
            ensure_protects(&current, node.now())?;
            let pointer = node.ports.registry.class_pointer(found.id, class).await?;
            let etag = pointer.as_ref().map_or(0, |pointer| pointer.etag);
            if pointer.is_some() || if_match.is_some() {
                ensure_match(if_match, etag)?;
            }
            let previous = pointer.as_ref().map(|pointer| pointer.key);
            point(
                &attempt,
                proof,
                found.id,
                class,
                (hot.id, previous),
                pointer,
                reason,
            )
            .await
        })
        .await
}

/// Refuses a key that could not protect what the class is for.
fn ensure_protects(current: &KeyWithVersions, now: Timestamp) -> Result<(), OpError> {
    let number = current.key.primary_version;
    let primary = current
        .versions
        .iter()
        .find(|version| version.version == number);
    match primary.map(|primary| primary.state_at(now)) {
        Some(State::Active) => Ok(()),
        Some(state) => Err(OpError::StateForbids {
            version: number,
            state,
            what: "be current for a class",
            hint: "name a key whose primary version is active",
        }),
        None => Err(OpError::NotFound {
            what: "key version",
        }),
    }
}

/// Returns a class to the key it had before.
pub async fn revert(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    class: &DataClass,
    reason: Option<String>,
) -> Result<Changed<ClassPointer>, OpError> {
    let attempt = Attempt::new(
        node,
        caller,
        Action::ClassRevert,
        node.tenant_id(tenant),
        class_resource(class),
    );
    attempt
        .change(async {
            let (found, proof) = node.authorize_tenant(caller, Action::ClassRevert, tenant)?;
            ensure_active(&found)?;
            bounded("reason", reason.as_deref().unwrap_or(""), 1024)?;
            let pointer = node
                .ports
                .registry
                .class_pointer(found.id, class)
                .await?
                .ok_or(OpError::NotFound {
                    what: "current key for this class",
                })?;
            let Some(previous) = pointer.previous_key else {
                return Err(OpError::RollbackUnavailable {
                    why: "the class had no key before",
                });
            };
            let keys = (previous, Some(pointer.key));
            point(
                &attempt,
                proof,
                found.id,
                class,
                keys,
                Some(pointer),
                reason,
            )
            .await
        })
        .await
}

async fn point(
    attempt: &Attempt<'_>,
    proof: super::gate::Authorized,
    tenant: crate::ids::TenantId,
    class: &DataClass,
    (key, previous_key): (crate::ids::KeyId, Option<crate::ids::KeyId>),
    before: Option<ClassPointer>,
    reason: Option<String>,
) -> Result<Changed<ClassPointer>, OpError> {
    let pointer = ClassPointer {
        tenant,
        class: class.clone(),
        key,
        previous_key,
        updated_at: attempt.node.now(),
        etag: before.as_ref().map_or(0, |before| before.etag) + 1,
    };
    let row = Row::ClassPointer(pointer.clone());
    let write = if before.is_some() {
        Write::update(row)
    } else {
        Write::insert(row)
    };
    let done = attempt
        .commit(proof, vec![write], |event| {
            event.reason = reason;
            detail(event, "key", key.to_string());
            if let Some(previous) = previous_key {
                detail(event, "previous_key", previous.to_string());
            }
        })
        .await?;
    Ok(done.map(|()| pointer))
}
