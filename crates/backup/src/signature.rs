//! Who made a backup: an Ed25519 key of the deployment. Its private half is a value in the vault;
//! its public half is given to whoever is to verify backups elsewhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyward_crypto::Random;
use keyward_crypto::SecretBytes;
use keyward_crypto::algorithm::Algorithm;
use keyward_crypto::material::KeyMaterial;
use keyward_crypto::prepared::{Message, PreparedKey, SignatureScheme};

/// What every signature begins with, so that none of another purpose fits.
const PURPOSE: &[u8] = b"keyward-backup/1\n";

/// And those of drills' reports.
const DRILL_PURPOSE: &[u8] = b"keyward-drill/1\n";

/// A key or a signature is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The text is no public key.
    #[error("this is not a backup key: it is the text that `keyward backup key` prints")]
    PublicKey,
    /// The private half cannot be used.
    #[error("the deployment's key for signing backups cannot be used")]
    PrivateKey,
    /// The signature does not fit.
    #[error("the signature does not fit: the manifest was altered, or another key signed it")]
    Wrong,
}

/// The public half of a deployment's key: `SubjectPublicKeyInfo` DER (RFC 8410).
#[derive(Clone, PartialEq, Eq)]
pub struct BackupKey {
    der: Vec<u8>,
}

impl BackupKey {
    /// Reads the text that [`BackupKey::text`] gives.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let der = STANDARD
            .decode(text.trim())
            .map_err(|_| SignatureError::PublicKey)?;
        PreparedKey::from_public(Algorithm::Ed25519, &der)
            .map_err(|_| SignatureError::PublicKey)?;
        Ok(Self { der })
    }

    /// As text: base64 of the DER.
    pub fn text(&self) -> String {
        STANDARD.encode(&self.der)
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let key = PreparedKey::from_public(Algorithm::Ed25519, &self.der)
            .map_err(|_| SignatureError::PublicKey)?;
        key.verify(
            SignatureScheme::Ed25519,
            Message::Raw(&with_purpose(message)),
            signature,
        )
        .map_err(|_| SignatureError::Wrong)
    }
}

impl std::fmt::Debug for BackupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

/// The private half, ready to sign. Neither printable nor clonable.
pub struct Signer {
    key: PreparedKey,
    public: BackupKey,
}

impl Signer {
    /// A fresh key: what is to be kept in the vault, and its public half.
    pub fn generate(random: &dyn Random) -> Result<(SecretBytes, BackupKey), SignatureError> {
        let made = KeyMaterial::generate(Algorithm::Ed25519, random)
            .map_err(|_| SignatureError::PrivateKey)?;
        let der = made.public().ok_or(SignatureError::PrivateKey)?.to_vec();
        Ok((made.secret().duplicate(), BackupKey { der }))
    }

    /// The key that [`Signer::generate`] made.
    pub fn new(secret: &SecretBytes) -> Result<Self, SignatureError> {
        let material = KeyMaterial::import(Algorithm::Ed25519, secret)
            .map_err(|_| SignatureError::PrivateKey)?;
        let der = material
            .public()
            .ok_or(SignatureError::PrivateKey)?
            .to_vec();
        let key = PreparedKey::new(&material).map_err(|_| SignatureError::PrivateKey)?;
        let public = BackupKey { der };
        Ok(Self { key, public })
    }

    /// Its public half.
    pub const fn public(&self) -> &BackupKey {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        self.sign_raw(&with_purpose(message))
    }

    /// A drill's report, signed: its line, and a line with the signature and the public key.
    pub(crate) fn report(&self, line: &str) -> Result<Vec<u8>, SignatureError> {
        let signature = self.sign_raw(&[DRILL_PURPOSE, line.as_bytes()].concat())?;
        let (signature, by) = (STANDARD.encode(signature), self.public.text());
        Ok(format!("{line}\n{signature} {by}\n").into_bytes())
    }

    fn sign_raw(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        let signed = self
            .key
            .sign(SignatureScheme::Ed25519, Message::Raw(message));
        signed.map_err(|_| SignatureError::PrivateKey)
    }
}

fn with_purpose(message: &[u8]) -> Vec<u8> {
    [PURPOSE, message].concat()
}
