//! The heads of all trees but the system's, as the leaves of one more tree, whose root an entry of the
//! system's tree commits to. Its leaves keep their places: a tree's is where it first had an entry.

use keyward_core::ids::TenantId;
use keyward_ledger::{Hash, Head, MemoryTree, prove_inclusion};
use uuid::Uuid;

use crate::trees::Tree;

/// What an entry of heads says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Which log: made once for a journal, so that the log of another one is never taken for it.
    pub log: Uuid,
    /// The last entry of the journal that they cover.
    pub through: u64,
    /// How many trees.
    pub trees: u64,
    /// The root over their heads.
    pub root: Hash,
}

/// The leaf of one tree's head: JSON with sorted keys and no spaces.
pub fn leaf(log: Uuid, tree: Tree, head: Head) -> String {
    let tenant = tree.tenant().map_or_else(String::new, |tenant| {
        format!(",\"tenant\":\"{}\"", salted(log, tenant))
    });
    let (kind, Head { size, root }) = (tree.kind(), head);
    format!("{{\"kind\":\"{kind}\",\"root\":\"{root}\",\"size\":{size}{tenant}}}")
}

/// A tenant's name in the leaves: whoever knows its id can make it, and nobody can tell the id by it.
pub fn salted(log: Uuid, tenant: TenantId) -> Hash {
    let mut bytes = b"keyward/heads/1".to_vec();
    bytes.extend_from_slice(log.as_bytes());
    bytes.extend_from_slice(tenant.uuid().as_bytes());
    Hash::of_leaf(&bytes)
}

/// The tree of heads as it was last made.
#[derive(Default)]
pub(super) struct HeadsTree {
    tree: MemoryTree,
    /// Those that grew since, some of them more than once.
    grown: Vec<u32>,
    /// How many they were when repetitions were last sorted out.
    sorted: usize,
}

impl HeadsTree {
    /// A tree has grown.
    pub(super) fn note(&mut self, index: u32) {
        // A busy tree is noted once in a row; what is left of repetitions is sorted out later.
        if self.grown.last() != Some(&index) {
            self.grown.push(index);
        }
        if self.grown.len() > 2 * self.sorted + 1024 {
            self.sort();
        }
    }

    fn sort(&mut self) {
        self.grown.sort_unstable();
        self.grown.dedup();
        self.sorted = self.grown.len();
    }

    /// The root over all heads.
    pub(super) fn root(&mut self, mut leaf: impl FnMut(u32) -> Option<Hash>) -> Hash {
        self.sort();
        for index in std::mem::take(&mut self.grown) {
            let Some(leaf) = leaf(index) else { continue };
            if !self.tree.replace(u64::from(index), leaf) {
                self.tree.append(leaf);
            }
        }
        self.tree.root()
    }

    /// The leaves as the heads were last made.
    pub(super) fn made(&self) -> MemoryTree {
        self.tree.clone()
    }

    /// The path from a tree's head up to the root, as the heads were last made; and how many they are.
    pub(super) fn path(&self, index: u32) -> Option<(u64, Vec<Hash>)> {
        let size = self.tree.size();
        let path = prove_inclusion(&self.tree, u64::from(index), size).ok()?;
        Some((size, path))
    }
}
