//! Reading the audit log.

use crate::audit::{Journaled, Outcome};
use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::ops::authenticate::log_by_system;
use crate::ops::gate::{Attempt, detail, page_size, resource};
use crate::ops::people::{Revealing, may_see};
use crate::port::audit_log::TailQuery;

mod damage;
mod detail;
mod evidence;
mod export;
mod mirrors;
mod search;
mod selection;
mod signing_key;
mod sinks;
mod transparency;
mod witnesses;
mod witnessing;

pub use damage::{journal_touched, log_checked, segments_sealed};
pub use detail::{DetailNote, detail_notes};
pub use evidence::{EvidencePage, Proven, evidence};
pub use export::{ExportPage, ExportRequest, export};
pub use mirrors::{mirrors, present_mirrors};
pub use search::{SearchWish, counts, search};
pub use selection::Selection;
pub use signing_key::{
    CheckpointKey, FormerKey, OVERLAP_HOURS, OVERLAP_HOURS_MAX, RotatedKey, checkpoint_key_of,
    checkpoint_keys, checkpoint_public, log_hand_over, rotate_key,
};
pub use sinks::{Sinks, present_sinks, sinks};
pub use transparency::{
    LogScope, TreeKind, checkpoint, handovers, log_key, receipt, receipt_at, tile,
};
pub use witnesses::{Witnesses, present_witnesses, witnesses};
pub use witnessing::{add_checkpoint, witness_key, witness_name, witnessed};

fn attempt<'a>(node: &'a Node, caller: &'a Caller, scope: Option<&TenantRef>) -> Attempt<'a> {
    let tenant = scope.and_then(|scope| node.tenant_id(scope));
    let about = resource("audit", None, None);
    Attempt::new(node, caller, Action::AuditRead, tenant, about)
}

/// What the caller may read of what he asks for: everybody's entries, the system's, or a tenant's.
fn query(
    attempt: &Attempt<'_>,
    scope: Option<&TenantRef>,
    after: Option<u64>,
    limit: Option<usize>,
) -> Result<TailQuery, OpError> {
    let (node, caller, action) = (attempt.node, attempt.caller, attempt.action);
    node.ensure_auditable()?;
    let tenant = match scope {
        None => {
            node.authorize_system(caller, action)?;
            None
        }
        Some(scope) => Some(node.authorize_scope(caller, action, scope)?.0),
    };
    Ok(TailQuery {
        tenant,
        after,
        limit: page_size(limit)?,
    })
}

/// Entries of a tenant, of the system, or (with no scope) of all; after a sequence number, or
/// the last ones.
pub async fn tail(
    node: &Node,
    caller: &Caller,
    scope: Option<&TenantRef>,
    after: Option<u64>,
    limit: Option<usize>,
) -> Result<Vec<Journaled>, OpError> {
    let attempt = attempt(node, caller, scope);
    let read: Result<_, OpError> = async {
        let query = query(&attempt, scope, after, limit)?;
        let mut entries = node.ports.audit.tail(query).await?;
        if may_see(&attempt, scope) {
            Revealing::default().entries(node, &mut entries).await;
        }
        Ok(entries)
    }
    .await;
    match read {
        // Following the log must not fill it: a page that shows nothing but readings is no entry,
        // or two followers would write to each other for ever.
        Ok(entries) if after.is_some() && entries.iter().all(is_reading) => Ok(entries),
        Ok(entries) => {
            node.ports.audit.append(attempt.event(Outcome::Ok)).await?;
            Ok(entries)
        }
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

/// Heads are written because something else was, a reading among them.
fn is_reading(entry: &Journaled) -> bool {
    matches!(entry.event.action, Action::AuditRead | Action::AuditHeads)
}

/// How all trees of the transparency log but the system's stand, for the system's to commit to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Which log.
    pub log: uuid::Uuid,
    /// The last entry of the journal that they cover.
    pub through: u64,
    /// How many trees.
    pub trees: u64,
    /// The root over their heads, in base64.
    pub root: String,
}

/// Logs heads. An error means that they may not be in the log.
pub async fn log_heads(node: &Node, heads: &Heads) -> Result<(), OpError> {
    let correlation_id = node.own_correlation_id()?;
    log_by_system(node, Action::AuditHeads, correlation_id, |event| {
        detail(event, "log", heads.log.to_string());
        detail(event, "through", heads.through);
        detail(event, "trees", heads.trees);
        detail(event, "root", heads.root.as_str());
    })
    .await
}

/// Waits until an entry after a sequence number may be there.
pub async fn wait(node: &Node, after: u64) {
    node.ports.audit.changed(after).await;
}
