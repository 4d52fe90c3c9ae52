//! Where the entries of a full tile lie in the journal, and the root over them: by this a tile of leaves
//! and its entries are made again once the journal's segments that hold them are sealed, and need not be
//! kept. A file of at most 3.7 KB, one page of the disk.

use keyward_ledger::{Hash, TILE_WIDTH, Tile};

use crate::reader::Place;
use crate::trees::state::{Bytes, Out};

/// The path of the file of a tile of entries, within its tree.
pub(super) fn path(entries: Tile) -> String {
    let tile = entries.to_string();
    let index = tile.strip_prefix("tile/entries/").unwrap_or(&tile);
    format!("places/{index}")
}

/// The file's bytes.
pub(super) fn encode(places: &[Place], root: &Hash) -> Vec<u8> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for place in places {
        match runs.last_mut() {
            Some((segment, count)) if *segment == place.segment => *count += 1,
            _ => runs.push((place.segment, 1)),
        }
    }
    let mut out = Out::new();
    out.hash(root);
    out.bytes(&(runs.len() as u16).to_be_bytes());
    for (segment, count) in runs {
        out.number(segment);
        out.bytes(&(count as u16).to_be_bytes());
    }
    for place in places {
        // No segment reaches further: the end of a tree has refused it.
        out.bytes(&(place.offset as u32).to_be_bytes());
    }
    out.close()
}

/// What such a file says; none if it is none.
pub(super) fn decode(bytes: &[u8]) -> Option<(Vec<Place>, Hash)> {
    let mut bytes = Bytes::open(bytes)?;
    let root = bytes.hash()?;
    let width = usize::from(TILE_WIDTH);
    let mut segments = Vec::with_capacity(width);
    for _ in 0..u16::from_be_bytes(bytes.array()?) {
        let segment = bytes.number()?;
        let count = usize::from(u16::from_be_bytes(bytes.array()?));
        if segments.len() + count > width {
            return None;
        }
        segments.extend(std::iter::repeat_n(segment, count));
    }
    let mut places = Vec::with_capacity(width);
    for segment in segments {
        let offset = u64::from(u32::from_be_bytes(bytes.array()?));
        places.push(Place { segment, offset });
    }
    (places.len() == width && bytes.is_empty()).then_some((places, root))
}
