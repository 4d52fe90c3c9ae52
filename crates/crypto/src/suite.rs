//! The table of suite bytes: the first byte of every sealed message says how it was made.
//! A number is never reused. Bit `0x10` says what is inside: 0 data, 1 a wrapped key; since the byte
//! is authenticated, a wrapped key can never be decrypted as data.

use crate::algorithm::Algorithm;
use crate::digest::Hash;
use crate::error::CryptoError;

/// How a sealed message was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Suite {
    /// Data; AES-256-GCM under a key derived per message, with a commitment.
    Commit = 0x01,
    /// Data; AES-256-GCM with a random nonce.
    AesGcm = 0x02,
    /// Data; ChaCha20-Poly1305 with a random nonce.
    ChaCha = 0x03,
    /// Data; RSA-OAEP with SHA-256.
    RsaOaep = 0x04,
    /// A key; AES-256-GCM under a key derived per message, with a commitment.
    CommitKey = 0x11,
    /// A key; AES-256-GCM with a random nonce.
    AesGcmKey = 0x12,
    /// A key; ChaCha20-Poly1305 with a random nonce.
    ChaChaKey = 0x13,
    /// A key; RSA-OAEP with SHA-256.
    RsaOaepKey = 0x14,
    /// A key; AES-256 key wrap with padding, which knows no context.
    KwpKey = 0x15,
    /// Data; AES-128-GCM with a random nonce.
    Aes128Gcm = 0x06,
    /// Data; AES-192-GCM with a random nonce.
    Aes192Gcm = 0x07,
    /// Data; XAES-256-GCM with a random nonce of 192 bits.
    Xaes = 0x08,
    /// Data; AES-128-GCM-SIV with a random nonce.
    Aes128GcmSiv = 0x09,
    /// Data; AES-256-GCM-SIV with a random nonce.
    Aes256GcmSiv = 0x0a,
    /// Data; AES-256-GCM-SIV under derived keys, with a nonce derived from context and message.
    Convergent = 0x0b,
    /// Data; HPKE with X-Wing.
    XWing = 0x0c,
    /// Data; RSA-OAEP with SHA-384.
    RsaOaepSha384 = 0x0d,
    /// Data; RSA-OAEP with SHA-512.
    RsaOaepSha512 = 0x0e,
    /// A key; AES-128-GCM with a random nonce.
    Aes128GcmKey = 0x16,
    /// A key; AES-192-GCM with a random nonce.
    Aes192GcmKey = 0x17,
    /// A key; XAES-256-GCM with a random nonce of 192 bits.
    XaesKey = 0x18,
    /// A key; AES-128-GCM-SIV with a random nonce.
    Aes128GcmSivKey = 0x19,
    /// A key; AES-256-GCM-SIV with a random nonce.
    Aes256GcmSivKey = 0x1a,
    /// A key; AES-256-GCM-SIV under derived keys, with a nonce derived from context and message.
    ConvergentKey = 0x1b,
    /// A key; HPKE with X-Wing.
    XWingKey = 0x1c,
    /// A key; RSA-OAEP with SHA-384.
    RsaOaepSha384Key = 0x1d,
    /// A key; RSA-OAEP with SHA-512.
    RsaOaepSha512Key = 0x1e,
    /// A key; AES-128 key wrap, which knows no context.
    Aes128KwKey = 0x30,
    /// A key; AES-256 key wrap, which knows no context.
    Aes256KwKey = 0x31,
    /// A key; AES-128 key wrap with padding, which knows no context.
    Aes128KwpKey = 0x32,
}

/// What is inside a sealed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Data, made by encrypt.
    Data,
    /// A key, made by wrap.
    Key,
}

