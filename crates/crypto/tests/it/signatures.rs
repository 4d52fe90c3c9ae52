//! Signatures of every scheme, over messages and digests.

use keyward_crypto::digest::{sha256, sha384, sha512};
use keyward_crypto::{
    Algorithm, CryptoError, KeyMaterial, Message, PreparedKey, SignatureEncoding, SignatureScheme,
    SystemRandom,
};

fn digest(scheme: SignatureScheme, message: &[u8]) -> Option<Vec<u8>> {
    match scheme.digest_length()? {
        32 => Some(sha256(message).to_vec()),
        48 => Some(sha384(message).to_vec()),
        _ => Some(sha512(message).to_vec()),
    }
}

#[test]
fn every_scheme_signs_and_verifies_and_refuses() {
    for algorithm in Algorithm::ALL {
        if SignatureScheme::default_for(*algorithm).is_none() {
            continue;
        }
        let material = KeyMaterial::generate(*algorithm, &SystemRandom).unwrap();
        let key = PreparedKey::new(&material).unwrap();
        let public = PreparedKey::from_public(*algorithm, material.public().unwrap()).unwrap();
        for scheme in SignatureScheme::ALL {
            let message = Message::Raw(b"message");
            if !scheme.fits(*algorithm) {
                let wrong = CryptoError::WrongScheme {
                    algorithm: *algorithm,
                    scheme: scheme.name(),
                };
                assert_eq!(key.sign(*scheme, message), Err(wrong));
                assert_eq!(key.verify(*scheme, message, &[]), Err(wrong));
                continue;
            }
            let signature = key.sign(*scheme, message).unwrap();
            public.verify(*scheme, message, &signature).unwrap();
            assert_eq!(public.sign(*scheme, message), Err(CryptoError::PublicOnly));
            for (message, signature) in [
                (&b"massage"[..], &signature[..]),
                (b"message", &signature[1..]),
                (b"message", &[]),
            ] {
                assert_eq!(
                    public.verify(*scheme, Message::Raw(message), signature),
                    Err(CryptoError::InvalidSignature)
                );
            }
            check_digests(&key, &public, *scheme, &signature);
        }
    }
}

/// A signature over a digest is one over the message, both ways.
fn check_digests(
    key: &PreparedKey,
    public: &PreparedKey,
    scheme: SignatureScheme,
    over_message: &[u8],
) {
    let Some(digest) = digest(scheme, b"message") else {
        let refused = CryptoError::DigestNotSupported {
            scheme: scheme.name(),
        };
        assert_eq!(key.sign(scheme, Message::Digest(&[0; 32])), Err(refused));
        return;
    };
    public
        .verify(scheme, Message::Digest(&digest), over_message)
        .unwrap();
    let over_digest = key.sign(scheme, Message::Digest(&digest)).unwrap();
    public
        .verify(scheme, Message::Raw(b"message"), &over_digest)
        .unwrap();
    let expected = digest.len();
    assert_eq!(
        key.sign(scheme, Message::Digest(&digest[1..])),
        Err(CryptoError::WrongDigestLength { expected })
    );
}

#[test]
fn raw_signatures_are_as_long_as_the_field_twice_and_verify_as_such_only() {
    for (algorithm, field) in [
        (Algorithm::EcdsaP256, 32),
        (Algorithm::EcdsaP384, 48),
        (Algorithm::EcdsaP521, 66),
        (Algorithm::EcdsaSecp256k1, 32),
    ] {
        let material = KeyMaterial::generate(algorithm, &SystemRandom).unwrap();
        let key = PreparedKey::new(&material).unwrap();
        let scheme = SignatureScheme::default_for(algorithm).unwrap();
        // Often enough to meet integers with leading zeros, which are shorter in DER.
        for round in 0..300_u32 {
            let message = round.to_be_bytes();
            let digest = digest(scheme, &message).unwrap();
            let asked = if round % 2 == 0 {
                Message::Raw(&message)
            } else {
                Message::Digest(&digest)
            };
            let raw = key
                .sign_encoded(scheme, SignatureEncoding::Raw, asked)
                .unwrap();
            assert_eq!(raw.len(), 2 * field);
            key.verify_encoded(scheme, SignatureEncoding::Raw, asked, &raw)
                .unwrap();
            if round < 3 {
                assert!(key.verify(scheme, asked, &raw).is_err());
                let der = key.sign(scheme, asked).unwrap();
                key.verify_encoded(scheme, SignatureEncoding::Raw, asked, &der)
                    .unwrap_err();
            }
        }
    }
}

#[test]
fn other_signatures_have_one_encoding() {
    for algorithm in [Algorithm::Rsa2048, Algorithm::Ed25519, Algorithm::MlDsa44] {
        let material = KeyMaterial::generate(algorithm, &SystemRandom).unwrap();
        let key = PreparedKey::new(&material).unwrap();
        let scheme = SignatureScheme::default_for(algorithm).unwrap();
        let (raw, message) = (SignatureEncoding::Raw, Message::Raw(b"message"));
        let refused = CryptoError::EncodingNotSupported { algorithm };
        assert_eq!(key.sign_encoded(scheme, raw, message), Err(refused));
        assert_eq!(key.verify_encoded(scheme, raw, message, &[]), Err(refused));
    }
}
