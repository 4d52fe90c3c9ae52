//! Checkpoints (C2SP `tlog-checkpoint`): which log, how many entries, their root; as the text of a
//! note.

use std::fmt;
use std::str::FromStr;

use crate::hash::Hash;
use crate::key::{Algorithm, VerifierKey};
use crate::note::{Note, NoteError, Verified};
use crate::proof::Head;
use crate::text;

/// The longest origin that is read, in bytes: what a cosigned one may have.
const ORIGIN_MAX: usize = 255;

/// What a log says of itself at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    head: Head,
    extensions: Vec<String>,
}

/// A checkpoint that cannot be read or believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The note around it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Its origin is missing, too long, or has control characters.
    #[error("the first line of a checkpoint is its log's origin: 1 to 255 bytes on one line")]
    Origin,
    /// The second line is no size.
    #[error("the second line of a checkpoint is the number of entries, in decimal")]
    Size,
    /// The third line is no hash.
    #[error("the third line of a checkpoint is the base64 of its root hash")]
    Root,
    /// It says that a tree without entries has another root than such a tree has.
    #[error("the checkpoint of an empty log has the root of another tree")]
    EmptyRoot,
    /// A line behind the root is empty, or the last one does not end.
    #[error("a checkpoint has at least three lines, none of them empty")]
    Lines,
    /// It is another log's.
    #[error("the checkpoint is of the log {found}, not of {expected}")]
    OtherLog {
        /// Which it is.
        found: String,
        /// Which was expected.
        expected: String,
    },
    /// The log itself has not signed it.
    #[error("the checkpoint of {origin} is not signed by the log's own key")]
    NotTheLogs {
        /// Which log.
        origin: String,
    },
}

impl Checkpoint {
    /// The checkpoint of a log with this head.
    pub fn new(origin: &str, head: Head) -> Result<Self, CheckpointError> {
        let sound = (1..=ORIGIN_MAX).contains(&origin.len()) && !origin.contains(char::is_control);
        if !sound {
            return Err(CheckpointError::Origin);
        }
        if head.size == 0 && head.root != Hash::of_empty_tree() {
            return Err(CheckpointError::EmptyRoot);
        }
        Ok(Self {
            origin: origin.to_owned(),
            head,
            extensions: Vec::new(),
        })
    }

    /// Which log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many entries, and their root.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Lines behind the root, whose meaning is the log's own.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// The note whose text this is, without signatures.
    pub fn note(&self) -> Result<Note, NoteError> {
        Note::unsigned(&self.to_string())
    }
}

/// A checkpoint that a log has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedCheckpoint<'a> {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The log's signature and those of known witnesses.
    pub signatures: Vec<Verified<'a>>,
}

impl<'a> OpenedCheckpoint<'a> {
    /// Reads a signed checkpoint of the log whose key this is: it must have signed, under the log's
    /// origin; witnesses may have.
    pub fn open(
        bytes: &[u8],
        log: &'a VerifierKey,
        witnesses: &'a [VerifierKey],
    ) -> Result<Self, CheckpointError> {
        Self::of_note(&Note::parse(bytes)?, log, witnesses)
    }

    /// [`OpenedCheckpoint::open`] of a note that was read already.
    pub fn of_note(
        note: &Note,
        log: &'a VerifierKey,
        witnesses: &'a [VerifierKey],
    ) -> Result<Self, CheckpointError> {
        let signatures = note.verify(std::iter::once(log).chain(witnesses))?;
        let checkpoint: Checkpoint = note.text().parse()?;
        if checkpoint.origin != log.name().as_str() {
            return Err(CheckpointError::OtherLog {
                found: checkpoint.origin,
                expected: log.name().to_string(),
            });
        }
        let own =
            |verified: &Verified<'_>| verified.key == log && log.algorithm() == Algorithm::Ed25519;
        if !signatures.iter().any(own) {
            let origin = checkpoint.origin;
            return Err(CheckpointError::NotTheLogs { origin });
        }
        Ok(Self {
            checkpoint,
            signatures,
        })
    }

    /// The witnesses that have signed it, and when: seconds since 1970.
    pub fn witnesses(&self) -> impl Iterator<Item = (&VerifierKey, u64)> {
        let signatures = self.signatures.iter();
        signatures.filter_map(|verified| Some((verified.key, verified.time?)))
    }
}

/// The text of the note.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.head.size, self.head.root)?;
        for line in &self.extensions {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let whole = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = whole.split('\n');
        let origin = lines.next().ok_or(CheckpointError::Origin)?;
        let size = lines.next().and_then(text::decimal);
        let size = size.ok_or(CheckpointError::Size)?;
        let root = lines.next().and_then(|line| line.parse().ok());
        let root = root.ok_or(CheckpointError::Root)?;
        let mut checkpoint = Self::new(origin, Head { size, root })?;
        for line in lines {
            if line.is_empty() {
                return Err(CheckpointError::Lines);
            }
            checkpoint.extensions.push(line.to_owned());
        }
        Ok(checkpoint)
    }
}
