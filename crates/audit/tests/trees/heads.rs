//! The heads of all trees, and what commits to them.

use keyward_audit::Journal;
use keyward_audit::trees::{Heads, Tree, leaf};
use keyward_ledger::{Hash, MemoryTree};
use uuid::Uuid;

use crate::stage::{Disk, Stored, check, grown, journal, log, log_heads, open};

/// The heads at an entry of the journal, made from nothing but its entries.
fn heads_at(journal: &Journal, log: Uuid, through: u64) -> Heads {
    let mut trees: Vec<(Tree, MemoryTree)> = Vec::new();
    for entry in journal.written(0, usize::MAX).unwrap() {
        let event: keyward_core::audit::AuditEvent = serde_json::from_slice(&entry.bytes).unwrap();
        let tree = match (event.tenant, event.change) {
            (Some(tenant), Some(_)) => Tree::Changes(tenant),
            (Some(tenant), None) => Tree::Operations(tenant),
            (None, _) => continue,
        };
        if entry.sequence > through {
            break;
        }
        let at = trees.iter().position(|(other, _)| *other == tree);
        let at = at.unwrap_or_else(|| {
            trees.push((tree, MemoryTree::default()));
            trees.len() - 1
        });
        trees[at].1.append(Hash::of_leaf(&entry.bytes));
    }
    let leaves = trees.iter().map(|(tree, entries)| {
        let (size, root) = (entries.size(), entries.root());
        Hash::of_leaf(leaf(log, *tree, keyward_ledger::Head { size, root }).as_bytes())
    });
    let root = MemoryTree::new(leaves).root();
    let trees = trees.len() as u64;
    Heads {
        log,
        through,
        trees,
        root,
    }
}

#[tokio::test]
async fn i13_heads_commit_to_every_tree_and_replay_makes_the_same() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    let disk = Disk::with(Stored::new());
    let name = Uuid::from_u128(1);
    let mut logged = 0;
    let mut forest = open(&disk, &journal).unwrap();
    assert!(!forest.has_news());
    let mut made = Vec::new();
    for next in [1, 4, 5, 40, 700, 701, 1500] {
        log(&journal, logged..next).await;
        logged = next;
        while forest.grow().unwrap() {}
        assert!(forest.has_news());
        // Only the first name counts.
        let heads = forest.heads(Uuid::from_u128(u128::from(next))).unwrap();
        assert_eq!(heads, heads_at(&journal, name, heads.through));
        log_heads(&journal, heads).await;
        made.push(heads);
        while forest.grow().unwrap() {}
        assert!(!forest.has_news(), "heads are no news");
        assert_eq!(forest.log(), Some(name));
    }
    forest.keep().unwrap();
    drop(forest);
    let last = made.last().unwrap();
    // Another life, with what was kept and without it.
    for disk in [disk, Disk::with(Stored::new())] {
        let mut forest = grown(&disk, &journal).unwrap();
        assert!(!forest.has_news());
        let again = forest.heads(Uuid::from_u128(99)).unwrap();
        assert_eq!(
            (again.log, again.root, again.trees),
            (name, last.root, last.trees)
        );
        check(&forest, &journal);
    }
}

#[tokio::test]
async fn entries_between_heads_and_what_they_cover_are_news() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    let disk = Disk::with(Stored::new());
    log(&journal, 0..10).await;
    let mut forest = grown(&disk, &journal).unwrap();
    let heads = forest.heads(Uuid::from_u128(1)).unwrap();
    log(&journal, 10..11).await;
    log_heads(&journal, heads).await;
    while forest.grow().unwrap() {}
    assert!(forest.has_news());
}

#[tokio::test]
async fn i13_heads_that_were_never_logged_leave_no_trace_in_later_ones() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    let disk = Disk::with(Stored::new());
    log(&journal, 0..10).await;
    let mut forest = grown(&disk, &journal).unwrap();
    let name = Uuid::from_u128(1);
    forest.heads(name).unwrap();
    // One tree of several grows, and the second try brings another name along.
    log(&journal, 10..11).await;
    while forest.grow().unwrap() {}
    let heads = forest.heads(Uuid::from_u128(2)).unwrap();
    assert_eq!(heads, heads_at(&journal, name, heads.through));
}

#[tokio::test]
async fn i13_heads_wait_for_what_the_journal_had_before() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    log(&journal, 0..20).await;
    let mut forest = open(&Disk::with(Stored::new()), &journal).unwrap();
    // Not a page is read yet: heads of an earlier life may lie ahead.
    assert_eq!(forest.heads(Uuid::from_u128(1)), None);
    while forest.grow().unwrap() {}
    assert_eq!(forest.heads(Uuid::from_u128(1)).unwrap().through, 20);
}

/// The leaf of docs/formats/transparency-log.md.
#[test]
fn a_leaf_of_heads_is_as_its_page_has_it() {
    let head = keyward_ledger::Head {
        size: 3,
        root: "cmU7qKdWORVt+aQGVWIthCijgPYnDbKjcAmqxb8WPro="
            .parse()
            .unwrap(),
    };
    let tree = Tree::Changes(crate::stage::tenant(0xa1));
    let text = leaf(Uuid::from_u128(1), tree, head);
    let page = include_str!("../../../../docs/formats/transparency-log.md");
    assert!(page.contains(&format!("\n{text}\n")), "{text}");
}
