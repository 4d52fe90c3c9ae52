//! Certificates for connections that are not HTTP's.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::Failure;
use crate::settings::TlsFiles;

/// What a client of TLS needs, with the process' own provider of cryptography.
pub(super) async fn client(tls: &TlsFiles) -> Result<Arc<ClientConfig>, Failure> {
    let Some(ca) = &tls.ca else {
        return Err(Failure::denied("there is no ca_file to trust"));
    };
    let mut roots = RootCertStore::empty();
    for certificate in chain(ca).await? {
        let added = roots.add(certificate);
        added.map_err(|error| Failure::denied(format!("{}: {error}", ca.display())))?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let pem = key.read().await?;
            let key = PrivateKeyDer::from_pem_slice(pem.expose());
            let key = key.map_err(|_| Failure::denied("key_file holds no private key in PEM"))?;
            let config = config.with_client_auth_cert(chain(certificate).await?, key);
            config.map_err(|error| Failure::denied(error.to_string()))?
        }
        _ => config.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

async fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let wrong = |why: String| Failure::denied(format!("{}: {why}", path.display()));
    let pem = tokio::fs::read(path)
        .await
        .map_err(|error| wrong(error.to_string()))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|error| wrong(error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong("no certificate is in it".to_owned()));
    }
    Ok(chain)
}
