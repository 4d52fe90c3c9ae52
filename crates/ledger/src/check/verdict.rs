//! Which side is right. The files are put together in several ways — as the entries say, as the
//! stored hashes say, as the tiles above say — until one of them leads to the signed root. That one
//! is the log; what differs from it is wrong, and named.

use std::convert::Infallible;

use crate::check::source::{Files, leaves};
use crate::check::survey::{Bundle, Last, Survey, differing, root_of};
use crate::check::{CHECKPOINT_PATH, Fault, Faults};
use crate::growing::GrowingTree;
use crate::hash::Hash;
use crate::proof::Head;
use crate::tile::{Content, TILE_WIDTH, Tile, bundles};

/// A full tile's or a bundle's width.
const WIDTH: u64 = TILE_WIDTH as u64;

/// Whom to believe where entries and hashes contradict each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The entries.
    Entries,
    /// The tiles of their hashes.
    Hashes,
}

/// The log that leads to the signed root: the hashes of each level above the leaves, and the leaf
/// hashes behind the last full bundle.
struct Log {
    rows: Vec<Vec<Hash>>,
    last: Vec<Hash>,
}

/// Judges what was found.
pub(super) fn give(survey: &Survey, head: Head, faults: &mut Faults) {
    let sides = [Side::Entries, Side::Hashes];
    let ways = [None, Some(Side::Entries), Some(Side::Hashes)];
    let tried = ways.iter().flat_map(|way| sides.map(|last| (*way, last)));
    let log = tried
        .filter_map(|(way, last)| put_together(survey, way, last))
        .find(|log| log.root(head.size) == head.root);
    match log {
        Some(log) => against(survey, &log, faults),
        None => undecided(survey, faults),
    }
}

/// The log as one way of reading the files has it. `way` says whom to believe of full bundles:
/// nobody but the tiles above, or one side where the tiles above take none.
fn put_together(survey: &Survey, way: Option<Side>, last: Side) -> Option<Log> {
    let above = survey.above.first();
    let bundles = (0..).zip(&survey.full);
    let first_row = bundles.map(|(at, bundle): (usize, &Bundle)| {
        let above = above.and_then(|row| *row.get(at)?);
        match way {
            None => above,
            Some(side) => believed(bundle, above, side),
        }
    });
    let mut rows = vec![first_row.collect::<Option<Vec<Hash>>>()?];
    while let Some(row) = rows.last()
        && row.len() >= usize::from(TILE_WIDTH)
    {
        let next = row.chunks_exact(usize::from(TILE_WIDTH)).map(root_of);
        let next = next.collect::<Option<Vec<Hash>>>()?;
        rows.push(next);
    }
    let last = match &survey.last {
        Some(end) => leaves_of(end, last)?.clone(),
        None => Vec::new(),
    };
    Some(Log { rows, last })
}

/// The hash of a full bundle: what both sides say, or the one that the tile above has, or the one
/// to be believed.
fn believed(bundle: &Bundle, above: Option<Hash>, side: Side) -> Option<Hash> {
    let (computed, stored) = (bundle.computed, bundle.stored);
    if computed == stored && computed.is_some() {
        return computed;
    }
    if above.is_some() && (above == computed || above == stored) {
        return above;
    }
    match side {
        Side::Entries => computed.or(stored).or(above),
        Side::Hashes => stored.or(computed).or(above),
    }
}

fn leaves_of(end: &Last, side: Side) -> Option<&Vec<Hash>> {
    match side {
        Side::Entries => end.computed.as_ref().or(end.stored.as_ref()),
        Side::Hashes => end.stored.as_ref().or(end.computed.as_ref()),
    }
}

impl Log {
    fn root(&self, size: u64) -> Hash {
        let grown = GrowingTree::resume(size, |tile| Ok::<_, Infallible>(self.partial(tile)));
        let Ok(tree) = grown;
        tree.root()
    }

    /// The hashes of a partial tile.
    fn partial(&self, tile: Tile) -> Vec<Hash> {
        match tile.content() {
            Content::Hashes { level: 1.. } => self.of_tile(tile).to_vec(),
            _ => self.last.clone(),
        }
    }

    /// The hashes of a tile above the leaves.
    fn of_tile(&self, tile: Tile) -> &[Hash] {
        let Content::Hashes { level } = tile.content() else {
            return &[];
        };
        let row = usize::from(level)
            .checked_sub(1)
            .and_then(|above| self.rows.get(above));
        let start = usize::try_from(tile.index() * WIDTH).unwrap_or(usize::MAX);
        let from = row.and_then(|row| row.get(start..)).unwrap_or_default();
        &from[..from.len().min(usize::from(tile.width()))]
    }
}

