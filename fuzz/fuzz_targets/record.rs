//! A stored record: two headers and chunks, as a backend gives them back. The first two bytes say
//! how long the outer header is. Whatever they are, opening refuses by name or returns what was
//! sealed; and a record that opens with other bytes than it was sealed with is a failure.
#![no_main]

use keyward_crypto::keywrap::Kek;
use keyward_crypto::record::{self, KekRef, RecordKind, RecordLabel, SealedRecord};
use keyward_crypto::{SecretBytes, SystemRandom};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use uuid::Uuid;

static KEK: LazyLock<Kek> = LazyLock::new(|| {
    Kek::from_secret(&SecretBytes::copy_from(&(0x20..0x40).collect::<Vec<u8>>())).unwrap()
});
static SEALED: LazyLock<SealedRecord> = LazyLock::new(|| {
    let kek = KekRef {
        id: Uuid::from_u128(1),
        version: 1,
    };
    record::seal(&label(), b"metadata", b"payload", &KEK, kek, &SystemRandom).unwrap()
});

fn label() -> RecordLabel {
    RecordLabel {
        kind: RecordKind::KeyMaterial,
        record_id: Uuid::from_u128(2),
        tenant: Uuid::from_u128(3),
        key_id: Uuid::from_u128(4),
        version: 7,
        algorithm: "aes-256-gcm-commit".to_owned(),
        usage: 3,
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((length, rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    // As they come.
    let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
    let (outer, core) = rest.split_at(length);
    let _ = record::peek_outer(outer);
    let expected = record::peek_core(core).map_or_else(|_| label(), |(label, _)| label);
    let _ = record::open(outer, core, &KEK, &expected, None);

    // A genuine record with a few bytes changed: (place, value) pairs.
    let sealed = &*SEALED;
    let (mut outer, mut core) = (sealed.outer.clone(), sealed.core.clone());
    for change in rest.chunks_exact(3).take(8) {
        let place = usize::from(u16::from_be_bytes([change[0], change[1]]));
        let whole = outer.len() + core.len();
        match place % whole {
            at if at < outer.len() => outer[at] = change[2],
            at => core[at - outer.len()] = change[2],
        }
    }
    let altered = (outer != sealed.outer) || (core != sealed.core);
    let opened = record::open(&outer, &core, &KEK, &label(), None);
    assert_eq!(opened.is_err(), altered, "an altered record is refused");
});
