//! Checking the whole log against its journal: every entry is read again, every tree is made again in
//! memory, and every file is compared with what it should be. The trees go on growing meanwhile.

use std::collections::HashMap;

use keyward_ledger::{
    Content, Hash, Head, MemoryTree, TILE_WIDTH, Tile, bytes_of, entries_of, hashes_of,
};

use crate::reader::Written;
use crate::trees::end::{End, Full};
use crate::trees::forest::PAGE_BYTES;
use crate::trees::places;
use crate::trees::tiles::WIDTH;
use crate::trees::tree::{Belongs, of};
use crate::trees::{Forest, LogFiles, Tree, TreesError};

/// A check that is under way.
pub struct WholeCheck {
    /// The last entry that was read.
    after: u64,
    /// The last entry that is to be.
    until: u64,
    /// How many were read.
    read: u64,
    /// How the trees stood there.
    heads: Vec<(Tree, Head)>,
    made: HashMap<Tree, End>,
    /// Where the journal began.
    begins: u64,
}

impl WholeCheck {
    /// How many entries were read, and the number of the last one that is to be.
    pub fn progress(&self) -> (u64, u64) {
        (self.read, self.until)
    }
}

impl<F: LogFiles> Forest<F> {
    /// Begins a check of all that the trees have now.
    pub fn begin_check(&self) -> WholeCheck {
        let others = self.trees.iter().map(|(tree, end)| (*tree, end.head()));
        let system = (Tree::System, self.head(Tree::System));
        let begun = self.journal.begun();
        let trees = begun.iter().flat_map(|begun| begun.trees());
        let begins = self.journal.beginning();
        WholeCheck {
            after: begins - 1,
            begins,
            read: 0,
            until: self.sequence(),
            heads: std::iter::once(system).chain(others).collect(),
            made: trees
                .filter_map(|(tree, frontier)| Some((*tree, End::begun(frontier)?)))
                .collect(),
        }
    }

    /// Goes on with a check by a page of the journal. Whether there is more of it. An error says what is
    /// wrong, and where; or that something cannot be read.
    pub fn check_page(&self, check: &mut WholeCheck) -> Result<bool, TreesError> {
        if check.begins != self.journal.beginning() {
            // What it has counted was let go of meanwhile.
            *check = self.begin_check();
        }
        if check.after < check.until {
            let page = self.journal.written(check.after, PAGE_BYTES)?;
            let before = check.after;
            for entry in page.iter().filter(|entry| entry.sequence <= check.until) {
                check.after = entry.sequence;
                check.read += 1;
                self.check_entry(&mut check.made, entry)?;
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
            let made = made.map_or_else(|| End::default().head(), End::head);
            if made != *head {
                return Err(damaged(*tree));
            }
        }
        Ok(false)
    }

    fn check_entry(
        &self,
        made: &mut HashMap<Tree, End>,
        entry: &Written,
    ) -> Result<(), TreesError> {
        let sequence = entry.sequence;
        let contradicts = || TreesError::Contradiction { sequence };
        let tree = match of(&entry.bytes).ok_or_else(contradicts)? {
            Belongs::To(tree) => tree,
            Belongs::Heads(_) => Tree::System,
        };
        let end = made.entry(tree).or_default();
        let full = end.append(Hash::of_leaf(&entry.bytes), entry.place);
        match full.map_err(|_| contradicts())? {
            Some(full) => self.check_tiles(tree, &full),
            None => Ok(()),
        }
    }

    /// The files of a tile of leaves that ends here, and of those above that end with it.
    fn check_tiles(&self, tree: Tree, full: &Full) -> Result<(), TreesError> {
        let tiles = self.tiles(tree);
        let level = |level, index| {
            Tile::new(Content::Hashes { level }, index, TILE_WIDTH).ok_or_else(|| damaged(tree))
        };
        let mut tile = level(0, full.index)?;
        let wrong = |tile: Tile| TreesError::Damaged {
            path: format!("{tree}/{tile}"),
        };
        let bundle =
            Tile::new(Content::Entries, full.index, TILE_WIDTH).ok_or_else(|| damaged(tree))?;
        // By this they are made again: right places of right entries.
        let (places, root) = tiles.places(bundle)?;
        let kept = tiles.kept(full.index, &places);
        if root != full.root || kept != full.places {
            return Err(TreesError::Damaged {
                path: format!("{tree}/{}", places::path(bundle)),
            });
        }
        self.check_leaves(tree, full, tile, bundle)?;
        while (tile.index() + 1).is_multiple_of(WIDTH)
            && let Content::Hashes { level: below } = tile.content()
            && below < 7
        {
            tile = level(below + 1, tile.index() / WIDTH)?;
            if tiles.present(tile)? != Some(bytes_of(&tiles.over(tile)?)) {
                return Err(wrong(tile));
            }
        }
        Ok(())
    }

    /// The files of a tile of leaves and of its entries, which are there or were let go of.
    fn check_leaves(
        &self,
        tree: Tree,
        full: &Full,
        tile: Tile,
        bundle: Tile,
    ) -> Result<(), TreesError> {
        let tiles = self.tiles(tree);
        let wrong = |tile: Tile| TreesError::Damaged {
            path: format!("{tree}/{tile}"),
        };
        // Only tiles whose entries are all sealed were let go of.
        let sealed = self.journal.sealed_before(u64::MAX);
        let begins = self.journal.beginning();
        let was_let_go = full.places.iter().any(|place| place.segment < begins);
        let all_sealed = full.places.iter().all(|place| place.segment < sealed);
        let may_be_gone = was_let_go || all_sealed;
        let file = |tile| match tiles.present(tile)? {
            None if !may_be_gone => Err(wrong(tile)),
            found => Ok(found),
        };
        if let Some(found) = file(tile)? {
            let hashes = hashes_of::<TreesError>(tile, &found).map_err(|_| wrong(tile))?;
            if MemoryTree::new(hashes).root() != full.root {
                return Err(wrong(tile));
            }
        }
        if let Some(found) = file(bundle)? {
            let entries = entries_of(bundle, &found).map_err(|_| wrong(bundle))?;
            let leaves = entries.iter().map(|entry| Hash::of_leaf(entry));
            if MemoryTree::new(leaves).root() != full.root {
                return Err(wrong(bundle));
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
