//! What the trees hold.

use keyward_audit::trees::{Forest, LogDirectory, Tree};
use keyward_ledger::{Content, Tile, bundles, hash_tiles};

use crate::stage::{Disk, Stored, check, event, expected, grown, journal, log, open, tenant};

#[tokio::test]
async fn i13_every_entry_of_the_journal_is_a_leaf_of_one_tree_in_order() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    let disk = Disk::with(Stored::new());
    let mut logged = 0;
    for next in [1, 9, 300, 1500, 2600] {
        log(&journal, logged..next).await;
        logged = next;
        let forest = grown(&disk, &journal).unwrap();
        assert_eq!(forest.sequence(), next);
        check(&forest, &journal);
    }
    let all: usize = expected(&journal).values().map(Vec::len).sum();
    assert_eq!(all as u64, logged);
    // Only full tiles are files.
    let busiest = grown(&disk, &journal)
        .unwrap()
        .head(Tree::Operations(tenant(1)))
        .size;
    assert!(busiest > 1024);
    let stored = disk.stored();
    let of_busiest = format!("{}/", Tree::Operations(tenant(1)));
    let stored: Vec<&str> = stored
        .keys()
        .filter_map(|path| path.strip_prefix(&of_busiest))
        .collect();
    let full = hash_tiles(busiest)
        .chain(bundles(busiest))
        .filter(|tile| tile.is_full());
    let mut full: Vec<String> = full.map(|tile| tile.to_string()).collect();
    // Beside each tile of entries, where they lie.
    let entries = full
        .iter()
        .filter_map(|tile| tile.strip_prefix("tile/entries/"));
    let places: Vec<String> = entries.map(|index| format!("places/{index}")).collect();
    full.extend(places);
    full.sort();
    assert_eq!(stored, full);
}

#[tokio::test]
async fn a_partial_tile_is_the_beginning_of_what_it_becomes() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    let disk = Disk::with(Stored::new());
    log(&journal, 0..700).await;
    let forest = grown(&disk, &journal).unwrap();
    let tree = Tree::Operations(tenant(1));
    let entries = &expected(&journal)[&tree];
    let tile = |content, index, width| {
        let tile = Tile::new(content, index, width).unwrap();
        forest.tile(tree, tile).unwrap()
    };
    for content in [Content::Entries, Content::Hashes { level: 0 }] {
        for index in 0..2 {
            let present = (entries.len() as u64 - 256 * index).min(256) as u16;
            let whole = tile(content, index, present).unwrap();
            for width in 1..present {
                let narrow = tile(content, index, width).unwrap();
                assert!(whole.starts_with(&narrow) && narrow.len() < whole.len());
            }
            assert!(present == 256 || tile(content, index, present + 1).is_none());
        }
        assert!(tile(content, 2, 1).is_none());
    }
    assert!(tile(Content::Hashes { level: 1 }, 0, 2).is_none());
    assert_eq!(tile(Content::Hashes { level: 1 }, 0, 1).unwrap().len(), 32);
    assert_eq!(
        forest
            .tile(
                Tree::Changes(tenant(99)),
                Tile::new(Content::Entries, 0, 1).unwrap()
            )
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn trees_in_a_directory_go_on_where_they_were() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(&place.path().join("journal"));
    let files = || LogDirectory::new(&place.path().join("log")).unwrap();
    log(&journal, 0..600).await;
    let mut forest = Forest::open(files(), journal.clone()).unwrap();
    while forest.grow().unwrap() {}
    forest.keep().unwrap();
    let head = forest.head(Tree::Operations(tenant(1)));
    drop(forest);
    let mut forest = Forest::open(files(), journal.clone()).unwrap();
    assert_eq!(forest.sequence(), 600);
    assert_eq!(forest.head(Tree::Operations(tenant(1))), head);
    assert!(!forest.grow().unwrap());
    let tile = place
        .path()
        .join("log")
        .join(Tree::Operations(tenant(1)).to_string())
        .join("tile/entries/000");
    assert!(tile.is_file());
}

/// A thousand tenants with two trees each; one tree that is as large as its memory ever gets.
#[tokio::test]
async fn thousands_of_trees_are_kept_in_little_memory() {
    use keyward_core::port::audit_log::AuditLog;
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    let mut waiting = Vec::new();
    for number in 0..6000_u128 {
        let change = number.is_multiple_of(2).then_some(number as i64);
        waiting.push(journal.append(event("entry", Some(tenant(1 + number / 2 % 1000)), change)));
    }
    for appended in futures_util::future::join_all(waiting).await {
        appended.unwrap();
    }
    let disk = Disk::with(Stored::new());
    let few = grown(&disk, &journal).unwrap().size_bytes();
    assert_eq!(few.1, 2001);
    let each = few.0 / few.1;
    assert!(each < 512, "{each} bytes for each tree");
    let one = |size: usize| {
        let waiting = (0..size).map(|_| journal.append(event("entry", Some(tenant(5000)), None)));
        futures_util::future::join_all(waiting)
    };
    one(255).await;
    let mut forest = open(&disk, &journal).unwrap();
    while forest.grow().unwrap() {}
    let full = forest.size_bytes().0 - few.0;
    assert!(full < 2048, "{full} bytes for a tree at its largest");
    one(1).await;
    while forest.grow().unwrap() {}
    assert!(forest.size_bytes().0 - few.0 < 512);
}
