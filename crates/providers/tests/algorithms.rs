//! Every algorithm through the provider, a real vault and both backends: what one call makes, the
//! opposite one accepts, also after the key was loaded again, and nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

use std::collections::BTreeMap;

use keyward_core::port::key_provider::{
    CryptoAnswer, CryptoCall, KeyProvider, MaterialRef, ProviderError,
};
use keyward_crypto::{
    Algorithm, Derivation, Family, KeyMaterial, SecretBytes, SignatureEncoding, SignatureScheme,
    SystemRandom, Usage, UsageSet,
};
use world::{KINDS, Kind, World, bytes, pair, secret, spec, valid};

const MESSAGE: &[u8] = b"attack at dawn";

fn context(value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("purpose".to_owned(), value.to_owned())])
}

fn is_not_authentic<T>(answer: &Result<T, ProviderError>) -> bool {
    matches!(answer, Err(ProviderError::NotAuthentic))
}

fn is_unsupported<T>(answer: &Result<T, ProviderError>) -> bool {
    matches!(answer, Err(ProviderError::Unsupported { .. }))
}

fn is_invalid_input<T>(answer: &Result<T, ProviderError>) -> bool {
    matches!(answer, Err(ProviderError::InvalidInput { .. }))
}

fn flipped(bytes: &[u8]) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    flipped
}

#[tokio::test(flavor = "multi_thread")]
async fn every_algorithm_does_all_it_can_on_both_backends() {
    for kind in KINDS {
        let world = World::new(kind, keyward_providers::CacheLimits::default()).await;
        for (number, &algorithm) in Algorithm::ALL.iter().enumerate() {
            let mut wanted = spec(algorithm, 100 + number as u128);
            wanted.usages = algorithm.info().usages;
            let (key, made) = world.generate(wanted).await;
            assert_eq!(made.public_key.is_some(), algorithm.info().is_asymmetric());
            assert!(made.record_digest.is_some());
            for usage in Usage::ALL {
                check(&world, &key, *usage).await;
            }
        }
    }
}

/// One usage and its opposite; or the refusal, if the algorithm does not do it.
async fn check(world: &World, key: &MaterialRef, usage: Usage) {
    let algorithm = key.spec.algorithm;
    if !algorithm.info().usages.contains(usage) {
        return check_refused(world, key, usage).await;
    }
    match usage {
        Usage::Encrypt => check_encrypt(world, key).await,
        Usage::Wrap => check_wrap(world, key).await,
        Usage::DataKey => check_data_key(world, key).await,
        Usage::Sign => check_sign(world, key).await,
        Usage::Mac => check_mac(world, key).await,
        Usage::Derive => check_derive(world, key).await,
        Usage::Encapsulate => check_encapsulate(world, key).await,
        Usage::Agree => check_agree(world, key).await,
        // Checked with their opposites.
        _ => {}
    }
}

async fn check_encrypt(world: &World, key: &MaterialRef) {
    let (ours, theirs) = (context("ours"), context("theirs"));
    let encrypt = CryptoCall::Encrypt {
        plaintext: MESSAGE,
        context: &ours,
        oaep: None,
    };
    let sealed = bytes(world.perform(key, encrypt).await);
    world.provider.forget_all();
    let decrypt = |ciphertext, context| CryptoCall::Decrypt {
        ciphertext,
        context,
    };
    let opened = secret(world.perform(key, decrypt(&sealed, &ours)).await);
    assert!(opened.ct_eq(MESSAGE));
    assert!(is_not_authentic(
        &world.perform(key, decrypt(&sealed, &theirs)).await
    ));
    let altered = flipped(&sealed);
    assert!(is_not_authentic(
        &world.perform(key, decrypt(&altered, &ours)).await
    ));
    for garbage in [&sealed[..0], &[0xff; 300][..]] {
        assert!(is_invalid_input(
            &world.perform(key, decrypt(garbage, &ours)).await
        ));
    }
}

