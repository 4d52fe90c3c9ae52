//! The oldest segments of a journal are let go of: what remains is given out, proved and checked as before,
//! whatever happens meanwhile; and nothing else is ever taken for it.

use std::sync::Arc;

use keyward_audit::trees::{Forest, LetGoError, LettingGo, Sweeping, Tree, TreesError};
use keyward_audit::{Begins, Journal, JournalConfig, Oldest, OpenError, StdIo};
use keyward_core::audit::Journaled;
use keyward_core::audit::class::EntryClass;
use keyward_core::port::audit_log::{AuditLog, JournalObserver, TailQuery};
use keyward_core::time::Clock;
use keyward_ledger::{Content, TILE_WIDTH, Tile, Tiles, prove_inclusion, verify_inclusion};
use uuid::Uuid;

use crate::disk::{self, Dice, Failure};
use crate::stage::{
    Disk, Handle, Noon, Stored, grown, journal, journal_on, log, log_heads, open, tenant,
};
use crate::thinning::{seal, thin};

/// The last entries of the oldest segments.
fn ends(journal: &Arc<Journal>) -> Vec<u64> {
    let oldest = Oldest::new(Arc::clone(journal));
    let found = oldest.look(usize::MAX, u64::MAX).unwrap();
    found.iter().map(|segment| segment.last).collect()
}

fn gathered(forest: &Forest<Handle>, first: u64) -> LettingGo {
    let mut letting = forest.begin_letting_go(first);
    while forest.gather(&mut letting).unwrap() {}
    letting
}

/// Notes it, and removes the segments.
fn go(journal: &Journal, forest: &Forest<Handle>, letting: LettingGo) -> Result<(), LetGoError> {
    let noted = forest.noted(letting, Noon.now())?;
    noted.write()?;
    forest.let_go(noted)?;
    journal.finish_letting_go()
}

/// What a later life does, too: the segments go once the trees are found to lead on.
fn finish(journal: &Journal, forest: &Forest<Handle>) -> Result<(), LetGoError> {
    let mut next = 0;
    while forest.ensure_begun(&mut next).unwrap() {}
    journal.finish_letting_go()
}

fn let_go(journal: &Journal, forest: &Forest<Handle>, first: u64) -> Result<(), LetGoError> {
    go(journal, forest, gathered(forest, first))
}

fn sweep(forest: &mut Forest<Handle>) -> Result<(), TreesError> {
    let mut sweeping = Sweeping::default();
    while forest.sweep(&mut sweeping)? {}
    Ok(())
}

fn check(forest: &Forest<Handle>) -> Result<(), String> {
    let mut check = forest.begin_check();
    while forest
        .check_page(&mut check)
        .map_err(|error| error.to_string())?
    {}
    Ok(())
}

const TREES: fn() -> [Tree; 4] = || {
    [
        Tree::System,
        Tree::Operations(tenant(1)),
        Tree::Changes(tenant(1)),
        Tree::Operations(tenant(2)),
    ]
};

/// How many entries of a tree are gone, as what it gives out says it.
fn gone(forest: &Forest<Handle>, tree: Tree) -> u64 {
    let size = forest.head(tree).size;
    let is_gone = |index: &u64| matches!(forest.at(tree, *index), Err(TreesError::LetGo { .. }));
    (0..size).take_while(is_gone).count() as u64
}

