//! Records whose payload comes in pieces: the same bytes as in one piece, verified chunk by chunk.

use keyward_crypto::record::{self, CHUNK_LENGTH, RecordError, RecordOpener, RecordSealer};

use crate::records::{kek, kek_ref, label};
use crate::support::Seeded;

/// Seals a payload in pieces: outer header, core, core digest.
fn streamed(payload: &[u8], piece: usize) -> (Vec<u8>, Vec<u8>, [u8; 32]) {
    let random = Seeded::new(2);
    let (mut sealer, mut core) = RecordSealer::new(&label(), b"metadata", &random).unwrap();
    let digest = sealer.core_digest();
    for piece in payload.chunks(piece) {
        sealer.push(piece, &mut core).unwrap();
    }
    let sealed = sealer.finish(&mut core).unwrap();
    let outer = sealed.wrap(&kek(1), kek_ref(), &random).unwrap();
    (outer, core, digest)
}

/// Opens a core in pieces: what came out, and how it ended.
fn read(outer: &[u8], core: &[u8], piece: usize) -> (Vec<u8>, Result<[u8; 32], RecordError>) {
    let mut out = Vec::new();
    let mut opener = RecordOpener::new(outer, &kek(1), &label(), None).unwrap();
    for piece in core.chunks(piece) {
        if let Err(error) = opener.push(piece, &mut out) {
            assert_eq!(opener.push(piece, &mut out), Err(RecordError::Poisoned));
            return (out, Err(error));
        }
    }
    let end = opener.finish(&mut out);
    (out, end)
}

#[test]
fn pieces_make_the_same_record_as_the_whole() {
    for length in [
        0,
        1,
        CHUNK_LENGTH - 1,
        CHUNK_LENGTH,
        CHUNK_LENGTH + 1,
        200 * 1024,
    ] {
        let payload: Vec<u8> = (0..length).map(|index| (index % 253) as u8).collect();
        let whole = record::seal(
            &label(),
            b"metadata",
            &payload,
            &kek(1),
            kek_ref(),
            &Seeded::new(2),
        )
        .unwrap();
        for piece in [1000, CHUNK_LENGTH, 1 << 20] {
            let (outer, core, digest) = streamed(&payload, piece);
            assert_eq!(
                (&outer, &core, digest),
                (&whole.outer, &whole.core, whole.core_digest)
            );
            let (out, end) = read(&outer, &core, piece);
            assert_eq!(
                (out == payload, end),
                (true, Ok(digest)),
                "{length} in {piece}"
            );
        }
    }
}

#[test]
fn single_bytes_are_pieces_too() {
    let (outer, core, digest) = streamed(b"payload", 1);
    assert_eq!(read(&outer, &core, 1), (b"payload".to_vec(), Ok(digest)));
}

#[test]
fn metadata_is_there_once_the_header_is_verified() {
    let (outer, core, _) = streamed(b"payload", 1);
    let mut opener = RecordOpener::new(&outer, &kek(1), &label(), None).unwrap();
    let mut out = Vec::new();
    opener.push(&core[..100], &mut out).unwrap();
    assert_eq!(opener.metadata(), None);
    opener.push(&core[100..], &mut out).unwrap();
    assert_eq!(opener.metadata(), Some(&b"metadata"[..]));
    assert!(
        out.is_empty(),
        "the only chunk is the last, and waits for the end"
    );
}

#[test]
fn i08_a_stream_without_its_end_is_an_error_and_yields_verified_chunks_only() {
    let payload: Vec<u8> = (0..CHUNK_LENGTH * 3)
        .map(|index| (index % 255) as u8)
        .collect();
    let (outer, core, _) = streamed(&payload, 1 << 20);
    for cut in [
        0,
        3,
        50,
        130,
        200,
        70_000,
        140_000,
        core.len() - CHUNK_LENGTH - 16,
        core.len() - 1,
    ] {
        let (out, end) = read(&outer, &core[..cut], 30_000);
        assert!(payload.starts_with(&out), "only genuine payload came out");
        assert!(out.len() % CHUNK_LENGTH == 0 && out.len() <= cut);
        let error = end.unwrap_err();
        assert!(
            matches!(
                error,
                RecordError::Truncated | RecordError::Altered | RecordError::NotARecord
            ),
            "cut at {cut}: {error:?}"
        );
    }
    let at_chunk = core.len() - CHUNK_LENGTH - 16;
    assert_eq!(
        read(&outer, &core[..at_chunk], 4096).1,
        Err(RecordError::Truncated)
    );
}

#[test]
fn i08_an_altered_chunk_is_not_returned() {
    let payload = vec![1; CHUNK_LENGTH * 2];
    let (outer, mut core, _) = streamed(&payload, 1 << 20);
    let middle_of_second = core.len() - 1000;
    core[middle_of_second] ^= 1;
    let (out, end) = read(&outer, &core, 10_000);
    assert_eq!((out.len(), end), (CHUNK_LENGTH, Err(RecordError::Altered)));
    let (outer, core, _) = streamed(&payload, 1 << 20);
    let longer = [&core[..], &[0; 20]].concat();
    assert_eq!(
        read(&outer, &longer, 10_000).1,
        Err(RecordError::TrailingData)
    );
}

#[test]
fn a_wrong_start_is_refused_at_once() {
    let (outer, core, digest) = streamed(b"payload", 10);
    let mut out = Vec::new();
    let mut opener = RecordOpener::new(&outer, &kek(1), &label(), None).unwrap();
    assert_eq!(
        opener.push(b"GIF89a", &mut out),
        Err(RecordError::NotARecord)
    );
    let mut other = digest;
    other[0] ^= 1;
    let mut opener = RecordOpener::new(&outer, &kek(1), &label(), Some(&other)).unwrap();
    assert_eq!(opener.push(&core, &mut out), Err(RecordError::Replayed));
    let mut opener = RecordOpener::new(&outer, &kek(2), &label(), Some(&digest)).unwrap();
    let wrong = RecordError::WrongKek { named: kek_ref() };
    assert_eq!(opener.push(&core, &mut out), Err(wrong));
    assert!(RecordOpener::new(&outer[..20], &kek(1), &label(), None).is_err());
    assert!(out.is_empty());
}
