//! Ciphertexts, signatures and codes as text: one value has one text.
#![no_main]

use keyward_crypto::envelope::{self, Ciphertext, Mac, Signature};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = envelope::kind_of(text);
    if let Ok(value) = text.parse::<Ciphertext>() {
        assert_eq!(value.to_string(), text);
    }
    if let Ok(value) = text.parse::<Signature>() {
        assert_eq!(value.to_string(), text);
    }
    if let Ok(value) = text.parse::<Mac>() {
        assert_eq!(value.to_string(), text);
    }
});
