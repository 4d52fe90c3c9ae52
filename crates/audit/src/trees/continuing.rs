//! A lost journal made again from what a mirror holds of its trees: every entry under the number that it
//! had, so that the trees that are made from it are the ones that were lost, and go on.
//!
//! ```text
//! bundles + numbers of all trees ─► one order ─► segments of the journal ─► an entry that says so
//!                                       │
//!                                       └─► what each entry of heads committed to was there
//! ```
//!
//! Numbers are signed by nobody. What was signed holds them all the same: between two entries of heads
//! each tree has the entries that the later one committed to, so that no entry can be numbered out of the
//! second in which it was logged.

mod commitments;
mod cursor;
mod segments;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use keyward_core::audit::AuditEvent;
use keyward_core::time::Timestamp;
use keyward_ledger::Head;
use serde::Deserialize;
use uuid::Uuid;

use crate::canonical;
use crate::io::JournalIo;
use crate::trees::Tree;

use commitments::{Commitments, Growing};
use cursor::Cursor;
use segments::Segments;

/// The numbers of a journal that was continued begin behind the next multiple of this: whatever was written
/// after the mirror's last round, and is lost, had a lower one. At 50,000 entries a second that is the work
/// of 115 days at least, and numbers stay exact in JSON (below 2^53) through nine thousand losses.
const STEP: u64 = 1_000_000_000_000;

/// From here on numbers are not exact in JSON.
const EXACT: u64 = 1 << 53;

/// Why a journal cannot be made again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContinueError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The numbers of entries are not there.
    #[error(
        "the mirror has no {path}: the numbers of these entries were not mirrored, or the file is gone; \
         another mirror of this log may have it"
    )]
    NoNumbers {
        /// Which file.
        path: String,
    },
    /// A file is not what it must be.
    #[error("the mirror's {path} is not what was written there: {what}")]
    Altered {
        /// Which.
        path: String,
        /// In which way.
        what: &'static str,
    },
    /// Two entries have the same number.
    #[error("the mirror gives the number {number} to two entries; one of them is in {tree}")]
    Twice {
        /// Which number.
        number: u64,
        /// One of the trees.
        tree: Tree,
    },
    /// A number that no entry of such a log can have.
    #[error(
        "the mirror gives an entry of {tree} the number {number}, which is far beyond all that the log \
         committed to: numbers were altered"
    )]
    Beyond {
        /// Which number.
        number: u64,
        /// Of which tree.
        tree: Tree,
    },
    /// What heads committed to is not there.
    #[error(
        "the mirror does not hold what the log committed to at entry {through}: a tenant's log is gone, \
         or is behind, or numbers were altered"
    )]
    Uncommitted {
        /// The last entry that the heads cover.
        through: u64,
    },
    /// A tree is not the one whose checkpoint was verified.
    #[error("the mirror's {tree} is not the log whose checkpoint was verified")]
    OtherTree {
        /// Which.
        tree: Tree,
    },
    /// There is nothing.
    #[error("the mirror holds no entry")]
    Empty,
}

/// What was lost, and what there is of it.
pub struct Lost<'a> {
    /// A directory with the mirror's files under their own names.
    pub copy: &'a Path,
    /// Every tree that the mirror has a checkpoint of, and how it stood: verified.
    pub trees: &'a [(Tree, Head)],
    /// The deployment.
    pub deployment: Uuid,
    /// The node's name.
    pub node: Arc<str>,
    /// The present.
    pub now: Timestamp,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Up to this entry nothing is missing that the journal had.
    pub through: u64,
    /// The last entry that there is.
    pub last: u64,
    /// How many there are.
    pub entries: u64,
    /// The number of the next one.
    pub next: u64,
    /// The name of the node that logged the last entry of the system's tree.
    pub node: String,
}

