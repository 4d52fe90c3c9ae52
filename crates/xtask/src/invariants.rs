//! What must always hold, and the tests that show it. Such a test is named after its invariant
//! (`i07_…`); docs/testing.md lists them all, and one that has none is a finding.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::finding::Finding;
use crate::source::Workspace;

/// The page that lists them.
pub const PAGE: &str = "docs/testing.md";

/// An invariant: its statement, and whether this version can break it.
struct Invariant {
    number: usize,
    statement: &'static str,
    /// Why it has no test yet, if it needs none.
    not_yet: Option<&'static str>,
}

const fn holds(number: usize, statement: &'static str) -> Invariant {
    Invariant {
        number,
        statement,
        not_yet: None,
    }
}

const fn later(number: usize, statement: &'static str, why: &'static str) -> Invariant {
    Invariant {
        number,
        statement,
        not_yet: Some(why),
    }
}

const INVARIANTS: &[Invariant] = &[
    holds(
        1,
        "No key material in the registry; nothing secret in logs, errors, metrics or URLs.",
    ),
    holds(2, "Nothing is acknowledged before it is durable."),
    holds(3, "No operation without its audit entry."),
    holds(
        4,
        "A ciphertext decrypts as long as its version may process.",
    ),
    holds(
        5,
        "A tenant can neither see, use, infer nor slow to a halt what is another's.",
    ),
    holds(
        6,
        "What was stopped is not begun again after the stop was acknowledged.",
    ),
    holds(
        7,
        "States change along the table only; of concurrent requests on a key one wins.",
    ),
    holds(
        8,
        "A stored record that was altered, cut, swapped or rolled back is named, not returned.",
    ),
    holds(
        9,
        "A backup that verifies restores; what holds for ever holds afterwards.",
    ),
    later(
        10,
        "M of N never passes with fewer than M people.",
        "There are no approvals yet.",
    ),
    holds(
        11,
        "Fewer shares than the threshold tell nothing; a forged share is named, not used.",
    ),
    holds(12, "Memory that held a secret is zeroized; no core dumps."),
    holds(
        13,
        "A log entry cannot be altered, dropped or re-ordered unnoticed.",
    ),
];

/// A test of an invariant.
struct Test<'a> {
    name: &'a str,
    path: &'a str,
}

fn tests(workspace: &Workspace) -> BTreeMap<usize, Vec<Test<'_>>> {
    let mut found: BTreeMap<usize, Vec<Test<'_>>> = BTreeMap::new();
    for file in &workspace.rust {
        for function in &file.outline.functions {
            for number in numbers(&function.name) {
                found.entry(number).or_default().push(Test {
                    name: &function.name,
                    path: &file.path,
                });
            }
        }
    }
    found
}

/// The invariants that a name begins with: `i04_i07_…` is about two.
fn numbers(name: &str) -> Vec<usize> {
    let mut rest = name;
    let mut found = Vec::new();
    while let Some((first, after)) = rest.split_once('_') {
        let digits = first.strip_prefix('i').filter(|digits| digits.len() == 2);
        let Some(number) = digits.and_then(|digits| digits.parse().ok()) else {
            break;
        };
        found.push(number);
        rest = after;
    }
    found
}

/// Invariants without a test, and tests of none.
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let found = tests(workspace);
    let mut findings = Vec::new();
    for Invariant {
        number, not_yet, ..
    } in INVARIANTS
    {
        if not_yet.is_none() && !found.contains_key(number) {
            findings.push(Finding::at(
                PAGE,
                0,
                format!("invariant {number} has no test"),
                format!("write one and name it `i{number:02}_…`"),
            ));
        }
    }
    for (number, tests) in &found {
        if !INVARIANTS.iter().any(|known| known.number == *number) {
            findings.extend(tests.iter().map(|test| {
                Finding::at(
                    test.path,
                    0,
                    format!("{} names an invariant that is not there", test.name),
                    "correct its number",
                )
            }));
        }
    }
    findings
}

/// The list for the page, from the names of the tests.
pub fn markdown(workspace: &Workspace) -> String {
    let found = tests(workspace);
    let mut list = String::new();
    for Invariant {
        number,
        statement,
        not_yet,
    } in INVARIANTS
    {
        // Writing to a String cannot fail.
        let _ = writeln!(list, "**{number}. {statement}**\n");
        if let Some(why) = not_yet {
            let _ = writeln!(list, "{why}\n");
            continue;
        }
        for Test { name, path } in found.get(number).into_iter().flatten() {
            let _ = writeln!(list, "- {} ([{path}](../{path}))", sentence(name));
        }
        list.push('\n');
    }
    list.truncate(list.trim_end().len());
    list.push('\n');
    list
}

/// A test's name without its numbers, as it reads.
fn sentence(name: &str) -> String {
    let prefix = numbers(name).len() * "i00_".len();
    name[prefix..].replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_which_invariants_it_shows() {
        assert_eq!(numbers("i07_one_wins"), [7]);
        assert_eq!(numbers("i04_i07_sixty_four_clients"), [4, 7]);
        assert_eq!(numbers("i7_x"), [0; 0]);
        assert_eq!(numbers("item"), [0; 0]);
        assert_eq!(sentence("i04_i07_one_key"), "one key");
    }

    #[test]
    fn every_invariant_stands_in_its_place() {
        for (place, invariant) in INVARIANTS.iter().enumerate() {
            assert_eq!(invariant.number, place + 1);
        }
    }
}
