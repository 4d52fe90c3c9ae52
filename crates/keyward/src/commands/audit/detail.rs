//! What is said of tenants of which the log does not tell each use of a key, or did not always.

use keyward_api::audit::{AuditDetailNote, AuditEntry};
use serde_json::Value;

use crate::output;

/// Says it beside the result, to whoever reads it.
pub fn say(notes: &[AuditDetailNote]) {
    for note in notes {
        output::say(&output::printable(&sentence(note)));
        output::say("\n");
    }
}

fn sentence(note: &AuditDetailNote) -> String {
    let AuditDetailNote {
        tenant_id, since, ..
    } = note;
    let by = note.by.map_or_else(String::new, |by| format!(" by {by}"));
    match note.audit_detail.as_str() {
        "each" => format!(
            "each use of a key of tenant {tenant_id} is an entry since {since}{by}: before, entries may stand for many"
        ),
        how => format!(
            "uses of keys of tenant {tenant_id} are logged as {how} since {since}{by}: an entry may stand for many"
        ),
    }
}

/// How many operations an entry stands for, if it is a count of them.
pub fn times(entry: &AuditEntry) -> Option<String> {
    entry.details.get("began_with")?;
    let number = |name| entry.details.get(name).and_then(Value::as_i64);
    match (number("count"), number("count_at_most")) {
        (Some(count), _) => Some(format!("{count} times")),
        (None, Some(most)) => Some(format!("at most {most} times")),
        (None, None) => None,
    }
}
