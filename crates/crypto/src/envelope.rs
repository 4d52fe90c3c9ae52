//! Ciphertexts, signatures and message authentication codes as text, naming their key and
//! version. Strict: one value has one text. Knows nothing of keys or of what the bytes mean.
//!
//! ```text
//! kw1:<key id>:<version>:<base64url>     ciphertext or wrapped key
//! kw1s:<key id>:<version>:<base64url>    signature
//! kw1m:<key id>:<version>:<base64url>    message authentication code
//! ```

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// Longest envelope text accepted by `from_str`, in bytes: a message of 64 MiB with room.
pub const TEXT_LENGTH_MAX: usize = 90 << 20;

/// Why a text is not the envelope it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The text does not have the form `kw1…:key id:version:bytes`.
    #[error(
        "this is not a Keyward ciphertext, signature or MAC: it should look like kw1:<key id>:<version>:<base64url>"
    )]
    NotKeyward,
    /// The prefix is of a later format.
    #[error("the prefix names a format version this release does not know")]
    UnknownPrefixVersion,
    /// A signature where a ciphertext was expected, or the like.
    #[error("the text is a Keyward value of another kind: its prefix should be `{expected}`")]
    WrongKind {
        /// The prefix expected.
        expected: &'static str,
    },
    /// The key id is not a lowercase hyphenated UUID.
    #[error("the key id is not a lowercase hyphenated UUID")]
    BadKeyId,
    /// The version is not a decimal number from 1 to 4294967295 without leading zeros.
    #[error("the version is not a number from 1 to 4294967295 without leading zeros")]
    BadVersion,
    /// The bytes are not canonical base64url without padding.
    #[error("the last part is not base64url without padding")]
    BadBase64,
    /// There are no bytes.
    #[error("the last part is empty")]
    Empty,
    /// The text is longer than allowed.
    #[error("the text is longer than {max} bytes")]
    TooLong {
        /// The limit, in bytes.
        max: usize,
    },
}

/// What the bytes of an envelope are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A sealed message or wrapped key.
    Ciphertext,
    /// A signature.
    Signature,
    /// A message authentication code.
    Mac,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Ciphertext, Self::Signature, Self::Mac];

    /// The text before the first colon.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Ciphertext => "kw1",
            Self::Signature => "kw1s",
            Self::Mac => "kw1m",
        }
    }
}

/// The kind of envelope a text claims to be, from its prefix alone.
///
/// # Errors
/// [`EnvelopeError::NotKeyward`], [`EnvelopeError::UnknownPrefixVersion`].
pub fn kind_of(text: &str) -> Result<Kind, EnvelopeError> {
    let (prefix, _) = text.split_once(':').ok_or(EnvelopeError::NotKeyward)?;
    if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.prefix() == prefix) {
        return Ok(kind);
    }
    let version = prefix.strip_prefix("kw").ok_or(EnvelopeError::NotKeyward)?;
    let digits = version.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
    let numbered = !digits.is_empty()
        && version.len() <= 8
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && !digits.starts_with('0');
    if numbered {
        Err(EnvelopeError::UnknownPrefixVersion)
    } else {
        Err(EnvelopeError::NotKeyward)
    }
}

/// Declares one envelope type; the three differ only in prefix and in the name of their bytes.
macro_rules! envelope {
    ($(#[$doc:meta])* $name:ident, $kind:expr, $bytes:ident, $bytes_doc:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            /// The key's id.
            pub key_id: Uuid,
            /// The key version; at least 1.
            pub version: u32,
            #[doc = $bytes_doc]
            pub $bytes: Vec<u8>,
        }

        impl $name {
            /// Parses a text of at most `max_length` bytes.
            ///
            /// # Errors
            /// [`EnvelopeError`], for the first part that is wrong.
            pub fn parse(text: &str, max_length: usize) -> Result<Self, EnvelopeError> {
                let (key_id, version, $bytes) = parse($kind, text, max_length)?;
                Ok(Self { key_id, version, $bytes })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&text($kind, self.key_id, self.version, &self.$bytes))
            }
        }

        impl FromStr for $name {
            type Err = EnvelopeError;

            fn from_str(text: &str) -> Result<Self, EnvelopeError> {
                Self::parse(text, TEXT_LENGTH_MAX)
            }
        }
    };
}

envelope!(
    /// A sealed message or wrapped key, `kw1:…`.
    Ciphertext,
    Kind::Ciphertext,
    sealed,
    "The sealed message, which starts with its suite byte."
);
envelope!(
    /// A signature, `kw1s:…`.
    Signature,
    Kind::Signature,
    signature,
    "The signature, as its scheme encodes it."
);
envelope!(
    /// A message authentication code, `kw1m:…`.
    Mac,
    Kind::Mac,
    tag,
    "The code, untruncated."
);

/// Writes the text; one allocation.
fn text(kind: Kind, key_id: Uuid, version: u32, bytes: &[u8]) -> String {
    let mut out = String::with_capacity(4 + 1 + 36 + 1 + 10 + 1 + bytes.len().div_ceil(3) * 4);
    out.push_str(kind.prefix());
    out.push(':');
    out.push_str(key_id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    out.push(':');
    out.push_str(&version.to_string());
    out.push(':');
    URL_SAFE_NO_PAD.encode_string(bytes, &mut out);
    out
}

fn parse(kind: Kind, text: &str, max: usize) -> Result<(Uuid, u32, Vec<u8>), EnvelopeError> {
    if text.len() > max {
        return Err(EnvelopeError::TooLong { max });
    }
    if kind_of(text)? != kind {
        return Err(EnvelopeError::WrongKind {
            expected: kind.prefix(),
        });
    }
    let mut parts = text.splitn(4, ':').skip(1);
    let (Some(key_id), Some(version), Some(bytes)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(EnvelopeError::NotKeyward);
    };
    let key_id = parse_key_id(key_id)?;
    let version = parse_version(version)?;
    if bytes.is_empty() {
        return Err(EnvelopeError::Empty);
    }
    let bytes = URL_SAFE_NO_PAD
        .decode(bytes)
        .map_err(|_| EnvelopeError::BadBase64)?;
    Ok((key_id, version, bytes))
}

fn parse_key_id(text: &str) -> Result<Uuid, EnvelopeError> {
    let id = Uuid::try_parse(text).map_err(|_| EnvelopeError::BadKeyId)?;
    if id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text {
        Ok(id)
    } else {
        Err(EnvelopeError::BadKeyId)
    }
}

fn parse_version(text: &str) -> Result<u32, EnvelopeError> {
    let canonical = text.len() <= 10
        && !text.starts_with('0')
        && text.bytes().all(|digit| digit.is_ascii_digit());
    if !canonical {
        return Err(EnvelopeError::BadVersion);
    }
    text.parse().map_err(|_| EnvelopeError::BadVersion)
}
