//! Keys that come in and go out: every algorithm in every format there and back, and what is
//! refused. Against other implementations: `crates/keyward/tests/exchange`.

use keyward_crypto::algorithm::default_usages;
use keyward_crypto::exchange::{
    ExchangeError, Intent, KeyFormat, PublicKey, PublicKeyFormat, Recipient, WrapMethod,
    WrappingKey, read_private, write_private,
};
use keyward_crypto::{Algorithm, Family, KeyMaterial, SecretBytes, SystemRandom, UsageSet};

fn intent(algorithm: Algorithm) -> Intent {
    Intent {
        algorithm,
        usages: default_usages(algorithm),
    }
}

fn public_intent(algorithm: Algorithm) -> Intent {
    let usages = default_usages(algorithm).intersection(PublicKey::USAGES);
    Intent { algorithm, usages }
}

fn fresh(algorithm: Algorithm) -> KeyMaterial {
    KeyMaterial::generate(algorithm, &SystemRandom).unwrap()
}

#[test]
fn every_key_comes_back_as_it_went_in_every_format_it_has() {
    let mut travelled = 0;
    for &algorithm in Algorithm::ALL {
        let material = fresh(algorithm);
        for &format in KeyFormat::ALL {
            match write_private(&material, format) {
                Ok(bytes) => {
                    let back = read_private(intent(algorithm), format, &bytes)
                        .unwrap_or_else(|error| panic!("{algorithm} {format}: {error}"));
                    assert!(back.same_key(&material), "{algorithm} {format}");
                    assert_eq!(back.public(), material.public());
                    travelled += 1;
                }
                Err(ExchangeError::FormatUnsupported { .. }) => {}
                Err(error) => panic!("{algorithm} {format}: {error}"),
            }
        }
    }
    assert!(travelled >= Algorithm::ALL.len() * 2 - 1, "{travelled}");
}

#[test]
fn every_public_key_comes_in_and_is_the_same_key() {
    for &algorithm in Algorithm::ALL {
        let intent = public_intent(algorithm);
        let material = fresh(algorithm);
        let Some(der) = material.public() else {
            let refused = PublicKey::read(intent, PublicKeyFormat::Spki, &[1, 2, 3]);
            assert!(matches!(
                refused,
                Err(ExchangeError::FormatUnsupported { .. })
            ));
            continue;
        };
        let key = PublicKey::stored(algorithm, der.to_vec());
        let pem = key.pem().unwrap();
        let jwk = key.jwk(intent.usages, "k").map(|jwk| jwk.to_string());
        let mut forms = vec![
            (PublicKeyFormat::Spki, der),
            (PublicKeyFormat::Spki, pem.as_bytes()),
        ];
        match &jwk {
            Ok(jwk) => forms.push((PublicKeyFormat::Jwk, jwk.as_bytes())),
            Err(_) => assert_eq!(algorithm, Algorithm::X25519MlKem768),
        }
        for (format, bytes) in forms {
            let read = PublicKey::read(intent, format, bytes)
                .unwrap_or_else(|error| panic!("{algorithm} {format:?}: {error}"));
            assert_eq!(read.der(), der, "{algorithm}");
            let stored = read.to_material().unwrap();
            assert!(stored.is_public_only());
            let again = KeyMaterial::decode(algorithm, &stored.encode()).unwrap();
            assert!(again.is_public_only());
            assert_eq!(again.fingerprint(), material.fingerprint());
            assert!(matches!(
                write_private(&again, KeyFormat::Pkcs8),
                Err(ExchangeError::PublicOnly)
            ));
        }
        // A private JWK is refused where a public one is meant.
        if let Ok(private) = write_private(&material, KeyFormat::Jwk) {
            let refused = PublicKey::read(intent, PublicKeyFormat::Jwk, private.expose());
            assert!(
                matches!(refused, Err(ExchangeError::Malformed { .. })),
                "{algorithm}"
            );
        }
    }
}

