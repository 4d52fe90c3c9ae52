//! The frames of one block as bytes that compress well: field by field in columns, payloads one behind
//! another, and without the CRCs, which are made again when the frames are. Knows kinds of frames only
//! by their numbers, so that later kinds are kept as they are.

use crate::frame;

/// The least of frames that makes a block, in bytes, but for the last one of a segment.
pub(super) const LEAST: usize = 512 * 1024;
/// No block holds more.
pub(super) const MOST: usize = LEAST + frame::HEAD + frame::PAYLOAD_MAX;
/// No block is larger when it is packed: the columns of a frame take at most 27 bytes, its head took 21.
pub(super) const PACKED_MOST: usize = 2 * MOST;

/// Frames from the beginning of some bytes.
pub(super) struct Taken {
    /// How many bytes they are.
    pub(super) size: usize,
    /// The number of the entry that comes behind them.
    pub(super) next: u64,
}

/// Takes whole frames until a block is full or none follows; `next` is the first entry's number. None
/// if an entry has another number than is its turn.
pub(super) fn take(bytes: &[u8], mut next: u64) -> Option<Taken> {
    let mut size = 0;
    while size < LEAST
        && let Some(found) = bytes.get(size..).and_then(|rest| frame::raw(rest).ok())
    {
        if found.kind == frame::ENTRY {
            if found.sequence != next {
                return None;
            }
            next = next.checked_add(1)?;
        }
        size += found.size();
    }
    Some(Taken { size, next })
}

/// Packs frames; none if the bytes are anything else. `next` is the number of the first entry in them.
pub(super) fn pack(bytes: &[u8], mut next: u64) -> Option<Vec<u8>> {
    let (mut kinds, mut behinds) = (Vec::new(), Vec::new());
    let (mut sequences, mut lengths) = (Vec::new(), Vec::new());
    let mut payloads = Vec::with_capacity(bytes.len());
    let (mut at, mut behind) = (0, 0);
    while at < bytes.len() {
        let found = frame::raw(bytes.get(at..)?).ok()?;
        kinds.push(found.kind);
        // Of a batch that is synced at once each frame is one more behind than the one before.
        put_signed(&mut behinds, i64::from(found.behind) - behind);
        behind = i64::from(found.behind) + 1;
        put_signed(&mut sequences, found.sequence.wrapping_sub(next) as i64);
        next = after(found.kind, found.sequence, next);
        put(&mut lengths, found.payload.len() as u64);
        payloads.extend_from_slice(found.payload);
        at += found.size();
    }
    let mut out = Vec::with_capacity(payloads.len() + 5 * kinds.len() + 8);
    put(&mut out, kinds.len() as u64);
    for column in [kinds, behinds, sequences, lengths, payloads] {
        out.extend_from_slice(&column);
    }
    Some(out)
}

/// The frames again; none if that is not what was packed.
pub(super) fn unpack(packed: &[u8], mut next: u64, length: usize) -> Option<Vec<u8>> {
    let mut rest = packed;
    let count = usize::try_from(number(&mut rest)?).ok()?;
    if count > length / frame::HEAD {
        return None;
    }
    let (kinds, after_kinds) = rest.split_at_checked(count)?;
    rest = after_kinds;
    let behinds = signed_column(&mut rest, count)?;
    let sequences = signed_column(&mut rest, count)?;
    let lengths: Option<Vec<u64>> = (0..count).map(|_| number(&mut rest)).collect();
    let mut out = Vec::with_capacity(length);
    let mut behind = 0_i64;
    let numbers = behinds.into_iter().zip(sequences).zip(lengths?);
    for (kind, ((behind_more, more), size)) in kinds.iter().zip(numbers) {
        let size = usize::try_from(size).ok()?;
        let (payload, behind_it) = rest.split_at_checked(size)?;
        rest = behind_it;
        if size > frame::PAYLOAD_MAX || out.len() + frame::HEAD + size > length {
            return None;
        }
        let this = u32::try_from(behind.checked_add(behind_more)?).ok()?;
        behind = i64::from(this) + 1;
        let sequence = next.wrapping_add(more as u64);
        next = after(*kind, sequence, next);
        frame::put(&mut out, *kind, sequence, this, payload);
    }
    (rest.is_empty() && out.len() == length).then_some(out)
}

/// The entry that is next after a frame.
fn after(kind: u8, sequence: u64, next: u64) -> u64 {
    if kind == frame::ENTRY {
        sequence.wrapping_add(1)
    } else {
        next
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, ((number << 1) ^ (number >> 63)) as u64);
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut found = 0;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        found |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(found);
        }
    }
    None
}

fn signed_column(rest: &mut &[u8], count: usize) -> Option<Vec<i64>> {
    let signed = |found: u64| (found >> 1) as i64 ^ -((found & 1) as i64);
    (0..count).map(|_| number(rest).map(signed)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Entries, marks, and kinds that nobody knows yet.
        #[test]
        fn whatever_frames_there_are_come_back_byte_for_byte(
            first in 1u64..u64::MAX / 2,
            frames in proptest::collection::vec(
                (any::<u8>(), any::<u32>(), any::<u64>(), proptest::collection::vec(any::<u8>(), 0..60)),
                0..40,
            ),
            cut in any::<prop::sample::Index>(),
            flip in any::<u8>(),
        ) {
            let (mut bytes, mut next) = (Vec::new(), first);
            for (kind, behind, sequence, payload) in &frames {
                let entry = *kind == frame::ENTRY || *kind > 100;
                let (kind, sequence) = if entry { (frame::ENTRY, next) } else { (*kind, *sequence) };
                next += u64::from(entry);
                frame::put(&mut bytes, kind, sequence, *behind, payload);
            }
            let taken = take(&bytes, first).unwrap();
            prop_assert_eq!((taken.size, taken.next), (bytes.len(), next));
            let mut packed = pack(&bytes, first).unwrap();
            prop_assert_eq!(unpack(&packed, first, bytes.len()), Some(bytes.clone()));
            // What is anything else is never larger than was said, and never a panic.
            let at = cut.index(packed.len());
            prop_assert_eq!(unpack(&packed[..at], first, bytes.len()), None);
            packed[at] ^= flip;
            if let Some(made) = unpack(&packed, first, bytes.len()) {
                prop_assert_eq!(made.len(), bytes.len());
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            next in any::<u64>(),
            length in 0usize..1000,
        ) {
            if let Some(made) = unpack(&bytes, next, length) {
                prop_assert_eq!(made.len(), length);
            }
        }
    }
}
