//! The seal: its status, a holder's share, and sealing again.

use crate::audit::{Authentication, Outcome};
use crate::caller::{Caller, Origin};
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::ops::gate::{Attempt, detail, resource};
use crate::port::seal::{SealStatus, UnsealError};

/// How the seal stands. Anyone may ask: it tells nothing of what is held.
pub fn status(node: &Node) -> SealStatus {
    node.ports.seal.status()
}

/// Takes one holder's share. It needs no token: a share is its own authority, and a sealed
/// deployment must be openable when every token has expired.
pub async fn submit_share(
    node: &Node,
    origin: Origin,
    share: &str,
) -> Result<SealStatus, UnsealError> {
    let holder = Caller {
        authentication: Authentication::None,
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
    let taken = node.ports.seal.submit_share(share).await;
    let mut event = attempt.event(if taken.is_ok() {
        Outcome::Ok
    } else {
        Outcome::Refused
    });
    match &taken {
        Ok(status) => {
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
        UnsealError::NoShares => "no_shares",
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
