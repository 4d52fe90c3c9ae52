//! Three ways to keep a tree, which must agree: all hashes in memory, tiles, and the growing end.

use std::convert::Infallible;

use keyward_ledger::{
    Content, GrowingTree, Hash, MemoryTree, Subtrees, Tile, TileError, Tiles, hash_tiles,
    hashes_of, prove_consistency, prove_inclusion, root,
};
use proptest::prelude::*;

use crate::stage::{Log, entry};

/// A reader of a log's tiles in memory.
fn tiles(log: &Log) -> Tiles<impl Fn(Tile) -> Result<Vec<u8>, String>> {
    let files = log.files.clone();
    Tiles::new(log.tree.size(), move |tile: Tile| {
        let path = tile.to_string();
        files.get(&path).cloned().ok_or(path)
    })
}

#[test]
fn tiles_give_the_roots_and_proofs_of_the_tree() {
    for size in [
        1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 70_000,
    ] {
        let log = Log::of(size);
        let tiles = tiles(&log);
        for part in [1, size / 3 + 1, size / 2 + 1, size] {
            assert_eq!(
                root(&tiles, part).ok(),
                root(&log.tree, part).ok(),
                "{part} of {size}"
            );
        }
        for index in [0, size / 2, size - 1] {
            let expected = prove_inclusion(&log.tree, index, size).unwrap();
            assert_eq!(prove_inclusion(&tiles, index, size).unwrap(), expected);
        }
        for old in [1, size / 2, size - 1] {
            let expected = prove_consistency(&log.tree, old, size).unwrap();
            assert_eq!(prove_consistency(&tiles, old, size).unwrap(), expected);
        }
    }
}

#[test]
fn every_tile_is_the_one_that_the_specification_describes() {
    let log = Log::of(70_000);
    let expected: Vec<String> = hash_tiles(70_000).map(|tile| tile.to_string()).collect();
    for path in &expected {
        let tile: Tile = path.parse().unwrap();
        let Content::Hashes { level } = tile.content() else {
            panic!()
        };
        let found = hashes_of::<Infallible>(tile, &log.files[path]).unwrap();
        for (at, hash) in (0..).zip(found) {
            let height = 8 * u32::from(level);
            let right = log.tree.subtree(height, tile.index() * 256 + at).unwrap();
            assert_eq!(hash, right, "{path}, hash {at}");
        }
    }
    let entries = log
        .files
        .keys()
        .filter(|path| path.starts_with("tile/entries/"));
    assert_eq!(entries.count(), 274);
    assert_eq!(log.files.len(), 274 + expected.len() + 1);
}

#[test]
fn what_a_tree_does_not_have_is_refused() {
    let log = Log::of(300);
    let tiles = tiles(&log);
    for (level, index) in [
        (0, 300),
        (8, 1),
        (9, 0),
        (1, u64::MAX),
        (63, 1),
        (64, 0),
        (4000, 0),
    ] {
        let refused = tiles.subtree(level, index);
        assert_eq!(refused, Err(TileError::NotThere { level, index }));
        assert!(log.tree.subtree(level, index).is_err());
    }
    let cut = Tiles::new(300, |_| Ok::<_, Infallible>(vec![0; 31]));
    assert!(matches!(
        cut.subtree(0, 0),
        Err(TileError::Length { found: 31, .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_tree_that_is_taken_up_anywhere_ends_the_same(size in 0u64..1500, more in 0u64..600) {
        let leaf = |index| Hash::of_leaf(&entry(index));
        let mut tree = GrowingTree::default();
        for index in 0..size {
            tree.append(leaf(index));
        }
        prop_assert_eq!(tree.root(), MemoryTree::new((0..size).map(leaf)).root());
        let parts: Vec<(Tile, Vec<Hash>)> = tree
            .partial()
            .map(|(tile, hashes)| (tile, hashes.to_vec()))
            .collect();
        let part = |tile: Tile| {
            let found = parts.iter().find(|(other, _)| *other == tile);
            found.map(|(_, hashes)| hashes.clone()).ok_or(tile)
        };
        let mut again = GrowingTree::resume(size, part).unwrap();
        prop_assert_eq!(&again, &tree);
        for index in size..size + more {
            prop_assert_eq!(again.append(leaf(index)), tree.append(leaf(index)));
        }
        prop_assert_eq!(again.root(), MemoryTree::new((0..size + more).map(leaf)).root());
    }
}

#[test]
fn a_leaf_put_in_the_place_of_another_makes_the_tree_that_always_had_it() {
    let leaf = |number: u64| Hash::of_leaf(&number.to_be_bytes());
    for size in 0..70 {
        for index in 0..=size {
            let mut tree = MemoryTree::new((0..size).map(leaf));
            assert_eq!(tree.replace(index, leaf(1000)), index < size);
            let other = (0..size).map(|at| leaf(if at == index { 1000 } else { at }));
            assert_eq!(
                tree.root(),
                MemoryTree::new(other).root(),
                "{index} of {size}"
            );
        }
    }
}
