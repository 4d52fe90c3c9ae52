//! Drills as rows.

use keyward_core::noun::drill::Drill;
use keyward_core::port::registry::RegistryError;

use super::{Noun, Table, id, label, opt_text, table};
use crate::row::Cells;
use crate::value::Value;

impl Noun for Drill {
    fn table() -> &'static Table {
        table!("drills", key 1, [
            "id", "state", "backup_id", "ordered_at", "ended_at", "revision", "committed_at",
            "segments", "rows_seen", "records_seen", "keks_opened", "records_opened", "problem",
            "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.id),
            label("drill_state", self.state.name()),
            Value::Uuid(self.backup),
            Value::Time(Some(self.ordered_at)),
            Value::Time(self.ended_at),
            Value::Int(self.revision),
            Value::Time(self.committed_at),
            Value::Int(Some(self.segments)),
            Value::Int(Some(self.rows_seen)),
            Value::Int(Some(self.records_seen)),
            Value::Int(Some(self.keks_opened)),
            Value::Int(Some(self.records_opened)),
            opt_text(self.problem.as_deref()),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("drills");
        Ok(Self {
            id: cells.id("id")?,
            state: cells.parsed("state")?,
            backup: cells.opt_uuid("backup_id")?,
            ordered_at: cells.time("ordered_at")?,
            ended_at: cells.opt_time("ended_at")?,
            revision: cells.opt_int("revision")?,
            committed_at: cells.opt_time("committed_at")?,
            segments: cells.int("segments")?,
            rows_seen: cells.int("rows_seen")?,
            records_seen: cells.int("records_seen")?,
            keks_opened: cells.int("keks_opened")?,
            records_opened: cells.int("records_opened")?,
            problem: cells.opt_text("problem")?,
            etag: cells.int("etag")?,
        })
    }
}
