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
        let mut days = |what: &'static str| {
            let days = cells.opt_int(what)?;
            let days = days.map(u16::try_from).transpose();
            days.map_err(|_| RegistryError::Damaged {
                table: "audit_rules",
                what,
            })
        };
        let (changes, uses) = (days("changes_days")?, days("uses_days")?);
        let (reads, authentication) = (days("reads_days")?, days("authentication_days")?);
        let all = changes.zip(uses).zip(reads.zip(authentication));
        let days = all.map(|((changes, uses), (reads, authentication))| Days {
            changes,
            uses,
            reads,
            authentication,
        });
        Ok(Self {
            id: cells.id("id")?,
            tenant: cells.opt_id("tenant_id")?,
            kind: cells.parsed("kind")?,
            name: cells.text("name")?,
            reason: cells.text("reason")?,
            days,
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
