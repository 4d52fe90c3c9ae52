//! The node as a witness of other deployments' logs. Texts here are in C2SP's formats (`tlog-witness`,
//! `tlog-checkpoint`, `tlog-cosignature`).

use async_trait::async_trait;

/// Why a checkpoint is not cosigned, or nothing can be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessRefusal {
    /// What was sent cannot be understood.
    #[error("{0}")]
    Malformed(String),
    /// The log has not signed it.
    #[error("{0}")]
    NotSigned(String),
    /// This node is no witness of that log.
    #[error("this server is no witness of that log")]
    UnknownLog,
    /// The last cosigned checkpoint of the log has another size.
    #[error("the last cosigned checkpoint has {0} entries")]
    OtherSize(u64),
    /// The log was not proved to have only grown.
    #[error("{0}")]
    NotConsistent(String),
    /// Not now: sealed, too many at once, or the disk.
    #[error("{0}")]
    Unavailable(&'static str),
}

/// By which key a witness signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessName {
    /// The name that it signs under.
    pub name: String,
    /// The public key under that name: `name+id+base64`.
    pub key: String,
}

/// The witness.
#[async_trait]
pub trait WitnessDesk: Send + Sync {
    /// Cosigns a checkpoint after having made sure, durably, that it will not forget it: the signature
    /// lines.
    async fn add(&self, submission: Vec<u8>) -> Result<String, WitnessRefusal>;

    /// The last checkpoint that was cosigned of the log whose name has this SHA-256, in hex.
    async fn checkpoint(&self, log: &str) -> Result<String, WitnessRefusal>;

    /// By which key it signs.
    fn name(&self) -> Result<WitnessName, WitnessRefusal>;

    /// The node was sealed: nothing is cosigned until it is unsealed again.
    fn forget_key(&self);
}
