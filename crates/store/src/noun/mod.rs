//! How core's nouns become rows and come back: one codec for each, the same on both databases.
//! The columns' order here is the order in which they are bound and read.

mod access;
mod audit_rule;
mod condition;
mod drill;
mod import_key;
mod key;
mod key_version;
mod record;
mod rotation;
mod secret;
mod tenant;

use std::sync::LazyLock;

use keyward_core::change::Row;
use keyward_core::port::registry::RegistryError;

use crate::db::Dialect;
use crate::row::Cells;
use crate::sql::{RowsText, value_rows};
use crate::value::Value;

pub(crate) use key::{KeyImage, search_text_of};

/// A noun that is a row of a table.
pub(crate) trait Noun: Sized {
    /// The table and the statements on one of its rows.
    fn table() -> &'static Table;
    /// The same, of a noun at hand.
    fn own_table(&self) -> &'static Table {
        Self::table()
    }
    /// What the columns hold, in order.
    fn values(&self) -> Vec<Value>;
    /// Reads the columns, in order.
    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError>;
}

/// A table as the codecs see it.
pub(crate) struct Table {
    /// Its name.
    pub(crate) name: &'static str,
    /// The noun's columns; the last one is the row version, `etag`, but for `transitions`.
    pub(crate) columns: &'static [&'static str],
    /// So many leading columns find a row.
    key_columns: usize,
    insert: RowsText,
    update: LazyLock<String>,
    delete: LazyLock<String>,
}