async fn check_wrap(world: &World, key: &MaterialRef) {
    let with_context = key.spec.algorithm.info().family != Family::KeyWrap;
    let context = if with_context {
        context("ours")
    } else {
        BTreeMap::new()
    };
    let wrapped_key = SecretBytes::copy_from(&[7; 32]);
    let wrap = CryptoCall::Wrap {
        key: &wrapped_key,
        context: &context,
        oaep: None,
    };
    let wrapped = bytes(world.perform(key, wrap).await);
    world.provider.forget_all();
    let unwrap = |wrapped| CryptoCall::Unwrap {
        wrapped,
        context: &context,
    };
    assert!(secret(world.perform(key, unwrap(&wrapped)).await).ct_eq(&[7; 32]));
    let altered = flipped(&wrapped);
    assert!(is_not_authentic(
        &world.perform(key, unwrap(&altered)).await
    ));
    if with_context {
        // A wrapped key is never decrypted as data.
        let decrypt = CryptoCall::Decrypt {
            ciphertext: &wrapped,
            context: &context,
        };
        assert!(is_invalid_input(&world.perform(key, decrypt).await));
    } else {
        let bound = self::context("x");
        let wrap = CryptoCall::Wrap {
            key: &wrapped_key,
            context: &bound,
            oaep: None,
        };
        assert!(is_invalid_input(&world.perform(key, wrap).await));
    }
}

async fn check_data_key(world: &World, key: &MaterialRef) {
    let context = BTreeMap::new();
    for size_bytes in [16, 32, 64] {
        let call = CryptoCall::DataKey {
            size_bytes,
            context: &context,
        };
        let (wrapped, made) = pair(world.perform(key, call).await);
        assert_eq!(made.len(), size_bytes);
        let unwrap = CryptoCall::Unwrap {
            wrapped: &wrapped,
            context: &context,
        };
        assert!(secret(world.perform(key, unwrap).await).ct_eq(made.expose()));
    }
    for size_bytes in [0, 15, 65] {
        let call = CryptoCall::DataKey {
            size_bytes,
            context: &context,
        };
        assert!(is_invalid_input(&world.perform(key, call).await));
    }
}

async fn check_sign(world: &World, key: &MaterialRef) {
    let algorithm = key.spec.algorithm;
    let schemes = SignatureScheme::ALL.iter().copied();
    for scheme in schemes {
        let sign = |message, prehashed| CryptoCall::Sign {
            scheme,
            encoding: SignatureEncoding::Der,
            message,
            prehashed,
        };
        if !scheme.fits(algorithm) {
            assert!(is_unsupported(
                &world.perform(key, sign(MESSAGE, false)).await
            ));
            continue;
        }
        let digest = digest(scheme);
        for (message, prehashed) in [(MESSAGE, false), (&digest[..], true)] {
            let made = world.perform(key, sign(message, prehashed)).await;
            if prehashed && scheme.digest_length().is_none() {
                assert!(is_invalid_input(&made));
                continue;
            }
            let signature = bytes(made);
            world.provider.forget_all();
            let verify = |message, prehashed, signature| CryptoCall::Verify {
                scheme,
                encoding: SignatureEncoding::Der,
                message,
                prehashed,
                signature,
            };
            // A signature of the digest is one of the message.
            assert!(valid(
                world.perform(key, verify(MESSAGE, false, &signature)).await
            ));
            let other = verify(b"attack at dusk", false, &signature);
            assert!(!valid(world.perform(key, other).await));
            let altered = flipped(&signature);
            assert!(!valid(
                world.perform(key, verify(MESSAGE, false, &altered)).await
            ));
            assert!(!valid(
                world.perform(key, verify(MESSAGE, false, b"")).await
            ));
            let short = verify(b"short", true, &signature);
            assert!(is_invalid_input(&world.perform(key, short).await));
        }
    }
}

