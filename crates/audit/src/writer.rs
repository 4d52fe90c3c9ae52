//! Writing a batch: puts it behind all others, syncs it, tells the observer, answers; and mends what
//! a fault of the disk left.

use std::io;
use std::sync::Arc;

use keyward_core::audit::Journaled;
use keyward_core::port::audit_log::{AuditError, JournalObserver};
use keyward_core::time::Clock;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use crate::catalog::{Catalog, Segment};
use crate::fault;
use crate::frame;
use crate::io::{Access, JournalIo, SegmentFile};
use crate::journal::{JournalConfig, SyncMode};
use crate::numbers::Numbers;
use crate::queue::{Pending, Queue};
use crate::revisions::Revisions;
use crate::room::Limits;
use crate::segment::{self, Header};
use crate::signature;
use crate::signing::Signing;
use crate::tail::{self, TailFault};

/// The most that one sync covers.
pub(crate) const BATCH: Limits = Limits {
    entries: 4096,
    bytes: 4 * 1024 * 1024,
};

/// The least that must fit the disk after a fault before entries are taken again.
const ROOM_LEAST: usize = 64 * 1024;

/// Zeros written ahead of the frames. A sync that does not also have to make a new length durable
/// takes a third less time on ext4.
const RESERVE: u64 = 1024 * 1024;

/// What the writer and the journal's handles share.
pub(crate) struct Shared {
    pub(crate) queue: Arc<Queue>,
    pub(crate) catalog: Arc<Catalog>,
    /// The last entry that is durable.
    pub(crate) durable: watch::Sender<u64>,
    /// Whether entries are refused because of a fault.
    pub(crate) broken: watch::Sender<bool>,
    /// Whether the writer has ended.
    pub(crate) finished: watch::Sender<bool>,
}

impl Shared {
    /// For a journal whose last entry is `last`.
    pub(crate) fn new(config: &JournalConfig, catalog: Arc<Catalog>, last: u64) -> Self {
        Self {
            queue: Arc::new(Queue::new(
                Limits {
                    entries: config.queue_entries,
                    bytes: config.queue_bytes,
                },
                config.sync == SyncMode::Written,
            )),
            catalog,
            durable: watch::Sender::new(last),
            broken: watch::Sender::new(false),
            finished: watch::Sender::new(false),
        }
    }
}

/// What is written into headers.
pub(crate) struct Origin {
    pub(crate) node: Arc<str>,
    pub(crate) deployment: Uuid,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A segment that is being appended to.
pub(crate) struct Active {
    pub(crate) file: Box<dyn SegmentFile>,
    pub(crate) segment: Arc<Segment>,
    /// Where its frames start.
    pub(crate) start: u64,
    /// Where the next frame belongs: behind everything that was acknowledged.
    pub(crate) end: u64,
    /// How far zeros reach behind it.
    pub(crate) reserved: u64,
}

/// The writer.
pub(crate) struct Writer {
    pub(crate) io: Arc<dyn JournalIo>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: JournalConfig,
    pub(crate) origin: Origin,
    pub(crate) observer: Arc<dyn JournalObserver>,
    pub(crate) active: Option<Active>,
    /// The last entry that was acknowledged.
    pub(crate) last: u64,
    /// The last entry that was synced.
    pub(crate) synced: u64,
    /// Whether a mark follows the last entry.
    pub(crate) marked: bool,
    pub(crate) revisions: Revisions,
    /// How many entries each tree has, once somebody has counted them.
    pub(crate) numbers: Option<Numbers>,
    /// Who signs what is written, and what is not signed yet; none where nothing is synced.
    pub(crate) signing: Option<Signing>,
    pub(crate) buffer: Vec<u8>,
    /// The size of the frames last tried.
    pub(crate) room: usize,
}

impl Writer {
    /// How much can be written without waiting for the disk: nothing if every write is synced, or
    /// if a new segment may be due.
    pub(crate) fn room_at_once(&self) -> Limits {
        let active = self.active.as_ref();
        let room = active
            .filter(|_| self.config.sync == SyncMode::Written)
            .and_then(|active| self.config.segment_bytes.checked_sub(active.end))
            .filter(|room| *room >= (frame::HEAD + frame::PAYLOAD_MAX) as u64)
            .unwrap_or(0);
        Limits {
            entries: BATCH.entries,
            bytes: BATCH.bytes.min(room as usize),
        }
    }

