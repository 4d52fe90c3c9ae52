//! A lost journal made again from a mirror: the same trees go on, and whatever is wrong with the mirror is
//! found before anything counts.

use std::path::Path;
use std::sync::Arc;

use keyward_audit::index::AuditIndex;
use keyward_audit::mirror::{Mirror, MirrorError, MirrorPlace, Newest, numbers_path};
use keyward_audit::trees::{
    ContinueError, Forest, Handovers, LastSigned, LogDirectory, Lost, Rebuilt, ToSign, Tree,
    rebuild,
};
use keyward_audit::{Journal, StdIo};
use keyward_core::audit::AuditEvent;
use keyward_core::noun::action::Action;
use keyward_core::port::audit_log::AuditLog;
use keyward_core::port::audit_search::{SearchFilter, SearchQuery};
use keyward_core::time::Clock;
use keyward_ledger::{Algorithm, Checkpoint, Content, Head, KeyName, Note, Tile, VerifierKey};
use parking_lot::Mutex;
use uuid::Uuid;

use crate::stage::{Noon, event, journal, log, log_heads, tenant};
use crate::thinning::seal;

const NAME: &str = "log.example";
/// Numbers of a continued journal begin behind this.
const STEP: u64 = 1_000_000_000_000;

type Trees = Arc<Mutex<Forest<LogDirectory>>>;

/// A node: its journal and its trees.
struct Node {
    journal: Arc<Journal>,
    trees: Trees,
}

impl Node {
    fn at(place: &Path) -> Self {
        let journal = journal(place);
        let files = LogDirectory::new(&place.join("log")).unwrap();
        let trees = Forest::open(files, journal.clone()).unwrap();
        let node = Self {
            journal,
            trees: Arc::new(Mutex::new(trees)),
        };
        node.grow();
        node
    }

    fn grow(&self) {
        while self.trees.lock().grow().unwrap() {}
    }

    async fn heads(&self) {
        let heads = self.trees.lock().heads(Uuid::from_u128(1)).unwrap();
        log_heads(&self.journal, heads).await;
        self.grow();
    }

    /// Logs entries, heads after each forty, and gives what is to be mirrored then.
    async fn to(&self, numbers: std::ops::Range<u64>) -> Newest {
        let mut from = numbers.start;
        while from < numbers.end {
            let to = numbers.end.min(from + 40);
            log(&self.journal, from..to).await;
            self.grow();
            self.heads().await;
            from = to;
        }
        self.newest()
    }

    fn newest(&self) -> Newest {
        let trees = self.trees.lock();
        let head = trees.head(Tree::System);
        Newest {
            log: key(NAME),
            keys: vec![key(NAME)],
            signed: head,
            counted: Some((head, note(Tree::System, head))),
            committed: trees.all_committed(head.size).unwrap(),
            handovers: String::new(),
            trees: self.trees.clone(),
        }
    }

    fn all(&self) -> Vec<(u64, Vec<u8>)> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page = self.journal.written(after, 1 << 20).unwrap();
            let Some(last) = page.last() else { return all };
            after = last.sequence;
            all.extend(page.into_iter().map(|entry| (entry.sequence, entry.bytes)));
        }
    }
}

fn pair() -> aws_lc_rs::signature::Ed25519KeyPair {
    aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap()
}

fn key(name: &str) -> VerifierKey {
    use aws_lc_rs::signature::KeyPair;
    let public = pair().public_key().as_ref().try_into().unwrap();
    VerifierKey::new(KeyName::new(name).unwrap(), Algorithm::Ed25519, public)
}

fn note(tree: Tree, head: Head) -> Note {
    let origin = match tree {
        Tree::System => NAME.to_owned(),
        tree => format!("{NAME}/{tree}"),
    };
    let mut note = Checkpoint::new(&origin, head).unwrap().note().unwrap();
    let sign = |text: &[u8]| Ok::<_, ()>(pair().sign(text).as_ref().try_into().unwrap());
    note.sign(&key(&origin), sign).unwrap();
    note
}

fn mirror(place: &Path) -> Mirror {
    std::fs::create_dir_all(place).unwrap();
    let sign = |tree, head| Some(note(tree, head));
    Mirror::new(MirrorPlace::directory(place), Arc::new(sign))
}

