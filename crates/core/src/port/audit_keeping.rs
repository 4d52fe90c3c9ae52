//! The log's beginning: what of this node's oldest entries could be let go of, and letting go of it. What
//! may go is decided by core from retention and legal holds; how it goes is the log's own.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::audit::class::EntryClass;
use crate::ids::TenantId;
use crate::time::Timestamp;

/// Why nothing can be said of the oldest entries, or nothing is let go of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeepingError {
    /// The log is damaged, or somebody else's: the text says what to do.
    #[error("{0}")]
    Damaged(String),
    /// The disk or the archive failed; it is tried again.
    #[error("{0}")]
    Unavailable(String),
}

/// Some of a tenant's entries of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// How many.
    pub entries: u64,
    /// The latest time that any of them says.
    pub newest: Timestamp,
}

/// A sealed segment at the log's beginning: it goes whole, or stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldSegment {
    /// The number of its first entry.
    pub first: u64,
    /// The number of its last entry.
    pub last: u64,
    /// Bytes on the disk that letting go of it frees, about.
    pub bytes: u64,
    /// The latest time that any entry in it says, heads among them.
    pub newest: Timestamp,
    /// Whose entries it has, of which class; no tenant: the system's own.
    pub holds: BTreeMap<(Option<TenantId>, EntryClass), Held>,
    /// Which of the mirrors that are the log's archive do not have all of it yet, by name.
    pub lacking: Vec<String>,
}

/// Where the log begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// The number of the first entry that is still here; 1 if nothing was ever let go of.
    pub first: u64,
}

/// The oldest entries of this node's log.
#[async_trait]
pub trait AuditKeeping: Send + Sync {
    /// Where the log begins.
    fn beginning(&self) -> Beginning;

    /// The segments at the beginning that could go, the oldest first, at most so many: sealed, in the trees, under
    /// a signed checkpoint, known to the index, and behind every stream and mirror. The first that cannot go ends them.
    async fn oldest(&self, most: usize) -> Result<Vec<OldSegment>, KeepingError>;

    /// Lets go of every segment up to this entry, which is the last of one that [`Self::oldest`] names. First it is noted
    /// durably from where on the log is kept; then the files go. Again it changes nothing.
    async fn let_go(&self, through: u64) -> Result<Beginning, KeepingError>;
}
