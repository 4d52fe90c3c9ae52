//! The wrapping under which keys travel: to a key made here (import), or to a key of the
//! receiver (export). Layouts: `docs/formats/import.md`.

use std::fmt;
use std::str::FromStr;

use ::pkcs8::PrivateKeyInfoRef;
use ::pkcs8::der::Decode as _;
use ::pkcs8::spki::SubjectPublicKeyInfoRef;
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use pkcs1::RsaPublicKeyRef;

use super::error::{ExchangeError, malformed};
use super::kind::{RSA_ENCRYPTION, X_WING};
use super::{LENGTH_MAX, pem, pkcs8, strength};
use crate::algorithm::Algorithm;
use crate::error::CryptoError;
use crate::hybrid::{HybridPublic, HybridSecret};
use crate::keywrap::{KEK_LENGTH, kwp_unwrap, kwp_wrap};
use crate::random::{self, Random};
use crate::secret::SecretBytes;

/// What a key is wrapped for when it comes in: how HPKE's `info` begins.
pub const IMPORT_INFO: &[u8] = b"keyward/import/1";
/// What a key is wrapped for when it goes out: how HPKE's `info` begins.
pub const EXPORT_INFO: &[u8] = b"keyward/export/1";

/// What HPKE binds beside a key that comes in: the wrapping key's id, hyphenated.
pub fn import_binding(import_key: uuid::Uuid) -> String {
    import_key.as_hyphenated().to_string()
}

/// What HPKE binds beside a key that goes out: `<key id>.<version>`.
pub fn export_binding(key: uuid::Uuid, version: i64) -> String {
    format!("{}.{version}", key.as_hyphenated())
}

/// How a key is wrapped for its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WrapMethod {
    /// `RSA-OAEP(SHA-256, MGF1 with SHA-256, no label; a fresh AES-256 key) ‖ AES-KWP(key)`: the
    /// layout of PKCS#11's `CKM_RSA_AES_KEY_WRAP`. It binds no context: the same bytes may be
    /// given to any import that this key may open.
    RsaOaepAesKwp,
    /// HPKE with X-Wing, as [`crate::hybrid`]; bound to what it is for.
    HpkeXWing,
}

impl WrapMethod {
    /// Every method.
    pub const ALL: &'static [Self] = &[Self::RsaOaepAesKwp, Self::HpkeXWing];

    /// The canonical name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaOaepAesKwp => "rsa-oaep-256-aes-kwp",
            Self::HpkeXWing => "hpke-x-wing",
        }
    }

    /// Refuses a method that this build leaves out: with the feature `fips`, X-Wing.
    ///
    /// # Errors
    /// [`ExchangeError::MethodNotInFipsModule`].
    pub fn ensure_available(self) -> Result<(), ExchangeError> {
        let missing = match self {
            Self::RsaOaepAesKwp => Ok(()),
            Self::HpkeXWing => Algorithm::X25519MlKem768.ensure_available(),
        };
        missing.map_err(|_| ExchangeError::MethodNotInFipsModule {
            method: self,
            instead: Self::RsaOaepAesKwp,
        })
    }

    const fn byte(self) -> u8 {
        match self {
            Self::RsaOaepAesKwp => 1,
            Self::HpkeXWing => 2,
        }
    }
}

impl fmt::Display for WrapMethod {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for WrapMethod {
    type Err = super::UnknownFormat;

    fn from_str(name: &str) -> Result<Self, super::UnknownFormat> {
        Self::ALL
            .iter()
            .copied()
            .find(|method| method.name() == name)
            .ok_or(super::UnknownFormat)
    }
}

/// The private half of a wrapping key. Zeroized on drop; neither printable nor clonable.
pub struct WrappingKey {
    method: WrapMethod,
    /// PKCS#8 DER, or a seed of 32 bytes.
    secret: SecretBytes,
    public: Vec<u8>,
}

impl WrappingKey {
    /// A fresh key: RSA with 4,096 bits, or X-Wing.
    ///
    /// # Errors
    /// [`ExchangeError::MethodNotInFipsModule`], [`ExchangeError::Engine`].
    pub fn generate(method: WrapMethod, random: &dyn Random) -> Result<Self, ExchangeError> {
        method.ensure_available()?;
        let failed = |_| ExchangeError::Engine(CryptoError::EngineFailed);
        let secret = match method {
            WrapMethod::RsaOaepAesKwp => {
                let key = PrivateDecryptingKey::generate(KeySize::Rsa4096).map_err(failed)?;
                SecretBytes::copy_from(key.as_der().map_err(failed)?.as_ref())
            }
            WrapMethod::HpkeXWing => HybridSecret::generate(random)
                .map_err(ExchangeError::Engine)?
                .to_seed(),
        };
        Self::from_secret(method, secret)
    }

