//! The seals and the root key, kept while the server is unsealed. What changes lies in the vault and
//! not in the registry, so each change has two entries in the log: what somebody is about to do,
//! synced before it is begun, and how it ended, synced before the answer.

use uuid::Uuid;

use crate::audit::{AuditEvent, Outcome, Resource};
use crate::caller::Caller;
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::condition::{ConditionKind, Severity, Subject};
use crate::ops::authenticate::log_by_system;
use crate::ops::condition;
use crate::ops::gate::{Attempt, bounded, detail, resource};
use crate::ops::seal::log_automatic_unseal;
use crate::port::seal::{
    MadeSeal, NewSeal, RootRewrap, RootRotation, SealFault, SealInfo, SealOverview, SealProof,
    SealRenewal, SealStanding,
};

/// Key-encryption keys looked at in one slice.
const SLICE: usize = 500;

/// Shows the seals and how each stood when it was last opened.
pub async fn list(node: &Node, caller: &Caller) -> Result<SealOverview, OpError> {
    let attempt = Attempt::new(node, caller, Action::SealList, None, the_seals());
    attempt
        .read(async {
            node.authorize_system(caller, Action::SealList)?;
            overview(node)
        })
        .await
}

/// Really opens one seal. With the last thing needed a pending seal counts from now on, and in a
/// rotation of the root key the seal has taken part.
pub async fn prove(
    node: &Node,
    caller: &Caller,
    seal: Uuid,
    proof: SealProof,
) -> Result<SealInfo, OpError> {
    let work = node.ports.seal.prove_seal(seal, proof, node.now());
    let change = Change::new(node, caller, Action::SealProve, a_seal(seal), None);
    change
        .make(work, |event, info| {
            detail(event, "kind", info.kind.name());
            detail(event, "progress", info.progress);
            detail(event, "pending", info.pending);
            detail(event, "has_part", info.has_part);
        })
        .await
}

/// Makes another seal.
pub async fn add(
    node: &Node,
    caller: &Caller,
    new: NewSeal,
    reason: Option<String>,
) -> Result<MadeSeal, OpError> {
    let kind = new.kind();
    let named = resource("seal", None, Some(kind.name()));
    let work = node.ports.seal.add_seal(new, node.now());
    let change = Change::new(node, caller, Action::SealAdd, named, reason);
    change.make(work, told_of_made).await
}

/// Removes a seal.
pub async fn remove(
    node: &Node,
    caller: &Caller,
    seal: Uuid,
    reason: Option<String>,
) -> Result<(), OpError> {
    let work = node.ports.seal.remove_seal(seal, node.now());
    let change = Change::new(node, caller, Action::SealRemove, a_seal(seal), reason);
    change.make(work, |_, ()| ()).await?;
    // What was wrong with it is no matter any more.
    let gone = Subject::system(&seal.to_string());
    condition::clear(node, ConditionKind::SEAL_UNAVAILABLE, &gone).await;
    Ok(())
}

/// Wraps the root key anew in one seal.
pub async fn rewrap(
    node: &Node,
    caller: &Caller,
    seal: Uuid,
    renewal: SealRenewal,
    reason: Option<String>,
) -> Result<MadeSeal, OpError> {
    let work = node.ports.seal.renew_seal(seal, renewal, node.now());
    let change = Change::new(node, caller, Action::SealRewrap, a_seal(seal), reason);
    change.make(work, told_of_made).await
}

/// A step in the rotation of the root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootStep {
    /// Makes the next root key, or goes on with it, and has every seal that needs nobody hold it.
    Begin,
    /// Forgets the next root key.
    Cancel,
    /// Puts the next root key in force.
    Commit,
}

