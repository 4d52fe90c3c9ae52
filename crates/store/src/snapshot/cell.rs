//! A value of a column as JSON, the same whichever database it comes from, and back.
//!
//! | in PostgreSQL | in JSON |
//! |---|---|
//! | `uuid`, `text`, an enumeration | a text |
//! | `bigint`, `integer` | a number |
//! | `boolean` | `true` or `false` |
//! | `timestamptz` | a number: microseconds since the Unix epoch |
//! | `bytea` | a text: base64 (RFC 4648, section 4) |
//! | `jsonb` | the value itself, objects in the order of their names |

use data_encoding::BASE64;
use keyward_core::port::registry::RegistryError;
use keyward_core::time::Timestamp;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::row::Cells;
use crate::schema::Described;
use crate::value::Value;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Uuid,
    Text,
    Int,
    Int4,
    Flag,
    Time,
    Bytes,
    Label(&'static str),
    Json,
    /// Of a type that no table had so far.
    Unknown,
}

impl Kind {
    /// By its definition in PostgreSQL, which tells more apart than SQLite's.
    pub(super) fn of(described: &Described, definition: &str) -> Self {
        match definition.split([' ', '(']).next().unwrap_or_default() {
            "UUID" => Self::Uuid,
            "TEXT" => Self::Text,
            "BIGINT" => Self::Int,
            "INTEGER" => Self::Int4,
            "BOOLEAN" => Self::Flag,
            "TIMESTAMPTZ" => Self::Time,
            "BYTEA" => Self::Bytes,
            "JSONB" => Self::Json,
            other if described.types.iter().any(|(name, _)| name == other) => {
                Self::Label(String::leak(other.to_owned()))
            }
            _ => Self::Unknown,
        }
    }

    /// Reads the next column.
    pub(crate) fn read(
        self,
        cells: &mut Cells<'_>,
        column: &'static str,
    ) -> Result<Value, RegistryError> {
        Ok(match self {
            Self::Uuid => Value::Uuid(cells.opt_uuid(column)?),
            Self::Text => Value::Text(cells.opt_text(column)?),
            Self::Int => Value::Int(cells.opt_int(column)?),
            Self::Int4 => Value::Int4(cells.opt_int4(column)?),
            Self::Flag => Value::Flag(cells.flag(column)?),
            Self::Time => Value::Time(cells.opt_time(column)?),
            Self::Bytes => Value::Bytes(cells.opt_bytes(column)?),
            Self::Label(kind) => Value::Label(kind, cells.opt_text(column)?.map(Into::into)),
            Self::Json => {
                let text = cells.opt_json_text(column)?;
                let canonical = text.map(|text| canonical(&text)).transpose();
                Value::Json(canonical.map_err(|_| cells.damaged(column))?)
            }
            Self::Unknown => return Err(cells.damaged(column)),
        })
    }

    /// Reads a value of a snapshot's row; none if it is not one of this kind.
    pub(crate) fn parse(self, json: &Json) -> Option<Value> {
        let text = || match json {
            Json::Null => Some(None),
            Json::String(text) => Some(Some(text.clone())),
            _ => None,
        };
        let int = || match json {
            Json::Null => Some(None),
            number => number.as_i64().map(Some),
        };
        Some(match self {
            Self::Uuid => Value::Uuid(text()?.map(|it| Uuid::parse_str(&it)).transpose().ok()?),
            Self::Text => Value::Text(text()?),
            Self::Int => Value::Int(int()?),
            Self::Int4 => Value::Int4(int()?.map(i32::try_from).transpose().ok()?),
            Self::Flag => Value::Flag(json.as_bool()?),
            Self::Time => Value::Time(int()?.map(Timestamp::from_micros)),
            Self::Bytes => {
                let decoded = text()?.map(|it| BASE64.decode(it.as_bytes()));
                Value::Bytes(decoded.transpose().ok()?)
            }
            Self::Label(kind) => Value::Label(kind, text()?.map(Into::into)),
            Self::Json => Value::Json((!json.is_null()).then(|| json.to_string())),
            Self::Unknown => return None,
        })
    }
}

/// JSON text in the one form that equal values share: `serde_json` keeps the members of an object
/// in the order of their names.
fn canonical(text: &str) -> serde_json::Result<String> {
    serde_json::from_str::<Json>(text).map(|value| value.to_string())
}

/// Writes a row: a JSON array of its values.
pub(crate) fn line(values: &[Value]) -> String {
    let mut line = String::with_capacity(256);
    line.push('[');
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        write(&mut line, value);
    }
    line.push(']');
    line
}

fn write(line: &mut String, value: &Value) {
    let text = |text: &str| Json::from(text).to_string();
    let written = match value {
        Value::Uuid(Some(id)) => format!("\"{id}\""),
        Value::Text(Some(it)) => text(it),
        Value::Int(Some(it)) => it.to_string(),
        Value::Int4(Some(it)) => it.to_string(),
        Value::Flag(it) => it.to_string(),
        Value::Time(Some(it)) => it.as_micros().to_string(),
        Value::Bytes(Some(it)) => format!("\"{}\"", BASE64.encode(it)),
        Value::Label(_, Some(it)) => text(it),
        Value::Json(Some(it)) => it.clone(),
        // The last two are of statements only, never of a column.
        Value::Uuid(None)
        | Value::Text(None)
        | Value::Int(None)
        | Value::Int4(None)
        | Value::Time(None)
        | Value::Bytes(None)
        | Value::Label(_, None)
        | Value::Json(None)
        | Value::Words(_)
        | Value::Uuids(_) => "null".to_owned(),
    };
    line.push_str(&written);
}
