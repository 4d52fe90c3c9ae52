//! The end of the last segment: which entries are there, what a torn write left behind, and
//! whether what is wrong is a torn write or damage. The same code runs on every start and after
//! every fault.

use std::io;

use keyward_core::audit::AuditEvent;

use crate::catalog::Segment;
use crate::frame::{Frame, Kind};
use crate::frames::{Frames, Step, fill};
use crate::io::SegmentFile;
use crate::revisions::Revisions;

/// What the last segment holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The last entry; one less than the first of the segment if it has none.
    pub(crate) last: u64,
    /// Where the next frame belongs.
    pub(crate) end: u64,
    /// Whether there are bytes behind that are no frame.
    pub(crate) torn: bool,
    /// Where the frames start that no later frame proves to have been synced.
    pub(crate) unproven: u64,
    /// The last entry that a signature in this segment covers.
    pub(crate) signed: Option<u64>,
}

/// Why a tail cannot be used.
#[derive(Debug)]
pub(crate) enum TailFault {
    /// The disk failed.
    Io(io::Error),
    /// The entry with this sequence number had been acknowledged and cannot be read.
    Damaged(u64),
}

impl From<io::Error> for TailFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads a segment from `start`, its first frame, to the end; notes places and revisions.
pub(crate) fn examine(
    file: &dyn SegmentFile,
    segment: &Segment,
    start: u64,
    revisions: &mut Revisions,
) -> Result<Tail, TailFault> {
    let mut frames = Frames::at(file, start);
    let mut next = segment.first;
    let mut signed = None;
    let mut proven = segment.first - 1;
    // Frames that nothing proves yet: sequence number and offset.
    let mut unproven: std::collections::VecDeque<(u64, u64)> = std::collections::VecDeque::new();
    let (end, torn) = loop {
        let end = frames.offset();
        let step = frames.step().map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => TailFault::Damaged(next),
            _ => TailFault::Io(error),
        });
        match step? {
            Step::End => break (end, false),
            Step::Bad => {
                // Something readable behind it that was written after this entry was acknowledged
                // makes it damage. Otherwise it was never acknowledged: a torn write. If this very
                // entry is behind it, what is wrong is a signature, and a batch that is there was
                // written when the one before had been synced.
                let proves = |frame: &Frame<'_>| {
                    let is_next = frame.kind == Kind::Entry && frame.sequence == next;
                    is_next || frame.durable_before() >= next
                };
                if frames.search(proves)? {
                    return Err(TailFault::Damaged(next));
                }
                break (end, true);
            }
            Step::Frame(offset, frame) => {
                proven = proven.max(frame.durable_before());
                while unproven
                    .front()
                    .is_some_and(|(sequence, _)| *sequence <= proven)
                {
                    unproven.pop_front();
                }
                match frame.kind {
                    Kind::Mark if frame.sequence == next - 1 => {}
                    Kind::Signature if frame.sequence == next - 1 => signed = Some(next - 1),
                    Kind::Entry if frame.sequence == next && proven < next => {
                        segment.note(next, offset);
                        note_revision(frame.payload, next, revisions)?;
                        unproven.push_back((next, offset));
                        next += 1;
                    }
                    Kind::Mark | Kind::Signature | Kind::Entry => {
                        return Err(TailFault::Damaged(next));
                    }
                }
            }
        }
    };
    segment.whole();
    Ok(Tail {
        last: next - 1,
        end,
        torn,
        unproven: unproven.front().map_or(end, |(_, offset)| *offset),
        signed,
    })
}

/// Makes what was read durable beyond doubt, and removes what a torn write left and what had been
/// reserved.
///
/// After a failed sync the system may hold pages that it believes clean and that never reached the
/// disk, and may go on showing them after this process has died (the "fsyncgate" of 2018), so
/// what no later frame proves is written again before it is synced.
pub(crate) fn settle(file: &mut dyn SegmentFile, tail: &Tail) -> io::Result<()> {
    let length = usize::try_from(tail.end - tail.unproven).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    if fill(file, tail.unproven, &mut bytes)? != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if length > 0 {
        file.write_at(tail.unproven, &bytes)?;
    }
    if file.len()? > tail.end {
        file.truncate(tail.end)?;
    }
    file.sync()
}

/// Takes note of the revision of an entry, if it has one.
pub(crate) fn note_revision(
    payload: &[u8],
    sequence: u64,
    revisions: &mut Revisions,
) -> Result<(), TailFault> {
    if let Some(revision) = revision_of(payload, sequence)? {
        revisions.note(revision);
    }
    Ok(())
}

/// The revision of an entry, if it has one.
pub(crate) fn revision_of(payload: &[u8], sequence: u64) -> Result<Option<i64>, TailFault> {
    const FIELD: &[u8] = b"\"revision\":";
    if payload.windows(FIELD.len()).any(|window| window == FIELD) {
        let event: AuditEvent =
            serde_json::from_slice(payload).map_err(|_| TailFault::Damaged(sequence))?;
        return Ok(event.revision);
    }
    Ok(None)
}
