//! Public keys made elsewhere, and recipients of exported keys: the first byte is the algorithm's
//! code, the second the container. What is taken in comes out again as the same key.
#![no_main]

use keyward_crypto::algorithm::default_usages;
use keyward_crypto::exchange::{Intent, PublicKey, PublicKeyFormat, Recipient, WrapMethod};
use keyward_crypto::{Algorithm, PreparedKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [code, format, bytes @ ..] = data else {
        return;
    };
    for method in WrapMethod::ALL {
        let _ = Recipient::read(*method, bytes);
    }
    let chosen = |algorithm: &&Algorithm| algorithm.info().code == u16::from(*code);
    let Some(&algorithm) = Algorithm::ALL.iter().find(chosen) else {
        return;
    };
    let intent = Intent {
        algorithm,
        usages: default_usages(algorithm).intersection(PublicKey::USAGES),
    };
    let format = match format % 2 {
        0 => PublicKeyFormat::Spki,
        _ => PublicKeyFormat::Jwk,
    };
    let Ok(key) = PublicKey::read(intent, format, bytes) else {
        return;
    };
    PreparedKey::from_public(algorithm, key.der()).expect("what was taken in can be used");
    let pem = key.pem().expect("it fits into PEM");
    let again = PublicKey::read(intent, PublicKeyFormat::Spki, pem.as_bytes());
    assert_eq!(again.as_ref(), Ok(&key), "as PEM");
    if let Ok(jwk) = key.jwk(intent.usages, "a-key") {
        let again = PublicKey::read(intent, PublicKeyFormat::Jwk, jwk.to_string().as_bytes());
        assert_eq!(again.as_ref(), Ok(&key), "as JWK");
    }
    let _ = key.ssh("a comment");
});
