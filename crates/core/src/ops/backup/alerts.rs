//! What is wrong with backups, said out loud: one that failed, is late, lacks something, or holds far
//! less than the one before.

use super::{FULL, SEGMENT};
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

/// A full backup was made.
pub(super) async fn made(node: &Node, made: &BackupSummary) {
    over(node, FULL).await;
    over(node, SEGMENT).await;
    let subject = Subject::system(FULL);
    clear(node, ConditionKind::BACKUP_LATE, &subject).await;
    if made.lost > 0 {
        let detail = format!(
            "backup {} lacks {} records that the vault had lost before; its manifest names them",
            made.id, made.lost
        );
        let kind = ConditionKind::BACKUP_INCOMPLETE;
        raise(node, kind, &subject, Severity::Critical, &detail).await;
    } else {
        clear(node, ConditionKind::BACKUP_INCOMPLETE, &subject).await;
    }
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
    if interval_seconds <= 0 || jobs.is_empty() {
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
