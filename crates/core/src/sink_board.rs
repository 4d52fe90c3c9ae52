//! How the streams of this node's audit log stand: written by whoever drives them, read by people,
//! machines and metrics. Nothing here is kept: a stream that goes on says so itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// What a sink is.
    pub enum SinkKind {
        /// A file that is rotated.
        File => "file",
        /// Syslog, RFC 5424.
        Syslog => "syslog",
        /// Anything that takes lines or `CloudEvents` over HTTP.
        Http => "http",
        /// Splunk's HTTP Event Collector.
        Splunk => "splunk",
        /// NATS `JetStream`.
        Nats => "nats",
    }
}

text_enum! {
    /// How a sink does.
    pub enum SinkState {
        /// It takes what comes.
        Following => "following",
        /// It does not take anything now; it is tried again.
        Failing => "failing",
        /// It cannot go on before somebody has changed something; it is tried again all the same.
        Refused => "refused",
    }
}

/// How a sink stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkStatus {
    /// Its name in the configuration.
    pub name: String,
    /// What it is.
    pub kind: SinkKind,
    /// How it does.
    pub state: SinkState,
    /// The last entry of the journal that it is known to have, or does not want.
    pub sequence: u64,
    /// When the first entry was made that it wants and does not have; none if it has everything.
    pub waiting_since: Option<Timestamp>,
    /// Since when it fails, whatever it fails at; none while nothing is wrong.
    pub failing_since: Option<Timestamp>,
    /// How many entries it took since the server started.
    pub sent: u64,
    /// How often it did not since the server started.
    pub failures: u64,
    /// What went wrong last, without secrets; none while nothing is wrong.
    pub trouble: Option<String>,
    /// When it last took something; none if it did not since the server started.
    pub sent_at: Option<Timestamp>,
}

impl SinkStatus {
    /// One that has not begun.
    pub const fn new(name: String, kind: SinkKind) -> Self {
        Self {
            name,
            kind,
            state: SinkState::Following,
            sequence: 0,
            waiting_since: None,
            failing_since: None,
            sent: 0,
            failures: 0,
            trouble: None,
            sent_at: None,
        }
    }

    /// For how long the oldest entry waits that it does not have, or for how long it fails, whichever
    /// is longer: one that cannot read the journal does not know what waits.
    pub fn behind_seconds(&self, now: Timestamp) -> u64 {
        let since = self.waiting_since.into_iter().chain(self.failing_since);
        let seconds = since.min().map_or(0, |since| now.seconds_since(since));
        u64::try_from(seconds).unwrap_or(0)
    }

    /// How many entries of a journal that ends at `last` it has not been given or passed over.
    pub const fn behind_entries(&self, last: u64) -> u64 {
        last.saturating_sub(self.sequence)
    }
}

/// The sinks of a node.
#[derive(Debug, Default)]
pub struct SinkBoard {
    held: Mutex<BTreeMap<String, SinkStatus>>,
}

impl SinkBoard {
    fn held(&self) -> MutexGuard<'_, BTreeMap<String, SinkStatus>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows how one stands now.
    pub fn show(&self, status: SinkStatus) {
        self.held().insert(status.name.clone(), status);
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<SinkStatus> {
        self.held().values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_makes_nobody_late() {
        let mut status = SinkStatus::new("siem".to_owned(), SinkKind::File);
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        assert_eq!(status.behind_seconds(at(50)), 0);
        status.waiting_since = Some(at(100));
        assert_eq!(status.behind_seconds(at(50)), 0);
        assert_eq!(status.behind_seconds(at(160)), 60);
        status.failing_since = Some(at(130));
        assert_eq!(status.behind_seconds(at(160)), 60);
        status.waiting_since = None;
        assert_eq!(status.behind_seconds(at(160)), 30);
        status.sequence = 7;
        assert_eq!(status.behind_entries(9), 2);
        assert_eq!(status.behind_entries(3), 0);
    }
}
