//! Power cuts under parts whose file operations cannot be replaced, such as SQLite's: the real
//! system calls of a process are recorded with `strace`, and a model of a disk then drops and
//! re-orders what was not synced, at any point of the recording.
//!
//! ```text
//! recorder   runs a process under strace                         → a text of system calls
//! strace     reads that text                                     → calls, with when each began and ended
//! history    follows descriptors and names                       → what happened to which file
//! disk       plays it up to a cut and lets a fate decide (fate)   → the directory that is left
//! trial      tries many cuts and asks a check of each
//! ```
//!
//! The process says what it acknowledged through the same channel ([`acknowledge`]): the
//! acknowledgement is a system call too, so its place among writes and syncs is known and needs
//! no clock. A call's effect lies between its beginning and its end; a sync covers the changes
//! that had ended when it began, and no others.
//!
//! Knows nothing of what the files mean.

pub mod dice;
mod disk;
mod fate;
mod history;
mod recorder;
mod strace;
mod trial;

pub use dice::Dice;
pub use disk::{Disk, Image, Omission};
pub use fate::Fate;
pub use history::{Acknowledgement, Effect, Event, FileId, History, HistoryError};
pub use recorder::{RecordError, Recorder, acknowledge};
pub use strace::{Call, Span, TraceError, calls};
pub use trial::{Failure, Trials, Violation};
