//! A segment's name and header. Knows nothing of the frames after the header.
//!
//! ```text
//! "KWJ1" | version u16 | header length u16 | first u64 | follows u64 | created at i64 |
//! deployment 16 bytes | highest revision i64 | holes u16, i64 each | node length u8, UTF-8 |
//! CRC-32 u32 of all before it
//! ```

use keyward_core::time::Timestamp;
use uuid::Uuid;

use crate::revisions::{HOLES_MAX, Revisions};

/// The format written.
pub(crate) const VERSION: u16 = 2;
/// The oldest format that is read: without signatures.
const OLDEST: u16 = UNSIGNED;
/// The format that has no signatures.
pub(crate) const UNSIGNED: u16 = 1;
/// No header is longer.
pub(crate) const HEADER_MAX: usize = FIXED + 8 * HOLES_MAX + 256 + 4;

const MAGIC: &[u8; 4] = b"KWJ1";
/// Bytes before the holes.
const FIXED: usize = 66;

/// The name of the segment whose first entry has this sequence number.
pub(crate) fn name(first: u64) -> String {
    format!("journal-{first:020}.kwj")
}

/// The first sequence number of the segment with this name, if it is a segment's.
pub(crate) fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("journal-")?.strip_suffix(".kwj")?;
    let first = digits.parse().ok()?;
    (self::name(first) == name).then_some(first)
}

/// The name of the same segment, sealed.
pub(crate) fn sealed_name(first: u64) -> String {
    format!("journal-{first:020}.kws")
}

/// The first sequence number of the sealed segment with this name, if it is one's.
pub(crate) fn sealed_first_of(name: &str) -> Option<u64> {
    let first = first_of(&format!("{}.kwj", name.strip_suffix(".kws")?))?;
    (sealed_name(first) == name).then_some(first)
}

/// What a segment says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The sequence number of its first entry.
    pub(crate) first: u64,
    /// The sequence number of the last entry before it: `first - 1`, unless entries that were not
    /// synced are known to have been lost in between.
    pub(crate) follows: u64,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// Of which deployment.
    pub(crate) deployment: Uuid,
    /// By which node.
    pub(crate) node: String,
    /// The revisions of all entries before it.
    pub(crate) revisions: Revisions,
    /// The format: which frames may be in it.
    pub(crate) format: u16,
}

/// Why a header cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// It is not whole, or was altered.
    Broken,
    /// It is whole, of a format that this program does not know.
    Version(u16),
}

impl Header {
    /// The header as bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.format.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.first.to_be_bytes());
        out.extend_from_slice(&self.follows.to_be_bytes());
        out.extend_from_slice(&self.created_at.as_micros().to_be_bytes());
        out.extend_from_slice(self.deployment.as_bytes());
        out.extend_from_slice(&self.revisions.highest.to_be_bytes());
        // Both are bounded where they are made: holes by HOLES_MAX, the node when opening.
        out.extend_from_slice(&(self.revisions.missing.len() as u16).to_be_bytes());
        for hole in &self.revisions.missing {
            out.extend_from_slice(&hole.to_be_bytes());
        }
        out.push(self.node.len() as u8);
        out.extend_from_slice(self.node.as_bytes());
        let length = (out.len() + 4) as u16;
        out[6..8].copy_from_slice(&length.to_be_bytes());
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_be_bytes());
        out
    }

    /// Reads the header at the start of a segment, and its length.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, usize), HeaderFault> {
        let length = match bytes.get(..8) {
            Some([b'K', b'W', b'J', b'1', _, _, high, low]) => u16::from_be_bytes([*high, *low]),
            _ => return Err(HeaderFault::Broken),
        };
        let whole = bytes
            .get(..usize::from(length))
            .ok_or(HeaderFault::Broken)?;
        let (covered, crc) = whole.split_last_chunk::<4>().ok_or(HeaderFault::Broken)?;
        if crc32fast::hash(covered).to_be_bytes() != *crc {
            return Err(HeaderFault::Broken);
        }
        let mut rest = Reader(&covered[4..]);
        let version = u16::from_be_bytes(rest.take().ok_or(HeaderFault::Broken)?);
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(HeaderFault::Version(version));
        }
        let header = Self::fields(&mut rest, version).ok_or(HeaderFault::Broken)?;
        Ok((header, usize::from(length)))
    }

    fn fields(rest: &mut Reader<'_>, format: u16) -> Option<Self> {
        let _length: [u8; 2] = rest.take()?;
        let first = u64::from_be_bytes(rest.take()?);
        let follows = u64::from_be_bytes(rest.take()?);
        let created_at = Timestamp::from_micros(i64::from_be_bytes(rest.take()?));
        let deployment = Uuid::from_bytes(rest.take()?);
        let highest = i64::from_be_bytes(rest.take()?);
        let mut revisions = Revisions {
            highest,
            ..Revisions::default()
        };
        for _ in 0..u16::from_be_bytes(rest.take()?) {
            revisions.missing.insert(i64::from_be_bytes(rest.take()?));
        }
        let [node_length] = rest.take()?;
        let (node, after) = rest.0.split_at_checked(usize::from(node_length))?;
        let sound = after.is_empty() && first > 0 && follows < first;
        sound.then_some(Self {
            first,
            follows,
            created_at,
            deployment,
            node: std::str::from_utf8(node).ok()?.to_owned(),
            revisions,
            format,
        })
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn header() -> Header {
        let mut revisions = Revisions::default();
        revisions.note(3);
        Header {
            first: 42,
            follows: 41,
            created_at: Timestamp::from_micros(1_795_000_000_123_456),
            deployment: Uuid::from_u128(7),
            node: "node-a".to_owned(),
            revisions,
            format: VERSION,
        }
    }

    #[test]
    fn names_sort_as_their_sequence_numbers_and_nothing_else_is_a_segment() {
        assert_eq!(name(42), "journal-00000000000000000042.kwj");
        assert_eq!(first_of(&name(u64::MAX)), Some(u64::MAX));
        for other in [
            "journal-42.kwj",
            "journal-+0000000000000000042.kwj",
            "lock",
            "journal-.kwj",
        ] {
            assert_eq!(first_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_header_reads_back_and_no_flipped_bit_or_cut_passes() {
        let bytes = header().encode();
        assert_eq!(Header::decode(&bytes).unwrap(), (header(), bytes.len()));
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert_eq!(
                Header::decode(&flipped),
                Err(HeaderFault::Broken),
                "bit {at}"
            );
            assert_eq!(Header::decode(&bytes[..at / 8]), Err(HeaderFault::Broken));
        }
    }

    #[test]
    fn the_largest_header_fits_its_bound() {
        let mut largest = header();
        largest.revisions.note(1_000_000);
        largest.node = "n".repeat(255);
        let bytes = largest.encode();
        assert!(bytes.len() <= HEADER_MAX);
        assert_eq!(Header::decode(&bytes).unwrap().0, largest);
    }

    #[test]
    fn a_later_format_is_named() {
        let mut bytes = header().encode();
        bytes[5] = 9;
        let end = bytes.len() - 4;
        let crc = crc32fast::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(Header::decode(&bytes), Err(HeaderFault::Version(9)));
    }
}
