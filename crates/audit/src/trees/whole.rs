//! Checking the whole log against its journal: every entry is read again, every tree is made again in
//! memory, and every file is compared with what it should be. The trees go on growing meanwhile.

use std::collections::HashMap;

use keyward_ledger::{
    Content, Hash, Head, MemoryTree, Peaks, TILE_WIDTH, Tile, bytes_of, entries_of, hashes_of,
};

use crate::trees::forest::PAGE_BYTES;
use crate::trees::tree::{Belongs, of};
use crate::trees::{Forest, LogFiles, Tree, TreesError};

const WIDTH: u64 = TILE_WIDTH as u64;

/// A check that is under way.
pub struct WholeCheck {
    /// The last entry that was read.
    after: u64,
    /// The last entry that is to be.
    until: u64,
    /// How the trees stood there.
    heads: Vec<(Tree, Head)>,
    made: HashMap<Tree, Peaks>,
}

impl WholeCheck {
    /// How many entries were read, and how many there are.
    pub fn progress(&self) -> (u64, u64) {
        (self.after, self.until)
    }
}

impl<F: LogFiles> Forest<F> {
    /// Begins a check of all that the trees have now.
    pub fn begin_check(&self) -> WholeCheck {
        let others = self.trees.iter().map(|(tree, end)| (*tree, end.head()));
        let system = (Tree::System, self.head(Tree::System));
        WholeCheck {
            after: 0,
            until: self.sequence(),
            heads: std::iter::once(system).chain(others).collect(),
            made: HashMap::new(),
        }
    }

    /// Goes on with a check by a page of the journal. Whether there is more of it. An error says what is
    /// wrong, and where; or that something cannot be read.
    pub fn check_page(&self, check: &mut WholeCheck) -> Result<bool, TreesError> {
        if check.after < check.until {
            let page = self.journal.written(check.after, PAGE_BYTES)?;
            let before = check.after;
            for entry in page.iter().filter(|entry| entry.sequence <= check.until) {
                check.after = entry.sequence;
                self.check_entry(&mut check.made, entry.sequence, &entry.bytes)?;
            }
            if check.after > before {
                return Ok(true);
            }
            // The journal ends before what the trees have of it.
            return Err(TreesError::Shrunk {
                known: check.until,
                found: before,
            });
        }
        for (tree, head) in &check.heads {
            let made = check.made.get(tree);
            let made = made.map_or_else(|| Peaks::default().root(), Peaks::root);
            if made != head.root {
                return Err(damaged(*tree));
            }
        }
        Ok(false)
    }

    fn check_entry(
        &self,
        made: &mut HashMap<Tree, Peaks>,
        sequence: u64,
        bytes: &[u8],
    ) -> Result<(), TreesError> {
        let tree = match of(bytes).ok_or(TreesError::Contradiction { sequence })? {
            Belongs::To(tree) => tree,
            Belongs::Heads(_) => Tree::System,
        };
        let peaks = made.entry(tree).or_default();
        let Some(root) = peaks.append(Hash::of_leaf(bytes)) else {
            return Ok(());
        };
        let index = peaks.size() / WIDTH - 1;
        self.check_tiles(tree, index, root)
    }

    /// The files of a tile of leaves that ends here, and of those above that end with it.
    fn check_tiles(&self, tree: Tree, index: u64, root: Hash) -> Result<(), TreesError> {
        let tiles = self.tiles(tree);
        let level = |level, index| {
            Tile::new(Content::Hashes { level }, index, TILE_WIDTH).ok_or_else(|| damaged(tree))
        };
        let mut tile = level(0, index)?;
        let wrong = |tile: Tile| TreesError::Damaged {
            path: format!("{tree}/{tile}"),
        };
        let hashes = hashes_of::<TreesError>(tile, &tiles.file(tile)?).map_err(|_| wrong(tile))?;
        if MemoryTree::new(hashes.iter().copied()).root() != root {
            return Err(wrong(tile));
        }
        let bundle = Tile::new(Content::Entries, index, TILE_WIDTH).ok_or_else(|| damaged(tree))?;
        let bytes = tiles.file(bundle)?;
        let entries = entries_of(bundle, &bytes).map_err(|_| wrong(bundle))?;
        let leaves = entries.iter().map(|entry| Hash::of_leaf(entry));
        if !leaves.eq(hashes) {
            return Err(wrong(bundle));
        }
        while (tile.index() + 1).is_multiple_of(WIDTH)
            && let Content::Hashes { level: below } = tile.content()
            && below < 7
        {
            tile = level(below + 1, tile.index() / WIDTH)?;
            if tiles.file(tile)? != bytes_of(&tiles.over(tile)?) {
                return Err(wrong(tile));
            }
        }
        Ok(())
    }
}

fn damaged(tree: Tree) -> TreesError {
    TreesError::Damaged {
        path: tree.to_string(),
    }
}