/// Every entry that is there is proved by the tiles that are given out, and no tile that should be is gone.
fn prove(forest: &Forest<Handle>, whole: &Forest<Handle>) {
    for tree in TREES() {
        let head = whole.head(tree);
        assert_eq!(forest.head(tree), head, "{tree}");
        let gone = gone(forest, tree);
        let width = u64::from(TILE_WIDTH);
        for level in 0..=2 {
            for index in 0..=head.size / width {
                let Some(tile) = Tile::in_tree(Content::Hashes { level }, index, head.size) else {
                    continue;
                };
                let given = forest.tile(tree, tile);
                if level == 0 && (index + 1) * width <= gone {
                    assert!(matches!(given, Err(TreesError::LetGo { .. })), "{tile}");
                } else {
                    assert_eq!(given.unwrap(), whole.tile(tree, tile).unwrap(), "{tile}");
                }
            }
        }
        for index in 0..=head.size / width {
            let Some(tile) = Tile::in_tree(Content::Entries, index, head.size) else {
                continue;
            };
            let given = forest.tile(tree, tile);
            if index * width < gone {
                assert!(matches!(given, Err(TreesError::LetGo { .. })), "{tile}");
            } else {
                assert_eq!(given.unwrap(), whole.tile(tree, tile).unwrap(), "{tile}");
            }
        }
        for index in (gone..head.size).step_by(211) {
            let read = |tile| Ok::<_, TreesError>(forest.tile(tree, tile)?.unwrap());
            let path = prove_inclusion(&Tiles::new(head.size, read), index, head.size).unwrap();
            let entry = forest.at(tree, index).unwrap().unwrap();
            let leaf = keyward_ledger::Hash::of_leaf(&entry);
            verify_inclusion(leaf, index, head, &path).unwrap();
        }
    }
}

#[tokio::test]
async fn i13_what_remains_is_proved_and_checked_as_before() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    let disk = Disk::with(Stored::new());
    log(&journal, 0..4_000).await;
    let mut forest = grown(&disk, &journal).unwrap();
    let heads = forest.heads(Uuid::from_u128(9)).unwrap();
    log_heads(&journal, heads).await;
    log(&journal, 4_001..6_000).await;
    while forest.grow().unwrap() {}
    forest.keep().unwrap();
    seal(&journal);
    thin(&forest).unwrap();
    let mut watch = journal.watch();
    assert_eq!(watch.look().unwrap(), None);
    let mut begun = forest.begin_check();
    assert!(forest.check_page(&mut begun).unwrap());
    let all = journal.written(0, usize::MAX).unwrap();
    // One that keeps everything, for comparison: in another place.
    let kept = tempfile::tempdir().unwrap();
    for entry in place.path().read_dir().unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), kept.path().join(entry.file_name())).unwrap();
    }
    let before = journal_on(&StdIo::new(kept.path()).unwrap());
    let whole = grown(&Disk::with(disk.stored()), &before).unwrap();

    let ends = ends(&journal);
    assert!(ends.len() > 4, "{ends:?}");
    let first = ends[1] + 1;
    let_go(&journal, &forest, first).unwrap();
    assert_eq!(journal.beginning(), first);
    assert_eq!(watch.look().unwrap(), None);
    sweep(&mut forest).unwrap();
    let left: Vec<_> = all.iter().filter(|it| it.sequence >= first).collect();
    let read = journal.written(0, usize::MAX).unwrap();
    assert_eq!(read.iter().collect::<Vec<_>>(), left);
    let tail = journal.tail(TailQuery {
        after: Some(0),
        limit: 3,
        ..TailQuery::default()
    });
    assert_eq!(tail.await.unwrap()[0].sequence, first);
    let found = forest.find(first - 1);
    assert!(matches!(found, Err(TreesError::LetGo { .. })), "{found:?}");
    prove(&forest, &whole);
    // Also the one that was under way.
    while forest.check_page(&mut begun).unwrap() {}
    check(&forest).unwrap();
    thin(&forest).unwrap();
    prove(&forest, &whole);
    drop(forest);
    journal.close().await;
    drop(journal);
    before.close().await;
    lives_on(place.path(), &disk, &whole, ends[3] + 1).await;
}

