//! What is kept, found, listed and gone, by one caller.

use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use keyward_vault::backend::OBJECT_SIZE_MAX_BYTES;

use super::{list_all, name};

pub(super) async fn check(backend: &dyn StorageBackend) {
    what_is_written_is_read(backend).await;
    write_if_absent_never_overwrites(backend).await;
    put_many_refuses_what_exists(backend).await;
    compare_and_swap_replaces_only_what_was_seen(backend).await;
    deleting_twice_is_no_error(backend).await;
    a_deleted_name_is_free_again(backend).await;
    values_of_any_size_come_back_whole(backend).await;
    what_is_too_large_is_refused(backend).await;
    names_that_share_a_beginning_do_not_meet(backend).await;
    lists_in_order_by_pages(backend).await;
    health_leaves_nothing_behind(backend).await;
}

async fn what_is_written_is_read(backend: &dyn StorageBackend) {
    let object = name("first/a");
    assert_eq!(backend.read(&object).await, Ok(None));
    for value in [&b"one"[..], b"two", b"a longer one than before", b""] {
        backend.write(&object, value.to_vec()).await.unwrap();
        assert_eq!(backend.read(&object).await, Ok(Some(value.to_vec())));
    }
}

async fn write_if_absent_never_overwrites(backend: &dyn StorageBackend) {
    let object = name("absent/a");
    backend
        .write_if_absent(&object, b"one".to_vec())
        .await
        .unwrap();
    // Not even by the same bytes.
    for bytes in [b"one", b"two"] {
        let again = backend.write_if_absent(&object, bytes.to_vec()).await;
        assert_eq!(again, Err(StorageError::AlreadyExists));
    }
    assert_eq!(backend.read(&object).await, Ok(Some(b"one".to_vec())));
}

async fn put_many_refuses_what_exists(backend: &dyn StorageBackend) {
    let objects = |prefix: &str| -> Vec<(ObjectName, Vec<u8>)> {
        (0..20_u8)
            .map(|n| (name(&format!("{prefix}/{n}")), vec![n; 100]))
            .collect()
    };
    backend.put_many(Vec::new()).await.unwrap();
    backend.put_many(objects("many")).await.unwrap();
    for (object, bytes) in objects("many") {
        assert_eq!(backend.read(&object).await, Ok(Some(bytes)));
    }
    let taken = name("some/7");
    backend.write(&taken, b"mine".to_vec()).await.unwrap();
    let refused = backend.put_many(objects("some")).await;
    assert_eq!(refused, Err(StorageError::AlreadyExists));
    assert_eq!(backend.read(&taken).await, Ok(Some(b"mine".to_vec())));
    // The others are there whole, or not at all.
    for (object, bytes) in objects("some") {
        let found = backend.read(&object).await.unwrap();
        assert!(object == taken || found.is_none() || found == Some(bytes));
    }
}

async fn compare_and_swap_replaces_only_what_was_seen(backend: &dyn StorageBackend) {
    let object = name("swap/a");
    let swap = async |expected: &[u8], new: &[u8]| {
        backend
            .compare_and_swap(&object, expected, new.to_vec())
            .await
    };
    assert_eq!(swap(b"one", b"two").await, Err(StorageError::Conflict));
    assert_eq!(swap(b"", b"two").await, Err(StorageError::Conflict));
    backend.write(&object, b"one".to_vec()).await.unwrap();
    swap(b"one", b"two").await.unwrap();
    assert_eq!(swap(b"one", b"three").await, Err(StorageError::Conflict));
    assert_eq!(backend.read(&object).await, Ok(Some(b"two".to_vec())));
    // To what it is, and back to what it was.
    swap(b"two", b"two").await.unwrap();
    swap(b"two", b"one").await.unwrap();
    assert_eq!(backend.read(&object).await, Ok(Some(b"one".to_vec())));
}

async fn deleting_twice_is_no_error(backend: &dyn StorageBackend) {
    let object = name("gone/a");
    backend.write(&object, b"one".to_vec()).await.unwrap();
    backend.delete(&object).await.unwrap();
    backend.delete(&object).await.unwrap();
    backend.delete(&name("never/was/there")).await.unwrap();
    assert_eq!(backend.read(&object).await, Ok(None));
    assert_eq!(backend.list("gone/", None, 10).await, Ok(Vec::new()));
}

async fn a_deleted_name_is_free_again(backend: &dyn StorageBackend) {
    let object = name("again/a");
    for round in 0..3_u8 {
        backend
            .write_if_absent(&object, vec![round; 10])
            .await
            .unwrap();
        assert_eq!(backend.read(&object).await, Ok(Some(vec![round; 10])));
        backend.delete(&object).await.unwrap();
        let swap = backend
            .compare_and_swap(&object, &[round; 10], b"x".to_vec())
            .await;
        assert_eq!(swap, Err(StorageError::Conflict));
    }
}

/// Values above this lie in parts where values have parts.
const PART: usize = 8 << 20;

