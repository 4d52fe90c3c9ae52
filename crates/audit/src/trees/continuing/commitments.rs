//! What entries of heads committed to, and whether it is there: entry for entry as the journal is made again.

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use keyward_ledger::{Hash, Head, Peaks};
use uuid::Uuid;

use super::ContinueError;
use super::cursor::{bundle, entries_in};
use crate::trees::heads::{HeadsTree, leaf};
use crate::trees::tiles::WIDTH;
use crate::trees::tree::{Belongs, heads_in, of};
use crate::trees::{Heads, Tree};

/// The entries of heads of the system's tree, in order, read ahead of the rest a bundle at a time.
pub(super) struct Commitments<'a> {
    copy: &'a Path,
    size: u64,
    /// The next bundle.
    index: u64,
    ahead: VecDeque<Heads>,
    through: u64,
}

impl<'a> Commitments<'a> {
    /// Those of a system's tree of so many entries.
    pub(super) fn of(copy: &'a Path, size: u64) -> Result<Self, ContinueError> {
        let mut all = Self {
            copy,
            size,
            index: 0,
            ahead: VecDeque::new(),
            through: 0,
        };
        all.read_ahead()?;
        Ok(all)
    }

    /// The last entry that any of those that were checked covers.
    pub(super) const fn through(&self) -> u64 {
        self.through
    }

    /// Checks those that cover entries before this number, and none from it on: before the entry with this
    /// number is taken.
    pub(super) fn check(
        &mut self,
        before: u64,
        growing: &mut Growing,
    ) -> Result<(), ContinueError> {
        while let Some(heads) = self.ahead.front().copied() {
            if heads.through >= before {
                return Ok(());
            }
            let through = heads.through;
            if through < self.through || !growing.is_committed_by(&heads) {
                return Err(ContinueError::Uncommitted { through });
            }
            self.through = through;
            self.ahead.pop_front();
            self.read_ahead()?;
        }
        Ok(())
    }

    fn read_ahead(&mut self) -> Result<(), ContinueError> {
        while self.ahead.is_empty() && self.index * WIDTH < self.size {
            let (tile, _, bytes) = bundle(self.copy, Tree::System, self.index, self.size)?;
            let entries = entries_in(tile, Tree::System, &bytes)?;
            self.ahead = entries.into_iter().filter_map(heads_in).collect();
            self.index += 1;
        }
        Ok(())
    }
}

/// All trees as they grow.
#[derive(Default)]
pub(super) struct Growing {
    system: Peaks,
    /// All others, in the order of their first entries.
    trees: Vec<(Tree, Peaks)>,
    index: HashMap<Tree, u32>,
    heads: HeadsTree,
    log: Option<Uuid>,
}

impl Growing {
    /// Adds an entry to the tree in whose files it lay, which is the one that it belongs to.
    pub(super) fn take(&mut self, tree: Tree, entry: &[u8]) -> Result<(), ContinueError> {
        let belongs = match of(entry) {
            Some(Belongs::To(tree)) => Some(tree),
            Some(Belongs::Heads(_)) => Some(Tree::System),
            None => None,
        };
        if belongs != Some(tree) {
            return Err(ContinueError::OtherTree { tree });
        }
        let _full = self.peaks(tree).append(Hash::of_leaf(entry));
        Ok(())
    }

    fn peaks(&mut self, tree: Tree) -> &mut Peaks {
        if tree == Tree::System {
            return &mut self.system;
        }
        let next = self.trees.len() as u32;
        let index = *self.index.entry(tree).or_insert(next);
        if index == next {
            self.trees.push((tree, Peaks::default()));
        }
        self.heads.note(index);
        &mut self.trees[index as usize].1
    }

    /// Whether these heads are those of all trees as they are now.
    fn is_committed_by(&mut self, heads: &Heads) -> bool {
        let log = *self.log.get_or_insert(heads.log);
        let trees = &self.trees;
        let root = self.heads.root(|index| {
            let (tree, peaks) = trees.get(index as usize)?;
            Some(Hash::of_leaf(leaf(log, *tree, head_of(peaks)).as_bytes()))
        });
        log == heads.log && self.trees.len() as u64 == heads.trees && root == heads.root
    }

    /// Refuses if any of these is another tree now.
    pub(super) fn ensure(&self, expected: &[(Tree, Head)]) -> Result<(), ContinueError> {
        for (tree, head) in expected {
            let found = match self.index.get(tree) {
                _ if *tree == Tree::System => Some(&self.system),
                Some(index) => self.trees.get(*index as usize).map(|(_, peaks)| peaks),
                None => None,
            };
            let found = found.map_or_else(|| head_of(&Peaks::default()), head_of);
            if found != *head {
                return Err(ContinueError::OtherTree { tree: *tree });
            }
        }
        Ok(())
    }
}

fn head_of(peaks: &Peaks) -> Head {
    Head {
        size: peaks.size(),
        root: peaks.root(),
    }
}
