//! Signed notes (C2SP `signed-note`): a text, an empty line, and signatures of which a reader checks
//! those whose keys it knows. Signing itself is the caller's: this crate holds no private key.

use std::fmt;

use crate::cosignature;
use crate::key::{Algorithm, KeyName, VerifierKey};
use crate::text;

/// The most signatures that are read. A checkpoint with a log's and those of all its witnesses has a
/// few dozen; 16 is what everybody must accept.
pub const SIGNATURES_MAX: usize = 100;
/// The most bytes of a note that are read: enough for as many post-quantum signatures.
const NOTE_MAX: usize = 512 * 1024;
/// The largest signature that is read, in bytes.
const SIGNATURE_MAX: usize = 8 * 1024;

/// A text and its signatures, none of them checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    name: KeyName,
    key_id: [u8; 4],
    bytes: Vec<u8>,
}

impl NoteSignature {
    /// Who claims to have signed.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// With which key.
    pub fn key_id(&self) -> [u8; 4] {
        self.key_id
    }

    /// Reads signature lines without the note that they are for, as a witness answers with them.
    pub fn parse_lines(bytes: &[u8]) -> Result<Vec<Self>, NoteError> {
        let size = bytes.len();
        if size > NOTE_MAX {
            return Err(NoteError::TooLong { size });
        }
        let lines = str::from_utf8(bytes).map_err(|_| NoteError::NotText)?;
        let lines = lines.strip_suffix('\n').filter(|lines| plain(lines));
        parsed(lines.ok_or(NoteError::Form)?)
    }
}

/// The line, without its newline.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.key_id.to_vec();
        bytes.extend_from_slice(&self.bytes);
        write!(f, "— {} {}", self.name, text::base64(&bytes))
    }
}

/// A signature that was checked and is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<'a> {
    /// Whose it is.
    pub key: &'a VerifierKey,
    /// When a witness signed, in seconds since 1970; a log's signature has no time.
    pub time: Option<u64>,
}

/// A note that cannot be read or believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// It is longer than any that is read.
    #[error("the note has {size} bytes; at most {NOTE_MAX} are read")]
    TooLong {
        /// How long.
        size: usize,
    },
    /// It is not UTF-8, or holds control characters.
    #[error("the note is not plain UTF-8 text")]
    NotText,
    /// There is no text, or no empty line and signatures behind it.
    #[error("the note has no text and signatures with an empty line between them")]
    Form,
    /// A signature line has another form.
    #[error("line {line} of the note's signatures is not a signature")]
    SignatureLine {
        /// Which, counted from 1.
        line: usize,
    },
    /// It has more signatures than are read.
    #[error("the note has more than {SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// A signature by a known key is wrong: the text or the signature was altered.
    #[error("the signature of {name} on the note is not valid")]
    NotValid {
        /// Whose.
        name: KeyName,
    },
    /// No known key has signed it.
    #[error("the note has no signature of a known key")]
    NoKnownKey,
}

/// A note that was not signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError<E> {
    /// The signer failed.
    #[error("signing the note failed")]
    Signer(#[source] E),
    /// What the signer made is not a signature by the key that was named.
    #[error(
        "the signature made is not of the key {name}: signer and public key do not belong together"
    )]
    OtherKey {
        /// Which.
        name: KeyName,
    },
    /// It has as many signatures as are read.
    #[error("the note has {SIGNATURES_MAX} signatures already")]
    TooManySignatures,
}

impl Note {
    /// A note without signatures: the text, if it can be one.
    pub fn unsigned(text: &str) -> Result<Self, NoteError> {
        let size = text.len();
        if size > NOTE_MAX {
            return Err(NoteError::TooLong { size });
        }
        if !plain(text) {
            return Err(NoteError::NotText);
        }
        if text.ends_with('\n') {
            let text = text.to_owned();
            let signatures = Vec::new();
            Ok(Self { text, signatures })
        } else {
            Err(NoteError::Form)
        }
    }