/// Makes the journal again, in a directory that has none, and ends it with an entry that says so: durable when
/// this returns.
///
/// # Errors
/// When what the copy has is not all of what was signed, or cannot be read; or the journal cannot be written.
/// What was written until then is of no use.
pub fn rebuild(
    io: &dyn JournalIo,
    lost: &Lost<'_>,
    entry: impl FnOnce(&Rebuilt) -> AuditEvent,
) -> Result<Rebuilt, ContinueError> {
    let system = lost.trees.iter().find(|(tree, _)| *tree == Tree::System);
    let (_, system) = system.ok_or(ContinueError::Empty)?;
    let mut segments = Segments::new(io, lost);
    let mut commitments = Commitments::of(lost.copy, system.size)?;
    let mut growing = Growing::default();
    let mut node = None;
    let mut cursors = Vec::with_capacity(lost.trees.len());
    let mut order = BinaryHeap::with_capacity(lost.trees.len());
    for (tree, head) in lost.trees {
        let mut cursor = Cursor::new(lost.copy, *tree, head.size);
        if let Some(number) = cursor.number()? {
            order.push(Reverse((number, cursors.len())));
        }
        cursors.push(cursor);
    }
    let (mut last, mut entries) = (0, 0);
    while let Some(Reverse((number, which))) = order.pop() {
        let Some(cursor) = cursors.get_mut(which) else {
            continue;
        };
        let tree = cursor.tree();
        if number <= last {
            return Err(ContinueError::Twice { number, tree });
        }
        commitments.check(number, &mut growing)?;
        if !is_near(commitments.through(), number) {
            return Err(ContinueError::Beyond { number, tree });
        }
        let bytes = cursor.take()?;
        growing.take(tree, &bytes)?;
        if tree == Tree::System {
            node = node_of(&bytes).or(node);
        }
        segments.put(number, &bytes)?;
        (last, entries) = (number, entries + 1);
        if let Some(next) = cursor.number()? {
            order.push(Reverse((next, which)));
        }
    }
    commitments.check(u64::MAX, &mut growing)?;
    growing.ensure(lost.trees)?;
    let rebuilt = Rebuilt {
        through: commitments.through(),
        last,
        entries,
        next: next_after(last),
        node: node.ok_or(ContinueError::Empty)?,
    };
    if rebuilt.next >= EXACT {
        let (number, tree) = (rebuilt.next, Tree::System);
        return Err(ContinueError::Beyond { number, tree });
    }
    let bytes = canonical::encode(&entry(&rebuilt));
    segments.end_with(rebuilt.next, &bytes)?;
    Ok(rebuilt)
}

/// The number of the first entry of a journal that is continued after an entry.
fn next_after(last: u64) -> u64 {
    // Half a step at least: what was lost is somewhere in between.
    (last.saturating_add(STEP / 2) / STEP)
        .saturating_add(1)
        .saturating_mul(STEP)
        .saturating_add(1)
}

/// Whether an entry can have this number when the last heads before it cover so much: nothing that was signed
/// says more of it. It may be the first behind an earlier loss.
fn is_near(through: u64, number: u64) -> bool {
    let is_soon = |from: u64| (from..from.saturating_add(STEP / 2)).contains(&number);
    let continued = next_after(through);
    number < EXACT
        && (is_soon(through) || is_soon(continued) || is_soon(continued.saturating_add(STEP)))
}

#[derive(Deserialize)]
struct OfNode {
    node: String,
}

fn node_of(entry: &[u8]) -> Option<String> {
    let OfNode { node } = serde_json::from_slice(entry).ok()?;
    Some(node)
}

fn of_file(path: &Path) -> impl FnOnce(io::Error) -> ContinueError {
    let path = path.display().to_string();
    move |source| ContinueError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_half_a_step_behind_whatever_was_lost_at_least() {
        assert_eq!(next_after(1), STEP + 1);
        assert_eq!(next_after(STEP / 2), 2 * STEP + 1);
        assert_eq!(next_after(STEP + 1), 2 * STEP + 1);
        for last in [1, STEP / 2 - 1, STEP / 2, STEP, STEP + 1, 7 * STEP - 1] {
            assert!(next_after(last) - last > STEP / 2, "{last}");
        }
    }

    #[test]
    fn numbers_that_nothing_commits_to_are_near_what_something_does() {
        for last in [0, 7, STEP / 2 - 1, STEP / 2, STEP + 9, 7 * STEP - 1] {
            for near in [last + 1, last + STEP / 3, next_after(last)] {
                assert!(is_near(last, near), "{last} {near}");
            }
            // Lost entries were between what heads cover and the last that there is.
            assert!(is_near(last, next_after(last + 70_000)), "{last}");
            for far in [last + 4 * STEP, EXACT, u64::MAX] {
                assert!(!is_near(last, far), "{last} {far}");
            }
        }
        assert!(!is_near(EXACT - 1, EXACT));
        assert!(!is_near(u64::MAX, u64::MAX));
    }
}
