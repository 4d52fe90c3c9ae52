//! The tiles of a log as a source of subtrees, so that proofs can be made from files alone. What
//! comes out is as true as the tiles are: whoever uses a proof checks it against a root.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::hash::Hash;
use crate::tile::{Content, TILE_HEIGHT, TILE_WIDTH, Tile};
use crate::tree::Subtrees;

/// A tile that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError<E> {
    /// It cannot be had.
    #[error("{path} cannot be read")]
    Unreadable {
        /// Its path.
        path: String,
        /// Why.
        #[source]
        source: E,
    },
    /// It has another length than its width says.
    #[error("{path} has {found} bytes instead of {expected}")]
    Length {
        /// Its path.
        path: String,
        /// What it has.
        found: usize,
        /// What it should have.
        expected: usize,
    },
    /// The tree has no such subtree.
    #[error("the tree has no complete subtree {index} at level {level}")]
    NotThere {
        /// How many levels above the leaves.
        level: u32,
        /// Which one.
        index: u64,
    },
}

/// The hashes in a tile's bytes, if they are as many as its width says.
pub fn hashes_of<E>(tile: Tile, bytes: &[u8]) -> Result<Vec<Hash>, TileError<E>> {
    let expected = usize::from(tile.width()) * Hash::SIZE;
    if bytes.len() != expected {
        return Err(TileError::Length {
            path: tile.to_string(),
            found: bytes.len(),
            expected,
        });
    }
    let (hashes, _) = bytes.as_chunks::<{ Hash::SIZE }>();
    Ok(hashes.iter().copied().map(Hash::from_bytes).collect())
}

/// The bytes of a tile with these hashes.
pub fn bytes_of(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(Hash::as_bytes).copied().collect()
}

/// A tree of a given size whose tiles are read as they are needed, each once.
pub struct Tiles<F> {
    size: u64,
    read: F,
    known: RefCell<HashMap<Tile, Vec<Hash>>>,
}

impl<F, E> Tiles<F>
where
    F: Fn(Tile) -> Result<Vec<u8>, E>,
{
    /// The tree of `size` leaves whose tiles `read` gives. A reader that finds no partial tile may
    /// give the beginning of the full one.
    pub fn new(size: u64, read: F) -> Self {
        Self {
            size,
            read,
            known: RefCell::default(),
        }
    }

    fn hashes(&self, tile: Tile, start: usize, count: usize) -> Result<Vec<Hash>, TileError<E>> {
        let mut known = self.known.borrow_mut();
        let all = match known.entry(tile) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let bytes = (self.read)(tile).map_err(|source| TileError::Unreadable {
                    path: tile.to_string(),
                    source,
                })?;
                unknown.insert(hashes_of(tile, &bytes)?)
            }
        };
        let found = all.get(start..start + count);
        Ok(found.unwrap_or_default().to_vec())
    }
}

impl<F, E> Subtrees for Tiles<F>
where
    F: Fn(Tile) -> Result<Vec<u8>, E>,
{
    type Error = TileError<E>;

    fn subtree(&self, level: u32, index: u64) -> Result<Hash, TileError<E>> {
        let not_there = || TileError::NotThere { level, index };
        let within = level % TILE_HEIGHT;
        // The subtree's hashes as the tiles have them: 2^within next to each other in one tile.
        let first = index
            .checked_shl(within)
            .filter(|first| first >> within == index);
        let first = first.ok_or_else(not_there)?;
        let tile_level = u8::try_from(level / TILE_HEIGHT).map_err(|_| not_there())?;
        let content = Content::Hashes { level: tile_level };
        let width = u64::from(TILE_WIDTH);
        let tile = Tile::in_tree(content, first / width, self.size).ok_or_else(not_there)?;
        let mut hashes = self.hashes(tile, (first % width) as usize, 1 << within)?;
        while hashes.len() > 1 {
            hashes = over(&hashes);
        }
        hashes.first().copied().ok_or_else(not_there)
    }
}

/// The hashes one level up, over complete pairs.
pub(crate) fn over(hashes: &[Hash]) -> Vec<Hash> {
    let (pairs, _) = hashes.as_chunks::<2>();
    let node = |[left, right]: &[Hash; 2]| Hash::of_node(left, right);
    pairs.iter().map(node).collect()
}
