//! Sealing a segment: packed block by block into a file beside it, synced, read back and compared with
//! what was written; only then it takes its place, and only when that is durable the other goes. A
//! crash at any instant leaves one of them whole. In small steps, so that whoever drives it sets the pace.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use keyward_ledger::Hash;

use crate::catalog::Segment;
use crate::frames::{Frames, Step, fill, header};
use crate::io::{Access, JournalIo, SegmentFile};
use crate::sealed::directory::{DICTIONARY_MOST, Directory, Prefix, Row};
use crate::sealed::{SealedFile, block};
use crate::segment;
use crate::writer::Shared;

/// How hard zstd tries. Higher levels take several times as long for a few per cent.
const LEVEL: i32 = 10;
/// From how many places of a segment entries are taken into its dictionary.
const SAMPLES: u64 = 64;
/// One sample for so many bytes, so that a dictionary is small beside what it is for.
const SAMPLED: u64 = 64 * 1024;

/// Why a segment was not sealed. It is still there as it was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The disk failed, or is full.
    #[error("the journal's file {name} cannot be sealed: the disk failed")]
    Io {
        /// The name of the segment as it was written.
        name: String,
        /// How.
        #[source]
        source: io::Error,
    },
    /// The segment, the one behind it, or a sealed file that is there already, is not what was written.
    #[error("the journal's file {name} is damaged at sequence {sequence} and stays as it is")]
    Damaged {
        /// The name of the file.
        name: String,
        /// The first entry that cannot be read.
        sequence: u64,
    },
    /// Both files are there, and differ: somebody put one of them there.
    #[error(
        "the journal has {name} and, sealed, {sealed}, and they differ: keep both as evidence, and \
         put the right one back from a copy"
    )]
    Differ {
        /// The name of the segment as it was written.
        name: String,
        /// The name of the sealed one.
        sealed: String,
    },
    /// What was packed reads back otherwise.
    #[error(
        "what was sealed of the journal's file {name} does not read back as it was written: the disk or \
         the memory fails. The file stays as it is, and the server tries again after its next start"
    )]
    ReadBack {
        /// The name of the segment as it was written.
        name: String,
    },
}

impl SealError {
    /// Whether there is no room: what was made is removed again, and to try soon would take the room from
    /// those who write.
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull, WriteZero};
        let Self::Io { source, .. } = self else {
            return false;
        };
        matches!(source.kind(), StorageFull | QuotaExceeded | WriteZero)
    }
}

/// Seals finished segments, the oldest first.
pub struct Sealer {
    io: Arc<dyn JournalIo>,
    shared: Arc<Shared>,
    /// Segments that cannot be sealed by this process.
    given_up: BTreeSet<u64>,
}

impl Sealer {
    pub(crate) fn new(io: Arc<dyn JournalIo>, shared: Arc<Shared>) -> Self {
        Self {
            io,
            shared,
            given_up: BTreeSet::new(),
        }
    }

    /// Whether a finished segment waits for being sealed.
    pub fn is_due(&self) -> bool {
        let segments = self.shared.catalog.segments();
        let finished = segments
            .split_last()
            .map_or(&[][..], |(_, finished)| finished);
        let mut due = finished.iter().filter(|segment| !segment.is_sealed());
        due.any(|segment| !self.given_up.contains(&segment.first))
    }

    /// Begins with the oldest segment that is finished, is not sealed, and has no entry after `covered`;
    /// none if there is none. What a crash left of an earlier try goes. Blocks while it reads.
    ///
    /// # Errors
    /// When the disk fails, and for a segment that is not what was written: that one is passed over from
    /// then on.
    pub fn begin(&mut self, covered: u64) -> Result<Option<Sealing>, SealError> {
        let segments = self.shared.catalog.segments();
        for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
            if segment.is_sealed() || self.given_up.contains(&segment.first) {
                continue;
            }
            if next.first - 1 > covered {
                break;
            }
            if self.has_gone(segment)? {
                continue;
            }
            let begun = Sealing::begin(&self.io, segment, next.first);
            return self.note(segment.first, begun).map(Some);
        }
        Ok(None)
    }

    /// Whether the file that was written was removed by an earlier try that failed thereafter.
    fn has_gone(&self, segment: &Segment) -> Result<bool, SealError> {
        let first = segment.first;
        let failed = |source: io::Error| failure(first, first, source);
        let gone = match self.io.identity(&segment::name(first)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => segment.sealed_as(),
            Err(error) => return Err(failed(error)),
            Ok(_) => None,
        };
        let Some(made) = gone else { return Ok(false) };
        let found = self
            .io
            .identity(&segment::sealed_name(first))
            .map_err(failed)?;
        if found == made {
            self.io.sync_dir().map_err(failed)?;
            segment.sealed();
        }
        Ok(found == made)
    }

    /// Takes note of what became of a segment: what is wrong with it for good is not tried again, and no
    /// part of a file is left to take room until the next try.
    fn note<T>(&mut self, first: u64, outcome: Result<T, SealError>) -> Result<T, SealError> {
        let Err(error) = &outcome else { return outcome };
        // If that fails too, the next try removes it.
        let _ = self.io.remove(&beside(first));
        if !matches!(error, SealError::Io { .. }) {
            self.given_up.insert(first);
        }
        outcome
    }

    /// A step of one that was begun: a block, some milliseconds. Whether there is more to do.
    ///
    /// # Errors
    /// As [`Sealer::begin`].
    pub fn step(&mut self, sealing: &mut Sealing) -> Result<bool, SealError> {
        let stepped = sealing.step();
        self.note(sealing.segment.first, stepped)
    }
}