#[test]
fn what_is_wrapped_opens_with_its_key_and_for_its_purpose_only() {
    let secret = SecretBytes::copy_from(&[7; 2400]);
    for &method in WrapMethod::ALL {
        let key = WrappingKey::generate(method, &SystemRandom).unwrap();
        let key = WrappingKey::decode(&key.encode()).unwrap();
        let recipient = Recipient::read(method, key.public_pem().unwrap().as_bytes()).unwrap();
        let wrapped = recipient
            .wrap(b"info", b"binding", &secret, &SystemRandom)
            .unwrap();
        let open = |bytes: &[u8]| key.open(b"info", b"binding", bytes);
        assert!(open(&wrapped).unwrap().ct_eq(secret.expose()));
        for length in [0, 1, 511, 512, 513, 1119, 1120, 1136, wrapped.len() - 1] {
            let refused = open(&wrapped[..length]);
            assert!(matches!(refused, Err(ExchangeError::NotOpened)), "{length}");
        }
        for place in [0, 100, 511, 512, 600, 1120, wrapped.len() - 1] {
            let mut altered = wrapped.clone();
            altered[place] ^= 1;
            let refused = open(&altered);
            assert!(matches!(refused, Err(ExchangeError::NotOpened)), "{place}");
        }
        let huge = vec![0; 64 * 1024 + 1];
        assert!(matches!(open(&huge), Err(ExchangeError::TooLong { .. })));
        let other = WrappingKey::generate(method, &SystemRandom).unwrap();
        assert!(other.open(b"info", b"binding", &wrapped).is_err());
        if method == WrapMethod::HpkeXWing {
            assert!(key.open(b"other", b"binding", &wrapped).is_err());
            assert!(key.open(b"info", b"other", &wrapped).is_err());
        }
    }
}

#[test]
fn no_truncated_or_altered_container_is_taken_for_a_key() {
    for &algorithm in Algorithm::ALL {
        // Small RSA is enough: the parser is the same.
        if algorithm.info().family == Family::Rsa && algorithm != Algorithm::Rsa2048 {
            continue;
        }
        let material = fresh(algorithm);
        for format in [KeyFormat::Pkcs8, KeyFormat::Jwk] {
            let Ok(bytes) = write_private(&material, format) else {
                continue;
            };
            let step = (bytes.len() / 40).max(1);
            for length in (0..bytes.len()).step_by(step) {
                let cut = SecretBytes::copy_from(&bytes.expose()[..length]);
                assert!(
                    read_private(intent(algorithm), format, &cut).is_err(),
                    "{algorithm} {format} {length}"
                );
            }
            let mut longer = bytes.expose().to_vec();
            longer.push(b'0');
            let longer = SecretBytes::new(longer);
            assert!(read_private(intent(algorithm), format, &longer).is_err());
        }
        let huge = SecretBytes::zeroed(64 * 1024 + 1);
        for &format in KeyFormat::ALL {
            assert!(matches!(
                read_private(intent(algorithm), format, &huge),
                Err(ExchangeError::TooLong { .. })
            ));
        }
    }
}

#[test]
fn a_key_of_one_algorithm_is_not_taken_for_another() {
    let all: Vec<_> = Algorithm::ALL
        .iter()
        .map(|algorithm| (*algorithm, fresh(*algorithm)))
        .collect();
    for (is, material) in &all {
        let Ok(bytes) = write_private(material, KeyFormat::Pkcs8) else {
            continue;
        };
        for &asked in Algorithm::ALL {
            let read = read_private(intent(asked), KeyFormat::Pkcs8, &bytes);
            let interchangeable = shape(*is) == shape(asked);
            assert_eq!(read.is_ok(), interchangeable, "{is} as {asked}");
        }
    }
}

/// Keys of one shape are the same key to their containers.
fn shape(algorithm: Algorithm) -> String {
    match algorithm.name() {
        name if name.contains("secp256k1") => name.to_owned(),
        name if name.contains("p256") => "p256".to_owned(),
        name if name.contains("p384") => "p384".to_owned(),
        name if name.contains("p521") => "p521".to_owned(),
        name => name.to_owned(),
    }
}