impl Suite {
    /// Every suite.
    pub const ALL: &'static [Self] = &[
        Self::Commit,
        Self::AesGcm,
        Self::ChaCha,
        Self::RsaOaep,
        Self::CommitKey,
        Self::AesGcmKey,
        Self::ChaChaKey,
        Self::RsaOaepKey,
        Self::KwpKey,
        Self::Aes128Gcm,
        Self::Aes192Gcm,
        Self::Xaes,
        Self::Aes128GcmSiv,
        Self::Aes256GcmSiv,
        Self::Convergent,
        Self::XWing,
        Self::RsaOaepSha384,
        Self::RsaOaepSha512,
        Self::Aes128GcmKey,
        Self::Aes192GcmKey,
        Self::XaesKey,
        Self::Aes128GcmSivKey,
        Self::Aes256GcmSivKey,
        Self::ConvergentKey,
        Self::XWingKey,
        Self::RsaOaepSha384Key,
        Self::RsaOaepSha512Key,
        Self::Aes128KwKey,
        Self::Aes256KwKey,
        Self::Aes128KwpKey,
    ];

    /// The byte that stands for the suite.
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// The suite a byte stands for.
    ///
    /// # Errors
    /// [`CryptoError::UnknownSuite`].
    pub fn from_byte(byte: u8) -> Result<Self, CryptoError> {
        Self::ALL
            .iter()
            .copied()
            .find(|suite| suite.byte() == byte)
            .ok_or(CryptoError::UnknownSuite(byte))
    }

    /// The suite with which keys of `algorithm` seal, or `None` when they do not. RSA keys seal
    /// with another one when they are asked for another hash ([`Suite::with_oaep`]).
    pub const fn of(algorithm: Algorithm, content: Content) -> Option<Self> {
        let (data, key) = match algorithm {
            Algorithm::Aes256GcmCommit => (Self::Commit, Self::CommitKey),
            Algorithm::Aes256Gcm => (Self::AesGcm, Self::AesGcmKey),
            Algorithm::ChaCha20Poly1305 => (Self::ChaCha, Self::ChaChaKey),
            Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
                (Self::RsaOaep, Self::RsaOaepKey)
            }
            Algorithm::Aes128Gcm => (Self::Aes128Gcm, Self::Aes128GcmKey),
            Algorithm::Aes192Gcm => (Self::Aes192Gcm, Self::Aes192GcmKey),
            Algorithm::Xaes256Gcm => (Self::Xaes, Self::XaesKey),
            Algorithm::Aes128GcmSiv => (Self::Aes128GcmSiv, Self::Aes128GcmSivKey),
            Algorithm::Aes256GcmSiv => (Self::Aes256GcmSiv, Self::Aes256GcmSivKey),
            Algorithm::Aes256GcmSivConvergent => (Self::Convergent, Self::ConvergentKey),
            Algorithm::X25519MlKem768 => (Self::XWing, Self::XWingKey),
            _ => return Self::of_key_wrap(algorithm, content),
        };
        Some(match content {
            Content::Data => data,
            Content::Key => key,
        })
    }

    /// Key wrap takes keys only.
    const fn of_key_wrap(algorithm: Algorithm, content: Content) -> Option<Self> {
        match (algorithm, content) {
            (Algorithm::Aes256Kwp, Content::Key) => Some(Self::KwpKey),
            (Algorithm::Aes128Kwp, Content::Key) => Some(Self::Aes128KwpKey),
            (Algorithm::Aes128Kw, Content::Key) => Some(Self::Aes128KwKey),
            (Algorithm::Aes256Kw, Content::Key) => Some(Self::Aes256KwKey),
            _ => None,
        }
    }

    /// The suite of RSA keys with this hash.
    pub const fn with_oaep(hash: Hash, content: Content) -> Self {
        match (hash, content) {
            (Hash::Sha256, Content::Data) => Self::RsaOaep,
            (Hash::Sha384, Content::Data) => Self::RsaOaepSha384,
            (Hash::Sha512, Content::Data) => Self::RsaOaepSha512,
            (Hash::Sha256, Content::Key) => Self::RsaOaepKey,
            (Hash::Sha384, Content::Key) => Self::RsaOaepSha384Key,
            (Hash::Sha512, Content::Key) => Self::RsaOaepSha512Key,
        }
    }

    /// The hash of a suite of RSA keys.
    pub const fn oaep_hash(self) -> Option<Hash> {
        match self {
            Self::RsaOaep | Self::RsaOaepKey => Some(Hash::Sha256),
            Self::RsaOaepSha384 | Self::RsaOaepSha384Key => Some(Hash::Sha384),
            Self::RsaOaepSha512 | Self::RsaOaepSha512Key => Some(Hash::Sha512),
            _ => None,
        }
    }

    /// Whether data or a key is inside.
    pub const fn content(self) -> Content {
        if self.byte() & 0x10 == 0 {
            Content::Data
        } else {
            Content::Key
        }
    }

    /// Whether keys of `algorithm` open this suite.
    pub fn fits(self, algorithm: Algorithm) -> bool {
        let usual = Self::of(algorithm, self.content());
        usual == Some(self)
            || (self.oaep_hash().is_some() && usual.and_then(Self::oaep_hash).is_some())
    }
}
