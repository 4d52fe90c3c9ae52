//! What is kept about keys as rows: history, policies, class pointers, data bindings, jobs.

use keyward_core::noun::binding::DataBinding;
use keyward_core::noun::class_pointer::ClassPointer;
use keyward_core::noun::history::Transition;
use keyward_core::noun::job::{Job, JobProgress};
use keyward_core::noun::policy::Policy;
use keyward_core::noun::state::State;
use keyward_core::port::registry::RegistryError;

use super::{Noun, Table, id, json, label, opt_id, opt_label, opt_text, table, text};
use crate::row::Cells;
use crate::value::Value;

impl Noun for Transition {
    fn table() -> &'static Table {
        table!("transitions", key 2, [
            "id", "tenant_id", "key_id", "version", "event", "from_state", "to_state",
            "primary_version", "at", "principal_id", "token_id", "reason", "correlation_id",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.id),
            id(self.tenant),
            id(self.key),
            Value::Int(Some(self.version)),
            Value::Label("transition_event", Some(self.event.clone().into())),
            opt_label("key_state", self.from_state.map(State::name)),
            label("key_state", self.to_state.name()),
            Value::Int(Some(self.primary_version)),
            Value::Time(Some(self.at)),
            opt_id(self.principal),
            opt_id(self.token),
            opt_text(self.reason.as_deref()),
            text(self.correlation_id.as_str()),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("transitions");
        Ok(Self {
            id: cells.id("id")?,
            tenant: cells.id("tenant_id")?,
            key: cells.id("key_id")?,
            version: cells.int("version")?,
            event: cells.text("event")?,
            from_state: cells.opt_parsed("from_state")?,
            to_state: cells.parsed("to_state")?,
            primary_version: cells.int("primary_version")?,
            at: cells.time("at")?,
            principal: cells.opt_id("principal_id")?,
            token: cells.opt_id("token_id")?,
            reason: cells.opt_text("reason")?,
            correlation_id: cells.parsed("correlation_id")?,
        })
    }
}

impl Noun for Policy {
    fn table() -> &'static Table {
        table!("policies", key 2, [
            "id", "tenant_id", "name", "description", "status", "rotation_interval_days", "schedule",
            "rollback_window_seconds", "overlap_seconds", "created_at", "updated_at", "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.id),
            id(self.tenant),
            text(self.name.as_str()),
            text(&self.description),
            label("policy_status", self.status.name()),
            Value::Int4(self.rotation_interval_days),
            self.schedule.as_ref().map_or(Value::Json(None), json),
            Value::Int(Some(self.rollback_window_seconds)),
            Value::Int(Some(self.overlap_seconds)),
            Value::Time(Some(self.created_at)),
            Value::Time(Some(self.updated_at)),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("policies");
        Ok(Self {
            id: cells.id("id")?,
            tenant: cells.id("tenant_id")?,
            name: cells.parsed("name")?,
            description: cells.text("description")?,
            status: cells.parsed("status")?,
            rotation_interval_days: cells.opt_int4("rotation_interval_days")?,
            schedule: cells.opt_json("schedule")?,
            rollback_window_seconds: cells.int("rollback_window_seconds")?,
            overlap_seconds: cells.int("overlap_seconds")?,
            created_at: cells.time("created_at")?,
            updated_at: cells.time("updated_at")?,
            etag: cells.int("etag")?,
        })
    }
}

impl Noun for ClassPointer {
    fn table() -> &'static Table {
        table!("class_pointers", key 2, [
            "tenant_id", "data_class", "key_id", "previous_key_id", "updated_at", "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.tenant),
            text(self.class.as_str()),
            id(self.key),
            opt_id(self.previous_key),
            Value::Time(Some(self.updated_at)),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("class_pointers");
        Ok(Self {
            tenant: cells.id("tenant_id")?,
            class: cells.parsed("data_class")?,
            key: cells.id("key_id")?,
            previous_key: cells.opt_id("previous_key_id")?,
            updated_at: cells.time("updated_at")?,
            etag: cells.int("etag")?,
        })
    }
}

impl Noun for DataBinding {
    fn table() -> &'static Table {
        table!("data_bindings", key 2, [
            "id", "tenant_id", "key_id", "uri", "label", "owner", "created_at", "released_at",
            "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.id),
            id(self.tenant),
            id(self.key),
            text(&self.uri),
            text(&self.label),
            text(&self.owner),
            Value::Time(Some(self.created_at)),
            Value::Time(self.released_at),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("data_bindings");
        Ok(Self {
            id: cells.id("id")?,
            tenant: cells.id("tenant_id")?,
            key: cells.id("key_id")?,
            uri: cells.text("uri")?,
            label: cells.text("label")?,
            owner: cells.text("owner")?,
            created_at: cells.time("created_at")?,
            released_at: cells.opt_time("released_at")?,
            etag: cells.int("etag")?,
        })
    }
}

impl Noun for Job {
    fn table() -> &'static Table {
        table!("jobs", key 1, [
            "id", "tenant_id", "kind", "state", "subject", "due_at", "attempts", "last_error",
            "pass", "examined", "found", "failed", "changed", "resume_after", "created_at",
            "updated_at", "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.id),
            opt_id(self.tenant),
            label("job_kind", self.kind.name()),
            label("job_state", self.state.name()),
            Value::Uuid(Some(self.subject)),
            Value::Time(Some(self.due_at)),
            Value::Int4(Some(self.attempts)),
            opt_text(self.last_error.as_deref()),
            Value::Int4(Some(self.progress.pass)),
            Value::Int(Some(self.progress.examined)),
            Value::Int(Some(self.progress.found)),
            Value::Int(Some(self.progress.failed)),
            Value::Int(Some(self.progress.changed)),
            opt_text(self.progress.resume_after.as_deref()),
            Value::Time(Some(self.created_at)),
            Value::Time(Some(self.updated_at)),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("jobs");
        Ok(Self {
            id: cells.id("id")?,
            tenant: cells.opt_id("tenant_id")?,
            kind: cells.parsed("kind")?,
            state: cells.parsed("state")?,
            subject: cells.uuid("subject")?,
            due_at: cells.time("due_at")?,
            attempts: cells.int4("attempts")?,
            last_error: cells.opt_text("last_error")?,
            progress: JobProgress {
                pass: cells.int4("pass")?,
                examined: cells.int("examined")?,
                found: cells.int("found")?,
                failed: cells.int("failed")?,
                changed: cells.int("changed")?,
                resume_after: cells.opt_text("resume_after")?,
            },
            created_at: cells.time("created_at")?,
            updated_at: cells.time("updated_at")?,
            etag: cells.int("etag")?,
        })
    }
}
