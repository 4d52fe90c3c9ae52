//! Signatures of ECDSA, Ed25519 and ML-DSA keys. The request was checked by `scheme`.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P256K1_SHA256_ASN1,
    ECDSA_P256K1_SHA256_FIXED, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_FIXED,
    ECDSA_P521_SHA512_ASN1, ECDSA_P521_SHA512_FIXED, ED25519, EcdsaKeyPair,
    EcdsaVerificationAlgorithm, ML_DSA_44, ML_DSA_65, ML_DSA_87, ParsedPublicKey,
    VerificationAlgorithm,
};

use super::encoding::{SignatureEncoding, side_by_side};
use super::scheme::{Message, SignatureScheme};
use crate::algorithm::Algorithm;
use crate::error::CryptoError;
use crate::material::asymmetric::{Pair, ml_dsa_signing};

/// A key pair, or only its public half.
pub(super) struct SignatureKey {
    algorithm: Algorithm,
    pair: Option<Pair>,
    public: ParsedPublicKey,
    /// For ECDSA: the same key, parsed for signatures whose integers stand side by side.
    raw: Option<ParsedPublicKey>,
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
            Algorithm::EcdsaP521 => &ECDSA_P521_SHA512_ASN1,
            Algorithm::EcdsaSecp256k1 => &ECDSA_P256K1_SHA256_ASN1,
            Algorithm::Ed25519 => &ED25519,
            Algorithm::MlDsa44 => &ML_DSA_44,
            Algorithm::MlDsa65 => &ML_DSA_65,
            Algorithm::MlDsa87 => &ML_DSA_87,
            _ => return Err(CryptoError::InvalidKey),
        };
        let parse = |verification| {
            ParsedPublicKey::new(verification, public).map_err(|_| CryptoError::InvalidKey)
        };
        Ok(Self {
            algorithm,
            pair,
            public: parse(verification)?,
            raw: match raw_verification(algorithm) {
                Some(verification) => Some(parse(verification)?),
                None => None,
            },
        })
    }

    pub(super) fn sign(
        &self,
        scheme: SignatureScheme,
        encoding: SignatureEncoding,
        message: Message<'_>,
    ) -> Result<Vec<u8>, CryptoError> {
        self.check(encoding)?;
        let failed = |_| CryptoError::EngineFailed;
        match (self.pair.as_ref().ok_or(CryptoError::PublicOnly)?, message) {
            (Pair::Ecdsa(pair), message) => {
                let der = sign_ecdsa(pair, scheme, message)?;
                match encoding {
                    SignatureEncoding::Der => Ok(der),
                    SignatureEncoding::Raw => side_by_side(&der, self.field_length()),
                }
            }
            (Pair::Ed25519(pair), Message::Raw(message)) => {
                Ok(pair.try_sign(message).map_err(failed)?.as_ref().to_vec())
            }
            (Pair::MlDsa(pair), Message::Raw(message)) => {
                let mut signature = vec![0; ml_dsa_signing(self.algorithm)?.signature_len()];
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
        encoding: SignatureEncoding,
        message: Message<'_>,
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        self.check(encoding)?;
        let public = match (encoding, &self.raw) {
            (SignatureEncoding::Raw, Some(raw)) => raw,
            _ => &self.public,
        };
        match message {
            Message::Raw(message) => public.verify_sig(message, signature),
            Message::Digest(bytes) => {
                public.verify_digest_sig(&import_digest(scheme, bytes)?, signature)
            }
        }
        .map_err(|_| CryptoError::InvalidSignature)
    }

    fn check(&self, encoding: SignatureEncoding) -> Result<(), CryptoError> {
        if encoding == SignatureEncoding::Raw && self.raw.is_none() {
            return Err(CryptoError::EncodingNotSupported {
                algorithm: self.algorithm,
            });
        }
        Ok(())
    }

    /// Bytes of an integer of the curve's field.
    fn field_length(&self) -> usize {
        self.algorithm.info().size_bits.div_ceil(8) as usize
    }
}

fn raw_verification(algorithm: Algorithm) -> Option<&'static EcdsaVerificationAlgorithm> {
    match algorithm {
        Algorithm::EcdsaP256 => Some(&ECDSA_P256_SHA256_FIXED),
        Algorithm::EcdsaP384 => Some(&ECDSA_P384_SHA384_FIXED),
        Algorithm::EcdsaP521 => Some(&ECDSA_P521_SHA512_FIXED),
        Algorithm::EcdsaSecp256k1 => Some(&ECDSA_P256K1_SHA256_FIXED),
        _ => None,
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