/// Other lives, with the state, without it, and without any of the log's files; and then more goes.
async fn lives_on(place: &std::path::Path, disk: &Arc<Disk>, whole: &Forest<Handle>, next: u64) {
    let journal = journal(place);
    let mut forest = grown(disk, &journal).unwrap();
    prove(&forest, whole);
    disk.files.lock().unwrap().remove("state");
    drop(forest);
    forest = grown(disk, &journal).unwrap();
    assert_eq!(forest.log(), Some(Uuid::from_u128(9)));
    prove(&forest, whole);
    check(&forest).unwrap();
    let_go(&journal, &forest, next).unwrap();
    sweep(&mut forest).unwrap();
    prove(&forest, whole);
    check(&forest).unwrap();
    // All of the files: they are made again, but for those above what is gone.
    let bare = Disk::with(Stored::new());
    let mut anew = grown(&bare, &journal).unwrap();
    let heads = anew.heads(Uuid::from_u128(1)).map(|heads| heads.root);
    assert_eq!(
        heads,
        forest.heads(Uuid::from_u128(1)).map(|heads| heads.root)
    );
    prove(&anew, whole);
    check(&anew).unwrap();
    // The log goes on with the next number, and is the same whoever kept what.
    let last = journal.last();
    log(&journal, 6_000..8_000).await;
    assert_eq!(journal.last(), last + 2_000);
    while forest.grow().unwrap() {}
    while anew.grow().unwrap() {}
    for tree in TREES() {
        assert_eq!(forest.head(tree), anew.head(tree), "{tree}");
    }
    check(&forest).unwrap();
    check(&anew).unwrap();
    journal.close().await;
}

#[tokio::test]
async fn what_a_segment_holds_is_told_by_tenant_and_class() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    log(&journal, 0..1_600).await;
    seal(&journal);
    let oldest = Oldest::new(Arc::clone(&journal));
    let found = oldest.look(2, u64::MAX).unwrap();
    assert_eq!(found.len(), 2);
    let (one, two) = (&found[0], &found[1]);
    assert_eq!((one.first, one.last + 1), (1, two.first));
    assert_eq!(one.newest, Noon.now());
    let held: u64 = one.holds.values().map(|held| held.entries).sum();
    assert_eq!(held, one.last);
    let query = TailQuery {
        tenant: Some(Some(tenant(1))),
        after: Some(0),
        limit: usize::MAX,
    };
    let of_tenant = journal.tail(query).await.unwrap();
    let in_one = of_tenant.iter().filter(|it| it.sequence <= one.last);
    let of_one = &one.holds[&(Some(tenant(1)), EntryClass::Uses)];
    assert_eq!(of_one.entries, in_one.count() as u64);
    assert_eq!(of_one.newest, Noon.now());
    assert_eq!(oldest.look(9, one.last).unwrap(), found[..1]);
    assert_eq!(oldest.look(9, one.last - 1).unwrap(), []);
    journal.close().await;
}

#[tokio::test]
async fn only_sealed_segments_whose_trees_are_kept_can_go() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    let disk = Disk::with(Stored::new());
    log(&journal, 0..1_600).await;
    let forest = grown(&disk, &journal).unwrap();
    assert!(ends(&journal).is_empty(), "nothing is sealed");
    seal(&journal);
    let ends = ends(&journal);
    for first in [1, 2, ends[0], ends[0] + 2, journal.last() + 1, u64::MAX] {
        assert!(let_go(&journal, &forest, first).is_err(), "{first}");
        assert_eq!(journal.beginning(), 1);
    }
    // Trees that do not have it all yet.
    let behind = open(&Disk::with(Stored::new()), &journal).unwrap();
    assert_eq!(behind.may_let_go_through(), 0);
    assert!(let_go(&journal, &behind, ends[0] + 1).is_err());
    let_go(&journal, &forest, ends[0] + 1).unwrap();
    assert!(
        let_go(&journal, &forest, ends[0] + 1).is_err(),
        "it is gone"
    );
    journal.close().await;
}

struct Before {
    io: disk::Disk,
    files: Stored,
    all: Vec<keyward_audit::Written>,
    first: u64,
}

