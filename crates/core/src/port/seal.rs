//! The seal: whether the root key is in memory, and how it gets there.
//!
//! | file | what |
//! |---|---|
//! | `service` | the key services that can hold a seal |
//! | `keeping` | what is done with the seals while unsealed: added, removed, proven, wrapped anew |

mod keeping;
mod service;

use async_trait::async_trait;
use keyward_crypto::SecretBytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::keeping::{
    MadeSeal, NewSeal, RootRewrap, RootRotation, SealFault, SealInfo, SealKeeping, SealOverview,
    SealProof, SealRenewal, SealStanding,
};
pub use self::service::{SealService, SealServiceError, WrappedKey};
use crate::port::storage::StorageError;
use crate::text_enum;

text_enum! {
    /// The kinds of seal.
    pub enum SealKind {
        /// 32 bytes in a file.
        KeyFile => "key-file",
        /// Shares among people.
        Shares => "shares",
        /// A passphrase that somebody knows.
        Passphrase => "passphrase",
        /// A key in a hardware security module.
        Pkcs11 => "pkcs11",
        /// A key of another vault's Transit engine.
        Transit => "transit",
    }
}

impl SealKind {
    /// Whether a node opens it by itself; the others need people.
    pub const fn is_automatic(self) -> bool {
        !matches!(self, Self::Shares | Self::Passphrase)
    }
}

/// How the seal stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealStatus {
    /// Whether `keyward init` has been run.
    pub initialized: bool,
    /// Whether the root key is not in memory.
    pub sealed: bool,
    /// The kinds of seal that hold the root key, in the order in which they are tried.
    pub seals: Vec<String>,
    /// Shares needed, if a seal of shares is there.
    pub threshold: Option<u8>,
    /// Shares made.
    pub total: Option<u8>,
    /// Shares given so far towards unsealing.
    pub progress: u8,
}

/// What became of one seal when a node tried to open itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsealTry {
    /// Which seal.
    pub seal: Uuid,
    /// Its kind.
    pub kind: SealKind,
    /// Why it did not open; nothing if it did.
    pub failure: Option<String>,
}

/// A share or a passphrase was refused.
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
    /// It opens no seal.
    #[error("this is not the passphrase")]
    WrongPassphrase,
    /// No seal of shares is there.
    #[error("this deployment is not sealed with shares")]
    NoShares,
    /// No seal with a passphrase is there.
    #[error("this deployment is not sealed with a passphrase")]
    NoPassphrase,
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
pub trait SealControl: SealKeeping {
    /// How it stands.
    fn status(&self) -> SealStatus;

    /// Whether the root key is not in memory. Asked for every use of a key: must be cheap.
    fn is_sealed(&self) -> bool;

    /// Tries the seals that need nobody, in their order, until one opens. Which failed and why is
    /// told, the one that opened last.
    async fn unseal_automatically(&self) -> Result<Vec<UnsealTry>, StorageError>;

    /// Takes one holder's share; with enough of them the root key comes into memory.
    async fn submit_share(&self, share: &str) -> Result<SealStatus, UnsealError>;

    /// Takes a passphrase; if it is one of the deployment's the root key comes into memory.
    async fn submit_passphrase(&self, passphrase: SecretBytes) -> Result<SealStatus, UnsealError>;

    /// Forgets the shares given so far.
    fn reset_shares(&self);

    /// Drops the root key and everything under it from memory.
    fn seal(&self);
}
