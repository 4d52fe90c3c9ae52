//! Which segments there are, and where in them to start reading: shared by the writer, which adds,
//! and readers, which look up. Knows nothing of frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::beginning::{self, Begun};
use crate::io::Identity;

/// Bytes between two places to start reading from.
const STRIDE: u64 = 64 * 1024;

/// One segment.
pub(crate) struct Segment {
    /// The sequence number of its first entry.
    pub(crate) first: u64,
    places: Mutex<Places>,
    sealed: Mutex<Sealed>,
}

/// Whether a segment is sealed.
#[derive(Clone, Copy, Default)]
struct Sealed {
    /// The file that was written is gone.
    alone: bool,
    /// By what the sealed file is recognised, if this process made it.
    identity: Option<Identity>,
}

/// Where some frames start: sequence number and offset, ascending, from the first frame on.
#[derive(Clone, Default)]
struct Places {
    known: Vec<(u64, u64)>,
    /// Whether they reach to the segment's end.
    whole: bool,
}

impl Segment {
    pub(crate) fn new(first: u64) -> Self {
        Self {
            first,
            places: Mutex::default(),
            sealed: Mutex::default(),
        }
    }

    /// The sealed file, which is this one, is about to take the place of the one that was written.
    pub(crate) fn will_be_sealed(&self, identity: Identity) {
        self.sealed.lock().identity = Some(identity);
    }

    /// Only the sealed file is there.
    pub(crate) fn sealed(&self) {
        self.sealed.lock().alone = true;
    }

    /// Whether only the sealed file is there.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.lock().alone
    }

    /// By what the sealed file is recognised, if this process made it or is about to put it there.
    pub(crate) fn sealed_as(&self) -> Option<Identity> {
        self.sealed.lock().identity
    }

    /// Takes note of where a frame starts, if the last note is far enough behind.
    pub(crate) fn note(&self, sequence: u64, offset: u64) {
        let known = &mut self.places.lock().known;
        if known.last().is_none_or(|(_, last)| offset >= last + STRIDE) {
            known.push((sequence, offset));
        }
    }

    /// The notes now reach to the segment's end, and whoever appends keeps them so.
    pub(crate) fn whole(&self) {
        self.places.lock().whole = true;
    }

    /// Takes over the places of a segment that nobody appends to.
    pub(crate) fn learn(&self, known: Vec<(u64, u64)>) {
        *self.places.lock() = Places { known, whole: true };
    }

    /// Whether all places are known.
    pub(crate) fn is_whole(&self) -> bool {
        self.places.lock().whole
    }

    /// All places, if they reach to the segment's end.
    pub(crate) fn places(&self) -> Option<Vec<(u64, u64)>> {
        let places = self.places.lock();
        places.whole.then(|| places.known.clone())
    }

    /// The last place at or before the entry with this sequence number.
    pub(crate) fn place(&self, sequence: u64) -> Option<(u64, u64)> {
        let known = &self.places.lock().known;
        let after = known.partition_point(|(first, _)| *first <= sequence);
        known.get(after.checked_sub(1)?).copied()
    }
}

/// All segments, in order.
#[derive(Default)]
pub(crate) struct Catalog {
    segments: Mutex<Vec<Arc<Segment>>>,
    /// The first entry that was not let go of; 0 if none ever was.
    first: AtomicU64,
    /// What the note says of those that were.
    begun: Mutex<beginning::Shared>,
}

impl Catalog {
    /// A catalog of the segments that start with these sequence numbers, ascending, and whether only the
    /// sealed file of each is there.
    pub(crate) fn new(firsts: impl Iterator<Item = (u64, bool)>) -> Self {
        let segments = firsts.map(|(first, alone)| {
            let segment = Segment::new(first);
            segment.sealed.lock().alone = alone;
            Arc::new(segment)
        });
        Self {
            segments: Mutex::new(segments.collect()),
            ..Self::default()
        }
    }

    /// The number of the first entry that was not let go of: 1 if none ever was.
    pub(crate) fn beginning(&self) -> u64 {
        self.first.load(Ordering::Acquire).max(1)
    }

    /// What is noted of what was let go of; none if nothing ever was.
    pub(crate) fn begun(&self) -> beginning::Shared {
        self.begun.lock().clone()
    }

    /// What is before the entry that a note names is let go of. Whoever met one of those segments before, and
    /// does not find its file, finds out by [`Self::beginning`].
    pub(crate) fn begin(&self, begun: Arc<Begun>) {
        let mut segments = self.segments.lock();
        self.first.store(begun.first, Ordering::Release);
        segments.retain(|segment| segment.first >= begun.first);
        *self.begun.lock() = Some(begun);
    }

    /// The segments, as they are now.
    pub(crate) fn segments(&self) -> Vec<Arc<Segment>> {
        self.segments.lock().clone()
    }

    /// The last one.
    pub(crate) fn last(&self) -> Option<Arc<Segment>> {
        self.segments.lock().last().cloned()
    }

    /// Adds a segment behind all others. One that starts with the same sequence number held no
    /// entry and is replaced.
    pub(crate) fn push(&self, segment: Arc<Segment>) {
        let mut segments = self.segments.lock();
        segments.retain(|other| other.first < segment.first);
        segments.push(segment);
    }

    /// The segments from the one on that holds this sequence number.
    pub(crate) fn from(&self, sequence: u64) -> Vec<Arc<Segment>> {
        let segments = self.segments.lock();
        let after = segments.partition_point(|segment| segment.first <= sequence);
        segments[after.saturating_sub(1)..].to_vec()
    }
}