    /// The key with this private half: PKCS#8 DER for RSA, the seed of 32 bytes for X-Wing.
    ///
    /// # Errors
    /// [`ExchangeError::MethodNotInFipsModule`], [`ExchangeError::Malformed`],
    /// [`ExchangeError::Engine`].
    pub fn from_secret(method: WrapMethod, secret: SecretBytes) -> Result<Self, ExchangeError> {
        method.ensure_available()?;
        let failed = |_| ExchangeError::Engine(CryptoError::EngineFailed);
        let public = match method {
            WrapMethod::RsaOaepAesKwp => {
                let key = PrivateDecryptingKey::from_pkcs8(secret.expose())
                    .map_err(|_| malformed("this is no RSA key in PKCS#8"))?;
                let public: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(failed)?;
                public.as_ref().to_vec()
            }
            WrapMethod::HpkeXWing => HybridSecret::from_seed(secret.expose())
                .map_err(|_| malformed("an X-Wing key is a seed of 32 bytes"))?
                .public()
                .to_spki(),
        };
        Ok(Self {
            method,
            secret,
            public,
        })
    }

    /// The key in a private PEM, for who receives keys at the command line. An X-Wing key is its
    /// seed, as draft-connolly-cfrg-xwing-kem has it.
    ///
    /// # Errors
    /// [`ExchangeError::Malformed`], and those of [`WrappingKey::from_secret`].
    pub fn read_private(bytes: &[u8]) -> Result<Self, ExchangeError> {
        let der = pem::private_der(bytes)?;
        let info = PrivateKeyInfoRef::from_der(der.expose())
            .map_err(|_| malformed("this is no PKCS#8 PrivateKeyInfo"))?;
        if info.algorithm.oid == X_WING {
            let seed = SecretBytes::copy_from(info.private_key.as_bytes());
            return Self::from_secret(WrapMethod::HpkeXWing, seed);
        }
        Self::from_secret(WrapMethod::RsaOaepAesKwp, der)
    }

    /// Undoes [`WrappingKey::read_private`].
    ///
    /// # Errors
    /// [`ExchangeError::Malformed`] for what does not fit into PEM.
    pub fn private_pem(&self) -> Result<SecretBytes, ExchangeError> {
        match self.method {
            WrapMethod::RsaOaepAesKwp => pem::private_pem(&self.secret),
            WrapMethod::HpkeXWing => {
                pem::private_pem(&pkcs8::info(X_WING, None, self.secret.expose())?)
            }
        }
    }

    /// The bytes to store: `method(1) ‖ private half`.
    #[must_use]
    pub fn encode(&self) -> SecretBytes {
        let mut bytes = SecretBytes::zeroed(self.secret.len() + 1);
        if let Some((first, rest)) = bytes.expose_mut().split_first_mut() {
            *first = self.method.byte();
            rest.copy_from_slice(self.secret.expose());
        }
        bytes
    }

    /// Undoes [`WrappingKey::encode`].
    ///
    /// # Errors
    /// [`ExchangeError::UnknownWrappingKey`], and those of [`WrappingKey::from_secret`].
    pub fn decode(bytes: &SecretBytes) -> Result<Self, ExchangeError> {
        let (first, rest) = bytes
            .expose()
            .split_first()
            .ok_or(malformed("an empty wrapping key"))?;
        let method = WrapMethod::ALL
            .iter()
            .copied()
            .find(|method| method.byte() == *first)
            .ok_or(ExchangeError::UnknownWrappingKey(*first))?;
        Self::from_secret(method, SecretBytes::copy_from(rest))
    }

    /// How it wraps.
    pub const fn method(&self) -> WrapMethod {
        self.method
    }

    /// The public half as `SubjectPublicKeyInfo` DER.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The public half as PEM.
    ///
    /// # Errors
    /// [`ExchangeError::Malformed`] for what does not fit into PEM.
    pub fn public_pem(&self) -> Result<String, ExchangeError> {
        pem::public_pem(&self.public)
    }

