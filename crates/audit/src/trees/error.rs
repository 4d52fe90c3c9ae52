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
    /// The journal ends before what was signed.
    #[error(
        "a checkpoint of the audit log was signed that covers the journal up to entry {known}, and \
         the journal ends at {found}: its end is lost, or an older copy of it was put back. Put the \
         newer one back. If it is lost for good: keep a copy of the journal's directory as evidence, \
         then take `log-signed` and `log` out of it; the next start begins a log under another name \
         (docs/audit.md)"
    )]
    SignedShrunk {
        /// The last entry that what was signed covers.
        known: u64,
        /// The journal's last entry.
        found: u64,
    },
    /// The trees are not what was signed.
    #[error(
        "the first {size} entries of the system's log are not those that a checkpoint was signed \
         for: the journal was altered or exchanged. Keep a copy of its directory as evidence, then \
         put the right journal back; or take `log-signed` and `log` out of it, and the next start \
         begins a log under another name (docs/audit.md)"
    )]
    SignedOther {
        /// The size that was signed.
        size: u64,
    },
    /// What was signed last cannot be read.
    #[error(
        "the file `log-signed` beside the journal, which says what was signed last of the audit log, \
         cannot be understood: put it back from a copy; or keep it as evidence and take it and `log` \
         out of the directory, and the next start begins a log under another name (docs/audit.md)"
    )]
    SignedUnreadable,
    /// The hand-overs of the log cannot be read.
    #[error(
        "the file `log-handovers` beside the journal, which leads from earlier signing keys of the audit \
         log to today's, cannot be understood: put it back from a copy; or keep it as evidence, take it \
         away, and give auditors today's key yourself (docs/audit.md)"
    )]
    HandoversUnreadable,
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
    /// The journal is not what its node signed.
    #[error(
        "entries {first} to {sequence} of the journal are not those that this node signed before it \
         answered: the journal was altered. Nothing of it is signed. Keep a copy of its directory as \
         evidence, then put the right journal back"
    )]
    NotSigned {
        /// The first entry that the signature covers.
        first: u64,
        /// The last one.
        sequence: u64,
    },
    /// What is asked for rests on entries that were let go of.
    #[error(
        "this was let go of: the audit log of this node is kept from entry {first} of its journal on \
         (docs/audit-retention.md)"
    )]
    LetGo {
        /// The first entry of the journal that is kept.
        first: u64,
    },
    /// What is noted of the entries that were let go of is not of this log.
    #[error(
        "the note `log-beginning` beside the journal, which says what was let go of, is not of this log: \
         keep a copy of the directory as evidence, then put the right note back (docs/audit-retention.md)"
    )]
    OtherBeginning,
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] AuditError),
    /// An entry does not fit a bundle.
    #[error(transparent)]
    TooLong(#[from] EntryTooLong),
}
