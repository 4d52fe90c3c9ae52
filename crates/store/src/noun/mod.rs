//! How core's nouns become rows and come back: one codec for each, the same on both databases.
//! The columns' order here is the order in which they are bound and read.

mod access;
mod import_key;
mod key;
mod key_version;
mod record;
mod secret;
mod tenant;

use std::sync::LazyLock;

use keyward_core::change::Row;
use keyward_core::port::registry::RegistryError;

use crate::row::Cells;
use crate::value::Value;

pub(crate) use key::KeyImage;

/// A noun that is a row of a table.
pub(crate) trait Noun: Sized {
    /// The table and the statements on one of its rows.
    fn table() -> &'static Table;
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
    /// Columns that follow from others, written by inserts after the noun's own.
    pub(crate) derived: &'static [&'static str],
    insert: LazyLock<String>,
    update: LazyLock<String>,
    delete: LazyLock<String>,
}

impl Table {
    /// Inserts one row.
    pub(crate) fn insert(&'static self) -> &'static str {
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

    /// `INSERT INTO table (columns) VALUES`, before the parameters.
    pub(crate) fn insert_head(&self) -> String {
        let columns: Vec<&str> = self
            .columns
            .iter()
            .chain(self.derived.iter())
            .copied()
            .collect();
        format!("INSERT INTO {} ({}) VALUES ", self.name, columns.join(", "))
    }

    /// How many values an insert binds for a row.
    pub(crate) const fn insert_width(&self) -> usize {
        self.columns.len() + self.derived.len()
    }
}

/// Defines a [`Table`]. The three statements are made on first use.
macro_rules! table {
    ($name:literal, key $key:literal, [$($column:literal),+ $(,)?] $(, derived [$($derived:literal),*])?) => {{
        const COLUMNS: &[&str] = &[$($column),+];
        const DERIVED: &[&str] = &[$($($derived),*)?];
        static TABLE: $crate::noun::Table = $crate::noun::Table {
            name: $name,
            columns: COLUMNS,
            key_columns: $key,
            derived: DERIVED,
            insert: std::sync::LazyLock::new(|| $crate::noun::insert_text($name, COLUMNS, DERIVED)),
            update: std::sync::LazyLock::new(|| $crate::noun::update_text($name, COLUMNS, $key, DERIVED)),
            delete: std::sync::LazyLock::new(|| $crate::noun::delete_text($name, COLUMNS, $key)),
        };
        &TABLE
    }};
}
pub(crate) use table;

fn insert_text(table: &str, columns: &[&str], derived: &[&str]) -> String {
    let all: Vec<&str> = columns.iter().chain(derived).copied().collect();
    let parameters = crate::sql::value_rows(1, all.len());
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

/// The table of a row and what its columns hold.
pub(crate) fn image(row: &Row) -> (&'static Table, Vec<Value>) {
    fn of<N: Noun>(noun: &N) -> (&'static Table, Vec<Value>) {
        (N::table(), noun.values())
    }
    match row {
        Row::Tenant(noun) => of(noun),
        Row::TenantKek(noun) => of(noun),
        Row::Principal(noun) => of(noun),
        Row::Token(noun) => of(noun),
        Row::Role(noun) => of(noun),
        Row::RoleAssignment(noun) => of(noun),
        Row::Key(noun) => of(noun.as_ref()),
        Row::KeyVersion(noun) => of(noun.as_ref()),
        Row::Transition(noun) => of(noun),
        Row::Policy(noun) => of(noun),
        Row::ClassPointer(noun) => of(noun),
        Row::DataBinding(noun) => of(noun),
        Row::Job(noun) => of(noun),
        Row::ImportKey(noun) => of(noun),
        Row::Secret(noun) => of(noun),
        Row::SecretVersion(noun) => of(noun),
    }
}

/// The tables in the order in which foreign keys let rows be inserted.
pub(crate) const INSERT_ORDER: [&str; 16] = [
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
