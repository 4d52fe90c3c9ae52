//! A side that does not do its part: remembered from the first failure until a step went well that
//! was begun after the last one.

use keyward_core::port::storage_migration::MigrationTrouble;
use keyward_core::time::Timestamp;

use super::MigratingBackend;

/// What failed, and how often since the start.
#[derive(Default)]
pub(super) struct Troubles {
    open: Option<MigrationTrouble>,
    count: u64,
    looked_at: Option<Timestamp>,
}

impl MigratingBackend {
    /// A side failed.
    pub(super) fn troubled(&self, error: &dyn std::fmt::Display) {
        let now = self.clock.now();
        let mut trouble = self.trouble.lock();
        trouble.count += 1;
        let since = trouble.open.as_ref().map_or(now, |open| open.since);
        trouble.open = Some(MigrationTrouble {
            since,
            last_at: now,
            cause: error.to_string(),
        });
    }

    /// How many failures there were.
    pub(super) fn troubles(&self) -> u64 {
        self.trouble.lock().count
    }

    /// Something that needs the side went well, and was begun after so many failures.
    pub(super) fn well_since(&self, troubles: u64) {
        let mut trouble = self.trouble.lock();
        if trouble.count == troubles {
            trouble.open = None;
        }
    }

    /// What is wrong, if something is.
    pub(super) fn trouble(&self) -> Option<MigrationTrouble> {
        self.trouble.lock().open.clone()
    }

    /// Whether it is time to ask a side that nothing else is asked of: once in so many seconds, and
    /// each time while it fails.
    pub(super) fn is_time_to_look(&self, seconds: i64) -> bool {
        let now = self.clock.now();
        let mut trouble = self.trouble.lock();
        let looked_at = trouble.looked_at;
        let due = trouble.open.is_some()
            || looked_at.is_none_or(|looked_at| now.seconds_since(looked_at) >= seconds);
        if due {
            trouble.looked_at = Some(now);
        }
        due
    }
}
