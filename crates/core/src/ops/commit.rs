//! The commit protocol's second half: registry transaction, then journal, then the answer.

use crate::audit::{AuditEvent, Outcome};
use crate::caller::{Caller, Changed, Idempotency};
use crate::change::{Commit, IdempotencyKey, Write};
use crate::error::OpError;
use crate::ids::TenantId;
use crate::node::Node;
use crate::noun::action::Action;
use crate::ops::gate::{Attempt, Authorized, detail};
use crate::port::registry::RegistryError;

impl Attempt<'_> {
    /// Commits rows with this attempt's entry and waits until the journal has it.
    pub(crate) async fn commit(
        &self,
        proof: Authorized,
        writes: Vec<Write>,
        complete: impl FnOnce(&mut AuditEvent),
    ) -> Result<Changed<()>, OpError> {
        self.commit_once(proof, writes, None, complete).await
    }

    /// The same for a creation that remembers its request.
    pub(crate) async fn commit_once(
        &self,
        proof: Authorized,
        writes: Vec<Write>,
        idempotency: Option<(IdempotencyKey, uuid::Uuid)>,
        complete: impl FnOnce(&mut AuditEvent),
    ) -> Result<Changed<()>, OpError> {
        debug_assert!(proof.action() == self.action);
        match self.action {
            // What the server says of itself is written even while it serves nobody.
            Action::AlertRaise | Action::AlertClear => self.node.ensure_loggable()?,
            _ => self.node.ensure_auditable()?,
        }
        let mut event = self.event(Outcome::Ok);
        complete(&mut event);
        let commit = Commit {
            tenant: self.tenant,
            writes,
            event,
            idempotency,
        };
        let seen = self.node.seen_to();
        let change = match self.node.ports.registry.commit(commit).await {
            Ok(change) => change,
            Err(error) => {
                // It may have been done all the same, the answer lost on the way: look at once, so
                // that memory does not go on with what the registry has ended.
                if matches!(error, RegistryError::Unavailable { .. }) {
                    let _ = self.node.catch_up().await;
                }
                return Err(error.into());
            }
        };
        // From here it is done, whatever the journal says.
        let followed = self.node.ensure_followed(change.revision, seen).await;
        let logged = self.node.memory.pump.logged(change.revision).await;
        self.covered(change.revision).await?;
        Ok(Changed {
            value: (),
            revision: change.revision,
            audit_pending: logged.is_err() || followed.is_err(),
        })
    }
}

impl Attempt<'_> {
    /// Answers a creation that an earlier request with the same mark had made already: nothing
    /// changes, and the log says that it was asked for again.
    pub(crate) async fn repeated<T>(&self, value: T) -> Result<Changed<T>, OpError> {
        let mut event = self.event(Outcome::Ok);
        detail(&mut event, "repeated", true);
        self.node.ports.audit.append(event).await?;
        // Made by then, and perhaps not in a backup: why else would it be asked again?
        if self.node.coverage.is_on() {
            self.covered(self.node.ports.registry.revision().await?)
                .await?;
        }
        Ok(Changed {
            value,
            revision: 0,
            audit_pending: false,
        })
    }
}

/// What a repeated creation request finds.
pub(crate) enum Earlier {
    /// It is the first.
    No,
    /// The same request made this.
    Made(uuid::Uuid),
}

impl Node {
    /// Looks whether a creation was asked for before.
    pub(crate) async fn earlier(&self, key: Option<&IdempotencyKey>) -> Result<Earlier, OpError> {
        let Some(key) = key else {
            return Ok(Earlier::No);
        };
        match self.ports.registry.idempotency(key).await? {
            None => Ok(Earlier::No),
            Some(record) if record.digest == key.digest => Ok(Earlier::Made(record.resource)),
            Some(_) => Err(OpError::IdempotencyMismatch),
        }
    }
}

/// The memory of a creation request.
pub(crate) fn idempotency_key(
    caller: &Caller,
    tenant: Option<TenantId>,
    route: &'static str,
    idempotency: Option<&Idempotency>,
) -> Result<Option<IdempotencyKey>, OpError> {
    let (Some(given), Some(principal)) = (idempotency, caller.principal) else {
        return Ok(None);
    };
    if given.key.is_empty() || given.key.len() > 128 || !given.key.is_ascii() {
        return Err(OpError::invalid(
            "Idempotency-Key",
            "must be 1 to 128 ASCII characters",
        ));
    }
    Ok(Some(IdempotencyKey {
        tenant,
        principal,
        route,
        key: given.key.clone(),
        digest: given.digest,
    }))
}
