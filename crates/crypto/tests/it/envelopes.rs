//! Ciphertexts as text: one value, one text.

use keyward_crypto::envelope::{Ciphertext, EnvelopeError, Kind, Mac, Signature, kind_of};
use proptest::prelude::*;
use uuid::Uuid;

const ID: &str = "0192f0c1-2345-7abc-8def-0123456789ab";

#[test]
fn texts_round_trip() {
    let text = format!("kw1:{ID}:42:AQIDBA");
    let parsed: Ciphertext = text.parse().unwrap();
    assert_eq!(
        (parsed.version, &parsed.sealed[..]),
        (42, &[1, 2, 3, 4][..])
    );
    assert_eq!(parsed.to_string(), text);
    let signature: Signature = format!("kw1s:{ID}:1:_-8").parse().unwrap();
    assert_eq!(signature.signature, [0xff, 0xef]);
    let mac: Mac = format!("kw1m:{ID}:4294967295:AA").parse().unwrap();
    assert_eq!(
        (mac.version, mac.to_string()),
        (u32::MAX, format!("kw1m:{ID}:4294967295:AA"))
    );
    assert_eq!(kind_of("kw1s:rest"), Ok(Kind::Signature));
}

#[test]
fn each_flaw_has_its_name() {
    let upper = ID.to_uppercase();
    let simple = ID.replace('-', "");
    let cases: Vec<(String, EnvelopeError)> = vec![
        (String::new(), EnvelopeError::NotKeyward),
        ("kw1".into(), EnvelopeError::NotKeyward),
        ("vault:v1:AQID".into(), EnvelopeError::NotKeyward),
        (format!("KW1:{ID}:1:AA"), EnvelopeError::NotKeyward),
        (format!(" kw1:{ID}:1:AA"), EnvelopeError::NotKeyward),
        (format!("kw1:{ID}:1"), EnvelopeError::NotKeyward),
        (format!("kw01:{ID}:1:AA"), EnvelopeError::NotKeyward),
        (format!("kwx:{ID}:1:AA"), EnvelopeError::NotKeyward),
        (
            format!("kw2:{ID}:1:AA"),
            EnvelopeError::UnknownPrefixVersion,
        ),
        (
            format!("kw1z:{ID}:1:AA"),
            EnvelopeError::UnknownPrefixVersion,
        ),
        (
            format!("kw1s:{ID}:1:AA"),
            EnvelopeError::WrongKind { expected: "kw1" },
        ),
        (format!("kw1:{upper}:1:AA"), EnvelopeError::BadKeyId),
        (format!("kw1:{simple}:1:AA"), EnvelopeError::BadKeyId),
        (format!("kw1:{{{ID}}}:1:AA"), EnvelopeError::BadKeyId),
        ("kw1::1:AA".into(), EnvelopeError::BadKeyId),
        (format!("kw1:{ID}:0:AA"), EnvelopeError::BadVersion),
        (format!("kw1:{ID}:01:AA"), EnvelopeError::BadVersion),
        (format!("kw1:{ID}:+1:AA"), EnvelopeError::BadVersion),
        (format!("kw1:{ID}::AA"), EnvelopeError::BadVersion),
        (format!("kw1:{ID}:4294967296:AA"), EnvelopeError::BadVersion),
        (format!("kw1:{ID}:1:"), EnvelopeError::Empty),
        (format!("kw1:{ID}:1:AA=="), EnvelopeError::BadBase64),
        (format!("kw1:{ID}:1:AB"), EnvelopeError::BadBase64),
        (format!("kw1:{ID}:1:A"), EnvelopeError::BadBase64),
        (format!("kw1:{ID}:1:A+"), EnvelopeError::BadBase64),
        (format!("kw1:{ID}:1:AA\n"), EnvelopeError::BadBase64),
        (format!("kw1:{ID}:1:AA:AA"), EnvelopeError::BadBase64),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<Ciphertext>(), Err(expected), "{text:?}");
    }
    let text = format!("kw1:{ID}:1:AQIDBA");
    assert!(Ciphertext::parse(&text, text.len()).is_ok());
    let max = text.len() - 1;
    assert_eq!(
        Ciphertext::parse(&text, max),
        Err(EnvelopeError::TooLong { max })
    );
}

proptest! {
    #[test]
    fn any_value_round_trips(
        id in any::<u128>(),
        version in 1..=u32::MAX,
        sealed in proptest::collection::vec(any::<u8>(), 1..200),
    ) {
        let value = Ciphertext { key_id: Uuid::from_u128(id), version, sealed };
        prop_assert_eq!(value.to_string().parse::<Ciphertext>().unwrap(), value);
    }

    #[test]
    fn what_parses_is_canonical(text in "kw1:0192f0c1-2345-7abc-8def-0123456789ab:[0-9]{1,3}:[A-Za-z0-9_=-]{0,8}") {
        if let Ok(value) = text.parse::<Ciphertext>() {
            prop_assert_eq!(value.to_string(), text);
        }
    }
}
