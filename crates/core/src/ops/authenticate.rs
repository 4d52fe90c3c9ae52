//! From a token's text to a caller. Unknown, expired, revoked and malformed look the same.

use std::sync::Arc;

use keyward_crypto::digest::{constant_time_eq, sha256};

use crate::audit::{Actor, Authentication, Outcome};
use crate::caller::{Caller, Origin};
use crate::error::OpError;
use crate::ids::TokenId;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::tenant::Digest;
use crate::ops::gate::{Attempt, resource};
use crate::ops::people::seen_from;
use crate::ops::token::TokenText;
use crate::port::decide::Grant;
use crate::session::Session;

/// Checks a token and says who calls.
pub async fn authenticate(
    node: &Node,
    token: Option<&str>,
    origin: Origin,
) -> Result<Caller, OpError> {
    node.ensure_auditable()?;
    let parsed = token.and_then(TokenText::parse);
    if let Some(text) = &parsed
        && let Some(recognised) = recognised(node, text).await?
    {
        let who = Some((recognised.principal, recognised.home));
        let seen_from = seen_from(node, who, &origin).await;
        // That may have taken a while: what counts is whether the token is good now.
        if let Some(session) = self::recognised(node, text).await? {
            return Ok(Caller {
                principal: Some(session.principal),
                token: Some(text.id),
                home: session.home,
                grants: session.grants.clone(),
                seen_from,
                origin,
                authentication: Authentication::Token,
            });
        }
    }
    // Only a request that brought something is worth an entry: one without is no attempt.
    if token.is_some() {
        let nobody = Caller {
            principal: None,
            token: None,
            home: None,
            grants: Arc::new([]),
            seen_from: seen_from(node, None, &origin).await,
            origin,
            authentication: Authentication::None,
        };
        let resource = resource("token", parsed.map(|text| text.id.uuid()), None);
        let attempt = Attempt::new(node, &nobody, Action::AuthenticationRefused, None, resource);
        return Err(attempt.log_failure(OpError::Unauthenticated).await);
    }
    Err(OpError::Unauthenticated)
}

/// The session of a token that is good now.
async fn recognised(node: &Node, text: &TokenText) -> Result<Option<Arc<Session>>, OpError> {
    let Some(session) = session(node, text.id).await? else {
        return Ok(None);
    };
    let digest = sha256(text.secret());
    let right = constant_time_eq(&digest, &session.digest.0);
    let now = node.now();
    let alive = session.expires_at.is_none_or(|end| now < end);
    Ok((right && alive).then_some(session))
}

/// The caller of something that took long, as he is now: his token may have been revoked or have expired
/// meanwhile, and his roles may be others.
pub(crate) async fn as_he_is_now(node: &Node, caller: &Caller) -> Result<Caller, OpError> {
    if caller.is_system() {
        return Ok(caller.clone());
    }
    let token = caller.token.ok_or(OpError::Unauthenticated)?;
    let session = session(node, token).await?;
    let session = session.ok_or(OpError::Unauthenticated)?;
    let now = node.now();
    if session.expires_at.is_some_and(|end| now >= end) {
        return Err(OpError::Unauthenticated);
    }
    Ok(Caller {
        grants: session.grants.clone(),
        ..caller.clone()
    })
}

async fn session(node: &Node, id: TokenId) -> Result<Option<Arc<Session>>, OpError> {
    let sessions = &node.memory.sessions;
    if let Some(session) = sessions.session(id) {
        return Ok(Some(session));
    }
    let epoch = sessions.epoch();
    let registry = &node.ports.registry;
    let Some(token) = registry
        .token(id)
        .await?
        .filter(|token| token.revoked_at.is_none())
    else {
        return Ok(None);
    };
    let Some(principal) = registry
        .principal(token.principal)
        .await?
        .filter(|principal| principal.disabled_at.is_none())
    else {
        return Ok(None);
    };
    let mut grants = Vec::new();
    for assignment in registry.assignments_of(principal.id).await? {
        if let Some(role) = registry.role(assignment.role).await? {
            grants.push(Grant {
                tenant: assignment.tenant,
                permissions: role.permissions,
                delegable: role.delegable,
                restriction: assignment.restriction,
            });
        }
    }
    let session = Arc::new(Session {
        digest: token.digest,
        principal: principal.id,
        home: principal.tenant,
        expires_at: token.expires_at,
        grants: grants.into(),
    });
    sessions.keep(id, epoch, session.clone());
    Ok(Some(session))
}

/// The digest that the registry keeps of a token's secret.
pub(crate) fn token_digest(secret: &[u8]) -> Digest {
    Digest(sha256(secret))
}

/// An entry by the server itself, for what no caller asked for.
pub(crate) async fn log_by_system(
    node: &Node,
    action: Action,
    correlation_id: crate::names::CorrelationId,
    complete: impl FnOnce(&mut crate::audit::AuditEvent),
) -> Result<(), OpError> {
    let caller = Caller::system(correlation_id);
    let attempt = Attempt::new(
        node,
        &caller,
        action,
        None,
        resource("node", None, Some(&node.settings.name)),
    );
    let mut event = attempt.event(Outcome::Ok);
    event.actor = Actor::system();
    complete(&mut event);
    node.ports.audit.append(event).await?;
    Ok(())
}
