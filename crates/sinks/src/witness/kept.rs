//! What witnesses have signed, on disk: for each of them the newest checkpoint that it cosigned, and the
//! newest one that counted. Each file is the signed note itself, so that anybody can read and check it.

use std::fs;
use std::io;
use std::path::PathBuf;

use keyward_ledger::{Note, OpenedCheckpoint, VerifierKey};
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
