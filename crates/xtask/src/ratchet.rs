//! Exceptions that may only shrink: `ratchet.toml` names what was too long when its rule came, and
//! how long it may be. Growing past that fails, and so does shrinking without lowering the number:
//! `cargo xtask ratchet` lowers it. Nothing adds a line but a person who says why in review.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where the exceptions stand.
pub const FILE: &str = "crates/xtask/ratchet.toml";

const PREFACE: &str = "\
# What is longer than the house rules allow (500 production lines a file, 70 a function).
# Numbers may only go down: `cargo xtask ratchet` lowers them and drops what is short enough.

";

/// The exceptions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ratchet {
    /// Files and how many production lines each may have.
    #[serde(default)]
    pub files: BTreeMap<String, usize>,
    /// Functions (`path::name`) and how many lines each may have.
    #[serde(default)]
    pub functions: BTreeMap<String, usize>,
}

/// How a measured length compares with its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Short enough, or exactly as long as its exception says.
    Fits,
    /// Longer than it may be.
    TooLong {
        /// What it may have.
        limit: usize,
    },
    /// Shorter than its exception: the exception must follow.
    Shrank {
        /// What the exception says.
        exception: usize,
    },
}

impl Ratchet {
    /// Reads the file; no file means no exceptions.
    pub fn read(root: &Path) -> Result<Self, String> {
        let text = match std::fs::read_to_string(root.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(format!("{FILE}: {error}")),
        };
        toml::from_str(&text).map_err(|error| format!("{FILE}: {error}"))
    }

    /// Writes the file.
    pub fn write(&self, root: &Path) -> Result<(), String> {
        let path: PathBuf = root.join(FILE);
        let body = toml::to_string(self).map_err(|error| format!("{FILE}: {error}"))?;
        std::fs::write(path, format!("{PREFACE}{body}")).map_err(|error| format!("{FILE}: {error}"))
    }
}

/// Compares a length with the rule's limit and the exception, if there is one.
pub fn judge(length: usize, limit: usize, exception: Option<usize>) -> Verdict {
    match exception {
        Some(exception) if length > exception => Verdict::TooLong { limit: exception },
        Some(exception) if length < exception => Verdict::Shrank { exception },
        None if length > limit => Verdict::TooLong { limit },
        _ => Verdict::Fits,
    }
}

/// An exception after a run of the ratchet: lower, gone, or as it was.
pub fn lowered(length: Option<usize>, limit: usize, exception: usize) -> Option<usize> {
    let length = length.filter(|length| *length > limit)?;
    Some(length.min(exception))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_may_fit_grow_or_shrink() {
        assert_eq!(judge(500, 500, None), Verdict::Fits);
        assert_eq!(judge(501, 500, None), Verdict::TooLong { limit: 500 });
        assert_eq!(judge(600, 500, Some(600)), Verdict::Fits);
        assert_eq!(judge(601, 500, Some(600)), Verdict::TooLong { limit: 600 });
        assert_eq!(
            judge(599, 500, Some(600)),
            Verdict::Shrank { exception: 600 }
        );
    }

    #[test]
    fn the_ratchet_turns_one_way() {
        assert_eq!(lowered(Some(620), 500, 600), Some(600));
        assert_eq!(lowered(Some(550), 500, 600), Some(550));
        assert_eq!(lowered(Some(500), 500, 600), None);
        assert_eq!(lowered(None, 500, 600), None);
    }
}
