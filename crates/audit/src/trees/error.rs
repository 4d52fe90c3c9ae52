//! Why the trees cannot be opened or go on.

use std::io;

use keyward_core::port::audit_log::AuditError;
use keyward_ledger::EntryTooLong;

/// Why trees cannot be opened, grow or be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreesError {
    /// A file cannot be read or written.
    #[error("the transparency log's {path} cannot be read or written: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not what the journal says it must be.
    #[error(
        "the transparency log's {path} is gone or is not what the journal says: keep a copy of both \
         as evidence, then put the journal back from a copy, or remove the log's directory (`log` \
         beside the journal) to have it made anew from the journal"
    )]
    Damaged {
        /// Which.
        path: String,
    },
    /// The journal ends before what the trees have of it.
    #[error(
        "the transparency log has the journal up to entry {known}, and the journal ends at {found}: \
         its end is lost, or an older copy of it was put back; put the newer one back"
    )]
    Shrunk {
        /// What the trees have.
        known: u64,
        /// The journal's last entry.
        found: u64,
    },
    /// The journal is another one than the trees were made from.
    #[error(
        "entry {sequence} of the journal is not the one that the transparency log was made from: \
         the journal was altered or exchanged; keep a copy of both as evidence and put the right \
         journal back"
    )]
    Contradiction {
        /// Which entry.
        sequence: u64,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] AuditError),
    /// An entry does not fit a bundle.
    #[error(transparent)]
    TooLong(#[from] EntryTooLong),
}
