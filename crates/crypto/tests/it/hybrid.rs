//! Sealing to X-Wing public keys: the published vectors, a key schedule written anew from RFC 9180
//! beside the library's, and every way to damage a sealed message.
//!
//! `published/x-wing.json` is the draft's own (as the crate `x-wing` ships it, Apache-2.0 OR MIT);
//! `published/hpke-pq-x-wing.json` those of draft-ietf-hpke-pq for this KEM (as pyca's
//! `cryptography_vectors` ships them, Apache-2.0 OR BSD-3-Clause).

use keyward_crypto::digest::{hkdf_expand_sha256, hmac_sha256};
use keyward_crypto::hybrid::{ENCAPSULATED_LENGTH, OVERHEAD, PUBLIC_LENGTH};
use keyward_crypto::{
    Algorithm, CryptoError, HybridPublic, HybridSecret, PreparedKey, Random, SecretBytes,
    SystemRandom,
};
use serde_json::Value;

use crate::support::{Broken, Scripted, Seeded, hex, material, to_hex};
use crate::tally::Tally;

const X_WING: &str = include_str!("../vectors/published/x-wing.json");
const HPKE_PQ: &str = include_str!("../vectors/published/hpke-pq-x-wing.json");

fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str::<Vec<Value>>(text).unwrap()
}

fn field(case: &Value, name: &str) -> Vec<u8> {
    hex(case[name].as_str().unwrap())
}

/// What RFC 9180, section 5.1, makes of a shared secret: key and base nonce. HKDF of two steps,
/// every part labelled with the suite.
fn key_schedule(shared: &[u8], info: &[u8], aead: u16) -> (Vec<u8>, [u8; 12]) {
    let suite = [&b"HPKE\x64\x7a\x00\x01"[..], &aead.to_be_bytes()].concat();
    let extract = |salt: &[u8], label: &str, ikm: &[u8]| {
        hmac_sha256(
            salt,
            &[b"HPKE-v1", &suite[..], label.as_bytes(), ikm].concat(),
        )
    };
    let psk_id_hash = extract(b"", "psk_id_hash", b"");
    let info_hash = extract(b"", "info_hash", info);
    let context = [&[0], &psk_id_hash[..], &info_hash].concat();
    let secret = extract(shared, "secret", b"");
    let expand = |label: &str, length: u16| {
        let info = [
            &length.to_be_bytes(),
            &b"HPKE-v1"[..],
            &suite,
            label.as_bytes(),
            &context,
        ]
        .concat();
        let mut out = vec![0; usize::from(length)];
        hkdf_expand_sha256(&secret, &info, &mut out).unwrap();
        out
    };
    (
        expand("key", 32),
        expand("base_nonce", 12).try_into().unwrap(),
    )
}

#[test]
fn published_x_wing_keys_and_encapsulations() {
    let cases = cases(X_WING);
    let mut tally = Tally::new("draft-connolly-cfrg-xwing-kem", "x-wing");
    for (number, case) in cases.iter().enumerate() {
        let secret = HybridSecret::from_seed(&field(case, "sk")).unwrap();
        assert_eq!(secret.public().to_bytes(), field(case, "pk"));
        // The same randomness gives the published encapsulation, and its published secret the key.
        let sealed = HybridPublic::from_bytes(&field(case, "pk"))
            .unwrap()
            .seal(
                b"info",
                b"aad",
                b"text",
                &Scripted::new(&field(case, "eseed")),
            )
            .unwrap();
        assert_eq!(sealed[..ENCAPSULATED_LENGTH], field(case, "ct"));
        let (key, nonce) = key_schedule(&field(case, "ss"), b"info", 2);
        let gcm = PreparedKey::new(&material(Algorithm::Aes256Gcm, &key)).unwrap();
        let opened = gcm
            .raw_open(nonce, b"aad", &sealed[ENCAPSULATED_LENGTH..])
            .unwrap();
        tally.check(number, opened.ct_eq(b"text"));
    }
    tally.finish();
}

#[test]
fn published_hpke_vectors() {
    let cases = cases(HPKE_PQ);
    let mut schedules = 0;
    let mut tally = Tally::new("draft-ietf-hpke-pq", "hpke-pq-x-wing");
    for (number, case) in cases.iter().enumerate() {
        let secret = HybridSecret::from_seed(&field(case, "skRm")).unwrap();
        assert_eq!(secret.public().to_bytes(), field(case, "pkRm"));
        let info = field(case, "info");
        let shared = field(case, "shared_secret");
        // The vectors with our KDF have ChaCha20-Poly1305, whose key schedule is the same but for
        // the suite's last number: it proves the schedule, which then seals for us to open.
        if case["kdf_id"] == 1 {
            let (key, nonce) = key_schedule(&shared, &info, 3);
            assert_eq!(to_hex(&key), case["key"].as_str().unwrap());
            assert_eq!(to_hex(&nonce), case["base_nonce"].as_str().unwrap());
            schedules += 1;
        }
        let (key, nonce) = key_schedule(&shared, &info, 2);
        let gcm = PreparedKey::new(&material(Algorithm::Aes256Gcm, &key)).unwrap();
        let first = &case["encryptions"][0];
        let (aad, plaintext) = (field(first, "aad"), field(first, "pt"));
        let body = gcm.raw_seal(nonce, &aad, &plaintext).unwrap();
        let sealed = [field(case, "enc"), body].concat();
        let opened = secret.open(&info, &aad, &sealed).unwrap();
        tally.check(number, opened.ct_eq(&plaintext));
    }
    tally.finish();
    assert_eq!((cases.len(), schedules), (2, 1));
}

