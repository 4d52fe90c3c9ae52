//! Which tiles a tree has that a smaller one had not.

use keyward_ledger::{Content, TILE_WIDTH, Tile};

const WIDTH: u64 = TILE_WIDTH as u64;
/// So many bundles are brought over between two looks at how far it is.
const STEP: u64 = 64;

/// The next size on the way from one to another, a step at most: a whole number of bundles, or the end.
pub(super) fn next(from: u64, to: u64) -> u64 {
    ((from / WIDTH + STEP) * WIDTH).min(to)
}

/// The tiles of a tree of `to` entries that one of `from` has not; of those at its end that are not full
/// only where `to` is `end`.
pub(super) fn tiles(from: u64, to: u64, end: u64) -> Vec<Tile> {
    let levels = (0..=7).map(|level| (Content::Hashes { level }, u32::from(level) * 8));
    let contents = std::iter::once((Content::Entries, 0)).chain(levels);
    let of_level = |(content, shift): (Content, u32)| {
        let first = (from >> shift) / WIDTH;
        let tiles = (first..).map_while(move |index| Tile::in_tree(content, index, to));
        tiles.filter(move |tile| tile.is_full() || to == end)
    };
    contents.flat_map(of_level).collect()
}

/// The tiles at the end of a tree that are not full.
pub(super) fn partial(size: u64) -> Vec<Tile> {
    let all = tiles(size, size, size);
    all.into_iter().filter(|tile| !tile.is_full()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use keyward_ledger::{bundles, hash_tiles};

    use super::*;

    fn all(size: u64) -> BTreeSet<String> {
        let all = bundles(size).chain(hash_tiles(size));
        all.map(|tile| tile.to_string()).collect()
    }

    #[test]
    fn steps_bring_every_tile_that_a_verifier_reads_and_nothing_else() {
        for (from, to) in [
            (0, 1),
            (0, 255),
            (0, 256),
            (1, 257),
            (255, 700),
            (256, 65_536),
            (40_000, 70_000),
            (65_535, 65_537),
            (0, 200_001),
        ] {
            let mut there = all(from);
            let mut reached = from;
            while reached < to {
                let step = next(reached, to);
                let brought = tiles(reached, step, to);
                there.extend(brought.iter().map(ToString::to_string));
                assert!(
                    step > reached && brought.len() <= 3 * 64 + 16,
                    "{from} {to}"
                );
                reached = step;
            }
            let expected: BTreeSet<String> = all(from).union(&all(to)).cloned().collect();
            assert_eq!(there, expected, "{from} {to}");
        }
    }

    #[test]
    fn what_is_not_full_is_named() {
        let named =
            |size| -> Vec<String> { partial(size).iter().map(ToString::to_string).collect() };
        assert!(named(0).is_empty());
        assert_eq!(named(256), ["tile/1/000.p/1"]);
        assert_eq!(
            named(257),
            ["tile/entries/001.p/1", "tile/0/001.p/1", "tile/1/000.p/1"]
        );
    }
}
