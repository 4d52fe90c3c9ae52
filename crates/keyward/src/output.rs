//! What people and scripts see: tables or JSON on standard output, words on standard error.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use crate::exit::Failure;

/// How results are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For scripts: what the API answered.
    Json,
}

/// Says something to the person at the terminal, apart from the result.
pub fn say(text: &str) {
    // Nothing is left to be done if standard error is closed.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Writes bytes of a result.
pub fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // Whoever read has read enough: `keyward key list | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => {
            other.map_err(|error| Failure::local(format!("the output cannot be written: {error}")))
        }
    }
}

/// Writes what is shown only once: a reader who is gone is an error here.
pub fn write_whole(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|error| Failure::local(format!("the output cannot be written: {error}")))
}

/// A text, or that it is sealed and cannot be opened now: never as if it were empty.
pub fn or_sealed(text: &str, field: &str, sealed_fields: &[String]) -> String {
    if sealed_fields.iter().any(|sealed| sealed == field) {
        "(sealed)".to_owned()
    } else {
        text.to_owned()
    }
}

/// Names and values of a map, with those that cannot be opened now.
pub fn pairs_or_sealed(
    map: &std::collections::BTreeMap<String, String>,
    field: &str,
    sealed_fields: &[String],
    between: &str,
) -> String {
    let pairs: Vec<String> = map
        .iter()
        .map(|(name, value)| {
            let value = or_sealed(value, &format!("{field}.{name}"), sealed_fields);
            format!("{name}={value}")
        })
        .collect();
    pairs.join(between)
}

/// Writes a line of a result.
pub fn line(text: &str) -> Result<(), Failure> {
    write(format!("{text}\n").as_bytes())
}

/// Writes a result as JSON.
pub fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::local)?;
    line(&text)
}

/// Writes one JSON object on a line of its own, for results without an end.
pub fn json_line<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(Failure::local)?;
    line(&text)
}

/// A table of rows under a header.
pub fn rows<R, C>(header: &[&str], rows: R) -> Result<(), Failure>
where
    R: IntoIterator<Item = C>,
    C: IntoIterator<Item = String>,
{
    let mut table = plain();
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    for row in rows {
        table.add_row(row.into_iter().map(|cell| printable(&cell)));
    }
    if table.is_empty() {
        say("nothing to show\n");
        return Ok(());
    }
    write_table(&table)
}

/// One thing's fields, one a line. Empty ones are left out.
pub fn fields(fields: &[(&str, String)]) -> Result<(), Failure> {
    let mut table = plain();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        table.add_row([(*name).to_owned(), printable(value)]);
    }
    write_table(&table)
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        table.force_no_tty();
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table
}

fn write_table(table: &Table) -> Result<(), Failure> {
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim());
        text.push('\n');
    }
    write(text.as_bytes())
}

/// An optional value as a cell.
pub fn cell<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// What people wrote must not move the reader's cursor or write over other lines.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
