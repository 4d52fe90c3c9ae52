//! RSA: OAEP encryption and PSS or PKCS#1 v1.5 signatures. That one key does only one of the two
//! is checked where usages are chosen ([`crate::algorithm::validate_usages`]).

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepAlgorithm,
    OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaEncoding, RsaKeyPair, VerificationAlgorithm};

use super::context::MessageContext;
use super::scheme::{Message, SignatureScheme};
use super::sign::import_digest;
use crate::algorithm::Algorithm;
use crate::digest::Hash;
use crate::error::CryptoError;
use crate::secret::SecretBytes;
use crate::suite::Suite;

/// Number of RSA schemes.
const SCHEMES: usize = 6;

/// An RSA key pair, or only its public half.
pub(super) struct RsaKey {
    private: Option<Private>,
    encrypting: OaepPublicEncryptingKey,
    public: Vec<u8>,
    /// The public key parsed for each scheme, on first use.
    verifying: [OnceLock<ParsedPublicKey>; SCHEMES],
}

struct Private {
    pair: RsaKeyPair,
    decrypting: OaepPrivateDecryptingKey,
}

impl RsaKey {
    pub(super) fn new(
        pair: RsaKeyPair,
        secret: &[u8],
        public: Vec<u8>,
    ) -> Result<Self, CryptoError> {
        let decrypting =
            PrivateDecryptingKey::from_pkcs8(secret).map_err(|_| CryptoError::InvalidKey)?;
        let decrypting =
            OaepPrivateDecryptingKey::new(decrypting).map_err(|_| CryptoError::EngineFailed)?;
        Self::build(Some(Private { pair, decrypting }), public)
    }

    pub(super) fn from_public(algorithm: Algorithm, public: &[u8]) -> Result<Self, CryptoError> {
        let key = Self::build(None, public.to_vec())?;
        if key.encrypting.key_size_bits() != algorithm.info().size_bits as usize {
            return Err(CryptoError::InvalidKey);
        }
        Ok(key)
    }

    fn build(private: Option<Private>, public: Vec<u8>) -> Result<Self, CryptoError> {
        let encrypting =
            PublicEncryptingKey::from_der(&public).map_err(|_| CryptoError::InvalidKey)?;
        let encrypting =
            OaepPublicEncryptingKey::new(encrypting).map_err(|_| CryptoError::EngineFailed)?;
        Ok(Self {
            private,
            encrypting,
            public,
            verifying: Default::default(),
        })
    }

    /// `suite(1) ‖ ciphertext`; the label is the associated data of the message.
    pub(super) fn seal(
        &self,
        suite: Suite,
        context: &MessageContext<'_>,
        message: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let label = context.associated_data(suite)?;
        let mut sealed = self.encrypt(hash_of(suite)?, label.as_ref(), message)?;
        sealed.insert(0, suite.byte());
        Ok(sealed)
    }

    /// Opens what follows the suite byte.
    pub(super) fn open(
        &self,
        suite: Suite,
        context: &MessageContext<'_>,
        body: &[u8],
    ) -> Result<SecretBytes, CryptoError> {
        let label = context.associated_data(suite)?;
        self.decrypt(hash_of(suite)?, label.as_ref(), body)
    }

    pub(super) fn encrypt(
        &self,
        hash: Hash,
        label: &[u8],
        message: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        // RFC 8017, section 7.1.1. The smallest modulus leaves 126 bytes beside the largest hash.
        let max = self.encrypting.key_size_bytes() - 2 * hash.length() - 2;
        if message.len() > max {
            return Err(CryptoError::MessageTooLong { max });
        }
        let mut out = vec![0; self.encrypting.ciphertext_size()];
        let length = self
            .encrypting
            .encrypt(oaep(hash), message, &mut out, Some(label))
            .map_err(|_| CryptoError::EngineFailed)?
            .len();
        out.truncate(length);
        Ok(out)
    }

