//! What is wrong with backups, said out loud: one that failed, is late, lacks something, or holds far
//! less than the one before.

use std::sync::atomic::Ordering;

use super::{FULL, OnFailure, SEGMENT};
use crate::node::Node;
use crate::noun::condition::{ConditionKind, Severity, Subject};
use crate::noun::job::{Job, JobState};
use crate::ops::condition::{clear, raise};
use crate::port::backup::BackupSummary;

/// Backups with fewer records than this are not compared.
const FEW: u64 = 20;

/// A try that was the last one failed.
pub(super) async fn failed(node: &Node, kind: &str, code: &str) {
    let detail = format!(
        "the last {kind} could not be made: {code}; `keyward job list --tenant system` and the log say more"
    );
    let subject = Subject::system(kind);
    raise(
        node,
        ConditionKind::BACKUP_FAILED,
        &subject,
        Severity::Critical,
        &detail,
    )
    .await;
}

/// One of this kind was made.
pub(super) async fn over(node: &Node, kind: &str) {
    clear(node, ConditionKind::BACKUP_FAILED, &Subject::system(kind)).await;
}

/// With continuous backups: nothing that is changed comes into one.
pub(super) async fn behind(node: &Node, on_failure: Option<OnFailure>, why: &str) {
    let so = match on_failure {
        Some(OnFailure::Degrade) => "changes go on and are in no backup",
        _ => "changes are refused",
    };
    let detail = format!("{so}: {why}");
    let kind = ConditionKind::BACKUP_BEHIND;
    let subject = Subject::system(SEGMENT);
    raise(node, kind, &subject, Severity::Critical, &detail).await;
}

/// What is changed comes into backups again.
pub(super) async fn caught_up(node: &Node) {
    let subject = Subject::system(SEGMENT);
    clear(node, ConditionKind::BACKUP_BEHIND, &subject).await;
}

/// This deployment was restored, and nothing that was done since is in a backup.
pub(super) async fn awaits_full(node: &Node) {
    let detail = "no full backup was made since this deployment was restored: until there is one, \
                  what is done is in no backup; `keyward backup create`";
    let subject = Subject::system(FULL);
    let kind = ConditionKind::BACKUP_LATE;
    raise(node, kind, &subject, Severity::Critical, detail).await;
}

/// Others write segments where this deployment does. Over when a full backup is made and they are
/// not seen again.
pub(super) async fn strangers(node: &Node, count: u64) {
    if count == 0 {
        return;
    }
    let detail = format!(
        "{count} segment(s) newer than ours lie in the place of backups and are not ours: a copy of \
         this deployment runs with the same place, or somebody else can write there. Give each a place \
         of its own"
    );
    let subject = Subject::system(SEGMENT);
    let kind = ConditionKind::BACKUP_PLACE_SHARED;
    raise(node, kind, &subject, Severity::Critical, &detail).await;
}

/// What a backup or a segment does not hold although it should. Over with the next full backup that
/// holds everything.
pub(super) async fn lacking(node: &Node, made: &BackupSummary) {
    if made.lost == 0 {
        return;
    }
    let (what, kind) = if made.kind == SEGMENT {
        ("segment", SEGMENT)
    } else {
        ("backup", FULL)
    };
    let detail = format!(
        "{what} {} lacks {} records that the vault had lost before; its manifest names them",
        made.id, made.lost
    );
    let subject = Subject::system(kind);
    let kind = ConditionKind::BACKUP_INCOMPLETE;
    raise(node, kind, &subject, Severity::Critical, &detail).await;
}

/// A full backup was made.
pub(super) async fn made(node: &Node, made: &BackupSummary) {
    over(node, FULL).await;
    over(node, SEGMENT).await;
    node.awaits_full.store(false, Ordering::Release);
    clear(
        node,
        ConditionKind::BACKUP_PLACE_SHARED,
        &Subject::system(SEGMENT),
    )
    .await;
    let subject = Subject::system(FULL);
    clear(node, ConditionKind::BACKUP_LATE, &subject).await;
    if made.lost == 0 {
        clear(node, ConditionKind::BACKUP_INCOMPLETE, &subject).await;
        clear(
            node,
            ConditionKind::BACKUP_INCOMPLETE,
            &Subject::system(SEGMENT),
        )
        .await;
    }
    lacking(node, made).await;
    let Ok(backups) = node.backups() else {
        return;
    };
    // A list that cannot be read now says nothing about the size.
    let Ok(listed) = backups.list().await else {
        return;
    };
    let is_earlier = |it: &&BackupSummary| it.kind == made.kind && it.revision < made.revision;
    let before = listed
        .iter()
        .filter(is_earlier)
        .max_by_key(|it| it.revision);
    let kind = ConditionKind::BACKUP_SHRANK;
    match before {
        Some(before) if before.records >= FEW && made.records < before.records / 2 => {
            let detail = format!(
                "backup {} holds {} records, backup {} before it held {}: look what became of them",
                made.id, made.records, before.id, before.records
            );
            raise(node, kind, &subject, Severity::Warning, &detail).await;
        }
        _ => clear(node, kind, &subject).await,
    }
}

/// Whether the last backup that was made is too long ago. Jobs come newest first.
pub(super) async fn look_for_late(node: &Node, jobs: &[Job], interval_seconds: i64) {
    let subject = Subject::system(FULL);
    let kind = ConditionKind::BACKUP_LATE;
    // A deployment whose first backup is under way is not late.
    if interval_seconds <= 0 || jobs.is_empty() || node.awaits_full.load(Ordering::Acquire) {
        return;
    }
    let last = jobs.iter().find(|job| job.state == JobState::Done);
    match last {
        Some(job) if node.now().seconds_since(job.updated_at) <= 2 * interval_seconds => {
            clear(node, kind, &subject).await;
        }
        Some(job) => {
            let detail = format!("the last backup was made at {}", job.updated_at);
            raise(node, kind, &subject, Severity::Critical, &detail).await;
        }
        None => {}
    }
}
