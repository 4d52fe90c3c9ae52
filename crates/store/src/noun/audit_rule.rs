//! What keeps entries of the audit log, as rows.

use keyward_core::noun::audit_rule::{AuditRule, Days};
use keyward_core::port::registry::RegistryError;

use super::{Noun, Table, id, label, opt_id, table, text};
use crate::row::Cells;
use crate::value::Value;

impl Noun for AuditRule {
    fn table() -> &'static Table {
        table!("audit_rules", key 1, [
            "id", "tenant_id", "kind", "name", "reason", "changes_days", "uses_days", "reads_days",
            "authentication_days", "through", "since", "set_by", "released_at", "released_by",
            "release_reason", "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        let days = |of: fn(&Days) -> u16| Value::Int(self.days.as_ref().map(of).map(i64::from));
        vec![
            id(self.id),
            opt_id(self.tenant),
            label("audit_rule_kind", self.kind.name()),
            text(&self.name),
            text(&self.reason),
            days(|it| it.changes),
            days(|it| it.uses),
            days(|it| it.reads),
            days(|it| it.authentication),
            Value::Int(self.through),
            Value::Time(Some(self.since)),
            opt_id(self.by),
            Value::Time(self.released_at),
            opt_id(self.released_by),
            text(&self.release_reason),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("audit_rules");
        // Cells are read in the order of the columns.
        let (id, tenant) = (cells.id("id")?, cells.opt_id("tenant_id")?);
        let kind = cells.parsed("kind")?;
        let (name, reason) = (cells.text("name")?, cells.text("reason")?);
        Ok(Self {
            id,
            tenant,
            kind,
            name,
            reason,
            days: days(cells)?,
            through: cells.opt_int("through")?,
            since: cells.time("since")?,
            by: cells.opt_id("set_by")?,
            released_at: cells.opt_time("released_at")?,
            released_by: cells.opt_id("released_by")?,
            release_reason: cells.text("release_reason")?,
            etag: cells.int("etag")?,
        })
    }
}

/// All four of them, or none.
fn days(cells: &mut Cells<'_>) -> Result<Option<Days>, RegistryError> {
    let mut days = |what: &'static str| {
        let days = cells.opt_int(what)?.map(u16::try_from).transpose();
        days.map_err(|_| RegistryError::Damaged {
            table: "audit_rules",
            what,
        })
    };
    let (changes, uses) = (days("changes_days")?, days("uses_days")?);
    let (reads, authentication) = (days("reads_days")?, days("authentication_days")?);
    let all = changes.zip(uses).zip(reads.zip(authentication));
    Ok(all.map(|((changes, uses), (reads, authentication))| Days {
        changes,
        uses,
        reads,
        authentication,
    }))
}
