//! One frame of a segment, as bytes. Knows nothing of files or of what entries mean.
//!
//! ```text
//! length u32 | CRC-32 u32 | kind u8 | behind u32 | sequence u64 | payload
//! ```
//!
//! Integers are big-endian; `length` counts what follows the CRC, and the CRC covers the same.
//! `behind` says how many of the entries just before this one were not yet known to be durable
//! when it was written. It is what tells a torn write from damage: a frame that is readable
//! proves that everything up to `sequence - 1 - behind` had been acknowledged. A signature counts its
//! own sequence number among those just before it: it proves as much up to `sequence - behind`.
//!
//! The first byte of a frame is always zero and JSON never holds a zero byte, so that nothing a
//! caller puts into an entry can look like a frame when a reader searches for the next one.

use crate::signature;

/// The largest payload.
pub(crate) const PAYLOAD_MAX: usize = keyward_core::audit::ENTRY_BYTES_MAX;
/// Bytes before the payload.
pub(crate) const HEAD: usize = 21;
/// Bytes before those that `length` counts.
const PREFIX: usize = 8;
/// Bytes that `length` counts beside the payload.
const COUNTED_HEAD: usize = HEAD - PREFIX;

/// The number of the kind that is an entry.
pub(crate) const ENTRY: u8 = 1;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An entry; its payload is the event.
    Entry,
    /// Says that everything up to its sequence number is durable. Written on an orderly close.
    Mark,
    /// Its payload is a signature over entries up to its sequence number.
    Signature,
}

/// A frame whose CRC is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    pub(crate) behind: u32,
    pub(crate) sequence: u64,
    pub(crate) payload: &'a [u8],
}

impl Frame<'_> {
    /// The last entry that had been acknowledged when this frame was written.
    pub(crate) fn durable_before(&self) -> u64 {
        match self.kind {
            Kind::Entry => self.sequence - 1 - u64::from(self.behind),
            Kind::Mark => self.sequence,
            Kind::Signature => self.sequence - u64::from(self.behind),
        }
    }
}

/// The first bytes do not hold a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAFrame;

/// Appends an entry's frame.
pub(crate) fn put_entry(out: &mut Vec<u8>, sequence: u64, behind: u32, payload: &[u8]) {
    put(out, ENTRY, sequence, behind, payload);
}

/// Appends a mark.
pub(crate) fn put_mark(out: &mut Vec<u8>, sequence: u64) {
    put(out, 2, sequence, 0, &[]);
}

/// Appends a signature over entries up to a sequence number.
pub(crate) fn put_signature(out: &mut Vec<u8>, sequence: u64, behind: u32, payload: &[u8]) {
    put(out, 3, sequence, behind, payload);
}

/// Appends a frame of any kind.
pub(crate) fn put(out: &mut Vec<u8>, kind: u8, sequence: u64, behind: u32, payload: &[u8]) {
    let start = out.len();
    let length = (COUNTED_HEAD + payload.len()) as u32;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.push(kind);
    out.extend_from_slice(&behind.to_be_bytes());
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(payload);
    let crc = crc32fast::hash(&out[start + PREFIX..]);
    out[start + 4..start + PREFIX].copy_from_slice(&crc.to_be_bytes());
}

/// The size of a whole frame, from its first four bytes.
pub(crate) fn size(length: [u8; 4]) -> Result<usize, NotAFrame> {
    let counted = u32::from_be_bytes(length) as usize;
    if (COUNTED_HEAD..=COUNTED_HEAD + PAYLOAD_MAX).contains(&counted) {
        Ok(PREFIX + counted)
    } else {
        Err(NotAFrame)
    }
}

/// A frame whose CRC is right, of a kind that may be unknown.
#[derive(Clone, Copy)]
pub(crate) struct RawFrame<'a> {
    pub(crate) kind: u8,
    pub(crate) behind: u32,
    pub(crate) sequence: u64,
    pub(crate) payload: &'a [u8],
}

impl RawFrame<'_> {
    /// How many bytes the frame is.
    pub(crate) fn size(&self) -> usize {
        HEAD + self.payload.len()
    }
}

