//! A custodian's share as text, and a share set as bytes: one value has one form, and a share that
//! was not made for a set never passes for one of it.
#![no_main]

use std::sync::LazyLock;

use keyward_crypto::SystemRandom;
use keyward_crypto::sharing::{self, Share, ShareSet};
use libfuzzer_sys::fuzz_target;

static SET: LazyLock<(ShareSet, Vec<String>)> = LazyLock::new(|| {
    let (_, set, shares) = sharing::split(2, 3, &SystemRandom).unwrap();
    let texts = shares.iter().map(|share| share.to_text().to_string());
    (set, texts.collect())
});

fuzz_target!(|data: &[u8]| {
    if let Ok(set) = ShareSet::from_bytes(data) {
        assert_eq!(set.to_bytes(), data);
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (set, genuine) = &*SET;
    if let Ok(share) = Share::from_text(text) {
        assert!(share.threshold() >= 2);
        let own = genuine.iter().any(|own| *own == *share.to_text());
        assert_eq!(set.verify(&share).is_ok(), own);
    }
});
