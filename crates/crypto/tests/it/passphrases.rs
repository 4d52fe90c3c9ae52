//! Keys of passphrases.

use data_encoding::HEXLOWER;
use keyward_crypto::passphrase::{PassphraseCost, derive_key};
use keyward_crypto::{CryptoError, SecretBytes};

const SALT: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// As OpenSSL computes it (Python's `cryptography`).
const EXPECTED: &str = "818259b6310026a8e0dbac5d2e6927abcfdb07b32258fac4f61b18b80f929085";

fn words(text: &str) -> SecretBytes {
    SecretBytes::copy_from(text.as_bytes())
}

#[test]
fn argon2id_agrees_with_another_implementation() {
    let cost = PassphraseCost {
        memory_kib: 19_456,
        passes: 2,
        lanes: 1,
    };
    let derived = derive_key(&words("correct horse battery staple"), &SALT, cost);
    if cfg!(feature = "fips") {
        assert_eq!(derived.err(), Some(CryptoError::PassphraseNotInFipsModule));
        return;
    }
    assert_eq!(HEXLOWER.encode(derived.unwrap().expose()), EXPECTED);
}

#[test]
#[cfg(not(feature = "fips"))]
fn a_cost_out_of_bounds_is_refused_before_any_memory_is_taken() {
    let sound = PassphraseCost::RECOMMENDED;
    assert!(sound.is_within_bounds());
    for (memory_kib, passes, lanes) in [
        (19_455, 3, 4),
        (u32::MAX, 3, 4),
        (65_536, 0, 4),
        (65_536, 17, 4),
        (65_536, 3, 0),
        (65_536, 3, u32::MAX),
    ] {
        let cost = PassphraseCost {
            memory_kib,
            passes,
            lanes,
        };
        let refused = derive_key(&words("correct horse battery staple"), &SALT, cost);
        assert_eq!(refused.err(), Some(CryptoError::PassphraseCost), "{cost:?}");
    }
    for text in [String::new(), "x".repeat(1025)] {
        let refused = derive_key(&words(&text), &SALT, sound);
        assert_eq!(
            refused.err(),
            Some(CryptoError::PassphraseLength { max: 1024 })
        );
    }
}
