//! How far a sink is, on disk: which entry of which journal it has. What was written is never believed
//! without looking at the journal: going on at a wrong place would leave entries out in silence.
//!
//! A file of two lines: JSON, and the SHA-256 of that line.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use keyward_core::audit::Journaled;
use keyward_core::port::audit_log::{AuditError, AuditLog, TailQuery};
use keyward_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::whole_file;

/// The form of the file.
const FORMAT: u32 = 1;

/// A place in a journal that cannot be gone on from.
#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    /// The file cannot be read or written.
    #[error("the cursor {} cannot be used: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("the cursor {} is damaged; {REMEDY}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
    },
    /// It is another deployment's.
    #[error("the cursor {} is of the deployment {deployment}; {REMEDY}", path.display())]
    OtherDeployment {
        /// Which.
        path: PathBuf,
        /// Whose.
        deployment: Uuid,
    },
    /// The journal ends before it.
    #[error(
        "the cursor {} is behind entry {sequence}, and the journal ends with {last}: an older journal \
         was put back, or its end was lost; {REMEDY}",
        path.display()
    )]
    Beyond {
        /// Which.
        path: PathBuf,
        /// Where it points.
        sequence: u64,
        /// Where the journal ends.
        last: u64,
    },
    /// The journal has another entry there.
    #[error(
        "the cursor {} is behind an entry {sequence} that this journal does not have: another journal \
         was put in its place; {REMEDY}",
        path.display()
    )]
    OtherJournal {
        /// Which.
        path: PathBuf,
        /// Where it points.
        sequence: u64,
    },
    /// `from` names an entry that is not there.
    #[error("`from` names the entry {sequence}, which the journal does not have")]
    NoSuchEntry {
        /// Which.
        sequence: u64,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] AuditError),
}

impl CursorError {
    /// Whether another try may do, without anybody's doing.
    pub(crate) const fn is_passing(&self) -> bool {
        match self {
            Self::Io { .. } => true,
            Self::Journal(error) => !matches!(error, AuditError::Damaged { .. }),
            _ => false,
        }
    }
}

/// What somebody has to do about a cursor that is refused.
const REMEDY: &str = "look which entries the receiver has, move that file away and set the sink's `from` \
                      to the last of them (it then begins behind it)";

/// A place behind an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    format: u32,
    deployment: Uuid,
    sequence: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entry: Option<Mark>,
}

/// What tells an entry from another one at the same place of another journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    time: Timestamp,
    correlation_id: String,
}

impl Mark {
    fn of(entry: &Journaled) -> Self {
        Self {
            time: entry.event.time,
            correlation_id: entry.event.correlation_id.to_string(),
        }
    }
}

impl Cursor {
    /// Before the first entry.
    pub(crate) const fn at_beginning(deployment: Uuid) -> Self {
        Self {
            format: FORMAT,
            deployment,
            sequence: 0,
            entry: None,
        }
    }

    /// Behind an entry.
    pub(crate) fn behind(&self, entry: &Journaled) -> Self {
        Self {
            sequence: entry.sequence,
            entry: Some(Mark::of(entry)),
            ..*self
        }
    }

    /// The last entry before it; 0 if there is none.
    pub(crate) const fn sequence(&self) -> u64 {
        self.sequence
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        let text = serde_json::to_string(self)?;
        let digest = digest(&text);
        Ok(format!("{text}\n{digest}\n"))
    }

    fn decode(text: &str) -> Option<Self> {
        let (line, rest) = text.split_once('\n')?;
        if rest.strip_suffix('\n')? != digest(line) {
            return None;
        }
        let cursor: Self = serde_json::from_str(line).ok()?;
        let sound = cursor.format == FORMAT && (cursor.sequence == 0) == cursor.entry.is_none();
        sound.then_some(cursor)
    }
}

fn digest(text: &str) -> String {
    HEXLOWER.encode(&keyward_core::sha256(text.as_bytes()).0)
}

/// Where a cursor is kept.
#[derive(Clone, Debug)]
pub(crate) struct CursorFile {
    path: PathBuf,
}

