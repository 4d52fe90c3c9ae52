//! What every storage backend must do, whatever it is made of: one function for each promise of
//! the port. A backend passes when [`check`] and [`check_under_faults`] return.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc
)]
// A promise that is not kept ends the test.

mod contents;
mod history;
mod races;
mod under_faults;

use std::sync::Arc;

use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};

pub use history::Load;
pub use under_faults::check_under_faults;

/// A name; the text must be well formed.
pub fn name(text: &str) -> ObjectName {
    ObjectName::new(text).unwrap()
}

/// The whole suite on an empty backend.
pub async fn check(backend: Arc<dyn StorageBackend>, load: Load) {
    backend.init().await.unwrap();
    backend.init().await.unwrap();
    contents::check(&*backend).await;
    races::check(&backend).await;
    history::check(&backend, load).await;
    // What was not found above may still lie about.
    let left = backend.list("probe/", None, 10).await.unwrap();
    assert_eq!(left, [], "probes stay behind");
}

/// Everything below a prefix, by pages.
async fn list_all(backend: &dyn StorageBackend, prefix: &str, page: usize) -> Vec<String> {
    let (mut after, mut all) = (None, Vec::new());
    loop {
        let names = backend.list(prefix, after.as_ref(), page).await.unwrap();
        assert!(names.len() <= page);
        all.extend(names.iter().map(|found| found.as_str().to_owned()));
        match names.into_iter().next_back() {
            Some(last) => after = Some(last),
            None => return all,
        }
    }
}

fn is_open(error: &StorageError) -> bool {
    matches!(
        error,
        StorageError::Unavailable { .. } | StorageError::Throttled { .. }
    )
}
