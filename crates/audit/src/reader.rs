//! Reading entries back: forward after a sequence number, or the last ones. Reads only what is
//! durable, so that it never meets what the writer is writing.

use std::io;
use std::sync::Arc;

use keyward_core::audit::{AuditEvent, Journaled};
use keyward_core::ids::TenantId;
use keyward_core::port::audit_log::AuditError;
use parking_lot::Mutex;

use crate::catalog::{Catalog, Segment};
use crate::fault;
use crate::frame::{Frame, Kind};
use crate::frames::{self, Frames, Step};
use crate::io::{JournalIo, SegmentFile};
use crate::sealed::{self, Opened};

/// Whose entries: `None` means all.
pub(crate) type Filter = Option<Option<TenantId>>;

/// Where an entry lies: the name of its segment, and where in it its frame begins. It stays there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The sequence number of the segment's first entry.
    pub segment: u64,
    /// Where the frame begins.
    pub offset: u64,
}

/// An entry as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its place in the journal's order.
    pub sequence: u64,
    /// Where it lies.
    pub place: Place,
    /// Its canonical bytes.
    pub bytes: Vec<u8>,
}

/// Reads segments.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) io: Arc<dyn JournalIo>,
    pub(crate) catalog: Arc<Catalog>,
    /// The sealed segment in which places were last looked up, and its number: many that are asked for one
    /// after another lie in one block.
    recent: Arc<Mutex<Option<(u64, Opened)>>>,
}

impl Reader {
    pub(crate) fn new(io: Arc<dyn JournalIo>, catalog: Arc<Catalog>) -> Self {
        Self {
            io,
            catalog,
            recent: Arc::default(),
        }
    }

    /// A segment to look places up in.
    fn take(&self, first: u64) -> io::Result<Opened> {
        match self.recent.lock().take() {
            Some((at, opened)) if at == first => Ok(opened),
            _ => sealed::open(&*self.io, first),
        }
    }

    /// It is kept at hand if it is a sealed one: to open one that is not costs next to nothing.
    fn give_back(&self, first: u64, opened: Opened) {
        if opened.places.is_some() {
            *self.recent.lock() = Some((first, opened));
        }
    }

    /// Up to `limit` entries after a sequence number, none after `durable`.
    pub(crate) fn forward(
        &self,
        after: u64,
        durable: u64,
        filter: Filter,
        limit: usize,
    ) -> Result<Vec<Journaled>, AuditError> {
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        self.each(after, durable, |_, _, frame| {
            found.extend(decode(frame, filter)?);
            Ok(found.len() < limit)
        })?;
        Ok(found)
    }

    /// Entries after a sequence number as they are written, none after `durable`: at least one if
    /// there is one, and no more once `limit` bytes are read.
    pub(crate) fn written(
        &self,
        after: u64,
        durable: u64,
        limit: usize,
    ) -> Result<Vec<Written>, AuditError> {
        let (mut found, mut size) = (Vec::new(), 0);
        self.each(after, durable, |segment, offset, frame| {
            size += frame.payload.len();
            found.push(Written {
                sequence: frame.sequence,
                place: Place {
                    segment: segment.first,
                    offset,
                },
                bytes: frame.payload.to_vec(),
            });
            Ok(size < limit)
        })?;
        Ok(found)
    }

    /// The bytes of entries whose places are known, in the order of the places.
    pub(crate) fn at(&self, places: &[Place]) -> Result<Vec<Vec<u8>>, AuditError> {
        self.each_at(places, |_, bytes| bytes)
    }

    /// The sequence numbers of entries whose places are known, in the order of the places.
    pub(crate) fn numbers_at(&self, places: &[Place]) -> Result<Vec<u64>, AuditError> {
        self.each_at(places, |number, _| number)
    }

    fn each_at<T>(
        &self,
        places: &[Place],
        wanted: impl Fn(u64, Vec<u8>) -> T,
    ) -> Result<Vec<T>, AuditError> {
        let mut open: Option<(u64, Opened)> = None;
        let mut found = Vec::with_capacity(places.len());
        for place in places {
            let first = place.segment;
            if open.as_ref().is_none_or(|(at, _)| *at != first) {
                let opened = self.take(first);
                open = Some((first, opened.map_err(|error| unreadable(&error, first))?));
            }
            let Some((_, opened)) = &open else { continue };
            let read = frames::entry(&*opened.file, place.offset);
            let read = read.map_err(|error| fault::reading(&error, first))?;
            let (number, bytes) = read.ok_or(AuditError::Damaged { sequence: first })?;
            found.push(wanted(number, bytes));
        }
        if let Some((first, opened)) = open {
            self.give_back(first, opened);
        }
        Ok(found)
    }