impl CursorFile {
    pub(crate) fn new(dir: &Path, sink: &str) -> Self {
        Self {
            path: dir.join(format!("{sink}.cursor")),
        }
    }

    fn io(&self) -> impl Fn(io::Error) -> CursorError + use<> {
        let path = self.path.clone();
        move |source| CursorError::Io {
            path: path.clone(),
            source,
        }
    }

    /// What was written, if anything was and it is of this deployment.
    fn read(&self, deployment: Uuid) -> Result<Option<Cursor>, CursorError> {
        let path = || self.path.clone();
        let bytes = match fs::read(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(self.io())?,
        };
        let text = String::from_utf8(bytes).ok();
        let cursor = text.as_deref().and_then(Cursor::decode);
        let cursor = cursor.ok_or_else(|| CursorError::Damaged { path: path() })?;
        if cursor.deployment != deployment {
            return Err(CursorError::OtherDeployment {
                path: path(),
                deployment: cursor.deployment,
            });
        }
        Ok(Some(cursor))
    }

    /// Reads it, and makes sure that the journal has the entry that it is behind.
    pub(crate) async fn load(
        &self,
        deployment: Uuid,
        journal: &dyn AuditLog,
    ) -> Result<Option<Cursor>, CursorError> {
        let file = self.clone();
        let read = spawn_blocking(move || file.read(deployment)).await;
        let read = read.map_err(|error| self.io()(io::Error::other(error)))?;
        let Some(cursor) = read? else { return Ok(None) };
        if cursor.sequence == 0 {
            return Ok(Some(cursor));
        }
        let (path, sequence) = (self.path.clone(), cursor.sequence);
        let there = entry(journal, sequence).await?;
        match there.as_ref().map(Mark::of) {
            mark if mark == cursor.entry => Ok(Some(cursor)),
            None if journal.last() < sequence => Err(CursorError::Beyond {
                path,
                sequence,
                last: journal.last(),
            }),
            _ => Err(CursorError::OtherJournal { path, sequence }),
        }
    }

    /// Writes it whole or not at all; durable when this returns.
    pub(crate) async fn keep(&self, cursor: &Cursor) -> Result<(), CursorError> {
        let text = cursor.encode().map_err(|error| self.io()(error.into()))?;
        let path = self.path.clone();
        let written = spawn_blocking(move || whole_file::write(&path, text.as_bytes())).await;
        let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
        written.map_err(self.io())
    }
}

/// Up to which entry a sink of a deployment is known to be, whatever becomes of this process; none if it has
/// kept nothing yet.
///
/// # Errors
/// What is kept cannot be read, or is not this deployment's.
pub fn kept_to(dir: &Path, sink: &str, deployment: Uuid) -> Result<Option<u64>, CursorError> {
    let kept = CursorFile::new(dir, sink).read(deployment)?;
    Ok(kept.map(|cursor| cursor.sequence()))
}

/// An entry of the journal, if it is there.
pub(crate) async fn entry(
    journal: &dyn AuditLog,
    sequence: u64,
) -> Result<Option<Journaled>, CursorError> {
    let query = TailQuery {
        tenant: None,
        after: Some(sequence.saturating_sub(1)),
        limit: 1,
    };
    let found = journal.tail(query).await?.into_iter().next();
    Ok(found.filter(|entry| entry.sequence == sequence))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_single_changed_byte_passes() {
        let cursor = Cursor {
            sequence: 4711,
            entry: Some(Mark {
                time: Timestamp::from_micros(1_795_000_000_123_456),
                correlation_id: "req-1".to_owned(),
            }),
            ..Cursor::at_beginning(Uuid::from_u128(7))
        };
        let text = cursor.encode().unwrap();
        assert_eq!(Cursor::decode(&text), Some(cursor));
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= 1;
            let read = String::from_utf8(bytes).unwrap();
            assert_eq!(Cursor::decode(&read), None, "byte {place}");
            assert_eq!(Cursor::decode(&text[..place]), None, "cut at {place}");
        }
    }
}