/// The scheme's digest of the message.
fn digest(scheme: SignatureScheme) -> Vec<u8> {
    use keyward_crypto::digest::{sha256, sha384, sha512};
    match scheme.digest_length() {
        Some(48) => sha384(MESSAGE).to_vec(),
        Some(64) => sha512(MESSAGE).to_vec(),
        _ => sha256(MESSAGE).to_vec(),
    }
}

async fn check_mac(world: &World, key: &MaterialRef) {
    let mac = bytes(
        world
            .perform(key, CryptoCall::Mac { message: MESSAGE })
            .await,
    );
    world.provider.forget_all();
    let verify = |message, mac| CryptoCall::VerifyMac { message, mac };
    assert!(valid(world.perform(key, verify(MESSAGE, &mac)).await));
    assert!(!valid(
        world.perform(key, verify(b"attack at dusk", &mac)).await
    ));
    assert!(!valid(
        world
            .perform(key, verify(MESSAGE, &mac[..mac.len() - 1]))
            .await
    ));
}

async fn check_derive(world: &World, key: &MaterialRef) {
    let derive = |label, size_bytes| CryptoCall::Derive {
        derivation: Derivation::Keyward {
            label,
            context: b"for them",
        },
        size_bytes,
    };
    let first = secret(world.perform(key, derive(b"a", 32)).await);
    world.provider.forget_all();
    assert!(secret(world.perform(key, derive(b"a", 32)).await).ct_eq(first.expose()));
    assert!(!secret(world.perform(key, derive(b"b", 32)).await).ct_eq(first.expose()));
    assert!(is_invalid_input(
        &world.perform(key, derive(b"a", 15)).await
    ));
}

async fn check_encapsulate(world: &World, key: &MaterialRef) {
    let (sent, shared) = pair(world.perform(key, CryptoCall::Encapsulate).await);
    world.provider.forget_all();
    let decapsulate = |encapsulation| CryptoCall::Decapsulate { encapsulation };
    assert!(secret(world.perform(key, decapsulate(&sent)).await).ct_eq(shared.expose()));
    assert!(is_invalid_input(
        &world.perform(key, decapsulate(&sent[1..])).await
    ));
}

fn usual() -> Derivation<'static> {
    Derivation::Keyward {
        label: b"a",
        context: b"",
    }
}

async fn check_agree(world: &World, key: &MaterialRef) {
    let peer = KeyMaterial::generate(key.spec.algorithm, &SystemRandom).unwrap();
    let agree = |peer, size_bytes| CryptoCall::Agree {
        peer,
        derivation: usual(),
        size_bytes,
    };
    let public = peer.public().unwrap();
    let mut found = Vec::new();
    for _ in 0..2 {
        match world.perform(key, agree(public, 32)).await.unwrap() {
            CryptoAnswer::Agreed { key, raw } => found.push((key, raw)),
            _ => panic!("agreeing gives what was agreed"),
        }
        world.provider.forget_all();
    }
    assert!(found[0].0.ct_eq(found[1].0.expose()) && found[0].1.ct_eq(found[1].1.expose()));
    assert!(!found[0].0.ct_eq(found[0].1.expose()));
    for wrong in [&public[..public.len() - 1], &[], MESSAGE] {
        assert!(is_invalid_input(
            &world.perform(key, agree(wrong, 32)).await
        ));
    }
    assert!(is_invalid_input(
        &world.perform(key, agree(public, 15)).await
    ));
}

