//! Backups as the wire shows them.

use keyward_api::backup;
use keyward_api::names::DrillState;
use keyward_core::noun::drill::Drill;
use keyward_core::ops::backup::{ListedBackup, Pruned, RetentionPlan};
use keyward_core::port::backup::BackupSummary;

use super::{some_time, time};

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
        kept_for: None,
    }
}

/// One in a list.
pub fn listed(listed: ListedBackup) -> backup::Backup {
    let kept_for = listed.kept_for;
    let names = kept_for.map(|all| all.iter().map(|why| why.name().to_owned()).collect());
    backup::Backup {
        kept_for: names,
        ..backup(listed.backup)
    }
}

/// What retention would do.
pub fn plan(plan: RetentionPlan) -> backup::RetentionPlan {
    let has_rules = plan.rules.is_some();
    let mut shown = backup::RetentionPlan {
        rules: plan.rules.map(|rules| backup::RetentionRules {
            hourly: rules.hourly,
            daily: rules.daily,
            weekly: rules.weekly,
            monthly: rules.monthly,
            window_seconds: rules.window_seconds,
        }),
        fulls_kept: 0,
        segments_kept: 0,
        goes: Vec::new(),
        half_removed: plan.half_removed,
        refused: Vec::with_capacity(plan.refused.len()),
        held: plan.held,
    };
    for (id, why) in plan.refused {
        shown.refused.push(backup::RefusedBackup { id, why });
    }
    for fate in plan.fates {
        let summary = fate.backup;
        if has_rules && fate.kept_for.is_empty() {
            shown.goes.push(backup::Outlived {
                id: summary.id,
                kind: summary.kind,
                committed_at: time(summary.committed_at),
                bytes: summary.bytes,
            });
        } else if summary.kind == "full" {
            shown.fulls_kept += 1;
        } else {
            shown.segments_kept += 1;
        }
    }
    shown
}

/// What a pass came to.
pub const fn pruned(pruned: Pruned) -> backup::Pruned {
    backup::Pruned {
        removed: pruned.removed,
        left: pruned.left,
    }
}

/// A backup restored for trial.
pub fn drill(drill: Drill) -> backup::Drill {
    backup::Drill {
        id: drill.id.uuid(),
        state: DrillState::from(drill.state.name()),
        backup: drill.backup,
        ordered_at: time(drill.ordered_at),
        ended_at: some_time(drill.ended_at),
        revision: drill.revision,
        committed_at: some_time(drill.committed_at),
        segments: drill.segments,
        rows: drill.rows_seen,
        records: drill.records_seen,
        keks_opened: drill.keks_opened,
        records_opened: drill.records_opened,
        problem: drill.problem,
    }
}
