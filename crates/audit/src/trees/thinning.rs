//! Letting go of what can be made again: tiles of leaves and their entries, once all of those entries
//! are in sealed segments. The tiles above stay, and so does where the entries lie. The hashes of leaves
//! that lie in many blocks stay too, since a proof would have to wait for all of these.

use std::collections::BTreeSet;

use keyward_ledger::{Content, TILE_WIDTH, Tile};

use crate::reader::Place;
use crate::trees::tiles::WIDTH;
use crate::trees::{Forest, LogFiles, Tree, TreesError};

/// How many tiles one step lets go of, at most.
const STEP: u64 = 16;
/// From so many blocks of sealed segments on the hashes of a tile stay.
const BLOCKS_MOST: usize = 16;
/// The least of frames that a block holds, in bytes.
const BLOCK: u64 = 512 * 1024;

/// How far it is.
#[derive(Default)]
pub struct Thinning {
    /// For each tree, the system's first, the next tile.
    next: Vec<u64>,
    /// Which of them is gone over now.
    tree: usize,
    /// Those in which something is damaged: nothing more of them is let go of in this life.
    damaged: BTreeSet<usize>,
}

impl<F: LogFiles> Forest<F> {
    /// Lets go of some tiles. Whether there may be more; if not, the next step goes over all trees again,
    /// from where each was left.
    ///
    /// # Errors
    /// When files cannot be read or removed, or one that should be there is not; what is still there
    /// stays as it is, and the next step goes on with the next tree.
    pub fn thin(&self, thinning: &mut Thinning) -> Result<bool, TreesError> {
        let tree = match thinning.tree.checked_sub(1) {
            None => Some(Tree::System),
            Some(other) => self.trees.get(other).map(|(tree, _)| *tree),
        };
        let Some(tree) = tree else {
            thinning.tree = 0;
            return Ok(false);
        };
        if thinning.next.len() <= thinning.tree {
            thinning.next.resize(thinning.tree + 1, 0);
        }
        let number = thinning.tree;
        let (next, is_damaged) = (
            &mut thinning.next[number],
            thinning.damaged.contains(&number),
        );
        let more = if is_damaged {
            Ok(false)
        } else {
            self.thin_tree(tree, next)
        };
        if let Err(TreesError::Damaged { .. }) = &more {
            thinning.damaged.insert(number);
        }
        if !matches!(more, Ok(true)) {
            thinning.tree += 1;
        }
        more.map(|_| true)
    }

    /// The same of one tree, from a tile on. Whether there may be more of it.
    fn thin_tree(&self, tree: Tree, next: &mut u64) -> Result<bool, TreesError> {
        let sealed = self.journal.sealed_before(self.kept);
        let full = self.head(tree).size / WIDTH;
        let tiles = self.tiles(tree);
        // Where some entries are gone, the hashes of the others' tile stay.
        let begins = tiles.begins().map_or(0, |it| it.gone.div_ceil(WIDTH));
        *next = begins.max(*next);
        let until = full.min(*next + STEP);
        while *next < until {
            let tile = |content| {
                Tile::new(content, *next, TILE_WIDTH).ok_or_else(|| TreesError::Damaged {
                    path: tree.to_string(),
                })
            };
            let entries = tile(Content::Entries)?;
            let (places, _) = tiles.places(entries)?;
            if places.iter().any(|place| place.segment >= sealed) {
                return Ok(false);
            }
            tiles.remove(entries)?;
            if blocks(&places) <= BLOCKS_MOST {
                tiles.remove(tile(Content::Hashes { level: 0 })?)?;
            }
            *next += 1;
        }
        Ok(until < full)
    }
}

/// In about how many blocks of sealed segments entries lie.
fn blocks(places: &[Place]) -> usize {
    let mut found: Vec<(u64, u64)> = places
        .iter()
        .map(|place| (place.segment, place.offset / BLOCK))
        .collect();
    found.dedup();
    found.len()
}
