//! What was signed last: never taken back, whatever journal or trees are found at the next start.

use keyward_audit::trees::{Handovers, LastSigned, ToSign, Tree, TreesError};
use keyward_ledger::{Handover, Hash, Head};
use uuid::Uuid;

use crate::stage::{Disk, Handle, Stored, grown, journal, log};

const NAMES: (Uuid, Uuid) = (Uuid::from_u128(1), Uuid::from_u128(2));

/// The public key of the tests.
const KEY: [u8; 32] = [7; 32];

fn next(head: Head, through: u64) -> ToSign {
    ToSign {
        head,
        through,
        key: KEY,
    }
}

fn signed(disk: &std::sync::Arc<Disk>) -> Result<LastSigned<Handle>, TreesError> {
    LastSigned::open(Handle(disk.clone()))
}

#[tokio::test]
async fn i13_a_log_goes_on_from_what_was_signed_or_not_at_all() {
    let place = tempfile::tempdir().unwrap();
    let kept = Disk::with(Stored::new());
    let head = {
        let journal = journal(&place.path().join("one"));
        log(&journal, 0..700).await;
        let forest = grown(&Disk::with(Stored::new()), &journal).unwrap();
        let head = forest.head(Tree::System);
        let mut signed = signed(&kept).unwrap();
        assert_eq!(signed.origin(), None);
        signed.ensure_continued_by(&forest).unwrap();
        signed.keep(next(head, forest.sequence()), NAMES).unwrap();
        // The same journal later, trees made anew.
        log(&journal, 700..1_500).await;
        let forest = grown(&Disk::with(Stored::new()), &journal).unwrap();
        signed.ensure_held_by(journal.last()).unwrap();
        signed.ensure_continued_by(&forest).unwrap();
        journal.close().await;
        head
    };
    // A name is given once.
    let again = signed(&kept).unwrap();
    let origin = format!("keyward/{}/{}", NAMES.0, NAMES.1);
    assert_eq!(again.origin(), Some(origin.as_str()));
    assert_eq!(again.head(), Some(head));

    // An older copy of the journal: shorter.
    let shorter = journal(&place.path().join("shorter"));
    log(&shorter, 0..699).await;
    let refused = again.ensure_held_by(shorter.last()).unwrap_err();
    assert!(
        matches!(
            refused,
            TreesError::SignedShrunk {
                known: 700,
                found: 699
            }
        ),
        "{refused}"
    );
    // Another journal of any length: its entries are others.
    let other = journal(&place.path().join("other"));
    log(&other, 1..1_500).await;
    again.ensure_held_by(other.last()).unwrap();
    let forest = grown(&Disk::with(Stored::new()), &other).unwrap();
    let refused = again.ensure_continued_by(&forest).unwrap_err();
    assert!(
        matches!(refused, TreesError::SignedOther { .. }),
        "{refused}"
    );
    // And one whose system's tree is shorter, whatever the rest is.
    let forest = grown(&Disk::with(Stored::new()), &shorter).unwrap();
    let smaller = Head {
        size: head.size + 1,
        root: head.root,
    };
    let mut ahead = LastSigned::open(Handle(Disk::with(Stored::new()))).unwrap();
    ahead.keep(next(smaller, 10), NAMES).unwrap();
    assert!(ahead.ensure_continued_by(&forest).is_err());
    for journal in [shorter, other] {
        journal.close().await;
    }
}

#[test]
fn i13_nothing_is_signed_that_is_behind_or_was_not_noted() {
    let head = |size: u64| Head {
        size,
        root: Hash::of_leaf(&size.to_be_bytes()),
    };
    let kept = Disk::with(Stored::new());
    let mut last = signed(&kept).unwrap();
    last.keep(next(head(5), 50), NAMES).unwrap();
    last.keep(next(head(5), 50), NAMES).unwrap();
    for (size, through) in [(4, 60), (6, 49)] {
        let refused = last.keep(next(head(size), through), NAMES).unwrap_err();
        assert!(
            matches!(refused, TreesError::SignedOther { .. }),
            "{refused}"
        );
    }
    last.keep(next(head(6), 51), NAMES).unwrap();
    // A write that fails is no note, whether it took effect or not; and whatever the disk has then is
    // one of the two.
    for done in [false, true] {
        let failing = Disk::failing(2, done);
        let mut last = signed(&failing).unwrap();
        last.keep(next(head(1), 1), NAMES).unwrap();
        assert!(last.keep(next(head(2), 2), NAMES).is_err());
        assert_eq!(last.head(), Some(head(1)));
        let found = signed(&failing.revived()).unwrap().head();
        assert_eq!(found, Some(head(if done { 2 } else { 1 })));
    }
}

#[test]
fn i13_a_note_that_is_cut_short_or_of_another_format_is_refused() {
    let kept = Disk::with(Stored::new());
    let mut last = signed(&kept).unwrap();
    let root = Hash::of_leaf(b"root");
    last.keep(next(Head { size: 3, root }, 9), NAMES).unwrap();
    let stored = kept.stored();
    let (path, whole) = stored.first_key_value().unwrap();
    let with = |bytes: Vec<u8>| signed(&Disk::with([(path.clone(), bytes)].into()));
    // The last byte only ends the line.
    for length in 0..whole.len() - 1 {
        let refused = with(whole[..length].to_vec()).err().unwrap();
        assert!(
            matches!(refused, TreesError::SignedUnreadable),
            "{length}: {refused}"
        );
    }
    let text = String::from_utf8(whole.clone()).unwrap();
    for (from, to) in [
        ("\"format\":2", "\"format\":3"),
        ("\"format\":2", "\"format\":1"),
        ("\"key\":\"keyward/", "\"key\":\"other/"),
        ("\"size\"", "\"more\":1,\"size\""),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        assert!(with(changed.into_bytes()).is_err());
    }
}

#[test]
fn what_an_earlier_version_signed_is_still_understood() {
    let bytes = include_bytes!("../../../../corpus/log-signed/1/log-signed");
    let kept = Disk::with([("log-signed".to_owned(), bytes.to_vec())].into());
    let last = signed(&kept).unwrap();
    let origin = last.origin().unwrap();
    assert!(origin.starts_with("keyward/6a9c4594-ad84-44d6-abb5-20c052caeb82/"));
    assert_eq!(last.head().unwrap().size, 42);
    last.ensure_held_by(65).unwrap();
    assert!(last.ensure_held_by(64).is_err());
    assert_eq!(last.key(), None);
    // From now on a next key is one that it is handed over to.
    let mut last = last;
    last.name_key(KEY).unwrap();
    last.name_key([8; 32]).unwrap();
    let again = signed(&kept).unwrap();
    assert_eq!(again.key().unwrap().public(), KEY);
    assert_eq!(again.head(), last.head());
    again.ensure_held_by(65).unwrap();
    assert!(again.ensure_held_by(64).is_err());

    let bytes = include_bytes!("../../../../corpus/log-signed/2/log-signed");
    let handovers = include_bytes!("../../../../corpus/log-signed/2/log-handovers");
    let kept = [
        ("log-signed".to_owned(), bytes.to_vec()),
        ("log-handovers".to_owned(), handovers.to_vec()),
    ];
    let kept = Disk::with(kept.into());
    let last = signed(&kept).unwrap();
    let key = last.key().unwrap();
    assert_eq!(Some(key.name().as_str()), last.origin());
    let handovers = Handovers::open(Handle(kept)).unwrap();
    let read = Handover::open_all(handovers.text(key.name().as_str()).as_bytes()).unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].to(), &key);
}
