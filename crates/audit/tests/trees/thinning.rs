//! Tiles of leaves whose entries are sealed are let go of: what is given out stays the same, byte for
//! byte, and what they are made again from is checked as they were.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use keyward_audit::Journal;
use keyward_audit::trees::{Forest, Thinning, Tree, TreesError};
use keyward_core::port::audit_log::AuditLog;
use keyward_ledger::{Content, TILE_WIDTH, Tile, entries_of};

use crate::stage::{Disk, Handle, Stored, event, grown, journal, log, tenant};
use crate::whole::check;

type Given = BTreeMap<String, Option<Vec<u8>>>;

pub fn seal(journal: &Journal) {
    let mut sealer = journal.sealer();
    while let Some(mut sealing) = sealer.begin(journal.last()).unwrap() {
        while sealer.step(&mut sealing).unwrap() {}
    }
}

pub fn thin(forest: &Forest<Handle>) -> Result<(), TreesError> {
    let mut thinning = Thinning::default();
    while forest.thin(&mut thinning)? {}
    Ok(())
}

/// Every tile that there is, and some narrower ones.
fn given(forest: &Forest<Handle>) -> Given {
    let trees = [
        Tree::System,
        Tree::Operations(tenant(1)),
        Tree::Changes(tenant(1)),
    ];
    let mut found = Given::new();
    for tree in trees {
        let size = forest.head(tree).size;
        for content in [
            Content::Entries,
            Content::Hashes { level: 0 },
            Content::Hashes { level: 1 },
        ] {
            for index in 0..=size / u64::from(TILE_WIDTH) {
                for width in [1, 7, 100, TILE_WIDTH] {
                    let tile = Tile::new(content, index, width).unwrap();
                    let bytes = forest.tile(tree, tile).unwrap();
                    found.insert(format!("{tree}/{tile}"), bytes);
                }
            }
        }
    }
    found
}

fn of_leaves(stored: &Stored) -> usize {
    let leaves = |path: &&String| path.contains("/tile/0/") || path.contains("/tile/entries/");
    stored.keys().filter(leaves).count()
}

async fn thousands(disk: &Arc<Disk>, journal: &Arc<Journal>) -> Forest<Handle> {
    for from in (0..5_000).step_by(100) {
        log(journal, from..from + 100).await;
    }
    let mut forest = grown(disk, journal).unwrap();
    forest.keep().unwrap();
    forest
}

#[tokio::test]
async fn what_is_given_out_is_the_same_after_tiles_were_let_go_of() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    let disk = Disk::with(Stored::new());
    let mut forest = thousands(&disk, &journal).await;
    let (before, files) = (given(&forest), disk.stored());
    // Nothing is sealed: nothing goes.
    thin(&forest).unwrap();
    assert_eq!(disk.stored(), files);
    seal(&journal);
    thin(&forest).unwrap();
    // But for those that reach into the segment that is still written to.
    let left = of_leaves(&disk.stored());
    assert!(
        left < of_leaves(&files) * 2 / 3,
        "{left} of {}",
        of_leaves(&files)
    );
    assert_eq!(given(&forest), before);
    check(&forest).unwrap();
    // The log goes on, also by another life.
    drop(forest);
    forest = grown(&disk, &journal).unwrap();
    assert_eq!(given(&forest), before);
    log(&journal, 5_000..9_000).await;
    while forest.grow().unwrap() {}
    seal(&journal);
    thin(&forest).unwrap();
    check(&forest).unwrap();
    let after = given(&forest);
    // One that never let go of anything gives out the same.
    let whole = Disk::with(Stored::new());
    assert_eq!(given(&grown(&whole, &journal).unwrap()), after);
    // And so does one whose state was lost: what it makes anew it lets go of again.
    disk.files.lock().unwrap().remove("state");
    let forest = grown(&disk, &journal).unwrap();
    assert_eq!(given(&forest), after);
    thin(&forest).unwrap();
    check(&forest).unwrap();
    assert_eq!(given(&forest), after);
    journal.close().await;
}

#[tokio::test]
async fn i13_what_tiles_are_made_again_from_is_checked() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    let disk = Disk::with(Stored::new());
    let forest = thousands(&disk, &journal).await;
    seal(&journal);
    thin(&forest).unwrap();
    let stored = disk.stored();
    let of_places: Vec<&String> = stored
        .keys()
        .filter(|path| path.contains("/places/"))
        .collect();
    assert!(of_places.len() > 3);
    // Another tile's places are right in themselves.
    let other = stored[of_places[1]].clone();
    for path in [of_places[0], of_places[of_places.len() - 1]] {
        let mut flipped = stored[path].clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        for change in [Some(flipped), Some(other.clone()), None] {
            match change {
                Some(bytes) => disk.files.lock().unwrap().insert(path.clone(), bytes),
                None => disk.files.lock().unwrap().remove(path),
            };
            let told = check(&forest).unwrap_err();
            assert!(told.contains(path.as_str()), "{path}: {told}");
            *disk.files.lock().unwrap() = stored.clone();
        }
    }
    check(&forest).unwrap();
    journal.close().await;
}