/// A journal with some sealed segments.
async fn before() -> Before {
    let io = disk::Disk::default();
    let files = Disk::with(Stored::new());
    let journal = journal_on(&io);
    log(&journal, 0..1_500).await;
    drop(grown(&files, &journal).unwrap());
    seal(&journal);
    let first = ends(&journal)[1] + 1;
    let all = journal.written(0, usize::MAX).unwrap();
    journal.close().await;
    Before {
        io,
        files: files.stored(),
        all,
        first,
    }
}

impl Before {
    /// The journal has everything from its beginning on, and the trees go on.
    fn holds(&self, journal: &Arc<Journal>, files: &Arc<Disk>) -> Forest<Handle> {
        let begins = journal.beginning();
        assert!([1, self.first].contains(&begins), "{begins}");
        let left = self.all.iter().filter(|it| it.sequence >= begins);
        let read = journal.written(0, usize::MAX).unwrap();
        assert_eq!(read.iter().collect::<Vec<_>>(), left.collect::<Vec<_>>());
        let forest = grown(files, journal).unwrap();
        check(&forest).unwrap();
        forest
    }

    /// Lets go on a copy, with the trees' files as they were. Answers what became of it.
    fn tried(&self, io: &disk::Disk) -> (Arc<Journal>, Forest<Handle>, Arc<Disk>) {
        let (journal, files) = (journal_on(io), Disk::with(self.files.clone()));
        let forest = grown(&files, &journal).unwrap();
        (journal, forest, files)
    }

    /// How many acts of the disk it takes.
    fn acts(&self) -> u64 {
        let io = self.io.copy();
        let (journal, forest, _) = self.tried(&io);
        let letting = gathered(&forest, self.first);
        let before = io.operations();
        go(&journal, &forest, letting).unwrap();
        io.operations() - before
    }
}

#[tokio::test]
async fn i02_a_power_cut_at_any_instant_leaves_all_of_it_or_is_finished_by_the_next_start() {
    let before = before().await;
    for cut in 0..before.acts() {
        for seed in 0..3 {
            let io = before.io.copy();
            let (journal, forest, files) = before.tried(&io);
            let letting = gathered(&forest, before.first);
            io.cut_after(cut);
            assert!(go(&journal, &forest, letting).is_err(), "{cut}");
            drop(forest);
            drop(journal);
            io.reboot(&mut Dice::new(seed * 10_000 + cut));
            let journal = journal_on(&io);
            let mut forest = before.holds(&journal, &files);
            if journal.beginning() == 1 {
                let_go(&journal, &forest, before.first).unwrap();
            }
            finish(&journal, &forest).unwrap();
            sweep(&mut forest).unwrap();
            drop(forest);
            drop(before.holds(&journal, &files));
            let names = io.names();
            let old = names.iter().filter(|name| {
                let digits = name.get(8..28).and_then(|digits| digits.parse().ok());
                digits.is_some_and(|begins: u64| begins < before.first)
            });
            assert_eq!(old.count(), 0, "{names:?}");
        }
    }
}

#[tokio::test]
async fn a_disk_that_fails_at_any_act_costs_a_try() {
    let before = before().await;
    for failing in 0..before.acts() {
        for failure in [Failure::Before, Failure::After, Failure::Half] {
            let io = before.io.copy();
            let (journal, forest, files) = before.tried(&io);
            let mut watch = journal.watch();
            assert_eq!(watch.look().unwrap(), None);
            let letting = gathered(&forest, before.first);
            io.fail_after(failing, failure);
            let tried = go(&journal, &forest, letting);
            assert_eq!(watch.look().unwrap(), None, "{failing} {failure:?}");
            drop(forest);
            let forest = before.holds(&journal, &files);
            // The same process tries again.
            if journal.beginning() == 1 {
                assert!(tried.is_err(), "{failing} {failure:?}");
                let_go(&journal, &forest, before.first).unwrap();
            }
            finish(&journal, &forest).unwrap();
            assert!(!io.names().contains(&"log-beginning.new".to_owned()));
            assert_eq!(watch.look().unwrap(), None, "{failing} {failure:?}");
            drop(before.holds(&journal, &files));
        }
    }
}