/// How the checkpoints stand that lie in a mirror.
fn heads(mirror: &Path) -> Vec<(Tree, Head)> {
    let mut all = vec![Tree::System];
    for number in 1..50 {
        let tenant = tenant(number);
        all.extend([Tree::Changes(tenant), Tree::Operations(tenant)]);
    }
    let read = |tree: &Tree| {
        let path = mirror.join(tree.to_string()).join("checkpoint");
        let note = Note::parse(&std::fs::read(path).ok()?).unwrap();
        let checkpoint: Checkpoint = note.text().parse().unwrap();
        Some((*tree, checkpoint.head()))
    };
    all.iter().filter_map(read).collect()
}

fn continued(rebuilt: &Rebuilt) -> AuditEvent {
    let mut entry = event("continued", None, None);
    entry.action = Action::AuditContinue;
    let through = ("through".to_owned(), rebuilt.through.into());
    entry.details.extend([through]);
    entry
}

fn remake(mirror: &Path, place: &Path) -> Result<Rebuilt, ContinueError> {
    let trees = heads(mirror);
    let lost = Lost {
        copy: mirror,
        trees: &trees,
        deployment: Uuid::from_u128(7),
        node: "node-a".into(),
        now: Noon.now(),
    };
    rebuild(&StdIo::new(place).unwrap(), &lost, continued)
}

#[tokio::test]
async fn i13_every_entry_that_was_mirrored_has_its_number_again_and_the_same_trees_go_on() {
    let place = tempfile::tempdir().unwrap();
    let (copy, lost) = (place.path().join("mirror"), place.path().join("lost"));
    let node = Node::at(&lost);
    let mut mirror = mirror(&copy);
    let newest = node.to(0..1400).await;
    mirror.bring(&newest).await.unwrap();
    let had = node.all();
    // Some that the mirror never had.
    log(&node.journal, 1400..1450).await;
    node.grow();

    let again = place.path().join("again");
    let rebuilt = remake(&copy, &again).unwrap();
    let (last, _) = *had.last().unwrap();
    let expected = Rebuilt {
        through: last - 1,
        last,
        entries: had.len() as u64,
        next: STEP + 1,
        node: "node-a".to_owned(),
    };
    assert_eq!(rebuilt, expected);
    let key_name = KeyName::new(NAME).unwrap();
    let to_sign = ToSign {
        head: newest.signed,
        through: last,
        key: key(NAME).public(),
    };
    LastSigned::take_over(LogDirectory::new(&again).unwrap(), &key_name, to_sign).unwrap();
    let refused = LastSigned::take_over(LogDirectory::new(&again).unwrap(), &key_name, to_sign);
    assert!(refused.is_err(), "once");
    Handovers::take_over(LogDirectory::new(&again).unwrap(), b"").unwrap();

    let node = Node::at(&again);
    let all = node.all();
    assert_eq!(all[..had.len()], had);
    assert_eq!(all[had.len()].0, STEP + 1);
    assert_eq!(all.len(), had.len() + 1);
    let last_signed = LastSigned::open(LogDirectory::new(&again).unwrap()).unwrap();
    assert_eq!(last_signed.origin(), Some(NAME));
    last_signed.ensure_held_by(node.journal.last()).unwrap();
    last_signed.ensure_continued_by(&node.trees.lock()).unwrap();
    for (tree, head) in &newest.committed {
        assert_eq!(node.trees.lock().head(*tree), *head, "{tree}");
    }
    // Every entry is found by its number, and none in the gap.
    for (number, bytes) in had.iter().step_by(97) {
        let found = node.trees.lock().find(*number).unwrap().unwrap();
        assert_eq!(found.bytes, *bytes);
    }
    assert!(node.trees.lock().find(last + 7).unwrap().is_none());
    assert!(!node.trees.lock().is_to_come(last + 7), "it was lost");

    searched_and_checked(&node, &again);

    // The mirror is brought up as ever, by a life that knows nothing of it.
    let newest = node.to(1450..1800).await;
    let mut mirror = self::mirror(&copy);
    mirror.bring(&newest).await.unwrap();
    assert_eq!(mirror.reached(&newest).behind, 0);

    // And it is lost once more.
    let third = place.path().join("third");
    let had = node.all();
    let rebuilt = remake(&copy, &third).unwrap();
    assert_eq!(rebuilt.next, 2 * STEP + 1);
    let all = Node::at(&third).all();
    assert_eq!(all[..had.len()], had);
}

