//! How the mirrors of this node's log stand: written by whoever writes them, read by people, machines and
//! metrics. Nothing here is kept: what a mirror has, it says itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// How a mirror does.
    pub enum MirrorState {
        /// It has not said what it has since the server started.
        Asking => "asking",
        /// It takes what it is given.
        Following => "following",
        /// It does not answer, or takes nothing; it is tried again.
        Failing => "failing",
        /// It holds another log; nothing is written there.
        Refused => "refused",
        /// It holds another history of this log, a longer one, or a file that is not what was written.
        Contradicting => "contradicting",
    }
}

/// How a mirror stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorStatus {
    /// Its name in the configuration.
    pub name: String,
    /// What it is: `directory`, or the kind of the store.
    pub kind: String,
    /// How it does.
    pub state: MirrorState,
    /// How many entries of the system's tree the checkpoint has that lies in it.
    pub size: u64,
    /// How many entries of all trees are signed and not in it.
    pub behind_entries: u64,
    /// Since when there has been something signed that it has not; none if it has everything.
    pub waiting_since: Option<Timestamp>,
    /// When it was last brought up to what was signed; none if it was not since the server started.
    pub mirrored_at: Option<Timestamp>,
    /// How many files were written into it since the server started.
    pub written: u64,
    /// How often it could not be written or read since the server started.
    pub failures: u64,
    /// What went wrong last; none while nothing is wrong.
    pub trouble: Option<String>,
}

impl MirrorStatus {
    /// One that was not asked yet.
    pub const fn new(name: String, kind: String) -> Self {
        Self {
            name,
            kind,
            state: MirrorState::Asking,
            size: 0,
            behind_entries: 0,
            waiting_since: None,
            mirrored_at: None,
            written: 0,
            failures: 0,
            trouble: None,
        }
    }

    /// For how long something waits that is signed and not in it.
    pub fn behind_seconds(&self, now: Timestamp) -> u64 {
        let seconds = self
            .waiting_since
            .map_or(0, |since| now.seconds_since(since));
        u64::try_from(seconds).unwrap_or(0)
    }
}

/// The mirrors of a node.
#[derive(Debug, Default)]
pub struct MirrorBoard {
    held: Mutex<BTreeMap<String, MirrorStatus>>,
}

impl MirrorBoard {
    fn held(&self) -> MutexGuard<'_, BTreeMap<String, MirrorStatus>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows how one stands now.
    pub fn show(&self, status: MirrorStatus) {
        self.held().insert(status.name.clone(), status);
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<MirrorStatus> {
        self.held().values().cloned().collect()
    }
}
