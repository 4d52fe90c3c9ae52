//! Alerts and the storage's health as the wire shows them.

use keyward_api::alert::Alert;
use keyward_api::names::{AlertSeverity, StorageOperation, StorageState};
use keyward_api::storage;
use keyward_core::ids::TenantId;
use keyward_core::noun::condition::Condition;
use keyward_core::noun::job::Job;
use keyward_core::ops::condition::Listed;
use keyward_core::ops::storage::StorageHealth;
use keyward_core::port::storage_care::{OperationReport, Space};

use super::{some_time, time};

/// An alert.
pub fn alert(listed: Listed) -> Alert {
    let condition = listed.condition;
    Alert {
        id: condition.id.uuid(),
        tenant_id: condition.tenant.map(TenantId::uuid),
        kind: condition.kind.to_string(),
        severity: AlertSeverity::from(condition.severity.name()),
        subject: condition.subject,
        detail: condition.detail,
        since: time(condition.since),
        last_seen_at: time(condition.last_seen_at),
        cleared_at: some_time(condition.cleared_at),
        recorded: listed.recorded,
    }
}

/// How the storage is.
pub fn health(health: StorageHealth) -> storage::StorageHealth {
    let report = health.report;
    let verified_since = health.last.as_ref().map(|job| time(job.created_at));
    storage::StorageHealth {
        backend: report.backend.to_owned(),
        state: StorageState::from(report.state.name()),
        cause: report.cause,
        last_asked_at: some_time(report.last_asked_at),
        space: health.space.map(space),
        operations: report.operations.into_iter().map(operation).collect(),
        check: storage::StorageCheck {
            running: health.running.map(pass),
            last: health.last.map(pass),
            verified_since,
        },
        strays: storage::StorageStrays {
            found: health.strays.found,
            quarantined: health.strays.quarantined,
            held: !health.holds.is_empty(),
            holds: health.holds.into_iter().map(hold).collect(),
        },
    }
}

fn hold(hold: Condition) -> storage::SweepHold {
    storage::SweepHold {
        alert_id: hold.id.uuid(),
        etag: hold.etag,
        subject: hold.subject,
        detail: hold.detail,
        since: time(hold.since),
    }
}

const fn space(space: Space) -> storage::StorageSpace {
    storage::StorageSpace {
        free_bytes: space.free_bytes,
        total_bytes: space.total_bytes,
    }
}

fn operation(report: OperationReport) -> storage::StorageOperationHealth {
    let errors = report.errors.into_iter();
    storage::StorageOperationHealth {
        operation: StorageOperation::from(report.operation.name()),
        count: report.count,
        errors: errors
            .map(|(state, count)| (state.name().to_owned(), count))
            .collect(),
        p50_micros: report.p50_micros,
        p99_micros: report.p99_micros,
        last_success_at: some_time(report.last_success_at),
    }
}

fn pass(job: Job) -> storage::StoragePass {
    storage::StoragePass {
        job_id: job.id.uuid(),
        began_at: time(job.created_at),
        updated_at: time(job.updated_at),
        records: job.progress.examined,
        findings: job.progress.failed,
        repaired: job.progress.changed,
        strays: job.progress.found,
    }
}