/// What goes through the journal by numbers does not go through those that are missing.
fn searched_and_checked(node: &Node, place: &Path) {
    let index = AuditIndex::new(node.journal.clone(), &place.join("index"));
    let query = SearchQuery {
        filter: SearchFilter::default(),
        before: None,
        limit: 10_000,
    };
    // Before it is made, and after.
    for _ in 0..2 {
        let found = index.search(&query).unwrap();
        let found: Vec<u64> = found.entries.iter().rev().map(|it| it.sequence).collect();
        let all: Vec<u64> = node.all().iter().map(|(number, _)| *number).collect();
        assert_eq!(found, all);
        while index.grow().unwrap() {}
        assert_eq!(index.blocks(), (1, 0));
    }
    let trees = node.trees.lock();
    let mut check = trees.begin_check();
    while trees.check_page(&mut check).unwrap() {}
    assert_eq!(check.progress().0, node.all().len() as u64);
    let before = node.all();
    seal(&node.journal);
    assert_eq!(node.all(), before, "sealed");
}

/// A mirror whose round was cut off between the tenants' checkpoints and the system's.
#[tokio::test]
async fn i13_what_a_tenants_checkpoint_covers_stays_although_the_systems_does_not_yet() {
    let place = tempfile::tempdir().unwrap();
    let (copy, lost) = (place.path().join("mirror"), place.path().join("lost"));
    let node = Node::at(&lost);
    let mut mirror = mirror(&copy);
    mirror.bring(&node.to(0..100).await).await.unwrap();
    let far = event("far", Some(tenant(1)), Some(9_000));
    node.journal.append(far).await.unwrap();
    let mut newest = node.to(100..700).await;
    let system = newest.counted.take();
    mirror.bring(&newest).await.unwrap();
    newest.counted = system;
    let again = place.path().join("again");
    let rebuilt = remake(&copy, &again).unwrap();
    assert!(rebuilt.through < rebuilt.last, "{rebuilt:?}");
    let had = node.all();
    let node = Node::at(&again);
    for (number, bytes) in node.all().iter().filter(|(number, _)| *number < STEP) {
        let at = usize::try_from(*number).unwrap() - 1;
        assert_eq!(*bytes, had[at].1, "{number}");
    }
    // Changes that are lost are more than a segment's header can say.
    assert_eq!(node.journal.unlogged().missing.len(), 1024);
    let unlogged = node.journal.unlogged_since_loss(0).unwrap();
    assert_eq!(unlogged.after, 9_000);
    let missing = |numbers: std::ops::Range<i64>| {
        let all = unlogged.missing.iter();
        all.filter(|it| numbers.contains(it)).count()
    };
    assert_eq!(missing(700..9_000), 8_300);
    assert!(missing(100..700) >= 450);
    for (tree, head) in heads(&copy) {
        let root = node.trees.lock().root_at(tree, head.size).unwrap();
        assert_eq!(root, head.root, "{tree}");
    }
    // The journal reads from every number on, also from one that is missing.
    for after in (0..rebuilt.last + 3).step_by(11) {
        let page = node.journal.written(after, 1).unwrap();
        assert!(page[0].sequence > after);
    }
    let newest = node.to(700..900).await;
    let mut mirror = self::mirror(&copy);
    mirror.bring(&newest).await.unwrap();
    assert_eq!(mirror.reached(&newest).behind, 0);
}

/// While tenants' checkpoints cannot be signed, what commits to them does not come either.
#[tokio::test]
async fn i13_the_systems_checkpoint_waits_until_every_tenants_is_there() {
    let place = tempfile::tempdir().unwrap();
    let (copy, lost) = (place.path().join("mirror"), place.path().join("lost"));
    let node = Node::at(&lost);
    mirror(&copy).bring(&node.to(0..100).await).await.unwrap();
    let before = heads(&copy);
    let newest = node.to(100..300).await;
    for is_waited_for in [false, true] {
        let sealed = Mirror::new(MirrorPlace::directory(&copy), Arc::new(|_, _| None));
        let mut sealed = sealed.whole_or_held_back(is_waited_for);
        let error = sealed.bring(&newest).await.unwrap_err();
        assert!(matches!(error, MirrorError::Log(_)), "{error}");
        assert_eq!(heads(&copy), before, "{is_waited_for}");
    }
    let rebuilt = remake(&copy, &place.path().join("again")).unwrap();
    assert_eq!(rebuilt.next, STEP + 1);
    mirror(&copy).bring(&newest).await.unwrap();
    assert_eq!(heads(&copy)[0].1, newest.signed);
}

