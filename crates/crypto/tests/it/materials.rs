//! Keys made, stored, imported, identified.

use keyward_crypto::digest::hkdf_sha256;
use keyward_crypto::keywrap::Kek;
use keyward_crypto::{Algorithm, CryptoError, KeyMaterial, PreparedKey, SecretBytes, SystemRandom};

use crate::support::{Broken, Seeded, material};

fn refusal<T>(result: Result<T, CryptoError>) -> CryptoError {
    match result {
        Ok(_) => panic!("should have been refused"),
        Err(error) => error,
    }
}

#[test]
fn every_algorithm_generates_stores_and_imports() {
    for algorithm in Algorithm::ALL {
        let made = KeyMaterial::generate(*algorithm, &SystemRandom).unwrap();
        let stored = made.encode();
        let read = KeyMaterial::decode(*algorithm, &stored).unwrap();
        assert!(read.same_key(&made));
        assert_eq!(read.public(), made.public());
        assert_eq!(read.fingerprint(), made.fingerprint());
        assert_eq!(made.public().is_some(), algorithm.info().is_asymmetric());
        let imported = KeyMaterial::import(*algorithm, made.secret()).unwrap();
        assert_eq!(imported.public(), made.public());
        assert!(imported.secret().ct_eq(made.secret().expose()));
        let prepared = PreparedKey::new(&read).unwrap();
        assert!((32..32_000).contains(&prepared.resident_bytes()));
        if let Some(public) = made.public() {
            PreparedKey::from_public(*algorithm, public).unwrap();
            assert!(PreparedKey::from_public(*algorithm, &public[..public.len() - 1]).is_err());
        }
    }
}

#[test]
fn symmetric_generation_uses_the_randomness_given() {
    let one = KeyMaterial::generate(Algorithm::Aes256Gcm, &Seeded::new(1)).unwrap();
    let same = KeyMaterial::generate(Algorithm::Aes256Gcm, &Seeded::new(1)).unwrap();
    let other = KeyMaterial::generate(Algorithm::Aes256Gcm, &Seeded::new(2)).unwrap();
    assert!(one.same_key(&same) && !one.same_key(&other));
    assert_ne!(one.fingerprint(), other.fingerprint());
    let broken = refusal(KeyMaterial::generate(Algorithm::HmacSha512, &Broken));
    assert_eq!(broken, CryptoError::RandomFailed);
}

#[test]
fn the_fingerprint_depends_on_the_algorithm() {
    let gcm = material(Algorithm::Aes256Gcm, &[1; 32]);
    let commit = material(Algorithm::Aes256GcmCommit, &[1; 32]);
    assert_ne!(gcm.fingerprint(), commit.fingerprint());
}

#[test]
fn stored_material_is_read_strictly() {
    let stored = KeyMaterial::generate(Algorithm::EcdsaP256, &SystemRandom)
        .unwrap()
        .encode();
    let decode =
        |bytes: &[u8]| KeyMaterial::decode(Algorithm::EcdsaP256, &SecretBytes::copy_from(bytes));
    for length in 0..stored.len() {
        assert_eq!(
            refusal(decode(&stored.expose()[..length])),
            CryptoError::InvalidKey
        );
    }
    let mut longer = stored.expose().to_vec();
    longer.push(0);
    assert_eq!(refusal(decode(&longer)), CryptoError::InvalidKey);
    let mut newer = stored.expose().to_vec();
    newer[0] = 2;
    assert_eq!(
        refusal(decode(&newer)),
        CryptoError::UnknownMaterialFormat(2)
    );
    let wrong = KeyMaterial::decode(Algorithm::EcdsaP384, &stored);
    let expected = Algorithm::EcdsaP384;
    assert_eq!(refusal(wrong), CryptoError::WrongAlgorithm { expected });
}

#[test]
fn a_public_half_of_another_key_is_noticed() {
    let ours = KeyMaterial::generate(Algorithm::Ed25519, &SystemRandom).unwrap();
    let theirs = KeyMaterial::generate(Algorithm::Ed25519, &SystemRandom).unwrap();
    let mut mixed = ours.encode().expose().to_vec();
    let public = theirs.public().unwrap();
    let start = mixed.len() - public.len();
    mixed[start..].copy_from_slice(public);
    let mixed = KeyMaterial::decode(Algorithm::Ed25519, &SecretBytes::new(mixed)).unwrap();
    assert_eq!(refusal(PreparedKey::new(&mixed)), CryptoError::InvalidKey);
}