/// Takes a step in the rotation of the root key.
pub async fn rotate_root(
    node: &Node,
    caller: &Caller,
    step: RootStep,
    reason: Option<String>,
) -> Result<SealOverview, OpError> {
    let seal = &node.ports.seal;
    let now = node.now();
    let (name, work) = match step {
        RootStep::Begin => ("begin", seal.begin_root_rotation(now)),
        RootStep::Commit => ("commit", seal.commit_root_rotation(now)),
        RootStep::Cancel => {
            let named = resource("root_key", None, Some("cancel"));
            let change = Change::new(node, caller, Action::RootKeyRotate, named, reason);
            let cancelled = seal.cancel_root_rotation();
            change.make(cancelled, |_, ()| ()).await?;
            return overview(node);
        }
    };
    let named = resource("root_key", None, Some(name));
    let change = Change::new(node, caller, Action::RootKeyRotate, named, reason);
    change
        .make(work, |event, after| {
            detail(event, "root_key", after.root_key.to_string());
            detail(event, "version", after.root_key_version);
        })
        .await
}

/// Wraps the next key-encryption keys that are still under the root key before. Answers whether
/// there is more to do. The system's own work.
pub async fn rewrap_slice(node: &Node) -> Result<bool, OpError> {
    if node.ports.seal.is_sealed() {
        if node.ports.seal.is_outdated() && node.ensure_auditable().is_ok() {
            open_again(node).await?;
        }
        return Ok(false);
    }
    // What cannot be logged is not begun.
    match node.ensure_auditable() {
        Err(_) if previous_root(node).is_none() => return Ok(false),
        checked => checked?,
    }
    // A backup copies keys one after the other, and the root keys that they are under.
    let Some(_passage) = node.deletions.pass().await else {
        return Ok(false);
    };
    let Some(done) = node.ports.seal.rewrap_under_root(SLICE, node.now()).await? else {
        return Ok(false);
    };
    if done.changed > 0 {
        log_rewrap(node, done).await?;
    }
    if done.done {
        drop_previous(node).await?;
    }
    // With nothing but refused ones left, going over them again is for later.
    Ok(!done.done && !done.waits && done.failed == 0)
}

/// Opens a node again that sealed itself because another one rotated the root key away from it, as at
/// a start: nothing of before stays in memory, and the log says by which seal it opened.
async fn open_again(node: &Node) -> Result<(), OpError> {
    for provider in node.ports.providers.values() {
        provider.forget_all();
    }
    let tries = node.ports.seal.unseal_automatically().await?;
    log_automatic_unseal(node, &tries).await
}

/// Has the root key before go, which nothing needs any more. There is no way back from that: the log
/// says so before it is done.
async fn drop_previous(node: &Node) -> Result<(), OpError> {
    let caller = Caller::system(node.own_correlation_id()?);
    let named = resource("root_key", previous_root(node), Some("drop"));
    let change = Change::new(node, &caller, Action::RootKeyRewrap, named, None);
    let dropped = node.ports.seal.drop_previous_root();
    let tell = |event: &mut AuditEvent, gone: &bool| detail(event, "gone", *gone);
    change.make(dropped, tell).await.map(drop)
}

/// The root key before, while there is one.
fn previous_root(node: &Node) -> Option<Uuid> {
    match node.ports.seal.overview()?.rotation? {
        RootRotation::Rewrapping { previous, .. } => Some(previous),
        RootRotation::Collecting { .. } => None,
    }
}

async fn log_rewrap(node: &Node, done: RootRewrap) -> Result<(), OpError> {
    let id = node.own_correlation_id()?;
    log_by_system(node, Action::RootKeyRewrap, id, |event| {
        event.resource = resource("root_key", None, None);
        detail(event, "examined", done.examined);
        detail(event, "changed", done.changed);
        detail(event, "failed", done.failed);
    })
    .await
}

/// Really opens every seal that needs nobody, while unsealed. The system's own work, on a schedule.
pub async fn check(node: &Node) -> Result<Option<SealOverview>, OpError> {
    if node.ports.seal.is_sealed() {
        return Ok(None);
    }
    node.ports.seal.check_seals(node.now()).await?;
    let overview = node.ports.seal.overview();
    if let Some(overview) = &overview {
        tell(node, overview).await;
    }
    Ok(overview)
}

