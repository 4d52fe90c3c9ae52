//! The table of suite bytes: the first byte of every sealed message says how it was made.
//! A number is never reused. The high nibble says what is inside: 0 data, 1 a wrapped key; since
//! the byte is authenticated, a wrapped key can never be decrypted as data.

use crate::algorithm::Algorithm;
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

    /// The suite with which keys of `algorithm` seal, or `None` when they do not.
    pub const fn of(algorithm: Algorithm, content: Content) -> Option<Self> {
        Some(match (algorithm, content) {
            (Algorithm::Aes256GcmCommit, Content::Data) => Self::Commit,
            (Algorithm::Aes256GcmCommit, Content::Key) => Self::CommitKey,
            (Algorithm::Aes256Gcm, Content::Data) => Self::AesGcm,
            (Algorithm::Aes256Gcm, Content::Key) => Self::AesGcmKey,
            (Algorithm::ChaCha20Poly1305, Content::Data) => Self::ChaCha,
            (Algorithm::ChaCha20Poly1305, Content::Key) => Self::ChaChaKey,
            (Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096, Content::Data) => {
                Self::RsaOaep
            }
            (Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096, Content::Key) => {
                Self::RsaOaepKey
            }
            (Algorithm::Aes256Kwp, Content::Key) => Self::KwpKey,
            _ => return None,
        })
    }
}
