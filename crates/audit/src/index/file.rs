//! A finished block as a file: written once, read a few bytes at a time.
//!
//! ```text
//! head | times | places | a dictionary for each field | counts for each field that is counted
//! ```
//!
//! `docs/formats/audit-index.md` describes it for strangers.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use keyward_ledger::Hash;

use crate::index::block::{Block, Posting};
use crate::index::bytes::{Bytes, put_varint, unzigzag, zigzag};
use crate::index::dictionary::{self, Dictionary};
use crate::index::field::Field;
use crate::index::open::Open;
use crate::index::pages::{Pages, paged};
use crate::index::rollup;
use crate::reader::Place;

const MAGIC: &[u8; 4] = b"KWX1";
const VERSION: u16 = 1;
/// Bytes of the head.
const HEAD: usize =
    4 + 2 + 4 + 4 + 5 * 8 + Hash::SIZE + 2 * 8 + 2 * 12 + Field::COUNT * 16 + 8 * 12;
/// Bytes of an offset in a segment.
const OFFSET: usize = 5;

/// The name of the file of the block that begins with this sequence number.
pub(super) fn name(first: u64) -> String {
    format!("index-{first:020}.kwx")
}

/// The first sequence number of the block in the file with this name, if it is one's.
pub(super) fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("index-")?.strip_suffix(".kwx")?;
    let first = digits.parse().ok()?;
    (self::name(first) == name).then_some(first)
}

/// Where some bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Section {
    at: u64,
    length: u32,
}

/// What a file says of itself; kept in memory for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) first: u64,
    /// Bytes of the content.
    length: u64,
    size: u32,
    rows: u32,
    /// The last entry: its number, place, and the hash of its leaf.
    pub(super) last: u64,
    pub(super) last_place: Place,
    pub(super) leaf: Hash,
    span: (i64, i64),
    times: Section,
    places: Section,
    fields: [Dictionary; Field::COUNT],
    counts: [Section; Field::COUNTED.len()],
}

/// The file of a block that has all its entries; none if it has none at all.
pub(super) fn encode(block: &Open) -> io::Result<Option<Vec<u8>>> {
    let Some(last) = &block.last else {
        return Ok(None);
    };
    let mut out = vec![0; HEAD];
    let mut section = |bytes: &[u8]| -> io::Result<Section> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let at = out.len() as u64;
        out.extend_from_slice(bytes);
        Ok(Section { at, length })
    };
    let times = section(&times(block))?;
    let places = section(&places(block)?)?;
    let mut fields = [Dictionary::default(); Field::COUNT];
    for (place, terms) in fields.iter_mut().zip(&block.fields) {
        let (bytes, buckets) = dictionary::encode(block.size(), terms)?;
        let Section { at, length } = section(&bytes)?;
        *place = Dictionary {
            at,
            length,
            buckets,
        };
    }
    let mut counts = [Section::default(); Field::COUNTED.len()];
    for (place, field) in counts.iter_mut().zip(Field::COUNTED) {
        *place = section(&rollup::encode(block, field))?;
    }
    let head = Head {
        first: block.first,
        length: out.len() as u64,
        size: block.size(),
        rows: u32::try_from(block.times.len()).map_err(io::Error::other)?,
        last: last.sequence,
        last_place: last.place,
        leaf: Hash::of_leaf(&last.bytes),
        span: block.span(),
        times,
        places,
        fields,
        counts,
    };
    let head = head.encode();
    out.get_mut(..HEAD)
        .filter(|room| room.len() == head.len())
        .ok_or(ErrorKind::InvalidData)?
        .copy_from_slice(&head);
    Ok(Some(paged(block.first, &out)))
}

/// The first time, then how each differs from the one before.
fn times(block: &Open) -> Vec<u8> {
    let (mut out, mut before) = (Vec::new(), 0_i64);
    for time in &block.times {
        put_varint(&mut out, zigzag(time.wrapping_sub(before)));
        before = *time;
    }
    out
}