async fn check_refused(world: &World, key: &MaterialRef, usage: Usage) {
    let context = BTreeMap::new();
    let wrapped = SecretBytes::copy_from(&[7; 32]);
    let scheme = SignatureScheme::Ed25519;
    let call = match usage {
        Usage::Encrypt => CryptoCall::Encrypt {
            plaintext: MESSAGE,
            context: &context,
            oaep: None,
        },
        Usage::Decrypt => CryptoCall::Decrypt {
            ciphertext: MESSAGE,
            context: &context,
        },
        Usage::Wrap => CryptoCall::Wrap {
            key: &wrapped,
            context: &context,
            oaep: None,
        },
        Usage::Unwrap => CryptoCall::Unwrap {
            wrapped: MESSAGE,
            context: &context,
        },
        Usage::Sign => CryptoCall::Sign {
            scheme,
            encoding: SignatureEncoding::Der,
            message: MESSAGE,
            prehashed: false,
        },
        Usage::Verify => CryptoCall::Verify {
            scheme,
            encoding: SignatureEncoding::Der,
            message: MESSAGE,
            prehashed: false,
            signature: MESSAGE,
        },
        Usage::Mac => CryptoCall::Mac { message: MESSAGE },
        Usage::VerifyMac => CryptoCall::VerifyMac {
            message: MESSAGE,
            mac: MESSAGE,
        },
        Usage::Derive => CryptoCall::Derive {
            derivation: usual(),
            size_bytes: 32,
        },
        Usage::Encapsulate => CryptoCall::Encapsulate,
        Usage::Decapsulate => CryptoCall::Decapsulate {
            encapsulation: MESSAGE,
        },
        Usage::Agree => CryptoCall::Agree {
            peer: MESSAGE,
            derivation: usual(),
            size_bytes: 32,
        },
        // RSA keys wrap, and so can wrap a data key as well.
        _ => return,
    };
    let refused = world.perform(key, call).await;
    assert!(
        is_unsupported(&refused),
        "{} {usage}: {:?}",
        key.spec.algorithm,
        refused.err()
    );
}

#[tokio::test]
async fn a_batch_of_keys_is_made_at_once_and_each_is_its_own() {
    let world = World::new(Kind::Embedded, keyward_providers::CacheLimits::default()).await;
    let specs: Vec<_> = (0..50)
        .map(|n| spec(Algorithm::Aes256GcmCommit, 500 + n))
        .collect();
    let made = world.provider.generate(&specs).await.unwrap();
    let mut ids: Vec<_> = made
        .iter()
        .map(|made| made.provider_key_id.clone())
        .collect();
    let mut fingerprints: Vec<_> = made.iter().map(|made| made.fingerprint.0).collect();
    ids.sort();
    ids.dedup();
    fingerprints.sort_unstable();
    fingerprints.dedup();
    assert_eq!((ids.len(), fingerprints.len()), (50, 50));
    assert!(world.provider.generate(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn i04_ciphertexts_of_one_version_are_not_anothers() {
    let world = World::new(Kind::Embedded, keyward_providers::CacheLimits::default()).await;
    let first = spec(Algorithm::Aes256GcmCommit, 1);
    let mut second = first;
    second.version = 2;
    let (first, _) = world.generate(first).await;
    let (second, _) = world.generate(second).await;
    let context = BTreeMap::new();
    let encrypt = CryptoCall::Encrypt {
        plaintext: MESSAGE,
        context: &context,
        oaep: None,
    };
    let sealed = bytes(world.perform(&first, encrypt).await);
    let decrypt = || CryptoCall::Decrypt {
        ciphertext: &sealed,
        context: &context,
    };
    assert!(is_not_authentic(&world.perform(&second, decrypt()).await));
    assert!(secret(world.perform(&first, decrypt()).await).ct_eq(MESSAGE));
}

#[tokio::test]
async fn i08_a_key_with_other_usages_than_recorded_is_refused() {
    let world = World::new(Kind::File, keyward_providers::CacheLimits::default()).await;
    let (mut key, _) = world.generate(spec(Algorithm::HmacSha256, 1)).await;
    key.spec.usages = UsageSet::of(&[Usage::Derive]);
    let refused = world
        .perform(&key, CryptoCall::Mac { message: MESSAGE })
        .await;
    assert!(matches!(refused, Err(ProviderError::Record(_))));
}
