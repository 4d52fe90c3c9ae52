//! Many at once, one of whom must win.

use std::sync::Arc;

use keyward_core::port::storage::{StorageBackend, StorageError};
use tokio::task::JoinSet;

use super::{is_open, name};

/// Concurrent writers of one name.
const RACERS: u8 = 40;
/// Keeps what each racer brings from being the same.
const LARGE: usize = (8 << 20) + 1;

pub(super) async fn check(backend: &Arc<dyn StorageBackend>) {
    of_many_creators_one_wins(backend, "race/small", RACERS, 10).await;
    of_many_creators_one_wins(backend, "race/large", 3, LARGE).await;
    of_many_swaps_one_wins(backend).await;
    every_increment_counts(backend).await;
    of_many_batches_with_one_name_in_common_one_wins(backend).await;
}

/// How a race ended.
struct Finish {
    /// Those who were told that they won.
    winners: Vec<u8>,
    /// Those whose answer was lost on the way: a server on a busy machine drops a connection, and the port lets
    /// a backend say that it does not know. Any one of them may have won.
    open: Vec<u8>,
}

impl Finish {
    /// Waits for all; whoever lost was told so by `lost`.
    async fn of(mut running: JoinSet<(u8, Result<(), StorageError>)>, lost: StorageError) -> Self {
        let (mut winners, mut open) = (Vec::new(), Vec::new());
        let racers = running.len();
        while let Some(finished) = running.join_next().await {
            match finished.unwrap() {
                (racer, Ok(())) => winners.push(racer),
                (racer, Err(error)) if is_open(&error) => open.push(racer),
                (_, Err(error)) => assert_eq!(error, lost),
            }
        }
        assert!(open.len() * 2 <= racers + 1, "{} answers lost", open.len());
        Self { winners, open }
    }

    /// Asserts that one racer won, and that what is found is what that one brought.
    fn assert_one(&self, found: u8) {
        let Self { winners, open } = self;
        match winners.as_slice() {
            [winner] => assert_eq!(found, *winner),
            [] => assert!(open.contains(&found), "{found} of {open:?}"),
            _ => panic!("several won: {winners:?}"),
        }
    }
}

async fn of_many_creators_one_wins(
    backend: &Arc<dyn StorageBackend>,
    text: &'static str,
    racers: u8,
    size: usize,
) {
    let mut running = JoinSet::new();
    for racer in 0..racers {
        let backend = Arc::clone(backend);
        running.spawn(async move {
            let bytes = vec![racer; size];
            (racer, backend.write_if_absent(&name(text), bytes).await)
        });
    }
    let finish = Finish::of(running, StorageError::AlreadyExists).await;
    let found = backend.read(&name(text)).await.unwrap().unwrap();
    assert!(found.len() == size && found.iter().all(|byte| *byte == found[0]));
    finish.assert_one(found[0]);
}

async fn of_many_swaps_one_wins(backend: &Arc<dyn StorageBackend>) {
    const START: u8 = RACERS;
    let object = name("swap/race");
    backend.write(&object, vec![START]).await.unwrap();
    let mut running = JoinSet::new();
    for racer in 0..RACERS {
        let (backend, object) = (Arc::clone(backend), object.clone());
        running.spawn(async move {
            let swapped = backend.compare_and_swap(&object, &[START], vec![racer]);
            (racer, swapped.await)
        });
    }
    let finish = Finish::of(running, StorageError::Conflict).await;
    let found = backend.read(&object).await.unwrap().unwrap();
    assert_eq!(found.len(), 1);
    finish.assert_one(found[0]);
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
    let mut running = JoinSet::new();
    for _ in 0..CALLERS {
        let (backend, object) = (Arc::clone(backend), object.clone());
        running.spawn(async move {
            let (mut raised, mut open) = (0, 0);
            while raised < EACH {
                let seen = backend.read(&object).await.unwrap().unwrap();
                let count = u64::from_be_bytes(seen.as_slice().try_into().unwrap());
                let next = (count + 1).to_be_bytes().to_vec();
                match backend.compare_and_swap(&object, &seen, next).await {
                    Ok(()) => raised += 1,
                    // It may count; see `Finish::open`.
                    Err(error) if is_open(&error) && open < EACH => open += 1,
                    Err(error) => assert_eq!(error, StorageError::Conflict),
                }
            }
            open
        });
    }
    let mut open = 0;
    while let Some(finished) = running.join_next().await {
        open += finished.unwrap();
    }
    let count = backend.read(&object).await.unwrap().unwrap();
    let count = u64::from_be_bytes(count.as_slice().try_into().unwrap());
    let told = CALLERS * EACH;
    assert!(
        (told..=told + open).contains(&count),
        "{count}, {open} open"
    );
}

async fn of_many_batches_with_one_name_in_common_one_wins(backend: &Arc<dyn StorageBackend>) {
    let mut running = JoinSet::new();
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
    let finish = Finish::of(running, StorageError::AlreadyExists).await;
    let found = backend.read(&name("batch/common")).await.unwrap().unwrap();
    assert_eq!(found.len(), 1);
    finish.assert_one(found[0]);
}