#[tokio::test]
async fn a_failure_or_a_death_while_files_of_leaves_go_is_made_good_by_the_next_life() {
    let before = before().await;
    let io = before.io.copy();
    let (journal, mut forest, files) = before.tried(&io);
    let_go(&journal, &forest, before.first).unwrap();
    let mut all = files.writes();
    let unswept = files.stored();
    sweep(&mut forest).unwrap();
    all = files.writes() - all;
    let swept = files.stored();
    assert!(swept.len() < unswept.len());
    assert!(
        swept
            .keys()
            .any(|path| path.contains("tile/1") || path.contains("tile/0"))
    );
    drop(forest);
    for failing in 1..=all {
        let files = Disk::failing_with(unswept.clone(), failing, failing % 2 == 0);
        let mut forest = open(&files, &journal).unwrap();
        assert!(sweep(&mut forest).is_err());
        drop(forest);
        let files = files.revived();
        let mut forest = open(&files, &journal).unwrap();
        sweep(&mut forest).unwrap();
        assert_eq!(
            files.stored().keys().collect::<Vec<_>>(),
            swept.keys().collect::<Vec<_>>()
        );
    }
    journal.close().await;
}

fn refused(io: &disk::Disk) -> OpenError {
    refused_as(io, Begins::WhereNoted)
}

/// Whoever counts the journal's entries, and is so far.
struct Counted(u64);

impl JournalObserver for Counted {
    fn replay_after(&self) -> u64 {
        self.0
    }

    fn observe(&self, _: &[Journaled]) {}
}

fn refused_as(io: &disk::Disk, begins: Begins) -> OpenError {
    let opened = opened(io, begins, Counted(0));
    opened.err().expect("it was opened")
}

fn opened(io: &disk::Disk, begins: Begins, counted: Counted) -> Result<Journal, OpenError> {
    let config = JournalConfig {
        begins,
        ..JournalConfig::default()
    };
    let (node, id) = ("node-a".into(), Uuid::from_u128(7));
    let (io, clock) = (Arc::new(io.clone()), Arc::new(Noon));
    Journal::open_with(io, config, node, id, clock, Arc::new(counted))
}

#[tokio::test]
async fn i13_a_beginning_that_nobody_let_go_of_is_refused_and_so_is_another_note() {
    let before = before().await;
    let io = before.io.copy();
    let (journal, forest, _) = before.tried(&io);
    let segments = ends(&journal);
    let mut names = io.names();
    names.retain(|name| name.strip_suffix(".kws").is_some());
    let_go(&journal, &forest, segments[0] + 1).unwrap();
    let note = io.file("log-beginning");
    let_go(&journal, &forest, segments[1] + 1).unwrap();
    let newer = io.file("log-beginning");
    drop(forest);
    journal.close().await;
    drop(journal);
    let with = |change: &dyn Fn(&disk::Disk)| {
        let io = io.copy();
        change(&io);
        refused(&io)
    };
    // No note, an older one, and one that is not what was written.
    let told = with(&|io| io.delete("log-beginning"));
    assert!(
        matches!(told, OpenError::OtherBeginning { should: 1, .. }),
        "{told}"
    );
    let told = with(&|io| io.put("log-beginning", &note));
    assert!(matches!(told, OpenError::OtherBeginning { .. }), "{told}");
    let told = with(&|io| {
        let mut bytes = newer.clone();
        bytes[20] ^= 1;
        io.put("log-beginning", &bytes);
    });
    assert!(matches!(told, OpenError::BeginningUnreadable), "{told}");
    // The first segment that was not let go of is gone.
    let told = with(&|io| io.delete(&names[2]));
    assert!(matches!(told, OpenError::OtherBeginning { .. }), "{told}");
    // A segment is gone, and there never was a note.
    let io = before.io.copy();
    io.delete(&names[0]);
    let told = refused(&io);
    assert!(
        matches!(told, OpenError::OtherBeginning { should: 1, .. }),
        "{told}"
    );
    // A note that leads to nothing that is there removes nothing.
    let io = before.io.copy();
    io.put("log-beginning", &newer);
    io.delete(&names[2]);
    let told = refused(&io);
    assert!(matches!(told, OpenError::OtherBeginning { .. }), "{told}");
    assert!(io.names().contains(&names[0]));
}

