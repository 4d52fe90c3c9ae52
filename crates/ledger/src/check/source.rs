//! Where a log's files come from, and how a tile is found among them.

use std::io;

use crate::bundle::{ENTRY_MAX, entries_of};
use crate::check::{Fault, Faults};
use crate::hash::Hash;
use crate::tile::{Content, TILE_WIDTH, Tile};
use crate::tiles::hashes_of;

/// The largest bundle.
const BUNDLE_MAX: usize = TILE_WIDTH as usize * (2 + ENTRY_MAX);

/// The files of a log, wherever they are.
pub trait Files {
    /// A file below the log's prefix; none if it is not there. Of one that is longer than `most`
    /// bytes, `most` + 1 are enough.
    fn read(&mut self, path: &str, most: usize) -> io::Result<Option<Vec<u8>>>;

    /// The paths of all files, if they can be listed.
    fn list(&mut self) -> io::Result<Vec<String>>;
}

/// The most bytes that a tile's file can have.
fn most(tile: Tile) -> usize {
    match tile.content() {
        Content::Hashes { .. } => usize::from(tile.width()) * Hash::SIZE,
        Content::Entries => BUNDLE_MAX,
    }
}

/// A tile's file: itself, or the full one instead of a partial one.
fn find(files: &mut impl Files, tile: Tile) -> io::Result<Option<(Tile, Vec<u8>)>> {
    if let Some(bytes) = files.read(&tile.to_string(), most(tile))? {
        return Ok(Some((tile, bytes)));
    }
    let full = tile.full();
    if tile.is_full() {
        return Ok(None);
    }
    let bytes = files.read(&full.to_string(), most(full))?;
    Ok(bytes.map(|bytes| (full, bytes)))
}

fn found(files: &mut impl Files, tile: Tile, faults: &mut Faults) -> Option<(Tile, Vec<u8>)> {
    match find(files, tile) {
        Ok(Some(found)) => Some(found),
        Ok(None) => {
            faults.add(tile, Fault::Missing);
            None
        }
        Err(error) => {
            faults.add(tile, Fault::Unreadable(error.kind()));
            None
        }
    }
}

/// The hashes of a tile, if its file has as many as it should. What is wrong is noted.
pub(super) fn hashes(files: &mut impl Files, tile: Tile, faults: &mut Faults) -> Option<Vec<Hash>> {
    let (file, bytes) = found(files, tile, faults)?;
    let Ok(mut hashes) = hashes_of::<io::Error>(file, &bytes) else {
        let expected = usize::from(file.width()) * Hash::SIZE;
        let found = bytes.len();
        faults.add(file, Fault::Length { found, expected });
        return None;
    };
    hashes.truncate(usize::from(tile.width()));
    Some(hashes)
}

/// The leaf hashes of a bundle's entries, if its file holds as many as it should. What is wrong is
/// noted; `each` is shown the entries with their indexes.
pub(super) fn leaves(
    files: &mut impl Files,
    tile: Tile,
    faults: &mut Faults,
    each: &mut dyn FnMut(u64, &[u8]),
) -> Option<Vec<Hash>> {
    let first = tile.index() * u64::from(TILE_WIDTH);
    let (file, bytes) = found(files, tile, faults)?;
    match entries_of(file, &bytes) {
        Ok(entries) => {
            let entries = (first..).zip(entries).take(usize::from(tile.width()));
            let leaves = entries.map(|(index, entry)| {
                each(index, entry);
                Hash::of_leaf(entry)
            });
            Some(leaves.collect())
        }
        Err(error) => {
            faults.add(file, Fault::Bundle { first, error });
            None
        }
    }
}
