//! Key agreement and the ways to derive: both sides meet, and nobody else.

use keyward_crypto::prepared::Derivation;
use keyward_crypto::{Algorithm, CryptoError, Kdf, KeyMaterial, PreparedKey, SystemRandom};

use crate::support::{generated, hex};

const CURVES: [Algorithm; 4] = [
    Algorithm::X25519,
    Algorithm::EcdhP256,
    Algorithm::EcdhP384,
    Algorithm::EcdhP521,
];

fn pair(algorithm: Algorithm) -> (PreparedKey, Vec<u8>) {
    let material = KeyMaterial::generate(algorithm, &SystemRandom).unwrap();
    let public = material.public().unwrap().to_vec();
    (PreparedKey::new(&material).unwrap(), public)
}

fn usual<'a>(label: &'a [u8], context: &'a [u8]) -> Derivation<'a> {
    Derivation::Keyward { label, context }
}

#[test]
fn both_sides_agree_and_derive_the_same() {
    for algorithm in CURVES {
        let ((ours, our_public), (theirs, their_public)) = (pair(algorithm), pair(algorithm));
        let (here, there) = (
            ours.agree(&their_public).unwrap(),
            theirs.agree(&our_public).unwrap(),
        );
        let hkdf = Derivation::Hkdf {
            salt: b"salt",
            info: b"info",
        };
        let mut seen = Vec::new();
        for (derivation, length) in [
            (usual(b"label", b"context"), 32),
            (usual(b"labelc", b"ontext"), 32),
            (usual(b"label", b"context"), 64),
            (hkdf, 32),
        ] {
            let derived = here.derive(derivation, length).unwrap();
            assert!(
                there
                    .derive(derivation, length)
                    .unwrap()
                    .ct_eq(derived.expose())
            );
            let start = derived.expose()[..32].to_vec();
            assert!(!seen.contains(&start));
            seen.push(start);
        }
        let counter = Derivation::Sp800108Counter {
            label: b"label",
            context: b"context",
        };
        let refused = here.derive(counter, 32).unwrap_err();
        assert_eq!(refused, CryptoError::KdfNotSupported);
        let (_, another) = pair(algorithm);
        let elsewhere = ours.agree(&another).unwrap().into_raw();
        let raw = here.into_raw();
        assert!(raw.ct_eq(there.into_raw().expose()));
        assert!(!raw.ct_eq(elsewhere.expose()));
        let field = algorithm.info().size_bits.div_ceil(8) as usize;
        assert_eq!(raw.len(), field);
    }
}

#[test]
fn peers_that_are_no_partners_are_refused() {
    for algorithm in CURVES {
        let (ours, public) = pair(algorithm);
        let other_curve = if algorithm == Algorithm::EcdhP256 {
            Algorithm::EcdhP384
        } else {
            Algorithm::EcdhP256
        };
        let mut altered = public.clone();
        *altered.last_mut().unwrap() ^= 1;
        let mut peers = vec![
            vec![],
            vec![0; 32],
            vec![0; 4000],
            public[1..].to_vec(),
            pair(other_curve).1,
            pair(Algorithm::EcdsaSecp256k1).1,
        ];
        // Every 32 bytes are a point of Curve25519 or its twist; of a P curve almost none are.
        if algorithm != Algorithm::X25519 {
            peers.push(altered);
        }
        for peer in peers {
            let refused = ours.agree(&peer).err();
            assert_eq!(
                refused,
                Some(CryptoError::InvalidPeer),
                "{algorithm} {peer:02x?}"
            );
            assert!(PreparedKey::from_public(algorithm, &peer).is_err());
        }
        let public_only = PreparedKey::from_public(algorithm, &public).unwrap();
        assert_eq!(
            public_only.agree(&public).err(),
            Some(CryptoError::PublicOnly)
        );
    }
}

/// Points of small order give the same secret with every key: RFC 7748, section 6.1.
#[test]
fn points_of_small_order_are_refused() {
    let (ours, _) = pair(Algorithm::X25519);
    for point in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        assert_eq!(
            ours.agree(&hex(point)).err(),
            Some(CryptoError::InvalidPeer)
        );
    }
}

#[test]
fn kdf_names_parse_back() {
    for kdf in Kdf::ALL {
        assert_eq!(kdf.name().parse(), Ok(*kdf));
    }
    assert!("HKDF".parse::<Kdf>().is_err());
    assert_eq!(Kdf::default(), Kdf::Keyward);
}

#[test]
fn the_three_ways_to_derive_are_independent() {
    for algorithm in [
        Algorithm::HmacSha256,
        Algorithm::HmacSha384,
        Algorithm::HmacSha512,
    ] {
        let key = generated(algorithm);
        let (label, context) = (&b"label"[..], &b"context"[..]);
        let ways = [
            usual(label, context),
            Derivation::Hkdf {
                salt: label,
                info: context,
            },
            Derivation::Sp800108Counter { label, context },
        ];
        let derived = ways.map(|way| key.derive_with(way, 48).unwrap());
        for one in 0..3 {
            for other in 0..one {
                assert!(!derived[one].ct_eq(derived[other].expose()));
            }
        }
        // HKDF's shorter results begin its longer ones, as the RFC has it; the counter mode's do not,
        // because the length is in its input.
        let hkdf = key.derive_with(ways[1], 16).unwrap();
        assert_eq!(hkdf.expose(), &derived[1].expose()[..16]);
        let counter = key.derive_with(ways[2], 16).unwrap();
        assert_ne!(counter.expose(), &derived[2].expose()[..16]);
    }
    let refused = generated(Algorithm::Aes128Cmac).derive(b"", b"", 32);
    assert!(refused.is_err());
}
