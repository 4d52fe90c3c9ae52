//! Bringing back a tenant, a key or a secret from a backup into the deployment that it came from,
//! where an administrator's mistake lost or damaged it. A restore is a change like any other: it goes
//! through the gate, is committed in the tenant's log under the tenant's next numbers, and is seen by
//! other nodes and by the journal. It takes nothing away, and never what holds for ever.
//!
//! What the second held is read from a registry that was filled from the backup; sealed records are
//! put into the vault between [`begin`] and [`Begun::carry_out`] by whoever can open the backup.

mod keys;
mod later;
mod members;
mod merge;
mod report;
mod row;
mod secrets;

use crate::audit::Outcome;
use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::ids::TenantId;
use crate::names::SecretName;
use crate::node::Node;
use crate::noun::tenant::Tenant;
use crate::ops::gate::{Attempt, Authorized, bounded, detail, resource};
use crate::port::registry::{KeyRef, Registry, Reservation};
use crate::time::Timestamp;

use self::merge::{Committing, Merge};

pub use self::later::Later;
pub use self::report::{Needed, Report, Tally};

/// How far the numbers of versions are moved on when nobody knows which were given.
pub const VERSIONS_SKIPPED: i64 = 1_000;
/// Changes read at once.
const PAGE: usize = 1_000;

/// What of a tenant is restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything.
    Tenant,
    /// One key.
    Key(KeyRef),
    /// One secret.
    Secret(SecretName),
}

impl Part {
    /// What the log calls it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Key(_) => "key",
            Self::Secret(_) => "secret",
        }
    }
}

/// What is to be restored, and how.
pub struct Order<'a> {
    /// Whose.
    pub tenant: TenantRef,
    /// What of it.
    pub part: Part,
    /// Under which name it comes back, if its own is taken by now.
    pub new_name: Option<String>,
    /// Whether rows that were changed since are replaced.
    pub replaces_newer: bool,
    /// Whether nothing was changed after the backup: numbers of versions go on without a gap.
    pub nothing_since: bool,
    /// Why.
    pub reason: Option<String>,
    /// The registry of that second.
    pub then: &'a dyn Registry,
    /// Which backup it is from.
    pub backup: uuid::Uuid,
    /// The revision of that second.
    pub revision: i64,
    /// When it was committed.
    pub committed_at: Timestamp,
}

/// Why a part is not restored. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// That second had no such thing.
    #[error("the backup had no such {what} at that second; nothing was changed")]
    NotThereThen {
        /// What.
        what: &'static str,
    },
    /// Shredding holds for ever.
    #[error("the tenant was shredded, and that holds for ever; nothing was changed")]
    Shredded,
    /// Destruction holds for ever.
    #[error("every version of the key was destroyed, and that holds for ever; nothing was changed")]
    Destroyed,
    /// Erasure holds for ever.
    #[error(
        "it told who a person is, the person was erased, and that holds for ever; nothing was changed"
    )]
    Erased,
    /// A part of a tenant that is not there.
    #[error("the tenant itself is not there: restore it as a whole, without --key and --secret")]
    TenantMissing,
    /// A name is taken.
    #[error(
        "another {what} has the name `{name}` by now; nothing was changed: choose another with --as, or \
         delete what has it"
    )]
    NameTaken {
        /// What kind.
        what: &'static str,
        /// Which name.
        name: String,
    },
    /// What is there is not renamed.
    #[error("the {what} is there and keeps its name; nothing was changed: leave --as out")]
    KeepsItsName {
        /// What kind.
        what: &'static str,
    },
    /// What would come back is from before the tenant's texts were sealed.
    #[error(
        "the tenant's texts are sealed now, and what would come back has them readable; nothing more was \
         changed: turn sealing off with `keyward tenant seal-text off`, restore, and turn it on again"
    )]
    TextsReadable,
    /// There is nothing to do without the permission to replace.
    #[error(
        "nothing is lost: {kept} row(s) were changed since that second, and nothing was changed now; add \
         --replace-newer to take that back, and see with --plan what it is"
    )]
    OnlyNewer {
        /// How many rows.
        kept: u64,
    },
}

impl Refusal {
    fn taken(what: &'static str, name: &str) -> OpError {
        let name = name.to_owned();
        Self::NameTaken { what, name }.into()
    }
}

/// What a restore would do: nothing is changed and nobody asked for permission.
pub struct Plan {
    /// Whose.
    pub tenant: TenantId,
    /// In numbers and words.
    pub report: Report,
    /// Records that the vault must have.
    pub needed: Vec<Needed>,
}

/// Says what a restore into `now` would do.
pub async fn plan(
    now: &dyn Registry,
    order: &Order<'_>,
    later: &mut Later,
    at: Timestamp,
) -> Result<Plan, OpError> {
    let tenant = tenant_then(order).await?;
    learn(now, order, later).await?;
    let id = tenant.id;
    let mut merge = Merge::new(order, later, now, id, at);
    merge.run(tenant).await?;
    Ok(Plan {
        tenant: id,
        report: merge.report,
        needed: merge.needed,
    })
}

/// The tenant as that second had it.
pub async fn tenant_then(order: &Order<'_>) -> Result<Tenant, OpError> {
    let found = match &order.tenant {
        TenantRef::Id(id) => order.then.tenant(*id).await?,
        TenantRef::Name(name) => order.then.tenant_by_name(name).await?,
        TenantRef::System => None,
    };
    Ok(found.ok_or(Refusal::NotThereThen { what: "tenant" })?)
}

