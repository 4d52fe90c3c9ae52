//! The seal: its status, what opens it, and sealing again.

use keyward_crypto::SecretBytes;

use crate::audit::{Authentication, Outcome};
use crate::caller::{Caller, Origin};
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::condition::{ConditionKind, Severity, Subject};
use crate::ops::authenticate::log_by_system;
use crate::ops::condition;
use crate::ops::gate::{Attempt, detail, resource};
use crate::ops::people::{moved_in_time, seen_from};
use crate::port::seal::{SealStatus, UnsealError, UnsealTry};

/// How the seal stands. Anyone may ask: it tells nothing of what is held.
pub fn status(node: &Node) -> SealStatus {
    node.ports.seal.status()
}

/// Has the key made and laid to which addresses are sealed that come while the server is, if it is unsealed now;
/// and takes what waits to the vault. The clockwork does it too: here it is done before anybody is served, so that
/// what a deployment holds does not depend on who was quicker.
pub async fn keep_addresses(node: &Node) -> Result<(), OpError> {
    moved_in_time(node).await
}

/// Takes one holder's share. It needs no token: a share is its own authority, and a sealed
/// deployment must be openable when every token has expired.
pub async fn submit_share(
    node: &Node,
    origin: Origin,
    share: &str,
) -> Result<SealStatus, UnsealError> {
    let taken = node.ports.seal.submit_share(share).await;
    logged(node, origin, "share", taken).await
}

/// Takes a passphrase, which is its own authority as a share is.
pub async fn submit_passphrase(
    node: &Node,
    origin: Origin,
    passphrase: SecretBytes,
) -> Result<SealStatus, UnsealError> {
    let taken = node.ports.seal.submit_passphrase(passphrase).await;
    logged(node, origin, "passphrase", taken).await
}

/// Writes down by which seal a node opened itself, and raises a condition for each that
/// failed before. Without a journal the root key must not stay in memory unseen.
pub async fn log_automatic_unseal(node: &Node, tries: &[UnsealTry]) -> Result<(), OpError> {
    let severity = if tries.iter().any(|tried| tried.failure.is_none()) {
        Severity::Warning
    } else {
        Severity::Critical
    };
    for tried in tries {
        if let Some(why) = &tried.failure {
            let subject = Subject::system(&tried.seal.to_string());
            let detail = format!("the {} seal does not open: {why}", tried.kind);
            let kind = ConditionKind::SEAL_UNAVAILABLE;
            condition::raise(node, kind, &subject, severity, &detail).await;
        }
    }
    let Some(opened) = tries.iter().find(|tried| tried.failure.is_none()) else {
        return Ok(());
    };
    let failed = tries.iter().filter(|tried| tried.failure.is_some());
    let failed: Vec<String> = failed.map(|tried| tried.seal.to_string()).collect();
    let (action, id) = (Action::SystemUnseal, node.own_correlation_id()?);
    let written = log_by_system(node, action, id, |event| {
        event.resource = resource("seal", Some(opened.seal), Some(opened.kind.name()));
        detail(event, "by", opened.kind.name());
        detail(event, "failed", failed);
    });
    written.await.inspect_err(|_| node.drop_secrets())
}

async fn logged(
    node: &Node,
    origin: Origin,
    by: &'static str,
    taken: Result<SealStatus, UnsealError>,
) -> Result<SealStatus, UnsealError> {
    let holder = Caller {
        authentication: Authentication::None,
        seen_from: seen_from(node, None, &origin).await,
        origin: origin.clone(),
        ..Caller::system(origin.correlation_id)
    };
    let attempt = Attempt::new(
        node,
        &holder,
        Action::SystemUnseal,
        None,
        resource("seal", None, None),
    );
    let mut event = attempt.event(if taken.is_ok() {
        Outcome::Ok
    } else {
        Outcome::Refused
    });
    match &taken {
        Ok(status) => {
            detail(&mut event, "by", by);
            detail(&mut event, "progress", status.progress);
            detail(&mut event, "sealed", status.sealed);
        }
        Err(error) => event.reason = Some(code_of(error).to_owned()),
    }
    // Without a journal the root key must not stay in memory unseen.
    if let Err(fault) = node.ports.audit.append(event).await {
        node.drop_secrets();
        return Err(UnsealError::Audit(fault));
    }
    taken
}

/// A stable word for the log.
const fn code_of(error: &UnsealError) -> &'static str {
    match error {
        UnsealError::Malformed => "malformed_share",
        UnsealError::WrongSet => "share_of_another_set",
        UnsealError::Forged { .. } => "forged_share",
        UnsealError::Duplicate { .. } => "duplicate_share",
        UnsealError::WrongPassphrase => "wrong_passphrase",
        UnsealError::NoShares => "no_shares",
        UnsealError::NoPassphrase => "no_passphrase",
        UnsealError::NotInitialized => "not_initialized",
        UnsealError::Storage(_) => "storage",
        UnsealError::Audit(_) => "audit_unavailable",
    }
}

/// Drops the root key from memory.
pub async fn seal(node: &Node, caller: &Caller) -> Result<(), OpError> {
    let attempt = Attempt::new(
        node,
        caller,
        Action::SystemSeal,
        None,
        resource("seal", None, None),
    );
    attempt
        .read(async {
            node.authorize_system(caller, Action::SystemSeal)?;
            node.drop_secrets();
            Ok(())
        })
        .await
}