/// One that is under way.
pub struct Sealing {
    io: Arc<dyn JournalIo>,
    segment: Arc<Segment>,
    source: Box<dyn SegmentFile>,
    /// The last entry that it must have.
    last: u64,
    /// Up to where the source was packed or compared.
    at: u64,
    /// The number of the next entry there.
    next: u64,
    phase: Phase,
}

enum Phase {
    Pack(Packing),
    /// Compares; whether the file still has its name to get.
    Check(SealedFile, bool),
    Done,
}

struct Packing {
    file: Box<dyn SegmentFile>,
    compressor: zstd::bulk::Compressor<'static>,
    end: u64,
    directory: Directory,
}

impl Sealing {
    fn begin(
        io: &Arc<dyn JournalIo>,
        segment: &Arc<Segment>,
        successor: u64,
    ) -> Result<Self, SealError> {
        let first = segment.first;
        let failed = |source: io::Error| failure(first, first, source);
        let source = io
            .open(&segment::name(first), Access::Read)
            .map_err(failed)?;
        let following = super::open(&**io, successor)
            .and_then(|opened| Ok((opened.places.is_some(), header(&*opened.file)?)))
            .map_err(|source| failure(successor, successor, source))?;
        let (is_sealed, following) = following;
        let (following, _) = following.map_err(|_| SealError::Damaged {
            name: if is_sealed {
                segment::sealed_name(successor)
            } else {
                segment::name(successor)
            },
            sequence: successor,
        })?;
        let own = header(&*source).map_err(failed)?.ok();
        let own = own.filter(|(own, _)| own.first == first);
        let (_, start) = own.ok_or_else(|| damaged(first, first))?;
        let mut sealing = Self {
            io: Arc::clone(io),
            segment: Arc::clone(segment),
            source,
            last: following.follows,
            at: start,
            next: first,
            phase: Phase::Done,
        };
        sealing.phase = sealing.first_phase(start).map_err(failed)?;
        if let Phase::Check(..) = sealing.phase {
            sealing.at = 0;
        }
        Ok(sealing)
    }

    /// A sealed file that is there already is compared; otherwise one is made.
    fn first_phase(&self, start: u64) -> io::Result<Phase> {
        let (io, first) = (&self.io, self.segment.first);
        match io.open(&segment::sealed_name(first), Access::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return Ok(Phase::Check(SealedFile::open(opened?)?, false)),
        }
        match io.remove(&beside(first)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        let mut header = vec![0; start as usize];
        fill(&*self.source, 0, &mut header)?;
        let prefix = Prefix {
            header,
            dictionary: dictionary(&*self.source, start)?,
        };
        let compressor = zstd::bulk::Compressor::with_dictionary(LEVEL, &prefix.dictionary)?;
        let bytes = prefix.encode();
        let mut file = io.create(&beside(first))?;
        file.write_at(0, &bytes)?;
        Ok(Phase::Pack(Packing {
            file,
            compressor,
            end: bytes.len() as u64,
            directory: Directory {
                last: self.last,
                prefix: Hash::of_leaf(&bytes),
                rows: Vec::new(),
            },
        }))
    }

    fn step(&mut self) -> Result<bool, SealError> {
        let (first, next) = (self.segment.first, self.next);
        let (stepped, own) = match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Pack(packing) => (self.pack(packing)?, true),
            Phase::Check(sealed, unnamed) => (self.compare(sealed, unnamed)?, unnamed),
            Phase::Done => return Ok(false),
        };
        stepped.map_err(|source| match source.kind() {
            // Not a file of anybody's: the one that was made here.
            io::ErrorKind::InvalidData if own => read_back(first),
            _ => failure(first, next, source),
        })?;
        Ok(!matches!(self.phase, Phase::Done))
    }

