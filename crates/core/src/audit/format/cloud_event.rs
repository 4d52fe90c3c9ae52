//! `CloudEvents` 1.0 in JSON: the entry as data, and an envelope that no other entry has.

use serde_json::{Value, json};

use super::{Emitter, id_of, subject};
use crate::audit::Journaled;

pub(super) fn value(from: &Emitter, entry: &Journaled) -> Result<Value, serde_json::Error> {
    Ok(json!({
        "specversion": "1.0",
        "id": id_of(entry),
        "source": format!("urn:keyward:{}", from.deployment),
        "type": format!("keyward.{}", entry.event.action.name()),
        "subject": subject(entry),
        "time": entry.event.time.to_string(),
        "datacontenttype": "application/json",
        "data": serde_json::to_value(entry)?,
    }))
}
