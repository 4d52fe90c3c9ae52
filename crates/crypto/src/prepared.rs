//! A key parsed once, ready for use. It does what its algorithm can; whether the caller may, and
//! whether the key's state allows it, is decided elsewhere.
//!
//! | file | what |
//! |---|---|
//! | `context` | what is authenticated beside a message |
//! | `commit` | the default construction, the hot path |
//! | `nonce` | plain AES-GCM, ChaCha20-Poly1305 and AES-GCM-SIV |
//! | `xaes`, `convergent` | XAES-256-GCM; deterministic AES-GCM-SIV |
//! | `rsa` | OAEP |
//! | `derive` | keys from keys, and agreement |
//! | `scheme`, `sign`, `encoding` | signatures |
//! | `inner` | what each kind of key is made of |
//! | `raw` | the bare primitives, for formats of other systems |

use aws_lc_rs::kem::Ciphertext;
use aws_lc_rs::{cmac, hmac};

use crate::algorithm::Algorithm;
use crate::digest::Hash;
use crate::error::CryptoError;
use crate::material::KeyMaterial;
use crate::random::Random;
use crate::secret::{SecretBytes, scrubbed};
use crate::suite::{Content, Suite};
use crate::usage::Usage;

mod commit;
mod context;
mod convergent;
mod derive;
mod encoding;
mod inner;
mod nonce;
mod raw;
mod rsa;
mod scheme;
mod sign;
mod xaes;

pub use context::{CONTEXT_LENGTH_MAX, MessageContext, encode_context};
pub use derive::{
    AgreedSecret, DERIVED_LENGTH_MAX, DERIVED_LENGTH_MIN, Derivation, Kdf, UnknownKdf,
};
pub use encoding::{SignatureEncoding, UnknownEncoding};
use inner::Inner;
pub use raw::NONCE_LENGTH;
pub use scheme::{Message, SignatureScheme, UnknownScheme};
pub use xaes::XAES_NONCE_LENGTH;

/// Longest message that is sealed or signed in one call, in bytes: 64 MiB.
pub const MESSAGE_LENGTH_MAX: usize = 64 << 20;
/// The HPKE info of messages sealed by hybrid keys; key, version and context are in the aad.
const HYBRID_INFO: &[u8] = b"keyward/msg/1";

/// A key ready for use, by many threads at once. Its secrets are wiped when it is dropped: ours
/// by us, those inside AWS-LC objects by AWS-LC.
pub struct PreparedKey {
    algorithm: Algorithm,
    inner: Inner,
}

impl PreparedKey {
    /// Parses the key wholly, and checks that a stored public half belongs to it.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`], [`CryptoError::EngineFailed`],
    /// [`CryptoError::NotInFipsModule`].
    pub fn new(material: &KeyMaterial) -> Result<Self, CryptoError> {
        let algorithm = material.algorithm();
        algorithm.ensure_available()?;
        Ok(Self {
            algorithm,
            inner: Inner::new(material)?,
        })
    }

    /// A key of which only the public half is known: it verifies, encapsulates, and encrypts (RSA,
    /// hybrid); for key agreement it is only checked. `public` is `SubjectPublicKeyInfo` DER; raw
    /// bytes pass for ML-KEM, the hybrid and key agreement.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`], also for symmetric algorithms;
    /// [`CryptoError::NotInFipsModule`].
    pub fn from_public(algorithm: Algorithm, public: &[u8]) -> Result<Self, CryptoError> {
        algorithm.ensure_available()?;
        Ok(Self {
            algorithm,
            inner: Inner::from_public(algorithm, public)?,
        })
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
        self.encrypt_with(None, context, plaintext, random)
    }

