//! What witnesses have signed, on disk: for each of them the newest checkpoint that it cosigned, and the
//! newest one that counted. Each file is the signed note itself, so that anybody can read and check it.

use std::fs;
use std::io;
use std::path::PathBuf;

use keyward_ledger::{KeyName, Note, NoteSignature, OpenedCheckpoint, VerifierKey};
use tokio::task::spawn_blocking;

use crate::whole_file;

/// The directory.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    dir: PathBuf,
}

impl Kept {
    pub(super) const fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    fn of(&self, witness: &str) -> PathBuf {
        self.dir.join(format!("{witness}.cosigned"))
    }

    fn counted(&self) -> PathBuf {
        self.dir.join("counted.checkpoint")
    }

    /// What a witness cosigned last of this log; nothing if it is not there or cannot be believed: the
    /// witness will sign again.
    pub(super) async fn last_of(
        &self,
        witness: &str,
        key: &VerifierKey,
        log: &VerifierKey,
    ) -> Option<Note> {
        read(self.of(witness), log, std::slice::from_ref(key), 1).await
    }

    /// Whether a witness has ever cosigned a log of this name, under whatever key of the log. What cannot be
    /// read may say so: it is taken for yes.
    pub(super) async fn has_of(&self, witness: &str, key: &VerifierKey, log: &KeyName) -> bool {
        let path = self.of(witness);
        let read = spawn_blocking(move || fs::read(&path)).await;
        let bytes = match read {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => return error.kind() != io::ErrorKind::NotFound,
            Err(_) => return true,
        };
        let Ok(note) = Note::parse(&bytes) else {
            return true;
        };
        let is_of_log = note.text().split('\n').next() == Some(log.as_str());
        let is_by_key =
            |line: &NoteSignature| line.name() == key.name() && line.key_id() == key.id();
        is_of_log && note.signatures().iter().any(is_by_key)
    }

    /// What counted last of this log, if as many of these witnesses have signed it as must now.
    pub(super) async fn last_counted(
        &self,
        log: &VerifierKey,
        witnesses: &[VerifierKey],
        required: usize,
    ) -> Option<Note> {
        read(self.counted(), log, witnesses, required).await
    }

    /// Keeps what a witness cosigned; durable when this returns.
    pub(super) async fn keep(&self, witness: &str, note: &Note) -> io::Result<()> {
        write(self.of(witness), note.to_string()).await
    }

    /// Keeps what counts; durable when this returns.
    pub(super) async fn keep_counted(&self, note: &Note) -> io::Result<()> {
        write(self.counted(), note.to_string()).await
    }
}

async fn read(
    path: PathBuf,
    log: &VerifierKey,
    witnesses: &[VerifierKey],
    required: usize,
) -> Option<Note> {
    let read = spawn_blocking(move || fs::read(&path)).await;
    let note = Note::parse(&read.ok()?.ok()?).ok()?;
    let opened = OpenedCheckpoint::of_note(&note, log, witnesses).ok()?;
    (opened.witnesses().count() >= required).then_some(note)
}

async fn write(path: PathBuf, text: String) -> io::Result<()> {
    let written = spawn_blocking(move || whole_file::write(&path, text.as_bytes())).await;
    written.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use keyward_ledger::{Algorithm, Checkpoint, Hash, Head};

    use super::*;

    fn pair(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn key(name: &str, algorithm: Algorithm, seed: u8) -> VerifierKey {
        let public = pair(seed).public_key().as_ref().try_into().unwrap();
        VerifierKey::new(KeyName::new(name).unwrap(), algorithm, public)
    }

    fn sign(seed: u8) -> impl FnOnce(&[u8]) -> Result<[u8; 64], ()> {
        move |message| Ok(pair(seed).sign(message).as_ref().try_into().unwrap())
    }

    #[tokio::test]
    async fn i08_a_witness_that_has_cosigned_a_log_of_this_name_is_known_to() {
        let place = tempfile::tempdir().unwrap();
        let kept = Kept::new(place.path().to_owned());
        let witness = key("w.example", Algorithm::Cosignature, 2);
        let log = key("log.example", Algorithm::Ed25519, 1);
        assert!(!kept.has_of("w", &witness, log.name()).await);
        let root = Hash::of_leaf(b"");
        let head = Head { size: 1, root };
        let mut note = Checkpoint::new("log.example", head)
            .unwrap()
            .note()
            .unwrap();
        note.sign(&log, sign(1)).unwrap();
        note.cosign(&witness, 7, sign(2)).unwrap();
        kept.keep("w", &note).await.unwrap();
        // By the log's name: its key may be another by now.
        assert!(kept.has_of("w", &witness, log.name()).await);
        let other = key("other.example", Algorithm::Ed25519, 3);
        assert!(!kept.has_of("w", &witness, other.name()).await);
        let another = key("w.example", Algorithm::Cosignature, 3);
        assert!(!kept.has_of("w", &another, log.name()).await);
        std::fs::write(kept.of("w"), "damaged").unwrap();
        assert!(kept.has_of("w", &witness, log.name()).await);
    }
}
