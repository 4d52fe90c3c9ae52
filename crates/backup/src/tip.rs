//! The last backup that this process made or found: what the next segment follows on when somebody waits
//! for it. A look at everything that lies there takes the longer the more segments there are.

use std::sync::{Mutex, MutexGuard, PoisonError};

use keyward_core::time::Timestamp;

use crate::manifest::Manifest;

/// After so many seconds it is looked again, for what others made.
const KNOWN_SECONDS: i64 = 300;

/// What the next segment follows on, as far as this process knows.
#[derive(Default)]
pub struct Tip(Mutex<Option<Known>>);

#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) manifest: Manifest,
    /// Segments since the newest full backup.
    pub(crate) since_full: u64,
    /// When everything was looked at.
    pub(crate) looked_at: Timestamp,
}

impl Tip {
    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn known(&self, now: Timestamp) -> Option<Known> {
        let known = self.lock().clone();
        known.filter(|known| now.seconds_since(known.looked_at) < KNOWN_SECONDS)
    }

    pub(crate) fn is(&self, known: Known) {
        *self.lock() = Some(known);
    }

    /// Nothing is sure any more: what was written may be there or not.
    pub(crate) fn forget(&self) {
        *self.lock() = None;
    }
}
