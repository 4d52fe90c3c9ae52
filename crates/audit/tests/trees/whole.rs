//! The whole log checked against its journal, while it grows; and whatever was changed is named.

use keyward_audit::Journal;
use keyward_audit::trees::{Forest, TreesError};
use keyward_core::port::audit_log::AuditLog;

use crate::stage::{Disk, Handle, Stored, event, grown, journal, log, log_heads, tenant};

/// Checks all of it. What is wrong, as it is told.
pub fn check(forest: &Forest<Handle>) -> Result<(), String> {
    let mut check = forest.begin_check();
    loop {
        match forest.check_page(&mut check) {
            Ok(true) => {}
            Ok(false) => {
                let (read, all) = check.progress();
                assert_eq!(read, all);
                return Ok(());
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

#[tokio::test]
async fn i13_a_log_that_nobody_touched_passes_while_it_grows() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    let disk = Disk::with(Stored::new());
    let mut forest = grown(&disk, &journal).unwrap();
    check(&forest).unwrap();
    log(&journal, 0..5_000).await;
    while forest.grow().unwrap() {}
    let heads = forest.heads(uuid::Uuid::from_u128(1)).unwrap();
    log_heads(&journal, heads).await;
    while forest.grow().unwrap() {}
    let mut begun = forest.begin_check();
    log(&journal, 5_001..7_000).await;
    while forest.grow().unwrap() {}
    while forest.check_page(&mut begun).unwrap() {}
    check(&forest).unwrap();
    journal.close().await;
}

#[tokio::test]
async fn i13_every_file_that_was_changed_or_is_gone_is_named() {
    let place = tempfile::tempdir().unwrap();
    let journal = journal(place.path());
    let disk = Disk::with(Stored::new());
    log(&journal, 0..1_200).await;
    let forest = grown(&disk, &journal).unwrap();
    let stored = disk.stored();
    let files: Vec<&String> = stored.keys().filter(|path| *path != "state").collect();
    assert!(files.len() > 3);
    for path in files {
        let whole = &stored[path];
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        let shorter = whole[..whole.len() - 1].to_vec();
        for change in [Some(flipped), Some(shorter), None] {
            match change {
                Some(bytes) => disk.files.lock().unwrap().insert(path.clone(), bytes),
                None => disk.files.lock().unwrap().remove(path),
            };
            let told = check(&forest).unwrap_err();
            assert!(told.contains(path.as_str()), "{path}: {told}");
            disk.files
                .lock()
                .unwrap()
                .insert(path.clone(), whole.clone());
        }
    }
    check(&forest).unwrap();
    journal.close().await;
}

#[tokio::test]
async fn i13_a_journal_that_was_exchanged_or_cut_beneath_the_log_is_noticed() {
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::with(Stored::new());
    let one = journal(&place.path().join("one"));
    write(&one, 'a').await;
    drop(grown(&disk, &one).unwrap());
    one.close().await;
    // Another history that ends with the same entries at the same places, so that it is recognised.
    let other = journal(&place.path().join("other"));
    write(&other, 'b').await;
    let forest = Forest::open(Handle(disk), other.clone()).unwrap();
    let mut begun = forest.begin_check();
    let error = loop {
        match forest.check_page(&mut begun) {
            Ok(more) => assert!(more, "it passed"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, TreesError::Damaged { .. }), "{error}");
    other.close().await;
}

/// Entries one after another, the first hundred by another name than in another journal.
async fn write(journal: &Journal, name: char) {
    for number in 0..200 {
        let name = if number < 100 { name } else { 'z' };
        let entry = event(&format!("{name}-{number:03}"), Some(tenant(1)), None);
        journal.append(entry).await.unwrap();
    }
}
