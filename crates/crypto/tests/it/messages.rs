//! Encrypt, wrap, MAC, derive, encapsulate: what comes back, and what is refused.

use std::collections::BTreeMap;

use keyward_crypto::prepared::{CONTEXT_LENGTH_MAX, MESSAGE_LENGTH_MAX, encode_context};
use keyward_crypto::{Algorithm, CryptoError, MessageContext, PreparedKey, SystemRandom, Usage};
use proptest::prelude::*;
use uuid::Uuid;

use crate::support::{Broken, Seeded, at, generated, hex, pairs, prepared};

const SEALING: [Algorithm; 4] = [
    Algorithm::Aes256GcmCommit,
    Algorithm::Aes256Gcm,
    Algorithm::ChaCha20Poly1305,
    Algorithm::Rsa2048,
];

/// Flips every bit and cuts at every length: nothing may open, and every refusal has a name that
/// says what the byte was.
#[test]
fn i08_every_altered_bit_and_every_cut_is_refused() {
    let context = pairs(&[("patient", "4711")]);
    for algorithm in SEALING {
        let key = generated(algorithm);
        let sealed = key
            .encrypt(&at(&context, 1), b"blood type", &Seeded::new(1))
            .unwrap();
        let is_rsa = algorithm == Algorithm::Rsa2048;
        for bit in 0..sealed.len() * 8 {
            if is_rsa && bit >= 8 && bit % 37 != 0 {
                continue; // Private operations are slow: a sample.
            }
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let error = key.decrypt(&at(&context, 1), &altered).unwrap_err();
            let expected = match (bit / 8, algorithm) {
                (0, _) => matches!(
                    error,
                    CryptoError::UnknownSuite(_) | CryptoError::WrongSuite { .. }
                ),
                (1..65, Algorithm::Aes256GcmCommit) => error == CryptoError::CommitmentMismatch,
                _ => error == CryptoError::AuthenticationFailed,
            };
            assert!(expected, "{algorithm}, bit {bit}: {error:?}");
        }
        for length in 0..sealed.len() {
            let error = key
                .decrypt(&at(&context, 1), &sealed[..length])
                .unwrap_err();
            assert!(
                matches!(
                    error,
                    CryptoError::Truncated | CryptoError::AuthenticationFailed
                ),
                "{algorithm}, {length} bytes: {error:?}"
            );
        }
        let longer = [&sealed[..], &[0]].concat();
        let error = key.decrypt(&at(&context, 1), &longer).unwrap_err();
        assert_eq!(error, CryptoError::AuthenticationFailed, "{algorithm}");
    }
}

#[test]
fn another_key_id_version_context_or_key_is_refused() {
    let context = pairs(&[("a", "bc")]);
    for algorithm in SEALING {
        let key = generated(algorithm);
        let sealed = key
            .encrypt(&at(&context, 3), b"data", &SystemRandom)
            .unwrap();
        let mut other_id = at(&context, 3);
        other_id.key_id = Uuid::from_u128(0x1235);
        let mut attempts = vec![
            key.decrypt(&other_id, &sealed),
            key.decrypt(&at(&context, 4), &sealed),
        ];
        for other in [
            pairs(&[]),
            pairs(&[("ab", "c")]),
            pairs(&[("a", "bc"), ("d", "")]),
        ] {
            attempts.push(key.decrypt(&at(&other, 3), &sealed));
        }
        if algorithm != Algorithm::Rsa2048 {
            attempts.push(prepared(algorithm, &[9; 32]).decrypt(&at(&context, 3), &sealed));
        }
        for attempt in attempts {
            let error = attempt.unwrap_err();
            assert!(
                matches!(
                    error,
                    CryptoError::CommitmentMismatch | CryptoError::AuthenticationFailed
                ),
                "{algorithm}: {error:?}"
            );
        }
        assert_eq!(
            key.decrypt(&at(&context, 3), &sealed).unwrap().expose(),
            b"data"
        );
    }
}

#[test]
fn wrapped_keys_are_not_data_and_data_is_no_wrapped_key() {
    let none = BTreeMap::new();
    for algorithm in SEALING {
        let key = generated(algorithm);
        let wrapped = key
            .wrap_key(&at(&none, 1), &[7; 32], &SystemRandom)
            .unwrap();
        assert_eq!(
            key.unwrap_key(&at(&none, 1), &wrapped).unwrap().expose(),
            [7; 32]
        );
        let error = key.decrypt(&at(&none, 1), &wrapped).unwrap_err();
        assert!(matches!(error, CryptoError::WrongSuite { .. }), "{error:?}");
        // Renaming the suite does not help.
        let mut renamed = wrapped.clone();
        renamed[0] &= 0x0f;
        assert!(key.decrypt(&at(&none, 1), &renamed).is_err());
        let data = key.encrypt(&at(&none, 1), &[7; 32], &SystemRandom).unwrap();
        assert!(key.unwrap_key(&at(&none, 1), &data).is_err());
    }
}