    pub(super) fn decrypt(
        &self,
        hash: Hash,
        label: &[u8],
        ciphertext: &[u8],
    ) -> Result<SecretBytes, CryptoError> {
        let key = &self
            .private
            .as_ref()
            .ok_or(CryptoError::PublicOnly)?
            .decrypting;
        if ciphertext.len() < key.key_size_bytes() {
            return Err(CryptoError::Truncated);
        }
        if ciphertext.len() > key.key_size_bytes() {
            return Err(CryptoError::AuthenticationFailed);
        }
        let mut plaintext = SecretBytes::zeroed(key.min_output_size());
        let length = key
            .decrypt(oaep(hash), ciphertext, plaintext.expose_mut(), Some(label))
            .map_err(|_| CryptoError::AuthenticationFailed)?
            .len();
        plaintext.shorten(length);
        Ok(plaintext)
    }

    pub(super) fn sign(
        &self,
        scheme: SignatureScheme,
        message: Message<'_>,
    ) -> Result<Vec<u8>, CryptoError> {
        let pair = &self.private.as_ref().ok_or(CryptoError::PublicOnly)?.pair;
        let (_, padding, _) = parameters(scheme)?;
        let mut out = vec![0; pair.public_modulus_len()];
        match message {
            Message::Raw(message) => pair.sign(padding, &SystemRandom::new(), message, &mut out),
            Message::Digest(bytes) => {
                pair.sign_digest(padding, &import_digest(scheme, bytes)?, &mut out)
            }
        }
        .map_err(|_| CryptoError::EngineFailed)?;
        Ok(out)
    }

    pub(super) fn verify(
        &self,
        scheme: SignatureScheme,
        message: Message<'_>,
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        let key = self.verifying(scheme)?;
        match message {
            Message::Raw(message) => key.verify_sig(message, signature),
            Message::Digest(bytes) => {
                key.verify_digest_sig(&import_digest(scheme, bytes)?, signature)
            }
        }
        .map_err(|_| CryptoError::InvalidSignature)
    }

    fn verifying(&self, scheme: SignatureScheme) -> Result<&ParsedPublicKey, CryptoError> {
        let (index, _, verification) = parameters(scheme)?;
        let cell = &self.verifying[index];
        if let Some(key) = cell.get() {
            return Ok(key);
        }
        let key = ParsedPublicKey::new(verification, &self.public)
            .map_err(|_| CryptoError::InvalidKey)?;
        Ok(cell.get_or_init(|| key))
    }
}

/// The hash of a suite that RSA keys have.
fn hash_of(suite: Suite) -> Result<Hash, CryptoError> {
    suite.oaep_hash().ok_or(CryptoError::EngineFailed)
}

/// OAEP with one hash for label and mask.
fn oaep(hash: Hash) -> &'static OaepAlgorithm {
    match hash {
        Hash::Sha256 => &OAEP_SHA256_MGF1SHA256,
        Hash::Sha384 => &OAEP_SHA384_MGF1SHA384,
        Hash::Sha512 => &OAEP_SHA512_MGF1SHA512,
    }
}

type Parameters = (
    usize,
    &'static dyn RsaEncoding,
    &'static dyn VerificationAlgorithm,
);

/// Slot, signing and verifying parameters of a scheme.
fn parameters(scheme: SignatureScheme) -> Result<Parameters, CryptoError> {
    Ok(match scheme {
        SignatureScheme::RsaPssSha256 => (
            0,
            &signature::RSA_PSS_SHA256,
            &signature::RSA_PSS_2048_8192_SHA256,
        ),
        SignatureScheme::RsaPssSha384 => (
            1,
            &signature::RSA_PSS_SHA384,
            &signature::RSA_PSS_2048_8192_SHA384,
        ),
        SignatureScheme::RsaPssSha512 => (
            2,
            &signature::RSA_PSS_SHA512,
            &signature::RSA_PSS_2048_8192_SHA512,
        ),
        SignatureScheme::RsaPkcs1Sha256 => (
            3,
            &signature::RSA_PKCS1_SHA256,
            &signature::RSA_PKCS1_2048_8192_SHA256,
        ),
        SignatureScheme::RsaPkcs1Sha384 => (
            4,
            &signature::RSA_PKCS1_SHA384,
            &signature::RSA_PKCS1_2048_8192_SHA384,
        ),
        SignatureScheme::RsaPkcs1Sha512 => (
            5,
            &signature::RSA_PKCS1_SHA512,
            &signature::RSA_PKCS1_2048_8192_SHA512,
        ),
        _ => return Err(CryptoError::InvalidKey),
    })
}
