//! What this node has cosigned as a witness of other deployments' logs: one file for each log, which is the
//! last checkpoint with both signatures, written durably before the cosignature leaves. Without its memory
//! a witness must not sign: the memory says by which key it signs, and a key whose memory is gone is never
//! used again.

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
/// The format that is written, and the only one that is read.
const FORMAT: u32 = 1;

/// By which key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    format: u32,
    /// The key and its name.
    key: String,
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
        "{path} is damaged, so nobody knows what was cosigned: take the witness's directory away, and \
         it begins anew under another key (docs/audit-witnesses.md)"
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
    /// One at a time: what is compared is what is written.
    turn: Mutex<()>,
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

    /// The last checkpoint that this key has cosigned of a log, named by `file`: its head, and itself.
    pub fn last(
        &self,
        file: &str,
        own: &VerifierKey,
    ) -> Result<Option<(Head, Note)>, WitnessError> {
        let path = path(file, own);
        let Some(bytes) = self.read(&path)? else {
            return Ok(None);
        };
        // The own signature says that it was written here, whatever key the log has today.
        let read = Note::parse(&bytes).ok().and_then(|note| {
            note.verify([own]).ok()?;
            let checkpoint: Checkpoint = note.text().parse().ok()?;
            Some((checkpoint.head(), note))
        });
        read.map(Some).ok_or_else(|| damaged(&path))
    }

    /// Judges a submission of the log with this key, remembers it, and only then gives the signature line
    /// away: `sign` makes an Ed25519 signature with the witness's own key, at `time` in seconds since 1970.
    pub fn add<E>(
        &self,
        (file, log): (&str, &VerifierKey),
        submission: &Submission,
        (own, time): (&VerifierKey, u64),
        sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
    ) -> Result<String, WitnessError> {
        let _turn = self.turn.lock();
        let last = self.last(file, own)?;
        let known = last.as_ref().map(|(head, _)| *head);
        let judged = submission.judge(known, log);
        if judged == Err(Refusal::OtherRoot)
            && let Some((_, before)) = &last
        {
            self.keep_evidence(file, before, &submission.checkpoint)?;
        }
        judged?;
        // The log's own signature alone: nobody vouches for the others.
        let mut note = submission.checkpoint.only_of(log);
        let signed = note.cosign(own, time, sign);
        signed.map_err(|_| WitnessError::NotSigned)?;
        let line = note.signatures().last().map(|line| format!("{line}\n"));
        let path = path(file, own);
        let written = self.files.write(&path, note.to_string().as_bytes());
        written.map_err(of(&path))?;
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
