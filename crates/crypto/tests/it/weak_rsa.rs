//! RSA keys that somebody could factor, and those of more than two primes: published ones, and
//! ones made after the published constructions. `published/weak-rsa.json` says where each is from.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use keyward_crypto::exchange::{
    ExchangeError, Intent, KeyFormat, PublicKey, PublicKeyFormat, Recipient, WrapMethod,
    read_private,
};
use keyward_crypto::{Algorithm, KeyMaterial, SecretBytes, Usage, UsageSet};
use pkcs1::RsaPrivateKeyRef;
use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::Decode as _;
use pkcs8::der::asn1::UintRef;
use pkcs8::spki::SubjectPublicKeyInfoRef;
use serde_json::{Value, json};

const PUBLISHED: &str = include_str!("../vectors/published/weak-rsa.json");

struct Case {
    name: String,
    finding: String,
    algorithm: Algorithm,
    spki: Option<Vec<u8>>,
    pkcs8: Option<Vec<u8>>,
}

fn cases() -> Vec<Case> {
    let file: Value = serde_json::from_str(PUBLISHED).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let bytes = |field: &Value| field.as_str().map(|text| STANDARD.decode(text).unwrap());
    let read = |case: &Value| Case {
        name: case["name"].as_str().unwrap().to_owned(),
        finding: case["finding"].as_str().unwrap().to_owned(),
        algorithm: format!("rsa-{}", case["bits"]).parse().unwrap(),
        spki: bytes(&case["spki"]),
        pkcs8: bytes(&case["pkcs8"]),
    };
    cases.iter().map(read).collect()
}

fn intent(algorithm: Algorithm, usages: &[Usage]) -> Intent {
    Intent {
        algorithm,
        usages: UsageSet::of(usages),
    }
}

/// What must be said of it; nothing of a sound key.
fn expect(case: &Case, refused: Option<ExchangeError>) {
    let name = &case.name;
    match (case.finding.as_str(), refused) {
        ("none", None) | ("multi-prime", Some(ExchangeError::MultiPrime)) => {}
        ("small-factor", Some(ExchangeError::Weak { why })) => {
            assert!(why.contains("small factor"), "{name}: {why}");
        }
        ("roca", Some(ExchangeError::Factorable { why })) => {
            assert!(why.contains("CVE-2017-15361"), "{name}: {why}");
        }
        ("close", Some(ExchangeError::Factorable { why })) => {
            assert!(why.contains("CVE-2022-26320"), "{name}: {why}");
        }
        (finding, refused) => panic!("{name} is {finding}, and the answer was {refused:?}"),
    }
}

fn encoded(number: UintRef<'_>) -> String {
    URL_SAFE_NO_PAD.encode(number.as_bytes())
}

fn public_jwk(spki: &[u8]) -> Vec<u8> {
    let spki = SubjectPublicKeyInfoRef::from_der(spki).unwrap();
    let bits = spki.subject_public_key.as_bytes().unwrap();
    let key = pkcs1::RsaPublicKeyRef::from_der(bits).unwrap();
    let jwk = json!({"kty": "RSA", "n": encoded(key.modulus), "e": encoded(key.public_exponent)});
    jwk.to_string().into_bytes()
}

fn private_jwk(pkcs8: &[u8]) -> SecretBytes {
    let info = PrivateKeyInfoRef::from_der(pkcs8).unwrap();
    let key = RsaPrivateKeyRef::from_der(info.private_key.as_bytes()).unwrap();
    let mut jwk = json!({
        "kty": "RSA", "n": encoded(key.modulus), "e": encoded(key.public_exponent),
        "d": encoded(key.private_exponent), "p": encoded(key.prime1), "q": encoded(key.prime2),
        "dp": encoded(key.exponent1), "dq": encoded(key.exponent2),
        "qi": encoded(key.coefficient),
    });
    if let Some(others) = key.other_prime_infos {
        let other = |it: &pkcs1::OtherPrimeInfo<UintRef<'_>>| json!({"r": encoded(it.prime), "d": encoded(it.exponent), "t": encoded(it.coefficient)});
        jwk["oth"] = others.iter().map(other).collect();
    }
    SecretBytes::new(jwk.to_string().into_bytes())
}

#[test]
fn public_keys_that_anybody_can_factor_are_refused_and_sound_ones_are_not() {
    let mut seen = 0;
    for case in cases() {
        let Some(spki) = &case.spki else { continue };
        let intent = intent(case.algorithm, &[Usage::Verify]);
        let jwk = public_jwk(spki);
        for (format, bytes) in [(PublicKeyFormat::Spki, spki), (PublicKeyFormat::Jwk, &jwk)] {
            expect(&case, PublicKey::read(intent, format, bytes).err());
        }
        seen += 1;
    }
    assert_eq!(seen, 16);
}

#[test]
fn private_keys_that_anybody_can_factor_are_refused_in_every_container() {
    let mut seen = 0;
    for case in cases() {
        let Some(pkcs8) = &case.pkcs8 else { continue };
        let intent = intent(case.algorithm, &[Usage::Sign]);
        let (pkcs8, jwk) = (SecretBytes::copy_from(pkcs8), private_jwk(pkcs8));
        for (format, bytes) in [(KeyFormat::Pkcs8, &pkcs8), (KeyFormat::Jwk, &jwk)] {
            expect(&case, read_private(intent, format, bytes).err());
        }
        // The library would take every one of two primes: nothing but these checks refuses them.
        let taken = KeyMaterial::import(case.algorithm, &pkcs8).is_ok();
        assert_eq!(taken, case.finding != "multi-prime", "{}", case.name);
        seen += 1;
    }
    assert_eq!(seen, 6);
}

#[test]
fn nothing_is_wrapped_to_a_public_key_that_anybody_can_factor() {
    let method = WrapMethod::RsaOaepAesKwp;
    let case = cases()
        .into_iter()
        .find(|case| case.algorithm == Algorithm::Rsa4096 && case.spki.is_some())
        .unwrap();
    let refused = Recipient::read(method, case.spki.as_deref().unwrap());
    expect(&case, refused.err());
}

#[test]
fn a_private_jwk_is_known_as_one_by_any_member_of_its_private_half() {
    let case = cases().into_iter().find(|case| case.pkcs8.is_some());
    let whole = private_jwk(&case.unwrap().pkcs8.unwrap());
    let whole: Value = serde_json::from_slice(whole.expose()).unwrap();
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        let mut jwk = json!({"kty": "RSA", "n": whole["n"], "e": whole["e"]});
        jwk[member] = whole[member].clone();
        let intent = intent(Algorithm::Rsa2048, &[Usage::Verify]);
        let refused = PublicKey::read(intent, PublicKeyFormat::Jwk, jwk.to_string().as_bytes());
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("private key"), "{member}: {refused}");
    }
}
