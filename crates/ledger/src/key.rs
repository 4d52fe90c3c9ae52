//! Public keys that notes are verified with, and their text (C2SP `signed-note`):
//! `name+hex(key id)+base64(type ‖ public key)`.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

use crate::text;

/// The longest name, in bytes: what a cosigner's may have.
const NAME_MAX: usize = 255;
/// The longest text of a key that is read.
const TEXT_MAX: usize = 512;

/// Who signs: a URL without its scheme, by custom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// A name, if it may be one: 1 to 255 bytes without spaces, control characters or `+`.
    pub fn new(name: &str) -> Option<Self> {
        let wrong = |c: char| c.is_whitespace() || c < ' ' || c == '+';
        let sound = (1..=NAME_MAX).contains(&name.len()) && !name.contains(wrong);
        sound.then(|| Self(name.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a key signs, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519 over the note's text: a log's own signature.
    Ed25519,
    /// Ed25519 over a checkpoint and a time: a witness's.
    Cosignature,
}

impl Algorithm {
    fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
        }
    }
}

/// A public key with the name it signs under.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: KeyName,
    algorithm: Algorithm,
    public: [u8; 32],
    id: [u8; 4],
}

/// A text that is not the text of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It has another form.
    #[error("not a verifier key: expected name+key id+base64, as `keyward` and C2SP write it")]
    Form,
    /// Its key is of a type that is not known here.
    #[error("the verifier key is of type {type_byte:#04x}; known are 0x01 and 0x04, both Ed25519")]
    Type {
        /// Which.
        type_byte: u8,
    },
    /// The id in it is not the key's: something was mistyped or altered.
    #[error("the verifier key's id does not belong to its name and key; copy it again")]
    Id,
}

impl VerifierKey {
    /// An Ed25519 key's public half under a name.
    pub fn new(name: KeyName, algorithm: Algorithm, public: [u8; 32]) -> Self {
        let id = id(&name, algorithm, &public);
        Self {
            name,
            algorithm,
            public,
            id,
        }
    }

    /// The name it signs under.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// What it signs, and how.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public half, as RFC 8032 encodes it.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// The first bytes of the hash of name, type and key: what tells keys of one name apart.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// Whether a signature over a message is this key's.
    pub fn made(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public)
            .verify(message, signature)
            .is_ok()
    }
}

fn id(name: &KeyName, algorithm: Algorithm, public: &[u8; 32]) -> [u8; 4] {
    let mut context = Context::new(&SHA256);
    context.update(name.as_str().as_bytes());
    context.update(&[b'\n', algorithm.byte()]);
    context.update(public);
    let mut id = [0; 4];
    id.copy_from_slice(&context.finish().as_ref()[..4]);
    id
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.algorithm.byte()];
        key.extend_from_slice(&self.public);
        let id = u32::from_be_bytes(self.id);
        write!(f, "{}+{id:08x}+{}", self.name, text::base64(&key))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.len() > TEXT_MAX {
            return Err(KeyError::Form);
        }
        let mut parts = text.splitn(3, '+');
        let mut part = || parts.next().ok_or(KeyError::Form);
        let (name, id, key) = (part()?, part()?, part()?);
        let name = KeyName::new(name).ok_or(KeyError::Form)?;
        let key = text::from_base64(key).ok_or(KeyError::Form)?;
        let (type_byte, public) = key.split_first().ok_or(KeyError::Form)?;
        let algorithm = match type_byte {
            0x01 => Algorithm::Ed25519,
            0x04 => Algorithm::Cosignature,
            other => return Err(KeyError::Type { type_byte: *other }),
        };
        let public = public.try_into().map_err(|_| KeyError::Form)?;
        let key = Self::new(name, algorithm, public);
        if format!("{:08x}", u32::from_be_bytes(key.id)) == id {
            Ok(key)
        } else {
            Err(KeyError::Id)
        }
    }
}
