//! The signature that an entry carries itself, so that it can be checked when it is copied out of its log
//! alone. It is the signature line of a signed note (C2SP `signed-note`) without its name, which is always the
//! same: whatever reads signed notes checks it.
//!
//! ```text
//! keyward audit entry 1
//! {"action":…}                                    the entry without the signature
//!
//! — keyward-audit-entry <base64 of key id and signature, as the entry has it>
//! ```

use crate::key::{Algorithm, KeyName, VerifierKey};
use crate::text;

/// The name under which entries are signed, whatever their log's name is: a key's id among entries is the
/// same in every log that the key signs.
pub const ENTRY_SIGNER: &str = "keyward-audit-entry";
/// How what is signed begins. No checkpoint and no hand-over has this first line, and no batch's signature.
const CONTEXT: &[u8] = b"keyward audit entry 1\n";

/// An entry's signature, not checked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntrySignature {
    key_id: [u8; 4],
    bytes: [u8; 64],
}

impl EntrySignature {
    /// What a key signs for an entry: the entry's bytes are those of one line, without the signature.
    pub fn message(entry: &[u8]) -> Vec<u8> {
        let mut message = Vec::with_capacity(CONTEXT.len() + entry.len() + 1);
        message.extend_from_slice(CONTEXT);
        message.extend_from_slice(entry);
        message.push(b'\n');
        message
    }

    /// The signature that the private half of a key made over [`EntrySignature::message`]. None if keys have
    /// no name, which cannot be.
    pub fn of(public: [u8; 32], bytes: [u8; 64]) -> Option<Self> {
        let key_id = entry_key(public)?.id();
        Some(Self { key_id, bytes })
    }

    /// Reads it as an entry has it.
    pub fn parse(text: &str) -> Option<Self> {
        let whole = text::from_base64(text)?;
        let (key_id, bytes) = whole.split_first_chunk::<4>()?;
        Some(Self {
            key_id: *key_id,
            bytes: bytes.try_into().ok()?,
        })
    }

    /// Whose it says it is: an [`entry_key`]'s id.
    pub const fn key_id(&self) -> [u8; 4] {
        self.key_id
    }

    /// Whether this key made it over the bytes of an entry without it.
    pub fn is_by(&self, key: &VerifierKey, entry: &[u8]) -> bool {
        self.key_id == key.id() && key.made(&Self::message(entry), &self.bytes)
    }
}

/// As the entry has it: 92 characters.
impl std::fmt::Display for EntrySignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut whole = self.key_id.to_vec();
        whole.extend_from_slice(&self.bytes);
        f.write_str(&text::base64(&whole))
    }
}

/// A log's key as the key of its entries. None if keys have no name, which cannot be.
pub fn entry_key(public: [u8; 32]) -> Option<VerifierKey> {
    let name = KeyName::new(ENTRY_SIGNER)?;
    Some(VerifierKey::new(name, Algorithm::Ed25519, public))
}