#[test]
fn a_jwk_is_held_to_what_it_says_of_itself() {
    let key = "{\"kty\":\"oct\",\"k\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"";
    let hmac = intent(Algorithm::HmacSha256);
    let read = |members: &str| {
        let text = format!("{key}{members}}}");
        read_private(
            hmac,
            KeyFormat::Jwk,
            &SecretBytes::copy_from(text.as_bytes()),
        )
    };
    for fits in [
        "",
        ",\"alg\":\"HS256\"",
        ",\"use\":\"sig\"",
        ",\"key_ops\":[\"sign\",\"verify\"]",
        ",\"kid\":\"a\\u0020b\",\"x5t\":\"whatever\"",
    ] {
        assert!(read(fits).is_ok(), "{fits}");
    }
    for (does_not, field) in [
        (",\"use\":\"enc\"", "use"),
        (",\"use\":\"other\"", "use"),
        (",\"key_ops\":[\"sign\"]", "key_ops"),
        (",\"key_ops\":[]", "key_ops"),
    ] {
        let refused = read(does_not).err();
        assert_eq!(refused, Some(ExchangeError::WrongPurpose { field }));
    }
    assert!(matches!(
        read(",\"alg\":\"HS512\""),
        Err(ExchangeError::WrongAlgorithm { .. })
    ));
    for broken in [",\"k\":\"AA\"", ",\"kty\":\"oct\"", ",\"alg\":7"] {
        assert!(
            matches!(read(broken), Err(ExchangeError::Malformed { .. })),
            "{broken}"
        );
    }
}

#[test]
fn keys_that_somebody_could_guess_are_refused() {
    for byte in [0, 0xff] {
        for algorithm in [
            Algorithm::Aes256GcmCommit,
            Algorithm::HmacSha256,
            Algorithm::Ed25519,
            Algorithm::MlDsa65,
        ] {
            let key = SecretBytes::copy_from(&[byte; 32]);
            let refused = read_private(intent(algorithm), KeyFormat::Raw, &key).err();
            assert!(
                matches!(refused, Some(ExchangeError::Weak { .. })),
                "{algorithm} {refused:?}"
            );
        }
    }
    let mut small = vec![0; 31];
    small.push(9);
    let refused = read_private(
        intent(Algorithm::EcdsaP256),
        KeyFormat::Raw,
        &SecretBytes::new(small),
    );
    assert!(matches!(refused, Err(ExchangeError::Weak { .. })));
    for length in [1, 16, 31, 33] {
        let key = SecretBytes::new((0..length).collect());
        let refused = read_private(intent(Algorithm::Aes256GcmCommit), KeyFormat::Raw, &key);
        assert!(refused.is_err(), "{length}");
    }
}

/// The points of order 1, 2, 4 and 8 of Ed25519, and encodings that are not reduced.
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

#[test]
fn points_of_small_order_and_off_the_curve_are_refused() {
    let intent = public_intent(Algorithm::Ed25519);
    let spki = |point: &[u8]| {
        let prefix = data_encoding::HEXLOWER
            .decode(b"302a300506032b6570032100")
            .unwrap();
        [&prefix, point].concat()
    };
    for hex in SMALL_ORDER {
        let point = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        let refused = PublicKey::read(intent, PublicKeyFormat::Spki, &spki(&point));
        assert!(
            matches!(
                refused,
                Err(ExchangeError::Weak { .. } | ExchangeError::Invalid { .. })
            ),
            "{hex} {refused:?}"
        );
    }
    let mut off = [0; 32];
    off[0] = 2;
    assert!(PublicKey::read(intent, PublicKeyFormat::Spki, &spki(&off)).is_err());

    for algorithm in [
        Algorithm::EcdsaP256,
        Algorithm::EcdsaP384,
        Algorithm::EcdsaP521,
        Algorithm::EcdsaSecp256k1,
        Algorithm::EcdhP256,
    ] {
        let material = fresh(algorithm);
        let mut der = material.public().unwrap().to_vec();
        *der.last_mut().unwrap() ^= 1;
        let refused = PublicKey::read(public_intent(algorithm), PublicKeyFormat::Spki, &der);
        assert!(
            matches!(refused, Err(ExchangeError::Invalid { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn usages_of_a_public_key_are_those_without_its_private_half() {
    assert_eq!(
        PublicKey::USAGES.names(),
        ["encrypt", "verify", "wrap", "encapsulate"]
    );
    assert!(!UsageSet::EMPTY.contains(keyward_crypto::Usage::Verify));
}