#[test]
fn imports_are_checked() {
    let import = |algorithm, bytes: &[u8]| {
        KeyMaterial::import(algorithm, &SecretBytes::copy_from(bytes)).map(|_| ())
    };
    for algorithm in Algorithm::ALL {
        assert_eq!(
            import(*algorithm, &[0; 31]),
            Err(CryptoError::InvalidKey),
            "{algorithm}"
        );
    }
    assert_eq!(
        import(Algorithm::Aes256GcmCommit, &[0; 33]),
        Err(CryptoError::InvalidKey)
    );
    assert_eq!(
        import(Algorithm::HmacSha256, &[0; 65]),
        Err(CryptoError::InvalidKey)
    );
    assert_eq!(import(Algorithm::HmacSha256, &[0; 64]), Ok(()));
    // AWS-LC itself takes any 2,400 bytes for an ML-KEM key.
    assert_eq!(
        import(Algorithm::MlKem768, &[0; 2400]),
        Err(CryptoError::InvalidKey)
    );
    let kem = KeyMaterial::generate(Algorithm::MlKem768, &SystemRandom).unwrap();
    let mut altered = kem.secret().expose().to_vec();
    altered[0] ^= 1;
    assert_eq!(
        import(Algorithm::MlKem768, &altered),
        Err(CryptoError::InvalidKey)
    );
    let rsa = KeyMaterial::generate(Algorithm::Rsa2048, &SystemRandom).unwrap();
    assert_eq!(
        import(Algorithm::Rsa3072, rsa.secret().expose()),
        Err(CryptoError::InvalidKey)
    );
    let ec = KeyMaterial::generate(Algorithm::EcdsaP256, &SystemRandom).unwrap();
    assert_eq!(
        import(Algorithm::EcdsaP384, ec.secret().expose()),
        Err(CryptoError::InvalidKey)
    );
}

#[test]
fn public_keys_carry_the_standard_prefix() {
    let kem = KeyMaterial::generate(Algorithm::MlKem768, &SystemRandom).unwrap();
    // RFC 9935: id-alg-ml-kem-768.
    let oid = [
        0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x04, 0x02,
    ];
    let public = kem.public().unwrap();
    assert_eq!((public.len(), &public[6..17]), (1206, &oid[..]));
    let raw = &public[22..];
    let by_raw = PreparedKey::from_public(Algorithm::MlKem768, raw).unwrap();
    let (sent, shared) = by_raw.encapsulate().unwrap();
    let private = PreparedKey::new(&kem).unwrap();
    assert_eq!(
        private.decapsulate(&sent).unwrap().expose(),
        shared.expose()
    );
    let dsa = KeyMaterial::generate(Algorithm::MlDsa65, &SystemRandom).unwrap();
    assert_eq!(
        dsa.secret().len(),
        54,
        "ML-DSA keys are stored as their seed"
    );
}

#[test]
fn a_symmetric_fingerprint_is_hkdf_and_no_mac_of_the_key() {
    let key = material(Algorithm::HmacSha256, &[1; 32]);
    let mut expected = [0; 32];
    hkdf_sha256(
        &[1; 32],
        b"keyward/fingerprint/1",
        b"hmac-sha-256",
        &mut expected,
    )
    .unwrap();
    assert_eq!(key.fingerprint(), expected);
}

#[test]
fn prepared_keys_are_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<PreparedKey>();
    shared::<KeyMaterial>();
    shared::<Kek>();
}

#[test]
fn secrets_do_not_print() {
    let secret = SecretBytes::new(b"hunter2".to_vec());
    assert_eq!(format!("{secret:?}"), "SecretBytes(7 bytes)");
    assert!(secret.ct_eq(b"hunter2") && !secret.ct_eq(b"hunter3") && !secret.ct_eq(b"hunter"));
    assert_eq!(secret.duplicate().expose(), secret.expose());
}

#[test]
fn keks_wrap_under_a_subkey() {
    let kek = Kek::generate(&Seeded::new(3)).unwrap();
    let wrapped = kek.wrap(b"0123456789abcdef0").unwrap();
    assert_eq!(kek.unwrap(&wrapped).unwrap().expose(), b"0123456789abcdef0");
    let bare: [u8; 32] = kek.to_secret().expose().try_into().unwrap();
    assert_eq!(
        refusal(keyward_crypto::keywrap::kwp_unwrap(&bare, &wrapped)),
        CryptoError::AuthenticationFailed
    );
    let copy = Kek::from_secret(&kek.to_secret()).unwrap();
    assert_eq!(copy.duplicate().unwrap(&wrapped).unwrap().len(), 17);
    assert_eq!(
        refusal(Kek::from_secret(&SecretBytes::zeroed(31))),
        CryptoError::InvalidKey
    );
    assert_eq!(refusal(kek.wrap(&[])), CryptoError::MessageEmpty);
    for length in 0..wrapped.len() {
        assert!(kek.unwrap(&wrapped[..length]).is_err());
    }
    for bit in 0..wrapped.len() * 8 {
        let mut altered = wrapped.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            refusal(kek.unwrap(&altered)),
            CryptoError::AuthenticationFailed
        );
    }
}