/// What the deployment's own outbox knows beyond that second.
async fn learn(now: &dyn Registry, order: &Order<'_>, later: &mut Later) -> Result<(), OpError> {
    let mut after = order.revision;
    loop {
        let changes = now.changes_after(after, PAGE).await?;
        let Some(last) = changes.last() else {
            return Ok(());
        };
        after = last.revision;
        for change in &changes {
            later.take(change);
        }
    }
}

/// A restore that was allowed, and is in the system's log. The records that it needs come next.
pub struct Begun<'a> {
    node: &'a Node,
    caller: &'a Caller,
    proof: Authorized,
    later: Later,
    tenant: Tenant,
    /// What it will do.
    pub plan: Plan,
}

/// May the caller, and what will be done? Logged in the system's log before anything is written.
pub async fn begin<'a>(
    node: &'a Node,
    caller: &'a Caller,
    order: &Order<'_>,
    mut later: Later,
) -> Result<Begun<'a>, OpError> {
    let attempt = system_attempt(node, caller, order);
    let done: Result<_, OpError> = async {
        node.ensure_auditable()?;
        let proof = node.authorize_system(caller, Merge::ACTION)?;
        bounded("reason", order.reason.as_deref().unwrap_or(""), 1024)?;
        let plan = plan(&**node.texts.stored(), order, &mut later, node.now()).await?;
        // What an interrupted try brought back is not done before its uses are counted as spent.
        let is_taken_up = !later.returned.is_empty();
        let kept = plan.report.kept();
        // Where replacing was asked for, what is kept is kept whatever is asked: it is reported.
        if plan.report.written() == 0 && kept > 0 && !is_taken_up && !order.replaces_newer {
            return Err(Refusal::OnlyNewer { kept }.into());
        }
        let mut event = attempt.event(Outcome::Ok);
        event.reason.clone_from(&order.reason);
        detail(&mut event, "step", "begun");
        tell(&mut event, order, plan.tenant);
        node.ports.audit.append(event).await?;
        Ok((proof, plan))
    }
    .await;
    match done {
        Ok((proof, plan)) => Ok(Begun {
            node,
            caller,
            proof,
            later,
            tenant: tenant_then(order).await?,
            plan,
        }),
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

impl Begun<'_> {
    /// Commits the rows, in the tenant's log; the end is in the system's. Done again it finds nothing
    /// left to do.
    pub async fn carry_out(mut self, order: &Order<'_>) -> Result<Report, OpError> {
        let (node, caller) = (self.node, self.caller);
        let system = system_attempt(node, caller, order);
        match self.write(order).await {
            Ok(report) => {
                let mut event = system.event(Outcome::Ok);
                event.reason.clone_from(&order.reason);
                detail(&mut event, "step", "done");
                tell(&mut event, order, self.tenant.id);
                detail(&mut event, "rows", report.written());
                detail(&mut event, "kept", report.kept());
                detail(&mut event, "changes", report.changes);
                node.ports.audit.append(event).await?;
                Ok(report)
            }
            Err(error) => Err(system.log_failure(error).await),
        }
    }

    async fn write(&mut self, order: &Order<'_>) -> Result<Report, OpError> {
        let (node, id) = (self.node, self.tenant.id);
        let registry = &**node.texts.stored();
        // What no row names may be wanted still: nobody sweeps it up until somebody looked.
        super::storage::sweep::hold(node, HELD_WHY).await;
        let named = resource("backup", Some(order.backup), None);
        let attempt = Attempt::new(node, self.caller, Merge::ACTION, Some(id), named);
        let mut merge = Merge::new(order, &self.later, registry, id, node.now());
        merge.entropy = node.entropy();
        merge.committing = Some(Committing {
            attempt: &attempt,
            proof: self.proof,
            reason: order.reason.as_deref(),
        });
        merge.run(self.tenant.clone()).await?;
        let mut report = std::mem::take(&mut merge.report);
        drop(merge);
        report.limits_spent = self.spend(order).await?;
        Ok(report)
    }

    /// Uses of the limited versions that came back count as spent, those of an interrupted try too, and
    /// whatever is said of the time since: how often they were used is not among what comes back.
    async fn spend(&mut self, order: &Order<'_>) -> Result<u64, OpError> {
        let registry = &*self.node.ports.registry;
        learn(registry, order, &mut self.later).await?;
        for (version, limit) in &self.later.returned {
            let all = Reservation {
                uses: limit.uses,
                bytes: limit.bytes,
            };
            registry.reserve_uses(*version, *limit, all).await?;
        }
        Ok(self.later.returned.len() as u64)
    }
}

/// Why nothing is swept up after a restore.
pub const HELD_WHY: &str = "a backup was restored: records that no row names may still be wanted, by rows \
                            that are restored later; look, and confirm";

fn system_attempt<'a>(node: &'a Node, caller: &'a Caller, order: &Order<'_>) -> Attempt<'a> {
    let named = resource("backup", Some(order.backup), None);
    Attempt::new(node, caller, Merge::ACTION, None, named)
}

fn tell(event: &mut crate::audit::AuditEvent, order: &Order<'_>, tenant: TenantId) {
    detail(event, "of_tenant", tenant.to_string());
    detail(event, "part", order.part.name());
    detail(event, "restored_revision", order.revision);
    detail(event, "restored_at", order.committed_at.to_string());
    detail(event, "replaces_newer", order.replaces_newer);
}
