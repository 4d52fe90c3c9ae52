//! How an entry is told to others: the forms that analysts' tools and systems for security events
//! read. Pure; one line each, so that a stream of them can be cut anywhere and taken up again.
//!
//! | form | as defined by |
//! |---|---|
//! | JSON Lines | [`crate::audit::Journaled`], with its sequence number |
//! | CSV | RFC 4180, with a header |
//! | CEF | `ArcSight` Common Event Format, version 0 |
//! | LEEF | `QRadar` Log Event Extended Format 2.0 |
//! | OCSF | Open Cybersecurity Schema Framework 1.3.0 |
//! | ECS | Elastic Common Schema 8.17 |
//! | `CloudEvents` | `CloudEvents` 1.0, JSON |

mod cef;
mod cloud_event;
mod csv;
mod ecs;
mod leef;
mod ocsf;
mod severity;
#[cfg(test)]
mod tests;

use crate::audit::{AuditEvent, Journaled};
use crate::text_enum;

use self::severity::Severity;

/// Who makes the entries, for forms that name the product.
const PRODUCT: &str = "Keyward";

text_enum! {
    /// A form.
    pub enum Format {
        /// One JSON object a line.
        JsonLines => "jsonl",
        /// A table for people.
        Csv => "csv",
        /// `ArcSight` and what reads it.
        Cef => "cef",
        /// `QRadar`.
        Leef => "leef",
        /// The Open Cybersecurity Schema Framework.
        Ocsf => "ocsf",
        /// Elastic.
        Ecs => "ecs",
        /// `CloudEvents`, one JSON object a line.
        CloudEvents => "cloudevents",
    }
}

/// Where entries come from.
#[derive(Clone, Debug)]
pub struct Emitter {
    /// The deployment's id.
    pub deployment: String,
    /// The version of the program that writes the form.
    pub version: &'static str,
}

impl Format {
    /// The media type of many lines.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::JsonLines | Self::Ocsf | Self::Ecs | Self::CloudEvents => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Cef | Self::Leef => "text/plain; charset=utf-8",
        }
    }

    /// The line before all others, if the form has one.
    pub fn head(self) -> Option<String> {
        (self == Self::Csv).then(csv::head)
    }

    /// An entry as a line, without the line feed at its end.
    pub fn line(self, from: &Emitter, entry: &Journaled) -> Result<String, serde_json::Error> {
        Ok(match self {
            Self::JsonLines => serde_json::to_string(entry)?,
            Self::Csv => csv::line(entry)?,
            Self::Cef => cef::line(from, entry)?,
            Self::Leef => leef::line(from, entry)?,
            Self::Ocsf => ocsf::value(from, entry)?.to_string(),
            Self::Ecs => ecs::value(from, entry)?.to_string(),
            Self::CloudEvents => cloud_event::value(from, entry)?.to_string(),
        })
    }
}

/// A name for an entry that no other entry of the deployment has, in this form or another. The time is in
/// it because a deployment that was restored counts from 1 again.
pub fn id_of(entry: &Journaled) -> String {
    let AuditEvent { node, time, .. } = &entry.event;
    format!("{node}/{}@{}", entry.sequence, time.as_micros())
}

/// How grave an entry is, from 1 to 10.
pub fn severity_of(entry: &Journaled) -> u8 {
    Severity::of(&entry.event).of_ten()
}

/// What was done, as a sentence without its full stop.
fn title(entry: &Journaled) -> &'static str {
    entry.event.action.summary().trim_end_matches('.')
}

/// What was acted on, in one text: `key/orders`, or with the id where there is no name.
fn subject(entry: &Journaled) -> String {
    let resource = &entry.event.resource;
    let id = resource.id.map(|id| id.to_string());
    match resource.name.as_ref().or(id.as_ref()) {
        Some(name) => format!("{}/{name}", resource.kind),
        None => resource.kind.to_string(),
    }
}

const fn is_ok(entry: &Journaled) -> bool {
    matches!(entry.event.outcome, crate::audit::Outcome::Ok)
}

/// Milliseconds since 1970.
const fn millis(entry: &Journaled) -> i64 {
    entry.event.time.as_micros().div_euclid(1000)
}

/// Fields in the order given, without those that are empty.
fn present<'a>(
    fields: impl IntoIterator<Item = (&'a str, Option<String>)>,
) -> impl Iterator<Item = (&'a str, String)> {
    let filled = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    filled.filter(|(_, value)| !value.is_empty())
}

/// More about an entry than the forms have fields for, as JSON; nothing if there is no more.
fn more(entry: &Journaled) -> Result<Option<String>, serde_json::Error> {
    let details = &entry.event.details;
    if details.is_empty() {
        return Ok(None);
    }
    serde_json::to_string(details).map(Some)
}