    /// Packs a block, or ends the file.
    fn pack(&mut self, mut packing: Packing) -> Result<io::Result<()>, SealError> {
        let first = self.segment.first;
        let mut frames = vec![0; block::MOST];
        match fill(&*self.source, self.at, &mut frames) {
            Ok(filled) => frames.truncate(filled),
            Err(error) => return Ok(Err(error)),
        }
        let taken = block::take(&frames, self.next).ok_or_else(|| damaged(first, self.next))?;
        if taken.size > 0 {
            frames.truncate(taken.size);
            let packed = block::pack(&frames, self.next);
            let packed = packed.ok_or_else(|| damaged(first, self.next))?;
            if let Err(error) = packing.put(self.next, frames.len(), &packed) {
                return Ok(Err(error));
            }
            self.at += taken.size as u64;
            self.next = taken.next;
            self.phase = Phase::Pack(packing);
            return Ok(Ok(()));
        }
        // Behind the last frame there may be space that was reserved, and nothing else.
        if frames.iter().any(|byte| *byte != 0) || self.next != self.last + 1 {
            return Err(damaged(first, self.next));
        }
        Ok(self.close(packing))
    }

    fn close(&mut self, mut packing: Packing) -> io::Result<()> {
        let bytes = packing.directory.encode();
        packing.file.write_at(packing.end, &bytes)?;
        packing.file.sync()?;
        let again = self.io.open(&beside(self.segment.first), Access::Read)?;
        self.at = 0;
        self.phase = Phase::Check(SealedFile::open(again)?, true);
        Ok(())
    }

    /// Compares a piece with what was written; all of it being the same, it takes its place.
    fn compare(&mut self, sealed: SealedFile, unnamed: bool) -> Result<io::Result<()>, SealError> {
        let (mut made, mut written) = (vec![0; block::LEAST], vec![0; block::LEAST]);
        let read = fill(&sealed, self.at, &mut made).and_then(|made| {
            let written = fill(&*self.source, self.at, &mut written)?;
            Ok((made, written, sealed.len()?))
        });
        let (of_made, of_written, length) = match read {
            Ok(read) => read,
            Err(error) => return Ok(Err(error)),
        };
        let first = self.segment.first;
        // If it does not end here it is damaged here, which the next step is told.
        let ends = self.at + of_made as u64 == length;
        let rest = &written[of_made.min(of_written)..of_written];
        if of_made > of_written
            || made[..of_made] != written[..of_made]
            || (ends && rest.iter().any(|byte| *byte != 0))
        {
            return Err(if unnamed {
                read_back(first)
            } else {
                SealError::Differ {
                    name: segment::name(first),
                    sealed: segment::sealed_name(first),
                }
            });
        }
        self.at += of_made as u64;
        if of_made > 0 {
            self.phase = Phase::Check(sealed, unnamed);
            return Ok(Ok(()));
        }
        drop(sealed);
        Ok(self.take_place(unnamed))
    }

    /// The name, then the directory, and only then the file that was written goes.
    fn take_place(&self, unnamed: bool) -> io::Result<()> {
        let first = self.segment.first;
        let (name, sealed) = (segment::name(first), segment::sealed_name(first));
        let now = if unnamed { &beside(first) } else { &sealed };
        // From here on whoever watches knows by what the sealed one is recognised.
        self.segment.will_be_sealed(self.io.identity(now)?);
        if unnamed {
            self.io.rename(now, &sealed)?;
        }
        self.io.sync_dir()?;
        self.io.remove(&name)?;
        self.segment.sealed();
        self.io.sync_dir()
    }
}

impl Packing {
    fn put(&mut self, next: u64, frames: usize, packed: &[u8]) -> io::Result<()> {
        let stored = self.compressor.compress(packed)?;
        self.file.write_at(self.end, &stored)?;
        self.end += stored.len() as u64;
        self.directory.rows.push(Row {
            next,
            length: frames as u32,
            stored: stored.len() as u32,
            digest: Hash::of_leaf(&stored),
        });
        Ok(())
    }
}

/// Some of a segment's entries, from all over it: what its blocks have in common.
fn dictionary(source: &dyn SegmentFile, start: u64) -> io::Result<Vec<u8>> {
    let frames = source.len()?.saturating_sub(start);
    let samples = SAMPLES.min(frames / SAMPLED);
    let mut found = Vec::new();
    for sample in 0..samples {
        let mut from = Frames::at(source, start + frames / samples * sample);
        if from.search(|_| true)?
            && let Step::Frame(_, frame) = from.step()?
            && found.len() + frame.payload.len() <= DICTIONARY_MOST
        {
            found.extend_from_slice(frame.payload);
        }
    }
    Ok(found)
}

/// The name of a sealed segment that is being made.
fn beside(first: u64) -> String {
    format!("{}.new", segment::sealed_name(first))
}

/// Only of a sealed file a reader says that it is not what was written: another one is bytes to him.
fn failure(first: u64, sequence: u64, source: io::Error) -> SealError {
    match source.kind() {
        io::ErrorKind::InvalidData => SealError::Damaged {
            name: segment::sealed_name(first),
            sequence,
        },
        _ => SealError::Io {
            name: segment::name(first),
            source,
        },
    }
}

fn read_back(first: u64) -> SealError {
    let name = segment::name(first);
    SealError::ReadBack { name }
}

fn damaged(first: u64, sequence: u64) -> SealError {
    SealError::Damaged {
        name: segment::name(first),
        sequence,
    }
}
