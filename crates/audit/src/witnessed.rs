//! What this node has cosigned as a witness of other deployments' logs: one file for each log, which is the
//! last checkpoint with both signatures, written durably before the cosignature leaves. Without its memory
//! a witness must not sign: the memory says by which key it signs, and a key whose memory is gone is never
//! used again. Which files there must be is written down too: one that is lost is not one that never was.

use std::collections::BTreeSet;
use std::io;

use keyward_ledger::{
    Algorithm, Checkpoint, Head, KeyName, Note, Refusal, Submission, VerifierKey,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::trees::LogFiles;

/// The file that says by which key this witness signs.
const IDENTITY: &str = "identity";
/// The file that names every file of a log that was cosigned.
const LOGS: &str = "logs";
/// The format of both that is written, and the only one that is read.
const FORMAT: u32 = 1;

/// By which key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    format: u32,
    /// The key and its name.
    key: String,
}

/// Of which logs something was cosigned.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Logs {
    format: u32,
    /// Their files. Those of a key before stay: nobody asks for them.
    logs: BTreeSet<String>,
}

/// Why nothing is cosigned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// The checkpoint is refused, by the protocol.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A file cannot be read or written.
    #[error("{path} cannot be read or written: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What was cosigned last is not what was written: it cannot be gone on from.
    #[error(
        "{path} is damaged or not there any more, so nobody knows what was cosigned: take the \
         witness's directory away, and it begins anew under another key (docs/audit-witnesses.md)"
    )]
    Damaged {
        /// Which.
        path: String,
    },
    /// The key did not sign.
    #[error("the key did not sign")]
    NotSigned,
}

/// The memory of a witness.
pub struct WitnessMemory<F> {
    files: F,
    /// One at a time: what is compared is what is written. Holds what was written durably in this life: what
    /// an earlier one left, or a write that failed, may be there to read and gone after a power cut.
    turn: Mutex<BTreeSet<String>>,
}

impl<F: LogFiles> WitnessMemory<F> {
    /// The memory in these files.
    pub fn new(files: F) -> Self {
        Self {
            files,
            turn: Mutex::default(),
        }
    }

    /// By which key this memory was signed with; none if it has not begun.
    pub fn identity(&self) -> Result<Option<VerifierKey>, WitnessError> {
        let Some(bytes) = self.read(IDENTITY)? else {
            return Ok(None);
        };
        let identity: Option<Identity> = serde_json::from_slice(&bytes).ok();
        let identity = identity.filter(|identity| identity.format == FORMAT);
        let key = identity.and_then(|identity| identity.key.parse().ok());
        key.map(Some).ok_or_else(|| damaged(IDENTITY))
    }

    /// Begins a memory for a key that has signed nothing yet; under which name. `fresh` is random.
    pub fn begin(
        &self,
        public: [u8; 32],
        (deployment, fresh): (Uuid, Uuid),
    ) -> Result<VerifierKey, WitnessError> {
        let name = format!("keyward/{deployment}/witness/{fresh}");
        let name = KeyName::new(&name).ok_or_else(|| damaged(IDENTITY))?;
        let key = VerifierKey::new(name, Algorithm::Cosignature, public);
        let identity = Identity {
            format: FORMAT,
            key: key.to_string(),
        };
        let mut bytes =
            serde_json::to_vec(&identity).map_err(|error| of(IDENTITY)(error.into()))?;
        bytes.push(b'\n');
        self.files.write(IDENTITY, &bytes).map_err(of(IDENTITY))?;
        Ok(key)
    }

