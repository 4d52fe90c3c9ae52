//! The files of the workspace: every text file, and every Rust file with its outline and with
//! whether it is production, test or development code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::metadata::Metadata;
use crate::outline::Outline;
use crate::reachable;

/// The room that is for tests as a whole.
const TESTKIT: &str = "crates/testkit/";

/// The room that is not part of the product.
const XTASK: &str = "crates/xtask/";

/// Folders that hold nothing of ours.
fn is_foreign(name: &str) -> bool {
    name.starts_with("target")
        || matches!(
            name,
            ".git" | "keyward-data" | "node_modules" | "__pycache__" | "proptest-regressions"
        )
}

/// A Rust file.
pub struct RustFile {
    /// Its path from the workspace's root.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its outline.
    pub outline: Outline,
    /// Whether all of it is for tests.
    pub is_test: bool,
    /// Whether it belongs to a room that is not part of the product.
    pub is_development: bool,
}

impl RustFile {
    /// Whether a line is part of the product.
    pub fn is_production_line(&self, line: usize) -> bool {
        !self.is_test && !self.is_development && !self.outline.is_test_line(line)
    }

    /// The lines of a file that are not tests.
    pub fn production_lines(&self) -> usize {
        if self.is_test {
            return 0;
        }
        let lines = self.text.lines().count();
        (1..=lines)
            .filter(|line| !self.outline.is_test_line(*line))
            .count()
    }
}

/// Every file that a rule may look at.
pub struct Workspace {
    /// Rust files, in order of path.
    pub rust: Vec<RustFile>,
    /// Other text files by path.
    pub texts: BTreeMap<String, String>,
    /// Rust files that no target reaches.
    pub unreachable: Vec<String>,
    /// Every path there is, text or not.
    pub paths: BTreeSet<String>,
    /// Where the workspace is.
    pub root: PathBuf,
}

impl Workspace {
    /// Reads everything under the workspace's root that is ours.
    pub fn read(metadata: &Metadata) -> Result<Self, String> {
        let mut files = Vec::new();
        walk(&metadata.workspace_root, &mut files)
            .map_err(|error| format!("the workspace cannot be read: {error}"))?;
        files.sort();
        let mut outlines = BTreeMap::new();
        let mut sources = BTreeMap::new();
        let mut texts = BTreeMap::new();
        let mut paths = BTreeSet::new();
        for file in files {
            let path = metadata.relative(&file);
            paths.insert(path.clone());
            let bytes = fs::read(&file).map_err(|error| format!("{path}: {error}"))?;
            let Ok(text) = String::from_utf8(bytes) else {
                continue; // not text
            };
            if file.extension().is_some_and(|extension| extension == "rs") {
                outlines.insert(path.clone(), Outline::of(&text));
                sources.insert(path, text);
            } else {
                texts.insert(path, text);
            }
        }
        let reach = reachable::from_targets(metadata, &outlines);
        let unreachable = outlines
            .keys()
            .filter(|path| !reach.contains_key(*path))
            .cloned()
            .collect();
        let rust = outlines
            .into_iter()
            .map(|(path, outline)| RustFile {
                text: sources.remove(&path).unwrap_or_default(),
                is_test: reach.get(&path).copied().unwrap_or(false) || path.starts_with(TESTKIT),
                is_development: path.starts_with(XTASK),
                outline,
                path,
            })
            .collect();
        Ok(Self {
            rust,
            texts,
            unreachable,
            paths,
            root: metadata.workspace_root.clone(),
        })
    }

    /// How many files were looked at.
    pub fn file_count(&self) -> usize {
        self.paths.len()
    }

    /// Every text with its path, Rust or not.
    pub fn all_texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let rust = self.rust.iter().map(|f| (f.path.as_str(), f.text.as_str()));
        let other = self.texts.iter().map(|(path, text)| (&**path, &**text));
        rust.chain(other)
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_foreign(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), found)?;
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    Ok(())
}