    /// Writes a batch and answers those who wait for it, or gives it back.
    pub(crate) fn write(&mut self, batch: Vec<Pending>) -> Result<(), (Vec<Pending>, io::Error)> {
        if let Err(error) = self.put(&batch) {
            return Err((batch, error));
        }
        let mut entries = Vec::with_capacity(batch.len());
        let mut waiters: Vec<oneshot::Sender<_>> = Vec::with_capacity(batch.len());
        for pending in batch {
            self.last += 1;
            if let Some(revision) = pending.event.revision {
                self.revisions.note(revision);
            }
            if let Some(numbers) = &mut self.numbers {
                let leaf = numbers.take(&pending.event);
                pending.event.leaf.is(leaf);
            }
            entries.push(Journaled {
                as_logged: None,
                sequence: self.last,
                event: pending.event,
            });
            waiters.push(pending.done);
        }
        self.shared.durable.send_replace(self.last);
        self.observer.observe(&entries);
        for (entry, waiter) in entries.iter().zip(waiters) {
            // Whoever stopped waiting does not learn that it is written; it is.
            let _ = waiter.send(Ok(entry.sequence));
        }
        Ok(())
    }

    /// Writes frames behind all others and makes them as durable as configured.
    fn put(&mut self, batch: &[Pending]) -> io::Result<()> {
        self.marked = false;
        self.buffer.clear();
        for (sequence, pending) in (self.last + 1..).zip(batch) {
            let behind = (sequence - 1 - self.synced) as u32;
            frame::put_entry(&mut self.buffer, sequence, behind, &pending.payload);
        }
        let last = self.last + batch.len() as u64;
        let signed = self.signing.as_ref().map(|signing| {
            let payloads = batch.iter().map(|pending| pending.payload.as_slice());
            signing.sign(payloads, last)
        });
        if let Some((Some(signature), _)) = &signed {
            let behind = (last - self.synced) as u32;
            frame::put_signature(&mut self.buffer, last, behind, &signature.encode());
        }
        self.room = self.buffer.len();
        let size = self.buffer.len() as u64;
        if let Some(active) = &mut self.active
            && active.end > active.start
            && active.end + size > self.config.segment_bytes
        {
            // All segments but the last are synced, in every mode. The frames at hand were made
            // before that, and say less than is true; that is harmless.
            active.seal()?;
            self.synced = self.last;
            self.active = None;
        }
        let active = if let Some(active) = &mut self.active {
            active
        } else {
            let (last, revisions) = (self.last, &self.revisions);
            let fresh = make(&*self.io, &self.origin, last, last + 1, revisions, 0)?;
            self.active.insert(fresh)
        };
        if active.end == active.start {
            self.shared.catalog.push(Arc::clone(&active.segment));
        }
        match self.config.sync {
            SyncMode::Always => {
                active.write(&mut self.buffer, self.config.segment_bytes)?;
                active.file.sync()?;
                self.synced = last;
            }
            SyncMode::Written => active.file.write_at(active.end, &self.buffer)?,
        }
        active.segment.note(self.last + 1, active.end);
        active.end += size;
        if let (Some(signing), Some((_, unsigned))) = (&mut self.signing, signed) {
            signing.unsigned = unsigned;
        }
        Ok(())
    }

    /// Signs what is not signed yet, if there is a key. Not at the beginning of a segment: one in which no
    /// entry was acknowledged may be discarded, and a signature with it. The next batch signs it then.
    pub(crate) fn sign(&mut self) -> io::Result<()> {
        let is_due = self.signing.as_ref().is_some_and(Signing::is_due);
        let limit = self.config.segment_bytes;
        let has_room = self.active.as_ref().is_some_and(|active| {
            let reach = active.end + (frame::HEAD + signature::SIZE_MAX) as u64;
            self.last >= active.segment.first && reach <= limit
        });
        if is_due && has_room {
            self.put(&[])
        } else {
            Ok(())
        }
    }

    /// Refuses everything until the disk can be written again. False if the journal was closed.
    pub(crate) fn recover(&mut self, unwritten: Vec<Pending>, error: &io::Error) -> bool {
        let told = fault::unavailable(error);
        tracing::error!(cause = %told, last = self.last, "the audit journal cannot be written");
        // The torn write is removed before anybody is told, if the disk still lets it be, so that
        // what was refused is not in the log.
        let mut fault = told;
        let room = self.room.max(ROOM_LEAST);
        let mut outcome = self.repair(room);
        self.refuse(unwritten, &fault);
        while let Err(error) = outcome {
            if error != fault {
                fault = error;
                self.shared.queue.break_down(&fault);
            }
            let JournalConfig {
                probe_least,
                probe_most,
                ..
            } = self.config;
            if !self.shared.queue.pause(probe_least, probe_most) {
                return false;
            }
            outcome = self.repair(room);
        }
        tracing::info!(last = self.last, "the audit journal can be written again");
        self.shared.queue.repaired();
        self.shared.broken.send_replace(false);
        true
    }

    fn refuse(&self, unwritten: Vec<Pending>, fault: &AuditError) {
        self.shared.broken.send_replace(true);
        self.shared.queue.break_down(fault);
        for pending in unwritten {
            let _ = pending.done.send(Err(fault.clone()));
        }
    }

