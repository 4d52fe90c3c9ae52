//! Witnesses (C2SP `tlog-witness`): others who are sent each signed checkpoint of the log, make sure that
//! the log has only grown since the last one, and sign it too. What they signed is kept, and given out.
//!
//! ```text
//! signed checkpoint ─► round ─┬─► witness A ─► cosignature ─► kept ─┐
//!                             └─► witness B ─► cosignature ─► kept ─┴─► enough of them: it counts
//! ```
//!
//! Nothing waits for a witness but what is to be known before the first signature after a start: that no
//! witness has seen more of this log than this node still has ([`Gate`]).

mod asking;
mod gathering;
mod kept;
mod rounds;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use keyward_ledger::{Hash, Head, Note, VerifierKey};
use url::Url;

use crate::settings::TlsFiles;

pub use gathering::{Gatherer, WitnessPorts};

/// A witness, and how it is asked.
#[derive(Clone, Debug)]
pub struct WitnessSettings {
    /// Its name in the configuration.
    pub name: String,
    /// Where checkpoints are sent: its submission prefix and `/add-checkpoint`.
    pub url: Url,
    /// Its public key, and the name that it signs under.
    pub key: VerifierKey,
    /// Certificates.
    pub tls: TlsFiles,
    /// How long a connection may take to be made.
    pub connect: Duration,
    /// How long an answer may take.
    pub answer: Duration,
    /// The longest pause between two tries.
    pub retry_most: Duration,
}

/// All witnesses of a log.
#[derive(Clone, Debug)]
pub struct WitnessPolicy {
    /// Who.
    pub witnesses: Vec<WitnessSettings>,
    /// How many of them must have signed a checkpoint for it to count; 0: none.
    pub required: usize,
    /// How long after a start nothing new is signed while some have not said what they know.
    pub wait: Duration,
}

/// A checkpoint that the log has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// How many entries, and their root.
    pub head: Head,
    /// The checkpoint.
    pub note: Note,
    /// The log's key; its name is the log's.
    pub log: VerifierKey,
}

/// A checkpoint with what witnesses signed of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// What the log signed.
    pub signed: Arc<Signed>,
    /// The same with the witnesses' signatures.
    pub note: Note,
    /// Whether as many have signed as must.
    pub counts: bool,
}

/// Whether anything new may be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Not before witnesses have said what they know of this log; the last signed checkpoint may be signed
    /// again, for them to be asked with.
    Asking,
    /// Yes.
    Open,
    /// No: a witness has cosigned more entries than there are.
    Ahead {
        /// Which.
        witness: String,
        /// How many.
        size: u64,
    },
    /// No: a mirror holds more of this log, or another history of it.
    Mirrored {
        /// Which.
        mirror: String,
        /// What it holds.
        what: String,
    },
}

/// Proves that the first entries of the log are those of an older, smaller checkpoint: from one size to
/// another. Reads files.
pub type Prove = Arc<dyn Fn(u64, u64) -> Result<Vec<Hash>, String> + Send + Sync>;