/// Sizes around the limits that backends have inside: pages, blocks, parts.
async fn values_of_any_size_come_back_whole(backend: &dyn StorageBackend) {
    // A length that no limit is a multiple of, so that a shift shows.
    let value = |size: usize, seed: u8| -> Vec<u8> {
        let block: Vec<u8> = (0..251).map(|n: u8| n.wrapping_add(seed)).collect();
        let mut value = block.repeat(size / block.len() + 1);
        value.truncate(size);
        value
    };
    let object = name("size/a");
    for size in [0, 1, 4095, 4097, 65_536, PART, PART + 1, 2 * PART + 17] {
        backend.delete(&object).await.unwrap();
        backend
            .write_if_absent(&object, value(size, 0))
            .await
            .unwrap();
        let found = backend.read(&object).await.unwrap();
        assert!(found == Some(value(size, 0)), "{size} bytes");
    }
    // A large one replaced by a large one, by a small one, and back; and by comparing.
    let large = 2 * PART + 17;
    for (size, seed) in [(large, 1), (10, 2), (large, 3)] {
        backend.write(&object, value(size, seed)).await.unwrap();
        assert!(backend.read(&object).await == Ok(Some(value(size, seed))));
    }
    let stale = backend
        .compare_and_swap(&object, &value(large, 1), value(10, 4))
        .await;
    assert_eq!(stale, Err(StorageError::Conflict));
    backend
        .compare_and_swap(&object, &value(large, 3), value(large, 4))
        .await
        .unwrap();
    assert!(backend.read(&object).await == Ok(Some(value(large, 4))));
    let taken = backend.write_if_absent(&object, value(large, 5)).await;
    assert_eq!(taken, Err(StorageError::AlreadyExists));
    assert!(backend.read(&object).await == Ok(Some(value(large, 4))));
    assert_eq!(list_all(backend, "size/", 10).await, ["size/a"]);
    backend.delete(&object).await.unwrap();
    assert_eq!(backend.read(&object).await, Ok(None));
}

async fn what_is_too_large_is_refused(backend: &dyn StorageBackend) {
    let object = name("size/too-large");
    let refused = StorageError::TooLarge {
        size_bytes: OBJECT_SIZE_MAX_BYTES + 1,
        size_bytes_max: OBJECT_SIZE_MAX_BYTES,
    };
    // Zeroed pages that nobody touches cost nothing.
    let bytes = vec![0; OBJECT_SIZE_MAX_BYTES + 1];
    assert_eq!(backend.write_if_absent(&object, bytes).await, Err(refused));
    assert_eq!(backend.read(&object).await, Ok(None));
}

async fn names_that_share_a_beginning_do_not_meet(backend: &dyn StorageBackend) {
    let longest = format!("n/{}", "x".repeat(198));
    let objects = ["n/a", "n/a/b", "n/a/b/c", "n/a.b", "n/ab", longest.as_str()];
    for text in objects {
        backend
            .write_if_absent(&name(text), text.as_bytes().to_vec())
            .await
            .unwrap();
    }
    backend.delete(&name("n/a/b")).await.unwrap();
    for text in objects {
        let expected = (text != "n/a/b").then(|| text.as_bytes().to_vec());
        assert_eq!(backend.read(&name(text)).await, Ok(expected));
    }
}

async fn lists_in_order_by_pages(backend: &dyn StorageBackend) {
    // In the order of their bytes: '-' and '.' come before '/', digits and letters after.
    let expected = [
        "l/a", "l/a-b", "l/a.b", "l/a/b", "l/a/b/c", "l/a0", "l/b", "l/ba/z",
    ];
    for text in expected.iter().rev() {
        backend.write(&name(text), b"x".to_vec()).await.unwrap();
    }
    for page in [1, 3, 8, 100] {
        assert_eq!(
            list_all(backend, "l/", page).await,
            expected,
            "pages of {page}"
        );
    }
    assert_eq!(list_all(backend, "l/a/", 100).await, ["l/a/b", "l/a/b/c"]);
    assert_eq!(list_all(backend, "l/b", 100).await, ["l/b", "l/ba/z"]);
    let page = backend.list("l/", Some(&name("l/a/b/b")), 2).await.unwrap();
    assert_eq!(page, [name("l/a/b/c"), name("l/a0")]);
    let past = backend.list("l/", Some(&name("m")), 10).await.unwrap();
    assert_eq!(past, []);
    let before = backend.list("l/", Some(&name("a")), 1).await.unwrap();
    assert_eq!(before, [name("l/a")]);
    assert_eq!(backend.list("nothing/", None, 100).await.unwrap(), []);
    assert_eq!(backend.list("l/", None, 0).await.unwrap(), []);
    assert!(list_all(backend, "", 7).await.len() > expected.len());
}

async fn health_leaves_nothing_behind(backend: &dyn StorageBackend) {
    let before = list_all(backend, "", 1000).await;
    backend.health().await.unwrap();
    assert_eq!(list_all(backend, "", 1000).await, before);
}
