//! Retention: what the rules do not keep is removed after each full backup, by the server itself or when
//! somebody orders it, each backup with an entry in the log. While the newest full backup is not whole,
//! or the last drill failed, nothing is; nor while it is doubtful that the registry is the one of which
//! the backups are.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::signing::own_key;
use crate::audit::Outcome;
use crate::caller::Caller;
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::condition::{ConditionKind, Severity, Subject};
use crate::ops::condition::{clear, is_open, raise};
use crate::ops::drill;
use crate::ops::gate::{Attempt, detail, resource};
use crate::port::backup::{BackupError, BackupStock, BackupSummary};
use crate::retention::{Fate, KeptFor, RetentionRules, is_full, judge};

/// Backups removed at once: the making of others waits meanwhile.
const REMOVED_AT_ONCE: usize = 200;
/// Removals that may fail before the rest waits: a store may lock some of its objects, or all.
const FAILURES_MAX: usize = 10;
/// What conditions are about.
const SUBJECT: &str = "backup";

/// A complete full backup as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedBackup {
    /// The backup.
    pub backup: BackupSummary,
    /// What retention keeps it for: nothing if it goes next. None if everything is kept.
    pub kept_for: Option<BTreeSet<KeptFor>>,
}

/// What retention would do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionPlan {
    /// The rules; without any, everything is kept.
    pub rules: Option<RetentionRules>,
    /// The deployment's backups and segments, oldest first.
    pub fates: Vec<Fate>,
    /// What has another's signature or none, or is of another history, and why it was refused. Never
    /// removed.
    pub refused: Vec<(Uuid, String)>,
    /// What is no backup any more, and goes with the next pass.
    pub half_removed: Vec<Uuid>,
    /// Why nothing is removed for now.
    pub held: Option<String>,
}

/// What a pass came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Removed by it.
    pub removed: u64,
    /// Not kept, and still to be removed.
    pub left: u64,
    /// Whether nothing was removed because it is doubtful what to keep; a condition says why.
    pub is_held: bool,
}

impl RetentionPlan {
    /// What goes.
    pub fn goes(&self) -> impl Iterator<Item = &BackupSummary> {
        let fates = self.fates.iter();
        let goes = fates.filter(|fate| fate.kept_for.is_empty());
        goes.map(|fate| &fate.backup)
    }
}

/// Shows what retention would do now. Removes nothing.
pub async fn plan(node: &Node, caller: &Caller) -> Result<RetentionPlan, OpError> {
    super::reading(node, caller, None)
        .read(async {
            node.authorize_system(caller, Action::BackupRead)?;
            look(node).await
        })
        .await
}

