//! Tiles of leaves whose entries are sealed are let go of: what is given out stays the same, byte for
//! byte, and what they are made again from is checked as they were.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyward_audit::Journal;
use keyward_audit::trees::{Forest, Thinning, Tree, TreesError};
use keyward_ledger::{Content, TILE_WIDTH, Tile};

use crate::stage::{Disk, Handle, Stored, grown, journal, log, tenant};
use crate::whole::check;

type Given = BTreeMap<String, Option<Vec<u8>>>;

fn seal(journal: &Journal) {
    let mut sealer = journal.sealer();
    while let Some(mut sealing) = sealer.begin(journal.last()).unwrap() {
        while sealer.step(&mut sealing).unwrap() {}
    }
}

fn thin(forest: &Forest<Handle>) -> Result<(), TreesError> {
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
    log(journal, 0..5_000).await;
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