/// The segments in which the entries lie, then of each row the offset in its segment; zero where there
/// is no entry.
fn places(block: &Open) -> io::Result<Vec<u8>> {
    let mut segments: Vec<u64> = block.places.iter().flatten().map(|it| it.segment).collect();
    segments.dedup();
    let count = u32::try_from(segments.len()).map_err(io::Error::other)?;
    let mut out = count.to_be_bytes().to_vec();
    out.extend(segments.iter().flat_map(|first| first.to_be_bytes()));
    for place in &block.places {
        let [a, b, c, rest @ ..] = place.map_or(0, |place| place.offset).to_be_bytes();
        if [a, b, c] != [0; 3] {
            return Err(io::Error::other("a segment is too large"));
        }
        out.extend_from_slice(&rest);
    }
    Ok(out)
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&self.size.to_be_bytes());
        out.extend_from_slice(&self.rows.to_be_bytes());
        let place = self.last_place;
        for number in [
            self.length,
            self.first,
            self.last,
            place.segment,
            place.offset,
        ] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(self.leaf.as_bytes());
        out.extend_from_slice(&self.span.0.to_be_bytes());
        out.extend_from_slice(&self.span.1.to_be_bytes());
        for dictionary in &self.fields {
            out.extend_from_slice(&dictionary.at.to_be_bytes());
            out.extend_from_slice(&dictionary.length.to_be_bytes());
            out.extend_from_slice(&dictionary.buckets.to_be_bytes());
        }
        for section in [self.times, self.places].iter().chain(&self.counts) {
            out.extend_from_slice(&section.at.to_be_bytes());
            out.extend_from_slice(&section.length.to_be_bytes());
        }
        out
    }

    fn decode(bytes: &[u8]) -> io::Result<Self> {
        let mut rest = Bytes(bytes);
        if rest.array::<4>()? != *MAGIC || rest.u16()? != VERSION {
            return Err(ErrorKind::InvalidData.into());
        }
        let (size, rows) = (rest.u32()?, rest.u32()?);
        let (length, first, last) = (rest.u64()?, rest.u64()?, rest.u64()?);
        let last_place = Place {
            segment: rest.u64()?,
            offset: rest.u64()?,
        };
        let leaf = Hash::from_bytes(rest.array()?);
        let span = (rest.i64()?, rest.i64()?);
        let mut fields = [Dictionary::default(); Field::COUNT];
        for field in &mut fields {
            *field = Dictionary {
                at: rest.u64()?,
                length: rest.u32()?,
                buckets: rest.u32()?,
            };
        }
        let (times, places) = (Section::read(&mut rest)?, Section::read(&mut rest)?);
        let mut counts = [Section::default(); Field::COUNTED.len()];
        for section in &mut counts {
            *section = Section::read(&mut rest)?;
        }
        let dictionaries = fields.iter().map(|it| (it.at, it.length));
        let sections = [times, places].into_iter().chain(counts);
        let parts = sections.map(|it| (it.at, it.length)).chain(dictionaries);
        let mut ends = parts.map(|(at, part)| at.checked_add(u64::from(part)));
        // What would reach behind the file is not looked for.
        if ends.any(|end| end.is_none_or(|end| end > length)) {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(Self {
            first,
            length,
            size,
            rows,
            last,
            last_place,
            leaf,
            span,
            times,
            places,
            fields,
            counts,
        })
    }

    /// Whether it is of a block of this size that begins here.
    pub(super) const fn is_of(&self, first: u64, size: u32) -> bool {
        self.first == first && self.size == size && self.rows <= size
    }
}

impl Section {
    fn read(rest: &mut Bytes<'_>) -> io::Result<Self> {
        Ok(Self {
            at: rest.u64()?,
            length: rest.u32()?,
        })
    }

    fn bytes(self, pages: &Pages) -> io::Result<Vec<u8>> {
        pages.read(self.at, self.length as usize)
    }
}

/// A block's file, opened for a search.
pub(super) struct Finished<'h> {
    head: &'h Head,
    pages: Pages,
}

/// Reads what a file says of itself.
pub(super) fn head(dir: &Path, first: u64) -> io::Result<Head> {
    opened(dir, first).map(|(_, head)| head)
}

fn opened(dir: &Path, first: u64) -> io::Result<(Pages, Head)> {
    let pages = Pages::new(File::open(dir.join(name(first)))?, first)?;
    let head = Head::decode(&pages.read(0, HEAD)?)?;
    pages.ensure(head.length)?;
    Ok((pages, head))
}

impl<'h> Finished<'h> {
    /// Opens the file; it must still be the one whose head this is.
    pub(super) fn open(dir: &Path, head: &'h Head) -> io::Result<Self> {
        let (pages, found) = opened(dir, head.first)?;
        if found != *head {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(Self { head, pages })
    }

    /// The counts of a field, made when the block was written.
    pub(super) fn counts(&self, field: Field) -> io::Result<Vec<u8>> {
        let at = Field::COUNTED.iter().position(|it| *it == field);
        let section = at.and_then(|at| self.head.counts.get(at));
        section.copied().unwrap_or_default().bytes(&self.pages)
    }
}

impl Block for Finished<'_> {
    fn size(&self) -> u32 {
        self.head.size
    }

    fn span(&self) -> (i64, i64) {
        self.head.span
    }

    fn posting(&self, field: Field, term: &[u8]) -> io::Result<Posting> {
        let found = self.head.fields.get(field as usize);
        let found = found.ok_or(ErrorKind::InvalidData)?;
        found.find(&self.pages, self.head.size, term)
    }

    fn each(&self, field: Field, visit: &mut dyn FnMut(&[u8], &Posting)) -> io::Result<()> {
        let found = self.head.fields.get(field as usize);
        let found = found.ok_or(ErrorKind::InvalidData)?;
        found.each(&self.pages, self.head.size, visit)
    }

    fn times(&self) -> io::Result<Vec<i64>> {
        let bytes = self.head.times.bytes(&self.pages)?;
        let (mut rest, mut time) = (Bytes(&bytes), 0_i64);
        let mut times = Vec::with_capacity(self.head.rows as usize);
        for _ in 0..self.head.rows {
            time = time.wrapping_add(unzigzag(rest.varint()?));
            times.push(time);
        }
        Ok(times)
    }

    fn place(&self, row: u16) -> io::Result<Option<Place>> {
        if u32::from(row) >= self.head.rows {
            return Ok(None);
        }
        let at = self.head.places.at;
        let count = Bytes(&self.pages.read(at, 4)?).u32()?;
        if count > self.head.size {
            return Err(ErrorKind::InvalidData.into());
        }
        let table = 8 * count as usize;
        let segments = self.pages.read(at + 4, table)?;
        let offset = at + 4 + table as u64 + (OFFSET * usize::from(row)) as u64;
        let offset = self.pages.read(offset, OFFSET)?;
        let offset = offset
            .iter()
            .fold(0, |all, byte| all << 8 | u64::from(*byte));
        let sequence = self.head.first + u64::from(row);
        // A segment has the number of its first entry.
        let (mut rest, mut segment) = (Bytes(&segments), None);
        while !rest.is_empty() {
            let first = rest.u64()?;
            if first <= sequence {
                segment = Some(first);
            }
        }
        let found = segment.filter(|_| offset > 0);
        Ok(found.map(|segment| Place { segment, offset }))
    }
}