#[tokio::test]
async fn a_crash_while_tiles_are_let_go_of_costs_nothing() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    let disk = Disk::with(Stored::new());
    let forest = thousands(&disk, &journal).await;
    seal(&journal);
    let before = given(&forest);
    let stored = disk.stored();
    drop(forest);
    for at in 1..=12 {
        for done in [false, true] {
            let failing = Disk::failing(at, done);
            *failing.files.lock().unwrap() = stored.clone();
            let forest = Forest::open(Handle(failing.clone()), journal.clone()).unwrap();
            assert!(thin(&forest).is_err(), "{at} {done}");
            drop(forest);
            // A power cut may bring back what was removed; that harms as little.
            let after = Disk::with(failing.stored());
            let forest = grown(&after, &journal).unwrap();
            assert_eq!(given(&forest), before, "{at} {done}");
            check(&forest).unwrap();
            thin(&forest).unwrap();
            assert_eq!(given(&forest), before, "{at} {done}");
        }
    }
    journal.close().await;
}

/// Made again it would take a block of a sealed segment for each few of its entries, and a receipt would
/// have to wait for all of them.
#[tokio::test]
async fn the_hashes_of_a_tree_so_quiet_that_its_entries_lie_far_apart_stay() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    // No segment is larger than a batch makes it.
    for from in (0..11_000).step_by(100) {
        let appends = (from..from + 100).map(|number: u64| {
            let of = if number.is_multiple_of(32) { 5 } else { 1 };
            journal.append(event(&format!("entry-{number}"), Some(tenant(of)), None))
        });
        for appended in join_all(appends).await {
            appended.unwrap();
        }
    }
    let disk = Disk::with(Stored::new());
    let forest = grown(&disk, &journal).unwrap();
    let (quiet, busy) = (Tree::Operations(tenant(5)), Tree::Operations(tenant(1)));
    let entries = Tile::new(Content::Entries, 0, TILE_WIDTH).unwrap();
    let hashes = Tile::new(Content::Hashes { level: 0 }, 0, TILE_WIDTH).unwrap();
    let tiles = || [entries, hashes].map(|tile| forest.tile(quiet, tile).unwrap().unwrap());
    let before = tiles();
    seal(&journal);
    thin(&forest).unwrap();
    let is_there = |tree: Tree, tile| disk.stored().contains_key(&format!("{tree}/{tile}"));
    assert!(is_there(quiet, hashes));
    assert!(!is_there(busy, hashes), "few blocks have all of these");
    assert!(!is_there(quiet, entries) && !is_there(busy, entries));
    assert_eq!(tiles(), before);
    check(&forest).unwrap();
    // One entry needs no other; and it is the one that the tree has.
    for (index, entry) in entries_of(entries, &before[0]).unwrap().iter().enumerate() {
        let found = forest.at(quiet, index as u64).unwrap().unwrap();
        assert_eq!(found, *entry);
    }
    let path = format!("{quiet}/{hashes}");
    disk.files.lock().unwrap().get_mut(&path).unwrap()[0] ^= 1;
    assert!(forest.at(quiet, 0).is_err());
    assert!(forest.at(quiet, 1).is_ok());
    journal.close().await;
}

#[tokio::test]
async fn a_damaged_tree_is_told_once_and_no_other_waits_for_it() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    for from in (0..5_000).step_by(100) {
        log(&journal, from..from + 100).await;
    }
    let disk = Disk::with(Stored::new());
    let forest = grown(&disk, &journal).unwrap();
    seal(&journal);
    let damaged = format!("{}/places/000", Tree::System);
    disk.files.lock().unwrap().get_mut(&damaged).unwrap()[5] ^= 1;
    let (mut thinning, mut told) = (Thinning::default(), Vec::new());
    for _ in 0..3 {
        loop {
            match forest.thin(&mut thinning) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => told.push(error.to_string()),
            }
        }
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(&damaged), "{told:?}");
    let stored = disk.stored();
    let has_first = |tree: Tree| stored.contains_key(&format!("{tree}/tile/entries/000"));
    assert!(has_first(Tree::System));
    assert!(!has_first(Tree::Operations(tenant(1))));
    assert!(!has_first(Tree::Changes(tenant(1))));
    // What lies elsewhere in that tree is found all the same.
    let mut next = 0;
    for sequence in 1..=forest.sequence() {
        let found = forest.find(sequence).unwrap().unwrap();
        if found.tree != Tree::System {
            continue;
        }
        let index = forest.index_of(&found);
        if next < u64::from(TILE_WIDTH) {
            assert!(index.is_err(), "{index:?}");
        } else {
            assert_eq!(index.unwrap(), Some(next));
        }
        next += 1;
    }
    assert!(next > 1_000);
    journal.close().await;
}
