//! Signatures of every scheme, over messages and digests.

use keyward_crypto::digest::{sha256, sha384, sha512};
use keyward_crypto::{
    Algorithm, CryptoError, KeyMaterial, Message, PreparedKey, SignatureScheme, SystemRandom,
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
