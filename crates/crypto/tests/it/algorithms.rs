//! The table of algorithms and the rules on usages.

use std::collections::HashSet;

use keyward_crypto::algorithm::{default_usages, validate_usages};
use keyward_crypto::exchange::{ExchangeError, Recipient, WrapMethod, WrappingKey};
use keyward_crypto::suite::{Content, Suite};
use keyward_crypto::{
    Algorithm, CryptoError, KeyMaterial, PreparedKey, SecretBytes, SignatureScheme, SystemRandom,
    Usage, UsageSet,
};

#[test]
fn names_and_codes_are_unique_and_parse_back() {
    let mut names = HashSet::new();
    let mut codes = HashSet::new();
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.info().algorithm, *algorithm);
        assert_eq!(algorithm.name().parse(), Ok(*algorithm));
        assert!(names.insert(algorithm.name()));
        assert!(codes.insert(algorithm.info().code));
    }
    assert_eq!(Algorithm::ALL.len(), 37);
    assert!("AES-256-GCM".parse::<Algorithm>().is_err());
}

#[test]
fn every_default_is_allowed() {
    for algorithm in Algorithm::ALL {
        let usages = default_usages(*algorithm);
        assert!(!usages.is_empty());
        assert!(usages.is_subset_of(algorithm.info().usages));
        validate_usages(*algorithm, usages).unwrap();
    }
}

#[test]
fn one_key_one_purpose() {
    let sign_and_encrypt = UsageSet::of(&[Usage::Sign, Usage::Encrypt]);
    assert!(matches!(
        validate_usages(Algorithm::Rsa3072, sign_and_encrypt),
        Err(CryptoError::ConflictingUsages { .. })
    ));
    let verify_and_unwrap = UsageSet::of(&[Usage::Verify, Usage::Unwrap]);
    assert!(validate_usages(Algorithm::Rsa2048, verify_and_unwrap).is_err());
    let mac_and_derive = UsageSet::of(&[Usage::Mac, Usage::Derive]);
    assert!(validate_usages(Algorithm::HmacSha256, mac_and_derive).is_err());
    validate_usages(Algorithm::HmacSha512, UsageSet::of(&[Usage::Derive])).unwrap();
    let encrypt = UsageSet::of(&[Usage::Encrypt, Usage::Decrypt, Usage::Wrap, Usage::Unwrap]);
    validate_usages(Algorithm::Rsa4096, encrypt).unwrap();
    assert_eq!(
        validate_usages(Algorithm::Ed25519, encrypt),
        Err(CryptoError::UnsupportedUsage {
            algorithm: Algorithm::Ed25519,
            usage: Usage::Encrypt
        })
    );
}

#[test]
fn usage_sets_are_sets() {
    let set: UsageSet = [Usage::Mac, Usage::Derive].into_iter().collect();
    assert_eq!(set.names(), ["mac", "derive"]);
    assert_eq!(UsageSet::from_bits(set.bits()), Some(set));
    assert_eq!(UsageSet::from_bits(1 << 13), None);
    assert!(set.contains(Usage::Mac) && !set.contains(Usage::Sign));
    assert_eq!(format!("{set:?}"), "{Mac, Derive}");
    for usage in Usage::ALL {
        assert_eq!(usage.name().parse(), Ok(*usage));
    }
    assert!("Encrypt".parse::<Usage>().is_err());
}

#[test]
fn suites_and_schemes_follow_the_usages() {
    for algorithm in Algorithm::ALL {
        let usages = algorithm.info().usages;
        let data = Suite::of(*algorithm, Content::Data);
        let key = Suite::of(*algorithm, Content::Key);
        assert_eq!(data.is_some(), usages.contains(Usage::Encrypt));
        assert_eq!(key.is_some(), usages.contains(Usage::Wrap));
        let scheme = SignatureScheme::default_for(*algorithm);
        assert_eq!(scheme.is_some(), usages.contains(Usage::Sign));
    }
    for suite in Suite::ALL {
        assert_eq!(Suite::from_byte(suite.byte()), Ok(*suite));
    }
    assert_eq!(Suite::from_byte(0), Err(CryptoError::UnknownSuite(0)));
    for scheme in SignatureScheme::ALL {
        assert_eq!(scheme.name().parse(), Ok(*scheme));
    }
}

#[test]
fn a_build_on_the_fips_module_refuses_the_rest_and_another_build_nothing() {
    for algorithm in Algorithm::ALL.iter().copied() {
        let refused = cfg!(feature = "fips") && !algorithm.info().in_fips_module;
        let expected = if refused {
            Some(CryptoError::NotInFipsModule { algorithm })
        } else {
            None
        };
        let made = KeyMaterial::generate(algorithm, &SystemRandom);
        assert_eq!(made.err(), expected);
        if refused {
            let imported = KeyMaterial::import(algorithm, &SecretBytes::zeroed(32));
            assert_eq!(imported.err(), expected);
            let public = PreparedKey::from_public(algorithm, &[0; 32]);
            assert_eq!(public.err(), expected);
        }
    }
    let outside = Algorithm::ALL.iter().filter(|it| !it.info().in_fips_module);
    assert_eq!(outside.count(), 7);
    for method in WrapMethod::ALL.iter().copied() {
        let instead = WrapMethod::RsaOaepAesKwp;
        let expected = if cfg!(feature = "fips") && method != instead {
            Some(ExchangeError::MethodNotInFipsModule { method, instead })
        } else {
            None
        };
        let made = WrappingKey::generate(method, &SystemRandom);
        assert_eq!(made.as_ref().err(), expected.as_ref());
        if expected.is_some() {
            let recipient = Recipient::read(method, &[0; 32]);
            assert_eq!(recipient.err(), expected);
        }
    }
}
