//! What an object in a bucket begins with, so that a writer whose answer was lost can tell its own
//! work from another's, and a large value can lie in parts. Written down in `docs/formats/object.md`.
//!
//! ```text
//! "KWO1" ‖ kind(1) ‖ write id(16) ‖ …
//!   kind 0, a whole value:     its bytes
//!   kind 1, a value in parts:  size(8) ‖ number of parts(4)
//!   kind 2, one of its parts:  number(4) ‖ bytes
//! ```
//! Numbers are big-endian. What lies in a frame authenticates itself; the frame is not secret and
//! not trusted: a wrong one makes a value unreadable, never another.

use bytes::{BufMut, Bytes, BytesMut};
use keyward_core::port::storage::StorageError;
use keyward_crypto::record::RecordError;

const MAGIC: &[u8; 4] = b"KWO1";
const WHOLE: u8 = 0;
const IN_PARTS: u8 = 1;
const PART: u8 = 2;
/// Magic, kind and write id.
const HEADER_LENGTH: usize = 21;
/// So many bytes say what kind of object it is and of how many parts.
pub(super) const HEAD_LENGTH_MAX: usize = HEADER_LENGTH + 12;

/// Drawn for each write; no two are the same.
pub(super) type WriteId = [u8; 16];

/// An object under a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) write_id: WriteId,
    pub(super) value: Value,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    Whole(Bytes),
    InParts { size_bytes: u64, parts: u32 },
}

pub(super) fn whole(write_id: &WriteId, value: &[u8]) -> Bytes {
    let mut frame = begin(WHOLE, write_id, value.len());
    frame.put_slice(value);
    frame.freeze()
}

pub(super) fn in_parts(write_id: &WriteId, size_bytes: u64, parts: u32) -> Bytes {
    let mut frame = begin(IN_PARTS, write_id, 12);
    frame.put_u64(size_bytes);
    frame.put_u32(parts);
    frame.freeze()
}

pub(super) fn part(write_id: &WriteId, number: u32, bytes: &[u8]) -> Bytes {
    let mut frame = begin(PART, write_id, 4 + bytes.len());
    frame.put_u32(number);
    frame.put_slice(bytes);
    frame.freeze()
}

fn begin(kind: u8, write_id: &WriteId, length: usize) -> BytesMut {
    let mut frame = BytesMut::with_capacity(HEADER_LENGTH + length);
    frame.put_slice(MAGIC);
    frame.put_u8(kind);
    frame.put_slice(write_id);
    frame
}

/// Reads what lies under a name.
pub(super) fn parse(frame: &Bytes) -> Result<Head, StorageError> {
    let (kind, write_id) = header(frame)?;
    let rest = frame.slice(HEADER_LENGTH..);
    let value = match kind {
        WHOLE => Value::Whole(rest),
        IN_PARTS => {
            let (size, parts) = rest.split_first_chunk::<8>().ok_or(damaged())?;
            let parts: [u8; 4] = parts.try_into().map_err(|_| damaged())?;
            Value::InParts {
                size_bytes: u64::from_be_bytes(*size),
                parts: u32::from_be_bytes(parts),
            }
        }
        _ => return Err(damaged()),
    };
    Ok(Head { write_id, value })
}

/// Reads one part, which must be the one that is expected.
pub(super) fn parse_part(
    frame: &Bytes,
    write_id: &WriteId,
    number: u32,
) -> Result<Bytes, StorageError> {
    let (kind, found) = header(frame)?;
    let rest = frame.slice(HEADER_LENGTH..);
    let is_expected = kind == PART && found == *write_id && rest.starts_with(&number.to_be_bytes());
    if is_expected {
        Ok(rest.slice(4..))
    } else {
        Err(damaged())
    }
}

fn header(frame: &[u8]) -> Result<(u8, WriteId), StorageError> {
    let rest = frame.strip_prefix(MAGIC).ok_or(damaged())?;
    let (kind, rest) = rest.split_first().ok_or(damaged())?;
    let write_id = rest.first_chunk().ok_or(damaged())?;
    Ok((*kind, *write_id))
}

