//! The terms of a field in a file, and the rows that have each: a term is found by its digest with two
//! small reads, whatever the file holds.
//!
//! ```text
//! n + 1 × u32: where each bucket begins, from the section's beginning, and where the last one ends
//! buckets:  each term in the bucket that its digest names:
//!           length u8, term, rows − 1 as u16, then at most 8 rows as u16, or u32: where they are
//! rows:     lists of u16, ascending, or a bit for each row of the block, whichever is shorter
//! ```

use std::io::{self, ErrorKind};

use keyward_ledger::Hash;

use crate::index::block::Posting;
use crate::index::bytes::Bytes;
use crate::index::open::Terms;
use crate::index::pages::Pages;
use crate::index::rows::Rows;

/// About so many terms to a bucket.
const PER_BUCKET: usize = 16;
/// So many rows at most stand beside their term.
const BESIDE: usize = 8;

/// Where a dictionary is in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dictionary {
    pub(super) at: u64,
    pub(super) length: u32,
    /// How many buckets, a power of two.
    pub(super) buckets: u32,
}

/// The bytes of a dictionary, and how many buckets it has.
pub(super) fn encode(size: u32, terms: &Terms) -> io::Result<(Vec<u8>, u32)> {
    let count = (terms.len() / PER_BUCKET).max(1).next_power_of_two();
    let buckets = u32::try_from(count).map_err(io::Error::other)?;
    let mut sorted: Vec<(u32, &[u8], &Vec<u16>)> = terms
        .iter()
        .map(|(term, rows)| (bucket(term, buckets), &**term, rows))
        .collect();
    sorted.sort_unstable_by_key(|(bucket, term, _)| (*bucket, *term));
    let begin = 4 * (count + 1);
    let records: usize = sorted
        .iter()
        .map(|(_, term, rows)| record_size(term, rows))
        .sum();
    let (mut starts, mut out) = (Vec::with_capacity(count + 1), Vec::with_capacity(records));
    let mut lists = Vec::new();
    for (bucket, term, rows) in sorted {
        while starts.len() <= bucket as usize {
            starts.push(begin + out.len());
        }
        out.push(u8::try_from(term.len()).map_err(io::Error::other)?);
        out.extend_from_slice(term);
        let more = rows.len().checked_sub(1).ok_or(ErrorKind::InvalidData)?;
        out.extend_from_slice(&u16::try_from(more).map_err(io::Error::other)?.to_be_bytes());
        if rows.len() <= BESIDE {
            put_list(&mut out, rows);
        } else {
            let at = u32::try_from(begin + records + lists.len()).map_err(io::Error::other)?;
            out.extend_from_slice(&at.to_be_bytes());
            if is_list(rows.len(), size) {
                put_list(&mut lists, rows);
            } else {
                lists.extend(Rows::of(size, rows.iter().copied()).to_bytes());
            }
        }
    }
    starts.resize(count + 1, begin + out.len());
    let mut bytes = Vec::with_capacity(begin + out.len() + lists.len());
    for start in starts {
        let start = u32::try_from(start).map_err(io::Error::other)?;
        bytes.extend_from_slice(&start.to_be_bytes());
    }
    bytes.extend(out);
    bytes.extend(lists);
    Ok((bytes, buckets))
}

fn record_size(term: &[u8], rows: &[u16]) -> usize {
    let list = if rows.len() <= BESIDE {
        2 * rows.len()
    } else {
        4
    };
    1 + term.len() + 2 + list
}

fn put_list(out: &mut Vec<u8>, rows: &[u16]) {
    out.extend(rows.iter().flat_map(|row| row.to_be_bytes()));
}

/// Whether so many rows are a list rather than a bit for each of the block's.
const fn is_list(count: usize, size: u32) -> bool {
    2 * count <= 8 * size.div_ceil(64) as usize
}

fn bucket(term: &[u8], buckets: u32) -> u32 {
    let digest = Hash::of_leaf(term);
    let first = digest.as_bytes().first_chunk().copied().unwrap_or_default();
    u32::from_be_bytes(first) & (buckets - 1)
}

