//! How the witnesses of this node's log stand: written by whoever asks them, read by people, machines and
//! metrics. Nothing here is kept: what they have signed is, elsewhere.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// How a witness does.
    pub enum WitnessState {
        /// It has not answered since the server started.
        Asking => "asking",
        /// It cosigns what it is sent.
        Following => "following",
        /// It does not answer as it should; it is asked again.
        Failing => "failing",
        /// It will not cosign before somebody has changed something; it is asked again all the same.
        Refused => "refused",
        /// It has cosigned another history under the same name, or a longer one.
        Contradicting => "contradicting",
    }
}

/// How a witness stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessStatus {
    /// Its name in the configuration.
    pub name: String,
    /// The name that it signs under.
    pub key_name: String,
    /// How it does.
    pub state: WitnessState,
    /// How many entries of the log the newest checkpoint holds that it has cosigned.
    pub size: u64,
    /// When it did, as it says itself; none if it has cosigned nothing that is kept.
    pub cosigned_at: Option<Timestamp>,
    /// Since when there has been a checkpoint that it has not cosigned; none if it has the newest.
    pub waiting_since: Option<Timestamp>,
    /// How many checkpoints it cosigned since the server started.
    pub cosigned: u64,
    /// How often it did not since the server started.
    pub failures: u64,
    /// What went wrong last; none while nothing is wrong.
    pub trouble: Option<String>,
}

impl WitnessStatus {
    /// One that was not asked yet.
    pub const fn new(name: String, key_name: String) -> Self {
        Self {
            name,
            key_name,
            state: WitnessState::Asking,
            size: 0,
            cosigned_at: None,
            waiting_since: None,
            cosigned: 0,
            failures: 0,
            trouble: None,
        }
    }

    /// For how long a checkpoint waits for its signature.
    pub fn behind_seconds(&self, now: Timestamp) -> u64 {
        seconds_since(self.waiting_since, now)
    }
}

/// What is signed of the log, and what of that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counting {
    /// How many witnesses a checkpoint needs to count; 0: none.
    pub required: u64,
    /// How many entries the newest signed checkpoint holds.
    pub signed: u64,
    /// How many the newest one holds that counts.
    pub counted: u64,
    /// Since when a newer one has been waiting to count.
    pub waiting_since: Option<Timestamp>,
}

impl Counting {
    /// For how long a checkpoint waits to count.
    pub fn behind_seconds(&self, now: Timestamp) -> u64 {
        seconds_since(self.waiting_since, now)
    }
}

fn seconds_since(since: Option<Timestamp>, now: Timestamp) -> u64 {
    let seconds = since.map_or(0, |since| now.seconds_since(since));
    u64::try_from(seconds).unwrap_or(0)
}

/// The witnesses of a node.
#[derive(Debug, Default)]
pub struct WitnessBoard {
    held: Mutex<(BTreeMap<String, WitnessStatus>, Counting)>,
}

impl WitnessBoard {
    fn held(&self) -> MutexGuard<'_, (BTreeMap<String, WitnessStatus>, Counting)> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows how one stands now.
    pub fn show(&self, status: WitnessStatus) {
        self.held().0.insert(status.name.clone(), status);
    }

    /// Shows what counts now.
    pub fn count(&self, counting: Counting) {
        self.held().1 = counting;
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<WitnessStatus> {
        self.held().0.values().cloned().collect()
    }

    /// What counts.
    pub fn counting(&self) -> Counting {
        self.held().1
    }
}
