//! How many large records are opened at once. Whoever asks for a value's length, or for a value that turns
//! out to be too large, holds some parts of it in memory meanwhile, and nothing else bounds how many ask.

use tokio::sync::{Semaphore, SemaphorePermit};

/// First objects read at once, of which nobody knows beforehand how long they are: at most a part each,
/// unless they were written whole.
const READS: usize = 64;
/// Large records whose end is looked for at once: up to four parts each.
const LARGE: usize = 4;

/// The places.
pub(in crate::vault) struct Openings {
    reads: Semaphore,
    large: Semaphore,
}

impl Default for Openings {
    fn default() -> Self {
        Self {
            reads: Semaphore::new(READS),
            large: Semaphore::new(LARGE),
        }
    }
}

impl Openings {
    /// A place for reading a first object. Neither semaphore is ever closed; without one, the place is not
    /// needed.
    pub(super) async fn read(&self) -> Option<SemaphorePermit<'_>> {
        self.reads.acquire().await.ok()
    }

    /// A place for a large record, if one is free now.
    pub(super) fn large_now(&self) -> Option<SemaphorePermit<'_>> {
        self.large.try_acquire().ok()
    }

    /// A place for a large record, in order of asking. Nothing should be held meanwhile.
    pub(super) async fn large(&self) -> Option<SemaphorePermit<'_>> {
        self.large.acquire().await.ok()
    }
}
