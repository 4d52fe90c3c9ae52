//! Letting go of what can be made again: tiles of leaves and their entries, once all of those entries
//! are in sealed segments. The tiles above stay, and so does where the entries lie.

use keyward_ledger::{Content, TILE_WIDTH, Tile};

use crate::trees::tiles::WIDTH;
use crate::trees::{Forest, LogFiles, Tree, TreesError};

/// How many tiles one step lets go of, at most.
const STEP: u64 = 16;

/// How far it is.
#[derive(Default)]
pub struct Thinning {
    /// For each tree, the system's first, the next tile.
    next: Vec<u64>,
    /// Which of them is gone over now.
    tree: usize,
}

impl<F: LogFiles> Forest<F> {
    /// Lets go of some tiles. Whether there may be more; if not, the next step goes over all trees again,
    /// from where each was left.
    ///
    /// # Errors
    /// When files cannot be read or removed, or one that should be there is not; what is still there
    /// stays as it is.
    pub fn thin(&self, thinning: &mut Thinning) -> Result<bool, TreesError> {
        let sealed = self.journal.sealed_before(self.kept);
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
        let next = &mut thinning.next[thinning.tree];
        let full = self.head(tree).size / WIDTH;
        let (tiles, until) = (self.tiles(tree), full.min(*next + STEP));
        while *next < until {
            let tile = |content| {
                Tile::new(content, *next, TILE_WIDTH).ok_or_else(|| TreesError::Damaged {
                    path: tree.to_string(),
                })
            };
            let entries = tile(Content::Entries)?;
            let (places, _) = tiles.places(entries)?;
            if places.iter().any(|place| place.segment >= sealed) {
                break;
            }
            tiles.remove(entries)?;
            tiles.remove(tile(Content::Hashes { level: 0 })?)?;
            *next += 1;
        }
        if *next < until || until == full {
            thinning.tree += 1;
        }
        Ok(true)
    }
}
