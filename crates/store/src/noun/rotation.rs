//! Rotations as rows.

use keyward_core::noun::rotation::Rotation;
use keyward_core::port::registry::RegistryError;

use super::{Noun, Table, id, label, opt_text, table, text};
use crate::row::Cells;
use crate::value::Value;

impl Noun for Rotation {
    fn table() -> &'static Table {
        table!("rotations", key 1, [
            "id", "tenant_id", "key_id", "policy_id", "policy_etag", "trigger_kind", "planned_at", "run",
            "epoch", "started_at", "finished_at", "outcome", "attempts", "error", "retry_at", "key_etag",
            "from_version", "to_version", "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.id),
            id(self.tenant),
            id(self.key),
            id(self.policy),
            Value::Int(Some(self.policy_etag)),
            label("rotation_trigger", self.trigger.name()),
            Value::Time(Some(self.planned_at)),
            text(self.run.as_str()),
            Value::Int(self.epoch),
            Value::Time(Some(self.started_at)),
            Value::Time(Some(self.finished_at)),
            label("rotation_outcome", self.outcome.name()),
            Value::Int(Some(self.attempts)),
            opt_text(self.error.as_deref()),
            Value::Time(self.retry_at),
            Value::Int(Some(self.key_etag)),
            Value::Int(Some(self.from_version)),
            Value::Int(self.to_version),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("rotations");
        Ok(Self {
            id: cells.id("id")?,
            tenant: cells.id("tenant_id")?,
            key: cells.id("key_id")?,
            policy: cells.id("policy_id")?,
            policy_etag: cells.int("policy_etag")?,
            trigger: cells.parsed("trigger_kind")?,
            planned_at: cells.time("planned_at")?,
            run: cells.parsed("run")?,
            epoch: cells.opt_int("epoch")?,
            started_at: cells.time("started_at")?,
            finished_at: cells.time("finished_at")?,
            outcome: cells.parsed("outcome")?,
            attempts: cells.int("attempts")?,
            error: cells.opt_text("error")?,
            retry_at: cells.opt_time("retry_at")?,
            key_etag: cells.int("key_etag")?,
            from_version: cells.int("from_version")?,
            to_version: cells.opt_int("to_version")?,
            etag: cells.int("etag")?,
        })
    }
}
