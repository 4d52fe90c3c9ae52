//! From an unsealed or sealed vault and an open registry to a node that serves, and back.

use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::condition::Condition;
use crate::ops::authenticate::log_by_system;
use crate::ops::clockwork;
use crate::ops::gate::detail;
use crate::ops::tally;

/// Rows read from the registry at a time.
const PAGE: usize = 2_000;

/// The name under which the registry keeps how far this node's journal holds the change feed.
pub fn changes_watermark_name(node: &str) -> String {
    format!("{node}/changes")
}

/// The name under which the registry keeps from where on this node's journal may have counts that were begun
/// and not written.
pub fn counts_watermark_name(node: &str) -> String {
    format!("{node}/counts")
}

/// Takes committed but unlogged changes into the journal, loads one packed record per key, and
/// lets the node serve. The node's pump must be running.
pub async fn load(node: &Node) -> Result<(), OpError> {
    let registry = &node.ports.registry;
    registry.advance_clock(node.now()).await?;
    let logged = node.ports.usage.highest_logged();
    let present = registry.revision().await?;
    // Revisions above it are given again: what the log has of them is of another history.
    node.ports.usage.go_back_to(present);
    log_what_was_left(node).await?;
    node.ports.usage.all_logged_to(present);
    node.memory.begin_at(registry.revision().await?);
    load_tenants(node).await?;
    let mut after = None;
    loop {
        let page = registry.all_keys(after, PAGE).await?;
        for key in &page.rows {
            node.memory.hot.load_key(key);
        }
        after = page.rows.last().map(|last| last.key.id);
        if !page.more {
            break;
        }
    }
    for pointer in registry.all_class_pointers().await? {
        node.memory.hot.load_class(&pointer);
    }
    for row in open_conditions(node).await? {
        node.memory.conditions.load(row);
    }
    let lost = tally::tell_what_was_lost(node).await?;
    let keys = node.key_count();
    log_by_system(
        node,
        Action::SystemStart,
        node.own_correlation_id()?,
        |event| {
            detail(event, "keys", keys);
            if lost > 0 {
                detail(event, "counts_lost", lost);
            }
        },
    )
    .await?;
    node.set_loaded();
    if logged > present {
        super::storage::sweep::hold_for_history(node, logged, present);
        // What cannot be written now is written by the clock.
        let _ = super::condition::settle(node).await;
    }
    Ok(())
}

/// Those that are open, so that what is still so is not raised anew, and what is over is cleared.
pub(crate) async fn open_conditions(node: &Node) -> Result<Vec<Condition>, OpError> {
    let (mut open, mut after) = (Vec::new(), None);
    loop {
        let page = node.ports.registry.open_conditions(after, PAGE).await?;
        after = page.rows.last().map(|last| last.id);
        open.extend(page.rows);
        if !page.more {
            return Ok(open);
        }
    }
}

async fn load_tenants(node: &Node) -> Result<(), OpError> {
    let mut after = None;
    loop {
        let page = node.ports.registry.tenants(after.as_ref(), PAGE).await?;
        for tenant in &page.rows {
            node.memory.hot.load_tenant(tenant);
        }
        after = page.rows.last().map(|last| last.name.clone());
        if !page.more {
            return Ok(());
        }
    }
}

/// A crash between a commit and its journal entry leaves the outbox ahead of the journal: the
/// missing entries are appended now, before anything else is.
async fn log_what_was_left(node: &Node) -> Result<(), OpError> {
    let mut after = node.ports.usage.logged_to();
    loop {
        let changes = node.ports.registry.changes_after(after, PAGE).await?;
        let Some(last) = changes.last().map(|change| change.revision) else {
            return Ok(());
        };
        let missing: Vec<_> = changes
            .into_iter()
            .filter(|change| !node.ports.usage.is_logged(change.revision))
            .collect();
        node.memory.pump.push(&missing);
        node.memory.pump.drain(&*node.ports.audit).await?;
        after = last;
    }
}

/// Says goodbye: no new work, counters flushed, the log told, the root key dropped.
pub async fn stop(node: &Node) -> Result<(), OpError> {
    node.stop();
    tally::close_for_good(node).await?;
    // Counters that cannot be flushed are read from the log again; that it ended in order, with every count
    // written, must be in the log for that.
    let flushed = clockwork::flush_usage(node).await;
    log_by_system(node, Action::SystemStop, node.own_correlation_id()?, |_| ()).await?;
    node.memory.pump.close();
    node.drop_secrets();
    flushed
}