/// A frame that is none, or not whole.
pub(super) const fn damaged() -> StorageError {
    StorageError::Refused(RecordError::Malformed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_framed_is_found_and_what_is_cut_is_refused() {
        let id = [7; 16];
        let head = parse(&whole(&id, b"")).unwrap();
        assert_eq!(head.value, Value::Whole(Bytes::new()));
        assert_eq!(head.write_id, id);
        let parts = in_parts(&id, 20 << 20, 3);
        assert_eq!(parts.len(), HEAD_LENGTH_MAX);
        let value = Value::InParts {
            size_bytes: 20 << 20,
            parts: 3,
        };
        assert_eq!(parse(&parts).unwrap().value, value);
        for length in 0..parts.len() {
            assert!(parse(&parts.slice(..length)).is_err(), "{length}");
        }
    }

    /// The examples of `docs/formats/object.md`.
    #[test]
    fn frames_are_as_they_are_written_down() {
        let id: WriteId = std::array::from_fn(|n| n as u8);
        let hex = |frame: Bytes| data_encoding::HEXLOWER.encode(&frame);
        let begin = |kind| format!("4b574f31{kind}000102030405060708090a0b0c0d0e0f");
        assert_eq!(hex(whole(&id, b"hello")), begin("00") + "68656c6c6f");
        let size = (8 << 20) + 1;
        let parts = begin("01") + "000000000080000100000002";
        assert_eq!(hex(in_parts(&id, size, 2)), parts);
        assert_eq!(hex(part(&id, 1, &[0xff])), begin("02") + "00000001ff");
    }

    #[test]
    fn a_part_stands_for_no_other() {
        let frame = part(&[7; 16], 2, b"bytes");
        assert_eq!(&parse_part(&frame, &[7; 16], 2).unwrap()[..], b"bytes");
        assert!(parse_part(&frame, &[7; 16], 1).is_err());
        assert!(parse_part(&frame, &[8; 16], 2).is_err());
        assert!(parse(&frame).is_err());
    }

    /// The frames of the corpus, which any release must read.
    #[test]
    fn the_frames_of_the_corpus_are_read_and_wrong_ones_refused() {
        let told = include_str!("../../../../../corpus/object/1/vectors.json");
        let told: serde_json::Value = serde_json::from_str(told).unwrap();
        let hex = |case: &serde_json::Value, name: &str| -> Bytes {
            let text = case[name].as_str().unwrap();
            let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
            Bytes::from(bytes)
        };
        let id = |case| -> WriteId { hex(case, "write_id")[..].try_into().unwrap() };
        for case in told["whole"].as_array().unwrap() {
            let head = parse(&hex(case, "frame")).unwrap();
            assert_eq!(head.write_id, id(case));
            assert_eq!(head.value, Value::Whole(hex(case, "value")));
            assert_eq!(whole(&id(case), &hex(case, "value")), hex(case, "frame"));
        }
        for case in told["in_parts"].as_array().unwrap() {
            let (size_bytes, parts) = (case["size_bytes"].as_u64(), case["parts"].as_u64());
            let parts = u32::try_from(parts.unwrap()).unwrap();
            let size_bytes = size_bytes.unwrap();
            let value = Value::InParts { size_bytes, parts };
            assert_eq!(parse(&hex(case, "frame")).unwrap().value, value);
            assert_eq!(in_parts(&id(case), size_bytes, parts), hex(case, "frame"));
        }
        for case in told["part"].as_array().unwrap() {
            let number = u32::try_from(case["number"].as_u64().unwrap()).unwrap();
            let bytes = parse_part(&hex(case, "frame"), &id(case), number).unwrap();
            assert_eq!(bytes, hex(case, "bytes"));
            assert!(parse_part(&hex(case, "frame"), &id(case), number + 1).is_err());
        }
        for case in told["refused"].as_array().unwrap() {
            assert!(parse(&hex(case, "frame")).is_err(), "{}", case["what"]);
        }
    }
}
