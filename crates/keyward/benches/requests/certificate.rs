//! The certificate that both servers have where TLS is measured: P-256, for the loopback address.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Files of PEM.
pub struct Certificate {
    pub chain: PathBuf,
    pub key: PathBuf,
}

impl Certificate {
    /// Makes it, signed by itself.
    pub fn make(place: &Path) -> Self {
        let pair = rcgen::KeyPair::generate().expect("a key");
        let parameters = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]);
        let made = parameters
            .and_then(|it| it.self_signed(&pair))
            .expect("a certificate");
        let (chain, key) = (place.join("tls.pem"), place.join("tls.key"));
        std::fs::write(&chain, made.pem()).expect("a file");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&key)
            .expect("a file");
        let text = pair.serialize_pem();
        file.write_all(text.as_bytes()).expect("the key in it");
        Self { chain, key }
    }
}
