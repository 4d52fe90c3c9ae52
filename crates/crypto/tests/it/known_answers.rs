//! Every primitive against the examples of its own standard.

use keyward_crypto::digest::{
    hkdf_expand_sha256, hkdf_sha256, hmac_sha256, hmac_sha512, sha256, sha384, sha512,
};
use keyward_crypto::{Algorithm, CryptoError, Message, SignatureScheme};

use crate::support::{hex, prepared, to_hex};

#[test]
fn sha_2_of_abc_fips_180() {
    assert_eq!(
        to_hex(&sha256(b"abc")),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(
        to_hex(&sha384(b"abc")),
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
         8086072ba1e7cc2358baeca134c825a7"
    );
    assert_eq!(
        to_hex(&sha512(b"abc")),
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
         2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    );
}

#[test]
fn hmac_rfc_4231() {
    let cases = [
        (
            vec![0x0b; 20],
            b"Hi There".to_vec(),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde\
             daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
        ),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?".to_vec(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
             9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
        (
            vec![0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352\
             6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
        ),
    ];
    for (key, data, short, long) in cases {
        assert_eq!(to_hex(&hmac_sha256(&key, &data)), short);
        assert_eq!(to_hex(&hmac_sha512(&key, &data)), long);
    }
}

#[test]
fn hkdf_rfc_5869() {
    let mut okm = [0; 42];
    let info = hex("f0f1f2f3f4f5f6f7f8f9");
    hkdf_sha256(
        &[0x0b; 22],
        &hex("000102030405060708090a0b0c"),
        &info,
        &mut okm,
    )
    .unwrap();
    let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf\
                    34007208d5b887185865";
    assert_eq!(to_hex(&okm), expected);

    let prk = hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
    hkdf_expand_sha256(&prk, &info, &mut okm).unwrap();
    assert_eq!(to_hex(&okm), expected);

    hkdf_sha256(&[0x0b; 22], &[], &[], &mut okm).unwrap();
    assert_eq!(
        to_hex(&okm),
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d\
         9d201395faa4b61a96c8"
    );
    let mut long = vec![0; 8161];
    assert!(matches!(
        hkdf_sha256(&prk, &[], &[], &mut long),
        Err(CryptoError::LengthOutOfRange { max: 8160, .. })
    ));
}

#[test]
fn aes_256_gcm_nist_cases_13_14_16() {
    let zero = prepared(Algorithm::Aes256Gcm, &[0; 32]);
    assert_eq!(
        to_hex(&zero.raw_seal([0; 12], &[], &[]).unwrap()),
        "530f8afbc74536b9a963b4f1c4cb738b"
    );
    assert_eq!(
        to_hex(&zero.raw_seal([0; 12], &[], &[0; 16]).unwrap()),
        "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
    );
    let key = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    let key = prepared(Algorithm::Aes256Gcm, &key);
    let nonce = hex("cafebabefacedbaddecaf888").try_into().unwrap();
    let aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    let plaintext = hex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
         1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
    );
    let sealed = hex(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
         8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662
         76fc6ece0f4e1768cddf8853bb2d551b",
    );
    assert_eq!(key.raw_seal(nonce, &aad, &plaintext).unwrap(), sealed);
    assert_eq!(
        key.raw_open(nonce, &aad, &sealed).unwrap().expose(),
        plaintext
    );
}

#[test]
fn chacha20_poly1305_rfc_8439() {
    let key: Vec<u8> = (0x80..=0x9f).collect();
    let key = prepared(Algorithm::ChaCha20Poly1305, &key);
    let nonce = hex("070000004041424344454647").try_into().unwrap();
    let aad = hex("50515253c0c1c2c3c4c5c6c7");
    let plaintext = b"Ladies and Gentlemen of the class of '99: If I could offer you only one \
                      tip for the future, sunscreen would be it.";
    let sealed = hex(
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6
         3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36
         92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
         3ff4def08e4b7a9de576d26586cec64b6116 1ae10b594f09e26a7e902ecbd0600691",
    );
    assert_eq!(key.raw_seal(nonce, &aad, plaintext).unwrap(), sealed);
    assert_eq!(
        key.raw_open(nonce, &aad, &sealed).unwrap().expose(),
        plaintext
    );
}

#[test]
fn ed25519_rfc_8032() {
    let cases = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac\
             c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e\
             458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ];
    for (seed, public, message, signature) in cases {
        let pkcs8 = hex(&format!("302e020100300506032b657004220420{seed}"));
        let material = crate::support::material(Algorithm::Ed25519, &pkcs8);
        let spki = hex(&format!("302a300506032b6570032100{public}"));
        assert_eq!(material.public(), Some(&spki[..]));
        assert_eq!(
            material.secret().expose(),
            pkcs8,
            "the canonical encoding is PKCS#8 v1"
        );
        let key = prepared(Algorithm::Ed25519, &pkcs8);
        let message = hex(message);
        let found = key
            .sign(SignatureScheme::Ed25519, Message::Raw(&message))
            .unwrap();
        assert_eq!(found, hex(signature));
        key.verify(SignatureScheme::Ed25519, Message::Raw(&message), &found)
            .unwrap();
    }
}
