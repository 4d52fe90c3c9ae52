//! Files and functions that a person can read in one go: at most 500 production lines a file and
//! 70 a function, counted as an editor shows them, tests left out. Exceptions are in the ratchet.

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::ratchet::{self, Ratchet, Verdict};
use crate::source::Workspace;

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// One measured thing.
struct Measured {
    file: String,
    line: usize,
    what: String,
    lines: usize,
}

/// What is too long, and which exceptions are no longer needed as they are.
pub fn check(workspace: &Workspace) -> Result<Vec<Finding>, String> {
    let ratchet = Ratchet::read(&workspace.root)?;
    let (files, functions) = (files(workspace), functions(workspace));
    let mut findings = Vec::new();
    judge_all(
        &files,
        FILE_LINES_MAX,
        &ratchet.files,
        "split it by concept",
        &mut findings,
    );
    judge_all(
        &functions,
        FUNCTION_LINES_MAX,
        &ratchet.functions,
        "give its steps names of their own",
        &mut findings,
    );
    let gone = |known: &BTreeMap<String, Measured>, named: &BTreeMap<String, usize>| {
        let unknown = named.keys().filter(|name| !known.contains_key(*name));
        unknown.cloned().collect::<Vec<_>>()
    };
    let mut stale = gone(&files, &ratchet.files);
    stale.extend(gone(&functions, &ratchet.functions));
    findings.extend(stale.into_iter().map(|name| {
        Finding::at(
            ratchet::FILE,
            0,
            format!("{name} is not there any more"),
            "run `cargo xtask ratchet`",
        )
    }));
    Ok(findings)
}

/// Lowers every exception that its file or function no longer needs in full.
pub fn lower(workspace: &Workspace) -> Result<String, String> {
    let before = Ratchet::read(&workspace.root)?;
    let lower_all = |named: &BTreeMap<String, usize>, known: &BTreeMap<String, Measured>, limit| {
        let each = named.iter().filter_map(|(name, exception)| {
            let length = known.get(name).map(|measured| measured.lines);
            Some((name.clone(), ratchet::lowered(length, limit, *exception)?))
        });
        each.collect()
    };
    let after = Ratchet {
        files: lower_all(&before.files, &files(workspace), FILE_LINES_MAX),
        functions: lower_all(&before.functions, &functions(workspace), FUNCTION_LINES_MAX),
    };
    after.write(&workspace.root)?;
    Ok(format!(
        "ratchet: {} exceptions for files, {} for functions",
        after.files.len(),
        after.functions.len()
    ))
}

fn files(workspace: &Workspace) -> BTreeMap<String, Measured> {
    let production = workspace.rust.iter().filter(|file| !file.is_test);
    production
        .map(|file| {
            let measured = Measured {
                file: file.path.clone(),
                line: 0,
                what: "the file".to_owned(),
                lines: file.production_lines(),
            };
            (file.path.clone(), measured)
        })
        .collect()
}

fn functions(workspace: &Workspace) -> BTreeMap<String, Measured> {
    let mut found: BTreeMap<String, Measured> = BTreeMap::new();
    for file in workspace.rust.iter().filter(|file| !file.is_test) {
        for function in &file.outline.functions {
            if file.outline.is_test_line(function.first_line) {
                continue;
            }
            let measured = Measured {
                file: file.path.clone(),
                line: function.first_line,
                what: function.name.clone(),
                lines: function.last_line - function.first_line + 1,
            };
            // Of functions with one name in one file, the longest counts.
            let name = format!("{}::{}", file.path, function.name);
            match found.get(&name) {
                Some(other) if other.lines >= measured.lines => {}
                _ => {
                    found.insert(name, measured);
                }
            }
        }
    }
    found
}

fn judge_all(
    measured: &BTreeMap<String, Measured>,
    limit: usize,
    exceptions: &BTreeMap<String, usize>,
    remedy: &str,
    findings: &mut Vec<Finding>,
) {
    for (name, one) in measured {
        let Measured { what, lines, .. } = one;
        let (problem, remedy) = match ratchet::judge(*lines, limit, exceptions.get(name).copied()) {
            Verdict::Fits => continue,
            Verdict::TooLong { limit } => (
                format!("{what} has {lines} production lines and may have {limit}"),
                remedy.to_owned(),
            ),
            Verdict::Shrank { exception } => (
                format!("{what} shrank to {lines} lines; its exception still says {exception}"),
                "run `cargo xtask ratchet`".to_owned(),
            ),
        };
        findings.push(Finding::at(&one.file, one.line, problem, remedy));
    }
}
