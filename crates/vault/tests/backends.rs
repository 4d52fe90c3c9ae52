//! What is particular to the two backends on local disks. What all backends promise is in
//! `keyward_testkit::conformance`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use keyward_vault::{EmbeddedBackend, FileBackend};

fn name(text: &str) -> ObjectName {
    ObjectName::new(text).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn is_not_writable(result: Result<(), StorageError>) -> bool {
    matches!(result, Err(StorageError::NotWritable { .. }))
}

#[tokio::test]
async fn i02_the_writer_syncs_its_log_at_every_commit() {
    let folder = tempfile::tempdir().unwrap();
    let backend = EmbeddedBackend::open(&folder.path().join("vault.db")).unwrap();
    let in_force = backend.durability().await.unwrap();
    assert_eq!(in_force.synchronous, 2, "FULL");
    assert_eq!(in_force.journal_mode, "wal");
    assert_eq!(in_force.secure_delete, 1);
}

#[tokio::test]
async fn only_the_owner_can_open_what_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("vault.db");
    let backend = EmbeddedBackend::open(&database).unwrap();
    backend.write(&name("a"), b"x".to_vec()).await.unwrap();
    for file in ["vault.db", "vault.db-wal", "vault.db-shm"] {
        assert_eq!(mode(&folder.path().join(file)), 0o600, "{file}");
    }
    let tree = folder.path().join("files");
    let backend = FileBackend::open(&tree).unwrap();
    backend.write(&name("a/b"), b"x".to_vec()).await.unwrap();
    assert_eq!(mode(&tree), 0o700);
    assert_eq!(mode(&tree.join("objects/a")), 0o700);
    assert_eq!(mode(&tree.join("objects/a/b=")), 0o600);
}

#[tokio::test]
async fn both_find_everything_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (database, tree) = (folder.path().join("vault.db"), folder.path().join("files"));
    {
        let embedded = EmbeddedBackend::open(&database).unwrap();
        embedded
            .write(&name("a/b"), b"kept".to_vec())
            .await
            .unwrap();
        let files = FileBackend::open(&tree).unwrap();
        files.write(&name("a/b"), b"kept".to_vec()).await.unwrap();
    }
    let embedded = EmbeddedBackend::open(&database).unwrap();
    let files = FileBackend::open(&tree).unwrap();
    for backend in [&embedded as &dyn StorageBackend, &files] {
        assert_eq!(backend.read(&name("a/b")).await, Ok(Some(b"kept".to_vec())));
    }
}

#[tokio::test]
async fn a_full_database_refuses_writes_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let backend = EmbeddedBackend::open(&folder.path().join("vault.db")).unwrap();
    backend
        .write(&name("before"), b"kept".to_vec())
        .await
        .unwrap();
    backend.limit_size(Some(256 << 10)).await.unwrap();
    let mut written = Vec::new();
    let refused = loop {
        let object = name(&format!("filler/{}", written.len()));
        match backend.write_if_absent(&object, vec![7; 10_000]).await {
            Ok(()) => written.push(object),
            Err(error) => break error,
        }
    };
    let cause = "the disk or the size limit is full".to_owned();
    assert_eq!(refused, StorageError::NotWritable { cause });
    assert!(!written.is_empty());
    assert!(is_not_writable(
        backend
            .put_many(vec![(name("more"), vec![7; 100_000])])
            .await
    ));
    assert_eq!(
        backend.read(&name("before")).await,
        Ok(Some(b"kept".to_vec()))
    );
    assert_eq!(backend.read(&name("more")).await, Ok(None));
    for object in &written {
        assert_eq!(backend.read(object).await, Ok(Some(vec![7; 10_000])));
    }
    backend.limit_size(None).await.unwrap();
    backend
        .put_many(vec![(name("more"), vec![7; 100_000])])
        .await
        .unwrap();
    backend.health().await.unwrap();
}

#[tokio::test]
async fn a_file_of_something_else_or_of_a_newer_release_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.db");
    let connection = rusqlite::Connection::open(&foreign).unwrap();
    connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(connection);
    assert!(EmbeddedBackend::open(&foreign).is_err());

    let garbage = folder.path().join("garbage.db");
    std::fs::write(&garbage, vec![b'x'; 8192]).unwrap();
    assert!(EmbeddedBackend::open(&garbage).is_err());

    let newer = folder.path().join("vault.db");
    drop(EmbeddedBackend::open(&newer).unwrap());
    let connection = rusqlite::Connection::open(&newer).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    drop(connection);
    let refused = EmbeddedBackend::open(&newer).err().unwrap();
    let cause = "the file is of another release".to_owned();
    assert_eq!(refused, StorageError::Misconfigured { cause });
    assert!(EmbeddedBackend::open(&folder.path().join("no/such/folder/vault.db")).is_err());
    assert!(FileBackend::open(&folder.path().join("no/such/folder")).is_err());
}

#[tokio::test]
async fn what_was_deleted_is_not_left_in_the_database_or_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let backend = EmbeddedBackend::open(&folder.path().join("vault.db")).unwrap();
    let needle = b"a rare sequence of bytes, 41 of them long".to_vec();
    let is_on_disk = || {
        ["vault.db", "vault.db-wal"].iter().any(|file| {
            let bytes = std::fs::read(folder.path().join(file)).unwrap();
            bytes.windows(needle.len()).any(|window| window == needle)
        })
    };
    backend
        .write(&name("secret"), needle.clone())
        .await
        .unwrap();
    assert!(is_on_disk());
    backend.delete(&name("secret")).await.unwrap();
    assert!(!is_on_disk());
}

#[tokio::test]
async fn names_that_share_a_beginning_do_not_meet_in_the_file_tree() {
    let folder = tempfile::tempdir().unwrap();
    let backend = FileBackend::open(&folder.path().join("vault")).unwrap();
    let objects = ["a", "a/b", "a/b/c", "a.b"];
    for text in objects {
        backend
            .write_if_absent(&name(text), text.as_bytes().to_vec())
            .await
            .unwrap();
    }
    for text in objects {
        assert_eq!(
            backend.read(&name(text)).await,
            Ok(Some(text.as_bytes().to_vec()))
        );
    }
}

#[tokio::test]
async fn leftover_temporaries_are_swept_up_at_start_and_strangers_are_not_objects() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("vault");
    let backend = FileBackend::open(&root).unwrap();
    backend.write(&name("a"), b"kept".to_vec()).await.unwrap();
    drop(backend);
    std::fs::write(root.join("tmp/0"), b"half a rec").unwrap();
    std::fs::write(root.join("objects/README"), b"not an object").unwrap();
    let backend = FileBackend::open(&root).unwrap();
    assert_eq!(std::fs::read_dir(root.join("tmp")).unwrap().count(), 0);
    assert_eq!(backend.list("", None, 10).await.unwrap(), [name("a")]);
}
