//! Where the entries of a bundle lie in the journal.

use std::sync::Arc;

use keyward_ledger::{Content, Tile};

use crate::journal::Journal;
use crate::reader::Place;
use crate::trees::{Forest, LogFiles, Tree, TreesError};

impl<F: LogFiles> Forest<F> {
    /// The journal that the trees are made from.
    pub(crate) fn journal(&self) -> Arc<Journal> {
        Arc::clone(&self.journal)
    }

    /// Where the entries of a bundle lie; none if the tree has no such bundle now.
    pub(crate) fn places_of(
        &self,
        tree: Tree,
        bundle: Tile,
    ) -> Result<Option<Vec<Place>>, TreesError> {
        let Some(end) = self.end(tree) else {
            return Ok(None);
        };
        let present = Tile::in_tree(Content::Entries, bundle.index(), end.size());
        let Some(present) = present.filter(|it| it.width() >= bundle.width()) else {
            return Ok(None);
        };
        let mut places = if present.is_full() {
            self.tiles(tree).places(present)?.0
        } else {
            end.places()
        };
        places.truncate(usize::from(bundle.width()));
        Ok(Some(places))
    }
}
