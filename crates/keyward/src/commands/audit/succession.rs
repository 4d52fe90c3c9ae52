//! From the key that an auditor was given to the one that signs today.

use std::io;

use keyward_ledger::{
    CHECKPOINT_PATH, Files, HANDOVERS_PATH, Handover, KeyName, Note, VerifierKey, succession,
    vouched_for,
};

use crate::exit::{Exit, Failure};

/// The most that is read of hand-overs and of a checkpoint.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// A log's files with its checkpoint read once, and first: whatever is signed or handed over meanwhile, what
/// is read next belongs to it.
pub struct OneCheckpoint<'f, F> {
    files: &'f mut F,
    checkpoint: Option<Vec<u8>>,
}

impl<'f, F: Files> OneCheckpoint<'f, F> {
    /// Reads the checkpoint.
    pub fn of(files: &'f mut F) -> Result<Self, Failure> {
        let read = files.read(CHECKPOINT_PATH, BYTES_MAX);
        let checkpoint = read.map_err(|error| Failure::local(error).about(CHECKPOINT_PATH))?;
        Ok(Self { files, checkpoint })
    }

    /// The key that has signed it, of these.
    pub fn signer<'k>(&self, keys: &'k Succession) -> Option<&'k VerifierKey> {
        keys.signer_of(self.checkpoint.as_deref().unwrap_or_default())
    }
}

impl<F: Files> Files for OneCheckpoint<'_, F> {
    fn read(&mut self, path: &str, most: usize) -> io::Result<Option<Vec<u8>>> {
        if path == CHECKPOINT_PATH {
            return Ok(self.checkpoint.clone());
        }
        self.files.read(path, most)
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        self.files.list()
    }
}

/// A key, and those that it led to.
pub struct Succession {
    keys: Vec<VerifierKey>,
    /// The public halves of these, and of those before.
    vouched_for: Vec<[u8; 32]>,
}

impl Succession {
    /// What the hand-overs beside a log's checkpoint make of a key.
    pub fn of(files: &mut impl Files, key: &VerifierKey) -> Result<Self, Failure> {
        let read = files.read(HANDOVERS_PATH, BYTES_MAX);
        let bytes = read.map_err(|error| Failure::local(error).about(HANDOVERS_PATH))?;
        Self::read(&bytes.unwrap_or_default(), key).map_err(|error| error.about(HANDOVERS_PATH))
    }

    /// The same of their text.
    pub fn read(handovers: &[u8], key: &VerifierKey) -> Result<Self, Failure> {
        let handovers = Handover::open_all(handovers).map_err(|error| {
            Failure::new(Exit::NotValid, error).next(
                "keep the file as it is, as evidence, and compare it with another copy of the log",
            )
        })?;
        Ok(Self {
            keys: succession(key, &handovers),
            vouched_for: vouched_for(key, &handovers),
        })
    }

    /// The public halves of all keys that may have signed what belongs to the log: those before the given one
    /// too, for which it stands.
    pub fn vouched_for(&self) -> impl Iterator<Item = [u8; 32]> {
        self.vouched_for.iter().copied()
    }

    /// The same keys under the names of a log below.
    pub fn below(&self, log: &str) -> Self {
        let of_log = |key: &VerifierKey| {
            let name = KeyName::new(&format!("{}/{log}", key.name()))?;
            Some(VerifierKey::new(name, key.algorithm(), key.public()))
        };
        Self {
            keys: self.keys.iter().filter_map(of_log).collect(),
            vouched_for: self.vouched_for.clone(),
        }
    }

    /// The last of them that has a signature on a note.
    pub fn last_signer_of(&self, note: &[u8]) -> Option<&VerifierKey> {
        let note = Note::parse(note).ok()?;
        let is_by = |key: &&VerifierKey| has_signed(key, &note);
        self.keys.iter().rev().find(is_by)
    }

    /// The one with this text; the given one if none has it.
    pub fn named(&self, text: &str) -> Option<&VerifierKey> {
        let is_named = |key: &&VerifierKey| key.to_string() == text;
        self.keys.iter().find(is_named).or(self.keys.first())
    }

    /// The key that has to sign from now on, if it is not the given one.
    pub fn successor(&self) -> Option<&VerifierKey> {
        self.keys.get(1..).and_then(<[VerifierKey]>::last)
    }

    /// Whether the log was handed over to another key since this one signed, as far as the hand-overs say.
    pub fn is_before(&self, public: [u8; 32]) -> bool {
        let today = self.keys.last().map(VerifierKey::public);
        today.is_some_and(|today| today != public)
    }

    /// The first of them that has a signature on a note; the given one if none has.
    pub fn signer_of(&self, note: &[u8]) -> Option<&VerifierKey> {
        let note = Note::parse(note).ok();
        let has = |key: &&VerifierKey| note.as_ref().is_some_and(|note| has_signed(key, note));
        self.keys.iter().find(has).or(self.keys.first())
    }
}

/// Whether a note has a signature that says that it is this key's.
fn has_signed(key: &VerifierKey, note: &Note) -> bool {
    let mut signatures = note.signatures().iter();
    signatures.any(|signature| signature.name() == key.name() && signature.key_id() == key.id())
}
