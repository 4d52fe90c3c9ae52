//! Reading all of a log once, from the entries up. What agrees is kept as one hash for each bundle;
//! what does not is kept with both sides, to be judged when the root is known.

use crate::check::source::{self, Files};
use crate::check::{CHECKPOINT_PATH, Fault, Faults};
use crate::handover::HANDOVERS_PATH;
use crate::hash::Hash;
use crate::tile::{Content, TILE_WIDTH, Tile, bundles};
use crate::tiles::over;

/// What is named when the files cannot be listed.
const ALL: &str = "tile";

/// A bundle and the tile of its hashes, as they were found.
pub(super) struct Bundle {
    pub(super) entries: Tile,
    /// Whether the entries could be read.
    pub(super) entries_read: bool,
    /// Whether the stored hashes could be.
    pub(super) hashes_read: bool,
    /// The hash over what its entries hash to.
    pub(super) computed: Option<Hash>,
    /// The hash over the stored hashes.
    pub(super) stored: Option<Hash>,
    /// Where the two begin to differ, and how many do.
    pub(super) differs: Option<(u64, u64)>,
}

/// All that was found of a log.
pub(super) struct Survey {
    /// The full bundles, in order.
    pub(super) full: Vec<Bundle>,
    /// The last, partial one, if there is one; with the hashes of both sides.
    pub(super) last: Option<Last>,
    /// The stored tiles above: by level from 1 on, each hash that could be read.
    pub(super) above: Vec<Vec<Option<Hash>>>,
}

/// The partial bundle at the end.
pub(super) struct Last {
    pub(super) bundle: Bundle,
    pub(super) computed: Option<Vec<Hash>>,
    pub(super) stored: Option<Vec<Hash>>,
}

/// Reads everything that a tree of this size has.
pub(super) fn take(
    files: &mut impl Files,
    size: u64,
    faults: &mut Faults,
    each: &mut dyn FnMut(u64, &[u8]),
) -> Survey {
    let mut survey = Survey {
        full: Vec::new(),
        last: None,
        above: Vec::new(),
    };
    for entries in bundles(size) {
        if faults.stop() {
            return survey;
        }
        let level = Content::Hashes { level: 0 };
        let computed = source::leaves(files, entries, faults, each);
        let stored = Tile::new(level, entries.index(), entries.width())
            .and_then(|tile| source::hashes(files, tile, faults));
        let bundle = Bundle {
            entries,
            entries_read: computed.is_some(),
            hashes_read: stored.is_some(),
            computed: computed.as_deref().and_then(root_of),
            stored: stored.as_deref().and_then(root_of),
            differs: differing(computed.as_deref(), stored.as_deref()),
        };
        if entries.is_full() {
            survey.full.push(bundle);
        } else {
            survey.last = Some(Last {
                bundle,
                computed,
                stored,
            });
        }
    }
    for level in 1..=7 {
        let row = row(files, level, size, faults);
        if row.is_empty() {
            break;
        }
        survey.above.push(row);
    }
    survey
}

/// The stored hashes of a level above the leaves.
fn row(files: &mut impl Files, level: u8, size: u64, faults: &mut Faults) -> Vec<Option<Hash>> {
    let mut row = Vec::new();
    for index in 0.. {
        let Some(tile) = Tile::in_tree(Content::Hashes { level }, index, size) else {
            break;
        };
        if faults.stop() {
            break;
        }
        match source::hashes(files, tile, faults) {
            Some(hashes) => row.extend(hashes.into_iter().map(Some)),
            None => row.extend(std::iter::repeat_n(None, usize::from(tile.width()))),
        }
    }
    row
}

/// The hash over a full tile; over a partial one there is none.
pub(super) fn root_of(hashes: &[Hash]) -> Option<Hash> {
    if hashes.len() != usize::from(TILE_WIDTH) {
        return None;
    }
    let mut hashes = over(hashes);
    while hashes.len() > 1 {
        hashes = over(&hashes);
    }
    hashes.first().copied()
}

/// The first position at which two rows differ, and at how many they do.
pub(super) fn differing(one: Option<&[Hash]>, other: Option<&[Hash]>) -> Option<(u64, u64)> {
    let differ = one?.iter().zip(other?).map(|(one, other)| one != other);
    let mut places = (0..)
        .zip(differ)
        .filter_map(|(at, differs)| differs.then_some(at));
    let first = places.next()?;
    Some((first, 1 + places.count() as u64))
}

/// Checks the partial tiles of earlier, smaller trees that are still there: each must be the
/// beginning of what followed. Answers the files of which the checkpoint says nothing.
pub(super) fn older_parts(files: &mut impl Files, size: u64, faults: &mut Faults) -> Vec<String> {
    let mut unchecked = Vec::new();
    let paths = files.list().unwrap_or_else(|error| {
        faults.add(ALL, Fault::Unreadable(error.kind()));
        Vec::new()
    });
    for path in paths {
        let Ok(tile) = path.parse::<Tile>() else {
            if path != CHECKPOINT_PATH && path != HANDOVERS_PATH {
                unchecked.push(path);
            }
            continue;
        };
        let Some(now) = Tile::in_tree(tile.content(), tile.index(), size) else {
            unchecked.push(path);
            continue;
        };
        if now.width() < tile.width() {
            // Of a file that goes on behind the checkpoint only the beginning is signed.
            unchecked.push(path);
            continue;
        }
        if now.width() == tile.width() {
            continue;
        }
        if !begins(files, tile, now) {
            faults.add(path, Fault::OtherBeginning);
        }
    }
    unchecked
}

/// Whether a partial tile's file is how the later one begins, entry by entry or hash by hash.
fn begins(files: &mut impl Files, part: Tile, now: Tile) -> bool {
    let mut ignored = Faults::default();
    let mut hashes = |tile: Tile| match tile.content() {
        Content::Entries => source::leaves(files, tile, &mut ignored, &mut |_, _| {}),
        Content::Hashes { .. } => source::hashes(files, tile, &mut ignored),
    };
    let (part, now) = (hashes(part), hashes(now));
    match (part, now) {
        (Some(part), Some(now)) => now.starts_with(&part),
        _ => false,
    }
}