#[test]
fn kwp_keys_wrap_only_and_take_no_context() {
    let key = generated(Algorithm::Aes256Kwp);
    let none = BTreeMap::new();
    let wrapped = key
        .wrap_key(&at(&none, 1), b"seventeen bytes!!", &Broken)
        .unwrap();
    assert_eq!(wrapped.len(), 1 + 32);
    assert_eq!(
        key.unwrap_key(&at(&none, 1), &wrapped).unwrap().expose(),
        b"seventeen bytes!!"
    );
    let some = pairs(&[("a", "b")]);
    let refused = key.wrap_key(&at(&some, 1), b"k", &Broken).unwrap_err();
    assert_eq!(refused, CryptoError::ContextTooLong { max: 0 });
    assert!(key.unwrap_key(&at(&some, 1), &wrapped).is_err());
    assert!(matches!(
        key.encrypt(&at(&none, 1), b"data", &SystemRandom),
        Err(CryptoError::UnsupportedUsage {
            usage: Usage::Encrypt,
            ..
        })
    ));
    assert_eq!(
        key.raw_kwp_wrap(b"seventeen bytes!!").unwrap(),
        &wrapped[1..]
    );
    assert_eq!(key.raw_kwp_unwrap(&wrapped[1..]).unwrap().len(), 17);
}

#[test]
fn every_message_has_its_own_salt() {
    let key = generated(Algorithm::Aes256GcmCommit);
    let none = BTreeMap::new();
    let first = key.encrypt(&at(&none, 1), b"same", &SystemRandom).unwrap();
    let second = key.encrypt(&at(&none, 1), b"same", &SystemRandom).unwrap();
    assert_ne!(first[1..33], second[1..33]);
    assert_ne!(first[33..65], second[33..65]);
    assert_eq!(first.len(), 1 + 32 + 32 + 4 + 16);
    let failed = key.encrypt(&at(&none, 1), b"same", &Broken).unwrap_err();
    assert_eq!(failed, CryptoError::RandomFailed);
}

#[test]
fn limits_are_refused_by_name() {
    let key = generated(Algorithm::Aes256GcmCommit);
    let large = pairs(&[("name", &"v".repeat(CONTEXT_LENGTH_MAX - 11))]);
    assert_eq!(
        key.encrypt(&at(&large, 1), b"", &SystemRandom).unwrap_err(),
        CryptoError::ContextTooLong {
            max: CONTEXT_LENGTH_MAX
        }
    );
    let fits = pairs(&[("name", &"v".repeat(CONTEXT_LENGTH_MAX - 12))]);
    key.encrypt(&at(&fits, 1), b"", &SystemRandom).unwrap();
    let long = vec![0; MESSAGE_LENGTH_MAX + 1];
    let too_long = CryptoError::MessageTooLong {
        max: MESSAGE_LENGTH_MAX,
    };
    let none = BTreeMap::new();
    assert_eq!(
        key.encrypt(&at(&none, 1), &long, &SystemRandom)
            .unwrap_err(),
        too_long
    );
    assert_eq!(
        generated(Algorithm::HmacSha256).mac(&long).unwrap_err(),
        too_long
    );
    let rsa = generated(Algorithm::Rsa2048);
    assert_eq!(
        rsa.encrypt(&at(&none, 1), &[0; 191], &SystemRandom)
            .unwrap_err(),
        CryptoError::MessageTooLong { max: 190 }
    );
    let sealed = rsa
        .encrypt(&at(&none, 1), &[0; 190], &SystemRandom)
        .unwrap();
    assert_eq!(
        rsa.decrypt(&at(&none, 1), &sealed).unwrap().expose(),
        [0; 190]
    );
}

#[test]
fn contexts_encode_sorted_and_length_prefixed() {
    let context = pairs(&[("b", "2"), ("a", "11")]);
    let expected = hex("00000001 61 00000002 3131 00000001 62 00000001 32");
    assert_eq!(encode_context(&context).unwrap(), expected);
    assert!(encode_context(&BTreeMap::new()).unwrap().is_empty());
}

#[test]
fn macs_verify_untruncated_only() {
    for (algorithm, length) in [(Algorithm::HmacSha256, 32), (Algorithm::HmacSha512, 64)] {
        let key = generated(algorithm);
        let tag = key.mac(b"message").unwrap();
        assert_eq!(tag.len(), length);
        key.verify_mac(b"message", &tag).unwrap();
        assert_eq!(
            key.verify_mac(b"other", &tag),
            Err(CryptoError::InvalidSignature)
        );
        for cut in 0..length {
            assert!(key.verify_mac(b"message", &tag[..cut]).is_err());
        }
        for bit in 0..length * 8 {
            let mut altered = tag.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(key.verify_mac(b"message", &altered).is_err());
        }
    }
}

