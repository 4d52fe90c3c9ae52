//! Encrypt, wrap, MAC, derive, encapsulate: what comes back, and what is refused.

use std::collections::BTreeMap;

use keyward_crypto::digest::Hash;
use keyward_crypto::prepared::{CONTEXT_LENGTH_MAX, MESSAGE_LENGTH_MAX, encode_context};
use keyward_crypto::{
    Algorithm, CryptoError, KeyMaterial, MessageContext, PreparedKey, SystemRandom, Usage,
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::support::{Broken, Seeded, at, generated, hex, pairs, prepared};

/// Everything that encrypts, the fast ones first; of RSA one size.
const SEALING: [Algorithm; 11] = [
    Algorithm::Aes256GcmCommit,
    Algorithm::Aes256Gcm,
    Algorithm::ChaCha20Poly1305,
    Algorithm::Aes128Gcm,
    Algorithm::Aes192Gcm,
    Algorithm::Xaes256Gcm,
    Algorithm::Aes128GcmSiv,
    Algorithm::Aes256GcmSiv,
    Algorithm::Aes256GcmSivConvergent,
    Algorithm::Rsa2048,
    Algorithm::X25519MlKem768,
];
/// How many of them are symmetric.
const SYMMETRIC: usize = 9;

/// A key of a symmetric algorithm, filled with one byte.
fn filled(algorithm: Algorithm, byte: u8) -> PreparedKey {
    prepared(
        algorithm,
        &vec![byte; algorithm.info().size_bits as usize / 8],
    )
}

#[test]
fn the_list_of_sealing_algorithms_is_whole() {
    let expected = Algorithm::ALL
        .iter()
        .filter(|it| it.info().usages.contains(Usage::Encrypt))
        .filter(|it| !matches!(it, Algorithm::Rsa3072 | Algorithm::Rsa4096));
    assert!(expected.clone().all(|it| SEALING.contains(it)));
    assert_eq!(expected.count(), SEALING.len());
}

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
        let is_slow = algorithm.info().is_asymmetric();
        for bit in 0..sealed.len() * 8 {
            if is_slow && bit >= 8 && bit % 37 != 0 {
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
        let step = if algorithm == Algorithm::X25519MlKem768 {
            7
        } else {
            1
        };
        for length in (0..sealed.len()).step_by(step) {
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
        if !algorithm.info().is_asymmetric() {
            attempts.push(filled(algorithm, 9).decrypt(&at(&context, 3), &sealed));
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
fn key_wrap_without_padding_takes_whole_blocks_only() {
    let none = BTreeMap::new();
    for algorithm in [Algorithm::Aes128Kw, Algorithm::Aes256Kw] {
        let key = generated(algorithm);
        for length in [16, 24, 64, 4096] {
            let inner = vec![3; length];
            let wrapped = key.wrap_key(&at(&none, 1), &inner, &Broken).unwrap();
            assert_eq!(wrapped.len(), 1 + length + 8);
            let opened = key.unwrap_key(&at(&none, 1), &wrapped).unwrap();
            assert_eq!(opened.expose(), inner);
            for place in 1..wrapped.len().min(80) {
                let mut altered = wrapped.clone();
                altered[place] ^= 1;
                let refused = key.unwrap_key(&at(&none, 1), &altered).unwrap_err();
                assert_eq!(refused, CryptoError::AuthenticationFailed);
                assert!(key.unwrap_key(&at(&none, 1), &wrapped[..place]).is_err());
            }
        }
        for length in [0, 1, 8, 15, 17, 33] {
            let refused = key.wrap_key(&at(&none, 1), &vec![3; length], &Broken);
            assert_eq!(refused.unwrap_err(), CryptoError::NotWholeBlocks);
        }
    }
}

#[test]
fn each_way_to_wrap_keys_opens_its_own_only() {
    let none = BTreeMap::new();
    let ways = [Algorithm::Aes128Kw, Algorithm::Aes128Kwp];
    for (made, other) in [(ways[0], ways[1]), (ways[1], ways[0])] {
        let wrapped = filled(made, 1)
            .wrap_key(&at(&none, 1), &[3; 32], &Broken)
            .unwrap();
        let refused = filled(other, 1).unwrap_key(&at(&none, 1), &wrapped);
        assert!(matches!(
            refused.unwrap_err(),
            CryptoError::WrongSuite { .. }
        ));
    }
}

#[test]
fn convergent_ciphertexts_are_equal_exactly_when_all_is() {
    let (here, there) = (pairs(&[("column", "name")]), pairs(&[("column", "email")]));
    let key = filled(Algorithm::Aes256GcmSivConvergent, 1);
    let seal = |key: &PreparedKey, context, version, text: &[u8]| {
        key.encrypt(&at(context, version), text, &Broken).unwrap()
    };
    let one = seal(&key, &here, 1, b"ada");
    assert_eq!(one, seal(&key, &here, 1, b"ada"));
    let other_key = filled(Algorithm::Aes256GcmSivConvergent, 2);
    for different in [
        seal(&key, &here, 1, b"adb"),
        seal(&key, &there, 1, b"ada"),
        seal(&key, &here, 2, b"ada"),
        seal(&other_key, &here, 1, b"ada"),
        key.wrap_key(&at(&here, 1), b"ada", &Broken).unwrap(),
    ] {
        // Neither the nonce nor what follows tells of the equal message.
        assert_ne!(one[1..13], different[1..13]);
        assert_ne!(one[13..], different[13..]);
    }
}

#[test]
fn oaep_takes_three_hashes_and_finds_them_again() {
    let none = BTreeMap::new();
    let key = generated(Algorithm::Rsa2048);
    for (hash, suites, longest) in [
        (Hash::Sha256, [0x04, 0x14], 190),
        (Hash::Sha384, [0x0d, 0x1d], 158),
        (Hash::Sha512, [0x0e, 0x1e], 126),
    ] {
        let longest_message = vec![1; longest];
        let sealed = key
            .encrypt_with(Some(hash), &at(&none, 1), &longest_message, &SystemRandom)
            .unwrap();
        let wrapped = key
            .wrap_key_with(Some(hash), &at(&none, 1), &[2; 32], &SystemRandom)
            .unwrap();
        assert_eq!([sealed[0], wrapped[0]], suites);
        let opened = key.decrypt(&at(&none, 1), &sealed).unwrap();
        assert_eq!(opened.expose(), longest_message);
        let opened = key.unwrap_key(&at(&none, 1), &wrapped).unwrap();
        assert_eq!(opened.expose(), [2; 32]);
        assert!(key.decrypt(&at(&none, 1), &wrapped).is_err());
        let mut renamed = sealed.clone();
        renamed[0] = if suites[0] == 0x04 { 0x0d } else { 0x04 };
        assert_eq!(
            key.decrypt(&at(&none, 1), &renamed).unwrap_err(),
            CryptoError::AuthenticationFailed
        );
        let too_long = vec![1; longest + 1];
        assert_eq!(
            key.encrypt_with(Some(hash), &at(&none, 1), &too_long, &SystemRandom),
            Err(CryptoError::MessageTooLong { max: longest })
        );
    }
    let algorithm = Algorithm::Aes256Gcm;
    assert_eq!(
        generated(algorithm).encrypt_with(Some(Hash::Sha256), &at(&none, 1), b"", &SystemRandom),
        Err(CryptoError::OaepNotSupported { algorithm })
    );
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
    for (algorithm, length) in [
        (Algorithm::HmacSha256, 32),
        (Algorithm::HmacSha384, 48),
        (Algorithm::HmacSha512, 64),
        (Algorithm::Aes128Cmac, 16),
        (Algorithm::Aes256Cmac, 16),
    ] {
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
    for algorithm in [
        Algorithm::HmacSha256,
        Algorithm::HmacSha384,
        Algorithm::HmacSha512,
    ] {
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
    for (algorithm, length) in [
        (Algorithm::MlKem512, 768),
        (Algorithm::MlKem768, 1088),
        (Algorithm::MlKem1024, 1568),
    ] {
        let key = generated(algorithm);
        let (sent, shared) = key.encapsulate().unwrap();
        assert_eq!((sent.len(), shared.len()), (length, 32));
        assert_eq!(key.decapsulate(&sent).unwrap().expose(), shared.expose());
        let mut altered = sent.clone();
        altered[0] ^= 1;
        assert_ne!(key.decapsulate(&altered).unwrap().expose(), shared.expose());
        assert_eq!(
            key.decapsulate(&sent[1..]).unwrap_err(),
            CryptoError::InvalidEncapsulation
        );
    }
}

/// A public key that keys of this algorithm agree with; for others any bytes.
fn peer_of(algorithm: Algorithm) -> Vec<u8> {
    let material = KeyMaterial::generate(algorithm, &SystemRandom).unwrap();
    material.public().unwrap_or_default().to_vec()
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
                key.wrap_key(&at(&none, 1), &[7; 16], &SystemRandom)
                    .map(|_| ()),
            ),
            (Usage::Mac, key.mac(b"x").map(|_| ())),
            (Usage::Derive, key.derive(b"x", b"", 32).map(|_| ())),
            (Usage::Encapsulate, key.encapsulate().map(|_| ())),
            (Usage::Agree, key.agree(&peer_of(*algorithm)).map(|_| ())),
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
    let material = KeyMaterial::generate(Algorithm::Rsa2048, &random).unwrap();
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
        algorithm in 0..SYMMETRIC,
        seed in any::<u64>(),
    ) {
        let key = filled(SEALING[algorithm], 5);
        let key_id = Uuid::from_u128(key_id);
        let context = MessageContext { key_id, version, context: &context };
        let sealed = key.encrypt(&context, &message, &Seeded::new(seed)).unwrap();
        let opened = key.decrypt(&context, &sealed).unwrap();
        prop_assert_eq!(opened.expose(), &message[..]);
    }

    #[test]
    fn noise_never_opens(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
        let none = BTreeMap::new();
        for algorithm in &SEALING[..SYMMETRIC] {
            let key = filled(*algorithm, 5);
            prop_assert!(key.decrypt(&at(&none, 1), &noise).is_err());
            prop_assert!(key.unwrap_key(&at(&none, 1), &noise).is_err());
        }
    }
}
