//! The journal of this node: appended in order, synced before the answer.

use async_trait::async_trait;

use crate::audit::{AuditEvent, Journaled};

/// The journal cannot take an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// It cannot be written: disk full, read-only or broken. It recovers by itself when it can.
    #[error("the audit log cannot be written: {cause}; the operation was refused")]
    Unavailable {
        /// The kind of fault, without paths.
        cause: String,
    },
    /// The entry is larger than an entry may be (16 KiB).
    #[error("the audit entry has {size} bytes; an entry has at most {max}")]
    EntryTooLarge {
        /// What it has.
        size: usize,
        /// What it may have.
        max: usize,
    },
    /// A read met something that is not an entry.
    #[error("the audit log is damaged at sequence {sequence}")]
    Damaged {
        /// The first sequence number that could not be read.
        sequence: u64,
    },
}

/// Which entries a reader wants.
#[derive(Clone, Debug, Default)]
pub struct TailQuery {
    /// Entries of this tenant only; `Some(None)` means the system's own; none means all.
    pub tenant: Option<Option<crate::ids::TenantId>>,
    /// Entries after this sequence number. Without it, the last `limit` entries.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// The journal.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Appends an entry and returns its sequence number once it is as durable as the journal is
    /// configured to make it. Waits when the queue is full; an error means it is not in the log.
    async fn append(&self, event: AuditEvent) -> Result<u64, AuditError>;

    /// Entries in order of their sequence numbers.
    async fn tail(&self, query: TailQuery) -> Result<Vec<Journaled>, AuditError>;

    /// The sequence number of the last entry that is durable; 0 if there is none.
    fn last(&self) -> u64;

    /// Waits until an entry with a sequence number above `after` may be there.
    async fn changed(&self, after: u64);

    /// Why appending would fail now, if it would.
    fn fault(&self) -> Option<AuditError>;
}

/// What watches entries as they become durable, in order and exactly once per process; on start
/// the journal replays what came after [`JournalObserver::replay_after`].
pub trait JournalObserver: Send + Sync {
    /// The last sequence number whose effects the observer has kept elsewhere.
    fn replay_after(&self) -> u64;

    /// Up to where the journal is known to have reached, for the journal to notice that its end is lost. An
    /// observer may look at entries again that it has kept.
    fn kept_to(&self) -> u64 {
        self.replay_after()
    }

    /// Entries that are durable now, in order.
    fn observe(&self, entries: &[Journaled]);
}