#[test]
fn derived_keys_are_independent() {
    for algorithm in [Algorithm::HmacSha256, Algorithm::HmacSha512] {
        let key = generated(algorithm);
        let derive = |label: &[u8], context: &[u8], length| {
            key.derive(label, context, length)
                .unwrap()
                .expose()
                .to_vec()
        };
        let base = derive(b"label", b"context", 32);
        assert_eq!(base, derive(b"label", b"context", 32));
        assert_ne!(base, derive(b"labelc", b"ontext", 32));
        assert_ne!(base, derive(b"label", b"contexts", 32));
        assert_ne!(base, derive(b"label", b"context", 64)[..32]);
        assert_eq!(derive(b"", b"", 8160).len(), 8160);
        for length in [0, 15, 8161] {
            assert!(matches!(
                key.derive(b"", b"", length),
                Err(CryptoError::LengthOutOfRange { min: 16, max: 8160 })
            ));
        }
    }
}

#[test]
fn encapsulated_secrets_agree_or_differ_but_never_leak_an_error() {
    let key = generated(Algorithm::MlKem768);
    let (sent, shared) = key.encapsulate().unwrap();
    assert_eq!((sent.len(), shared.len()), (1088, 32));
    assert_eq!(key.decapsulate(&sent).unwrap().expose(), shared.expose());
    let mut altered = sent.clone();
    altered[0] ^= 1;
    assert_ne!(key.decapsulate(&altered).unwrap().expose(), shared.expose());
    assert_eq!(
        key.decapsulate(&sent[1..]).unwrap_err(),
        CryptoError::InvalidEncapsulation
    );
}

#[test]
fn keys_refuse_what_their_algorithm_cannot() {
    let none = BTreeMap::new();
    for algorithm in Algorithm::ALL {
        let key = generated(*algorithm);
        let usages = algorithm.info().usages;
        let outcomes = [
            (
                Usage::Encrypt,
                key.encrypt(&at(&none, 1), b"x", &SystemRandom).map(|_| ()),
            ),
            (
                Usage::Wrap,
                key.wrap_key(&at(&none, 1), b"x", &SystemRandom).map(|_| ()),
            ),
            (Usage::Mac, key.mac(b"x").map(|_| ())),
            (Usage::Derive, key.derive(b"x", b"", 32).map(|_| ())),
            (Usage::Encapsulate, key.encapsulate().map(|_| ())),
        ];
        for (usage, outcome) in outcomes {
            if usages.contains(usage) {
                outcome.unwrap();
            } else {
                let algorithm = *algorithm;
                assert_eq!(
                    outcome,
                    Err(CryptoError::UnsupportedUsage { algorithm, usage })
                );
            }
        }
    }
}

#[test]
fn public_halves_only_protect() {
    let none = BTreeMap::new();
    let random = SystemRandom;
    let material = keyward_crypto::KeyMaterial::generate(Algorithm::Rsa2048, &random).unwrap();
    let public = PreparedKey::from_public(Algorithm::Rsa2048, material.public().unwrap()).unwrap();
    let sealed = public.encrypt(&at(&none, 1), b"to you", &random).unwrap();
    assert_eq!(
        public.decrypt(&at(&none, 1), &sealed).unwrap_err(),
        CryptoError::PublicOnly
    );
    let private = PreparedKey::new(&material).unwrap();
    assert_eq!(
        private.decrypt(&at(&none, 1), &sealed).unwrap().expose(),
        b"to you"
    );
    let foreign = public.raw_oaep_encrypt(b"", b"standard").unwrap();
    assert_eq!(
        private.raw_oaep_decrypt(b"", &foreign).unwrap().expose(),
        b"standard"
    );
    assert!(PreparedKey::from_public(Algorithm::Rsa4096, material.public().unwrap()).is_err());
    assert!(PreparedKey::from_public(Algorithm::Aes256Gcm, &[0; 32]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_sealed_opens(
        message in proptest::collection::vec(any::<u8>(), 0..3000),
        context in proptest::collection::btree_map(".{0,12}", ".{0,20}", 0..4),
        key_id in any::<u128>(),
        version in any::<u32>(),
        algorithm in 0..3usize,
        seed in any::<u64>(),
    ) {
        let key = prepared(SEALING[algorithm], &[5; 32]);
        let key_id = Uuid::from_u128(key_id);
        let context = MessageContext { key_id, version, context: &context };
        let sealed = key.encrypt(&context, &message, &Seeded::new(seed)).unwrap();
        let opened = key.decrypt(&context, &sealed).unwrap();
        prop_assert_eq!(opened.expose(), &message[..]);
    }

    #[test]
    fn noise_never_opens(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
        let none = BTreeMap::new();
        for algorithm in &SEALING[..3] {
            let key = prepared(*algorithm, &[5; 32]);
            prop_assert!(key.decrypt(&at(&none, 1), &noise).is_err());
            prop_assert!(key.unwrap_key(&at(&none, 1), &noise).is_err());
        }
    }
}
