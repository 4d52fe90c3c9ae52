//! Deleting a secret or a version: the registry marks it, the vault destroys the value and looks
//! whether it is gone, then the row goes. Each step can be repeated.

use super::category::Verb;
use super::{NO_VERSION, attempt, ensure_not_own, find, spec};
use crate::caller::{Caller, Changed, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::names::SecretName;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::secret::{Secret, SecretState, SecretVersion};
use crate::ops::gate::{Attempt, bounded, detail, resource};
use crate::ops::role::ensure_match;

/// Values destroyed in one tick.
const SWEEP_LIMIT: usize = 100;

/// What was deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct Deletion {
    /// The secret as it is now.
    pub secret: Secret,
    /// The versions that went.
    pub versions: Vec<i64>,
    /// Whether their values are gone from the vault already; if not, the server goes on trying, and
    /// nobody can read them meanwhile.
    pub destroyed: bool,
}

/// What is to be deleted.
#[derive(Clone, Debug, Default)]
pub struct DeleteRequest {
    /// This version only.
    pub version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
    /// The row version that the caller has read.
    pub if_match: Option<i64>,
}

/// Deletes a secret with all its versions, or one version of it.
pub async fn delete(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    name: &SecretName,
    request: DeleteRequest,
) -> Result<Changed<Deletion>, OpError> {
    let mut attempt = attempt(node, caller, Verb::Delete, scope, name);
    attempt.resource.version = request.version;
    let deleted: Result<_, OpError> = async {
        node.ensure_auditable()?;
        let (tenant, proof) = node.authorize_scope(caller, attempt.action, scope)?;
        ensure_not_own(node, caller, attempt.action, tenant, name).await?;
        node.ensure_unsealed()?;
        let DeleteRequest {
            version,
            reason,
            if_match,
        } = request;
        bounded("reason", reason.as_deref().unwrap_or(""), 1024)?;
        let mut secret = find(node, tenant, name).await?;
        attempt.resource.id = Some(secret.id.uuid());
        ensure_match(if_match, secret.etag)?;
        let going = going(node, &secret, version).await?;
        secret.updated_at = node.now();
        secret.etag += 1;
        if version.is_none() {
            secret.state = SecretState::Deleted;
            secret.description = String::new();
            secret.labels.clear();
        }
        let mut writes = vec![Write::update(Row::Secret(secret.clone()))];
        writes.extend(
            going
                .iter()
                .map(|version| Write::update(Row::SecretVersion(version.clone()))),
        );
        let versions: Vec<i64> = going.iter().map(|version| version.version).collect();
        let done = attempt
            .commit(proof, writes, |event| {
                event.reason = reason;
                detail(event, "versions", versions.clone());
            })
            .await?;
        // What cannot be done now, the clockwork does.
        let destroyed = destroy(node, caller, going).await.is_ok();
        Ok(done.map(|()| Deletion {
            secret,
            versions,
            destroyed,
        }))
    }
    .await;
    match deleted {
        Ok(done) => Ok(done),
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

/// The versions that go, marked.
pub(in crate::ops) async fn going(
    node: &Node,
    secret: &Secret,
    only: Option<i64>,
) -> Result<Vec<SecretVersion>, OpError> {
    let mut versions = node.ports.registry.secret_versions(secret.id).await?;
    versions.retain(|it| it.destroying_at.is_none() && only.is_none_or(|only| it.version == only));
    if only.is_some() && versions.is_empty() {
        return Err(NO_VERSION);
    }
    let now = node.now();
    for version in &mut versions {
        version.destroying_at = Some(now);
        version.etag += 1;
    }
    Ok(versions)
}

/// Destroys the values of marked versions and forgets the versions.
pub(in crate::ops) async fn destroy(
    node: &Node,
    caller: &Caller,
    versions: Vec<SecretVersion>,
) -> Result<(), OpError> {
    let mut first_failure = None;
    for version in versions {
        let correlation_id = caller.correlation_id().clone();
        match destroy_one(node, &Caller::system(correlation_id), version).await {
            // Somebody else was faster.
            Ok(()) | Err(OpError::Conflict) => {}
            Err(error) => {
                first_failure.get_or_insert(error);
            }
        }
    }
    first_failure.map_or(Ok(()), Err)
}

async fn destroy_one(node: &Node, caller: &Caller, version: SecretVersion) -> Result<(), OpError> {
    let _passage = node.deletions.pass().await.ok_or(OpError::NotReady {
        why: "a backup is under way; what is deleted goes when it is done",
    })?;
    let action = Action::SecretDestroy;
    let mut named = resource("secret", Some(version.secret.uuid()), None);
    named.version = Some(version.version);
    let attempt = Attempt::new(node, caller, action, version.tenant, named);
    let proof = node.authorize_system(caller, action)?;
    node.ports.secrets.destroy(spec(&version)?).await?;
    let writes = vec![Write::delete(Row::SecretVersion(version))];
    attempt.commit(proof, writes, |_| ()).await?;
    Ok(())
}

/// The versions that are too many once the new one is there, marked to be destroyed.
pub(super) async fn outdated(node: &Node, secret: &Secret) -> Result<Vec<SecretVersion>, OpError> {
    let mut versions = node.ports.registry.secret_versions(secret.id).await?;
    versions.retain(|version| version.destroying_at.is_none());
    let kept = usize::try_from(secret.keep - 1).unwrap_or(0);
    versions.truncate(versions.len().saturating_sub(kept));
    let now = node.now();
    for version in &mut versions {
        version.destroying_at = Some(now);
        version.etag += 1;
    }
    Ok(versions)
}

/// Destroys what was marked and is still there: after a crash, or when the vault did not answer.
pub(crate) async fn sweep(node: &Node) -> Result<(), OpError> {
    let due = node
        .ports
        .registry
        .due_secret_versions(node.now(), SWEEP_LIMIT)
        .await?;
    let is_for_later = node.ensure_unsealed().is_err() || node.deletions.pass().await.is_none();
    if due.is_empty() || is_for_later {
        return Ok(());
    }
    let caller = Caller::system(node.own_correlation_id()?);
    destroy(node, &caller, due).await
}
