//! A tree that only grows, and gives each tile away when it is full: what it keeps is the partial
//! tile of each level, at most 255 hashes for every power of 256.

use crate::hash::Hash;
use crate::tile::{Content, TILE_WIDTH, Tile};
use crate::tiles::over;

/// A tile that has just become full, with its hashes.
pub type FullTile = (Tile, Vec<Hash>);

/// The growing end of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrowingTree {
    size: u64,
    /// The hashes of each level's last, partial tile.
    ends: Vec<Vec<Hash>>,
}

impl GrowingTree {
    /// Goes on with a tree of a given size. `partial` gives the hashes of its partial tiles, each
    /// of which must have as many as its width says.
    pub fn resume<E>(
        size: u64,
        mut partial: impl FnMut(Tile) -> Result<Vec<Hash>, E>,
    ) -> Result<Self, E> {
        let mut ends = Vec::new();
        for level in 0..=7 {
            let content = Content::Hashes { level };
            let count = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
            if count == 0 {
                break;
            }
            let last = Tile::in_tree(content, count / u64::from(TILE_WIDTH), size);
            ends.push(match last {
                Some(tile) => partial(tile)?,
                None => Vec::new(),
            });
        }
        Ok(Self { size, ends })
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf behind all others; answers the tiles that it made full, lowest level first.
    pub fn append(&mut self, leaf: Hash) -> Vec<FullTile> {
        let mut full = Vec::new();
        let mut hash = leaf;
        let mut count = self.size;
        self.size += 1;
        for level in 0..=7 {
            if self.ends.len() <= usize::from(level) {
                self.ends.push(Vec::new());
            }
            let end = &mut self.ends[usize::from(level)];
            end.push(hash);
            if end.len() < usize::from(TILE_WIDTH) {
                break;
            }
            let hashes = std::mem::take(end);
            let mut above = over(&hashes);
            while let [_, _, ..] = above.as_slice() {
                above = over(&above);
            }
            let content = Content::Hashes { level };
            count /= u64::from(TILE_WIDTH);
            full.extend(Tile::new(content, count, TILE_WIDTH).map(|tile| (tile, hashes)));
            match above.as_slice() {
                [root] => hash = *root,
                _ => break,
            }
        }
        full
    }

    /// The partial tiles at its end, with their hashes, lowest level first.
    pub fn partial(&self) -> impl Iterator<Item = (Tile, &[Hash])> {
        (0u8..).zip(&self.ends).filter_map(|(level, hashes)| {
            let count = self.size.checked_shr(8 * u32::from(level)).unwrap_or(0);
            let index = count / u64::from(TILE_WIDTH);
            let tile = Tile::new(Content::Hashes { level }, index, hashes.len() as u16)?;
            Some((tile, hashes.as_slice()))
        })
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        // From the right end: the smallest subtree first, which stands on the lowest level.
        for end in &self.ends {
            let mut hashes = end.clone();
            while !hashes.is_empty() {
                if hashes.len() % 2 == 1
                    && let Some(peak) = hashes.pop()
                {
                    root = Some(root.map_or(peak, |right| Hash::of_node(&peak, &right)));
                }
                hashes = over(&hashes);
            }
        }
        root.unwrap_or_else(Hash::of_empty_tree)
    }
}
