//! A key parsed once, ready for use. It does what its algorithm can; whether the caller may, and
//! whether the key's state allows it, is decided elsewhere.
//!
//! | file | what |
//! |---|---|
//! | `context` | what is authenticated beside a message |
//! | `commit` | the default construction, the hot path |
//! | `nonce` | plain AES-256-GCM and ChaCha20-Poly1305 |
//! | `rsa` | OAEP |
//! | `scheme`, `sign` | signatures |
//! | `raw` | the bare primitives, for formats of other systems |

use aws_lc_rs::aead::{AES_256_GCM, CHACHA20_POLY1305, LessSafeKey, UnboundKey};
use aws_lc_rs::hmac;
use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_768};
use zeroize::Zeroizing;

use crate::algorithm::{Algorithm, Family};
use crate::digest::{hkdf_expand_sha256, hkdf_expand_sha512};
use crate::error::CryptoError;
use crate::keywrap::{kwp_unwrap, kwp_wrap};
use crate::material::KeyMaterial;
use crate::material::asymmetric::{self, Pair};
use crate::random::Random;
use crate::secret::SecretBytes;
use crate::suite::{Content, Suite};
use crate::usage::Usage;

mod commit;
mod context;
mod nonce;
mod raw;
mod rsa;
mod scheme;
mod sign;

pub use context::{CONTEXT_LENGTH_MAX, MessageContext, encode_context};
pub use raw::NONCE_LENGTH;
pub use scheme::{Message, SignatureScheme, UnknownScheme};

/// Longest message that is sealed or signed in one call, in bytes: 64 MiB.
pub const MESSAGE_LENGTH_MAX: usize = 64 << 20;
/// Shortest derived key, in bytes.
pub const DERIVED_LENGTH_MIN: usize = 16;
/// Longest derived key, in bytes (255 blocks of SHA-256).
pub const DERIVED_LENGTH_MAX: usize = 8160;

const DERIVE_INFO: &[u8] = b"keyward/derive/1";

/// A key ready for use, by many threads at once. Its secrets are wiped when it is dropped: ours
/// by us, those inside AWS-LC objects by AWS-LC.
pub struct PreparedKey {
    algorithm: Algorithm,
    inner: Inner,
}

enum Inner {
    Commit(Box<Zeroizing<[u8; 32]>>),
    Aead(Box<LessSafeKey>),
    KeyWrap(Box<Zeroizing<[u8; 32]>>),
    Mac {
        key: Box<hmac::Key>,
        secret: SecretBytes,
    },
    Rsa(Box<rsa::RsaKey>),
    Signature(Box<sign::SignatureKey>),
    Kem {
        private: Option<DecapsulationKey>,
        public: EncapsulationKey,
    },
}

impl PreparedKey {
    /// Parses the key wholly, and checks that a stored public half belongs to it.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`], [`CryptoError::EngineFailed`].
    pub fn new(material: &KeyMaterial) -> Result<Self, CryptoError> {
        let algorithm = material.algorithm();
        let secret = material.secret().expose();
        if !algorithm.info().is_asymmetric() {
            return Ok(Self {
                algorithm,
                inner: symmetric(algorithm, secret)?,
            });
        }
        if let (true, Some(public)) = (material.is_public_only(), material.public()) {
            return Self::from_public(algorithm, public);
        }
        let pair = asymmetric::parse(algorithm, secret)?;
        let public = asymmetric::public_der(&pair)?;
        if material.public() != Some(&public[..]) {
            return Err(CryptoError::InvalidKey);
        }
        let inner = match pair {
            Pair::Rsa(pair) => Inner::Rsa(Box::new(rsa::RsaKey::new(pair, secret, public)?)),
            Pair::MlKem(key) => Inner::Kem {
                private: Some(key),
                public: kem_public(&public)?,
            },
            pair => Inner::Signature(Box::new(sign::SignatureKey::new(
                algorithm,
                Some(pair),
                &public,
            )?)),
        };
        Ok(Self { algorithm, inner })
    }

