//! Classes, bindings, policies, jobs, log entries and the seal as the wire shows them.

use keyward_api::names::{
    AuditAuthentication, AuditDetail, AuditMirrorState, AuditOutcome, AuditSinkKind,
    AuditSinkState, AuditWitnessState, JobKind, JobState, Permission, PolicyStatus,
};
use keyward_api::{audit, binding, class, job, policy, system};
use keyward_core::audit::Journaled;
use keyward_core::free_text::withhold;
use keyward_core::ids::{KeyId, PrincipalId, TenantId, TokenId};
use keyward_core::mirror_board::MirrorStatus;
use keyward_core::noun;
use keyward_core::port::seal::SealStatus;
use keyward_core::sink_board::SinkStatus;
use keyward_core::time::Timestamp;
use keyward_core::witness_board::WitnessStatus;

use super::{some_time, time};

/// A class's pointer.
pub fn class_pointer(pointer: noun::class_pointer::ClassPointer) -> class::ClassPointer {
    class::ClassPointer {
        class: pointer.class.to_string(),
        key_id: pointer.key.uuid(),
        previous_key_id: pointer.previous_key.map(KeyId::uuid),
        updated_at: time(pointer.updated_at),
        etag: pointer.etag,
    }
}

/// A data binding.
pub fn binding(mut binding: noun::binding::DataBinding) -> binding::DataBinding {
    let sealed_fields = withhold(&mut binding);
    binding::DataBinding {
        sealed_fields,
        id: binding.id.uuid(),
        key_id: binding.key.uuid(),
        uri: binding.uri,
        label: binding.label,
        owner: binding.owner,
        created_at: time(binding.created_at),
        released_at: some_time(binding.released_at),
        etag: binding.etag,
    }
}

/// A policy.
pub fn policy(mut policy: noun::policy::Policy) -> policy::Policy {
    let sealed_fields = withhold(&mut policy);
    policy::Policy {
        sealed_fields,
        id: policy.id.uuid(),
        name: policy.name.to_string(),
        description: policy.description,
        status: PolicyStatus::from(policy.status.name()),
        rotation_interval_days: policy.rotation_interval_days,
        schedule: policy.schedule.as_ref().map(super::schedule::shown),
        rollback_window_seconds: policy.rollback_window_seconds,
        overlap_seconds: policy.overlap_seconds,
        created_at: time(policy.created_at),
        updated_at: time(policy.updated_at),
        etag: policy.etag,
    }
}

/// A job.
pub fn job(job: noun::job::Job) -> job::Job {
    job::Job {
        id: job.id.uuid(),
        tenant_id: job.tenant.map(TenantId::uuid),
        kind: JobKind::from(job.kind.name()),
        state: JobState::from(job.state.name()),
        subject_id: job.subject,
        due_at: time(job.due_at),
        attempts: job.attempts,
        last_error: job.last_error,
        progress: (job.progress.pass > 0).then_some(job::JobProgress {
            pass: job.progress.pass,
            examined: job.progress.examined,
            found: job.progress.found,
            failed: job.progress.failed,
            changed: job.progress.changed,
        }),
        created_at: time(job.created_at),
        updated_at: time(job.updated_at),
    }
}

/// How finely the log tells of a tenant.
pub fn detail_note(note: keyward_core::ops::log::DetailNote) -> audit::AuditDetailNote {
    audit::AuditDetailNote {
        tenant_id: note.tenant.uuid(),
        audit_detail: AuditDetail::from(note.detail.name()),
        since: time(note.since),
        by: note.by.map(PrincipalId::uuid),
    }
}

/// An entry of the log.
pub fn entry(journaled: Journaled) -> audit::AuditEntry {
    let Journaled {
        sequence, event, ..
    } = journaled;
    audit::AuditEntry {
        sequence,
        time: time(event.time),
        node: event.node.to_string(),
        tenant_id: event.tenant.map(TenantId::uuid),
        actor: audit::Actor {
            principal_id: event.actor.principal.map(PrincipalId::uuid),
            token_id: event.actor.token.map(TokenId::uuid),
            address: event.actor.address,
            authentication: AuditAuthentication::from(event.actor.authentication.name()),
        },
        action: Permission::from(event.action.name()),
        resource: audit::Resource {
            kind: event.resource.kind.into_owned(),
            id: event.resource.id,
            name: event.resource.name,
            version: event.resource.version,
        },
        outcome: AuditOutcome::from(event.outcome.name()),
        reason: event.reason,
        correlation_id: event.correlation_id.to_string(),
        details: event.details,
        revision: event.revision,
        change: event.change,
        signature: event.signature.map(|it| it.as_str().to_owned()),
    }
}

/// A stream of the log, in a node whose log ends with `last`.
pub fn sink(status: SinkStatus, last: u64, now: Timestamp) -> audit::AuditSink {
    audit::AuditSink {
        behind_entries: status.behind_entries(last),
        behind_seconds: status.behind_seconds(now),
        name: status.name,
        kind: AuditSinkKind::from(status.kind.name()),
        state: AuditSinkState::from(status.state.name()),
        sequence: status.sequence,
        sent: status.sent,
        failures: status.failures,
        trouble: status.trouble,
        sent_at: status.sent_at.map(time),
    }
}

/// A witness of the log.
pub fn witness(status: WitnessStatus, now: Timestamp) -> audit::AuditWitness {
    audit::AuditWitness {
        behind_seconds: status.behind_seconds(now),
        name: status.name,
        key_name: status.key_name,
        state: AuditWitnessState::from(status.state.name()),
        size: status.size,
        cosigned: status.cosigned,
        failures: status.failures,
        trouble: status.trouble,
        cosigned_at: status.cosigned_at.map(time),
    }
}

/// A mirror of the log.
pub fn mirror(status: MirrorStatus, now: Timestamp) -> audit::AuditMirror {
    audit::AuditMirror {
        behind_seconds: status.behind_seconds(now),
        name: status.name,
        kind: status.kind,
        state: AuditMirrorState::from(status.state.name()),
        size: status.size,
        behind_entries: status.behind_entries,
        written: status.written,
        failures: status.failures,
        trouble: status.trouble,
        mirrored_at: status.mirrored_at.map(time),
    }
}

/// How the seal stands.
pub fn seal(status: SealStatus) -> system::SealStatus {
    system::SealStatus {
        initialized: status.initialized,
        sealed: status.sealed,
        seals: status.seals,
        threshold: status.threshold,
        total: status.total,
        progress: status.progress,
    }
}
