//! The segments of the journal that is made again. Entries that were in the lost one are written in the format
//! that has no signatures: theirs are lost, and a checkpoint stands for them. Where numbers are missing
//! another segment begins, whose header says so.

use std::io;

use keyward_core::time::Timestamp;
use uuid::Uuid;

use super::{ContinueError, Lost};
use crate::frame::{self, HEAD, PAYLOAD_MAX};
use crate::io::{Access, JournalIo, SegmentFile};
use crate::revisions::Revisions;
use crate::segment::{self, Header};
use crate::tail::note_revision;

/// The size at which a segment ends.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// So many bytes are written at once.
const BUFFER: usize = 1024 * 1024;

/// What is written.
pub(super) struct Segments<'a> {
    io: &'a dyn JournalIo,
    deployment: Uuid,
    node: String,
    now: Timestamp,
    active: Option<Active>,
    last: u64,
    revisions: Revisions,
    /// Files that were written and not synced.
    unsynced: Vec<u64>,
}

struct Active {
    file: Box<dyn SegmentFile>,
    first: u64,
    end: u64,
    buffer: Vec<u8>,
}

impl Active {
    fn write(&mut self) -> io::Result<()> {
        self.file.write_at(self.end, &self.buffer)?;
        self.end += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl<'a> Segments<'a> {
    pub(super) fn new(io: &'a dyn JournalIo, lost: &Lost<'_>) -> Self {
        Self {
            io,
            deployment: lost.deployment,
            node: lost.node.as_ref().to_owned(),
            now: lost.now,
            active: None,
            last: 0,
            revisions: Revisions::default(),
            unsynced: Vec::new(),
        }
    }

    /// Writes an entry that the lost journal had.
    pub(super) fn put(&mut self, number: u64, entry: &[u8]) -> Result<(), ContinueError> {
        let size = (HEAD + entry.len()) as u64;
        let goes_on = self.active.as_ref().is_some_and(|active| {
            let end = active.end + active.buffer.len() as u64;
            number == self.last + 1 && end + size <= SEGMENT_BYTES
        });
        if !goes_on {
            self.begin(number, segment::UNSIGNED)?;
        }
        self.append(number, entry)
    }

    /// Writes the entry that goes on, in a segment that is signed as ever, and makes everything durable.
    pub(super) fn end_with(mut self, number: u64, entry: &[u8]) -> Result<(), ContinueError> {
        self.begin(number, segment::VERSION)?;
        self.append(number, entry)?;
        if let Some(active) = &mut self.active {
            frame::put_mark(&mut active.buffer, number);
        }
        self.end()?;
        // Until then nothing of it counts.
        for first in std::mem::take(&mut self.unsynced) {
            let file = self.io.open(&segment::name(first), Access::Write);
            let synced = file.and_then(|mut file| file.sync());
            synced.map_err(of_segment(first))?;
        }
        self.io.sync_dir().map_err(of_segment(number))
    }

    fn begin(&mut self, first: u64, format: u16) -> Result<(), ContinueError> {
        self.end()?;
        let header = Header {
            first,
            follows: self.last,
            created_at: self.now,
            deployment: self.deployment,
            node: self.node.clone(),
            revisions: self.revisions.clone(),
            format,
        };
        let file = self.io.create(&segment::name(first));
        self.active = Some(Active {
            file: file.map_err(of_segment(first))?,
            first,
            end: 0,
            buffer: header.encode(),
        });
        Ok(())
    }

    fn append(&mut self, number: u64, entry: &[u8]) -> Result<(), ContinueError> {
        let altered = |what| ContinueError::Altered {
            path: format!("entry {number}"),
            what,
        };
        if entry.len() > PAYLOAD_MAX {
            return Err(altered("no entry is so large"));
        }
        note_revision(entry, number, &mut self.revisions).map_err(|_| altered("it is no entry"))?;
        let Some(active) = &mut self.active else {
            return Ok(());
        };
        frame::put_entry(&mut active.buffer, number, 0, entry);
        if active.buffer.len() >= BUFFER {
            active.write().map_err(of_segment(active.first))?;
        }
        self.last = number;
        Ok(())
    }

    fn end(&mut self) -> Result<(), ContinueError> {
        let Some(mut active) = self.active.take() else {
            return Ok(());
        };
        self.unsynced.push(active.first);
        active.write().map_err(of_segment(active.first))
    }
}

fn of_segment(first: u64) -> impl FnOnce(io::Error) -> ContinueError {
    let path = segment::name(first);
    move |source| ContinueError::Io { path, source }
}
