//! What is authenticated beside a message: suite, key id, version, and the caller's context.
//! Knows nothing of keys.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::error::CryptoError;
use crate::suite::Suite;

/// Longest encoded context, in bytes.
pub const CONTEXT_LENGTH_MAX: usize = 8192;

const MESSAGE_LABEL: &[u8; 13] = b"keyward/msg/1";
/// Length of [`header`]: label, suite, key id, version.
const HEADER_LENGTH: usize = 13 + 1 + 16 + 4;

/// Which key a message belongs to, and what else must be repeated to open it.
#[derive(Debug, Clone, Copy)]
pub struct MessageContext<'a> {
    /// The key's id.
    pub key_id: Uuid,
    /// The key version.
    pub version: u32,
    /// The caller's pairs, authenticated and not stored.
    pub context: &'a BTreeMap<String, String>,
}

/// Encodes a context: for each pair in the byte order of its names, `name length(4) ‖ name ‖
/// value length(4) ‖ value`, lengths big endian. No pairs, no bytes.
///
/// # Errors
/// [`CryptoError::ContextTooLong`].
pub fn encode_context(context: &BTreeMap<String, String>) -> Result<Vec<u8>, CryptoError> {
    let mut out = Vec::with_capacity(encoded_length(context)?);
    append_context(context, &mut out);
    Ok(out)
}

impl MessageContext<'_> {
    /// `"keyward/msg/1" ‖ suite ‖ key id ‖ version`: the info of the derivation, and the first
    /// part of the associated data.
    pub(super) fn header(&self, suite: Suite) -> [u8; HEADER_LENGTH] {
        let mut header = [0; HEADER_LENGTH];
        header[..13].copy_from_slice(MESSAGE_LABEL);
        header[13] = suite.byte();
        header[14..30].copy_from_slice(self.key_id.as_bytes());
        header[30..].copy_from_slice(&self.version.to_be_bytes());
        header
    }

    /// The associated data: header ‖ length of the encoded context(4) ‖ encoded context.
    pub(super) fn associated_data(&self, suite: Suite) -> Result<AssociatedData, CryptoError> {
        let header = self.header(suite);
        if self.context.is_empty() {
            let mut short = [0; HEADER_LENGTH + 4];
            short[..HEADER_LENGTH].copy_from_slice(&header);
            return Ok(AssociatedData::Short(short));
        }
        let length = encoded_length(self.context)?;
        let mut long = Vec::with_capacity(HEADER_LENGTH + 4 + length);
        long.extend_from_slice(&header);
        long.extend_from_slice(&(length as u32).to_be_bytes());
        append_context(self.context, &mut long);
        Ok(AssociatedData::Long(long))
    }

    /// For constructions that cannot authenticate a context: it must be empty, rather than
    /// silently ignored.
    pub(super) fn require_empty(&self) -> Result<(), CryptoError> {
        if self.context.is_empty() {
            Ok(())
        } else {
            Err(CryptoError::ContextTooLong { max: 0 })
        }
    }
}

/// Associated data, without an allocation when there is no context.
pub(super) enum AssociatedData {
    Short([u8; HEADER_LENGTH + 4]),
    Long(Vec<u8>),
}

impl AsRef<[u8]> for AssociatedData {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Short(bytes) => bytes,
            Self::Long(bytes) => bytes,
        }
    }
}

fn encoded_length(context: &BTreeMap<String, String>) -> Result<usize, CryptoError> {
    let length = context
        .iter()
        .map(|(name, value)| 8 + name.len() + value.len())
        .sum();
    if length > CONTEXT_LENGTH_MAX {
        return Err(CryptoError::ContextTooLong {
            max: CONTEXT_LENGTH_MAX,
        });
    }
    Ok(length)
}

fn append_context(context: &BTreeMap<String, String>, out: &mut Vec<u8>) {
    for (name, value) in context {
        for text in [name, value] {
            out.extend_from_slice(&(text.len() as u32).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
}
