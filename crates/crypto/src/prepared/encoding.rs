//! The two encodings of an ECDSA signature, and the step from one to the other. What is read here
//! was written by AWS-LC a moment before; foreign signatures are parsed by AWS-LC itself.

use std::fmt;
use std::str::FromStr;

use crate::error::CryptoError;

/// How an ECDSA signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SignatureEncoding {
    /// A DER sequence of two integers (RFC 3279): what certificates and most libraries use.
    #[default]
    Der,
    /// The two integers side by side, each as long as the field (IEEE P1363): what JOSE and
    /// WebCrypto use.
    Raw,
}

/// A name that is no encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown signature encoding; there are der and raw")]
pub struct UnknownEncoding;

impl SignatureEncoding {
    /// Every encoding.
    pub const ALL: &'static [Self] = &[Self::Der, Self::Raw];

    /// The canonical name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Der => "der",
            Self::Raw => "raw",
        }
    }
}

impl fmt::Display for SignatureEncoding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for SignatureEncoding {
    type Err = UnknownEncoding;

    fn from_str(name: &str) -> Result<Self, UnknownEncoding> {
        let found = Self::ALL.iter().copied().find(|it| it.name() == name);
        found.ok_or(UnknownEncoding)
    }
}

/// Writes a DER signature as `r ‖ s`, each of `field` bytes.
pub(super) fn side_by_side(der: &[u8], field: usize) -> Result<Vec<u8>, CryptoError> {
    let failed = CryptoError::EngineFailed;
    let (body, rest) = element(0x30, der).ok_or(failed)?;
    let (r, body) = element(0x02, body).ok_or(failed)?;
    let (s, body) = element(0x02, body).ok_or(failed)?;
    if !rest.is_empty() || !body.is_empty() {
        return Err(failed);
    }
    let mut raw = vec![0; 2 * field];
    let (left, right) = raw.split_at_mut(field);
    for (half, integer) in [(left, r), (right, s)] {
        // A leading zero keeps an integer positive; short ones are padded at the front.
        let digits = integer.strip_prefix(&[0]).unwrap_or(integer);
        let start = field.checked_sub(digits.len()).ok_or(failed)?;
        half[start..].copy_from_slice(digits);
    }
    Ok(raw)
}

/// The contents of the first DER element, and what follows it. Signatures are below 256 bytes.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = der.strip_prefix(&[tag])?;
    let (&length, rest) = rest.split_first()?;
    match length {
        0..=0x7f => rest.split_at_checked(usize::from(length)),
        0x81 => {
            let (&length, rest) = rest.split_first()?;
            rest.split_at_checked(usize::from(length))
        }
        _ => None,
    }
}
