//! The self-test at start: it passes here, and fails for any single wrong answer.

use keyward_crypto::self_test::{answers, engine, run, run_against};

#[test]
fn every_answer_comes_out() {
    let expected = if cfg!(feature = "fips") { 20 } else { 26 };
    assert_eq!(run(), Ok(expected));
    assert!(!engine().version.is_empty());
    assert_eq!(engine().fips_module.is_some(), cfg!(feature = "fips"));
}

#[test]
fn one_wrong_digit_anywhere_is_refused_by_name() {
    for line in answers().lines() {
        let mut digits = line.to_owned();
        let last = if digits.pop() == Some('0') { '1' } else { '0' };
        digits.push(last);
        let broken = answers().replace(line, &digits);
        // The last digit of these says nothing: bits that X25519 ignores, a number that only
        // speeds RSA up, the part of ML-KEM's key for ciphertexts that do not open.
        let idle = ["x25519.secret", "rsa-2048.secret", "ml-kem-768.secret"];
        if idle.iter().any(|name| line.starts_with(name)) {
            continue;
        }
        let outside = [
            "chacha20",
            "aes-256-gcm-siv",
            "ecdsa-secp256k1",
            "x25519",
            "x-wing",
        ];
        if cfg!(feature = "fips") && outside.iter().any(|name| line.starts_with(name)) {
            continue;
        }
        let failed = run_against(&broken).unwrap_err();
        assert!(failed.to_string().contains(failed.primitive()));
        assert!(failed.to_string().contains("Do not use it"), "{failed}");
    }
    assert_eq!(run_against("").unwrap_err().primitive(), "SHA-256");
}
