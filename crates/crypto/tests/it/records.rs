//! Records at rest: nothing that was altered, cut, swapped or put back is ever returned.

use keyward_crypto::keywrap::Kek;
use keyward_crypto::record::{
    self, CHUNK_LENGTH, KekRef, METADATA_LENGTH_MAX, OUTER_LENGTH, RecordError, RecordKind,
    RecordLabel, SealedRecord,
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::support::{Broken, Seeded};

pub fn label() -> RecordLabel {
    RecordLabel {
        kind: RecordKind::KeyMaterial,
        record_id: Uuid::from_u128(1),
        tenant: Uuid::from_u128(2),
        key_id: Uuid::from_u128(3),
        version: 4,
        algorithm: "aes-256-gcm-commit".to_owned(),
        usage: 0x0603,
    }
}

pub fn kek(seed: u64) -> Kek {
    Kek::generate(&Seeded::new(seed)).unwrap()
}

pub fn kek_ref() -> KekRef {
    KekRef {
        id: Uuid::from_u128(9),
        version: 1,
    }
}

fn sealed(payload: &[u8], seed: u64) -> SealedRecord {
    record::seal(
        &label(),
        b"metadata",
        payload,
        &kek(1),
        kek_ref(),
        &Seeded::new(seed),
    )
    .unwrap()
}

fn open(outer: &[u8], core: &[u8]) -> Result<Vec<u8>, RecordError> {
    record::open(outer, core, &kek(1), &label(), None)
        .map(|opened| opened.payload.expose().to_vec())
}

#[test]
fn payloads_of_every_length_round_trip() {
    for length in [
        0,
        1,
        32,
        CHUNK_LENGTH - 1,
        CHUNK_LENGTH,
        CHUNK_LENGTH + 1,
        200 * 1024,
    ] {
        let payload: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        let record = sealed(&payload, 2);
        assert_eq!(record.outer.len(), OUTER_LENGTH);
        let opened = record::open(
            &record.outer,
            &record.core,
            &kek(1),
            &label(),
            Some(&record.core_digest),
        )
        .unwrap();
        assert_eq!(opened.payload.expose(), payload);
        assert_eq!(opened.metadata, b"metadata");
        assert_eq!(opened.core_digest, record.core_digest);
        assert_eq!(record::peek_outer(&record.outer), Ok(kek_ref()));
        assert_eq!(
            record::peek_core(&record.core),
            Ok((label(), record.core_digest))
        );
    }
}

#[test]
fn i08_every_altered_bit_is_refused_by_name() {
    let record = sealed(b"key material", 2);
    for bit in 0..record.core.len() * 8 {
        let mut core = record.core.clone();
        core[bit / 8] ^= 1 << (bit % 8);
        let error = open(&record.outer, &core).unwrap_err();
        let expected = match bit / 8 {
            0..4 => error == RecordError::NotARecord,
            4 => matches!(error, RecordError::UnknownFormatVersion(_)),
            5 => matches!(error, RecordError::UnknownSuite(_)),
            6 => matches!(
                error,
                RecordError::UnknownKind(_) | RecordError::WrongRecord { field: "kind" }
            ),
            7 => error == RecordError::Malformed,
            8..24 => error == RecordError::WrongRecord { field: "record id" },
            24..40 => error == RecordError::WrongRecord { field: "tenant" },
            40..56 => error == RecordError::WrongRecord { field: "key id" },
            56..60 => error == RecordError::WrongRecord { field: "version" },
            60..64 => error == RecordError::WrongRecord { field: "usage" },
            // Lengths and the name: whatever they now claim, it is not this record.
            96..119 => matches!(
                error,
                RecordError::Malformed
                    | RecordError::Truncated
                    | RecordError::Altered
                    | RecordError::WrongRecord { field: "algorithm" }
            ),
            _ => error == RecordError::Altered,
        };
        assert!(expected, "core bit {bit}: {error:?}");
    }
    for bit in 0..record.outer.len() * 8 {
        let mut outer = record.outer.clone();
        outer[bit / 8] ^= 1 << (bit % 8);
        let error = open(&outer, &record.core).unwrap_err();
        let expected = match bit / 8 {
            0..4 => error == RecordError::NotARecord,
            4 => matches!(error, RecordError::UnknownFormatVersion(_)),
            5 => matches!(error, RecordError::UnknownSuite(_)),
            6..90 => matches!(error, RecordError::WrongKek { .. }),
            _ => error == RecordError::Altered,
        };
        assert!(expected, "outer bit {bit}: {error:?}");
    }
}

#[test]
fn i08_every_cut_and_every_byte_too_many_is_refused() {
    let record = sealed(b"key material", 2);
    for length in 0..record.core.len() {
        let error = open(&record.outer, &record.core[..length]).unwrap_err();
        assert!(
            matches!(
                error,
                RecordError::Truncated | RecordError::Altered | RecordError::NotARecord
            ),
            "core of {length}: {error:?}"
        );
        assert_eq!(error == RecordError::NotARecord, length == 0);
    }
    for length in 1..record.outer.len() {
        let error = open(&record.outer[..length], &record.core).unwrap_err();
        assert_eq!(error, RecordError::Truncated, "outer of {length}");
    }
    let longer = [&record.outer[..], &[0]].concat();
    assert_eq!(open(&longer, &record.core), Err(RecordError::TrailingData));
    let longer = [&record.core[..], &[0]].concat();
    assert_eq!(open(&record.outer, &longer), Err(RecordError::Altered));
}

#[test]
fn chunks_lost_added_or_exchanged_are_named() {
    const SEALED: usize = CHUNK_LENGTH + 16;
    let record = sealed(&vec![7; CHUNK_LENGTH * 2 + 5], 2);
    let header = record.core.len() - (SEALED * 2 + 21);
    let cut_at_chunk = &record.core[..header + SEALED * 2];
    assert_eq!(
        open(&record.outer, cut_at_chunk),
        Err(RecordError::Truncated)
    );
    assert_eq!(
        open(&record.outer, &record.core[..header]),
        Err(RecordError::Truncated)
    );
    assert_eq!(
        open(&record.outer, &record.core[..record.core.len() - 6]),
        Err(RecordError::Truncated),
        "less than a tag is left"
    );
    assert_eq!(
        open(&record.outer, &record.core[..record.core.len() - 5]),
        Err(RecordError::Altered),
        "an empty last chunk after others is not canonical"
    );
    let mut exchanged = record.core.clone();
    let (first, second) = exchanged[header..header + SEALED * 2].split_at_mut(SEALED);
    first.swap_with_slice(second);
    assert_eq!(open(&record.outer, &exchanged), Err(RecordError::Altered));
    let full = sealed(&vec![7; CHUNK_LENGTH], 2);
    let appended = [&full.core[..], &[0; 40]].concat();
    assert_eq!(open(&full.outer, &appended), Err(RecordError::TrailingData));
}

#[test]
fn i08_parts_of_two_records_do_not_mix() {
    let one = sealed(b"first payload", 2);
    let two = sealed(b"other payload", 3);
    assert_eq!(open(&two.outer, &one.core), Err(RecordError::Altered));
    let tail = 13 + 16;
    let payload_of_two = &two.core[two.core.len() - tail..];
    let mixed = [&one.core[..one.core.len() - tail], payload_of_two].concat();
    assert_eq!(open(&one.outer, &mixed), Err(RecordError::Altered));
}

#[test]
fn i08_a_genuine_older_record_is_a_replay() {
    let old = sealed(b"old", 2);
    let new = sealed(b"new", 3);
    let replayed = record::open(
        &old.outer,
        &old.core,
        &kek(1),
        &label(),
        Some(&new.core_digest),
    )
    .unwrap_err();
    assert_eq!(replayed, RecordError::Replayed);
    let mut altered = old.core.clone();
    altered[130] ^= 1;
    let error = record::open(
        &old.outer,
        &altered,
        &kek(1),
        &label(),
        Some(&old.core_digest),
    )
    .unwrap_err();
    assert_eq!(
        error,
        RecordError::Altered,
        "an altered record is not called a replay"
    );
}

#[test]
fn i08_a_swapped_record_is_named_by_the_first_field_that_differs() {
    let record = sealed(b"payload", 2);
    let id = Uuid::from_u128(99);
    let cases = [
        (
            "kind",
            RecordLabel {
                kind: RecordKind::Other,
                ..label()
            },
        ),
        (
            "record id",
            RecordLabel {
                record_id: id,
                ..label()
            },
        ),
        (
            "tenant",
            RecordLabel {
                tenant: id,
                ..label()
            },
        ),
        (
            "key id",
            RecordLabel {
                key_id: id,
                ..label()
            },
        ),
        (
            "version",
            RecordLabel {
                version: 5,
                ..label()
            },
        ),
        (
            "algorithm",
            RecordLabel {
                algorithm: "aes-256-gcm".to_owned(),
                ..label()
            },
        ),
        (
            "usage",
            RecordLabel {
                usage: 0,
                ..label()
            },
        ),
    ];
    for (field, expected) in cases {
        let error =
            record::open(&record.outer, &record.core, &kek(1), &expected, None).unwrap_err();
        assert_eq!(error, RecordError::WrongRecord { field });
    }
}

#[test]
fn another_kek_is_named() {
    let record = sealed(b"payload", 2);
    let error = record::open(&record.outer, &record.core, &kek(5), &label(), None).unwrap_err();
    assert_eq!(error, RecordError::WrongKek { named: kek_ref() });
}

#[test]
fn rewrapping_changes_the_outer_header_only() {
    let record = sealed(b"payload", 2);
    let (old, new) = (kek(1), kek(6));
    let new_ref = KekRef {
        id: Uuid::from_u128(9),
        version: 2,
    };
    let digest = &record.core_digest;
    let outer =
        record::rewrap(&record.outer, digest, &old, &new, new_ref, &Seeded::new(8)).unwrap();
    assert_eq!(record::peek_outer(&outer), Ok(new_ref));
    let opened = record::open(&outer, &record.core, &new, &label(), Some(digest)).unwrap();
    assert_eq!(opened.payload.expose(), b"payload");
    assert!(record::open(&outer, &record.core, &old, &label(), None).is_err());
    let other = sealed(b"other", 3).core_digest;
    assert_eq!(
        record::rewrap(&record.outer, &other, &old, &new, new_ref, &Seeded::new(8)),
        Err(RecordError::Altered)
    );
    assert_eq!(
        record::rewrap(&record.outer, digest, &new, &old, new_ref, &Seeded::new(8)),
        Err(RecordError::WrongKek { named: kek_ref() })
    );
}

#[test]
fn limits_and_failures_are_refused() {
    let long = RecordLabel {
        algorithm: "a".repeat(65),
        ..label()
    };
    let seal = |label: &RecordLabel, metadata: &[u8]| {
        record::seal(label, metadata, b"", &kek(1), kek_ref(), &Seeded::new(2)).map(|_| ())
    };
    assert!(matches!(
        seal(&long, b""),
        Err(RecordError::TooLarge { max: 64, .. })
    ));
    let metadata = vec![0; METADATA_LENGTH_MAX + 1];
    assert!(matches!(
        seal(&label(), &metadata),
        Err(RecordError::TooLarge { .. })
    ));
    assert_eq!(seal(&label(), &metadata[1..]), Ok(()));
    let nameless = RecordLabel {
        algorithm: String::new(),
        kind: RecordKind::Other,
        ..label()
    };
    assert_eq!(seal(&nameless, b""), Ok(()));
    let broken = record::seal(&label(), b"", b"", &kek(1), kek_ref(), &Broken);
    assert!(matches!(broken, Err(RecordError::Crypto(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_label_metadata_and_payload_round_trip(
        algorithm in "[a-z0-9.-]{0,64}",
        numbers in any::<(u128, u128, u128, u32, u32)>(),
        metadata in proptest::collection::vec(any::<u8>(), 0..200),
        payload in proptest::collection::vec(any::<u8>(), 0..500),
    ) {
        let (record_id, tenant, key_id, version, usage) = numbers;
        let label = RecordLabel {
            kind: RecordKind::TenantKek,
            record_id: Uuid::from_u128(record_id),
            tenant: Uuid::from_u128(tenant),
            key_id: Uuid::from_u128(key_id),
            version,
            algorithm,
            usage,
        };
        let record =
            record::seal(&label, &metadata, &payload, &kek(1), kek_ref(), &Seeded::new(2)).unwrap();
        let opened = record::open(&record.outer, &record.core, &kek(1), &label, None).unwrap();
        prop_assert_eq!(opened.metadata, metadata);
        prop_assert_eq!(opened.payload.expose(), &payload[..]);
    }

    #[test]
    fn noise_is_never_a_record(noise in proptest::collection::vec(any::<u8>(), 0..400)) {
        let started = [b"KWR1\x01\x01\x01\x00", &noise[..]].concat();
        let outer = sealed(b"", 2).outer;
        prop_assert!(open(&outer, &noise).is_err());
        prop_assert!(open(&outer, &started).is_err());
        prop_assert!(open(&noise, &started).is_err());
    }
}