/// A mirror that nothing could go on from is none to wait for.
#[tokio::test]
async fn a_mirror_without_numbers_is_refused_where_everything_waits_for_it() {
    let place = tempfile::tempdir().unwrap();
    let (copy, lost) = (place.path().join("mirror"), place.path().join("lost"));
    let node = Node::at(&lost);
    let newest = node.to(0..100).await;
    mirror(&copy).bring(&newest).await.unwrap();
    let waited_for = || mirror(&copy).whole_or_held_back(true);
    waited_for().meet(&newest).await.unwrap();
    std::fs::remove_dir_all(copy.join("numbers")).unwrap();
    let error = waited_for().meet(&newest).await.unwrap_err();
    assert!(matches!(error, MirrorError::NoNumbers { .. }), "{error}");
    mirror(&copy).meet(&newest).await.unwrap();
}

#[tokio::test]
async fn i13_what_is_wrong_with_a_mirror_is_named_and_no_journal_is_made_of_it() {
    let place = tempfile::tempdir().unwrap();
    let (copy, lost) = (place.path().join("mirror"), place.path().join("lost"));
    let node = Node::at(&lost);
    mirror(&copy).bring(&node.to(0..900).await).await.unwrap();
    let operations = Tree::Operations(tenant(1));
    let numbers = copy.join(format!("numbers/{operations}/000"));
    let good = std::fs::read(&numbers).unwrap();
    let mut tries = 0;
    let mut refused = |wrong: &[u8]| {
        std::fs::write(&numbers, wrong).unwrap();
        tries += 1;
        let error = remake(&copy, &place.path().join(format!("try-{tries}")));
        std::fs::write(&numbers, &good).unwrap();
        error.unwrap_err()
    };
    // Not in order; one too few; another's number; a number of another second.
    let mut swapped = good.clone();
    swapped[..16].rotate_left(8);
    assert!(matches!(refused(&swapped), ContinueError::Altered { .. }));
    assert!(matches!(refused(&good[8..]), ContinueError::Altered { .. }));
    let mut taken = good.clone();
    let first = u64::from_be_bytes(good[..8].try_into().unwrap());
    taken[..8].copy_from_slice(&(first - 1).to_be_bytes());
    assert!(matches!(refused(&taken), ContinueError::Twice { .. }));
    let mut later = good.clone();
    let end = later.len() - 8;
    later[end..].copy_from_slice(&100_000_u64.to_be_bytes());
    let error = refused(&later);
    assert!(
        matches!(
            error,
            ContinueError::Uncommitted { .. } | ContinueError::Altered { .. }
        ),
        "{error}"
    );
    // Behind everything that is committed to, and further than any number can be.
    let size = heads(&copy)[0].1.size;
    let bundle = Tile::in_tree(Content::Entries, (size - 1) / 256, size).unwrap();
    let of_system = copy.join(numbers_path(Tree::System, bundle));
    let sound = std::fs::read(&of_system).unwrap();
    let mut far = sound.clone();
    let end = far.len() - 8;
    far[end..].copy_from_slice(&(9 * STEP).to_be_bytes());
    std::fs::write(&of_system, &far).unwrap();
    let error = remake(&copy, &place.path().join("far")).unwrap_err();
    assert!(matches!(error, ContinueError::Beyond { .. }), "{error}");
    std::fs::write(&of_system, &sound).unwrap();
    // A log that is gone.
    std::fs::remove_file(&numbers).unwrap();
    let gone = remake(&copy, &place.path().join("gone")).unwrap_err();
    assert!(matches!(gone, ContinueError::NoNumbers { .. }));
    std::fs::write(&numbers, &good).unwrap();
    let whole = copy.join(operations.to_string());
    std::fs::rename(&whole, place.path().join("away")).unwrap();
    let gone = remake(&copy, &place.path().join("gone-2")).unwrap_err();
    assert!(matches!(gone, ContinueError::Uncommitted { .. }), "{gone}");
}
