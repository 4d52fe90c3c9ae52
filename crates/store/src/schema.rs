//! What every table and column of the registry means, beside what the migrations say of it:
//! `docs/schema.md` is made from here. Knows the migrations' text and no database.

mod describe;
mod tables;

use std::fmt::Write as _;
use std::iter::once;

pub use tables::tables;

use crate::migrate::{MIGRATIONS, POSTGRES_BEGINNING, SQLITE_BEGINNING};
pub(crate) use describe::Described;
use describe::describe;

/// A column and what it means.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// A table or view and what it means.
#[derive(Clone, Copy, Debug)]
pub struct TableMeaning {
    /// Its name.
    pub name: &'static str,
    /// What a row of it is.
    pub meaning: &'static str,
    /// Its columns.
    pub fields: &'static [Field],
}

/// What the migrations for PostgreSQL define.
pub(crate) fn described() -> Described {
    describe(once(POSTGRES_BEGINNING).chain(MIGRATIONS.iter().map(|it| it.postgres_up)))
}

/// The whole of `docs/schema.md`.
pub fn schema_markdown() -> String {
    let ups = MIGRATIONS.iter().map(|it| it.sqlite_up);
    let sqlite = describe(once(SQLITE_BEGINNING).chain(ups));
    let postgres = described();
    let mut page = String::from(INTRODUCTION);
    // Writing to a String cannot fail.
    let _ = writeln!(
        page,
        "\nThe schema described here is version {}.",
        crate::migrate::KNOWN
    );
    if !postgres.types.is_empty() {
        page.push_str("\n## Enumerations\n\nTypes in PostgreSQL, CHECKs in SQLite.\n\n");
        page.push_str("| type | values |\n|---|---|\n");
        for (name, values) in &postgres.types {
            let _ = writeln!(page, "| `{name}` | {} |", values.replace('\'', "`"));
        }
    }
    for table in tables() {
        write_table(&mut page, table, &sqlite, &postgres);
    }
    page
}

const INTRODUCTION: &str = "\
# The registry's schema

Comes from `crates/store/src/schema/` and the migrations.

The registry is the SQL database of everything that is not secret. No column holds key material, \
wrapped or not, nor a token's secret: only references, digests and what people wrote (invariant 1). \
In SQLite an id is a blob of 16 bytes, an instant an integer of microseconds since the Unix epoch, \
a map or set JSON text; in PostgreSQL they are `UUID`, `TIMESTAMPTZ` and `JSONB`. \
How the schema changes over time stands in [migrations.md](migrations.md).
";

fn write_table(page: &mut String, table: &TableMeaning, sqlite: &Described, postgres: &Described) {
    let _ = write!(page, "\n## {}\n\n{}\n\n", table.name, table.meaning);
    page.push_str("| column | SQLite | PostgreSQL | meaning |\n|---|---|---|---|\n");
    for field in table.fields {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            field.name,
            definition(sqlite, table.name, field.name),
            definition(postgres, table.name, field.name),
            field.meaning
        );
    }
    write_rules(
        page,
        "Constraints",
        &sqlite.rules(table.name),
        &postgres.rules(table.name),
    );
    write_rules(
        page,
        "Indexes",
        &sqlite.indexes(table.name),
        &postgres.indexes(table.name),
    );
}

fn definition(described: &Described, table: &str, column: &str) -> String {
    match described.column(table, column) {
        Some("") | None => "–".to_owned(),
        Some(definition) => format!("`{definition}`"),
    }
}

/// What both databases have is listed once.
fn write_rules(page: &mut String, title: &str, sqlite: &[String], postgres: &[String]) {
    if sqlite.is_empty() && postgres.is_empty() {
        return;
    }
    let _ = write!(page, "\n{title}:\n\n");
    for rule in sqlite {
        let only = if postgres.contains(rule) {
            ""
        } else {
            " (SQLite)"
        };
        let _ = writeln!(page, "- `{rule}`{only}");
    }
    for rule in postgres.iter().filter(|rule| !sqlite.contains(rule)) {
        let _ = writeln!(page, "- `{rule}` (PostgreSQL)");
    }
}
