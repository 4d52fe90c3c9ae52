//! The hand-over of a log from one signing key to the next: a note that both have signed, so that
//! whoever was given an earlier key is led to the one that signs today.

use std::fmt;
use std::str::FromStr;

use crate::key::{Algorithm, VerifierKey};
use crate::note::{Note, NoteError};

/// Where a log's hand-overs are, beside its checkpoint: the oldest first, each followed by an empty
/// line.
pub const HANDOVERS_PATH: &str = "handovers";
/// What the text begins with. No checkpoint has this text: its second line is a number.
const KIND: &str = "keyward key hand-over 1";
/// The most that are read of one log.
const COUNT_MAX: usize = 10_000;

/// From which key to which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    from: VerifierKey,
    to: VerifierKey,
}

/// A text that hands nothing over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandoverError {
    /// The note around it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It is another text, or not of two keys of one log.
    #[error("not the hand-over from one Ed25519 key of a log to another one of the same log")]
    Form,
    /// One of the two has not signed.
    #[error("the hand-over of {log} is not signed by both keys")]
    NotBoth {
        /// Which log.
        log: String,
    },
    /// There are more than are read.
    #[error("there are more than {COUNT_MAX} hand-overs")]
    TooMany,
}

impl Handover {
    /// Of two Ed25519 keys under one name, if they are that.
    pub fn new(from: VerifierKey, to: VerifierKey) -> Result<Self, HandoverError> {
        let sound = from.name() == to.name()
            && from != to
            && [&from, &to].map(VerifierKey::algorithm) == [Algorithm::Ed25519; 2];
        if sound {
            Ok(Self { from, to })
        } else {
            Err(HandoverError::Form)
        }
    }

    /// Who signed before.
    pub fn from(&self) -> &VerifierKey {
        &self.from
    }

    /// Who signs from then on.
    pub fn to(&self) -> &VerifierKey {
        &self.to
    }

    /// The note whose text this is, without signatures.
    pub fn note(&self) -> Result<Note, NoteError> {
        Note::unsigned(&self.to_string())
    }

    /// Reads one that both keys have signed.
    pub fn open(note: &Note) -> Result<Self, HandoverError> {
        let handover: Self = note.text().parse()?;
        let signed = note.verify([&handover.from, &handover.to])?;
        if signed.len() == 2 {
            Ok(handover)
        } else {
            let log = handover.from.name().to_string();
            Err(HandoverError::NotBoth { log })
        }
    }

    /// Reads what is at [`HANDOVERS_PATH`].
    pub fn open_all(bytes: &[u8]) -> Result<Vec<Self>, HandoverError> {
        let notes = notes_of(bytes)?;
        notes.iter().map(Self::open).collect()
    }
}

/// The notes of a log's hand-overs, their signatures not checked yet.
pub fn notes_of(bytes: &[u8]) -> Result<Vec<Note>, HandoverError> {
    let text = str::from_utf8(bytes).map_err(|_| NoteError::NotText)?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let text = text.strip_suffix("\n\n").ok_or(HandoverError::Form)?;
    let parts: Vec<&str> = text.split("\n\n").collect();
    if parts.len() > 2 * COUNT_MAX {
        return Err(HandoverError::TooMany);
    }
    let notes = parts.chunks(2).map(|parts| match parts {
        [text, signatures] => {
            let whole = format!("{text}\n\n{signatures}\n");
            Ok(Note::parse(whole.as_bytes())?)
        }
        _ => Err(HandoverError::Form),
    });
    notes.collect()
}

/// The key and those that it led to, in order: what a log under this key's name is signed with. The key
/// of a log whose name lies below the one that was handed over (`LOG/…`) is handed over with it.
pub fn succession(key: &VerifierKey, handovers: &[Handover]) -> Vec<VerifierKey> {
    let mut keys = vec![key.clone()];
    let mut now = key.clone();
    for handover in handovers {
        let log = handover.from.name().as_str();
        let below = now.name().as_str().strip_prefix(log);
        let is_its = below.is_some_and(|below| below.is_empty() || below.starts_with('/'));
        let same = handover.from.public() == now.public() && now.algorithm() == Algorithm::Ed25519;
        if is_its && same {
            now = VerifierKey::new(now.name().clone(), Algorithm::Ed25519, handover.to.public());
            keys.push(now.clone());
        }
    }
    keys
}

/// The public halves of the key, of those that it led to, and of those that led to it: all with which what
/// belongs to this key's log may have been signed. Each hand-over has the signature of the key after it too: that
/// key says that the log was the other's before. It does not say that everything is genuine which bears the
/// other's signature: an earlier key may have been stolen, and signs today whatever its thief likes.
pub fn vouched_for(key: &VerifierKey, handovers: &[Handover]) -> Vec<[u8; 32]> {
    let keys = succession(key, handovers);
    let mut found: Vec<[u8; 32]> = keys.iter().map(VerifierKey::public).collect();
    let mut now = key.public();
    for handover in handovers.iter().rev() {
        if handover.to.public() == now && !found.contains(&handover.from.public()) {
            now = handover.from.public();
            found.push(now);
        }
    }
    found
}

/// The text of the note.
impl fmt::Display for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{KIND}\nfrom {}\nto {}", self.from, self.to)
    }
}

impl FromStr for Handover {
    type Err = HandoverError;

    fn from_str(text: &str) -> Result<Self, HandoverError> {
        let text = text.strip_suffix('\n').ok_or(HandoverError::Form)?;
        let lines: Vec<&str> = text.split('\n').collect();
        let [KIND, from, to] = lines.as_slice() else {
            return Err(HandoverError::Form);
        };
        let key = |line: &str, before: &str| {
            let key = line.strip_prefix(before).and_then(|key| key.parse().ok());
            key.ok_or(HandoverError::Form)
        };
        Self::new(key(from, "from ")?, key(to, "to ")?)
    }
}