#[tokio::test]
async fn i13_where_nothing_can_be_let_go_of_a_note_is_refused_and_nothing_is_removed() {
    let before = before().await;
    let io = before.io.copy();
    let (journal, forest, _) = before.tried(&io);
    let_go(&journal, &forest, before.first).unwrap();
    let note = io.file("log-beginning");
    drop(forest);
    journal.close().await;
    drop(journal);
    let without = io.copy();
    without.delete("log-beginning");
    // With all segments, without those that it hides, and one that nobody can read.
    let (noted, whole, broken) = (io.copy(), before.io.copy(), before.io.copy());
    whole.put("log-beginning", &note);
    broken.put("log-beginning", b"KWB1");
    for io in [whole, io, broken] {
        let names = io.names();
        let told = refused_as(&io, Begins::WithTheFirst);
        assert!(matches!(told, OpenError::BeginningNoted), "{told}");
        assert_eq!(io.names(), names);
    }
    // Where notes are allowed, not if what counts the entries has not seen all that are gone.
    let noted = |counted| opened(&noted, Begins::WhereNoted, Counted(counted));
    let told = noted(before.first - 2).err().expect("it was opened");
    assert!(matches!(told, OpenError::CountedLess { .. }), "{told}");
    drop(noted(before.first - 1).unwrap());
    // Without it, that they are gone is the damage that it is.
    let told = refused_as(&without, Begins::WithTheFirst);
    assert!(matches!(told, OpenError::Damaged { sequence: 1 }), "{told}");
}

#[tokio::test]
async fn i13_on_the_word_of_a_note_nothing_is_removed_before_the_trees_are_found_to_lead_on() {
    let before = before().await;
    let io = before.io.copy();
    let (journal, forest, _) = before.tried(&io);
    let_go(&journal, &forest, before.first).unwrap();
    let note = io.file("log-beginning");
    drop(forest);
    journal.close().await;
    drop(journal);
    // The last byte of the last hash, and a digest that fits.
    let mut other = note[..note.len() - 32].to_vec();
    *other.last_mut().unwrap() ^= 1;
    let digest = keyward_ledger::Hash::of_leaf(&other);
    other.extend_from_slice(digest.as_bytes());
    let forged = before.io.copy();
    forged.put("log-beginning", &other);
    let names = forged.names();
    let (journal, files) = (journal_on(&forged), Disk::with(before.files.clone()));
    let forest = open(&files, &journal).unwrap();
    let mut next = 0;
    let told = loop {
        match forest.ensure_begun(&mut next) {
            Ok(true) => {}
            told => break told,
        }
    };
    assert!(matches!(told, Err(TreesError::OtherBeginning)), "{told:?}");
    let left = |name: &String| forged.names().contains(name);
    assert!(names.iter().all(left), "{:?}", forged.names());
    drop(forest);
    journal.close().await;
    // One of another node's journal.
    let at = note.windows(6).position(|it| it == b"node-a").unwrap();
    let mut other = note[..note.len() - 32].to_vec();
    other[at + 5] = b'b';
    let digest = keyward_ledger::Hash::of_leaf(&other);
    other.extend_from_slice(digest.as_bytes());
    let of_another = before.io.copy();
    of_another.put("log-beginning", &other);
    let told = refused(&of_another);
    assert!(
        matches!(told, OpenError::BeginningOfAnother { .. }),
        "{told}"
    );
}
