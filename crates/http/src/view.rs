//! What core holds, as the wire shows it. No provider secrets, no digests of tokens, no records.

pub mod access;
pub mod audit_keeping;
pub mod backup;
pub mod exchange;
pub mod key;
pub mod registry_migration;
pub mod rest;
pub mod rotation;
pub mod schedule;
pub mod seal;
pub mod secret;
pub mod storage;
pub mod storage_migration;

use keyward_api::time::Time;
use keyward_core::time::Timestamp;

/// An instant.
pub fn time(at: Timestamp) -> Time {
    Time(at.to_string())
}

/// An instant that may not have come.
pub fn some_time(at: Option<Timestamp>) -> Option<Time> {
    at.map(time)
}