    /// A key of which only the public half is known: it verifies, encapsulates, and encrypts
    /// (RSA). `public` is `SubjectPublicKeyInfo` DER; raw bytes pass for ML-KEM.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`], also for symmetric algorithms.
    pub fn from_public(algorithm: Algorithm, public: &[u8]) -> Result<Self, CryptoError> {
        let inner = match algorithm.info().family {
            Family::Rsa => Inner::Rsa(Box::new(rsa::RsaKey::from_public(algorithm, public)?)),
            Family::Kem => Inner::Kem {
                private: None,
                public: kem_public(public)?,
            },
            Family::EllipticCurve | Family::LatticeSignature => {
                Inner::Signature(Box::new(sign::SignatureKey::new(algorithm, None, public)?))
            }
            Family::Aead | Family::Mac | Family::KeyWrap => return Err(CryptoError::InvalidKey),
        };
        Ok(Self { algorithm, inner })
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Encrypts data: the result starts with its suite byte and carries all that decryption needs
    /// but the key, the key id, the version and the context.
    ///
    /// # Errors
    /// [`CryptoError::UnsupportedUsage`], [`CryptoError::MessageTooLong`],
    /// [`CryptoError::ContextTooLong`], [`CryptoError::RandomFailed`].
    pub fn encrypt(
        &self,
        context: &MessageContext<'_>,
        plaintext: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, CryptoError> {
        self.seal(Content::Data, Usage::Encrypt, context, plaintext, random)
    }

    /// Undoes [`PreparedKey::encrypt`].
    ///
    /// # Errors
    /// [`CryptoError::UnknownSuite`], [`CryptoError::WrongSuite`] (also for wrapped keys),
    /// [`CryptoError::Truncated`], [`CryptoError::CommitmentMismatch`],
    /// [`CryptoError::AuthenticationFailed`], [`CryptoError::UnsupportedUsage`].
    pub fn decrypt(
        &self,
        context: &MessageContext<'_>,
        sealed: &[u8],
    ) -> Result<SecretBytes, CryptoError> {
        self.open(Content::Data, Usage::Decrypt, context, sealed)
    }

    /// Encrypts another key. Like [`PreparedKey::encrypt`] under a suite of its own, so that a
    /// wrapped key can never be decrypted as data. AES-KWP knows no context: it must be empty.
    ///
    /// # Errors
    /// As [`PreparedKey::encrypt`]; [`CryptoError::MessageEmpty`] for AES-KWP.
    pub fn wrap_key(
        &self,
        context: &MessageContext<'_>,
        key: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, CryptoError> {
        self.seal(Content::Key, Usage::Wrap, context, key, random)
    }

    /// Undoes [`PreparedKey::wrap_key`].
    ///
    /// # Errors
    /// As [`PreparedKey::decrypt`].
    pub fn unwrap_key(
        &self,
        context: &MessageContext<'_>,
        wrapped: &[u8],
    ) -> Result<SecretBytes, CryptoError> {
        self.open(Content::Key, Usage::Unwrap, context, wrapped)
    }

    /// Signs a message or its digest. ECDSA signatures are DER (RFC 3279); RSA-PSS salts are as
    /// long as the digest.
    ///
    /// # Errors
    /// [`CryptoError::WrongScheme`], [`CryptoError::DigestNotSupported`],
    /// [`CryptoError::WrongDigestLength`], [`CryptoError::PublicOnly`],
    /// [`CryptoError::UnsupportedUsage`], [`CryptoError::MessageTooLong`].
    pub fn sign(
        &self,
        scheme: SignatureScheme,
        message: Message<'_>,
    ) -> Result<Vec<u8>, CryptoError> {
        message.check(self.algorithm, scheme, Usage::Sign)?;
        match &self.inner {
            Inner::Rsa(key) => key.sign(scheme, message),
            Inner::Signature(key) => key.sign(scheme, message),
            _ => Err(self.unsupported(Usage::Sign)),
        }
    }

    /// Checks a signature.
    ///
    /// # Errors
    /// [`CryptoError::InvalidSignature`], and those of [`PreparedKey::sign`].
    pub fn verify(
        &self,
        scheme: SignatureScheme,
        message: Message<'_>,
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        message.check(self.algorithm, scheme, Usage::Verify)?;
        match &self.inner {
            Inner::Rsa(key) => key.verify(scheme, message, signature),
            Inner::Signature(key) => key.verify(scheme, message, signature),
            _ => Err(self.unsupported(Usage::Verify)),
        }
    }

    /// The message authentication code, untruncated.
    ///
    /// # Errors
    /// [`CryptoError::UnsupportedUsage`], [`CryptoError::MessageTooLong`].
    pub fn mac(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let key = self.mac_key(Usage::Mac, message)?;
        Ok(hmac::sign(key, message).as_ref().to_vec())
    }

    /// Checks a message authentication code in constant time; truncated codes do not pass.
    ///
    /// # Errors
    /// [`CryptoError::InvalidSignature`], [`CryptoError::UnsupportedUsage`],
    /// [`CryptoError::MessageTooLong`].
    pub fn verify_mac(&self, message: &[u8], tag: &[u8]) -> Result<(), CryptoError> {
        let key = self.mac_key(Usage::VerifyMac, message)?;
        hmac::verify(key, message, tag).map_err(|_| CryptoError::InvalidSignature)
    }

    /// Derives `length` bytes: HKDF-Expand (RFC 5869) with this key as pseudorandom key and the
    /// hash of its algorithm; info = `keyward/derive/1` ‖ length(4) ‖ label length(4) ‖ label ‖
    /// context length(4) ‖ context, so that another label, context or length gives independent
    /// bytes.
    ///
    /// # Errors
    /// [`CryptoError::LengthOutOfRange`], [`CryptoError::ContextTooLong`],
    /// [`CryptoError::UnsupportedUsage`].
    pub fn derive(
        &self,
        label: &[u8],
        context: &[u8],
        length: usize,
    ) -> Result<SecretBytes, CryptoError> {
        let Inner::Mac { secret, .. } = &self.inner else {
            return Err(self.unsupported(Usage::Derive));
        };
        if !(DERIVED_LENGTH_MIN..=DERIVED_LENGTH_MAX).contains(&length) {
            return Err(CryptoError::LengthOutOfRange {
                min: DERIVED_LENGTH_MIN,
                max: DERIVED_LENGTH_MAX,
            });
        }
        if label.len() + context.len() > CONTEXT_LENGTH_MAX {
            return Err(CryptoError::ContextTooLong {
                max: CONTEXT_LENGTH_MAX,
            });
        }
        let mut info = Vec::with_capacity(DERIVE_INFO.len() + 12 + label.len() + context.len());
        info.extend_from_slice(DERIVE_INFO);
        info.extend_from_slice(&(length as u32).to_be_bytes());
        for part in [label, context] {
            info.extend_from_slice(&(part.len() as u32).to_be_bytes());
            info.extend_from_slice(part);
        }
        let mut out = SecretBytes::zeroed(length);
        match self.algorithm {
            Algorithm::HmacSha512 => hkdf_expand_sha512(secret.expose(), &info, out.expose_mut())?,
            _ => hkdf_expand_sha256(secret.expose(), &info, out.expose_mut())?,
        }
        Ok(out)
    }

    /// Makes a shared secret of 32 bytes: the encapsulated key to send, and the secret.
    ///
    /// # Errors
    /// [`CryptoError::UnsupportedUsage`], [`CryptoError::EngineFailed`].
    pub fn encapsulate(&self) -> Result<(Vec<u8>, SecretBytes), CryptoError> {
        let Inner::Kem { public, .. } = &self.inner else {
            return Err(self.unsupported(Usage::Encapsulate));
        };
        let (ciphertext, shared) = public
            .encapsulate()
            .map_err(|_| CryptoError::EngineFailed)?;
        Ok((
            ciphertext.as_ref().to_vec(),
            SecretBytes::copy_from(shared.as_ref()),
        ))
    }

    /// Undoes [`PreparedKey::encapsulate`]. An altered encapsulated key of the right length gives
    /// another secret, not an error (implicit rejection, FIPS 203 section 6.3).
    ///
    /// # Errors
    /// [`CryptoError::InvalidEncapsulation`] for a wrong length, [`CryptoError::PublicOnly`],
    /// [`CryptoError::UnsupportedUsage`].
    pub fn decapsulate(&self, encapsulated: &[u8]) -> Result<SecretBytes, CryptoError> {
        let Inner::Kem { private, .. } = &self.inner else {
            return Err(self.unsupported(Usage::Decapsulate));
        };
        let shared = private
            .as_ref()
            .ok_or(CryptoError::PublicOnly)?
            .decapsulate(Ciphertext::from(encapsulated))
            .map_err(|_| CryptoError::InvalidEncapsulation)?;
        Ok(SecretBytes::copy_from(shared.as_ref()))
    }

    /// An estimate of the memory the key takes, in bytes, for a cache to count.
    pub fn resident_bytes(&self) -> usize {
        let heap = match &self.inner {
            Inner::Commit(_) | Inner::KeyWrap(_) => 32,
            Inner::Aead(_) => 640,
            Inner::Mac { secret, .. } => 768 + secret.len(),
            // Modulus-sized numbers with Montgomery forms, for signing, verifying, encrypting.
            Inner::Rsa(_) => 4096 + self.algorithm.info().size_bits as usize * 2,
            Inner::Signature(_) if self.algorithm == Algorithm::MlDsa65 => 14_000,
            Inner::Signature(_) => 1_500,
            Inner::Kem { .. } => 6_500,
        };
        size_of::<Self>() + heap
    }

    fn seal(
        &self,
        inside: Content,
        usage: Usage,
        context: &MessageContext<'_>,
        plaintext: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, CryptoError> {
        let suite = self.suite(inside, usage)?;
        limit(plaintext)?;
        match &self.inner {
            Inner::Commit(key) => commit::seal(key, suite, context, plaintext, random),
            Inner::Aead(key) => nonce::seal(key, suite, context, plaintext, random),
            Inner::Rsa(key) => key.seal(suite, context, plaintext),
            Inner::KeyWrap(key) => {
                context.require_empty()?;
                let mut sealed = kwp_wrap(key, plaintext)?;
                sealed.insert(0, suite.byte());
                Ok(sealed)
            }
            _ => Err(self.unsupported(usage)),
        }
    }

    fn open(
        &self,
        inside: Content,
        usage: Usage,
        context: &MessageContext<'_>,
        sealed: &[u8],
    ) -> Result<SecretBytes, CryptoError> {
        let suite = self.suite(inside, usage)?;
        let (&byte, body) = sealed.split_first().ok_or(CryptoError::Truncated)?;
        if byte != suite.byte() {
            let found = Suite::from_byte(byte)?.byte();
            return Err(CryptoError::WrongSuite {
                expected: suite.byte(),
                found,
            });
        }
        match &self.inner {
            Inner::Commit(key) => commit::open(key, suite, context, body),
            Inner::Aead(key) => nonce::open(key, suite, context, body),
            Inner::Rsa(key) => key.open(suite, context, body),
            Inner::KeyWrap(key) => {
                context.require_empty()?;
                kwp_unwrap(key, body)
            }
            _ => Err(self.unsupported(usage)),
        }
    }

    fn suite(&self, inside: Content, usage: Usage) -> Result<Suite, CryptoError> {
        Suite::of(self.algorithm, inside).ok_or_else(|| self.unsupported(usage))
    }

    fn mac_key(&self, usage: Usage, message: &[u8]) -> Result<&hmac::Key, CryptoError> {
        limit(message)?;
        match &self.inner {
            Inner::Mac { key, .. } => Ok(key),
            _ => Err(self.unsupported(usage)),
        }
    }

    fn unsupported(&self, usage: Usage) -> CryptoError {
        CryptoError::UnsupportedUsage {
            algorithm: self.algorithm,
            usage,
        }
    }
}

fn limit(message: &[u8]) -> Result<(), CryptoError> {
    if message.len() > MESSAGE_LENGTH_MAX {
        return Err(CryptoError::MessageTooLong {
            max: MESSAGE_LENGTH_MAX,
        });
    }
    Ok(())
}

fn symmetric(algorithm: Algorithm, secret: &[u8]) -> Result<Inner, CryptoError> {
    let key = || {
        <[u8; 32]>::try_from(secret)
            .map(Zeroizing::new)
            .map(Box::new)
    };
    let invalid = |_| CryptoError::InvalidKey;
    Ok(match algorithm {
        Algorithm::Aes256GcmCommit => Inner::Commit(key().map_err(invalid)?),
        Algorithm::Aes256Kwp => Inner::KeyWrap(key().map_err(invalid)?),
        Algorithm::HmacSha256 | Algorithm::HmacSha512 => {
            let hash = match algorithm {
                Algorithm::HmacSha512 => hmac::HMAC_SHA512,
                _ => hmac::HMAC_SHA256,
            };
            Inner::Mac {
                key: Box::new(hmac::Key::new(hash, secret)),
                secret: SecretBytes::copy_from(secret),
            }
        }
        Algorithm::Aes256Gcm | Algorithm::ChaCha20Poly1305 => {
            let cipher = match algorithm {
                Algorithm::Aes256Gcm => &AES_256_GCM,
                _ => &CHACHA20_POLY1305,
            };
            let key = UnboundKey::new(cipher, secret).map_err(|_| CryptoError::InvalidKey)?;
            Inner::Aead(Box::new(LessSafeKey::new(key)))
        }
        _ => return Err(CryptoError::InvalidKey),
    })
}

fn kem_public(public: &[u8]) -> Result<EncapsulationKey, CryptoError> {
    let raw = asymmetric::ml_kem_raw_public(public)?;
    let key = EncapsulationKey::new(&ML_KEM_768, raw).map_err(|_| CryptoError::InvalidKey)?;
    // Parsing checks the length only; encapsulation checks the modulus (FIPS 203, section 7.2).
    key.encapsulate().map_err(|_| CryptoError::InvalidKey)?;
    Ok(key)
}
