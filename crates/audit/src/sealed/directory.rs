//! What a sealed segment says of itself: its prefix before the blocks, and the directory of them
//! behind. Every byte of the file is covered by a digest or has one value only.

use keyward_ledger::Hash;

use crate::sealed::block;
use crate::segment::HEADER_MAX;

/// The format written.
pub(crate) const VERSION: u16 = 1;

const MAGIC: &[u8; 4] = b"KWS1";
const END: &[u8; 8] = b"KWS1.END";
/// Bytes before the header.
pub(super) const FIXED: usize = 12;
/// No dictionary is longer.
pub(super) const DICTIONARY_MOST: usize = 64 * 1024;
/// No prefix is longer.
pub(super) const PREFIX_MOST: usize = FIXED + HEADER_MAX + DICTIONARY_MOST;
/// Bytes behind the directory.
pub(super) const TAIL: usize = 4 + Hash::SIZE + END.len();
/// Bytes of the directory before its rows.
const HEAD: usize = 8 + Hash::SIZE;
const ROW: usize = 16 + Hash::SIZE;

/// Why it cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not what was written.
    Broken,
    /// It is of a format that this program does not know.
    Version(u16),
}

/// What is before the blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    /// The header of the segment as it was written.
    pub(super) header: Vec<u8>,
    pub(super) dictionary: Vec<u8>,
}

impl Prefix {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&VERSION.to_be_bytes());
        // Both are bounded where they are made.
        out.extend_from_slice(&(self.header.len() as u16).to_be_bytes());
        out.extend_from_slice(&(self.dictionary.len() as u32).to_be_bytes());
        out.extend_from_slice(&self.header);
        out.extend_from_slice(&self.dictionary);
        out
    }

    /// Reads the prefix at the beginning of some bytes, and its length.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, usize), Fault> {
        let fixed = bytes.first_chunk::<FIXED>().ok_or(Fault::Broken)?;
        let [m0, m1, m2, m3, v0, v1, h0, h1, d0, d1, d2, d3] = *fixed;
        if [m0, m1, m2, m3] != *MAGIC {
            return Err(Fault::Broken);
        }
        let version = u16::from_be_bytes([v0, v1]);
        if version != VERSION {
            return Err(Fault::Version(version));
        }
        let header = FIXED + usize::from(u16::from_be_bytes([h0, h1]));
        let dictionary = u32::from_be_bytes([d0, d1, d2, d3]) as usize;
        if header > FIXED + HEADER_MAX || dictionary > DICTIONARY_MOST {
            return Err(Fault::Broken);
        }
        let prefix = Self {
            header: bytes.get(FIXED..header).ok_or(Fault::Broken)?.to_vec(),
            dictionary: bytes
                .get(header..header + dictionary)
                .ok_or(Fault::Broken)?
                .to_vec(),
        };
        Ok((prefix, header + dictionary))
    }
}

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The number of the first entry in it, or behind it if it has none.
    pub(super) next: u64,
    /// Bytes of frames.
    pub(super) length: u32,
    /// Bytes in the file.
    pub(super) stored: u32,
    /// Of those.
    pub(super) digest: Hash,
}

/// All blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    /// The last entry; one less than the first if there is none.
    pub(super) last: u64,
    /// Of the prefix.
    pub(super) prefix: Hash,
    pub(super) rows: Vec<Row>,
}

impl Directory {
    /// The directory and what follows it to the file's end.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = self.last.to_be_bytes().to_vec();
        out.extend_from_slice(self.prefix.as_bytes());
        for row in &self.rows {
            out.extend_from_slice(&row.next.to_be_bytes());
            out.extend_from_slice(&row.length.to_be_bytes());
            out.extend_from_slice(&row.stored.to_be_bytes());
            out.extend_from_slice(row.digest.as_bytes());
        }
        let (length, digest) = (out.len() as u32, Hash::of_leaf(&out));
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(digest.as_bytes());
        out.extend_from_slice(END);
        out
    }

    /// The length of a directory, from the tail; none if that is none.
    pub(super) fn length(tail: &[u8; TAIL]) -> Option<usize> {
        let length = u32::from_be_bytes(*tail.first_chunk::<4>()?) as usize;
        let sound = tail.ends_with(END) && length >= HEAD && (length - HEAD).is_multiple_of(ROW);
        sound.then_some(length)
    }

    /// Reads a directory; none if it is not the one that the tail is of.
    pub(super) fn decode(bytes: &[u8], tail: &[u8; TAIL]) -> Option<Self> {
        let digest = tail.get(4..4 + Hash::SIZE)?;
        if Hash::of_leaf(bytes).as_bytes() != digest {
            return None;
        }
        let (last, rest) = bytes.split_first_chunk::<8>()?;
        let (prefix, rest) = rest.split_first_chunk::<{ Hash::SIZE }>()?;
        let rows: Option<Vec<Row>> = rest.chunks_exact(ROW).map(row).collect();
        Some(Self {
            last: u64::from_be_bytes(*last),
            prefix: Hash::from_bytes(*prefix),
            rows: rows?,
        })
    }
}

fn row(bytes: &[u8]) -> Option<Row> {
    let (next, rest) = bytes.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (stored, rest) = rest.split_first_chunk::<4>()?;
    let row = Row {
        next: u64::from_be_bytes(*next),
        length: u32::from_be_bytes(*length),
        stored: u32::from_be_bytes(*stored),
        digest: Hash::from_bytes(*rest.first_chunk()?),
    };
    let sound = row.length as usize <= block::MOST && row.stored as usize <= block::PACKED_MOST;
    sound.then_some(row)
}
