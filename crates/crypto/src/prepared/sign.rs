//! Signatures of ECDSA, Ed25519 and ML-DSA keys. The request was checked by `scheme`.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, EcdsaKeyPair, ML_DSA_65,
    ML_DSA_65_SIGNING, ParsedPublicKey, VerificationAlgorithm,
};

use super::scheme::{Message, SignatureScheme};
use crate::algorithm::Algorithm;
use crate::error::CryptoError;
use crate::material::asymmetric::Pair;

/// A key pair, or only its public half.
pub(super) struct SignatureKey {
    pair: Option<Pair>,
    public: ParsedPublicKey,
}

impl SignatureKey {
    pub(super) fn new(
        algorithm: Algorithm,
        pair: Option<Pair>,
        public: &[u8],
    ) -> Result<Self, CryptoError> {
        let verification: &'static dyn VerificationAlgorithm = match algorithm {
            Algorithm::EcdsaP256 => &ECDSA_P256_SHA256_ASN1,
            Algorithm::EcdsaP384 => &ECDSA_P384_SHA384_ASN1,
            Algorithm::Ed25519 => &ED25519,
            Algorithm::MlDsa65 => &ML_DSA_65,
            _ => return Err(CryptoError::InvalidKey),
        };
        let public =
            ParsedPublicKey::new(verification, public).map_err(|_| CryptoError::InvalidKey)?;
        Ok(Self { pair, public })
    }

    pub(super) fn sign(
        &self,
        scheme: SignatureScheme,
        message: Message<'_>,
    ) -> Result<Vec<u8>, CryptoError> {
        let failed = |_| CryptoError::EngineFailed;
        match (self.pair.as_ref().ok_or(CryptoError::PublicOnly)?, message) {
            (Pair::Ecdsa(pair), message) => sign_ecdsa(pair, scheme, message),
            (Pair::Ed25519(pair), Message::Raw(message)) => {
                Ok(pair.try_sign(message).map_err(failed)?.as_ref().to_vec())
            }
            (Pair::MlDsa(pair), Message::Raw(message)) => {
                let mut signature = vec![0; ML_DSA_65_SIGNING.signature_len()];
                let length = pair.sign(message, &mut signature).map_err(failed)?;
                signature.truncate(length);
                Ok(signature)
            }
            _ => Err(CryptoError::DigestNotSupported {
                scheme: scheme.name(),
            }),
        }
    }

    pub(super) fn verify(
        &self,
        scheme: SignatureScheme,
        message: Message<'_>,
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        match message {
            Message::Raw(message) => self.public.verify_sig(message, signature),
            Message::Digest(bytes) => self
                .public
                .verify_digest_sig(&import_digest(scheme, bytes)?, signature),
        }
        .map_err(|_| CryptoError::InvalidSignature)
    }
}

fn sign_ecdsa(
    pair: &EcdsaKeyPair,
    scheme: SignatureScheme,
    message: Message<'_>,
) -> Result<Vec<u8>, CryptoError> {
    let signature = match message {
        Message::Raw(message) => pair.sign(&SystemRandom::new(), message),
        Message::Digest(bytes) => pair.sign_digest(&import_digest(scheme, bytes)?),
    };
    Ok(signature
        .map_err(|_| CryptoError::EngineFailed)?
        .as_ref()
        .to_vec())
}

/// Takes a digest computed by the caller.
pub(super) fn import_digest(scheme: SignatureScheme, bytes: &[u8]) -> Result<Digest, CryptoError> {
    let hash = match scheme.digest_length() {
        Some(32) => &digest::SHA256,
        Some(48) => &digest::SHA384,
        Some(64) => &digest::SHA512,
        _ => {
            return Err(CryptoError::DigestNotSupported {
                scheme: scheme.name(),
            });
        }
    };
    Digest::import_less_safe(bytes, hash).map_err(|_| CryptoError::WrongDigestLength {
        expected: hash.output_len(),
    })
}