/// Names what differs from the log.
fn against(survey: &Survey, log: &Log, faults: &mut Faults) {
    let full = survey
        .full
        .iter()
        .zip(log.rows.first().into_iter().flatten());
    for (bundle, right) in full {
        name(bundle, Some(*right), faults);
    }
    if let Some(end) = &survey.last {
        // What is missing or broken was named when it was read.
        let first = end.bundle.entries.index() * WIDTH;
        if let Some((at, count)) = differing(end.computed.as_deref(), Some(&log.last)) {
            let (index, others) = (first + at, count - 1);
            faults.add(end.bundle.entries, Fault::Entry { index, others });
        }
        if let Some((at, count)) = differing(end.stored.as_deref(), Some(&log.last)) {
            let others = count - 1;
            faults.add(hashes_of(end.bundle.entries), Fault::Hash { at, others });
        }
    }
    for (level, row) in (1u8..).zip(&survey.above) {
        for (index, stored) in (0..).zip(row.chunks(usize::from(TILE_WIDTH))) {
            let tile = Tile::new(Content::Hashes { level }, index, stored.len() as u16);
            let Some(tile) = tile else { continue };
            let wrong =
                |(found, right): (&Option<Hash>, &Hash)| found.is_some_and(|found| found != *right);
            let differ = stored.iter().zip(log.of_tile(tile)).map(wrong);
            let mut places = (0..)
                .zip(differ)
                .filter_map(|(at, wrong)| wrong.then_some(at));
            if let Some(at) = places.next() {
                let others = places.count() as u64;
                faults.add(tile, Fault::Hash { at, others });
            }
        }
    }
}

/// Names the wrong side of a full bundle, when it is known what it should hash to.
fn name(bundle: &Bundle, right: Option<Hash>, faults: &mut Faults) {
    let entries = bundle.entries;
    let first = entries.index() * WIDTH;
    let wrong = |side: Option<Hash>| side.is_some() && side != right;
    match (wrong(bundle.computed), wrong(bundle.stored), bundle.differs) {
        (false, false, _) => {}
        (true, false, Some((at, count))) => {
            let (index, others) = (first + at, count - 1);
            faults.add(entries, Fault::Entry { index, others });
        }
        (false, true, Some((at, count))) => {
            let others = count - 1;
            faults.add(hashes_of(entries), Fault::Hash { at, others });
        }
        // The other side is gone or wrong as well.
        (_, _, Some((at, _))) => faults.add(entries, Fault::Contradiction { index: first + at }),
        (true, _, None) => faults.add(entries, Fault::Whole { first }),
        (false, true, None) => faults.add(hashes_of(entries), Fault::Whole { first }),
    }
}

/// No way of reading the files leads to the signed root.
fn undecided(survey: &Survey, faults: &mut Faults) {
    let above = survey.above.first();
    let last = survey.last.iter().map(|end| &end.bundle);
    let mut explained = false;
    for (at, bundle) in survey.full.iter().chain(last).enumerate() {
        let first = bundle.entries.index() * WIDTH;
        let above = above.and_then(|row| *row.get(at)?);
        match (bundle.entries_read, bundle.hashes_read, bundle.differs) {
            (_, _, Some((place, _))) => {
                let index = first + place;
                faults.add(bundle.entries, Fault::Contradiction { index });
            }
            // Both were named when they were read.
            (false, false, None) => {}
            (true, false, None) if above.is_none() || bundle.computed != above => {
                faults.add(bundle.entries, Fault::Unproven { first });
            }
            (false, true, None) if above.is_none() || bundle.stored != above => {
                faults.add(hashes_of(bundle.entries), Fault::Unproven { first });
            }
            // They agree.
            _ => continue,
        }
        explained = true;
    }
    if !explained {
        faults.add(CHECKPOINT_PATH, Fault::OtherTree);
    }
}

/// The tile with the hashes of a bundle.
fn hashes_of(entries: Tile) -> String {
    let content = Content::Hashes { level: 0 };
    Tile::new(content, entries.index(), entries.width())
        .map(|tile| tile.to_string())
        .unwrap_or_default()
}

/// Whether a log that was found sound continues an older tree of it: whether its first entries are
/// those of the older one.
pub(super) fn continues(files: &mut impl Files, older: Head, head: Head) -> bool {
    if older.size > head.size {
        return false;
    }
    let mut ignored = Faults::default();
    let mut tree = GrowingTree::default();
    for bundle in bundles(older.size) {
        // Its file may have grown since.
        let now = Tile::in_tree(Content::Entries, bundle.index(), head.size);
        let found = now.and_then(|now| leaves(files, now, &mut ignored, &mut |_, _| {}));
        let found = found.unwrap_or_default();
        for leaf in found.into_iter().take(usize::from(bundle.width())) {
            tree.append(leaf);
        }
    }
    tree.size() == older.size && tree.root() == older.root
}
