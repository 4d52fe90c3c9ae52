//! Every file operation failing once, in both forms, under every kind of change; and disks that
//! are full or read-only for a while. What was there stays whole, nothing half is ever read, and
//! the same change succeeds once the disk is well again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod disk;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use disk::faulty::{FaultyDisk, Form};
use disk::{ModelDisk, Omissions};
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use keyward_vault::FileBackend;

fn name(text: &str) -> ObjectName {
    ObjectName::new(text).unwrap()
}

fn open() -> (FaultyDisk, FileBackend) {
    let disk = FaultyDisk::new(ModelDisk::new(Omissions::default()));
    let backend = FileBackend::with_ops(Path::new("/vault"), Arc::new(disk.clone())).unwrap();
    (disk, backend)
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Write,
    WriteIfAbsent,
    PutMany,
    Swap,
    Delete,
}

const CHANGES: [Change; 5] = [
    Change::Write,
    Change::WriteIfAbsent,
    Change::PutMany,
    Change::Swap,
    Change::Delete,
];

async fn make(change: Change, backend: &FileBackend) -> Result<(), StorageError> {
    match change {
        Change::Write => backend.write(&name("a/old"), b"new".to_vec()).await,
        Change::WriteIfAbsent => {
            backend
                .write_if_absent(&name("b/fresh"), b"new".to_vec())
                .await
        }
        Change::PutMany => {
            let objects = ["b/fresh", "c/fresh", "c/more"];
            backend
                .put_many(objects.map(|text| (name(text), b"new".to_vec())).to_vec())
                .await
        }
        Change::Swap => {
            backend
                .compare_and_swap(&name("a/old"), b"old", b"new".to_vec())
                .await
        }
        Change::Delete => backend.delete(&name("a/old")).await,
    }
}

/// Fails the operation at `place` of one change. False when the change has no such operation.
async fn fail_one(change: Change, place: usize, form: Form) -> bool {
    let (disk, backend) = open();
    backend
        .write(&name("a/old"), b"old".to_vec())
        .await
        .unwrap();
    backend
        .write(&name("a/bystander"), b"kept".to_vec())
        .await
        .unwrap();
    disk.fail_after(place, form);
    let answer = make(change, &backend).await;
    let happened = disk.mend();
    let at = format!("{change:?}, operation {place} failing {form:?}");
    if happened && answer.is_err() {
        assert!(
            matches!(answer, Err(StorageError::Unavailable { .. })),
            "{at}: {answer:?}"
        );
    } else {
        // Nothing failed, or only the removal of a temporary, which the next start repeats.
        assert_eq!(answer, Ok(()), "{at}");
    }
    // As it is now, and as the next start finds it.
    let restarted = FileBackend::with_ops(Path::new("/vault"), Arc::new(disk)).unwrap();
    for backend in [&backend, &restarted] {
        let old = backend.read(&name("a/old")).await.unwrap();
        let is_whole = match old.as_deref() {
            Some(b"old") => {
                answer.is_err() || matches!(change, Change::WriteIfAbsent | Change::PutMany)
            }
            Some(b"new") => matches!(change, Change::Write | Change::Swap),
            None => matches!(change, Change::Delete),
            Some(_) => false,
        };
        assert!(is_whole, "{at}: {old:?}");
        for text in ["b/fresh", "c/fresh", "c/more"] {
            let fresh = backend.read(&name(text)).await.unwrap();
            assert!(
                fresh.is_none() || fresh.as_deref() == Some(b"new"),
                "{at}: {text}"
            );
        }
        assert_eq!(
            backend.read(&name("a/bystander")).await,
            Ok(Some(b"kept".to_vec())),
            "{at}"
        );
    }
    let again = make(change, &restarted).await;
    let done_before = matches!(
        (change, &again),
        (
            Change::WriteIfAbsent | Change::PutMany,
            Err(StorageError::AlreadyExists)
        ) | (Change::Swap, Err(StorageError::Conflict))
    );
    assert!(again.is_ok() || done_before, "{at}: {again:?}");
    happened
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_failing_once_leaves_everything_whole() {
    for change in CHANGES {
        for form in [Form::Before, Form::After] {
            let mut place = 0;
            while fail_one(change, place, form).await {
                place += 1;
            }
            assert!(place >= 2, "{change:?} has only {place} operations");
        }
    }
}

#[tokio::test]
async fn a_full_or_read_only_disk_refuses_changes_reads_on_and_recovers() {
    for kind in [ErrorKind::StorageFull, ErrorKind::ReadOnlyFilesystem] {
        let (disk, backend) = open();
        backend
            .write(&name("a/old"), b"old".to_vec())
            .await
            .unwrap();
        disk.refuse_changes(kind);
        for change in CHANGES {
            let refused = make(change, &backend).await;
            assert_eq!(
                refused,
                Err(StorageError::NotWritable {
                    cause: kind.to_string()
                })
            );
        }
        assert!(backend.health().await.is_err());
        assert_eq!(
            backend.read(&name("a/old")).await,
            Ok(Some(b"old".to_vec()))
        );
        // It opens on such a disk as well, and sweeps nothing it should not.
        let reopened = FileBackend::with_ops(Path::new("/vault"), Arc::new(disk.clone())).unwrap();
        assert_eq!(
            reopened.read(&name("a/old")).await,
            Ok(Some(b"old".to_vec()))
        );
        disk.mend();
        for change in [Change::WriteIfAbsent, Change::Swap, Change::Delete] {
            make(change, &backend).await.unwrap();
        }
        backend.health().await.unwrap();
    }
}

#[tokio::test]
async fn a_fault_is_described_without_paths() {
    let folder = tempfile::tempdir().unwrap();
    let error = FileBackend::open(&folder.path().join("no/such/folder"))
        .err()
        .unwrap();
    assert!(!error.to_string().contains('/'), "{error}");
}
