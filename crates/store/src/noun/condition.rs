//! Conditions and stray records as rows.

use keyward_core::noun::condition::Condition;
use keyward_core::noun::stray::StrayRecord;
use keyward_core::port::registry::RegistryError;
use keyward_core::port::storage::ObjectName;

use super::{Noun, Table, id, label, opt_id, table, text};
use crate::row::Cells;
use crate::value::Value;

impl Noun for Condition {
    fn table() -> &'static Table {
        table!("conditions", key 1, [
            "id", "tenant_id", "kind", "subject", "severity", "detail", "since", "last_seen_at",
            "cleared_at", "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.id),
            opt_id(self.tenant),
            text(self.kind.as_str()),
            text(&self.subject),
            label("condition_severity", self.severity.name()),
            text(&self.detail),
            Value::Time(Some(self.since)),
            Value::Time(Some(self.last_seen_at)),
            Value::Time(self.cleared_at),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("conditions");
        Ok(Self {
            id: cells.id("id")?,
            tenant: cells.opt_id("tenant_id")?,
            kind: cells.parsed("kind")?,
            subject: cells.text("subject")?,
            severity: cells.parsed("severity")?,
            detail: cells.text("detail")?,
            since: cells.time("since")?,
            last_seen_at: cells.time("last_seen_at")?,
            cleared_at: cells.opt_time("cleared_at")?,
            etag: cells.int("etag")?,
        })
    }
}

impl Noun for StrayRecord {
    fn table() -> &'static Table {
        table!("stray_records", key 1, [
            "name", "found_at", "quarantined_at", "confirmed_at", "deleting_at", "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            text(self.name.as_str()),
            Value::Time(Some(self.found_at)),
            Value::Time(self.quarantined_at),
            Value::Time(self.confirmed_at),
            Value::Time(self.deleting_at),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("stray_records");
        let name = cells.text("name")?;
        Ok(Self {
            name: ObjectName::new(&name).ok_or(RegistryError::Damaged {
                table: "stray_records",
                what: "name",
            })?,
            found_at: cells.time("found_at")?,
            quarantined_at: cells.opt_time("quarantined_at")?,
            confirmed_at: cells.opt_time("confirmed_at")?,
            deleting_at: cells.opt_time("deleting_at")?,
            etag: cells.int("etag")?,
        })
    }
}
