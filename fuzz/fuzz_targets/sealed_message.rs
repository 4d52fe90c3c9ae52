//! What follows the text's last colon: sealed messages, wrapped keys, signatures, encapsulations,
//! for a key of every algorithm. The first byte is its code. Nobody without the key makes a message
//! that opens.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use keyward_crypto::{
    Algorithm, KeyMaterial, Message, MessageContext, PreparedKey, SignatureScheme, SystemRandom,
    Usage,
};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

static KEYS: LazyLock<Vec<PreparedKey>> = LazyLock::new(|| {
    let fast = Algorithm::ALL
        .iter()
        .filter(|algorithm| algorithm.info().size_bits != 4096);
    fast.map(|algorithm| {
        let material = KeyMaterial::generate(*algorithm, &SystemRandom).unwrap();
        PreparedKey::new(&material).unwrap()
    })
    .collect()
});

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    let chosen = |key: &&PreparedKey| key.algorithm().info().code == u16::from(*choice);
    let Some(key) = KEYS.iter().find(chosen) else {
        return;
    };
    let none = BTreeMap::new();
    let context = MessageContext {
        key_id: Uuid::from_u128(7),
        version: 1,
        context: &none,
    };
    let usages = key.algorithm().info().usages;
    if usages.contains(Usage::Encrypt) && !key.algorithm().info().is_asymmetric() {
        assert!(key.decrypt(&context, bytes).is_err());
    } else {
        let _ = key.decrypt(&context, bytes);
    }
    let _ = key.unwrap_key(&context, bytes);
    let _ = key.decapsulate(bytes);
    let _ = key.verify_mac(b"message", bytes);
    if let Some(scheme) = SignatureScheme::default_for(key.algorithm()) {
        assert!(key.verify(scheme, Message::Raw(b"message"), bytes).is_err());
    }
});
