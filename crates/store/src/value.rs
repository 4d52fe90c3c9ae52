//! A value on its way into a statement, and how each database stores it. The one place that knows
//! that a UUID is a blob in SQLite and an instant a `timestamptz` in PostgreSQL.

use std::borrow::Cow;

use keyward_core::time::Timestamp;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo, PgValueRef};
use sqlx::sqlite::{SqliteArguments, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Arguments, Decode, Encode, Postgres, Sqlite, Type};
use uuid::Uuid;

/// A value to bind. Absent values keep their type, because PostgreSQL asks for it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An id.
    Uuid(Option<Uuid>),
    /// Text.
    Text(Option<String>),
    /// A 64-bit number.
    Int(Option<i64>),
    /// A 32-bit number.
    Int4(Option<i32>),
    /// Yes or no.
    Flag(bool),
    /// An instant.
    Time(Option<Timestamp>),
    /// A digest.
    Bytes(Option<Vec<u8>>),
    /// A value of an enumeration: its type in PostgreSQL, and its name.
    Label(&'static str, Option<Cow<'static, str>>),
    /// A map or a set, as JSON text.
    Json(Option<String>),
    /// Several texts in one parameter: an array in PostgreSQL, text joined by spaces in SQLite,
    /// where only the text index takes it.
    Words(Vec<String>),
    /// Several ids in one parameter: an array in PostgreSQL, a JSON array of hex in SQLite.
    Uuids(Vec<Uuid>),
}

impl Value {
    /// The type that PostgreSQL gives the parameter.
    pub const fn postgres_type(&self) -> &'static str {
        match self {
            Self::Uuid(_) => "uuid",
            Self::Text(_) => "text",
            Self::Int(_) => "bigint",
            Self::Int4(_) => "integer",
            Self::Flag(_) => "boolean",
            Self::Time(_) => "timestamptz",
            Self::Bytes(_) => "bytea",
            Self::Label(kind, _) => kind,
            Self::Json(_) => "jsonb",
            Self::Words(_) => "text[]",
            Self::Uuids(_) => "uuid[]",
        }
    }
}

/// Values as SQLite takes them.
pub(crate) fn lite(values: Vec<Value>) -> Result<SqliteArguments, BoxDynError> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Value::Uuid(value) => arguments.add(value)?,
            Value::Text(value) | Value::Json(value) => arguments.add(value)?,
            Value::Int(value) => arguments.add(value)?,
            Value::Int4(value) => arguments.add(value)?,
            Value::Flag(value) => arguments.add(value)?,
            Value::Time(value) => arguments.add(value.map(Instant))?,
            Value::Bytes(value) => arguments.add(value)?,
            Value::Label(_, value) => arguments.add(value.map(Cow::into_owned))?,
            Value::Words(words) => arguments.add(words.join(" "))?,
            Value::Uuids(ids) => {
                let hex: Vec<String> = ids.iter().map(|id| id.simple().to_string()).collect();
                arguments.add(serde_json::to_string(&hex)?)?;
            }
        }
    }
    Ok(arguments)
}

/// Values as PostgreSQL takes them.
pub(crate) fn pg(values: Vec<Value>) -> Result<PgArguments, BoxDynError> {
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Uuid(value) => arguments.add(value)?,
            Value::Text(value) => arguments.add(value)?,
            Value::Int(value) => arguments.add(value)?,
            Value::Int4(value) => arguments.add(value)?,
            Value::Flag(value) => arguments.add(value)?,
            Value::Time(value) => arguments.add(value.map(Instant))?,
            Value::Bytes(value) => arguments.add(value)?,
            Value::Label(kind, value) => arguments.add(Label { kind, value })?,
            Value::Json(value) => arguments.add(value.map(JsonText))?,
            Value::Words(words) => arguments.add(words)?,
            Value::Uuids(ids) => arguments.add(ids)?,
        }
    }
    Ok(arguments)
}

/// Core's instant as a column: microseconds since the Unix epoch in SQLite, `timestamptz`, which
/// counts microseconds since 2000, in PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant(pub(crate) Timestamp);

/// Microseconds from the Unix epoch to 2000-01-01T00:00:00Z, where PostgreSQL begins to count.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

impl Type<Sqlite> for Instant {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }

    fn compatible(info: &SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(info)
    }
}

impl Encode<'_, Sqlite> for Instant {
    fn encode_by_ref(
        &self,
        buffer: &mut <Sqlite as sqlx::Database>::ArgumentBuffer,
    ) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<'_, Sqlite>>::encode_by_ref(&self.0.as_micros(), buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Instant {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        <i64 as Decode<'r, Sqlite>>::decode(value)
            .map(|micros| Self(Timestamp::from_micros(micros)))
    }
}

impl Type<Postgres> for Instant {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("timestamptz")
    }
}

impl Encode<'_, Postgres> for Instant {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let micros = self
            .0
            .as_micros()
            .checked_sub(POSTGRES_EPOCH_MICROS)
            .ok_or("an instant outside the range of timestamptz")?;
        <i64 as Encode<'_, Postgres>>::encode_by_ref(&micros, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Instant {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let micros = <i64 as Decode<'r, Postgres>>::decode(value)?
            .checked_add(POSTGRES_EPOCH_MICROS)
            .ok_or("an instant outside the range of a timestamp")?;
        Ok(Self(Timestamp::from_micros(micros)))
    }
}

/// JSON text as `jsonb`, without a detour through a tree of values.
pub(crate) struct JsonText(pub(crate) String);

/// The version byte before binary `jsonb` (`jsonb_recv` in PostgreSQL's `jsonb.c`).
const JSONB_VERSION: u8 = 1;

impl Type<Postgres> for JsonText {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("jsonb")
    }
}

impl Encode<'_, Postgres> for JsonText {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.push(JSONB_VERSION);
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}

impl<'r> Decode<'r, Postgres> for JsonText {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let (version, text) = value
            .as_bytes()?
            .split_first()
            .ok_or("an empty jsonb value")?;
        if *version != JSONB_VERSION {
            return Err("a jsonb format this program does not know".into());
        }
        Ok(Self(std::str::from_utf8(text)?.to_owned()))
    }
}

/// A value of a PostgreSQL `ENUM`. The binary form of one is its name.
struct Label {
    kind: &'static str,
    value: Option<Cow<'static, str>>,
}

impl Type<Postgres> for Label {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("text")
    }
}

impl Encode<'_, Postgres> for Label {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match &self.value {
            Some(name) => {
                buffer.extend_from_slice(name.as_bytes());
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_name(self.kind))
    }
}
