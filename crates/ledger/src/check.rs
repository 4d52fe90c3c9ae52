//! A whole log checked from its files and its public key: the checkpoint's signatures, every entry,
//! every tile; and where it is wrong, which file, which entry and which hash.
//!
//! Everything but the signature is redundant: an entry's hash stands in its tile, a tile's hash in
//! the tile above, and the root commits to all of them. So when two of them contradict each other,
//! the side that leads to the signed root is right, and the other one is named.

mod source;
mod survey;
mod verdict;

use std::fmt;
use std::io;

use crate::bundle::BundleError;
use crate::checkpoint::{CheckpointError, OpenedCheckpoint};
use crate::key::VerifierKey;
use crate::proof::Head;

pub use source::Files;

/// Where a log's checkpoint is, below its prefix.
pub const CHECKPOINT_PATH: &str = "checkpoint";
/// How many faults are named. A log of which more files are gone or broken is not read to its end:
/// its checkpoint may claim any number of entries.
const FAULTS_MAX: usize = 1000;
/// The largest checkpoint that is read.
const CHECKPOINT_MAX: usize = 512 * 1024;

/// What a check found.
#[derive(Debug)]
pub struct Checked<'a> {
    /// The checkpoint, whose signatures are right.
    pub checkpoint: OpenedCheckpoint<'a>,
    /// What is wrong, by place.
    pub faults: Faults,
    /// Files that the checkpoint says nothing of: behind its last entry, or not a log's.
    pub unchecked: Vec<String>,
}

/// What is wrong with a log's files.
#[derive(Debug, Default)]
pub struct Faults {
    named: Vec<LogFault>,
    more: u64,
    stopped: bool,
}

impl Faults {
    /// Those that are named: at most 1,000.
    pub fn named(&self) -> &[LogFault] {
        &self.named
    }

    /// How many there are beside.
    pub fn more(&self) -> u64 {
        self.more
    }

    /// Whether reading ended before the log did, because of so many.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Whether there are enough of them to stop reading.
    fn stop(&mut self) -> bool {
        self.stopped |= self.named.len() >= FAULTS_MAX;
        self.stopped
    }

    /// Whether there is none.
    pub fn none(&self) -> bool {
        self.named.is_empty()
    }

    fn add(&mut self, path: impl ToString, fault: Fault) {
        if self.named.len() < FAULTS_MAX {
            let path = path.to_string();
            self.named.push(LogFault { path, fault });
        } else {
            self.more += 1;
        }
    }
}

/// Something wrong in a log, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFault {
    /// The file, below the log's prefix.
    pub path: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It is not there.
    Missing,
    /// It cannot be read.
    Unreadable(io::ErrorKind),
    /// A tile with another number of bytes than its hashes have.
    Length {
        /// What it has.
        found: usize,
        /// What it should have.
        expected: usize,
    },
    /// A bundle that does not hold the entries it should.
    Bundle {
        /// The index of its first entry.
        first: u64,
        /// What is wrong with it.
        error: BundleError,
    },
    /// An entry is not the one that the signed root commits to.
    Entry {
        /// Its index in the log.
        index: u64,
        /// How many others of the same bundle are wrong.
        others: u64,
    },
    /// A hash is not the one that the signed root commits to.
    Hash {
        /// Which of the tile, counted from 0.
        at: u64,
        /// How many others of the same tile are wrong.
        others: u64,
    },
    /// A bundle and its tile contradict each other, and neither leads to the signed root.
    Contradiction {
        /// The first entry at which they do.
        index: u64,
    },
    /// Its entries, or its hashes, are not those that the tile above commits to; nothing is left that
    /// would tell which of them.
    Whole {
        /// The index of the first entry.
        first: u64,
    },
    /// What would show whether it is what was logged is missing, and the signed root is not reached.
    Unproven {
        /// The index of the first entry.
        first: u64,
    },
    /// It is the beginning of a tile, and not that of the tile as it is now.
    OtherBeginning,
    /// The checkpoint is signed, but commits to another tree than the files are.
    OtherTree,
    /// An older checkpoint commits to another beginning than the log has.
    OtherHistory {
        /// The older size.
        size: u64,
    },
}

