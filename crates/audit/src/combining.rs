//! Who writes: the journal's thread, or, where nothing has to be synced, the caller.
//!
//! A sync takes so long that a thread of its own pays: while it waits for the disk, the next batch
//! gathers. Without a sync a write is a copy into the system's memory, and two changes of thread
//! cost more than it does, unless entries come so fast that one write for many is cheaper. Then whoever has queued an entry tries to become the writer, and writes
//! what is queued by then, others' entries with its own (flat combining: Hendler, Incze, Shavit and
//! Tzafrir, 2010). What may have to wait for the disk, a new segment or a fault, is left to the
//! thread.
//!
//! No entry is forgotten: who cannot become the writer queued before it tried, and who was the
//! writer looks into the queue once more after it stopped being it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::journal::SyncMode;
use crate::pace::Pace;
use crate::queue::Pending;
use crate::writer::{BATCH, Shared, Writer};

/// After so long it is looked whether the disk is the reason for waiting.
const STILL: Duration = Duration::from_millis(100);

/// How often a caller looks for more to write before it leaves the rest to the thread.
const ROUNDS: usize = 4;

/// The writer, for whoever has the turn.
pub(crate) struct Desk {
    turn: Mutex<Turn>,
    shared: Arc<Shared>,
}

struct Turn {
    writer: Writer,
    pace: Pace,
    /// What a caller could not write; the thread mends it before anything else is written.
    failed: Option<(Vec<Pending>, io::Error)>,
}

/// Ends the service in order if the thread ends, even if an observer panics.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.queue.end();
        self.0.finished.send_replace(true);
    }
}

impl Desk {
    pub(crate) fn new(writer: Writer) -> Self {
        let shared = Arc::clone(&writer.shared);
        Self {
            turn: Mutex::new(Turn {
                writer,
                pace: Pace::new(Instant::now()),
                failed: None,
            }),
            shared,
        }
    }

    /// Does something while nothing is written; none while the disk cannot be written, for as long as that
    /// takes: the thread keeps its turn until it can.
    pub(crate) fn still<T>(&self, work: impl FnOnce(&mut Writer) -> T) -> Option<T> {
        loop {
            if let Some(mut turn) = self.turn.try_lock_for(STILL) {
                return Some(work(&mut turn.writer));
            }
            if *self.shared.broken.borrow() || self.shared.queue.fault().is_some() {
                return None;
            }
        }
    }

    /// The thread: works until the queue is closed and empty.
    pub(crate) fn run(&self) {
        let _ending = Ending(Arc::clone(&self.shared));
        let queue = &self.shared.queue;
        while queue.wait() {
            loop {
                let pause = self.turn.lock().pace.pause(Instant::now());
                if let Some(pause) = pause {
                    queue.gather(pause);
                }
                if !self.turn.lock().work() {
                    return;
                }
                if queue.is_empty() {
                    break;
                }
            }
        }
        if let Err(error) = self.turn.lock().writer.finish() {
            tracing::warn!(%error, "the audit journal could not be closed in order");
        }
    }

    /// A caller whose entry is queued: writes it, unless somebody else is about to.
    pub(crate) fn combine(&self) {
        let queue = &self.shared.queue;
        for _ in 0..ROUNDS {
            let Some(mut turn) = self.turn.try_lock() else {
                return;
            };
            // An observer that panics ends the service in order, as on the thread.
            match catch_unwind(AssertUnwindSafe(|| turn.write_at_once())) {
                Ok(true) => drop(turn),
                Ok(false) => {
                    // Before the turn ends, so that the thread cannot miss it.
                    queue.call();
                    return;
                }
                Err(_) => {
                    queue.end();
                    return;
                }
            }
            if queue.is_empty() {
                return;
            }
        }
        queue.call();
    }
}

impl Turn {
    /// Writes a batch, whatever it takes. False if the journal was closed while it was broken.
    fn work(&mut self) -> bool {
        if let Some((unwritten, error)) = self.failed.take() {
            return self.writer.recover(unwritten, &error);
        }
        let batch = self.writer.shared.queue.take(BATCH);
        if batch.is_empty() {
            return true;
        }
        self.note(batch.len());
        match self.writer.write(batch) {
            Ok(()) => true,
            Err((unwritten, error)) => self.writer.recover(unwritten, &error),
        }
    }

    /// Writes a batch if that takes no more than a copy. False if the thread has to.
    fn write_at_once(&mut self) -> bool {
        if self.failed.is_some() {
            return false;
        }
        let room = self.writer.room_at_once();
        if room.bytes == 0 {
            return false;
        }
        let batch = self.writer.shared.queue.take(room);
        if batch.is_empty() {
            return true;
        }
        self.note(batch.len());
        self.failed = self.writer.write(batch).err();
        self.failed.is_none()
    }

    /// Keeps the pace, and says who is to write what comes next.
    fn note(&mut self, entries: usize) {
        self.pace.note(entries, Instant::now());
        if self.writer.config.sync == SyncMode::Written {
            let combining = !self.pace.is_fast();
            self.writer.shared.queue.set_combining(combining);
        }
    }
}
