//! What a prepared key is made of, one variant for each construction.

use aws_lc_rs::aead::{
    self, AES_128_GCM, AES_128_GCM_SIV, AES_192_GCM, AES_256_GCM, AES_256_GCM_SIV,
    CHACHA20_POLY1305, LessSafeKey, UnboundKey,
};
use aws_lc_rs::agreement::PrivateKey;
use aws_lc_rs::kem::{DecapsulationKey, EncapsulationKey};
use aws_lc_rs::{cmac, hmac};
use keyward_memory::Locked;

use super::convergent::ConvergentKey;
use super::rsa::RsaKey;
use super::sign::SignatureKey;
use crate::algorithm::{Algorithm, Family};
use crate::error::CryptoError;
use crate::hybrid::{HybridPublic, HybridSecret};
use crate::keywrap;
use crate::material::KeyMaterial;
use crate::material::asymmetric::{self, Pair};
use crate::material::exchange;
use crate::material::ml_kem::{self, ParameterSet};
use crate::secret::SecretBytes;

pub(super) enum Inner {
    Commit(Locked<[u8; 32]>),
    Aead(Box<LessSafeKey>),
    Xaes(Box<cmac::Key>),
    Convergent(Box<ConvergentKey>),
    KeyWrap(KeyWrapKey),
    Mac {
        key: Box<hmac::Key>,
        secret: SecretBytes,
    },
    Cmac(Box<cmac::Key>),
    Rsa(Box<RsaKey>),
    Signature(Box<SignatureKey>),
    Kem {
        private: Option<DecapsulationKey>,
        public: EncapsulationKey,
    },
    Agreement {
        private: Option<PrivateKey>,
    },
    Hybrid {
        private: Option<Box<HybridSecret>>,
        public: Box<HybridPublic>,
    },
}

/// A key-encryption key, and whether it pads.
pub(super) struct KeyWrapKey {
    secret: SecretBytes,
    pads: bool,
}

impl KeyWrapKey {
    pub(super) fn wrap(&self, key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        if self.pads {
            keywrap::kwp_wrap(self.secret.expose(), key)
        } else {
            keywrap::kw_wrap(self.secret.expose(), key)
        }
    }

    pub(super) fn unwrap(&self, wrapped: &[u8]) -> Result<SecretBytes, CryptoError> {
        if self.pads {
            keywrap::kwp_unwrap(self.secret.expose(), wrapped)
        } else {
            keywrap::kw_unwrap(self.secret.expose(), wrapped)
        }
    }
}

impl Inner {
    pub(super) fn new(material: &KeyMaterial) -> Result<Self, CryptoError> {
        let algorithm = material.algorithm();
        let secret = material.secret().expose();
        if !algorithm.info().is_asymmetric() {
            return Self::symmetric(algorithm, secret);
        }
        if let (true, Some(public)) = (material.is_public_only(), material.public()) {
            return Self::from_public(algorithm, public);
        }
        let pair = asymmetric::parse(algorithm, secret)?;
        let public = asymmetric::public_der(algorithm, &pair)?;
        if material.public() != Some(&public[..]) {
            return Err(CryptoError::InvalidKey);
        }
        Ok(match pair {
            Pair::Rsa(pair) => Self::Rsa(Box::new(RsaKey::new(pair, secret, public)?)),
            Pair::MlKem(key) => Self::Kem {
                private: Some(key),
                public: ml_kem::parse_public(ParameterSet::of(algorithm)?, &public)?,
            },
            Pair::Agreement(key) => Self::Agreement { private: Some(key) },
            Pair::Hybrid(key) => Self::Hybrid {
                public: Box::new(key.public()),
                private: Some(key),
            },
            pair => Self::Signature(Box::new(SignatureKey::new(algorithm, Some(pair), &public)?)),
        })
    }

    pub(super) fn from_public(algorithm: Algorithm, public: &[u8]) -> Result<Self, CryptoError> {
        Ok(match algorithm.info().family {
            Family::Rsa => Self::Rsa(Box::new(RsaKey::from_public(algorithm, public)?)),
            Family::Kem => Self::Kem {
                private: None,
                public: ml_kem::parse_public(ParameterSet::of(algorithm)?, public)?,
            },
            Family::EllipticCurve | Family::LatticeSignature => {
                Self::Signature(Box::new(SignatureKey::new(algorithm, None, public)?))
            }
            Family::Agreement => {
                exchange::check_public(algorithm, public)?;
                Self::Agreement { private: None }
            }
            Family::Hybrid => Self::Hybrid {
                private: None,
                public: Box::new(HybridPublic::from_bytes(public)?),
            },
            Family::Aead | Family::Mac | Family::KeyWrap => return Err(CryptoError::InvalidKey),
        })
    }