    /// Writes down which logs this key has cosigned something of, for a memory that was made before that
    /// was written down: `files` are all that it can be asked for.
    pub fn take_stock<'a>(
        &self,
        own: &VerifierKey,
        files: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), WitnessError> {
        let mut durable = self.turn.lock();
        let mut there = Vec::new();
        for file in files {
            let path = path(file, own);
            if self.read(&path)?.is_some() {
                there.push(path);
            }
        }
        self.name(&mut durable, there)
    }

    /// The last checkpoint that this key has cosigned of a log, named by `file`: its head, and itself.
    pub fn last(
        &self,
        file: &str,
        own: &VerifierKey,
    ) -> Result<Option<(Head, Note)>, WitnessError> {
        let mut durable = self.turn.lock();
        self.remembered(&mut durable, file, own)
    }

    /// What is remembered, and written down as something that must be.
    fn remembered(
        &self,
        durable: &mut BTreeSet<String>,
        file: &str,
        own: &VerifierKey,
    ) -> Result<Option<(Head, Note)>, WitnessError> {
        let path = path(file, own);
        let named = self.named()?;
        let Some(bytes) = self.read(&path)? else {
            // It was cosigned, and what was is lost: to begin at nothing would be to sign anything.
            let is_lost = named.is_some_and(|named| named.contains(&path));
            return if is_lost {
                Err(damaged(&path))
            } else {
                Ok(None)
            };
        };
        // The own signature says that it was written here, whatever key the log has today.
        let read = Note::parse(&bytes).ok().and_then(|note| {
            note.verify([own]).ok()?;
            let checkpoint: Checkpoint = note.text().parse().ok()?;
            Some((checkpoint.head(), note))
        });
        let read = read.ok_or_else(|| damaged(&path))?;
        // What is there may have been written just before a crash: it is given out only once it stays.
        self.write(durable, &path, || Ok(bytes))?;
        self.name(durable, [path])?;
        Ok(Some(read))
    }

    /// Which files there must be; none if that was never written down.
    fn named(&self) -> Result<Option<BTreeSet<String>>, WitnessError> {
        let Some(bytes) = self.read(LOGS)? else {
            return Ok(None);
        };
        let logs: Option<Logs> = serde_json::from_slice(&bytes).ok();
        let logs = logs.filter(|logs| logs.format == FORMAT);
        let logs = logs.ok_or_else(|| damaged(LOGS))?;
        Ok(Some(logs.logs))
    }

    /// Adds files to those that there must be, durably; writes nothing if they are named already.
    fn name(
        &self,
        durable: &mut BTreeSet<String>,
        paths: impl IntoIterator<Item = String>,
    ) -> Result<(), WitnessError> {
        let mut logs = self.named()?.unwrap_or_default();
        let before = logs.len();
        logs.extend(paths);
        if logs.is_empty() {
            return Ok(());
        }
        if logs.len() > before {
            durable.remove(LOGS);
        }
        let format = FORMAT;
        self.write(durable, LOGS, || {
            let mut bytes = serde_json::to_vec(&Logs { format, logs })?;
            bytes.push(b'\n');
            Ok(bytes)
        })
    }

    /// Writes a file, unless it was written durably in this life. Of one that fails nothing is known.
    fn write(
        &self,
        durable: &mut BTreeSet<String>,
        path: &str,
        bytes: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> Result<(), WitnessError> {
        if !durable.contains(path) {
            let written = bytes().and_then(|bytes| self.files.write(path, &bytes));
            written.map_err(of(path))?;
            durable.insert(path.to_owned());
        }
        Ok(())
    }

    /// Judges a submission of the log with this key, remembers it, and only then gives the signature line
    /// away: `sign` makes an Ed25519 signature with the witness's own key, at `time` in seconds since 1970.
    /// What was cosigned last is answered as it was, without signing or writing anything: a checkpoint is
    /// public, and whoever sends it again is not to wear out the disk.
    pub fn add<E>(
        &self,
        (file, log): (&str, &VerifierKey),
        submission: &Submission,
        (own, time): (&VerifierKey, u64),
        sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
    ) -> Result<String, WitnessError> {
        // Before the turn: those whose log has not signed keep nobody waiting.
        let head = submission.signed_by(log)?;
        let mut durable = self.turn.lock();
        let last = self.remembered(&mut durable, file, own)?;
        let known = last.as_ref().map(|(head, _)| *head);
        let judged = submission.continues(known, head);
        if judged == Err(Refusal::OtherRoot)
            && let Some((_, before)) = &last
        {
            self.keep_evidence(file, before, &submission.checkpoint)?;
        }
        judged?;
        if let Some((_, before)) = &last
            && let Some(line) = signed_before(before, &submission.checkpoint, (own, log))
        {
            return Ok(line);
        }
        // The log's own signature alone: nobody vouches for the others.
        let mut note = submission.checkpoint.only_of(log);
        let signed = note.cosign(own, time, sign);
        signed.map_err(|_| WitnessError::NotSigned)?;
        let line = note.signatures().last().map(|line| format!("{line}\n"));
        let path = path(file, own);
        durable.remove(&path);
        self.write(&mut durable, &path, || Ok(note.to_string().into_bytes()))?;
        // In this order, and both before the signature leaves: a file that is named is one that was there.
        self.name(&mut durable, [path])?;
        line.ok_or(WitnessError::NotSigned)
    }

    /// Two checkpoints that the log has signed, of one size and with two roots, are proof against it.
    fn keep_evidence(&self, file: &str, one: &Note, other: &Note) -> Result<(), WitnessError> {
        let path = evidence(file);
        if self.read(&path)?.is_some() {
            return Ok(());
        }
        let both = format!("{one}\n{other}");
        let written = self.files.write(&path, both.as_bytes());
        written.map_err(of(&path))
    }

    /// Whether there is proof that a log contradicted itself.
    pub fn has_evidence(&self, file: &str) -> Result<bool, WitnessError> {
        Ok(self.read(&evidence(file))?.is_some())
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, WitnessError> {
        self.files.read(path).map_err(of(path))
    }
}

/// The own signature line of what is remembered, if the same is to be signed again. The log's key may be
/// another by now: then its signature is to be remembered.
fn signed_before(
    before: &Note,
    now: &Note,
    (own, log): (&VerifierKey, &VerifierKey),
) -> Option<String> {
    let is_same = before.text() == now.text() && !before.only_of(log).signatures().is_empty();
    let of_own = before.only_of(own);
    let line = of_own.signatures().first().filter(|_| is_same)?;
    Some(format!("{line}\n"))
}

fn path(file: &str, own: &VerifierKey) -> String {
    let id = u32::from_be_bytes(own.id());
    format!("{file}-{id:08x}.checkpoint")
}

fn evidence(file: &str) -> String {
    format!("{file}.contradiction")
}

fn damaged(path: &str) -> WitnessError {
    WitnessError::Damaged {
        path: path.to_owned(),
    }
}

fn of(path: &str) -> impl Fn(io::Error) -> WitnessError + use<> {
    let path = path.to_owned();
    move |source| WitnessError::Io {
        path: path.clone(),
        source,
    }
}