impl fmt::Display for LogFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match &self.fault {
            Fault::Missing => f.write_str("the file is missing"),
            Fault::Unreadable(kind) => write!(f, "the file cannot be read: {kind}"),
            Fault::Length { found, expected } => {
                write!(f, "the tile has {found} bytes instead of {expected}")
            }
            Fault::Bundle { first, error } => {
                write!(
                    f,
                    "the bundle that begins with entry {first} is broken: {error}"
                )
            }
            Fault::Entry { index, others } => {
                write!(f, "entry {index} is not the one that was logged")?;
                others_too(f, *others)
            }
            Fault::Hash { at, others } => {
                write!(f, "hash {at} is not the log's")?;
                others_too(f, *others)
            }
            Fault::Contradiction { index } => write!(
                f,
                "from entry {index} on, entries and hashes contradict each other, and neither \
                 leads to the signed root"
            ),
            Fault::Whole { first } => write!(
                f,
                "from entry {first} on, this is not what was logged: the tile above commits to \
                 something else"
            ),
            Fault::Unproven { first } => write!(
                f,
                "from entry {first} on, this may not be what was logged: what would show it is \
                 gone, and the signed root is not reached"
            ),
            Fault::OtherBeginning => {
                f.write_str("it is not the beginning of the tile as it is now")
            }
            Fault::OtherTree => f.write_str(
                "it is signed, but commits to another tree than these entries and tiles",
            ),
            Fault::OtherHistory { size } => write!(
                f,
                "the first {size} entries are not those that the older checkpoint commits to"
            ),
        }
    }
}

fn others_too(f: &mut fmt::Formatter<'_>, others: u64) -> fmt::Result {
    match others {
        0 => Ok(()),
        others => write!(f, " (and {others} more of this file)"),
    }
}

/// A log that cannot be checked, because nothing says what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// There is no checkpoint.
    #[error("there is no checkpoint: without it nothing says what the log should hold")]
    NoCheckpoint,
    /// The checkpoint cannot be read.
    #[error("the checkpoint cannot be read")]
    Unreadable(#[source] io::Error),
    /// The checkpoint cannot be believed.
    #[error("the checkpoint cannot be believed: {0}")]
    Checkpoint(#[from] CheckpointError),
}

/// Checks a whole log. `older` is a checkpoint's head from before, which the log must continue.
pub fn check_log<'a>(
    files: &mut impl Files,
    log: &'a VerifierKey,
    witnesses: &'a [VerifierKey],
    older: Option<Head>,
) -> Result<Checked<'a>, CheckError> {
    check_log_with(files, log, witnesses, older, &mut |_, _| {})
}

/// The same, and shows each entry that could be read, in order, with its index: what it says is not the log's
/// business.
pub fn check_log_with<'a>(
    files: &mut impl Files,
    log: &'a VerifierKey,
    witnesses: &'a [VerifierKey],
    older: Option<Head>,
    each: &mut dyn FnMut(u64, &[u8]),
) -> Result<Checked<'a>, CheckError> {
    let bytes = files
        .read(CHECKPOINT_PATH, CHECKPOINT_MAX)
        .map_err(CheckError::Unreadable)?
        .ok_or(CheckError::NoCheckpoint)?;
    let checkpoint = OpenedCheckpoint::open(&bytes, log, witnesses)?;
    let head = checkpoint.checkpoint.head();
    let mut faults = Faults::default();
    let survey = survey::take(files, head.size, &mut faults, each);
    if !faults.stopped() {
        verdict::give(&survey, head, &mut faults);
    }
    let unchecked = survey::older_parts(files, head.size, &mut faults);
    if let Some(older) = older.filter(|_| faults.none())
        && !verdict::continues(files, older, head)
    {
        let size = older.size;
        faults.add(CHECKPOINT_PATH, Fault::OtherHistory { size });
    }
    Ok(Checked {
        checkpoint,
        faults,
        unchecked,
    })
}
