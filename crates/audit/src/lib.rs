//! The audit log on disk: an append-only journal in segments, committed in groups.
//!
//! [`Journal`] implements core's `AuditLog` port. It knows how entries are kept and nothing of what
//! they mean: no key material, no policy, no HTTP. The format is described for strangers in
//! `docs/formats/journal.md`.
//!
//! ```text
//! append ─► canonical (and signed, by itself) ─► queue (a lane per tenant) ─► writer ─► segment ─► observer ─► answer
//! open   ─► recovery ─► tail (examine, settle) ─► reader ─► observer (what it has not kept)
//! tail   ─► reader ─► segments, up to what is durable
//! sealer ─► a finished segment, compressed; reads as it did
//! forest ─► the oldest segments go: a note first, and what the trees need of them in it
//! ```
//!
//! The promise: an entry that `append` acknowledged is there after any crash, in its place, and
//! `append` refuses at once while the disk cannot be written. The journal mends itself when it can.

mod beginning;
mod canonical;
mod catalog;
mod combining;
mod entry_line;
mod entry_signature;
mod fault;
mod frame;
mod frames;
pub mod index;
mod io;
mod journal;
mod letting_go;
mod lull;
pub mod mirror;
mod numbers;
mod oldest;
mod pace;
mod queue;
mod reader;
mod recovery;
mod revisions;
mod room;
mod sealed;
mod segment;
mod signature;
mod signing;
mod std_io;
mod tail;
pub mod trees;
mod unlogged;
mod waiting;
mod watch;
mod witnessed;
mod writer;

pub use entry_line::{LineError, logged_bytes};
pub use entry_signature::{EntriesInOrder, EntryFault, EntryKeys, EntryStanding};
pub use io::{Access, Identity, JournalIo, SegmentFile};
pub use journal::{Journal, JournalConfig, SyncMode, Unlogged};
pub use lull::Lull;
pub use oldest::Oldest;
pub use reader::{Place, Written};
pub use recovery::{Begins, OpenError};
pub use sealed::{SealError, Sealer, Sealing};
pub use signature::{BatchKey, BatchSignature};
pub use std_io::StdIo;
pub use waiting::WaitingFiles;
pub use watch::{Touched, Watch};
pub use witnessed::{WitnessError, WitnessMemory};
