//! Receipts (C2SP `tlog-proof`): that an entry is in a log, in one small text which whoever has the
//! entry and the log's public key can check without asking anybody.

use std::fmt;
use std::str::FromStr;

use crate::checkpoint::{CheckpointError, OpenedCheckpoint};
use crate::hash::Hash;
use crate::key::VerifierKey;
use crate::note::{Note, NoteError};
use crate::proof::{PROOF_MAX, ProofError, verify_inclusion};
use crate::text;

/// The first line.
const MAGIC: &str = "c2sp.org/tlog-proof@v1";
/// The most bytes of extra data that are read.
const EXTRA_MAX: usize = 64 * 1024;
/// The most bytes of a receipt that are read: its checkpoint, proof and extra data.
const RECEIPT_MAX: usize = 1024 * 1024;

/// A proof that an entry is in a log, not checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What an application adds. Nothing authenticates it.
    pub extra: Option<Vec<u8>>,
    /// Which entry of the log, counted from 0.
    pub index: u64,
    /// From the leaf's sibling up to the root's child.
    pub path: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: Note,
}

/// A receipt that cannot be read, or that does not prove it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// It does not begin as receipts do.
    #[error("not a receipt: the first line is not {MAGIC}")]
    NotAReceipt,
    /// It is longer than any that is read.
    #[error("the receipt has {size} bytes; at most {RECEIPT_MAX} are read")]
    TooLong {
        /// How long.
        size: usize,
    },
    /// The line of extra data is not base64.
    #[error("the receipt's extra data are not base64 of at most 64 KiB")]
    Extra,
    /// There is no index.
    #[error("the receipt does not say the entry's index")]
    Index,
    /// A line of the path is no hash, or there are too many.
    #[error("the receipt's path is not at most {PROOF_MAX} hashes, one on a line")]
    Path,
    /// The note in it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The checkpoint in it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The entry is not that one, or not in the log.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl Receipt {
    /// Checks that an entry is in the log: answers the checkpoint that commits to it. The log must
    /// have signed it, witnesses may have.
    pub fn verify<'a>(
        &self,
        entry: &[u8],
        log: &'a VerifierKey,
        witnesses: &'a [VerifierKey],
    ) -> Result<OpenedCheckpoint<'a>, ReceiptError> {
        let opened = OpenedCheckpoint::of_note(&self.checkpoint, log, witnesses)?;
        let head = opened.checkpoint.head();
        verify_inclusion(Hash::of_leaf(entry), self.index, head, &self.path)?;
        Ok(opened)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MAGIC}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", text::base64(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for Receipt {
    type Err = ReceiptError;

    fn from_str(receipt: &str) -> Result<Self, ReceiptError> {
        let size = receipt.len();
        if size > RECEIPT_MAX {
            return Err(ReceiptError::TooLong { size });
        }
        let rest = receipt.strip_prefix(MAGIC);
        let rest = rest.and_then(|rest| rest.strip_prefix('\n'));
        let rest = rest.ok_or(ReceiptError::NotAReceipt)?;
        let (head, checkpoint) = rest.split_once("\n\n").ok_or(ReceiptError::Path)?;
        let mut lines = head.split('\n').peekable();
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            Some(encoded) => {
                lines.next();
                let bytes = text::from_base64(encoded).filter(|bytes| bytes.len() <= EXTRA_MAX);
                Some(bytes.ok_or(ReceiptError::Extra)?)
            }
            None => None,
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(text::decimal).ok_or(ReceiptError::Index)?;
        let mut path = Vec::new();
        for line in lines {
            let hash = line.parse().ok().filter(|_| path.len() < PROOF_MAX);
            path.push(hash.ok_or(ReceiptError::Path)?);
        }
        Ok(Self {
            extra,
            index,
            path,
            checkpoint: Note::parse(checkpoint.as_bytes())?,
        })
    }
}