#[test]
fn what_is_sealed_opens_for_its_key_and_purpose_only() {
    let secret = HybridSecret::generate(&Seeded::new(1)).unwrap();
    let other = HybridSecret::generate(&Seeded::new(2)).unwrap();
    let public = secret.public();
    for length in [0, 1, 31, 4096] {
        let plaintext = vec![0x5a; length];
        let sealed = public
            .seal(b"purpose", b"aad", &plaintext, &SystemRandom)
            .unwrap();
        assert_eq!(sealed.len(), OVERHEAD + length);
        let opened = secret.open(b"purpose", b"aad", &sealed).unwrap();
        assert_eq!(opened.expose(), plaintext);
        for refused in [
            other.open(b"purpose", b"aad", &sealed),
            secret.open(b"another", b"aad", &sealed),
            secret.open(b"purpose", b"", &sealed),
        ] {
            assert_eq!(refused.unwrap_err(), CryptoError::AuthenticationFailed);
        }
    }
}

#[test]
fn every_altered_or_missing_byte_is_noticed() {
    let secret = HybridSecret::generate(&Seeded::new(3)).unwrap();
    let sealed = secret
        .public()
        .seal(b"", b"", b"a key to be imported", &SystemRandom)
        .unwrap();
    // A step that meets every part and is no divisor of any; the tail byte by byte.
    let places = (0..ENCAPSULATED_LENGTH)
        .step_by(37)
        .chain(ENCAPSULATED_LENGTH - 32..sealed.len());
    for place in places {
        let mut altered = sealed.clone();
        altered[place] ^= 1;
        let result = secret.open(b"", b"", &altered);
        // X25519 ignores the top bit of a point; X-Wing hashes the point as it was sent.
        assert_eq!(result.unwrap_err(), CryptoError::AuthenticationFailed);
    }
    for length in [0, 1, ENCAPSULATED_LENGTH, OVERHEAD - 1] {
        let result = secret.open(b"", b"", &sealed[..length]);
        assert_eq!(result.unwrap_err(), CryptoError::Truncated);
    }
    assert!(secret.open(b"", b"", &sealed[..sealed.len() - 1]).is_err());
}

#[test]
fn keys_are_parsed_wholly() {
    let secret = HybridSecret::generate(&Seeded::new(4)).unwrap();
    let public = secret.public();
    let again = HybridSecret::from_seed(secret.to_seed().expose()).unwrap();
    assert_eq!(again.public(), public);
    assert_eq!(public.to_bytes().len(), PUBLIC_LENGTH);
    assert_eq!(
        HybridPublic::from_bytes(&public.to_spki()),
        Ok(public.clone())
    );
    assert_eq!(
        HybridPublic::from_bytes(&public.to_bytes()),
        Ok(public.clone())
    );
    let unreduced = vec![0xff; PUBLIC_LENGTH];
    for wrong in [
        &[][..],
        &public.to_bytes()[1..],
        &public.to_spki()[1..],
        &unreduced,
    ] {
        assert_eq!(
            HybridPublic::from_bytes(wrong),
            Err(CryptoError::InvalidKey)
        );
    }
    assert!(HybridSecret::from_seed(&[0; 31]).is_err());
    assert!(matches!(
        HybridSecret::generate(&Broken),
        Err(CryptoError::RandomFailed)
    ));
    assert_eq!(
        public.seal(b"", b"", b"", &Broken),
        Err(CryptoError::RandomFailed)
    );
}

/// OpenSSL and others write the same `SubjectPublicKeyInfo`: lengths and OID checked by hand.
#[test]
fn the_public_key_info_is_der() {
    let mut seed = SecretBytes::zeroed(32);
    Seeded::new(5).fill(seed.expose_mut()).unwrap();
    let spki = HybridSecret::from_seed(seed.expose())
        .unwrap()
        .public()
        .to_spki();
    assert_eq!(
        usize::from(u16::from_be_bytes([spki[2], spki[3]])),
        spki.len() - 4
    );
    assert_eq!(
        usize::from(u16::from_be_bytes([spki[21], spki[22]])),
        PUBLIC_LENGTH + 1
    );
    // 1.3.6.1.4.1.62253.25722, base 128.
    assert_eq!(to_hex(&spki[6..19]), "060b2b0601040183e62d81c87a");
}