impl Dictionary {
    /// The rows that have a term.
    pub(super) fn find(&self, pages: &Pages, size: u32, term: &[u8]) -> io::Result<Posting> {
        if !self.buckets.is_power_of_two() {
            return Err(ErrorKind::InvalidData.into());
        }
        let slot = 4 * u64::from(bucket(term, self.buckets));
        let bounds = pages.read(self.at + slot, 8)?;
        let mut bounds = Bytes(&bounds);
        let (start, end) = (bounds.u32()?, bounds.u32()?);
        let records = pages.read(self.at + u64::from(start), self.bounded(start, end)?)?;
        let mut rest = Bytes(&records);
        while !rest.is_empty() {
            let record = Record::read(&mut rest)?;
            if record.term == term {
                return record.posting(size, |at, length| {
                    let end = u64::from(at) + length as u64;
                    if end > u64::from(self.length) {
                        return Err(ErrorKind::InvalidData.into());
                    }
                    pages.read(self.at + u64::from(at), length)
                });
            }
        }
        Ok(Posting::Few(Vec::new()))
    }

    /// Visits every term.
    pub(super) fn each(
        &self,
        pages: &Pages,
        size: u32,
        visit: &mut dyn FnMut(&[u8], &Posting),
    ) -> io::Result<()> {
        let section = pages.read(self.at, self.length as usize)?;
        let bounds = section.get(..4).ok_or(ErrorKind::InvalidData)?;
        let start = Bytes(bounds).u32()?;
        let slot = 4 * self.buckets as usize;
        let end = Bytes(section.get(slot..).unwrap_or_default()).u32()?;
        let range = start as usize..start as usize + self.bounded(start, end)?;
        let mut rest = Bytes(section.get(range).ok_or(ErrorKind::InvalidData)?);
        while !rest.is_empty() {
            let record = Record::read(&mut rest)?;
            let posting = record.posting(size, |at, length| {
                let list = section.get(at as usize..at as usize + length);
                list.map(<[u8]>::to_vec)
                    .ok_or(ErrorKind::InvalidData.into())
            })?;
            visit(record.term, &posting);
        }
        Ok(())
    }

    fn bounded(&self, start: u32, end: u32) -> io::Result<usize> {
        if end > self.length {
            return Err(ErrorKind::InvalidData.into());
        }
        let length = end.checked_sub(start).ok_or(ErrorKind::InvalidData)?;
        Ok(length as usize)
    }
}

struct Record<'a> {
    term: &'a [u8],
    count: usize,
    /// The rows, or where they are.
    list: &'a [u8],
}

impl<'a> Record<'a> {
    fn read(rest: &mut Bytes<'a>) -> io::Result<Self> {
        let length = rest.u8()?;
        let term = rest.take(usize::from(length))?;
        let count = usize::from(rest.u16()?) + 1;
        let list = rest.take(if count <= BESIDE { 2 * count } else { 4 })?;
        Ok(Self { term, count, list })
    }

    fn posting(
        &self,
        size: u32,
        elsewhere: impl FnOnce(u32, usize) -> io::Result<Vec<u8>>,
    ) -> io::Result<Posting> {
        if self.count <= BESIDE {
            return Ok(Posting::Few(list(self.list)));
        }
        let at = Bytes(self.list).u32()?;
        if is_list(self.count, size) {
            let bytes = elsewhere(at, 2 * self.count)?;
            return Ok(Posting::Few(list(&bytes)));
        }
        let bytes = elsewhere(at, 8 * size.div_ceil(64) as usize)?;
        Ok(Posting::Many(Rows::of_bytes(size, &bytes)))
    }
}

fn list(bytes: &[u8]) -> Vec<u16> {
    let pairs = bytes.chunks_exact(2);
    pairs
        .filter_map(|pair| pair.first_chunk())
        .map(|pair| u16::from_be_bytes(*pair))
        .collect()
}
