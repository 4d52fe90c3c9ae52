//! Entries with the proof of each, page by page: what an auditor takes away.

use super::selection::Selection;
use super::transparency::{log, told};
use crate::audit::Outcome;
use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::node::Node;
use crate::ops::gate::{Attempt, detail};
use crate::port::transparency::{LogReceipt, Tree};

/// The most entries of a page: with their receipts, a few megabytes.
const AT_ONCE: usize = 200;

/// An entry and its receipt.
#[derive(Clone, Debug)]
pub struct Proven {
    /// Its sequence number in the journal.
    pub sequence: u64,
    /// The entry as it was logged, its index, and the receipt.
    pub receipt: LogReceipt,
}

/// A page.
#[derive(Clone, Debug)]
pub struct EvidencePage {
    /// Entries in order. All receipts of a page rest on one checkpoint.
    pub items: Vec<Proven>,
    /// Where the evidence ends.
    pub to: u64,
    /// What to pass as `after` for the next page; none if this was the last.
    pub next_after: Option<u64>,
}

/// A page of the log of a tenant, of the system, or (with no scope) of all, with receipts; it waits until a
/// signed checkpoint holds all of it. Each page is an entry of the log itself.
pub async fn evidence(
    node: &Node,
    caller: &Caller,
    scope: Option<&TenantRef>,
    selection: Selection,
) -> Result<EvidencePage, OpError> {
    let attempt = super::attempt(node, caller, scope);
    match page(&attempt, scope, &selection).await {
        Ok(page) => {
            let mut event = attempt.event(Outcome::Ok);
            detail(&mut event, "format", "evidence");
            selection.tell(&mut event);
            detail(&mut event, "to", page.to);
            detail(&mut event, "entries", page.items.len());
            node.ports.audit.append(event).await?;
            Ok(page)
        }
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

async fn page(
    attempt: &Attempt<'_>,
    scope: Option<&TenantRef>,
    selection: &Selection,
) -> Result<EvidencePage, OpError> {
    let mut sequences = Vec::new();
    let went = selection.page(attempt, scope, AT_ONCE, |entry| {
        sequences.push(entry.sequence);
        Ok(())
    });
    let went = went.await?;
    let tree = scope.and_then(|scope| attempt.node.tenant_id(scope));
    // Whoever may read everything, or the system's own, has been let in above; what was selected is of the
    // scope that was asked for.
    let tree = tree.map_or(Tree::System, Tree::Operations);
    let receipts = if sequences.is_empty() {
        Vec::new()
    } else {
        let asked = log(attempt.node)?.receipts(tree, &sequences).await;
        asked.map_err(told)?
    };
    let items = sequences.into_iter().zip(receipts);
    let items = items.map(|(sequence, receipt)| Proven { sequence, receipt });
    Ok(EvidencePage {
        items: items.collect(),
        to: went.to,
        next_after: went.next_after,
    })
}
