//! The Common Event Format (`ArcSight`): a header between bars, then `key=value` pairs.

use std::fmt::Write;

use super::{Emitter, PRODUCT, Severity, id_of, more, present, title};
use crate::audit::Journaled;
use crate::audit::counted::count_of;
use crate::time::Timestamp;

pub(super) fn line(from: &Emitter, entry: &Journaled) -> Result<String, serde_json::Error> {
    let event = &entry.event;
    let mut line = format!(
        "CEF:0|{PRODUCT}|{PRODUCT}|{}|{}|{}|{}|",
        header(from.version),
        header(event.action.name()),
        header(title(entry)),
        Severity::of(event).of_ten(),
    );
    let id = |id: Option<uuid::Uuid>| id.map(|id| id.to_string());
    let address = event.actor.ip().map(ToOwned::to_owned);
    let pseudonym = event.actor.pseudonym().map(ToOwned::to_owned);
    let is_v6 = address.as_ref().is_some_and(|text| text.contains(':'));
    let (v6, v4) = if is_v6 {
        (address, None)
    } else {
        (None, address)
    };
    let label = |value: &Option<String>, label: &str| value.as_ref().map(|_| label.to_owned());
    let tenant = id(event.tenant.map(crate::ids::TenantId::uuid));
    let name = event.resource.name.clone();
    let resource = id(event.resource.id);
    let version = event.resource.version.map(|it| it.to_string());
    let details = more(entry)?;
    let count = count_of(entry);
    let fields = [
        ("rt", Some(super::millis(entry).to_string())),
        ("dvchost", Some(event.node.to_string())),
        ("externalId", Some(id_of(entry))),
        ("act", Some(event.action.name().to_owned())),
        ("outcome", Some(event.outcome.name().to_owned())),
        ("reason", event.reason.clone()),
        ("cnt", count.as_ref().map(|it| it.operations.to_string())),
        ("start", count.as_ref().and_then(|it| instant(it.from))),
        ("end", count.as_ref().and_then(|it| instant(it.to))),
        ("src", v4),
        ("c6a2Label", label(&v6, "Source IPv6 Address")),
        ("c6a2", v6),
        ("flexString1Label", label(&pseudonym, "SourcePseudonym")),
        ("flexString1", pseudonym),
        (
            "suid",
            id(event.actor.principal.map(crate::ids::PrincipalId::uuid)),
        ),
        ("cs1Label", label(&tenant, "Tenant")),
        ("cs1", tenant),
        ("cs2Label", Some("ResourceKind".to_owned())),
        ("cs2", Some(event.resource.kind.to_string())),
        ("cs3Label", label(&name, "ResourceName")),
        ("cs3", name),
        ("cs4Label", label(&resource, "ResourceId")),
        ("cs4", resource),
        ("cs5Label", Some("CorrelationId".to_owned())),
        ("cs5", Some(event.correlation_id.to_string())),
        ("cs6Label", label(&details, "Details")),
        ("cs6", details),
        ("cn1Label", label(&version, "KeyVersion")),
        ("cn1", version),
    ];
    for (position, (key, value)) in present(fields).enumerate() {
        let space = if position == 0 { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = write!(line, "{space}{key}={}", extension(&value));
    }
    Ok(line)
}

/// An instant as `rt` has it: in milliseconds since 1970.
fn instant(text: &str) -> Option<String> {
    let instant: Timestamp = text.parse().ok()?;
    Some(instant.as_micros().div_euclid(1000).to_string())
}

/// In the header bars and backslashes are escaped, and there is no line feed.
fn header(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('|', "\\|");
    escaped.replace(['\n', '\r'], " ")
}

/// In the extension equal signs, backslashes and line feeds are escaped.
fn extension(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('=', "\\=");
    escaped.replace('\n', "\\n").replace('\r', "\\r")
}