    /// Cuts the last segment back to what was acknowledged, after reading that it is there, and
    /// goes on in a new one. The old file is opened again: after a failed sync, an open file's
    /// later syncs can succeed without having written anything.
    ///
    /// The new segment starts with `room` bytes of zeros, so that a disk that is still full says
    /// so here and not to the next caller.
    fn repair(&mut self, room: usize) -> Result<(), AuditError> {
        let unavailable = |error: io::Error| fault::unavailable(&error);
        if let Some(active) = &mut self.active {
            let first = active.segment.first;
            // If nothing in it was acknowledged, the new one will take its place.
            if self.last >= first {
                let name = segment::name(first);
                let mut file = self.io.open(&name, Access::Write).map_err(unavailable)?;
                file.truncate(active.end).map_err(unavailable)?;
                let scratch = Segment::new(first);
                let mut ignored = Revisions::default();
                let tail = tail::examine(&*file, &scratch, active.start, &mut ignored).map_err(
                    |fault| match fault {
                        TailFault::Io(error) => unavailable(error),
                        TailFault::Damaged(sequence) => AuditError::Damaged { sequence },
                    },
                )?;
                if tail.last != self.last || tail.end != active.end {
                    let sequence = tail.last + 1;
                    return Err(AuditError::Damaged { sequence });
                }
                tail::settle(&mut *file, &tail).map_err(unavailable)?;
            }
            self.active = None;
        }
        self.synced = self.last;
        let first = self.last + 1;
        discard(&*self.io, first).map_err(unavailable)?;
        let active = make(
            &*self.io,
            &self.origin,
            self.last,
            first,
            &self.revisions,
            room,
        );
        let active = active.map_err(unavailable)?;
        self.shared.catalog.push(Arc::clone(&active.segment));
        self.active = Some(active);
        Ok(())
    }

    /// Says that everything is durable, so that the next start can tell damage from a torn write
    /// up to the last entry.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        let Some(active) = &mut self.active else {
            return Ok(());
        };
        active.seal()?;
        if !self.marked && active.end > active.start {
            self.buffer.clear();
            frame::put_mark(&mut self.buffer, self.last);
            active.file.write_at(active.end, &self.buffer)?;
            active.file.sync()?;
        }
        Ok(())
    }
}

impl Active {
    /// Writes frames behind all others, and zeros ahead of the next ones if there is space for
    /// them on the disk and in the segment.
    fn write(&mut self, frames: &mut Vec<u8>, segment_bytes: u64) -> io::Result<()> {
        let (size, reach) = (frames.len(), self.end + frames.len() as u64);
        if reach <= self.reserved {
            return self.file.write_at(self.end, frames);
        }
        // A batch that is large carries the cost of its new length easily.
        let worth = if size < RESERVE as usize / 16 {
            RESERVE
        } else {
            0
        };
        let zeros = segment_bytes.saturating_sub(reach).min(worth);
        frames.resize(size + zeros as usize, 0);
        match self.file.write_at(self.end, frames) {
            Ok(()) => {
                self.reserved = reach + zeros;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                self.file.write_at(self.end, &frames[..size])
            }
            Err(error) => Err(error),
        }
    }

    /// Makes everything durable and gives back what was reserved and not used.
    fn seal(&mut self) -> io::Result<()> {
        if self.reserved > self.end {
            self.file.truncate(self.end)?;
            self.reserved = self.end;
        }
        self.file.sync()
    }
}

/// Makes a segment; it is durable before anything is written behind its header.
pub(crate) fn make(
    io: &dyn JournalIo,
    origin: &Origin,
    follows: u64,
    first: u64,
    revisions: &Revisions,
    room: usize,
) -> io::Result<Active> {
    let header = Header {
        first,
        follows,
        created_at: origin.clock.now(),
        deployment: origin.deployment,
        node: origin.node.as_ref().to_owned(),
        revisions: revisions.clone(),
        format: segment::VERSION,
    };
    let mut bytes = header.encode();
    let start = bytes.len() as u64;
    bytes.resize(bytes.len() + room, 0);
    let mut file = io.create(&segment::name(first))?;
    file.write_at(0, &bytes)?;
    file.sync()?;
    io.sync_dir()?;
    let segment = Arc::new(Segment::new(first));
    segment.whole();
    Ok(Active {
        file,
        segment,
        start,
        end: start,
        reserved: start + room as u64,
    })
}

/// Removes a segment in which nothing was acknowledged, if it is there.
pub(crate) fn discard(io: &dyn JournalIo, first: u64) -> io::Result<()> {
    match io.remove(&segment::name(first)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => io.sync_dir(),
    }
}