impl Table {
    /// Inserts rows.
    pub(crate) const fn insert(&'static self) -> &'static RowsText {
        &self.insert
    }

    /// Updates the row with the etag before the one bound.
    pub(crate) fn update(&'static self) -> &'static str {
        &self.update
    }

    /// Deletes the row with the key bound and the etag bound after it.
    pub(crate) fn delete(&'static self) -> &'static str {
        &self.delete
    }

    /// What a delete binds, of what an insert binds.
    pub(crate) fn delete_values(&self, values: Vec<Value>) -> Vec<Value> {
        let last = self.columns.len() - 1;
        let kept = |index: usize| index < self.key_columns || index == last;
        let of_noun = values.into_iter().take(self.columns.len()).enumerate();
        of_noun
            .filter_map(|(index, value)| kept(index).then_some(value))
            .collect()
    }
}

/// Defines a [`Table`]. The statements are made on first use.
macro_rules! table {
    ($name:literal, key $key:literal, [$($column:literal),+ $(,)?] $(, derived [$($derived:literal),*])?) => {{
        const COLUMNS: &[&str] = &[$($column),+];
        const DERIVED: &[&str] = &[$($($derived),*)?];
        static TABLE: $crate::noun::Table = $crate::noun::Table {
            name: $name,
            columns: COLUMNS,
            key_columns: $key,
            insert: $crate::sql::RowsText::new(|dialect, rows| {
                $crate::noun::insert_text(dialect, $name, COLUMNS, DERIVED, rows)
            }),
            update: std::sync::LazyLock::new(|| $crate::noun::update_text($name, COLUMNS, $key, DERIVED)),
            delete: std::sync::LazyLock::new(|| $crate::noun::delete_text($name, COLUMNS, $key)),
        };
        &TABLE
    }};
}
pub(crate) use table;

fn insert_text(
    dialect: Dialect,
    table: &str,
    columns: &[&str],
    derived: &[&str],
    rows: usize,
) -> String {
    let all: Vec<&str> = columns.iter().chain(derived).copied().collect();
    let parameters = value_rows(dialect, rows, all.len());
    format!(
        "INSERT INTO {table} ({}) VALUES {parameters}",
        all.join(", ")
    )
}

fn update_text(table: &str, columns: &[&str], key: usize, derived: &[&str]) -> String {
    let mut sets: Vec<String> = columns
        .iter()
        .enumerate()
        .skip(key)
        .map(|(index, column)| format!("{column} = ${}", index + 1))
        .collect();
    if !derived.is_empty() {
        sets.push(key::derived_update(columns));
    }
    format!(
        "UPDATE {table} SET {} WHERE {} AND etag = ${} - 1",
        sets.join(", "),
        key_condition(columns, key),
        columns.len()
    )
}

fn delete_text(table: &str, columns: &[&str], key: usize) -> String {
    format!(
        "DELETE FROM {table} WHERE {} AND etag = ${}",
        key_condition(columns, key),
        key + 1
    )
}

fn key_condition(columns: &[&str], key: usize) -> String {
    let conditions: Vec<String> = columns
        .iter()
        .take(key)
        .enumerate()
        .map(|(index, column)| format!("{column} = ${}", index + 1))
        .collect();
    conditions.join(" AND ")
}

/// `t.id, t.name, …`: the columns of a noun under an alias.
pub(crate) fn list<N: Noun>(alias: &str) -> String {
    let columns: Vec<String> = N::table()
        .columns
        .iter()
        .map(|column| format!("{alias}.{column}"))
        .collect();
    columns.join(", ")
}

/// The noun of a row, whichever it is.
macro_rules! noun_of {
    ($row:expr, $noun:ident => $done:expr) => {
        match $row {
            Row::Tenant($noun) => $done,
            Row::TenantKek($noun) => $done,
            Row::Principal($noun) => $done,
            Row::Token($noun) => $done,
            Row::Role($noun) => $done,
            Row::RoleAssignment($noun) => $done,
            Row::Key($noun) => $done,
            Row::KeyVersion($noun) => $done,
            Row::Transition($noun) => $done,
            Row::Policy($noun) => $done,
            Row::ClassPointer($noun) => $done,
            Row::DataBinding($noun) => $done,
            Row::Job($noun) => $done,
            Row::ImportKey($noun) => $done,
            Row::Secret($noun) => $done,
            Row::SecretVersion($noun) => $done,
            Row::Condition($noun) => $done,
            Row::StrayRecord($noun) => $done,
            Row::Drill($noun) => $done,
            Row::AuditRule($noun) => $done,
            Row::Rotation($noun) => $done,
        }
    };
}

/// The table of a row and what its columns hold.
pub(crate) fn image(row: &Row) -> (&'static Table, Vec<Value>) {
    (table_of(row), noun_of!(row, noun => noun.values()))
}

/// The table of a row.
pub(crate) fn table_of(row: &Row) -> &'static Table {
    noun_of!(row, noun => noun.own_table())
}

/// The tables in the order in which foreign keys let rows be inserted.
pub(crate) const INSERT_ORDER: [&str; 21] = [
    "tenants",
    "tenant_keks",
    "principals",
    "tokens",
    "roles",
    "role_assignments",
    "policies",
    "keys",
    "key_versions",
    "transitions",
    "class_pointers",
    "data_bindings",
    "jobs",
    "import_keys",
    "secrets",
    "secret_versions",
    "conditions",
    "stray_records",
    "drills",
    "audit_rules",
    "rotations",
];

/// JSON of a map or a set that the noun already holds as such.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Value {
    // Maps of texts and lists of names always serialise; a database refuses the absent value.
    Value::Json(serde_json::to_string(value).ok())
}

pub(crate) fn text(value: impl AsRef<str>) -> Value {
    Value::Text(Some(value.as_ref().to_owned()))
}

pub(crate) fn opt_text(value: Option<&str>) -> Value {
    Value::Text(value.map(str::to_owned))
}

pub(crate) fn label(kind: &'static str, name: &'static str) -> Value {
    Value::Label(kind, Some(name.into()))
}

pub(crate) fn opt_label(kind: &'static str, name: Option<&'static str>) -> Value {
    Value::Label(kind, name.map(Into::into))
}

/// Ids become UUIDs and come back without their type being named each time.
pub(crate) trait Id {
    fn of(uuid: uuid::Uuid) -> Self;
    fn value(self) -> uuid::Uuid;
}

pub(crate) fn id<I: Id>(id: I) -> Value {
    Value::Uuid(Some(id.value()))
}

pub(crate) fn opt_id<I: Id>(id: Option<I>) -> Value {
    Value::Uuid(id.map(I::value))
}

macro_rules! ids {
    ($($id:ident),+) => {$(
        impl Id for keyward_core::ids::$id {
            fn of(uuid: uuid::Uuid) -> Self {
                Self::from_uuid(uuid)
            }

            fn value(self) -> uuid::Uuid {
                self.uuid()
            }
        }
    )+};
}

ids!(
    TenantId,
    PrincipalId,
    TokenId,
    RoleId,
    AssignmentId,
    KeyId,
    VersionId,
    PolicyId,
    BindingId,
    ImportKeyId,
    SecretId,
    SecretVersionId,
    JobId,
    ConditionId,
    DrillId,
    AuditRuleId,
    RotationId,
    RecordId,
    TransitionId
);

impl Cells<'_> {
    /// An id.
    pub(crate) fn id<I: Id>(&mut self, column: &'static str) -> Result<I, RegistryError> {
        self.uuid(column).map(I::of)
    }

    /// An id, if there is one.
    pub(crate) fn opt_id<I: Id>(
        &mut self,
        column: &'static str,
    ) -> Result<Option<I>, RegistryError> {
        Ok(self.opt_uuid(column)?.map(I::of))
    }
}