/// Removes what the rules do not keep, by order. At most some at once: the answer says what is left.
pub async fn prune(node: &Node, caller: &Caller) -> Result<Pruned, OpError> {
    let action = Action::BackupPrune;
    let attempt = Attempt::new(node, caller, action, None, resource("backup", None, None));
    let done: Result<_, OpError> = async {
        node.ensure_auditable()?;
        node.authorize_system(caller, action)?;
        if node.settings.retention.is_none() {
            return Err(OpError::invalid(
                "backup_retention",
                "no rules are configured: everything is kept",
            ));
        }
        let Some(_alone) = node.backing_up.try_lock() else {
            return Err(OpError::NotReady {
                why: "a backup is under way",
            });
        };
        let Some(_no_drill) = node.drilling.try_lock() else {
            return Err(OpError::NotReady {
                why: "a drill is under way",
            });
        };
        let pruned = pass(node, caller).await?;
        if pruned.is_held {
            return Err(OpError::NotReady {
                why: "nothing is removed while it is doubtful what to keep: the alert backup_not_removed \
                      says why",
            });
        }
        let mut event = attempt.event(Outcome::Ok);
        detail(&mut event, "removed", pruned.removed);
        detail(&mut event, "left", pruned.left);
        node.ports.audit.append(event).await?;
        Ok(pruned)
    }
    .await;
    match done {
        Ok(pruned) => Ok(pruned),
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

/// The same by the server itself, after each full backup. What keeps it from being done is a condition.
pub async fn retain(node: &Node) -> Result<Pruned, OpError> {
    if node.settings.retention.is_none() || node.ports.backups.is_none() {
        return Ok(Pruned::default());
    }
    let Some(_alone) = node.backing_up.try_lock() else {
        return Ok(Pruned::default());
    };
    // What a drill reads stays until it is over.
    let Some(_no_drill) = node.drilling.try_lock() else {
        return Ok(Pruned::default());
    };
    node.ensure_auditable()?;
    let caller = Caller::system(node.own_correlation_id()?);
    pass(node, &caller).await
}

/// What lies there and what becomes of it, as the manifests say.
pub(super) async fn look(node: &Node) -> Result<RetentionPlan, OpError> {
    let backups = node.backups()?;
    let stock = match own_key(node).await? {
        Some(key) => backups.stock(&key).await?,
        None => BackupStock::default(),
    };
    let rules = node.settings.retention;
    let fates = match &rules {
        Some(rules) => judge(rules, stock.own, node.now()),
        None => stock.own.into_iter().map(kept).collect(),
    };
    let held = doubt(node, &fates).await?;
    Ok(RetentionPlan {
        rules,
        fates,
        refused: stock.refused,
        half_removed: stock.half_removed,
        held,
    })
}

/// What makes it doubtful which backups are the ones to keep.
async fn doubt(node: &Node, fates: &[Fate]) -> Result<Option<String>, OpError> {
    let subject = Subject::system(drill::SUBJECT);
    if is_open(node, &ConditionKind::DRILL_FAILED, &subject) {
        return Ok(Some("the last drill failed".to_owned()));
    }
    // A registry that was put back by other means than a restore gives revisions anew.
    let segments = Subject::system(super::SEGMENT);
    if is_open(node, &ConditionKind::BACKUP_FAILED, &segments) {
        return Ok(Some("the last segment could not be made".to_owned()));
    }
    let present = node.ports.registry.revision().await?;
    let later = fates.iter().find(|fate| fate.backup.revision > present);
    Ok(later.map(|fate| {
        let backup = &fate.backup;
        format!(
            "backup {} holds revision {}, and the registry is at {present}: it was put back",
            backup.id, backup.revision
        )
    }))
}

fn kept(backup: BackupSummary) -> Fate {
    Fate {
        backup,
        kept_for: BTreeSet::new(),
    }
}

async fn pass(node: &Node, caller: &Caller) -> Result<Pruned, OpError> {
    let done = try_pass(node, caller).await;
    if let Err(error) = &done {
        let why = format!("what retention does not keep was not looked at: {error}");
        told(node, Severity::Warning, &why).await;
    }
    done
}

async fn try_pass(node: &Node, caller: &Caller) -> Result<Pruned, OpError> {
    let plan = look(node).await?;
    let mut waiting: Vec<(Uuid, Option<&BackupSummary>)> =
        plan.half_removed.iter().map(|id| (*id, None)).collect();
    let goes: Vec<&BackupSummary> = plan.goes().collect();
    let held = match (&plan.held, goes.is_empty()) {
        (_, true) => None,
        (Some(why), false) => Some(why.clone()),
        (None, false) => damage(node, &plan).await?,
    };
    if held.is_none() {
        waiting.extend(goes.iter().map(|backup| (backup.id, Some(*backup))));
    }
    let (mut pruned, mut failures) = (Pruned::default(), Vec::new());
    for (id, backup) in waiting.iter().take(REMOVED_AT_ONCE) {
        match remove(node, caller, *id, *backup).await {
            Ok(()) => pruned.removed += 1,
            Err(OpError::Backup(error)) => failures.push(error.to_string()),
            Err(error) => return Err(error),
        }
        if failures.len() == FAILURES_MAX {
            break;
        }
    }
    pruned.left = waiting.len() as u64 - pruned.removed;
    pruned.is_held = held.is_some();
    match (held, failures.first()) {
        (Some(why), _) => {
            let why = format!("nothing is removed: {why}");
            told(node, Severity::Critical, &why).await;
        }
        (None, Some(why)) => {
            let of = pruned.left;
            let why = format!("{of} backups that retention does not keep are still there: {why}");
            told(node, Severity::Warning, &why).await;
            // What cannot be removed now is tried again with the next full backup.
            pruned.left = 0;
        }
        (None, None) => {
            let kind = ConditionKind::BACKUP_NOT_REMOVED;
            clear(node, kind, &Subject::system(SUBJECT)).await;
        }
    }
    Ok(pruned)
}

/// What is wrong with the newest full backup, on which everything else would depend.
async fn damage(node: &Node, plan: &RetentionPlan) -> Result<Option<String>, OpError> {
    let fulls = plan.fates.iter().map(|fate| &fate.backup);
    let Some(newest) = fulls.rev().find(|backup| is_full(backup)) else {
        return Ok(Some("there is no full backup".to_owned()));
    };
    let wrong = node.backups()?.check(newest.id, &newest.signed_by).await?;
    Ok(wrong.map(|wrong| format!("the newest full backup, {}, is damaged: {wrong}", newest.id)))
}

/// The entry comes first: whatever ends this, the log names what went.
async fn remove(
    node: &Node,
    caller: &Caller,
    id: Uuid,
    backup: Option<&BackupSummary>,
) -> Result<(), OpError> {
    let named = resource("backup", Some(id), None);
    let attempt = Attempt::new(node, caller, Action::BackupPrune, None, named);
    let mut event = attempt.event(Outcome::Ok);
    match backup {
        Some(backup) => {
            detail(&mut event, "kind", backup.kind.clone());
            detail(&mut event, "backup_revision", backup.revision);
            detail(&mut event, "committed_at", backup.committed_at.to_string());
        }
        None => detail(&mut event, "half_removed", true),
    }
    node.ports.audit.append(event).await?;
    let removed = node.backups()?.remove(id).await;
    match removed {
        Ok(()) => Ok(()),
        Err(error) => {
            let code = code(&error);
            let mut event = attempt.event(Outcome::Failed);
            event.reason = Some(code.to_owned());
            node.ports.audit.append(event).await?;
            Err(error.into())
        }
    }
}

const fn code(error: &BackupError) -> &'static str {
    match error {
        BackupError::Destination(crate::port::storage::StorageError::Denied { .. }) => {
            "destination_denies"
        }
        other => other.code(),
    }
}

async fn told(node: &Node, severity: Severity, why: &str) {
    let kind = ConditionKind::BACKUP_NOT_REMOVED;
    raise(node, kind, &Subject::system(SUBJECT), severity, why).await;
}
