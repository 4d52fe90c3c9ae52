//! RFC 4180: a header, commas, quotes where they are needed, and no line feed inside a line.

use super::more;
use crate::audit::Journaled;

const COLUMNS: [&str; 20] = [
    "sequence",
    "time",
    "node",
    "tenant",
    "action",
    "outcome",
    "reason",
    "principal",
    "token",
    "authentication",
    "address",
    "resource_kind",
    "resource_id",
    "resource_name",
    "resource_version",
    "correlation_id",
    "revision",
    "change",
    "details",
    "used",
];

pub(super) fn head() -> String {
    COLUMNS.join(",")
}

pub(super) fn line(entry: &Journaled) -> Result<String, serde_json::Error> {
    let event = &entry.event;
    let resource = &event.resource;
    let number = |number: Option<i64>| number.map(|number| number.to_string());
    let used = if event.used.is_empty() {
        None
    } else {
        Some(serde_json::to_string(&event.used)?)
    };
    let cells: [Option<String>; COLUMNS.len()] = [
        Some(entry.sequence.to_string()),
        Some(event.time.to_string()),
        Some(event.node.to_string()),
        event.tenant.map(|id| id.to_string()),
        Some(event.action.name().to_owned()),
        Some(event.outcome.name().to_owned()),
        event.reason.clone(),
        event.actor.principal.map(|id| id.to_string()),
        event.actor.token.map(|id| id.to_string()),
        Some(event.actor.authentication.name().to_owned()),
        event.actor.address.clone(),
        Some(resource.kind.to_string()),
        resource.id.map(|id| id.to_string()),
        resource.name.clone(),
        number(resource.version),
        Some(event.correlation_id.to_string()),
        number(event.revision),
        number(event.change),
        more(entry)?,
        used,
    ];
    let cells = cells.map(|cell| cell.map(|text| quoted(&text)).unwrap_or_default());
    Ok(cells.join(","))
}

/// A cell. What a spreadsheet would take for a formula gets an apostrophe before it, since the texts
/// of callers come here (OWASP, CSV injection); line feeds become spaces, since a line is an entry.
fn quoted(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let is_number = text.parse::<i64>().is_ok();
    let mut safe = String::with_capacity(text.len() + 1);
    if is_formula && !is_number {
        safe.push('\'');
    }
    safe.extend(text.chars().map(|it| match it {
        '\n' | '\r' => ' ',
        other => other,
    }));
    if safe.contains([',', '"']) {
        safe = format!("\"{}\"", safe.replace('"', "\"\""));
    }
    safe
}
