//! From a file, the environment and flags to a configuration, or to the whole list of what is
//! wrong with them. Later sources win: file, environment, flags.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::settings::Row;
use super::{Config, ROWS, SECTIONS, load_named};

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file, if one was named.
    pub file: Option<PathBuf>,
    /// The environment of the process.
    pub environment: BTreeMap<String, String>,
    /// `section.key=value` of each `--set`, and what other flags stand for.
    pub flags: Vec<String>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting, variable, flag or file it is about.
    pub at: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

/// Everything that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Each on its own.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the configuration has {} problem(s):",
            self.problems.len()
        )?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Reads a configuration. What the values mean together is for [`super::check`].
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let mut problems = Vec::new();
    let mut table = sources.file.as_deref().map_or_else(Table::new, |file| {
        read_file(file).unwrap_or_else(|problem| {
            problems.push(problem);
            Table::new()
        })
    });
    let place = sources
        .file
        .as_deref()
        .map(Path::display)
        .map(|path| path.to_string());
    let place = place.as_deref().unwrap_or("the configuration");
    keep_known(&mut table, place, &mut problems);
    for (variable, text) in &sources.environment {
        overlay_variable(&mut table, variable, text, &mut problems);
    }
    for flag in &sources.flags {
        overlay_flag(&mut table, flag, &mut problems);
    }
    if !problems.is_empty() {
        return Err(ConfigError { problems });
    }
    Config::deserialize(Value::Table(table)).map_err(|error| ConfigError {
        problems: vec![Problem {
            at: place.to_owned(),
            what: error.message().to_owned(),
        }],
    })
}

fn read_file(file: &Path) -> Result<Table, Problem> {
    let at = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| Problem {
        at: at.clone(),
        what: format!("cannot be read: {error}"),
    })?;
    text.parse::<Table>().map_err(|error| {
        // The message only: the library's full text quotes the line, which may be private.
        let line = error
            .span()
            .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        Problem {
            at: format!("{at}, line {line}"),
            what: error.message().to_owned(),
        }
    })
}

/// Reports and removes what no row knows or what has the wrong form.
fn keep_known(table: &mut Table, place: &str, problems: &mut Vec<Problem>) {
    table.retain(|section, value| {
        let at = format!("[{section}] in {place}");
        if let Some(kind) = load_named::of_section(section) {
            return load_named::keep_known(kind, value, place, problems);
        }
        if !SECTIONS.iter().any(|(name, _)| *name == section) {
            let known = SECTIONS.iter().map(|(name, _)| *name);
            let known = known.chain(load_named::ALL.iter().map(|kind| kind.section));
            problems.push(Problem {
                at,
                what: unknown("section", section, known),
            });
            return false;
        }
        let Value::Table(keys) = value else {
            problems.push(Problem {
                at,
                what: "must be a section, not a value".to_owned(),
            });
            return false;
        };
        keys.retain(|key, value| keep_setting(section, key, value, place, problems));
        true
    });
}

fn keep_setting(
    section: &str,
    key: &str,
    value: &Value,
    place: &str,
    problems: &mut Vec<Problem>,
) -> bool {
    let at = format!("{section}.{key} in {place}");
    let Some(row) = row(section, key) else {
        let known = ROWS
            .iter()
            .filter(|row| row.section == section)
            .map(|row| row.key);
        problems.push(Problem {
            at,
            what: unknown("setting", key, known),
        });
        return false;
    };
    let fits = (row.fits)(value.clone());
    if !fits {
        problems.push(wrong_form(at, row));
    }
    fits
}

fn overlay_variable(table: &mut Table, variable: &str, text: &str, problems: &mut Vec<Problem>) {
    if let Some(row) = ROWS.iter().find(|row| row.variable() == variable) {
        overlay(table, row, text, variable.to_owned(), problems);
        return;
    }
    if load_named::overlay_variable(table, variable, text, problems) {
        return;
    }
    // A variable of a known section is meant for us: misspelt, it must not pass in silence. Of
    // `storage` and `storage_s3` the longer one is meant.
    let of_section = |section: &'static str| {
        let prefix = format!("KEYWARD_{}_", section.to_uppercase());
        variable
            .strip_prefix(&prefix)
            .map(|key| (section, key.to_lowercase()))
    };
    let section = SECTIONS
        .iter()
        .filter_map(|(section, _)| of_section(section))
        .max_by_key(|(section, _)| section.len());
    if let Some((section, key)) = section {
        let known = ROWS
            .iter()
            .filter(|row| row.section == section)
            .map(|row| row.key);
        let what = unknown("setting", &key, known);
        problems.push(Problem {
            at: variable.to_owned(),
            what,
        });
    }
}

fn overlay_flag(table: &mut Table, flag: &str, problems: &mut Vec<Problem>) {
    if load_named::overlay_flag(table, flag, problems) {
        return;
    }
    let given = flag.split_once('=');
    let found = given.and_then(|(name, text)| {
        ROWS.iter()
            .find(|row| row.name() == name)
            .map(|row| (row, text))
    });
    match (given, found) {
        (_, Some((row, text))) => {
            overlay(table, row, text, format!("--set {}", row.name()), problems);
        }
        (Some((name, _)), None) => {
            let names: Vec<String> = ROWS.iter().map(Row::name).collect();
            let what = unknown("setting", name, names.iter().map(String::as_str));
            problems.push(Problem {
                at: format!("--set {name}"),
                what,
            });
        }
        (None, _) => problems.push(Problem {
            at: "--set".to_owned(),
            what: "must look like section.key=value".to_owned(),
        }),
    }
}

fn overlay(table: &mut Table, row: &Row, text: &str, at: String, problems: &mut Vec<Problem>) {
    match (row.from_text)(text).filter(|value| (row.fits)(value.clone())) {
        None => problems.push(wrong_form(at, row)),
        Some(value) => {
            let section = table
                .entry(row.section)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(section) = section {
                section.insert(row.key.to_owned(), value);
            }
        }
    }
}

fn row(section: &str, key: &str) -> Option<&'static Row> {
    ROWS.iter()
        .find(|row| row.section == section && row.key == key)
}

pub(super) fn wrong_form(at: String, row: &Row) -> Problem {
    Problem {
        at,
        what: format!("must be: {}", (row.form)()),
    }
}

/// Says what is unknown and what was probably meant.
pub(super) fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let near = known
        .iter()
        .map(|candidate| (edit_distance(name, candidate), *candidate))
        .min()
        .filter(|(distance, _)| *distance <= 2);
    match near {
        Some((_, candidate)) => format!("there is no such {kind}; did you mean `{candidate}`?"),
        None => format!("there is no such {kind}; there are: {}", known.join(", ")),
    }
}

/// Levenshtein's distance: how many letters to add, drop or change.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
