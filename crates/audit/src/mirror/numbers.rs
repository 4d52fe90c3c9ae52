//! Which number of the journal each entry of a bundle has: beside the bundle, in a file of its own, so that a
//! lost journal can be made again in its order ([`crate::trees::rebuild`]).
//!
//! ```text
//! numbers/<tree>/<N>      256 numbers, 8 bytes each, big-endian, ascending
//! numbers/<tree>/<N>.p/<W>    the first W of them, as the bundle has W entries
//! ```

use keyward_ledger::Tile;
use parking_lot::Mutex;

use crate::trees::{Forest, LogFiles, Tree, TreesError};

/// Bytes of a number.
const SIZE: usize = size_of::<u64>();

/// The path of the numbers of a bundle's entries, below the mirror's own place.
pub fn numbers_path(tree: Tree, bundle: Tile) -> String {
    let bundle = bundle.to_string();
    let index = bundle.strip_prefix("tile/entries/").unwrap_or(&bundle);
    format!("numbers/{tree}/{index}")
}

/// The numbers of a bundle's entries, as their file has them; none if the tree has no such bundle. Blocks
/// while it reads, and holds the trees only for as long as it takes to find where the entries lie.
pub(super) fn file<F: LogFiles>(
    trees: &Mutex<Forest<F>>,
    tree: Tree,
    bundle: Tile,
) -> Result<Option<Vec<u8>>, TreesError> {
    let (places, journal) = {
        let trees = trees.lock();
        let Some(places) = trees.places_of(tree, bundle)? else {
            return Ok(None);
        };
        (places, trees.journal())
    };
    let numbers = journal.numbers_at(&places)?;
    Ok(Some(
        numbers.iter().flat_map(|it| it.to_be_bytes()).collect(),
    ))
}

/// The numbers in such a file; none unless there are so many, ascending.
pub(crate) fn numbers_in(bytes: &[u8], count: usize) -> Option<Vec<u64>> {
    let (numbers, rest) = bytes.as_chunks::<SIZE>();
    let numbers: Vec<u64> = numbers.iter().map(|it| u64::from_be_bytes(*it)).collect();
    let is_sound = rest.is_empty() && numbers.len() == count && numbers.is_sorted_by(|a, b| a < b);
    is_sound.then_some(numbers)
}

#[cfg(test)]
mod tests {
    use keyward_ledger::{Content, Tile};

    use super::*;

    #[test]
    fn numbers_ascend_and_are_as_many_as_the_bundle_has_entries() {
        let bytes: Vec<u8> = [3_u64, 4, 9]
            .iter()
            .flat_map(|it| it.to_be_bytes())
            .collect();
        assert_eq!(numbers_in(&bytes, 3), Some(vec![3, 4, 9]));
        assert_eq!(numbers_in(&bytes, 2), None);
        assert_eq!(numbers_in(&bytes[..23], 3), None);
        let again = [bytes.clone(), 9_u64.to_be_bytes().to_vec()].concat();
        assert_eq!(numbers_in(&again, 4), None, "twice");
        assert_eq!(numbers_in(&[], 0), Some(vec![]));
    }

    #[test]
    fn they_lie_beside_the_trees_and_not_in_them() {
        let path = |index, width| {
            let tile = Tile::new(Content::Entries, index, width);
            tile.map(|tile| numbers_path(Tree::System, tile))
        };
        assert_eq!(path(1, 256).as_deref(), Some("numbers/system/001"));
        assert_eq!(
            path(1234, 7).as_deref(),
            Some("numbers/system/x001/234.p/7")
        );
    }
}