    fn symmetric(algorithm: Algorithm, secret: &[u8]) -> Result<Self, CryptoError> {
        let invalid = |_| CryptoError::InvalidKey;
        let cmac_key =
            |algorithm| cmac::Key::new(algorithm, secret).map_err(|_| CryptoError::InvalidKey);
        Ok(match algorithm {
            Algorithm::Aes256GcmCommit => {
                let key: &[u8; 32] = secret.try_into().map_err(|_| CryptoError::InvalidKey)?;
                Self::Commit(Locked::copy_of(key))
            }
            Algorithm::Xaes256Gcm => Self::Xaes(Box::new(cmac_key(cmac::AES_256)?)),
            Algorithm::Aes256GcmSivConvergent => {
                Self::Convergent(Box::new(ConvergentKey::new(secret)?))
            }
            Algorithm::Aes128Cmac => Self::Cmac(Box::new(cmac_key(cmac::AES_128)?)),
            Algorithm::Aes256Cmac => Self::Cmac(Box::new(cmac_key(cmac::AES_256)?)),
            Algorithm::Aes128Kw
            | Algorithm::Aes256Kw
            | Algorithm::Aes128Kwp
            | Algorithm::Aes256Kwp => Self::KeyWrap(KeyWrapKey {
                secret: SecretBytes::copy_from(secret),
                pads: matches!(algorithm, Algorithm::Aes128Kwp | Algorithm::Aes256Kwp),
            }),
            Algorithm::HmacSha256 | Algorithm::HmacSha384 | Algorithm::HmacSha512 => {
                let hash = match algorithm {
                    Algorithm::HmacSha512 => hmac::HMAC_SHA512,
                    Algorithm::HmacSha384 => hmac::HMAC_SHA384,
                    _ => hmac::HMAC_SHA256,
                };
                Self::Mac {
                    key: Box::new(hmac::Key::new(hash, secret)),
                    secret: SecretBytes::copy_from(secret),
                }
            }
            _ => {
                let key = UnboundKey::new(nonce_cipher(algorithm)?, secret).map_err(invalid)?;
                Self::Aead(Box::new(LessSafeKey::new(key)))
            }
        })
    }

    /// An estimate of the bytes on the heap.
    pub(super) fn heap_bytes(&self, algorithm: Algorithm) -> usize {
        match self {
            Self::Commit(_) | Self::KeyWrap(_) => 32,
            Self::Aead(_) | Self::Xaes(_) | Self::Cmac(_) => 640,
            Self::Convergent(_) => 1_500,
            Self::Mac { secret, .. } => 768 + secret.len(),
            // Modulus-sized numbers with Montgomery forms, for signing, verifying, encrypting.
            Self::Rsa(_) => 4096 + algorithm.info().size_bits as usize * 2,
            Self::Signature(_) if algorithm.info().family == Family::LatticeSignature => 18_000,
            Self::Signature(_) => 2_200,
            Self::Kem { .. } | Self::Hybrid { .. } => 8_500,
            Self::Agreement { .. } => 600,
        }
    }
}

/// The ciphers that take a random nonce of 96 bits.
fn nonce_cipher(algorithm: Algorithm) -> Result<&'static aead::Algorithm, CryptoError> {
    match algorithm {
        Algorithm::Aes128Gcm => Ok(&AES_128_GCM),
        Algorithm::Aes192Gcm => Ok(&AES_192_GCM),
        Algorithm::Aes256Gcm => Ok(&AES_256_GCM),
        Algorithm::ChaCha20Poly1305 => Ok(&CHACHA20_POLY1305),
        Algorithm::Aes128GcmSiv => Ok(&AES_128_GCM_SIV),
        Algorithm::Aes256GcmSiv => Ok(&AES_256_GCM_SIV),
        _ => Err(CryptoError::InvalidKey),
    }
}
