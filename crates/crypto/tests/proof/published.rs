//! Vectors of NIST and of the RFCs, in `tests/vectors/published/`: each file says where it is from.

use std::path::Path;

use keyward_crypto::digest::{Hash, counter_kdf, hkdf};
use keyward_crypto::keywrap::{kw_unwrap, kw_wrap, kwp_unwrap, kwp_wrap};
use keyward_crypto::{Algorithm, CryptoError, KeyMaterial, PreparedKey, SecretBytes};
use serde_json::Value;

use crate::symmetric::prepared;
use crate::tally::Tally;

fn cases(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors/published")
        .join(file);
    let whole: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(whole["source"].as_str().unwrap().len() > 20);
    whole["cases"].as_array().unwrap().clone()
}

fn field(case: &Value, name: &str) -> Vec<u8> {
    let text = case[name].as_str().unwrap();
    data_encoding::HEXLOWER_PERMISSIVE
        .decode(text.as_bytes())
        .unwrap()
}

fn matches(found: Result<SecretBytes, CryptoError>, expected: Option<&[u8]>) -> bool {
    match expected {
        Some(expected) => found.is_ok_and(|it| it.ct_eq(expected)),
        None => found.is_err(),
    }
}

#[test]
fn nist_kw_and_kwp() {
    let mut tally = Tally::new("NIST CAVS, SP 800-38F", "kw-kwp");
    for (number, case) in cases("kw-kwp.json").iter().enumerate() {
        let (kek, wrapped) = (field(case, "k"), field(case, "c"));
        let plain = case["p"].is_string().then(|| field(case, "p"));
        let pads = case["mode"] == "KWP";
        let opened = if pads {
            kwp_unwrap(&kek, &wrapped)
        } else {
            kw_unwrap(&kek, &wrapped)
        };
        let made = plain.as_ref().map(|plain| {
            if pads {
                kwp_wrap(&kek, plain)
            } else {
                kw_wrap(&kek, plain)
            }
        });
        let made_right = made.is_none_or(|made| made.is_ok_and(|it| it == wrapped));
        tally.check(number, made_right && matches(opened, plain.as_deref()));
    }
    tally.finish();
}

#[test]
fn nist_counter_mode() {
    let mut tally = Tally::new("NIST CAVS, SP 800-108", "sp800-108-counter");
    for (number, case) in cases("sp800-108-counter.json").iter().enumerate() {
        let hash = match case["hash"].as_str().unwrap() {
            "HMAC_SHA256" => Hash::Sha256,
            "HMAC_SHA384" => Hash::Sha384,
            _ => Hash::Sha512,
        };
        let expected = field(case, "ko");
        let mut found = vec![0; expected.len()];
        counter_kdf(hash, &field(case, "ki"), &field(case, "fixed"), &mut found).unwrap();
        tally.check(number, found == expected);
    }
    tally.finish();
}

#[test]
fn nist_cmac() {
    let mut tally = Tally::new("NIST SP 800-38B", "cmac");
    for (number, case) in cases("cmac.json").iter().enumerate() {
        let secret = field(case, "k");
        let algorithm = if secret.len() == 16 {
            Algorithm::Aes128Cmac
        } else {
            Algorithm::Aes256Cmac
        };
        let found = prepared(algorithm, &secret).unwrap().mac(&field(case, "m"));
        tally.check(number, found.unwrap() == field(case, "t"));
    }
    tally.finish();
}

#[test]
fn rfc_5869_hkdf() {
    let mut tally = Tally::new("RFC 5869", "hkdf-rfc5869");
    for (number, case) in cases("hkdf-rfc5869.json").iter().enumerate() {
        let expected = field(case, "okm");
        let mut found = vec![0; expected.len()];
        let (ikm, salt, info) = (field(case, "ikm"), field(case, "salt"), field(case, "info"));
        hkdf(Hash::Sha256, &ikm, &salt, &info, &mut found).unwrap();
        tally.check(number, found == expected);
    }
    tally.finish();
}

/// What was encapsulated opens to the secret; what was not, to the secret of implicit rejection.
#[test]
fn ml_kem_known_answers() {
    for (algorithm, file) in [
        (Algorithm::MlKem512, "ml-kem-512-kat"),
        (Algorithm::MlKem768, "ml-kem-768-kat"),
        (Algorithm::MlKem1024, "ml-kem-1024-kat"),
    ] {
        let mut tally = Tally::new("KAT of FIPS 203", file);
        for (number, case) in cases(&format!("{file}.json")).iter().enumerate() {
            let key = prepared(algorithm, &field(case, "sk")).unwrap();
            for (ciphertext, secret) in [("ct", "ss"), ("ct_n", "ss_n")] {
                let found = key.decapsulate(&field(case, ciphertext));
                let right = matches(found, Some(&field(case, secret)));
                tally.check(format!("{number} {ciphertext}"), right);
            }
        }
        tally.finish();
    }
}

/// The seed gives the public key.
#[test]
fn ml_dsa_known_answers() {
    for (algorithm, file, arc) in [
        (Algorithm::MlDsa44, "ml-dsa-44-kat", 0x11),
        (Algorithm::MlDsa65, "ml-dsa-65-kat", 0x12),
        (Algorithm::MlDsa87, "ml-dsa-87-kat", 0x13),
    ] {
        let mut tally = Tally::new("KAT of FIPS 204", file);
        for (number, case) in cases(&format!("{file}.json")).iter().enumerate() {
            // PKCS#8 around the seed, as RFC 9881 has it.
            let prefix = [
                0x30, 0x34, 0x02, 0x01, 0x00, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
                0x03, 0x04, 0x03, arc, 0x04, 0x22, 0x80, 0x20,
            ];
            let secret = SecretBytes::new([&prefix[..], &field(case, "xi")].concat());
            let material = KeyMaterial::import(algorithm, &secret).unwrap();
            let public = material.public().unwrap();
            tally.check(number, public.ends_with(&field(case, "pk")));
            PreparedKey::from_public(algorithm, public).unwrap();
        }
        tally.finish();
    }
}
