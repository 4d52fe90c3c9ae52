//! What must not come in: each with a code that says why, and with nothing made of it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use keyward_crypto::exchange::{IMPORT_INFO, Recipient, WrapMethod, import_binding};
use keyward_crypto::{SecretBytes, SystemRandom};
use serde_json::{Value, json};

use crate::peer::Peer;
use crate::stage::{KEYS, Stage, decoded};

async fn count(stage: &Stage) -> usize {
    let found = stage.api().get(&format!("{KEYS}?limit=1000")).await.ok();
    found["items"].as_array().unwrap().len()
}

async fn public(stage: &Stage, algorithm: &str, format: &str, data: &[u8]) -> (u16, String) {
    let body = json!({
        "key": {"name": "bad", "algorithm": algorithm},
        "public_key": {"format": format, "data": STANDARD.encode(data)},
    });
    let answer = stage.api().post(&format!("{KEYS}/import"), body).await;
    (answer.status.as_u16(), answer.code().to_owned())
}

/// `RSAPublicKey` in `SubjectPublicKeyInfo`, as a JWK: the numbers alone.
fn rsa_jwk(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let (n, e) = (
        URL_SAFE_NO_PAD.encode(modulus),
        URL_SAFE_NO_PAD.encode(exponent),
    );
    json!({"kty": "RSA", "n": n, "e": e})
        .to_string()
        .into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weak_and_invalid_public_keys_are_refused_by_code_and_nothing_is_made() {
    let stage = Stage::open().await;
    let mut peer = Peer::start();
    let before = count(&stage).await;
    let rsa = decoded(&peer.make("rsa-2048")["formats"]["jwk"]);
    let rsa: Value = serde_json::from_slice(&rsa).unwrap();
    let modulus = URL_SAFE_NO_PAD.decode(rsa["n"].as_str().unwrap()).unwrap();
    let good = [1, 0, 1];
    let mut even = modulus.clone();
    *even.last_mut().unwrap() &= 0xfe;
    // A multiple of three of the same length: the digits' sum says which one is near.
    let mut divisible = modulus.clone();
    loop {
        let sum: u32 = divisible.iter().map(|byte| u32::from(*byte)).sum();
        let odd = divisible.last().unwrap() % 2 == 1;
        if sum.is_multiple_of(3) && odd {
            break;
        }
        *divisible.last_mut().unwrap() = divisible.last().unwrap().wrapping_add(1);
    }
    let weak = "weak_key_material";
    let invalid = "invalid_key_material";
    for (what, key, code) in [
        ("e = 1", rsa_jwk(&modulus, &[1]), weak),
        ("e = 3", rsa_jwk(&modulus, &[3]), weak),
        ("e = 65536", rsa_jwk(&modulus, &[1, 0, 0]), weak),
        ("e of 64 bits", rsa_jwk(&modulus, &[0xff; 8]), weak),
        ("an even modulus", rsa_jwk(&even, &good), weak),
        (
            "a modulus with a small factor",
            rsa_jwk(&divisible, &good),
            weak,
        ),
        ("a short modulus", rsa_jwk(&modulus[..128], &good), invalid),
        (
            "a long modulus",
            rsa_jwk(&[&modulus[..], &modulus].concat(), &good),
            invalid,
        ),
        ("no modulus", rsa_jwk(&[], &good), invalid),
    ] {
        assert_eq!(
            public(&stage, "rsa-2048", "jwk", &key).await,
            (400, code.to_owned()),
            "{what}"
        );
    }
    // The private half never comes in the clear.
    let private = rsa.to_string().into_bytes();
    let refused = public(&stage, "rsa-2048", "jwk", &private).await;
    assert_eq!(refused, (400, invalid.to_owned()));

    for algorithm in [
        "ecdsa-p256",
        "ecdsa-p384",
        "ecdsa-p521",
        "ecdsa-secp256k1",
        "ml-kem-768",
        "ml-dsa-65",
        "rsa-2048",
        "ed25519",
    ] {
        let der = decoded(&peer.make(algorithm)["public"]);
        for length in [0, 1, 20, der.len() / 2, der.len() - 1] {
            let refused = public(&stage, algorithm, "spki", &der[..length]).await;
            assert_eq!(refused, (400, invalid.to_owned()), "{algorithm} {length}");
        }
        let long = [der.clone(), vec![0; 70_000]].concat();
        assert_eq!(public(&stage, algorithm, "spki", &long).await.0, 400);
        if algorithm.starts_with("ecdsa") {
            let mut off = der;
            *off.last_mut().unwrap() ^= 1;
            let refused = public(&stage, algorithm, "spki", &off).await;
            assert_eq!(
                refused,
                (400, invalid.to_owned()),
                "{algorithm} off its curve"
            );
        }
    }
    // Points of order 1, 2, 4 and 8.
    let prefix = data_encoding::HEXLOWER
        .decode(b"302a300506032b6570032100")
        .unwrap();
    for hex in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        let point = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        let key = [&prefix[..], &point].concat();
        let refused = public(&stage, "ed25519", "spki", &key).await;
        assert_eq!(refused, (400, weak.to_owned()), "{hex}");
    }
    // ML-KEM: coefficients that are not reduced (FIPS 203, section 7.2).
    let mut kem = decoded(&peer.make("ml-kem-768")["public"]);
    kem[22..25].fill(0xff);
    let refused = public(&stage, "ml-kem-768", "spki", &kem).await;
    assert_eq!(refused, (400, invalid.to_owned()));
    assert_eq!(count(&stage).await, before);
}

