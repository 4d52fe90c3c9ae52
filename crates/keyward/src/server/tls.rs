//! The server's certificate: from files, or made by itself for trying things.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyward_core::crypto_types::SecretBytes;
use keyward_core::names::SecretName;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::private_file::{self, PrivateFileError};
use crate::server::config::secret_source::SecretSource;
use crate::server::config::{Config, TlsMode};

/// Connections cannot be protected as configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate's file.
    #[error("the certificate {} cannot be used: {cause}", path.display())]
    Certificate {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The key's file.
    #[error("the certificate's key {} cannot be used: {cause}", path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// Why, without its content.
        cause: String,
    },
    /// The key's file is open to others or not there.
    #[error(transparent)]
    Private(#[from] PrivateFileError),
    /// Certificate and key do not belong together, or are of a kind that is not known.
    #[error("the certificate and its key cannot be used together: {0}")]
    Pair(#[from] rustls::Error),
    /// The key in the vault is none.
    #[error("the certificate's key `vault:{name}` cannot be used: {cause}")]
    VaultKey {
        /// Under which name.
        name: SecretName,
        /// Why, without its content.
        cause: String,
    },
    /// No certificate could be made.
    #[error("no certificate could be made: {0}")]
    SelfMade(#[from] rcgen::Error),
    /// A file name is missing.
    #[error("listen.tls_cert_file and listen.tls_key_file are needed for tls = \"files\"")]
    Unnamed,
}

/// The secret of the vault that the listener needs, if it needs one.
pub fn key_in_vault(config: &Config) -> Option<&SecretName> {
    match (config.listen.tls, &config.listen.tls_key_file) {
        (TlsMode::Files, Some(SecretSource::Vault(name))) => Some(name),
        _ => None,
    }
}

/// Builds what the listener needs; nothing when TLS is off. `dir` keeps a self-made certificate, so
/// that clients who trust it need not be told again after a restart. `from_vault` is what
/// [`key_in_vault`] names.
pub fn server_tls(
    config: &Config,
    dir: &Path,
    from_vault: Option<&SecretBytes>,
) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    let listen = &config.listen;
    let (certificate, key) = match listen.tls {
        TlsMode::Off => return Ok(None),
        TlsMode::Files => match (&listen.tls_cert_file, &listen.tls_key_file) {
            (Some(certificate), Some(SecretSource::File(key))) => {
                (certificate.clone(), read_key(key)?)
            }
            (Some(certificate), Some(SecretSource::Vault(name))) => {
                let pem = from_vault.ok_or(TlsError::Unnamed)?;
                (certificate.clone(), key_of_vault(name, pem)?)
            }
            _ => return Err(TlsError::Unnamed),
        },
        TlsMode::SelfMade => {
            let (certificate, key) = self_made(dir, listen.address.ip())?;
            (certificate, read_key(&key)?)
        }
    };
    let chain = read_chain(&certificate)?;
    Ok(Some(keyward_http::tls::server_config(chain, key)?))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |cause: String| TlsError::Certificate {
        path: path.to_owned(),
        cause,
    };
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(error.to_string()))?;
    if chain.is_empty() {
        Err(wrong("no certificate is in it".to_owned()))
    } else {
        Ok(chain)
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = private_file::read_text(path)?;
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| TlsError::Key {
        path: path.to_owned(),
        cause: error.to_string(),
    })
}

fn key_of_vault(name: &SecretName, pem: &SecretBytes) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem.expose()).map_err(|error| TlsError::VaultKey {
        name: name.clone(),
        cause: error.to_string(),
    })
}

/// The self-made certificate and its key, made once.
fn self_made(dir: &Path, listening_on: IpAddr) -> Result<(PathBuf, PathBuf), TlsError> {
    let certificate = dir.join("tls-self-made.pem");
    let key = dir.join("tls-self-made-key.pem");
    if certificate.is_file() && key.is_file() {
        return Ok((certificate, key));
    }
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    if !listening_on.is_unspecified() && !listening_on.is_loopback() {
        names.push(listening_on.to_string());
    }
    let pair = rcgen::KeyPair::generate()?;
    let made = rcgen::CertificateParams::new(names)?.self_signed(&pair)?;
    // The key first: a certificate without its key would be taken for a pair.
    private_file::write(&key, pair.serialize_pem().as_bytes())?;
    fs::write(&certificate, made.pem()).map_err(|error: io::Error| TlsError::Certificate {
        path: certificate.clone(),
        cause: error.to_string(),
    })?;
    Ok((certificate, key))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::install_tls_provider;

    fn self_made_config() -> Config {
        let mut config = Config::default();
        config.listen.tls = TlsMode::SelfMade;
        config
    }

    #[test]
    fn a_self_made_certificate_is_made_once_and_kept() {
        install_tls_provider();
        let dir = tempfile::tempdir().unwrap();
        server_tls(&self_made_config(), dir.path(), None)
            .unwrap()
            .unwrap();
        let first = fs::read(dir.path().join("tls-self-made.pem")).unwrap();
        server_tls(&self_made_config(), dir.path(), None)
            .unwrap()
            .unwrap();
        assert_eq!(
            fs::read(dir.path().join("tls-self-made.pem")).unwrap(),
            first
        );
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        install_tls_provider();
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        server_tls(&self_made_config(), one.path(), None).unwrap();
        server_tls(&self_made_config(), other.path(), None).unwrap();
        let mut config = Config::default();
        config.listen.tls = TlsMode::Files;
        config.listen.tls_cert_file = Some(one.path().join("tls-self-made.pem"));
        config.listen.tls_key_file = Some(SecretSource::File(
            other.path().join("tls-self-made-key.pem"),
        ));
        assert!(matches!(
            server_tls(&config, one.path(), None),
            Err(TlsError::Pair(_))
        ));
    }
}
