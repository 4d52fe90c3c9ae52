//! Many at once, one of whom must win.

use std::sync::Arc;

use keyward_core::port::storage::{StorageBackend, StorageError};

use super::name;

/// Concurrent writers of one name.
const RACERS: usize = 40;
/// Keeps what each racer brings from being the same.
const LARGE: usize = (8 << 20) + 1;

pub(super) async fn check(backend: &Arc<dyn StorageBackend>) {
    of_many_creators_one_wins(backend, "race/small", RACERS, 10).await;
    of_many_creators_one_wins(backend, "race/large", 3, LARGE).await;
    of_many_swaps_one_wins(backend).await;
    every_increment_counts(backend).await;
    of_many_batches_with_one_name_in_common_one_wins(backend).await;
}

async fn of_many_creators_one_wins(
    backend: &Arc<dyn StorageBackend>,
    text: &'static str,
    racers: usize,
    size: usize,
) {
    let mut running = tokio::task::JoinSet::new();
    for racer in 0..racers {
        let backend = Arc::clone(backend);
        running.spawn(async move {
            let bytes = vec![racer as u8; size];
            (racer, backend.write_if_absent(&name(text), bytes).await)
        });
    }
    let mut winners = Vec::new();
    while let Some(finished) = running.join_next().await {
        match finished.unwrap() {
            (racer, Ok(())) => winners.push(racer),
            (_, Err(error)) => assert_eq!(error, StorageError::AlreadyExists),
        }
    }
    assert_eq!(winners.len(), 1, "{text}: {winners:?}");
    let found = backend.read(&name(text)).await.unwrap();
    assert!(found == Some(vec![winners[0] as u8; size]));
}

async fn of_many_swaps_one_wins(backend: &Arc<dyn StorageBackend>) {
    let object = name("swap/race");
    backend.write(&object, b"start".to_vec()).await.unwrap();
    let mut running = tokio::task::JoinSet::new();
    for racer in 0..RACERS {
        let (backend, object) = (Arc::clone(backend), object.clone());
        running.spawn(async move {
            let swapped = backend.compare_and_swap(&object, b"start", vec![racer as u8]);
            (racer, swapped.await)
        });
    }
    let mut winners = Vec::new();
    while let Some(finished) = running.join_next().await {
        match finished.unwrap() {
            (racer, Ok(())) => winners.push(racer),
            (_, Err(error)) => assert_eq!(error, StorageError::Conflict),
        }
    }
    assert_eq!(winners.len(), 1);
    let found = backend.read(&object).await;
    assert_eq!(found, Ok(Some(vec![winners[0] as u8])));
}

/// A counter that several raise by compare-and-swap, each as often as it takes.
async fn every_increment_counts(backend: &Arc<dyn StorageBackend>) {
    const CALLERS: u64 = 6;
    const EACH: u64 = 4;
    let object = name("swap/counter");
    backend
        .write(&object, 0_u64.to_be_bytes().to_vec())
        .await
        .unwrap();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (backend, object) = (Arc::clone(backend), object.clone());
        running.spawn(async move {
            let mut raised = 0;
            while raised < EACH {
                let seen = backend.read(&object).await.unwrap().unwrap();
                let count = u64::from_be_bytes(seen.as_slice().try_into().unwrap());
                let next = (count + 1).to_be_bytes().to_vec();
                match backend.compare_and_swap(&object, &seen, next).await {
                    Ok(()) => raised += 1,
                    Err(error) => assert_eq!(error, StorageError::Conflict),
                }
            }
        });
    }
    while let Some(finished) = running.join_next().await {
        finished.unwrap();
    }
    let count = backend.read(&object).await.unwrap().unwrap();
    assert_eq!(count, (CALLERS * EACH).to_be_bytes());
}

async fn of_many_batches_with_one_name_in_common_one_wins(backend: &Arc<dyn StorageBackend>) {
    let mut running = tokio::task::JoinSet::new();
    for racer in 0..8_u8 {
        let backend = Arc::clone(backend);
        running.spawn(async move {
            let mut objects: Vec<_> = (0..5)
                .map(|n| (name(&format!("batch/{racer}/{n}")), vec![racer]))
                .collect();
            // In another place for each, so that who waits for whom is mixed.
            let place = usize::from(racer) % 5;
            objects.insert(place, (name("batch/common"), vec![racer]));
            (racer, backend.put_many(objects).await)
        });
    }
    let mut winners = Vec::new();
    while let Some(finished) = running.join_next().await {
        match finished.unwrap() {
            (racer, Ok(())) => winners.push(racer),
            (_, Err(error)) => assert_eq!(error, StorageError::AlreadyExists),
        }
    }
    assert_eq!(winners.len(), 1);
    let found = backend.read(&name("batch/common")).await;
    assert_eq!(found, Ok(Some(winners)));
}
