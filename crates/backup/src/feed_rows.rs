//! The changes that a snapshot of the registry holds: rows of its table `changes`, read by the names of
//! the columns.

use keyward_core::change::Change;
use keyward_core::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// Reads lines of a snapshot as they come.
#[derive(Default)]
pub(crate) struct FeedRows {
    columns: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Head {
    table: String,
    columns: Vec<String>,
}

impl FeedRows {
    /// The changes in some whole lines; none if one of them is not a change.
    pub(crate) fn take(&mut self, lines: &str) -> Option<Vec<Change>> {
        let mut changes = Vec::new();
        for line in lines.lines() {
            if !line.starts_with('[') {
                if let Ok(head) = serde_json::from_str::<Head>(line) {
                    self.columns = (head.table == "changes").then_some(head.columns);
                }
            } else if let Some(columns) = &self.columns {
                changes.push(change(columns, line)?);
            }
        }
        Some(changes)
    }
}

fn change(columns: &[String], line: &str) -> Option<Change> {
    let mut values: Vec<Value> = serde_json::from_str(line).ok()?;
    let mut take = |name: &str| {
        let place = columns.iter().position(|column| column == name)?;
        values.get_mut(place).map(Value::take)
    };
    Some(Change {
        revision: take("revision")?.as_i64()?,
        tenant: serde_json::from_value(take("tenant_id")?).ok()?,
        change: take("change")?.as_i64()?,
        committed_at: Timestamp::from_micros(take("committed_at")?.as_i64()?),
        writes: serde_json::from_value(take("writes")?).ok()?,
        event: serde_json::from_value(take("event")?).ok()?,
    })
}