    /// Reads a signed note.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let size = bytes.len();
        if size > NOTE_MAX {
            return Err(NoteError::TooLong { size });
        }
        let whole = str::from_utf8(bytes).map_err(|_| NoteError::NotText)?;
        if !plain(whole) {
            return Err(NoteError::NotText);
        }
        let middle = whole.rfind("\n\n").ok_or(NoteError::Form)?;
        let text = &whole[..=middle];
        let lines = whole[middle + 2..].strip_suffix('\n');
        let lines = lines.ok_or(NoteError::Form)?;
        let signatures = parsed(lines)?;
        let text = text.to_owned();
        Ok(Self { text, signatures })
    }

    /// The text, its last newline included. Not to be believed before [`Note::verify`].
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, as they are written.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// The signatures of known keys, the first of each, all of them right; at least one. Those of
    /// unknown keys are passed over, a wrong one of a known key refuses the whole note.
    pub fn verify<'a>(
        &self,
        known: impl IntoIterator<Item = &'a VerifierKey>,
    ) -> Result<Vec<Verified<'a>>, NoteError> {
        let known: Vec<&'a VerifierKey> = known.into_iter().collect();
        let mut found: Vec<Verified<'a>> = Vec::new();
        for signature in &self.signatures {
            let named =
                |key: &&VerifierKey| *key.name() == signature.name && key.id() == signature.key_id;
            let mut of_known = known.iter().copied().filter(named).peekable();
            if of_known.peek().is_none() {
                continue;
            }
            let verified = of_known.find_map(|key| self.checked(signature, key));
            let verified = verified.ok_or_else(|| NoteError::NotValid {
                name: signature.name.clone(),
            })?;
            if !found.iter().any(|other| other.key == verified.key) {
                found.push(verified);
            }
        }
        if found.is_empty() {
            return Err(NoteError::NoKnownKey);
        }
        Ok(found)
    }

    fn checked<'a>(&self, signature: &NoteSignature, key: &'a VerifierKey) -> Option<Verified<'a>> {
        let bytes = signature.bytes.as_slice();
        let (time, message, bytes) = match key.algorithm() {
            Algorithm::Ed25519 => (None, self.text.clone().into_bytes(), bytes.try_into().ok()?),
            Algorithm::Cosignature => {
                let (time, signature) = cosignature::split(bytes)?;
                let message = cosignature::message(time, &self.text);
                (Some(time), message, signature)
            }
        };
        key.made(&message, bytes).then_some(Verified { key, time })
    }

    /// Adds a log's signature: `sign` makes an Ed25519 signature over the bytes it is given. What it
    /// made is checked before it is added.
    pub fn sign<E>(
        &mut self,
        key: &VerifierKey,
        sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
    ) -> Result<(), SignError<E>> {
        let bytes = sign(self.text.as_bytes()).map_err(SignError::Signer)?;
        self.add(key, bytes.to_vec())
    }

    /// Adds a witness's signature, made at `time`: seconds since 1970.
    pub fn cosign<E>(
        &mut self,
        key: &VerifierKey,
        time: u64,
        sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
    ) -> Result<(), SignError<E>> {
        let message = cosignature::message(time, &self.text);
        let signature = sign(&message).map_err(SignError::Signer)?;
        self.add(key, cosignature::join(time, &signature))
    }

    /// The same text with the signatures of this key alone.
    #[must_use]
    pub fn only_of(&self, key: &VerifierKey) -> Self {
        let of_key = |it: &&NoteSignature| it.name == *key.name() && it.key_id == key.id();
        Self {
            text: self.text.clone(),
            signatures: self.signatures.iter().filter(of_key).cloned().collect(),
        }
    }

    /// Adds the signature of a key that somebody else made, if it is right and is not there already; what
    /// it says.
    pub fn attach<'a>(
        &mut self,
        signature: &NoteSignature,
        key: &'a VerifierKey,
    ) -> Result<Verified<'a>, NoteError> {
        let named = *key.name() == signature.name && key.id() == signature.key_id;
        let checked = self.checked(signature, key).filter(|_| named);
        let verified = checked.ok_or_else(|| NoteError::NotValid {
            name: signature.name.clone(),
        })?;
        if !self.signatures.contains(signature) {
            if self.signatures.len() >= SIGNATURES_MAX {
                return Err(NoteError::TooManySignatures);
            }
            self.signatures.push(signature.clone());
        }
        Ok(verified)
    }

    fn add<E>(&mut self, key: &VerifierKey, bytes: Vec<u8>) -> Result<(), SignError<E>> {
        if self.signatures.len() >= SIGNATURES_MAX {
            return Err(SignError::TooManySignatures);
        }
        let signature = NoteSignature {
            name: key.name().clone(),
            key_id: key.id(),
            bytes,
        };
        if self.checked(&signature, key).is_none() {
            let name = signature.name;
            return Err(SignError::OtherKey { name });
        }
        self.signatures.push(signature);
        Ok(())
    }
}

/// UTF-8 without control characters but newlines.
fn plain(text: &str) -> bool {
    text.bytes().all(|byte| byte >= b' ' || byte == b'\n')
}

fn parsed(lines: &str) -> Result<Vec<NoteSignature>, NoteError> {
    let mut signatures = Vec::new();
    for (number, line) in (1..).zip(lines.split('\n')) {
        if number > SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        let wrong = NoteError::SignatureLine { line: number };
        signatures.push(signature(line).ok_or(wrong)?);
    }
    Ok(signatures)
}

fn signature(line: &str) -> Option<NoteSignature> {
    let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
    if encoded.len() > SIGNATURE_MAX * 4 / 3 + 4 {
        return None;
    }
    let bytes = text::from_base64(encoded)?;
    let (key_id, bytes) = bytes.split_first_chunk::<4>()?;
    let signature = NoteSignature {
        name: KeyName::new(name)?,
        key_id: *key_id,
        bytes: bytes.to_vec(),
    };
    (!signature.bytes.is_empty()).then_some(signature)
}

/// The note as it is sent and stored.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for signature in &self.signatures {
            writeln!(f, "{signature}")?;
        }
        Ok(())
    }
}
