//! Key material from outside and from the vault, for every algorithm; the first byte chooses it.
//! What is accepted can be prepared, used and stored, and reads back as the same key.
#![no_main]

use keyward_crypto::{Algorithm, KeyMaterial, PreparedKey, SecretBytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    // By its code in stored material, so that seeds mean the same when the table grows.
    let chosen = |algorithm: &&Algorithm| algorithm.info().code == u16::from(*choice);
    let Some(&algorithm) = Algorithm::ALL.iter().find(chosen) else {
        return;
    };
    let bytes = SecretBytes::copy_from(bytes);
    let _ = PreparedKey::from_public(algorithm, bytes.expose());
    if let Ok(stored) = KeyMaterial::decode(algorithm, &bytes) {
        let _ = PreparedKey::new(&stored);
    }
    if let Ok(material) = KeyMaterial::import(algorithm, &bytes) {
        PreparedKey::new(&material).expect("what was imported can be used");
        let again = KeyMaterial::decode(algorithm, &material.encode()).expect("it reads back");
        assert!(again.same_key(&material));
        assert_eq!(again.fingerprint(), material.fingerprint());
    }
});
