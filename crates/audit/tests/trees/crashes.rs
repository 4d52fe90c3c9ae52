//! What a crash leaves, and what the trees refuse to go on from.

use std::fs;

use keyward_audit::JournalIo;
use keyward_audit::trees::TreesError;

use crate::disk;
use crate::stage::{Disk, Stored, check, expected, grown, journal, journal_on, log, open};

#[tokio::test]
async fn i02_i13_a_power_cut_at_any_write_leaves_what_the_next_life_makes_whole() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    log(&journal, 0..2600).await;
    let whole = Disk::with(Stored::new());
    drop(grown(&whole, &journal).unwrap());
    let writes = whole.writes();
    assert!(writes > 8);
    for at in 1..=writes {
        for done in [false, true] {
            let dying = Disk::failing(at, done);
            assert!(grown(&dying, &journal).is_err());
            for dice in 0..3 {
                let again = Disk::with(dying.cut(at * 3 + dice));
                let forest = grown(&again, &journal).unwrap();
                assert_eq!(forest.sequence(), 2600);
                assert!(again.stored() == whole.stored(), "{at} {done} {dice}");
            }
            // The process dies, the next one finishes, and then the power is cut: what it has kept
            // is there, whoever wrote it.
            let next = dying.revived();
            drop(grown(&next, &journal).unwrap());
            for dice in 0..3 {
                assert!(next.cut(dice) == whole.stored(), "{at} {done} {dice}");
            }
        }
    }
    check(&grown(&whole, &journal).unwrap(), &journal);
}

#[tokio::test]
async fn i02_i13_a_journal_torn_at_any_byte_loses_no_entry_that_was_acknowledged() {
    let place = tempfile::tempdir().unwrap();
    let first = place.path();
    let before = journal(first);
    log(&before, 0..8).await;
    let disk = Disk::with(Stored::new());
    drop(grown(&disk, &before).unwrap());
    before.close().await;
    let name = "journal-00000000000000000001.kwj";
    let acknowledged = fs::read(first.join(name)).unwrap();
    // Three more, none of which is acknowledged before the power is cut.
    let after = journal(first);
    log(&after, 8..11).await;
    after.close().await;
    let written = fs::read(first.join(name)).unwrap();
    let mut sizes = Vec::new();
    for cut in acknowledged.len()..=written.len() {
        let torn = journal_on(&disk_with(name, &written[..cut]));
        let forest = grown(&Disk::with(disk.stored()), &torn).unwrap();
        assert!(forest.sequence() >= 8, "cut at {cut}");
        assert_eq!(forest.sequence(), torn.last());
        if sizes.last() != Some(&forest.sequence()) {
            check(&forest, &torn);
        }
        sizes.push(forest.sequence());
    }
    sizes.dedup();
    assert_eq!(sizes, [8, 9, 10, 11]);
}

fn disk_with(name: &str, bytes: &[u8]) -> disk::Disk {
    let disk = disk::Disk::default();
    let mut file = disk.create(name).unwrap();
    file.write_at(0, bytes).unwrap();
    file.sync().unwrap();
    disk.sync_dir().unwrap();
    disk
}

#[tokio::test]
async fn another_journal_or_a_shorter_one_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let [long, short, other] =
        ["long", "short", "other"].map(|name| journal(&place.path().join(name)));
    log(&long, 0..300).await;
    log(&short, 0..299).await;
    log(&other, 1..301).await;
    let disk = Disk::with(Stored::new());
    drop(grown(&disk, &long).unwrap());
    let shrunk = open(&disk, &short).err().unwrap();
    assert!(
        matches!(
            shrunk,
            TreesError::Shrunk {
                known: 300,
                found: 299
            }
        ),
        "{shrunk}"
    );
    let contradiction = open(&disk, &other).err().unwrap();
    assert!(
        matches!(contradiction, TreesError::Contradiction { sequence: 300 }),
        "{contradiction}"
    );
    assert!(open(&disk, &long).is_ok());
}

#[tokio::test]
async fn a_state_that_is_damaged_or_gone_is_made_from_the_journal() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    log(&journal, 0..900).await;
    let disk = Disk::with(Stored::new());
    drop(grown(&disk, &journal).unwrap());
    let sound = disk.stored();
    let size = sound["state"].len();
    for at in (0..size).step_by(97) {
        let mut files = sound.clone();
        files.get_mut("state").unwrap()[at] ^= 1;
        let again = Disk::with(files);
        drop(grown(&again, &journal).unwrap());
        assert!(again.stored() == sound, "byte {at}");
    }
    for length in [0, 4, size - 1] {
        let mut files = sound.clone();
        files.get_mut("state").unwrap().truncate(length);
        let again = Disk::with(files);
        check(&grown(&again, &journal).unwrap(), &journal);
        assert!(again.stored() == sound);
    }
    assert!(!expected(&journal).is_empty());
}
