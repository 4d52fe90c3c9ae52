//! Private and symmetric keys made elsewhere: the first byte is the algorithm's code, the second
//! the container. What is taken in can be used, and comes out again as the same key.
#![no_main]

use keyward_crypto::algorithm::default_usages;
use keyward_crypto::exchange::{self, Intent, KeyFormat};
use keyward_crypto::{Algorithm, PreparedKey, SecretBytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [code, format, bytes @ ..] = data else {
        return;
    };
    let chosen = |algorithm: &&Algorithm| algorithm.info().code == u16::from(*code);
    let Some(&algorithm) = Algorithm::ALL.iter().find(chosen) else {
        return;
    };
    let intent = Intent {
        algorithm,
        usages: default_usages(algorithm),
    };
    let format = KeyFormat::ALL[usize::from(*format) % KeyFormat::ALL.len()];
    let bytes = SecretBytes::copy_from(bytes);
    let Ok(material) = exchange::read_private(intent, format, &bytes) else {
        return;
    };
    PreparedKey::new(&material).expect("what was taken in can be used");
    for format in KeyFormat::ALL {
        let Ok(written) = exchange::write_private(&material, *format) else {
            continue;
        };
        let again = exchange::read_private(intent, *format, &written).expect("it reads back");
        assert!(again.same_key(&material), "{algorithm} as {format}");
    }
});