/// Reads the frame at the start of `bytes`, whatever its kind.
pub(crate) fn raw(bytes: &[u8]) -> Result<RawFrame<'_>, NotAFrame> {
    let length = bytes.first_chunk::<4>().ok_or(NotAFrame)?;
    let whole = bytes.get(..size(*length)?).ok_or(NotAFrame)?;
    let (prefix, counted) = whole.split_at(PREFIX);
    if crc32fast::hash(counted).to_be_bytes() != prefix[4..] {
        return Err(NotAFrame);
    }
    let (head, payload) = counted.split_at(COUNTED_HEAD);
    let (kind, numbers) = head.split_first().ok_or(NotAFrame)?;
    let (behind, sequence) = numbers.split_first_chunk::<4>().ok_or(NotAFrame)?;
    Ok(RawFrame {
        kind: *kind,
        behind: u32::from_be_bytes(*behind),
        sequence: u64::from_be_bytes(*sequence.first_chunk().ok_or(NotAFrame)?),
        payload,
    })
}

/// Reads the frame at the start of `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Result<Frame<'_>, NotAFrame> {
    let found = raw(bytes)?;
    let payload = found.payload;
    let frame = Frame {
        kind: match found.kind {
            ENTRY => Kind::Entry,
            2 => Kind::Mark,
            3 => Kind::Signature,
            _ => return Err(NotAFrame),
        },
        behind: found.behind,
        sequence: found.sequence,
        payload,
    };
    let sound = match frame.kind {
        Kind::Entry => u64::from(frame.behind) < frame.sequence,
        Kind::Mark => frame.behind == 0 && payload.is_empty(),
        Kind::Signature => {
            u64::from(frame.behind) <= frame.sequence
                && payload.len() <= signature::SIZE_MAX
                && !payload.contains(&0)
        }
    };
    if sound { Ok(frame) } else { Err(NotAFrame) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(sequence: u64, behind: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_entry(&mut bytes, sequence, behind, payload);
        bytes
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_only_exact_frames_are_read(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            if let Ok(frame) = parse(&bytes) {
                let mut again = Vec::new();
                match frame.kind {
                    Kind::Entry => put_entry(&mut again, frame.sequence, frame.behind, frame.payload),
                    Kind::Mark => put_mark(&mut again, frame.sequence),
                    Kind::Signature => {
                        put_signature(&mut again, frame.sequence, frame.behind, frame.payload);
                    }
                }
                prop_assert_eq!(&bytes[..again.len()], &again[..]);
            }
        }

        #[test]
        fn a_frame_reads_back_and_no_flipped_bit_or_cut_passes(
            sequence in 1u64..,
            behind in any::<u32>(),
            payload in proptest::collection::vec(any::<u8>(), 0..100),
            flip in any::<prop::sample::Index>(),
            rest in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let behind = (u64::from(behind) % sequence) as u32;
            let mut bytes = entry(sequence, behind, &payload);
            let size = bytes.len();
            bytes.extend_from_slice(&rest);
            let frame = parse(&bytes).unwrap();
            prop_assert_eq!((frame.sequence, frame.behind, frame.payload), (sequence, behind, &payload[..]));
            let at = flip.index(size * 8);
            bytes[at / 8] ^= 1 << (at % 8);
            prop_assert_eq!(parse(&bytes), Err(NotAFrame));
            bytes[at / 8] ^= 1 << (at % 8);
            prop_assert_eq!(parse(&bytes[..flip.index(size)]), Err(NotAFrame));
        }
    }

    #[test]
    fn a_frame_tells_how_far_the_log_was_durable_before_it() {
        assert_eq!(parse(&entry(10, 0, b"{}")).unwrap().durable_before(), 9);
        assert_eq!(parse(&entry(10, 4, b"{}")).unwrap().durable_before(), 5);
        let mut mark = Vec::new();
        put_mark(&mut mark, 10);
        assert_eq!(parse(&mark).unwrap().durable_before(), 10);
    }

    #[test]
    fn lengths_outside_the_limits_are_refused_before_anything_is_read() {
        assert_eq!(size([0, 0, 0, 12]), Err(NotAFrame));
        assert_eq!(size([0xff; 4]), Err(NotAFrame));
        assert_eq!(
            size(((13 + PAYLOAD_MAX) as u32).to_be_bytes()),
            Ok(HEAD + PAYLOAD_MAX)
        );
    }
}
