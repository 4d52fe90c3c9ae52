//! Sixty-four callers, on names of their own and on shared ones, doing everything at random; what
//! they were told must have an order, name by name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keyward_core::port::storage::{StorageBackend, StorageError};

use super::{is_open, name};
use crate::linear::{Act, Event, is_linearizable};
use crate::power_cut::dice::Dice;

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Acts of each caller.
    pub acts: u64,
    /// Where chance begins.
    pub seed: u64,
}

impl Default for Load {
    fn default() -> Self {
        Self { acts: 6, seed: 1 }
    }
}

const CALLERS: u64 = 64;
/// Names that several callers share; every other act is on the caller's own.
const SHARED: u64 = 8;

pub(super) async fn check(backend: &Arc<dyn StorageBackend>, load: Load) {
    let time = Arc::new(AtomicU64::new(0));
    let mut running = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let (backend, time) = (Arc::clone(backend), Arc::clone(&time));
        running.spawn(async move { act(&*backend, &time, caller, load).await });
    }
    let mut histories: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    while let Some(finished) = running.join_next().await {
        for (text, event) in finished.unwrap() {
            histories.entry(text).or_default().push(event);
        }
    }
    for (text, events) in histories {
        let is_right = is_linearizable(&events, None);
        assert!(
            is_right,
            "{text} has no order (seed {}): {events:#?}",
            load.seed
        );
    }
}

async fn act(
    backend: &dyn StorageBackend,
    time: &AtomicU64,
    caller: u64,
    load: Load,
) -> Vec<(String, Event)> {
    let mut dice = Dice::new(load.seed * CALLERS + caller);
    let mut events = Vec::new();
    let mut last_seen: BTreeMap<String, u32> = BTreeMap::new();
    for number in 0..load.acts {
        let text = if dice.once_in(2) {
            format!("history/own/{caller}")
        } else {
            format!("history/shared/{}", caller % SHARED)
        };
        let value = (caller * load.acts + number) as u32;
        let planned = match dice.below(6) {
            0 | 1 => Act::Read(None),
            2 => Act::Write(value),
            3 => Act::Create(value, true),
            4 => match last_seen.get(&text) {
                Some(seen) => Act::Swap(*seen, value, true),
                None => Act::Read(None),
            },
            _ => Act::Delete,
        };
        let begun = time.fetch_add(1, Ordering::SeqCst);
        let (act, settled) = perform(backend, &text, planned).await;
        let ended = time.fetch_add(1, Ordering::SeqCst);
        match act {
            Act::Read(Some(seen)) | Act::Write(seen) | Act::Create(seen, true) => {
                last_seen.insert(text.clone(), seen);
            }
            _ => {}
        }
        let ended = settled.then_some(ended);
        events.push((text, Event { act, begun, ended }));
    }
    events
}

/// Does it, and says what it was told and whether that settles it.
async fn perform(backend: &dyn StorageBackend, text: &str, planned: Act) -> (Act, bool) {
    let object = name(text);
    let told = match planned {
        Act::Read(_) => {
            let found = backend.read(&object).await.expect("reads");
            return (Act::Read(found.as_deref().map(number_in)), true);
        }
        Act::Write(value) => backend.write(&object, bytes_of(value)).await,
        Act::Create(value, _) => backend.write_if_absent(&object, bytes_of(value)).await,
        Act::Swap(from, to, _) => {
            let expected = bytes_of(from);
            backend
                .compare_and_swap(&object, &expected, bytes_of(to))
                .await
        }
        Act::Delete => backend.delete(&object).await,
    };
    match (planned, told) {
        (act, Ok(())) => (act, true),
        (Act::Create(value, _), Err(StorageError::AlreadyExists)) => {
            (Act::Create(value, false), true)
        }
        (Act::Swap(from, to, _), Err(StorageError::Conflict)) => (Act::Swap(from, to, false), true),
        (act, Err(error)) => {
            assert!(is_open(&error), "{act:?}: {error}");
            (act, false)
        }
    }
}

/// Of a size that differs from value to value, so that half of one and half of another shows.
fn bytes_of(value: u32) -> Vec<u8> {
    let mut bytes = value.to_be_bytes().to_vec();
    bytes.resize(4 + value as usize % 97, value as u8);
    bytes
}

fn number_in(bytes: &[u8]) -> u32 {
    let value = u32::from_be_bytes(bytes[..4].try_into().unwrap());
    assert_eq!(bytes, bytes_of(value), "a value is whole");
    value
}
