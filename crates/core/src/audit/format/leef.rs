//! The Log Event Extended Format 2.0 (`QRadar`): a header between bars, then attributes between tabs.

use std::fmt::Write;

use super::{Emitter, PRODUCT, Severity, id_of, more, present};
use crate::audit::Journaled;
use crate::audit::counted::count_of;

pub(super) fn line(from: &Emitter, entry: &Journaled) -> Result<String, serde_json::Error> {
    let event = &entry.event;
    let count = count_of(entry);
    let mut line = format!(
        "LEEF:2.0|{PRODUCT}|{PRODUCT}|{}|{}|x09|",
        plain(from.version).replace('|', "/"),
        event.action.name()
    );
    let fields = [
        // Milliseconds since 1970 need no devTimeFormat.
        ("devTime", Some(super::millis(entry).to_string())),
        ("cat", Some(event.resource.kind.to_string())),
        ("sev", Some(Severity::of(event).of_ten().to_string())),
        ("src", event.actor.ip().map(ToOwned::to_owned)),
        (
            "srcPseudonym",
            event.actor.pseudonym().map(ToOwned::to_owned),
        ),
        ("usrName", event.actor.principal.map(|id| id.to_string())),
        ("identHostName", Some(event.node.to_string())),
        ("eventId", Some(id_of(entry))),
        ("outcome", Some(event.outcome.name().to_owned())),
        ("reason", event.reason.clone()),
        ("tenant", event.tenant.map(|id| id.to_string())),
        ("resourceName", event.resource.name.clone()),
        ("resourceId", event.resource.id.map(|id| id.to_string())),
        ("version", event.resource.version.map(|it| it.to_string())),
        ("count", count.as_ref().map(|it| it.operations.to_string())),
        ("countFrom", count.as_ref().map(|it| it.from.to_owned())),
        ("countTo", count.as_ref().map(|it| it.to.to_owned())),
        ("correlationId", Some(event.correlation_id.to_string())),
        ("details", more(entry)?),
    ];
    for (position, (key, value)) in present(fields).enumerate() {
        let tab = if position == 0 { "" } else { "\t" };
        // Writing to a String cannot fail.
        let _ = write!(line, "{tab}{key}={}", plain(&value));
    }
    Ok(line)
}

/// The format knows no escapes: what separates becomes a space.
fn plain(text: &str) -> String {
    text.replace(['\t', '\n', '\r'], " ")
}
