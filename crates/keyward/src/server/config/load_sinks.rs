//! Reading `[audit_sink.NAME]`: the rows are those of one table, the names are the reader's.

use toml::{Table, Value};

use super::audit_sink::{ROWS, SECTION, is_name};
use super::load::{Problem, unknown, wrong_form};
use super::settings::Row;

/// Reports and removes what no row knows or what has the wrong form. `value` is all of `[audit_sink]`.
pub(super) fn keep_known(value: &mut Value, place: &str, problems: &mut Vec<Problem>) -> bool {
    let Value::Table(sinks) = value else {
        problems.push(Problem {
            at: format!("[{SECTION}] in {place}"),
            what: format!("must be sections: [{SECTION}.NAME]"),
        });
        return false;
    };
    sinks.retain(|name, value| {
        let at = format!("[{SECTION}.{name}] in {place}");
        let Value::Table(keys) = value else {
            let what = format!("must be a section: [{SECTION}.NAME], with the settings in it");
            problems.push(Problem { at, what });
            return false;
        };
        if !is_name(name) {
            problems.push(wrong_name(at));
            return false;
        }
        keys.retain(|key, value| {
            let at = format!("{SECTION}.{name}.{key} in {place}");
            let Some(row) = row(key) else {
                let what = unknown("setting", key, ROWS.iter().map(|row| row.key));
                problems.push(Problem { at, what });
                return false;
            };
            let fits = (row.fits)(value.clone());
            if !fits {
                problems.push(wrong_form(at, row));
            }
            fits
        });
        true
    });
    true
}

/// `KEYWARD_AUDIT_SINK_NAME_KEY`. Whether the variable is one of these.
pub(super) fn overlay_variable(
    table: &mut Table,
    variable: &str,
    text: &str,
    problems: &mut Vec<Problem>,
) -> bool {
    let Some(rest) = variable.strip_prefix("KEYWARD_AUDIT_SINK_") else {
        return false;
    };
    let rest = rest.to_lowercase();
    // Of `file` and `ca_file` the longer one is meant.
    let named = ROWS.iter().filter_map(|row| {
        let name = rest.strip_suffix(row.key)?.strip_suffix('_')?;
        Some((row, name.replace('_', "-")))
    });
    match named.max_by_key(|(row, _)| row.key.len()) {
        Some((row, name)) => overlay(table, &name, row, text, variable.to_owned(), problems),
        None => problems.push(Problem {
            at: variable.to_owned(),
            what: "there is no such setting; it looks like KEYWARD_AUDIT_SINK_NAME_SETTING"
                .to_owned(),
        }),
    }
    true
}

/// `--set audit_sink.NAME.KEY=value`. Whether the flag is one of these.
pub(super) fn overlay_flag(table: &mut Table, flag: &str, problems: &mut Vec<Problem>) -> bool {
    let Some(rest) = flag.strip_prefix("audit_sink.") else {
        return false;
    };
    let parts = rest.split_once('=').and_then(|(name, text)| {
        let (name, key) = name.split_once('.')?;
        Some((name, key, text))
    });
    let at = |named: &str| format!("--set {SECTION}.{named}");
    match parts {
        None => problems.push(Problem {
            at: "--set".to_owned(),
            what: format!("must look like {SECTION}.NAME.key=value"),
        }),
        Some((name, key, text)) => match row(key) {
            Some(row) => overlay(
                table,
                name,
                row,
                text,
                at(&format!("{name}.{key}")),
                problems,
            ),
            None => problems.push(Problem {
                at: at(&format!("{name}.{key}")),
                what: unknown("setting", key, ROWS.iter().map(|row| row.key)),
            }),
        },
    }
    true
}

fn overlay(
    table: &mut Table,
    name: &str,
    row: &Row,
    text: &str,
    at: String,
    problems: &mut Vec<Problem>,
) {
    if !is_name(name) {
        problems.push(wrong_name(at));
        return;
    }
    let Some(value) = (row.from_text)(text).filter(|value| (row.fits)(value.clone())) else {
        problems.push(wrong_form(at, row));
        return;
    };
    let empty = || Value::Table(Table::new());
    if let Value::Table(sinks) = table.entry(SECTION).or_insert_with(empty)
        && let Value::Table(sink) = sinks.entry(name).or_insert_with(empty)
    {
        sink.insert(row.key.to_owned(), value);
    }
}

fn row(key: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.key == key)
}

fn wrong_name(at: String) -> Problem {
    Problem {
        at,
        what: "a sink's name is 1 to 32 of a-z, 0-9 and -, and begins with no -".to_owned(),
    }
}

#[cfg(test)]
#[path = "load_sinks_tests.rs"]
mod tests;
