//! Keys on their way in, wrapped to an import key: nobody without its public half makes one that
//! opens, and why it does not open is not said. The first byte chooses the method.
#![no_main]

use std::sync::LazyLock;

use keyward_crypto::SystemRandom;
use keyward_crypto::exchange::{ExchangeError, IMPORT_INFO, WrapMethod, WrappingKey};
use libfuzzer_sys::fuzz_target;

static KEYS: LazyLock<Vec<WrappingKey>> = LazyLock::new(|| {
    let make = |method: &WrapMethod| WrappingKey::generate(*method, &SystemRandom).unwrap();
    WrapMethod::ALL.iter().map(make).collect()
});

fuzz_target!(|data: &[u8]| {
    let Some((choice, wrapped)) = data.split_first() else {
        return;
    };
    let key = &KEYS[usize::from(*choice) % KEYS.len()];
    let opened = key.open(IMPORT_INFO, b"an import", wrapped);
    assert!(matches!(
        opened.err(),
        Some(ExchangeError::NotOpened | ExchangeError::TooLong { .. })
    ));
});
