//! What a log sends to a witness, and what the witness makes of it (C2SP `tlog-witness`, the call
//! `add-checkpoint`): the size that the witness is believed to know, the proof that the log has only
//! grown since, and the checkpoint. Judging it is pure; keeping what was judged is the witness's own.

use std::fmt;

use crate::checkpoint::Checkpoint;
use crate::hash::Hash;
use crate::key::VerifierKey;
use crate::note::{Note, NoteError};
use crate::proof::{Head, verify_consistency};
use crate::text;

/// The most bytes of a submission that are read: a proof, and a checkpoint with the signatures of many.
pub const SUBMISSION_MAX: usize = 64 * 1024;
/// The most hashes that a log may send.
const PROOF_MAX: usize = 63;
/// The most signature lines under the log's name that are looked at: a log signs by one key, and while keys
/// change by two. Each is work for whoever judges, and anybody can send them.
const LINES_MAX: usize = 8;

/// A checkpoint on its way to a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The size of the checkpoint that the witness cosigned last; 0 if it has cosigned none.
    pub old: u64,
    /// That the first `old` entries are still the same ones.
    pub proof: Vec<Hash>,
    /// The log's signed checkpoint.
    pub checkpoint: Note,
}

/// A text that is no submission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmissionError {
    /// It is longer than any that is read, or no text.
    #[error("a submission is text of at most {SUBMISSION_MAX} bytes")]
    NotText,
    /// It does not begin with the old size.
    #[error("the first line of a submission is `old` and a size, in decimal")]
    Old,
    /// A line of the proof is no hash, or there are too many.
    #[error(
        "between the old size and an empty line are at most {PROOF_MAX} hashes in base64, one a line"
    )]
    Proof,
    /// The checkpoint is not a signed note.
    #[error("the checkpoint of the submission: {0}")]
    Note(#[from] NoteError),
}

/// Why a witness does not cosign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The checkpoint itself cannot be read.
    #[error("the checkpoint cannot be read")]
    NotACheckpoint,
    /// It has more signatures under the log's name than are looked at.
    #[error("the checkpoint has more than {LINES_MAX} signatures under the log's name")]
    TooManySignatures,
    /// The log has not signed it.
    #[error("the checkpoint has no valid signature of the log's key")]
    NotSigned,
    /// The old size is larger than the checkpoint's.
    #[error("the old size is larger than the checkpoint's")]
    OldTooLarge,
    /// The witness has cosigned another size.
    #[error("the last cosigned checkpoint has {known} entries")]
    OtherSize {
        /// Which.
        known: u64,
    },
    /// The log has as many entries as before, and they are others: with its signature under both, this is
    /// proof that it contradicts itself.
    #[error("the checkpoint has as many entries as the last one, and another root")]
    OtherRoot,
    /// The proof does not prove that the log has only grown.
    #[error("the proof does not lead from the last cosigned checkpoint to this one")]
    NotConsistent,
}

impl Submission {
    /// Reads a submission.
    pub fn parse(bytes: &[u8]) -> Result<Self, SubmissionError> {
        if bytes.len() > SUBMISSION_MAX {
            return Err(SubmissionError::NotText);
        }
        let whole = str::from_utf8(bytes).map_err(|_| SubmissionError::NotText)?;
        let (first, mut rest) = whole.split_once('\n').ok_or(SubmissionError::Old)?;
        let old = first.strip_prefix("old ").and_then(text::decimal);
        let old = old.ok_or(SubmissionError::Old)?;
        let mut proof = Vec::new();
        loop {
            let (line, more) = rest.split_once('\n').ok_or(SubmissionError::Proof)?;
            rest = more;
            if line.is_empty() {
                break;
            }
            let hash = line.parse().ok().filter(|_| proof.len() < PROOF_MAX);
            proof.push(hash.ok_or(SubmissionError::Proof)?);
        }
        let checkpoint = Note::parse(rest.as_bytes())?;
        Ok(Self {
            old,
            proof,
            checkpoint,
        })
    }

    /// Which log it says it is of: the first line of its checkpoint. Nothing is believed yet.
    pub fn origin(&self) -> &str {
        let text = self.checkpoint.text();
        text.split_once('\n').map_or(text, |(origin, _)| origin)
    }

    /// What a witness finds that has cosigned `known` last, or nothing, of the log whose key this is: the
    /// head that it may cosign, once it has made sure that it will not forget it.
    pub fn judge(&self, known: Option<Head>, log: &VerifierKey) -> Result<Head, Refusal> {
        let head = self.signed_by(log)?;
        self.continues(known, head)?;
        Ok(head)
    }

    /// The first half of [`Self::judge`], which needs nothing that is remembered: the head that the log has
    /// signed.
    pub fn signed_by(&self, log: &VerifierKey) -> Result<Head, Refusal> {
        if self.origin() != log.name().as_str() {
            return Err(Refusal::NotSigned);
        }
        let lines = self.checkpoint.signatures().iter();
        if lines.filter(|line| line.name() == log.name()).count() > LINES_MAX {
            return Err(Refusal::TooManySignatures);
        }
        if self.checkpoint.verify([log]).is_err() {
            return Err(Refusal::NotSigned);
        }
        let checkpoint: Checkpoint = self
            .checkpoint
            .text()
            .parse()
            .map_err(|_| Refusal::NotACheckpoint)?;
        Ok(checkpoint.head())
    }

    /// The second half of [`Self::judge`]: whether the head that [`Self::signed_by`] has found continues
    /// what is known.
    pub fn continues(&self, known: Option<Head>, head: Head) -> Result<(), Refusal> {
        if self.old > head.size {
            return Err(Refusal::OldTooLarge);
        }
        let known = known.unwrap_or_else(|| Head {
            size: 0,
            root: Hash::of_empty_tree(),
        });
        if self.old != known.size {
            return Err(Refusal::OtherSize { known: known.size });
        }
        if head.size == known.size && head.root != known.root {
            return Err(Refusal::OtherRoot);
        }
        verify_consistency(known, head, &self.proof).map_err(|_| Refusal::NotConsistent)
    }
}

/// As it is sent.
impl fmt::Display for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