    /// Encrypts data like [`PreparedKey::encrypt`], by RSA-OAEP with another hash than SHA-256 if
    /// one is given. Decryption finds the hash in the suite byte.
    ///
    /// # Errors
    /// As [`PreparedKey::encrypt`]; [`CryptoError::OaepNotSupported`].
    pub fn encrypt_with(
        &self,
        oaep: Option<Hash>,
        context: &MessageContext<'_>,
        plaintext: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, CryptoError> {
        let suite = self.sealing_suite(Content::Data, Usage::Encrypt, oaep)?;
        self.seal(suite, Usage::Encrypt, context, plaintext, random)
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
    /// wrapped key can never be decrypted as data. AES-KW and AES-KWP know no context: it must be empty.
    ///
    /// # Errors
    /// As [`PreparedKey::encrypt`]; [`CryptoError::MessageEmpty`] for AES-KWP,
    /// [`CryptoError::NotWholeBlocks`] for AES-KW.
    pub fn wrap_key(
        &self,
        context: &MessageContext<'_>,
        key: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, CryptoError> {
        self.wrap_key_with(None, context, key, random)
    }

    /// Encrypts another key like [`PreparedKey::wrap_key`], by RSA-OAEP with another hash than
    /// SHA-256 if one is given.
    ///
    /// # Errors
    /// As [`PreparedKey::wrap_key`]; [`CryptoError::OaepNotSupported`].
    pub fn wrap_key_with(
        &self,
        oaep: Option<Hash>,
        context: &MessageContext<'_>,
        key: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, CryptoError> {
        let suite = self.sealing_suite(Content::Key, Usage::Wrap, oaep)?;
        self.seal(suite, Usage::Wrap, context, key, random)
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
        self.sign_encoded(scheme, SignatureEncoding::Der, message)
    }

    /// Signs like [`PreparedKey::sign`], in this encoding.
    ///
    /// # Errors
    /// As [`PreparedKey::sign`]; [`CryptoError::EncodingNotSupported`] for raw signatures of other
    /// keys than ECDSA's.
    pub fn sign_encoded(
        &self,
        scheme: SignatureScheme,
        encoding: SignatureEncoding,
        message: Message<'_>,
    ) -> Result<Vec<u8>, CryptoError> {
        message.check(self.algorithm, scheme, Usage::Sign)?;
        match &self.inner {
            Inner::Rsa(key) => {
                self.require_der(encoding)?;
                key.sign(scheme, message)
            }
            Inner::Signature(key) => key.sign(scheme, encoding, message),
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
        self.verify_encoded(scheme, SignatureEncoding::Der, message, signature)
    }

    /// Checks a signature in this encoding.
    ///
    /// # Errors
    /// As [`PreparedKey::verify`]; [`CryptoError::EncodingNotSupported`].
    pub fn verify_encoded(
        &self,
        scheme: SignatureScheme,
        encoding: SignatureEncoding,
        message: Message<'_>,
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        message.check(self.algorithm, scheme, Usage::Verify)?;
        match &self.inner {
            Inner::Rsa(key) => {
                self.require_der(encoding)?;
                key.verify(scheme, message, signature)
            }
            Inner::Signature(key) => key.verify(scheme, encoding, message, signature),
            _ => Err(self.unsupported(Usage::Verify)),
        }
    }

    /// The message authentication code, untruncated.
    ///
    /// # Errors
    /// [`CryptoError::UnsupportedUsage`], [`CryptoError::MessageTooLong`].
    pub fn mac(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        limit(message)?;
        match &self.inner {
            Inner::Mac { key, .. } => Ok(hmac::sign(key, message).as_ref().to_vec()),
            Inner::Cmac(key) => {
                let tag = cmac::sign(key, message).map_err(|_| CryptoError::EngineFailed)?;
                Ok(tag.as_ref().to_vec())
            }
            _ => Err(self.unsupported(Usage::Mac)),
        }
    }

    /// Checks a message authentication code in constant time; truncated codes do not pass.
    ///
    /// # Errors
    /// [`CryptoError::InvalidSignature`], [`CryptoError::UnsupportedUsage`],
    /// [`CryptoError::MessageTooLong`].
    pub fn verify_mac(&self, message: &[u8], tag: &[u8]) -> Result<(), CryptoError> {
        limit(message)?;
        match &self.inner {
            Inner::Mac { key, .. } => hmac::verify(key, message, tag),
            Inner::Cmac(key) => cmac::verify(key, message, tag),
            _ => return Err(self.unsupported(Usage::VerifyMac)),
        }
        .map_err(|_| CryptoError::InvalidSignature)
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
        size_of::<Self>() + self.inner.heap_bytes(self.algorithm)
    }

    fn seal(
        &self,
        suite: Suite,
        usage: Usage,
        context: &MessageContext<'_>,
        plaintext: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, CryptoError> {
        limit(plaintext)?;
        match &self.inner {
            Inner::Commit(key) => commit::seal(key, suite, context, plaintext, random),
            Inner::Aead(key) => nonce::seal(key, suite, context, plaintext, random),
            Inner::Xaes(key) => xaes::seal(key, suite, context, plaintext, random),
            Inner::Convergent(key) => key.seal(suite, context, plaintext),
            Inner::Rsa(key) => key.seal(suite, context, plaintext),
            Inner::Hybrid { public, .. } => {
                let aad = context.associated_data(suite)?;
                let mut sealed = public.seal(HYBRID_INFO, aad.as_ref(), plaintext, random)?;
                sealed.insert(0, suite.byte());
                Ok(sealed)
            }
            Inner::KeyWrap(key) => {
                context.require_empty()?;
                // The cipher's key schedule, which begins with the key, is built on the stack.
                let mut sealed = scrubbed(|| key.wrap(plaintext))?;
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
        let usual = self.suite(inside, usage)?;
        let (&byte, body) = sealed.split_first().ok_or(CryptoError::Truncated)?;
        let suite = Suite::from_byte(byte)?;
        if suite.content() != inside || !suite.fits(self.algorithm) {
            return Err(CryptoError::WrongSuite {
                expected: usual.byte(),
                found: byte,
            });
        }
        match &self.inner {
            Inner::Commit(key) => commit::open(key, suite, context, body),
            Inner::Aead(key) => nonce::open(key, suite, context, body),
            Inner::Xaes(key) => xaes::open(key, suite, context, body),
            Inner::Convergent(key) => key.open(suite, context, body),
            Inner::Rsa(key) => key.open(suite, context, body),
            Inner::Hybrid { private, .. } => {
                let private = private.as_ref().ok_or(CryptoError::PublicOnly)?;
                let aad = context.associated_data(suite)?;
                private.open(HYBRID_INFO, aad.as_ref(), body)
            }
            Inner::KeyWrap(key) => {
                context.require_empty()?;
                scrubbed(|| key.unwrap(body))
            }
            _ => Err(self.unsupported(usage)),
        }
    }

    fn suite(&self, inside: Content, usage: Usage) -> Result<Suite, CryptoError> {
        Suite::of(self.algorithm, inside).ok_or_else(|| self.unsupported(usage))
    }

    fn sealing_suite(
        &self,
        inside: Content,
        usage: Usage,
        oaep: Option<Hash>,
    ) -> Result<Suite, CryptoError> {
        let usual = self.suite(inside, usage)?;
        match oaep {
            None => Ok(usual),
            Some(hash) if usual.oaep_hash().is_some() => Ok(Suite::with_oaep(hash, inside)),
            Some(_) => Err(CryptoError::OaepNotSupported {
                algorithm: self.algorithm,
            }),
        }
    }

    fn require_der(&self, encoding: SignatureEncoding) -> Result<(), CryptoError> {
        match encoding {
            SignatureEncoding::Der => Ok(()),
            SignatureEncoding::Raw => Err(CryptoError::EncodingNotSupported {
                algorithm: self.algorithm,
            }),
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
