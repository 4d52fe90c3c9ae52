//! Reads the migrations' text, which is written one column or constraint to a line, into what the
//! documentation says of each table. It reads our own files, not SQL at large.

use std::collections::BTreeMap;

/// What some migrations define.
#[derive(Debug, Default)]
pub(crate) struct Described {
    tables: BTreeMap<String, Definition>,
    /// Enumerations: name and values.
    pub(crate) types: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct Definition {
    columns: BTreeMap<String, String>,
    rules: Vec<String>,
    indexes: Vec<String>,
}

impl Described {
    /// A table's columns in the order of their names, and how each is defined.
    pub(crate) fn columns(&self, table: &str) -> impl Iterator<Item = (&str, &str)> {
        let table = self.tables.get(table).into_iter();
        table
            .flat_map(|table| &table.columns)
            .map(|(name, definition)| (name.as_str(), definition.as_str()))
    }

    /// How a column is defined: its type and what follows; empty for a view's.
    pub(super) fn column(&self, table: &str, column: &str) -> Option<&str> {
        self.tables
            .get(table)?
            .columns
            .get(column)
            .map(String::as_str)
    }

    /// The constraints that are not a column's own.
    pub(super) fn rules(&self, table: &str) -> Vec<String> {
        self.tables
            .get(table)
            .map(|table| table.rules.clone())
            .unwrap_or_default()
    }

    /// The indexes besides those of keys and UNIQUE columns.
    pub(super) fn indexes(&self, table: &str) -> Vec<String> {
        self.tables
            .get(table)
            .map(|table| table.indexes.clone())
            .unwrap_or_default()
    }
}

/// Reads migrations in order.
pub(super) fn describe(texts: impl Iterator<Item = &'static str>) -> Described {
    let mut described = Described::default();
    for text in texts {
        let mut open: Option<String> = None;
        for line in text.lines() {
            match &open {
                Some(_) if line.starts_with(')') || line.starts_with("FROM") => open = None,
                Some(table) => read_part(&mut described, table, line),
                None => open = read_statement(&mut described, line),
            }
        }
    }
    described
}

/// Reads a statement that fits on a line, or the beginning of one that does not: its table.
fn read_statement(described: &mut Described, line: &str) -> Option<String> {
    if let Some(rest) = line
        .strip_prefix("CREATE TABLE ")
        .or(line.strip_prefix("CREATE VIEW "))
    {
        let rest = rest.trim_start_matches("IF NOT EXISTS ");
        let name = rest.split([' ', '(']).next()?.to_owned();
        described.tables.entry(name.clone()).or_default();
        return Some(name);
    }
    if let Some(rest) = line.strip_prefix("CREATE TYPE ") {
        let (name, values) = rest.split_once(" AS ENUM ")?;
        let values = values.trim_end_matches(';').trim_matches(['(', ')']);
        described.types.push((name.to_owned(), values.to_owned()));
    } else if let Some(rest) = line.strip_prefix("ALTER TYPE ") {
        let (name, value) = rest.split_once(" ADD VALUE ")?;
        let values = described.types.iter_mut().find(|(it, _)| it == name)?;
        values.1 = format!("{}, {}", values.1, value.trim_end_matches(';'));
    } else if let Some(rest) = line.strip_prefix("UPDATE sqlite_schema SET sql = replace(sql, ") {
        // A CHECK with another list, written over the old one.
        let (old, rest) = literal(rest)?;
        let (new, _) = literal(rest.strip_prefix(", ")?)?;
        for table in described.tables.values_mut() {
            for definition in table.columns.values_mut() {
                *definition = definition.replace(&old, &new);
            }
        }
    } else if let Some(rest) = line.strip_prefix("CREATE VIRTUAL TABLE ") {
        let (name, rest) = rest.split_once(" USING ")?;
        let table = described.tables.entry(name.to_owned()).or_default();
        table
            .rules
            .push(format!("USING {}", rest.trim_end_matches(';')));
        let column = rest.split_once('(')?.1.split(',').next()?.trim();
        table
            .columns
            .insert(column.to_owned(), "FTS5 column".to_owned());
    } else if line.starts_with("CREATE INDEX ") || line.starts_with("CREATE UNIQUE INDEX ") {
        let table = line.split_once(" ON ")?.1.split([' ', '(']).next()?;
        let text = line.trim_start_matches("CREATE ").trim_end_matches(';');
        described
            .tables
            .entry(table.to_owned())
            .or_default()
            .indexes
            .push(text.to_owned());
    } else if let Some(rest) = line.strip_prefix("DROP TABLE ") {
        described.tables.remove(rest.trim_end_matches(';'));
    } else if let Some(rest) = line.strip_prefix("ALTER TABLE ") {
        read_alteration(described, rest.trim_end_matches(';'))?;
    }
    None
}

/// Reads what is altered of a table.
fn read_alteration(described: &mut Described, rest: &str) -> Option<()> {
    if let Some((table, name)) = rest.split_once(" RENAME TO ") {
        let definition = described.tables.remove(table)?;
        described.tables.insert(name.to_owned(), definition);
    } else if let Some((table, constraint)) = rest.split_once(" DROP CONSTRAINT ") {
        drop_reference(described.tables.get_mut(table)?, table, constraint);
    } else {
        let (table, rule) = rest.split_once(" ADD ")?;
        let table = described.tables.entry(table.to_owned()).or_default();
        match rule
            .strip_prefix("COLUMN ")
            .and_then(|it| it.split_once(' '))
        {
            Some((column, definition)) => {
                let (column, definition) = (column.to_owned(), definition.to_owned());
                table.columns.insert(column, definition);
            }
            None => table.rules.push(rule.to_owned()),
        }
    }
    Some(())
}

/// Takes a column's reference away, which PostgreSQL calls after its table and column.
fn drop_reference(definition: &mut Definition, table: &str, constraint: &str) {
    let column = constraint
        .strip_prefix(table)
        .and_then(|rest| rest.strip_prefix('_')?.strip_suffix("_fkey"));
    let definition = column.and_then(|column| definition.columns.get_mut(column));
    if let Some(definition) = definition
        && let Some(at) = definition.find(" REFERENCES ")
    {
        definition.truncate(at);
    }
}

/// Reads a text in single quotes, where two stand for one; and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut value = String::new();
    loop {
        let (part, after) = rest.split_once('\'')?;
        value.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => return Some((value, after)),
        }
    }
}

/// Reads a line inside a table's or view's definition.
fn read_part(described: &mut Described, table: &str, line: &str) {
    let Some(definition) = described.tables.get_mut(table) else {
        return;
    };
    let line = line.trim().trim_end_matches(',');
    if let Some((_, column)) = line.rsplit_once(" AS ")
        && !line.starts_with("CONSTRAINT")
    {
        definition.columns.insert(column.to_owned(), String::new());
    } else if ["CONSTRAINT ", "PRIMARY KEY ", "UNIQUE "]
        .iter()
        .any(|it| line.starts_with(it))
    {
        definition.rules.push(line.to_owned());
    } else if let Some((column, rest)) = line.split_once(' ') {
        definition
            .columns
            .insert(column.to_owned(), rest.to_owned());
    }
}
