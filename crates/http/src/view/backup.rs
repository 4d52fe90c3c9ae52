//! Backups as the wire shows them.

use keyward_api::backup;
use keyward_core::port::backup::BackupSummary;

use super::time;

/// A complete backup.
pub fn backup(summary: BackupSummary) -> backup::Backup {
    backup::Backup {
        id: summary.id,
        kind: summary.kind,
        revision: summary.revision,
        committed_at: time(summary.committed_at),
        begun_at: time(summary.begun_at),
        completed_at: time(summary.completed_at),
        software: summary.software,
        parts: summary.parts,
        bytes: summary.bytes,
        rows: summary.rows,
        records: summary.records,
        lost: summary.lost,
        recipients: summary.recipients,
        signed_by: summary.signed_by,
    }
}
