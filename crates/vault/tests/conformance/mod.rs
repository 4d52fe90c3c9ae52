//! What every backend must do, whatever it is made of. One function per promise of the port; a
//! backend passes when [`check`] returns.

use std::sync::Arc;

use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};

/// Concurrent writers of one name.
const RACERS: usize = 40;

/// A name; the text must be well formed.
pub fn name(text: &str) -> ObjectName {
    ObjectName::new(text).unwrap()
}

/// The whole suite. The backend must be empty.
pub async fn check(backend: Arc<dyn StorageBackend>) {
    what_is_written_is_read(&*backend).await;
    write_if_absent_never_overwrites(&*backend).await;
    put_many_refuses_what_exists(&*backend).await;
    of_many_racers_one_wins(&backend).await;
    compare_and_swap_replaces_only_what_was_seen(&*backend).await;
    of_many_swaps_one_wins(&backend).await;
    deleting_twice_is_no_error(&*backend).await;
    large_and_empty_values_come_back_whole(&*backend).await;
    lists_in_order_by_pages(&*backend).await;
    health_leaves_nothing_behind(&*backend).await;
}

async fn what_is_written_is_read(backend: &dyn StorageBackend) {
    let object = name("first/a");
    assert_eq!(backend.read(&object).await, Ok(None));
    backend.write(&object, b"one".to_vec()).await.unwrap();
    assert_eq!(backend.read(&object).await, Ok(Some(b"one".to_vec())));
    backend.write(&object, b"two".to_vec()).await.unwrap();
    assert_eq!(backend.read(&object).await, Ok(Some(b"two".to_vec())));
}

async fn write_if_absent_never_overwrites(backend: &dyn StorageBackend) {
    let object = name("absent/a");
    backend
        .write_if_absent(&object, b"one".to_vec())
        .await
        .unwrap();
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
    backend
        .write(&name("some/7"), b"mine".to_vec())
        .await
        .unwrap();
    let refused = backend.put_many(objects("some")).await;
    assert_eq!(refused, Err(StorageError::AlreadyExists));
    assert_eq!(
        backend.read(&name("some/7")).await,
        Ok(Some(b"mine".to_vec()))
    );
}

async fn of_many_racers_one_wins(backend: &Arc<dyn StorageBackend>) {
    let mut racers = tokio::task::JoinSet::new();
    for racer in 0..RACERS {
        let backend = Arc::clone(backend);
        racers.spawn(async move {
            let bytes = format!("racer {racer}").into_bytes();
            (
                bytes.clone(),
                backend.write_if_absent(&name("race/a"), bytes).await,
            )
        });
    }
    let mut winners = Vec::new();
    while let Some(finished) = racers.join_next().await {
        match finished.unwrap() {
            (bytes, Ok(())) => winners.push(bytes),
            (_, Err(error)) => assert_eq!(error, StorageError::AlreadyExists),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(backend.read(&name("race/a")).await, Ok(winners.pop()));
}

async fn compare_and_swap_replaces_only_what_was_seen(backend: &dyn StorageBackend) {
    let object = name("swap/a");
    let missing = backend
        .compare_and_swap(&object, b"one", b"two".to_vec())
        .await;
    assert_eq!(missing, Err(StorageError::Conflict));
    backend.write(&object, b"one".to_vec()).await.unwrap();
    backend
        .compare_and_swap(&object, b"one", b"two".to_vec())
        .await
        .unwrap();
    let stale = backend
        .compare_and_swap(&object, b"one", b"three".to_vec())
        .await;
    assert_eq!(stale, Err(StorageError::Conflict));
    assert_eq!(backend.read(&object).await, Ok(Some(b"two".to_vec())));
}

async fn of_many_swaps_one_wins(backend: &Arc<dyn StorageBackend>) {
    let object = name("swap/race");
    backend.write(&object, b"start".to_vec()).await.unwrap();
    let mut racers = tokio::task::JoinSet::new();
    for racer in 0..RACERS {
        let (backend, object) = (Arc::clone(backend), object.clone());
        racers.spawn(async move {
            backend
                .compare_and_swap(&object, b"start", vec![racer as u8])
                .await
        });
    }
    let mut won = 0;
    while let Some(finished) = racers.join_next().await {
        match finished.unwrap() {
            Ok(()) => won += 1,
            Err(error) => assert_eq!(error, StorageError::Conflict),
        }
    }
    assert_eq!(won, 1);
}

async fn deleting_twice_is_no_error(backend: &dyn StorageBackend) {
    let object = name("gone/a");
    backend.write(&object, b"one".to_vec()).await.unwrap();
    backend.delete(&object).await.unwrap();
    backend.delete(&object).await.unwrap();
    backend.delete(&name("never/was/there")).await.unwrap();
    assert_eq!(backend.read(&object).await, Ok(None));
    backend
        .write_if_absent(&object, b"again".to_vec())
        .await
        .unwrap();
    assert_eq!(backend.read(&object).await, Ok(Some(b"again".to_vec())));
}

async fn large_and_empty_values_come_back_whole(backend: &dyn StorageBackend) {
    let large: Vec<u8> = (0..5_u32 << 20).map(|n| (n % 251) as u8).collect();
    backend
        .write(&name("size/large"), large.clone())
        .await
        .unwrap();
    backend
        .write(&name("size/empty"), Vec::new())
        .await
        .unwrap();
    assert!(backend.read(&name("size/large")).await == Ok(Some(large)));
    assert_eq!(
        backend.read(&name("size/empty")).await,
        Ok(Some(Vec::new()))
    );
}

async fn lists_in_order_by_pages(backend: &dyn StorageBackend) {
    // In the order of their bytes: '-' and '.' come before '/', digits and letters after.
    let expected = [
        "l/a", "l/a-b", "l/a.b", "l/a/b", "l/a/b/c", "l/a0", "l/b", "l/ba/z",
    ];
    for text in expected.iter().rev() {
        backend.write(&name(text), b"x".to_vec()).await.unwrap();
    }
    let texts = |names: Vec<ObjectName>| -> Vec<String> {
        names
            .iter()
            .map(|found| found.as_str().to_owned())
            .collect()
    };
    assert_eq!(
        texts(backend.list("l/", None, 100).await.unwrap()),
        expected
    );
    let (mut after, mut pages) = (None, Vec::new());
    loop {
        let page = backend.list("l/", after.as_ref(), 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        pages.extend(texts(page));
    }
    assert_eq!(pages, expected);
    assert_eq!(
        texts(backend.list("l/a/", None, 100).await.unwrap()),
        ["l/a/b", "l/a/b/c"]
    );
    assert_eq!(
        texts(backend.list("l/b", None, 100).await.unwrap()),
        ["l/b", "l/ba/z"]
    );
    let page = backend.list("l/", Some(&name("l/a/b/b")), 2).await.unwrap();
    assert_eq!(texts(page), ["l/a/b/c", "l/a0"]);
    assert_eq!(backend.list("nothing/", None, 100).await.unwrap(), []);
}

async fn health_leaves_nothing_behind(backend: &dyn StorageBackend) {
    let before = backend.list("", None, 1000).await.unwrap();
    backend.health().await.unwrap();
    assert_eq!(backend.list("", None, 1000).await.unwrap(), before);
}
