//! What a recorded process did to the files below one directory: descriptors and names followed,
//! so that every change is of a file and not of a number.
//!
//! A call that this does not know is refused by name when it touches those files: a change that
//! was overlooked would make the disk's model wrong. One process is followed, its threads share
//! their descriptors; a child of it must not write there.
//!
//! SQLite's `-shm` files are left out: they are shared memory, written through a mapping, and
//! rebuilt from the log by whoever opens the database first
//! (<https://sqlite.org/walformat.html#the_wal_index_file_format>).

mod follower;

use std::path::{Path, PathBuf};

use super::strace::{Span, TraceError};

/// Begins a line that tells of an acknowledgement.
pub(super) const ACKNOWLEDGED: &str = "acknowledged ";

/// A history that cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The trace itself is no good.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The process changed a file in a way that the model of a disk does not have.
    #[error("line {line} of the trace: {call} of {path:?} is not modelled")]
    Unknown {
        /// From 1.
        line: u64,
        /// Which call.
        call: String,
        /// Of which file.
        path: PathBuf,
    },
}

/// A file: the same under every name, another one when its name is given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub usize);

/// What a call did. Paths are relative to the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Bytes were written.
    Write(FileId, usize, Vec<u8>),
    /// The length was set.
    Resize(FileId, usize),
    /// The file's bytes and length were made durable.
    SyncFile(FileId),
    /// The names in a directory were made durable.
    SyncDirectory(PathBuf),
    /// A file has this name now: a new file, or a further name.
    AddName(PathBuf, FileId),
    /// A name is gone.
    RemoveName(PathBuf),
    /// The second name instead of the first one.
    Rename(PathBuf, PathBuf, FileId),
    /// There is a new directory.
    MakeDirectory(PathBuf),
}

/// An effect and when it took place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub span: Span,
    /// What.
    pub effect: Effect,
}

/// What the process told the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Not told before.
    pub at: u64,
    /// What, without its first word.
    pub text: String,
}

/// All that happened, from an empty directory on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// In an order in which it can have happened.
    pub events: Vec<Event>,
    /// In order.
    pub acknowledgements: Vec<Acknowledgement>,
    /// The name under which each file was made.
    pub files: Vec<PathBuf>,
    /// After everything.
    pub end: u64,
}

impl History {
    /// Reads a trace. `root` is the directory's real path, empty when the process began.
    ///
    /// # Errors
    /// When the trace cannot be read or tells of something that is not modelled.
    pub fn read(root: &Path, trace: &str) -> Result<Self, HistoryError> {
        follower::follow(root, trace)
    }
}

#[cfg(test)]
mod tests;
