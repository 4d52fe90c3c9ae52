//! An entry that was copied out of the log as a line of JSON, such as `audit export` and streams give out:
//! brought back into the bytes that were logged.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::canonical;

/// A text that is no entry.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It is no JSON, or a name stands twice in an object, so that readers could differ.
    #[error("not one JSON object without a name that stands twice: {0}")]
    Json(#[from] serde_json::Error),
    /// It is JSON and no entry.
    #[error("not an entry of the audit log: it has no {0}")]
    NoEntry(&'static str),
}

/// The canonical bytes of the entry in a line: without its number in the journal, which is no part of it, and
/// as it was logged where the line shows more.
pub fn logged_bytes(line: &[u8]) -> Result<Vec<u8>, LineError> {
    let Strict(read) = serde_json::from_slice(line)?;
    let Value::Object(mut entry) = read else {
        return Err(LineError::NoEntry("fields"));
    };
    for name in ["action", "actor", "resource", "time"] {
        if !entry.contains_key(name) {
            return Err(LineError::NoEntry(name));
        }
    }
    entry.remove("sequence");
    if let Some(Value::Object(shown)) = entry.remove("as_logged") {
        put_back(&mut entry, shown);
    }
    Ok(canonical::encode_value(&Value::Object(entry)))
}

/// What the entry has where the line shows more.
fn put_back(entry: &mut Map<String, Value>, mut as_logged: Map<String, Value>) {
    if let (Some(address), Some(Value::Object(actor))) =
        (as_logged.remove("address"), entry.get_mut("actor"))
    {
        actor.insert("address".to_owned(), address);
    }
    if let (Some(Value::Bool(true)), Some(Value::Object(resource))) =
        (as_logged.remove("unnamed"), entry.get_mut("resource"))
    {
        resource.remove("name");
    }
}

/// JSON in which no name stands twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading).map(Self)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(all.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some((name, Strict(value))) = fields.next_entry::<String, Strict>()? {
            if all.contains_key(&name) {
                return Err(A::Error::custom(format!("`{name}` stands twice")));
            }
            all.insert(name, value);
        }
        Ok(all.into())
    }
}
