//! The seal: whether the root key is in memory, and how it gets there.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::port::storage::StorageError;

/// How the seal stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealStatus {
    /// Whether `keyward init` has been run.
    pub initialized: bool,
    /// Whether the root key is not in memory.
    pub sealed: bool,
    /// The kinds of seal that hold the root key: `key-file`, `shares`.
    pub seals: Vec<String>,
    /// Shares needed, if a seal of shares is there.
    pub threshold: Option<u8>,
    /// Shares made.
    pub total: Option<u8>,
    /// Shares given so far towards unsealing.
    pub progress: u8,
}

/// A share was refused.
#[derive(Debug, thiserror::Error)]
pub enum UnsealError {
    /// It is not a share's text.
    #[error("this is not a share: check that it was copied whole")]
    Malformed,
    /// It belongs to another deployment or an older set.
    #[error("this share belongs to another set of shares")]
    WrongSet,
    /// It is not what the dealer gave to that holder.
    #[error("share {index} was altered or forged; it was not used")]
    Forged {
        /// The share's number.
        index: u8,
    },
    /// It was given already.
    #[error("share {index} was given already")]
    Duplicate {
        /// The share's number.
        index: u8,
    },
    /// No seal of shares is there.
    #[error("this deployment is not sealed with shares")]
    NoShares,
    /// Not initialised.
    #[error("this deployment is not initialised: run `keyward init`")]
    NotInitialized,
    /// The seal opened to something that is not the root key.
    #[error("the root key's record was refused: {0}")]
    Storage(#[from] StorageError),
    /// The journal cannot be written: the share was not used.
    #[error(transparent)]
    Audit(#[from] crate::port::audit_log::AuditError),
}

/// Control over the seal of this node.
#[async_trait]
pub trait SealControl: Send + Sync {
    /// How it stands.
    fn status(&self) -> SealStatus;

    /// Whether the root key is not in memory. Asked for every use of a key: must be cheap.
    fn is_sealed(&self) -> bool;

    /// Takes one holder's share; with enough of them the root key comes into memory.
    async fn submit_share(&self, share: &str) -> Result<SealStatus, UnsealError>;

    /// Forgets the shares given so far.
    fn reset_shares(&self);

    /// Drops the root key and everything under it from memory.
    fn seal(&self);
}
