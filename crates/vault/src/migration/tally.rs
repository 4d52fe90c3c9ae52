//! How many objects there are to look at, counted once, a stretch at a time, so that people can be
//! told how much is left. A pass that came to its end knows better.

use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};

use super::survey::names_of_vault;

/// Names asked for at once.
const PAGE: usize = 1000;
/// So many times in a stretch.
const PAGES: usize = 10;

/// A count under way.
#[derive(Default)]
pub(super) struct Tally {
    counted: u64,
    after: Option<ObjectName>,
    whole: bool,
}

impl Tally {
    /// Counts on, if the count is not whole.
    pub(super) async fn go_on(&mut self, side: &dyn StorageBackend) -> Result<(), StorageError> {
        for _ in 0..PAGES {
            if self.whole {
                return Ok(());
            }
            let names = names_of_vault(side, self.after.as_ref(), PAGE).await?;
            self.counted += names.len() as u64;
            self.whole = names.len() < PAGE;
            self.after = names.into_iter().next_back().or(self.after.take());
        }
        Ok(())
    }

    /// A pass has seen them all.
    pub(super) fn is(&mut self, objects: u64) {
        (self.counted, self.whole) = (objects, true);
    }

    /// How many there are, once they are counted.
    pub(super) const fn total(&self) -> Option<u64> {
        if self.whole { Some(self.counted) } else { None }
    }
}
