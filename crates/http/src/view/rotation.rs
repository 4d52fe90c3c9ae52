//! Rotation by policy, as the wire shows it.

use keyward_api::names::{PolicyStatus, RotationOutcome, RotationTrigger, ScheduleMove};
use keyward_api::policy::{PolicyPreview, PreviewDate};
use keyward_api::rotation as api;
use keyward_core::noun::rotation::Rotation;
use keyward_core::ops::rotation::{
    Explanation, KeyReport, LastRun, PolicyReport, Preview, RunReport, Status,
};
use keyward_core::port::lease::Lease;

use super::{some_time, time};

/// A rotation.
pub fn rotation(row: Rotation) -> api::Rotation {
    api::Rotation {
        id: row.id.uuid(),
        key_id: row.key.uuid(),
        policy_id: row.policy.uuid(),
        policy_etag: row.policy_etag,
        trigger: RotationTrigger::from(row.trigger.name()),
        planned_at: time(row.planned_at),
        run: row.run.to_string(),
        epoch: row.epoch,
        started_at: time(row.started_at),
        finished_at: time(row.finished_at),
        outcome: RotationOutcome::from(row.outcome.name()),
        attempts: row.attempts,
        error: row.error,
        retry_at: some_time(row.retry_at),
        from_version: row.from_version,
        to_version: row.to_version,
    }
}

/// What a run did.
pub fn run(report: RunReport) -> api::RotationRun {
    api::RotationRun {
        run: report.run.to_string(),
        dry_run: report.dry_run,
        policies: report.policies.into_iter().map(policy).collect(),
        more: report.more,
    }
}

fn policy(report: PolicyReport) -> api::RotatedPolicy {
    let keys = |reports: Vec<KeyReport>| reports.into_iter().map(key).collect();
    api::RotatedPolicy {
        id: report.policy.id.uuid(),
        name: report.policy.name.to_string(),
        status: report.standing.name().to_owned(),
        due: keys(report.due),
        rotated: keys(report.rotated),
        failed: keys(report.failed),
        skipped: keys(report.skipped),
    }
}

fn key(report: KeyReport) -> api::RotatedKey {
    let row = report.rotation.as_ref();
    api::RotatedKey {
        key_id: report.key.uuid(),
        name: report.name.to_string(),
        planned_at: time(report.planned_at),
        to_version: row.and_then(|row| row.to_version),
        error: row.and_then(|row| row.error.clone()),
        retry_at: some_time(report.until),
        reason: report.why.map(ToOwned::to_owned),
    }
}

/// What a policy will do.
pub fn preview(it: Preview) -> PolicyPreview {
    let dates = it.dates.into_iter().map(|date| PreviewDate {
        planned_at: time(date.planned),
        from: time(date.from),
        until: time(date.until),
        moved_by: date.moved_by.map(|it| ScheduleMove::from(it.name())),
        key_count: date.key_count,
        keys: date.keys.iter().map(ToString::to_string).collect(),
    });
    PolicyPreview {
        policy: it.policy.name.to_string(),
        status: PolicyStatus::from(it.policy.status.name()),
        dates: dates.collect(),
        key_count: it.key_count,
        more_keys: it.more_keys,
        hindered_key_count: it.hindered,
    }
}

/// Why a key is due, or is not.
pub fn explanation(it: Explanation) -> api::RotationExplanation {
    api::RotationExplanation {
        key_id: it.key.id.uuid(),
        name: it.key.name.to_string(),
        policy: it.policy.map(|policy| policy.name.to_string()),
        last_rotation_at: time(it.last_rotation),
        planned_at: some_time(it.next.map(|date| date.planned)),
        due_at: some_time(it.next.map(|date| date.at)),
        is_due: it.is_due,
        opens_at: some_time(it.opens_at),
        hindrance: it.hindrance.map(ToOwned::to_owned),
        tried: it.tried.map(rotation),
        lease: it.lease.map(lease),
    }
}

fn lease(lease: Lease) -> api::RotationLease {
    api::RotationLease {
        holder: lease.fence.holder,
        epoch: lease.fence.epoch,
        taken_at: time(lease.taken_at),
        expires_at: time(lease.expires_at),
        is_over: lease.is_over,
        worked_at: some_time(lease.worked_at),
    }
}

/// How it stands.
pub fn status(it: Status) -> api::RotationStatus {
    api::RotationStatus {
        enabled: it.enabled,
        is_active: it.is_active,
        lease: it.lease.map(lease),
        check_interval_seconds: it.check_interval_seconds,
        checked_at: some_time(it.checked_at),
        next_at: some_time(it.next_at),
        last_run: it.last_run.map(last_run),
        rotated: it.totals.rotated,
        failed: it.totals.failed,
    }
}

fn last_run(it: LastRun) -> api::RotationLastRun {
    api::RotationLastRun {
        run: it.run.to_string(),
        started_at: time(it.started_at),
        ended_at: time(it.ended_at),
        rotated: it.rotated,
        failed: it.failed,
        backlog: it.backlog,
        lag_seconds: it.lag_seconds,
        error: it.error,
    }
}