/// Raises a condition for every seal that did not open, and clears those of seals that do or are
/// gone.
async fn tell(node: &Node, overview: &SealOverview) {
    let kind = ConditionKind::SEAL_UNAVAILABLE;
    let opens_itself = |seal: &SealInfo| {
        seal.kind.is_automatic() && matches!(seal.standing, SealStanding::Proven { .. })
    };
    let severity = if overview.seals.iter().any(opens_itself) {
        Severity::Warning
    } else {
        Severity::Critical
    };
    for seal in &overview.seals {
        let subject = Subject::system(&seal.id.to_string());
        match &seal.standing {
            SealStanding::Failed { why, .. } => {
                let detail = format!("the {} seal does not open: {why}", seal.kind);
                condition::raise(node, kind.clone(), &subject, severity, &detail).await;
            }
            SealStanding::Proven { .. } => condition::clear(node, kind.clone(), &subject).await,
            SealStanding::Unknown => {}
        }
    }
    for (open, _) in node.memory.conditions.open() {
        let is_there = |seal: &SealInfo| seal.id.to_string() == open.subject;
        if open.kind == kind && !overview.seals.iter().any(is_there) {
            condition::clear(node, kind.clone(), &open.about()).await;
        }
    }
}

fn overview(node: &Node) -> Result<SealOverview, OpError> {
    let none = OpError::NotReady {
        why: "it is not initialised",
    };
    node.ports.seal.overview().ok_or(none)
}

fn the_seals() -> Resource {
    resource("seal", None, None)
}

fn a_seal(seal: Uuid) -> Resource {
    resource("seal", Some(seal), None)
}

fn told_of_made(event: &mut AuditEvent, made: &MadeSeal) {
    event.resource.id = Some(made.seal.id);
    detail(event, "kind", made.seal.kind.name());
    detail(event, "pending", made.seal.pending);
}

/// A change of the seals on its way: its two entries.
struct Change<'a> {
    attempt: Attempt<'a>,
    reason: Option<String>,
}

impl<'a> Change<'a> {
    fn new(
        node: &'a Node,
        caller: &'a Caller,
        action: Action,
        named: Resource,
        reason: Option<String>,
    ) -> Self {
        Self {
            attempt: Attempt::new(node, caller, action, None, named),
            reason,
        }
    }

    async fn make<T>(
        self,
        work: impl Future<Output = Result<T, SealFault>>,
        tell: impl FnOnce(&mut AuditEvent, &T),
    ) -> Result<T, OpError> {
        let node = self.attempt.node;
        node.ensure_auditable()?;
        if let Err(error) = self.allowed() {
            return Err(self.attempt.log_failure(error).await);
        }
        let mut begun = self.attempt.event(Outcome::Ok);
        begun.reason.clone_from(&self.reason);
        detail(&mut begun, "step", "begun");
        node.ports.audit.append(begun).await?;
        match work.await {
            Ok(value) => {
                let mut done = self.attempt.event(Outcome::Ok);
                done.reason = self.reason;
                detail(&mut done, "step", "done");
                tell(&mut done, &value);
                node.ports.audit.append(done).await?;
                Ok(value)
            }
            // It was done all the same: that is what the log must say.
            Err(fault @ SealFault::InForceButUnread { .. }) => {
                let mut done = self.attempt.event(Outcome::Ok);
                done.reason = self.reason;
                detail(&mut done, "step", "done");
                detail(&mut done, "unread", true);
                node.ports.audit.append(done).await?;
                Err(fault.into())
            }
            Err(fault) => Err(self.attempt.log_failure(fault.into()).await),
        }
    }

    fn allowed(&self) -> Result<(), OpError> {
        let Attempt {
            node,
            caller,
            action,
            ..
        } = self.attempt;
        node.authorize_system(caller, action)?;
        bounded("reason", self.reason.as_deref().unwrap_or(""), 1024)?;
        node.ensure_unsealed()
    }
}
