//! XAES-256-GCM against the vectors of its specification (C2SP, XAES-256-GCM.md).

use keyward_crypto::Algorithm;
use shake::{ExtendableOutput, Shake128, Update, XofReader};

use crate::support::{hex, prepared, to_hex};
use crate::tally::Tally;

const NONCE: [u8; 24] = *b"ABCDEFGHIJKLMNOPQRSTUVWX";

#[test]
fn published_messages() {
    let mut tally = Tally::new("C2SP", "xaes-256-gcm");
    for (byte, aad, expected) in [
        (
            1,
            &b""[..],
            "ce546ef63c9cc60765923609 b33a9a1974e96e52daf2fcf7075e2271",
        ),
        (
            3,
            b"c2sp.org/XAES-256-GCM",
            "986ec1832593df5443a17943 7fd083bf3fdb41abd740a21f71eb769d",
        ),
    ] {
        let key = prepared(Algorithm::Xaes256Gcm, &[byte; 32]);
        let sealed = key.raw_xaes_seal(NONCE, aad, b"XAES-256-GCM").unwrap();
        let opened = key.raw_xaes_open(NONCE, aad, &sealed).unwrap();
        let right = sealed == hex(expected) && opened.ct_eq(b"XAES-256-GCM");
        tally.check(byte, right);
    }
    tally.finish();
}

/// Ten thousand messages, drawn from SHAKE128 of nothing, and SHAKE128 over all their ciphertexts.
#[test]
fn published_accumulation_of_ten_thousand_messages() {
    let mut input = Shake128::default().finalize_xof();
    let mut draw = |length: usize| {
        let mut bytes = vec![0; length];
        input.read(&mut bytes);
        bytes
    };
    let mut output = Shake128::default();
    for _ in 0..10_000 {
        let key = prepared(Algorithm::Xaes256Gcm, &draw(32));
        let nonce: [u8; 24] = draw(24).try_into().unwrap();
        let length = draw(1)[0];
        let plaintext = draw(usize::from(length));
        let length = draw(1)[0];
        let aad = draw(usize::from(length));
        let sealed = key.raw_xaes_seal(nonce, &aad, &plaintext).unwrap();
        let opened = key.raw_xaes_open(nonce, &aad, &sealed).unwrap();
        assert_eq!(opened.expose(), plaintext);
        output.update(&sealed);
    }
    let mut digest = [0; 32];
    output.finalize_xof().read(&mut digest);
    let expected = "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939";
    let mut tally = Tally::new("C2SP", "xaes-256-gcm accumulated (10,000 messages)");
    tally.check(1, to_hex(&digest) == expected);
    tally.finish();
}