    /// Whether what lay at a place was let go of.
    pub(crate) fn is_gone(&self, place: Place) -> bool {
        place.segment < self.catalog.beginning()
    }

    /// The entry at a place that may be wrong; none if there is none.
    pub(crate) fn perhaps_at(&self, place: Place) -> io::Result<Option<Written>> {
        // No file reaches there, and to ask for it would look like a fault of the disk.
        if i64::try_from(place.offset).is_err() || self.is_gone(place) {
            return Ok(None);
        }
        let read = self.take(place.segment).and_then(|opened| {
            let read = frames::entry(&*opened.file, place.offset)?;
            self.give_back(place.segment, opened);
            Ok(read)
        });
        let found = match read {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            Err(_) if self.is_gone(place) => None,
            read => read?,
        };
        Ok(found.map(|(sequence, bytes)| Written {
            sequence,
            place,
            bytes,
        }))
    }

    /// Visits entries after a sequence number, none after `durable`, until the visitor says that it
    /// has enough. What was let go of is passed over, also if that happens meanwhile.
    fn each(
        &self,
        after: u64,
        durable: u64,
        mut visit: impl FnMut(&Segment, u64, &Frame<'_>) -> Result<bool, AuditError>,
    ) -> Result<(), AuditError> {
        let mut after = after;
        loop {
            let beginning = self.catalog.beginning();
            after = after.max(beginning - 1);
            let visited = self.each_after(after, durable, |segment, offset, frame| {
                after = frame.sequence;
                visit(segment, offset, frame)
            });
            match visited {
                Err(AuditError::Damaged { .. }) if self.catalog.beginning() > beginning => {}
                visited => return visited,
            }
        }
    }

    fn each_after(
        &self,
        after: u64,
        durable: u64,
        mut visit: impl FnMut(&Segment, u64, &Frame<'_>) -> Result<bool, AuditError>,
    ) -> Result<(), AuditError> {
        // The last entry of the segment before.
        let mut before = None;
        if after >= durable {
            return Ok(());
        }
        let mut more = true;
        for segment in self.catalog.from(after + 1) {
            if segment.first > durable || !more {
                break;
            }
            let (file, start, follows) = self.open(&segment)?;
            // Each segment says which entry it follows: a segment that is gone is noticed, and a
            // loss that was recorded is no damage.
            let missing = match before {
                Some(last) => (last != follows).then_some(last + 1),
                None => (segment.first > after + 1 && follows > after).then_some(after + 1),
            };
            if let Some(sequence) = missing {
                return Err(AuditError::Damaged { sequence });
            }
            let from = segment.place(after + 1);
            let (first, offset) = from.unwrap_or((segment.first, start));
            let last = walk(&*file, offset, first, durable, |at, frame| {
                segment.note(frame.sequence, at);
                if frame.sequence > after {
                    more = visit(&segment, at, frame)?;
                }
                Ok(more)
            })?;
            before = Some(last.unwrap_or(follows));
        }
        match before {
            Some(last) if last < durable && more => Err(AuditError::Damaged { sequence: last + 1 }),
            _ => Ok(()),
        }
    }

    /// The last `limit` entries up to `durable`, in order.
    pub(crate) fn last(
        &self,
        durable: u64,
        filter: Filter,
        limit: usize,
    ) -> Result<Vec<Journaled>, AuditError> {
        let mut blocks: Vec<Vec<Journaled>> = Vec::new();
        let mut found = 0;
        let mut end = durable;
        for segment in self.catalog.segments().iter().rev() {
            if found >= limit {
                break;
            }
            if segment.first > end {
                continue;
            }
            let (file, start, follows) = match self.open(segment) {
                // It was let go of a moment ago, and so were all before it.
                Err(_) if segment.first < self.catalog.beginning() => break,
                opened => opened?,
            };
            let places = match segment.places() {
                Some(places) => places,
                None => index(segment, &*file, start, end)?,
            };
            for (first, offset) in places.iter().rev() {
                if *first > end {
                    continue;
                }
                let mut block = Vec::new();
                let last = walk(&*file, *offset, *first, end, |_, frame| {
                    block.extend(decode(frame, filter)?);
                    Ok(true)
                })?;
                if last != Some(end) {
                    let sequence = last.map_or(*first, |last| last + 1);
                    return Err(AuditError::Damaged { sequence });
                }
                found += block.len();
                blocks.push(block);
                end = first - 1;
                if found >= limit {
                    break;
                }
            }
            end = end.min(follows);
        }
        let entries = blocks.into_iter().rev().flatten();
        Ok(entries.skip(found.saturating_sub(limit)).collect())
    }

    /// The file, where its frames start, and which entry it follows.
    pub(crate) fn open(
        &self,
        segment: &Segment,
    ) -> Result<(Box<dyn SegmentFile>, u64, u64), AuditError> {
        let damaged = AuditError::Damaged {
            sequence: segment.first,
        };
        let opened = sealed::open(&*self.io, segment.first)
            .map_err(|error| unreadable(&error, segment.first))?;
        if let Some(places) = opened.places
            && !segment.is_whole()
        {
            segment.learn(places);
        }
        let file = opened.file;
        match frames::header(&*file).map_err(|error| fault::reading(&error, segment.first))? {
            Ok((header, start)) if header.first == segment.first => {
                Ok((file, start, header.follows))
            }
            _ => Err(damaged),
        }
    }
}

/// More numbers than any segment has entries.
const CHASM: u64 = 1 << 24;

impl Reader {
    /// Where so many numbers are missing that nobody can go through them one by one, as behind a loss that a
    /// mirror made good: the last entry before each, and the first behind.
    pub(crate) fn chasms(&self) -> Result<Vec<(u64, u64)>, AuditError> {
        let segments = self.catalog.segments();
        let pairs = segments.iter().zip(segments.iter().skip(1));
        let wide = pairs.filter(|(one, next)| next.first - one.first > CHASM);
        wide.map(|(_, next)| Ok((self.open(next)?.2, next.first)))
            .collect()
    }

    /// The same without reading anything, for whom it is enough that no entry is in one: they begin later.
    pub(crate) fn chasms_at_least(&self) -> Vec<(u64, u64)> {
        let segments = self.catalog.segments();
        let pairs = segments.iter().zip(segments.iter().skip(1));
        let wide = pairs.filter(|(one, next)| next.first - one.first > CHASM);
        wide.map(|(one, next)| (one.first + CHASM, next.first))
            .collect()
    }
}

/// Makes the index of a segment that has not been read since the start.
fn index(
    segment: &Segment,
    file: &dyn SegmentFile,
    start: u64,
    durable: u64,
) -> Result<Vec<(u64, u64)>, AuditError> {
    let fresh = Segment::new(segment.first);
    walk(file, start, segment.first, durable, |offset, frame| {
        fresh.note(frame.sequence, offset);
        Ok(true)
    })?;
    fresh.whole();
    let places = fresh.places().unwrap_or_default();
    segment.learn(places.clone());
    Ok(places)
}

/// Visits entries up to `durable` and checks that none is missing; the visitor says whether to go
/// on. Answers the last entry visited.
pub(crate) fn walk(
    file: &dyn SegmentFile,
    offset: u64,
    mut expected: u64,
    durable: u64,
    mut visit: impl FnMut(u64, &Frame<'_>) -> Result<bool, AuditError>,
) -> Result<Option<u64>, AuditError> {
    let mut frames = Frames::at(file, offset);
    let mut last = None;
    while expected <= durable {
        match frames
            .step()
            .map_err(|error| fault::reading(&error, expected))?
        {
            Step::Frame(_, frame) if frame.kind != Kind::Entry => {}
            Step::Frame(at, frame) if frame.sequence == expected => {
                last = Some(expected);
                expected += 1;
                if !visit(at, &frame)? {
                    break;
                }
            }
            // The caller knows whether the segment may end here.
            Step::End => break,
            Step::Frame(..) | Step::Bad => {
                return Err(AuditError::Damaged { sequence: expected });
            }
        }
    }
    Ok(last)
}

/// The entry in a frame, if it is one of those wanted.
pub(crate) fn decode(frame: &Frame<'_>, filter: Filter) -> Result<Option<Journaled>, AuditError> {
    if let Some(Some(tenant)) = filter
        && !names(frame.payload, tenant)
    {
        return Ok(None);
    }
    let event: AuditEvent = serde_json::from_slice(frame.payload).map_err(|_| {
        let sequence = frame.sequence;
        AuditError::Damaged { sequence }
    })?;
    let wanted = filter.is_none_or(|tenant| event.tenant == tenant);
    Ok(wanted.then_some(Journaled {
        as_logged: None,
        sequence: frame.sequence,
        event,
    }))
}

/// Whether a payload can be a tenant's: cheaper than parsing it, and never wrong with a no.
fn names(payload: &[u8], tenant: TenantId) -> bool {
    let mut text = uuid::Uuid::encode_buffer();
    let wanted = tenant.uuid().as_hyphenated().encode_lower(&mut text);
    payload
        .windows(wanted.len())
        .any(|window| window == wanted.as_bytes())
}

fn unreadable(error: &io::Error, first: u64) -> AuditError {
    if error.kind() == io::ErrorKind::NotFound {
        AuditError::Damaged { sequence: first }
    } else {
        fault::reading(error, first)
    }
}