    /// Opens what [`Recipient::wrap`] made for this key. Why it does not open is not said.
    ///
    /// # Errors
    /// [`ExchangeError::NotOpened`], [`ExchangeError::TooLong`].
    pub fn open(
        &self,
        info: &[u8],
        binding: &[u8],
        wrapped: &[u8],
    ) -> Result<SecretBytes, ExchangeError> {
        if wrapped.len() > LENGTH_MAX {
            return Err(ExchangeError::TooLong { max: LENGTH_MAX });
        }
        let unopened = ExchangeError::NotOpened;
        match self.method {
            WrapMethod::RsaOaepAesKwp => {
                let key = PrivateDecryptingKey::from_pkcs8(self.secret.expose())
                    .map_err(|_| malformed("this is no RSA key in PKCS#8"))?;
                let key = OaepPrivateDecryptingKey::new(key).map_err(|_| unopened)?;
                let (first, rest) = wrapped
                    .split_at_checked(key.key_size_bytes())
                    .ok_or(unopened)?;
                let mut ephemeral = SecretBytes::zeroed(key.min_output_size());
                let length = key
                    .decrypt(&OAEP_SHA256_MGF1SHA256, first, ephemeral.expose_mut(), None)
                    .map_err(|_| unopened)?
                    .len();
                ephemeral.shorten(length);
                let kek: &[u8; KEK_LENGTH] = ephemeral.expose().try_into().map_err(|_| unopened)?;
                kwp_unwrap(kek, rest).map_err(|_| unopened)
            }
            WrapMethod::HpkeXWing => HybridSecret::from_seed(self.secret.expose())
                .map_err(ExchangeError::Engine)?
                .open(&bound(info, binding), &[], wrapped)
                .map_err(|_| unopened),
        }
    }
}

/// A public key that keys are wrapped to.
pub struct Recipient {
    key: RecipientKey,
    der: Vec<u8>,
}

enum RecipientKey {
    Rsa(OaepPublicEncryptingKey),
    Hybrid(Box<HybridPublic>),
}

impl Recipient {
    /// Reads `SubjectPublicKeyInfo`, as DER or PEM: RSA of 3,072 to 8,192 bits, or X-Wing.
    ///
    /// # Errors
    /// [`ExchangeError::MethodNotInFipsModule`], [`ExchangeError::Recipient`],
    /// [`ExchangeError::Malformed`], [`ExchangeError::Weak`], [`ExchangeError::Factorable`].
    pub fn read(method: WrapMethod, bytes: &[u8]) -> Result<Self, ExchangeError> {
        method.ensure_available()?;
        if bytes.len() > LENGTH_MAX {
            return Err(ExchangeError::TooLong { max: LENGTH_MAX });
        }
        let der = pem::public_der(bytes)?;
        let key = match method {
            WrapMethod::RsaOaepAesKwp => RecipientKey::Rsa(rsa_recipient(&der)?),
            WrapMethod::HpkeXWing => {
                let key = HybridPublic::from_bytes(&der).map_err(|_| ExchangeError::Recipient {
                    why: "it is no X-Wing key in SubjectPublicKeyInfo",
                })?;
                RecipientKey::Hybrid(Box::new(key))
            }
        };
        Ok(Self { key, der })
    }

    /// `SubjectPublicKeyInfo` DER, by whose digest a recipient is known in logs.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Wraps a key. `info` says what for and `binding` to which key; HPKE authenticates both.
    ///
    /// # Errors
    /// [`ExchangeError::Engine`].
    pub fn wrap(
        &self,
        info: &[u8],
        binding: &[u8],
        key: &SecretBytes,
        random: &dyn Random,
    ) -> Result<Vec<u8>, ExchangeError> {
        match &self.key {
            RecipientKey::Rsa(recipient) => {
                let ephemeral =
                    random::secret(random, KEK_LENGTH).map_err(ExchangeError::Engine)?;
                let failed = ExchangeError::Engine(CryptoError::EngineFailed);
                let kek: &[u8; KEK_LENGTH] = ephemeral.expose().try_into().map_err(|_| failed)?;
                let mut out = vec![0; recipient.ciphertext_size()];
                recipient
                    .encrypt(&OAEP_SHA256_MGF1SHA256, kek, &mut out, None)
                    .map_err(|_| failed)?;
                out.extend(kwp_wrap(kek, key.expose()).map_err(ExchangeError::Engine)?);
                Ok(out)
            }
            RecipientKey::Hybrid(recipient) => recipient
                .seal(&bound(info, binding), &[], key.expose(), random)
                .map_err(ExchangeError::Engine),
        }
    }
}

/// HPKE's `info`: `<what for>:<which key>`. Not in the AAD, which not every library lets be set.
fn bound(info: &[u8], binding: &[u8]) -> Vec<u8> {
    [info, b":", binding].concat()
}

fn rsa_recipient(der: &[u8]) -> Result<OaepPublicEncryptingKey, ExchangeError> {
    const REFUSED: ExchangeError = ExchangeError::Recipient {
        why: "it is no RSA key in SubjectPublicKeyInfo",
    };
    let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| REFUSED)?;
    let bits = spki.subject_public_key.as_bytes().ok_or(REFUSED)?;
    if spki.algorithm.oid != RSA_ENCRYPTION {
        return Err(REFUSED);
    }
    let key = RsaPublicKeyRef::from_der(bits).map_err(|_| REFUSED)?;
    let length = strength::bit_length(key.modulus.as_bytes());
    if !(strength::RECIPIENT_BITS_MIN..=strength::RECIPIENT_BITS_MAX).contains(&length) {
        return Err(ExchangeError::Recipient {
            why: "its modulus must have 3072 to 8192 bits",
        });
    }
    strength::rsa_public(key.modulus.as_bytes(), key.public_exponent.as_bytes())?;
    let key = PublicEncryptingKey::from_der(der).map_err(|_| REFUSED)?;
    OaepPublicEncryptingKey::new(key).map_err(|_| REFUSED)
}