/// Public RSA keys that anybody can factor (published ones): neither taken in nor wrapped to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rsa_keys_that_anybody_can_factor_are_refused_and_nothing_is_made() {
    const KEYS: &str = include_str!("../../../crypto/tests/vectors/published/weak-rsa.json");
    let file: Value = serde_json::from_str(KEYS).unwrap();
    let stage = Stage::open().await;
    stage.create("leaves", "ed25519").await;
    let before = count(&stage).await;
    let broken = (400, "broken_key_material".to_owned());
    for (name, algorithm) in [
        ("roca-detect mod03.txt", "rsa-2048"),
        ("roca-detect mod09.txt", "rsa-4096"),
        ("badkeys rsa-fermat.crt", "rsa-2048"),
    ] {
        let mut cases = file["cases"].as_array().unwrap().iter();
        let spki = &cases.find(|case| case["name"] == name).unwrap()["spki"];
        let refused = public(&stage, algorithm, "spki", &decoded(spki)).await;
        assert_eq!(refused, broken, "{name}");
        if algorithm == "rsa-4096" {
            let to = stage.export("leaves", "rsa-oaep-256-aes-kwp", spki, "pkcs8");
            assert_eq!(to.await.code(), broken.1, "{name}");
        }
    }
    assert_eq!(count(&stage).await, before);
}

/// Wraps rightly what is wrong inside.
fn wrapped(under: &Value, key: &[u8]) -> Value {
    let recipient = Recipient::read(WrapMethod::HpkeXWing, &decoded(&under["der"])).unwrap();
    let id = under["id"].as_str().unwrap().parse().unwrap();
    let key = SecretBytes::copy_from(key);
    let sealed = recipient.wrap(
        IMPORT_INFO,
        import_binding(id).as_bytes(),
        &key,
        &SystemRandom,
    );
    json!(STANDARD.encode(sealed.unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_private_keys_are_refused_by_code_and_the_wrapping_key_stays_good() {
    let stage = Stage::open().await;
    let mut peer = Peer::start();
    let before = count(&stage).await;
    let under = stage.import_key("hpke-x-wing").await;
    for algorithm in [
        "rsa-2048",
        "ecdsa-p256",
        "ed25519",
        "x25519",
        "ml-kem-768",
        "ml-dsa-65",
    ] {
        let made = peer.make(algorithm);
        let other = peer.make(algorithm);
        let der = decoded(&made["formats"]["pkcs8"]);
        for length in [1, 10, der.len() / 2, der.len() - 1] {
            let sealed = wrapped(&under, &der[..length]);
            let refused = stage
                .import("bad", algorithm, &under, "pkcs8", &sealed)
                .await;
            assert_eq!(
                refused.code(),
                "invalid_key_material",
                "{algorithm} {length}"
            );
        }
        // One half of one key, and the other half of another.
        let jwk = |made: &Value| -> Value {
            serde_json::from_slice(&decoded(&made["formats"]["jwk"])).unwrap()
        };
        let (mut mixed, stranger) = (jwk(&made), jwk(&other));
        for member in ["n", "x", "pub"] {
            if mixed.get(member).is_some() {
                mixed[member] = stranger[member].clone();
            }
        }
        let sealed = wrapped(&under, mixed.to_string().as_bytes());
        let refused = stage.import("bad", algorithm, &under, "jwk", &sealed).await;
        assert_eq!(refused.code(), "invalid_key_material", "{algorithm} mixed");
    }
    let huge = json!(STANDARD.encode(vec![7; 65 * 1024]));
    let refused = stage.import("bad", "ed25519", &under, "raw", &huge).await;
    assert_eq!(refused.code(), "invalid_key_material");
    for (length, code) in [
        (0, "not_authentic"),
        (1119, "not_authentic"),
        (1200, "not_authentic"),
    ] {
        let junk = json!(STANDARD.encode(vec![7; length]));
        let refused = stage.import("bad", "ed25519", &under, "raw", &junk).await;
        assert_eq!(refused.code(), code, "{length}");
    }
    assert_eq!(count(&stage).await, before);
    let made = peer.make("ed25519");
    let sealed = wrapped(&under, &decoded(&made["formats"]["pkcs8"]));
    let came = stage
        .import("good", "ed25519", &under, "pkcs8", &sealed)
        .await;
    assert!(came.status.is_success(), "{}", came.body);
    assert_eq!(count(&stage).await, before + 1);
}
