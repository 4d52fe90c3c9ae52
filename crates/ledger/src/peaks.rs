//! A tree that only grows, as small as it can be kept: the roots of its complete subtrees, one for
//! each bit of its size. Enough for its root and to go on; proofs need tiles.

use crate::hash::Hash;
use crate::tile::TILE_HEIGHT;

/// The roots of a tree's largest complete subtrees, from the left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peaks {
    size: u64,
    hashes: Vec<Hash>,
}

impl Peaks {
    /// Goes on with a tree of a given size; none if it has another number of peaks.
    pub fn resume(size: u64, hashes: Vec<Hash>) -> Option<Self> {
        let sound = hashes.len() == size.count_ones() as usize;
        sound.then_some(Self { size, hashes })
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The peaks, from the left.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Adds a leaf behind all others. Answers the root of the full tile of leaves of which it is the
    /// last one, if it is.
    pub fn append(&mut self, leaf: Hash) -> Option<Hash> {
        let mut hash = leaf;
        let mut tile = None;
        for level in 1..=self.size.trailing_ones() {
            let Some(left) = self.hashes.pop() else { break };
            hash = Hash::of_node(&left, &hash);
            if level == TILE_HEIGHT {
                tile = Some(hash);
            }
        }
        self.hashes.push(hash);
        self.size += 1;
        tile
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        let peaks = self.hashes.iter().rev().copied();
        let root = peaks.reduce(|right, left| Hash::of_node(&left, &right));
        root.unwrap_or_else(Hash::of_empty_tree)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::tree::MemoryTree;

    #[test]
    fn peaks_have_the_root_of_the_whole_tree_and_of_each_full_tile() {
        let mut peaks = Peaks::default();
        let mut whole = MemoryTree::default();
        let mut tile = MemoryTree::default();
        assert_eq!(peaks.root(), whole.root());
        for number in 0..2000_u32 {
            let leaf = Hash::of_leaf(&number.to_be_bytes());
            let full = peaks.append(leaf);
            whole.append(leaf);
            tile.append(leaf);
            assert_eq!(peaks.root(), whole.root());
            let expected = (tile.size() == 256).then(|| std::mem::take(&mut tile).root());
            assert_eq!(full, expected, "{number}");
            let again = Peaks::resume(peaks.size(), peaks.hashes().to_vec());
            assert_eq!(again.as_ref(), Some(&peaks));
            assert_eq!(
                Peaks::resume(peaks.size() * 2 + 1, peaks.hashes().to_vec()),
                None
            );
        }
    }
}
