//! Segments: what changed since the last one, made again and again, on an interval or because somebody
//! waits for it.

use std::sync::atomic::Ordering;

use super::signing::signing_key;
use super::{SEGMENT, alerts, continuous, journal_position};
use crate::audit::Outcome;
use crate::caller::Caller;
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::job::JobState;
use crate::ops::gate::{Attempt, detail, resource};
use crate::port::backup::{BackupOrder, Segmented};

/// Makes a segment, if something changed since the last. Answers whether it did. By the server itself,
/// again and again; it changes nothing in the registry, or it would never have an end.
pub async fn segment(node: &Node) -> Result<bool, OpError> {
    if node.ports.backups.is_none() {
        return Ok(false);
    }
    // A full backup that is under way holds everything anyway.
    let Some(_alone) = node.backing_up.try_lock() else {
        return Ok(false);
    };
    let Some(_only) = node.segmenting.try_lock() else {
        return Ok(false);
    };
    node.ensure_auditable()?;
    if node.ports.seal.is_sealed() {
        return Ok(false);
    }
    let revision = node.ports.registry.revision().await?;
    if node.segmented_to.load(Ordering::Acquire) == revision {
        return Ok(false);
    }
    let made = match make(node, false).await {
        Ok(Some(made)) => made,
        Ok(None) => return Ok(false),
        Err(error) => {
            if let OpError::Backup(error) = &error {
                alerts::failed(node, SEGMENT, error.code()).await;
            }
            return Err(error);
        }
    };
    let is_made = made.made.is_some();
    if !is_made {
        node.segmented_to.store(revision, Ordering::Release);
    }
    Ok(is_made)
}

/// One segment of what there is now; none if another one is being made. The caller holds
/// [`Node::segmenting`].
pub(super) async fn make(node: &Node, is_continuous: bool) -> Result<Option<Segmented>, OpError> {
    let backups = node.backups()?;
    // What it copies stays under the keys that it copies with it.
    let Some(hold) = node.deletions.hold_briefly().await else {
        return Ok(None);
    };
    let caller = Caller::system(node.own_correlation_id()?);
    let order = BackupOrder {
        id: node.ordered_id()?,
        seals: node.ports.seal.status(),
        journal: journal_position(node).await?,
        accept_losses: false,
        is_continuous,
        until_copied: Some(Box::new(hold)),
        signing_key: signing_key(node).await?,
    };
    let named = resource("backup", Some(order.id), None);
    let attempt = Attempt::new(node, &caller, Action::BackupComplete, None, named);
    // Nothing leaves that the log does not speak of: that it was begun first, then how it ended.
    let mut event = attempt.event(Outcome::Ok);
    detail(&mut event, "kind", SEGMENT);
    detail(&mut event, "state", JobState::Running.name());
    node.ports.audit.append(event).await?;
    let done = match backups.segment(order).await {
        Ok(done) => done,
        Err(error) => return Err(attempt.log_failure(error.into()).await),
    };
    continuous::holds(node, done.reached).await;
    if done.awaits_full {
        node.awaits_full.store(true, Ordering::Release);
        alerts::awaits_full(node).await;
        return Ok(Some(done));
    }
    alerts::over(node, SEGMENT).await;
    alerts::strangers(node, done.strangers).await;
    if let Some(made) = &done.made {
        alerts::lacking(node, made).await;
        let mut event = attempt.event(Outcome::Ok);
        detail(&mut event, "kind", made.kind.clone());
        detail(&mut event, "backup_revision", made.revision);
        detail(&mut event, "records", made.records);
        detail(&mut event, "bytes", made.bytes);
        detail(&mut event, "lost", made.lost);
        node.ports.audit.append(event).await?;
        node.segmented_to.store(made.revision, Ordering::Release);
    }
    Ok(Some(done))
}
