//! Reading tables of which there are as many as names, such as `[audit_sink.NAME]`: the rows are those of
//! one table, the names are the reader's.

use toml::{Table, Value};

use super::load::{Problem, unknown, wrong_form};
use super::settings::Row;
use super::{audit_mirror, audit_sink, audit_witness, audit_witness_for};

/// Tables of one kind.
#[derive(Clone, Copy)]
pub(super) struct Named {
    /// The section of all of them.
    pub(super) section: &'static str,
    /// What one of them is.
    what: &'static str,
    rows: &'static [Row],
}

/// All kinds; of names that begin alike the longer one first.
pub(super) const ALL: &[Named] = &[
    Named {
        section: audit_mirror::SECTION,
        what: "a mirror",
        rows: audit_mirror::ROWS,
    },
    Named {
        section: audit_sink::SECTION,
        what: "a sink",
        rows: audit_sink::ROWS,
    },
    Named {
        section: audit_witness_for::SECTION,
        what: "a witnessed log",
        rows: audit_witness_for::ROWS,
    },
    Named {
        section: audit_witness::SECTION,
        what: "a witness",
        rows: audit_witness::ROWS,
    },
];

/// Whether a name can be one of these: of a file and in a metric's label.
pub fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=32).contains(&name.len()) && name.chars().all(plain) && !name.starts_with('-')
}

/// The kind of tables that are in a section.
pub(super) fn of_section(section: &str) -> Option<Named> {
    ALL.iter().find(|it| it.section == section).copied()
}

/// Reports and removes what no row knows or what has the wrong form. `value` is all of the section.
pub(super) fn keep_known(
    kind: Named,
    value: &mut Value,
    place: &str,
    problems: &mut Vec<Problem>,
) -> bool {
    let section = kind.section;
    let Value::Table(tables) = value else {
        problems.push(Problem {
            at: format!("[{section}] in {place}"),
            what: format!("must be sections: [{section}.NAME]"),
        });
        return false;
    };
    tables.retain(|name, value| {
        let at = format!("[{section}.{name}] in {place}");
        let Value::Table(keys) = value else {
            let what = format!("must be a section: [{section}.NAME], with the settings in it");
            problems.push(Problem { at, what });
            return false;
        };
        if !is_name(name) {
            problems.push(wrong_name(kind, at));
            return false;
        }
        keys.retain(|key, value| {
            let at = format!("{section}.{name}.{key} in {place}");
            let Some(row) = row(kind, key) else {
                let what = unknown("setting", key, kind.rows.iter().map(|row| row.key));
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

/// `KEYWARD_SECTION_NAME_KEY`. Whether the variable is one of these.
pub(super) fn overlay_variable(
    table: &mut Table,
    variable: &str,
    text: &str,
    problems: &mut Vec<Problem>,
) -> bool {
    let found = ALL.iter().find_map(|kind| {
        let prefix = format!("KEYWARD_{}_", kind.section.to_uppercase());
        Some((*kind, variable.strip_prefix(&prefix)?.to_lowercase()))
    });
    let Some((kind, rest)) = found else {
        return false;
    };
    // Of `file` and `ca_file` the longer one is meant.
    let named = kind.rows.iter().filter_map(|row| {
        let name = rest.strip_suffix(row.key)?.strip_suffix('_')?;
        Some((row, name.replace('_', "-")))
    });
    match named.max_by_key(|(row, _)| row.key.len()) {
        Some((row, name)) => {
            let of = (kind, name.as_str(), row);
            overlay(table, of, text, variable.to_owned(), problems);
        }
        None => problems.push(Problem {
            at: variable.to_owned(),
            what: format!(
                "there is no such setting; it looks like KEYWARD_{}_NAME_SETTING",
                kind.section.to_uppercase()
            ),
        }),
    }
    true
}

/// `--set section.NAME.KEY=value`. Whether the flag is one of these.
pub(super) fn overlay_flag(table: &mut Table, flag: &str, problems: &mut Vec<Problem>) -> bool {
    let found = ALL.iter().find_map(|kind| {
        let rest = flag.strip_prefix(kind.section)?.strip_prefix('.')?;
        Some((*kind, rest))
    });
    let Some((kind, rest)) = found else {
        return false;
    };
    let section = kind.section;
    let parts = rest.split_once('=').and_then(|(name, text)| {
        let (name, key) = name.split_once('.')?;
        Some((name, key, text))
    });
    let at = |named: &str| format!("--set {section}.{named}");
    match parts {
        None => problems.push(Problem {
            at: "--set".to_owned(),
            what: format!("must look like {section}.NAME.key=value"),
        }),
        Some((name, key, text)) => match row(kind, key) {
            Some(row) => {
                let at = at(&format!("{name}.{key}"));
                overlay(table, (kind, name, row), text, at, problems);
            }
            None => problems.push(Problem {
                at: at(&format!("{name}.{key}")),
                what: unknown("setting", key, kind.rows.iter().map(|row| row.key)),
            }),
        },
    }
    true
}

fn overlay(
    table: &mut Table,
    (kind, name, row): (Named, &str, &Row),
    text: &str,
    at: String,
    problems: &mut Vec<Problem>,
) {
    if !is_name(name) {
        problems.push(wrong_name(kind, at));
        return;
    }
    let Some(value) = (row.from_text)(text).filter(|value| (row.fits)(value.clone())) else {
        problems.push(wrong_form(at, row));
        return;
    };
    let empty = || Value::Table(Table::new());
    if let Value::Table(tables) = table.entry(kind.section).or_insert_with(empty)
        && let Value::Table(one) = tables.entry(name).or_insert_with(empty)
    {
        one.insert(row.key.to_owned(), value);
    }
}

fn row(kind: Named, key: &str) -> Option<&'static Row> {
    kind.rows.iter().find(|row| row.key == key)
}

fn wrong_name(kind: Named, at: String) -> Problem {
    let what = kind.what;
    Problem {
        at,
        what: format!("{what}'s name is 1 to 32 of a-z, 0-9 and -, and begins with no -"),
    }
}

#[cfg(test)]
#[path = "load_named_tests.rs"]
mod tests;
