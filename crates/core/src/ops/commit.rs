//! The commit protocol's second half: registry transaction, then journal, then the answer.

use crate::audit::{AuditEvent, ENTRY_BYTES_MAX, Outcome};
use crate::caller::{Caller, Changed, Idempotency};
use crate::change::{Commit, IdempotencyKey, Write};
use crate::error::OpError;
use crate::ids::TenantId;
use crate::node::Node;
use crate::noun::action::Action;
use crate::ops::gate::{Attempt, Authorized, detail};
use crate::port::audit_log::AuditError;
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
        ensure_fits(&event)?;
        let commit = Commit {
            tenant: self.tenant,
            writes,
            event,
            idempotency,
            fence: self.fence.clone(),
        };
        let seen = self.node.seen_to();
        let change = match self.node.ports.registry.commit(commit).await {
            Ok(change) => change,
            Err(error) => {
                // It may have been done all the same, the answer lost on the way: look at once, so
                // that memory does not go on with what the registry has ended. Nor with what is not
                // the registry any more.
                if matches!(
                    error,
                    RegistryError::Unavailable { .. } | RegistryError::Left
                ) {
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

/// An entry that the journal would not take is refused before anything is done: once its change is
/// committed, none behind it could be logged.
fn ensure_fits(event: &AuditEvent) -> Result<(), OpError> {
    /// What the registry completes: `,"change":` and `,"revision":` with their numbers; and the least that the
    /// journal does: `,"signature":"none"`, which it writes where there is no room for the signature.
    const TO_COME: usize = 2 * 20 + 10 + 12 + 19;
    // As long as the canonical form, which differs in the order of its fields alone.
    let written = serde_json::to_vec(event).map_or(usize::MAX, |bytes| bytes.len());
    let (size, max) = (written.saturating_add(TO_COME), ENTRY_BYTES_MAX);
    if size <= max {
        return Ok(());
    }
    Err(AuditError::EntryTooLarge { size, max }.into())
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::audit::{Actor, Resource};
    use crate::audit::{LeafMark, NodeSignature};
    use crate::names::CorrelationId;
    use crate::time::Timestamp;

    #[test]
    fn a_change_whose_entry_the_journal_would_not_take_is_refused_before_it_is_made() {
        let mut event = AuditEvent {
            time: Timestamp::from_micros(1_795_000_000_123_456),
            node: "node-a".into(),
            tenant: None,
            actor: Actor::system(),
            action: Action::KeyCreate,
            resource: Resource::default(),
            outcome: Outcome::Ok,
            reason: Some(String::new()),
            correlation_id: CorrelationId::new("req-7").unwrap(),
            details: std::collections::BTreeMap::new(),
            used: Vec::new(),
            revision: None,
            change: None,
            signature: None,
            leaf: LeafMark::default(),
        };
        let size_of = |event: &AuditEvent| serde_json::to_vec(event).unwrap().len();
        let small = size_of(&event);
        let with = |event: &mut AuditEvent, length| event.reason = Some("x".repeat(length));
        // The largest that is taken fits with whatever numbers it gets.
        let most = ENTRY_BYTES_MAX - small - 62 - 19;
        with(&mut event, most);
        assert!(ensure_fits(&event).is_ok());
        let mut whole = event.clone();
        (whole.revision, whole.change) = (Some(i64::MIN), Some(i64::MIN));
        whole.signature = Some(NodeSignature::NONE);
        assert_eq!(size_of(&whole), ENTRY_BYTES_MAX);
        with(&mut event, most + 1);
        let refused = ensure_fits(&event).unwrap_err();
        assert!(matches!(
            refused,
            OpError::Audit(AuditError::EntryTooLarge { .. })
        ));
    }
}
